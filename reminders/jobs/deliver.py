"""Date to mail, second half: claim, commit, send, settle; one notice at a time, one failure its own.

    claim + ask again (commit) -> compose -> MAIL, RCPT -> fence (commit) -> DATA -> settle (commit)

Nothing of the database is held while the network is waited for. What a crash leaves in doubt is one message per
worker: the one whose fence is committed and whose answer is not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue.series import find
from reminders.clock import Clock, SystemClock
from reminders.errors import DeliveryError, Verdict
from reminders.jobs.health import note
from reminders.jobs.service import Book, Service, message_id_of
from reminders.mail import compose
from reminders.mail.compose import Letter
from reminders.mail.envelope import Envelope, NotStarted, Transport
from reminders.planning import plan
from reminders.planning.notices import Notice, Reason
from reminders.planning.selections import lists
from reminders.planning.subscribers import Subscriber
from reminders.store import events, outbox, people
from reminders.store.engine import TROUBLE

if TYPE_CHECKING:
    from reminders.catalogue.events import PublishedEvent
    from reminders.store.outbox import Outcome
    from reminders.store.rows import Row

LATE = timedelta(hours=1)
"""A reminder sent this long after it was due says that it is late."""
SETTLING, PAUSE = 12, 5.0
"""How often to try to write down what became of a message, and the seconds between: three minutes when it is locked."""
BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one notice: the state it is in now, and why (a `Reason`, or the server's words)."""

    notice: Notice
    subscriber: Subscriber | None
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many were sent, and why no more can be at present ("" when all that was due was dealt with)."""

    sent: int = 0
    fault: str = ""


Told = Callable[[Handled], None]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed row with what its message is made of, all read in the transaction that claimed it."""

    row: Row
    event: PublishedEvent
    subscriber: Subscriber
    book: Book


async def deliver(
    service: Service,
    transport: Transport,
    clock: Clock,
    owner: str,
    *,
    told: Told = lambda handled: None,
    stop: asyncio.Event | None = None,
) -> Delivered:
    """Send what is owed and due, most urgent first, until nothing is left or `stop` is set.

    A connection that cannot be had ends the pass without charging anybody an attempt; the rows stay owed. So does a
    server that takes a message and does not answer: at most one is put in doubt by it.
    """
    sent, fault = 0, ""
    try:
        while not (stop and stop.is_set()):
            taken = await asyncio.to_thread(take, service, owner, clock.now())
            if taken is None:
                break
            if isinstance(taken, Handled):
                told(taken)
                continue
            try:
                handled = await _send(service, transport, clock, owner, taken)
            except TransportFault as error:
                fault = str(error)
                if error.handled is not None:
                    told(error.handled)
                if isinstance(error.__cause__, DeliveryError):
                    await asyncio.to_thread(note, service, error.__cause__, clock.now())
                break
            sent += handled.state == "sent"
            told(handled)
        if sent and not fault:
            await asyncio.to_thread(note, service, None, clock.now())
    finally:
        await transport.close()
    return Delivered(sent, fault)


class TransportFault(Exception):
    """No message can be sent at present. `handled` is the one it was noticed with, None when nobody was charged."""

    def __init__(self, words: str, handled: Handled | None = None) -> None:
        super().__init__(words)
        self.handled = handled


def take(service: Service, owner: str, now: datetime) -> Claimed | Handled | None:
    """Claim the next row and ask again whether it is still wanted, on the facts as they are in that transaction."""
    with service.store.writing() as tx:
        row = outbox.claim(tx, owner, now=now, wall_now=SystemClock().now(), lease=lease(service))
        if row is None:
            return None
        book = service.book(tx)
        notice = row.notice
        event = events.published_event(tx, notice.event)
        if book is None or event is None:
            outbox.drop(tx, row.id, Reason.NOT_FOLLOWING, now)
            return Handled(notice, None, "dropped", Reason.NOT_FOLLOWING)
        subscriber = people.subscriber(tx, notice.subscriber, book.configuration.audiences)
        reason = plan.still_wanted(
            notice,
            event,
            subscriber,
            book.configuration.rules,
            book.configuration.kinds,
            outbox.told_one(tx, notice),
            now,
        )
        if reason is not None or subscriber is None:
            reason = reason or Reason.NOT_FOLLOWING
            outbox.drop(tx, row.id, reason, now)
            return Handled(notice, subscriber, "dropped", reason)
    return Claimed(row, event, subscriber, book)


