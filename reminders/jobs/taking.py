"""What to send next: claimed, asked again on the facts as they are, and composed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue.series import find
from reminders.clock import Clock, SystemClock
from reminders.jobs import clockwatch
from reminders.jobs.service import Book, Service, message_id_of
from reminders.mail.compose import Letter
from reminders.mail.envelope import Envelope
from reminders.mail.skeleton import Composed
from reminders.planning import plan
from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.planning.selections import lists
from reminders.planning.subscribers import Subscriber
from reminders.store import claiming, events, outbox, pace, packing, pauses, people, sending
from reminders.store.claiming import LATE
from reminders.store.outbox import IN_DOUBT
from reminders.store.sending import Message

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reminders.catalogue.events import PublishedEvent
    from reminders.store.rows import Row


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one notice: the state it is in now, and why (a `Reason`, or the server's words)."""

    notice: Notice
    subscriber: Subscriber | None
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed row with what its message is made of, all read in the transaction that claimed it.

    `before` are the mails about its date that its person already has, oldest first.
    """

    row: Row
    event: PublishedEvent
    subscriber: Subscriber
    book: Book
    before: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What was claimed, message by message, and what was dropped.

    `next_at` (wall time): more is due, but none may go before then.
    """

    claimed: tuple[tuple[Claimed, ...], ...] = ()
    dropped: tuple[Handled, ...] = ()
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that can be begun: as `messages` to the store, a row each, as `data` to the relay."""

    claimed: tuple[Claimed, ...]
    messages: tuple[Message, ...]
    data: bytes = field(repr=False)
    envelope: Envelope


def take(service: Service, owner: str, clock: Clock, most: int) -> Taken:
    """Claim up to so many messages, the most urgent first, and ask again whether each row is still wanted.

    None while the clock is doubted: by a wrong one a mail would be too early, or given up as of no more use.
    """
    rate = service.rate
    with service.store.writing() as tx:
        if pauses.paused(tx) or clockwatch.hold(tx, clock):
            return Taken()
        now, wall_now = clock.now(), SystemClock().now()
        if rate:
            left = pace.allowance(tx, rate, wall_now)
            if not left.messages:
                return Taken(next_at=left.next_at if claiming.waiting(tx, now=now, wall_now=wall_now) else None)
            most = min(most, left.messages)
        messages = claiming.claim(
            tx,
            owner,
            now=now,
            wall_now=wall_now,
            lease=lease(service),
            most=most,
            per_domain=service.settings.per_domain,
            per_person=service.settings.per_person,
        )
        rows = [row for message in messages for row in message]
        found = _ask(tx, service.book(tx), rows, now) if rows else ()
        answers = dict(zip((row.id for row in rows), found, strict=True))
        for id, answer in answers.items():
            if isinstance(answer, Handled):
                sending.drop(tx, id, Reason(answer.why), now)
        asked = [[answers[row.id] for row in message] for message in messages]
        wanted = [tuple(each for each in message if isinstance(each, Claimed)) for message in asked]
        claimed = tuple(message for message in wanted if message)
        if rate and claimed:
            pace.spend(tx, rate, len(claimed), wall_now)
    return Taken(claimed, tuple(each for each in answers.values() if isinstance(each, Handled)))


def _ask(tx: Connection, book: Book | None, rows: Sequence[Row], now: datetime) -> Iterator[Claimed | Handled]:
    """Of each row what its message is made of, or why it is not wanted any more."""
    notices = [row.notice for row in rows]
    told = outbox.told_before(tx, notices)
    known = {id: events.published_event(tx, id) for id in {each.event for each in notices}}
    persons = {}
    if book is not None:
        persons = people.subscribers(tx, book.configuration.audiences, ids={each.subscriber for each in notices})
    for row in rows:
        notice = row.notice
        event, subscriber, before = known[notice.event], persons.get(notice.subscriber), told[notice.key]
        if book is None or event is None or subscriber is None:
            yield Handled(notice, subscriber, "dropped", Reason.NOT_FOLLOWING)
            continue
        read, last = book.configuration, before[-1] if before else None
        reason = plan.still_wanted(notice, event, subscriber, read.rules, read.kinds, last, now)
        yield (
            Claimed(row, event, subscriber, book, before)
            if reason is None
            else Handled(notice, subscriber, "dropped", reason)
        )


def prepare(service: Service, claimed: tuple[Claimed, ...], now: datetime) -> Ready | str:
    """The message of claimed rows; why it cannot be composed if that is so: then they have failed, and no others have.

    What may have arrived is sent again as the same bytes. What was refused is composed anew, and keeps its Message-ID
    only while it says the same and is not late.
    """
    row = claimed[0].row
    try:
        made = None if row.body is None else Composed(row.body)
        composed_at, message_id = row.composed_at or now, row.message_id
        if made is not None and row.reason != IN_DOUBT:
            anew = compose_rows(service, claimed, message_id, composed_at)
            made = anew if now - composed_at <= LATE and anew.data == row.body else None
        if made is None:
            composed_at, message_id = now, message_id_of(service.settings, row.notice, row.attempts)
            made = compose_rows(service, claimed, message_id, composed_at)
        recipient = service.settings.redirect_all or claimed[0].subscriber.address
        envelope = service.envelope(row.id, recipient)
        packed = packing.pack(made.data, made.common)
        messages = tuple(Message(each.row.id, message_id, packed, composed_at, made.common) for each in claimed)
        return Ready(claimed, messages, made.data, envelope)
    except Exception as error:  # whatever a template or a fact does, it is this message's failure and no other's
        return f"cannot be composed: {error}"


def prepare_apart(
    service: Service, claimed: tuple[Claimed, ...], now: datetime
) -> list[tuple[tuple[Claimed, ...], Ready | str]]:
    """The same, with those of several rows taken out for which nothing can be composed: each fails by itself."""
    ready = prepare(service, claimed, now)
    if isinstance(ready, Ready) or len(claimed) == 1:
        return [(claimed, ready)]
    apart = [(each, prepare(service, (each,), now)) for each in claimed]
    bad: list[tuple[tuple[Claimed, ...], Ready | str]] = [((each,), it) for each, it in apart if isinstance(it, str)]
    good = tuple(each for each, it in apart if isinstance(it, Ready))
    return [*bad, (good, prepare(service, good, now))] if bad and good else bad or [(claimed, ready)]


def compose_rows(service: Service, claimed: tuple[Claimed, ...], message_id: str, now: datetime) -> Composed:
    """The message of claimed rows, as it goes over the wire."""
    first, *others = (_letter(service, each, message_id, now) for each in claimed)
    if others:
        first, *others = sorted((first, *others), key=lambda each: each.date.when.first or date.max)
        first = replace(first, others=tuple(others))
    return service.compose(claimed[0].book.templates, first)


def _letter(service: Service, claimed: Claimed, message_id: str, now: datetime) -> Letter:
    notice, configuration = claimed.row.notice, claimed.book.configuration
    dated = find(claimed.event, (notice.date_kind, notice.occurrence))
    if dated is None:
        raise ValueError(f"{notice.event} has no date {notice.date_kind} {notice.occurrence}")
    meant_at = max(notice.due_at, dated.known_at, claimed.subscriber.joined_at)
    news = notice.kind is not NoticeKind.REMINDER
    return Letter(
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
        report_id=service.report_id(claimed.row.id),
        parent_ids=tuple(dict.fromkeys(each.message_id for each in claimed.before)) if news else (),
    )


def lease(service: Service) -> timedelta:
    """How long a claim lasts: well beyond the longest a message may take at the relay."""
    return timedelta(seconds=3 * service.settings.message_deadline + 60)
