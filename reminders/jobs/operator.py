"""Word to the operator by mail: what wants a person, beside the log and `/readyz`, which say it too."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from reminders.errors import DeliveryError
from reminders.jobs.braking import Stopped
from reminders.jobs.service import Service
from reminders.mail.envelope import Envelope, Transport
from reminders.mail.notes import note

MOST = 20
"""So many notes wait for a relay at most; the oldest go unsent."""
AGAIN = 600.0
"""Seconds before a relay that did not take a note is asked again."""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """What the operator is to be told: a subject and lines."""

    subject: str
    lines: tuple[str, ...]


class Notes:
    """What the operator has not been told yet, as far as there is an address; it does not outlive the process.

    Nothing is lost with it: what a note tells stands in the outbox, and in the log.
    """

    def __init__(self, service: Service, transport: Transport) -> None:
        self._service = service
        self._transport = transport
        self._waiting: deque[Note] = deque(maxlen=MOST)
        self._not_before = float("-inf")

    @property
    def due(self) -> bool:
        """Whether there is one that may be sent now."""
        return bool(self._waiting) and asyncio.get_running_loop().time() >= self._not_before

    def add(self, *notes: Note) -> None:
        """Have these sent with the next `send`."""
        if self._service.settings.operator:
            self._waiting.extend(notes)

    async def send(self, now: datetime) -> DeliveryError | None:
        """Send all that wait; what the relay does not take is logged, and waits for another time. Why, or None.

        Whoever calls it sends nothing else through the transport meanwhile. It is not counted against the rate: notes
        must be rare.
        """
        try:
            while self.due:
                if (error := await self._send(self._waiting[0], now)) is not None:
                    self._not_before = asyncio.get_running_loop().time() + AGAIN
                    return error
                self._waiting.popleft()
        finally:
            await self._transport.close()
        return None

    async def _send(self, each: Note, now: datetime) -> DeliveryError | None:
        sender, to = self._service.sender(), self._service.settings.operator
        try:
            data = self._service.sign(note(sender, to, each.subject, each.lines, now))
            await self._transport.send(data, Envelope(sender.mail_from, to), _go, lambda: True)
        except DeliveryError as error:
            LOG.error("the operator could not be told by mail (%s): %s", error, each.subject)
            return error
        return None


def held(stopped: Iterable[Stopped]) -> list[Note]:
    """What the operator is told of batches that the brake holds."""
    return [
        Note(
            f"batch {batch.batch}: {batch.mails} mails are held",
            (
                f"{batch.mails} mails would go, and this day may bring {batch.limit}. They are held. The first:",
                *(f"- {each}" for each in batch.first),
                "",
                f"`reminders outbox release {batch.batch}` sends them and accepts the plan as it stands.",
                f"`reminders outbox discard {batch.batch}` drops them.",
            ),
        )
        for batch in stopped
    ]


async def _go() -> bool:
    return True
