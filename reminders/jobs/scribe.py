"""Writes down what the messages in hand wait for, many at once: what comes while a commit runs goes into the next.

A commit that is on the disk takes as long as a message. So the fence before a message and its outcome are not written
one by one, but as they come together: alone while one message is under way, a dozen at a time while a dozen are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from reminders.clock import Clock, SystemClock
from reminders.jobs import clockwatch
from reminders.jobs.service import Service
from reminders.store import pauses, replay, reports, sending
from reminders.store.engine import TROUBLE
from reminders.store.journal import Sent, Unwritable
from reminders.store.sending import Ending, Message

SETTLING, PAUSE = 36, 5.0
"""How often to try to write down what became of messages, and the seconds between: three minutes."""
BROKEN = 3
"""The same for a database that is broken: what was accepted is in the journal, and found there."""

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Begun:
    messages: tuple[Message, ...]
    until: asyncio.Future[datetime | None]


@dataclass(frozen=True, slots=True)
class _Ended:
    endings: Sequence[Ending]
    done: asyncio.Future[set[int]]


class Scribe:
    """One worker's writer, for as long as it delivers. All it writes is written by one thread, in its order.

    What a relay accepted is in the journal before it is in the database. Once something could not be written, no
    message is begun any more, whatever could be written later.
    """

    def __init__(self, service: Service, clock: Clock, owner: str, lease: timedelta) -> None:
        self._store = service.store
        self._journal = service.journal
        # What is refused while all mails are redirected is not about their people.
        self._bounce_limit = 0 if service.settings.redirect_all else service.settings.bounce_limit
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._begun: list[_Begun] = []
        self._ended: list[_Ended] = []
        self._unwritten: list[Sent] = []
        self._name = ""
        self._spans: list[tuple[int, int]] = []
        self._fault: Exception | None = None
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "scribe")

    async def do(self, work: Callable[[], Result]) -> Result:
        """Run something else that writes, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self, messages: tuple[Message, ...]) -> datetime | None:
        """The fence: until when (wall time) a message is this worker's, for all its rows; None: it may not be started.

        Raises what the store does when it cannot be written: then it may not be started either.
        """
        begun = _Begun(messages, asyncio.get_running_loop().create_future())
        self._begun.append(begun)
        self._write()
        return await begun.until

    def settle(self, endings: Sequence[Ending], accepted: Sequence[Sent] = ()) -> asyncio.Future[set[int]]:
        """What became of a message, to be written whatever is the matter with the store: it is known only here.

        `accepted` is what the journal says of it. Gives the rows that were still this worker's.
        """
        ended = _Ended(endings, asyncio.get_running_loop().create_future())
        self._ended.append(ended)
        self._unwritten += accepted
        self._write()
        return ended.done

    async def close(self) -> None:
        """Write what is left, and end."""
        while self._writing is not None:
            await self._writing
        unwritten, self._unwritten = self._unwritten, []
        await self._enter(unwritten)
        if self._unwritten:
            LOG.error("%s: after a backup is restored, mails may go twice: %d", self._fault, len(self._unwritten))
        self._thread.shutdown(wait=False)

    def _write(self) -> None:
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        tries = 0
        while self._begun or self._ended:
            begun, self._begun = self._begun, []
            ended, self._ended = self._ended, []
            accepted, self._unwritten = self._unwritten, []
            await self._enter(accepted)
            if self._fault:
                for fence in begun:
                    fence.until.set_exception(self._fault)
                begun = []
            try:
                until, own = await self.do(lambda b=begun, e=ended: self._commit(b, e))  # type: ignore[misc]  # bound now
            except Exception as error:
                self._fault = self._fault or error
                for fence in begun:
                    fence.until.set_exception(error)
                tries += 1
                if tries < (BROKEN if self._store.broken else SETTLING) and isinstance(error, TROUBLE):
                    self._ended = ended + self._ended
                    await asyncio.sleep(PAUSE if self._ended else 0)
                else:
                    self._spans = []  # something in them is not in the database
                    for each in ended:
                        each.done.set_exception(error)
                continue
            tries = 0
            for fence in begun:
                fence.until.set_result(until.get(fence.messages[0].row))
            for each in ended:
                each.done.set_result(own & {ending.row for ending in each.endings})
        self._writing = None

    async def _enter(self, accepted: list[Sent]) -> None:
        """Have it in the journal what a relay accepted; not once more when it is the commit after it that fails.

        What cannot be written there is tried again later, and kept from the database by nothing.
        """
        if not accepted:
            return
        try:
            name, start, end = await self.do(lambda: self._journal.append(accepted))
        except Unwritable as error:
            self._unwritten = accepted + self._unwritten
            self._fault = self._fault or error
            return
        if name != self._name:
            self._name, self._spans = name, []
        self._spans.append((start, end))

    def _commit(self, begun: Sequence[_Begun], ended: Sequence[_Ended]) -> tuple[dict[int, datetime], set[int]]:
        now, wall_now = self._clock.now(), SystemClock().now()
        with self._store.writing() as tx:
            if begun and (pauses.paused(tx) or clockwatch.hold(tx, self._clock)):
                begun = ()
            started = sending.begin(
                tx,
                [row for each in begun for row in each.messages],
                self._owner,
                now=now,
                wall_now=wall_now,
                lease=self._lease,
            )
            endings = [row for each in ended for row in each.endings]
            own = sending.settle(tx, endings, self._owner, now=now)
            for row in (each.endings[0] for each in ended) if self._bounce_limit else ():
                if row.outcome == "failed" and row.phase == "rcpt":
                    reports.refused(tx, row.row, row.code, row.reply, now, limit=self._bounce_limit)
            known_to = replay.advance(tx, self._name, self._spans) if self._spans else 0
        self._spans = [each for each in self._spans if each[0] >= known_to]
        return dict.fromkeys(started, wall_now + self._lease), own