async def _send(service: Service, transport: Transport, clock: Clock, owner: str, claimed: Claimed) -> Handled:
    row, subscriber = claimed.row, claimed.subscriber

    def settle(state: Outcome, why: str, *, phase: str = "", code: int = 0, next_at: datetime | None = None) -> Handled:
        def write() -> None:
            with service.store.writing() as tx:
                at = clock.now()
                outbox.settle(tx, row.id, owner, state, reply=why, phase=phase, code=code, now=at, next_at=next_at)

        _persistently(write)
        waits = state == "again" or next_at is not None
        return Handled(row.notice, subscriber, "owed" if waits else state, why)

    def give_back(error: DeliveryError) -> TransportFault:
        # What no row can be at fault for holds none back: the most urgent goes first once the relay is there again.
        next_at = None if error.phase == "connect" else SystemClock().now() + back_off(row.tries)

        def write() -> None:
            with service.store.writing() as tx:
                outbox.release_claim(tx, row.id, owner, next_at, reply=str(error))

        _persistently(write)
        return TransportFault(str(error))

    try:
        message_id = row.message_id or message_id_of(service.settings, row.notice)
        data = row.body
        if data is None:
            data = await asyncio.to_thread(compose_row, service, claimed, message_id, clock.now())
    except Exception as error:  # whatever a template or a fact does, it is this row's failure and no other's
        return await asyncio.to_thread(settle, "failed", f"cannot be composed: {error}", phase="compose")

    message = data

    def fence() -> bool:
        with service.store.writing() as tx:
            return outbox.begin(
                tx,
                row.id,
                owner,
                message_id=message_id,
                body=message,
                composed_at=clock.now(),
                wall_now=SystemClock().now(),
                lease=lease(service),
            )

    try:
        accepted = await transport.send(
            message,
            Envelope(service.sender().mail_from, subscriber.address),
            lambda: asyncio.to_thread(fence),
            lambda: True,
        )
    except NotStarted:
        return Handled(row.notice, subscriber, "stopped", "the person left just now, or another worker has it")
    except TROUBLE as error:  # at the fence: nothing of the message was handed over
        raise await asyncio.to_thread(give_back, DeliveryError("connect", 0, str(error), Verdict.PAUSE)) from error
    except DeliveryError as error:
        if error.verdict in (Verdict.PAUSE, Verdict.FAULT):
            raise await asyncio.to_thread(give_back, error) from error
        handled = await asyncio.to_thread(_settle_refused, settle, service, row, error)
        if error.verdict is Verdict.DOUBT:
            # A relay that takes messages and never answers would put one after the other in doubt.
            raise TransportFault(str(error), handled) from error
        return handled
    return await asyncio.to_thread(settle, "sent", accepted.reply, phase="dot", code=250)


def _persistently(write: Callable[[], None]) -> None:
    """Write down what became of a message, whatever is the matter with the database at first: it is known only here."""
    for left in reversed(range(SETTLING)):
        try:
            write()
            return
        except TROUBLE:
            if not left:
                raise
            time.sleep(PAUSE)


def _settle_refused(settle: Callable[..., Handled], service: Service, row: Row, error: DeliveryError) -> Handled:
    """What an error means for the row: in doubt, over, or to be tried again until its attempts or its use run out."""
    begun = error.phase in ("data", "dot")
    tries_left = not begun or row.attempts + 1 < service.settings.attempts
    next_at = SystemClock().now() + back_off(row.tries)
    if error.verdict is Verdict.DOUBT:
        again = tries_left and row.uncertain_policy == "resend"
        return settle("uncertain", str(error), phase=error.phase, next_at=next_at if again else None)
    if error.verdict is Verdict.RETRY and tries_left:
        return settle("again", str(error), phase=error.phase, code=error.code, next_at=next_at)
    return settle("failed", str(error), phase=error.phase, code=error.code)


def compose_row(service: Service, claimed: Claimed, message_id: str, now: datetime) -> bytes:
    """The message of a claimed row, as the bytes that go over the wire."""
    notice, configuration = claimed.row.notice, claimed.book.configuration
    dated = find(claimed.event, (notice.date_kind, notice.occurrence))
    if dated is None:
        raise ValueError(f"{notice.event} has no date {notice.date_kind} {notice.occurrence}")
    meant_at = max(notice.due_at, dated.known_at, claimed.subscriber.joined_at)
    letter = Letter(
        notice=notice,
        subscriber=claimed.subscriber,
        event=claimed.event.event,
        date=dated.date,
        kind=configuration.kinds[notice.date_kind],
        service=service.sender(),
        unsubscribe_url=service.unsubscribe_url(claimed.subscriber.id),
        calendars_url=service.calendars_url(claimed.subscriber.id),
        event_url=service.event_url(notice.event),
        message_id=message_id,
        composed_at=now,
        meant_at=meant_at if now - meant_at > LATE else None,
        lists=lists(configuration.audiences, claimed.subscriber, claimed.event.event, notice.date_kind),
        parent_ids=claimed.row.parents,
    )
    return compose.compose(claimed.book.templates, letter)


def lease(service: Service) -> timedelta:
    """How long a claim lasts: well beyond the longest a message may take at the relay."""
    return timedelta(seconds=3 * service.settings.message_deadline + 60)


def back_off(tries: int) -> timedelta:
    """How long to wait before the next try, spread so that many rows do not come back at once."""
    base = BACK_OFF[min(tries, len(BACK_OFF) - 1)]
    return base * random.uniform(0.8, 1.2)  # noqa: S311  # spreading load, not a secret


def transport_of(service: Service) -> Transport:
    """The relay of the settings, or the outbox folder while there is none."""
    chosen = service.settings
    if not chosen.smtp_host:
        from reminders.mail.folder import FolderTransport  # only one of the two is needed

        return FolderTransport(service.data / "outbox")
    from reminders.mail.smtp import SmtpTransport  # only one of the two is needed

    return SmtpTransport(
        host=chosen.smtp_host,
        port=chosen.smtp_port,
        security=chosen.smtp_security,
        user=chosen.smtp_user,
        password=chosen.smtp_password.get_secret_value(),
        timeout=chosen.message_deadline,
        ca_file=chosen.smtp_ca_file,
    )


def recover(service: Service) -> int:
    """Take back what workers of this machine that are gone had claimed, and what any worker held past its lease."""
    from reminders.jobs import workers

    wall = SystemClock().now()
    with service.store.writing() as tx:
        gone = workers.dead(outbox.owners(tx), service.data)
        taken = outbox.recover(tx, dead=gone, wall_now=wall, max_attempts=service.settings.attempts)
    workers.bury(gone, service.data)
    return taken
