"""The nightly reconciliation: what should have gone, from the files, against what the outbox says of it.

It asks what no pass asks: whether a reminder that must be there is there at all. Beside that, what does not move on,
and what went out and should not have. Then the operator is told, with what failed on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.clock import SystemClock
from reminders.jobs import foresight, ruling
from reminders.jobs.drawing import EPOCH
from reminders.jobs.health import LATE, unexplained
from reminders.jobs.refresh import reminded_until
from reminders.jobs.service import Book, Service
from reminders.planning.expect import expected, founded
from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.pace import crowds
from reminders.store import audit, events, ledger, pauses, people, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reminders.store.rows import Row

WINDOW = timedelta(days=8)
"""How far back it looks: a week, and the day on which somebody was away."""
DAY = timedelta(days=1)
OVERDUE = timedelta(hours=1)
AHEAD = timedelta(days=3)
"""For which reminders it is reckoned whether the rate suffices: over a weekend."""
HOUR = 4
"""When a night is over (UTC)."""
MOST = 50
"""Lines of one kind that are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be told: what it is, and of which notices, a line each."""

    what: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """`differences` are faults of this program or of somebody's hand in its database; `failures` are the relay's or of
    templates, since the last night; `foreseen` will come too late, a sentence each. `expected` counts the reminders
    that were looked for.
    """

    expected: int = 0
    differences: tuple[Finding, ...] = ()
    failures: tuple[Finding, ...] = ()
    foreseen: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """How many notices differ."""
        return sum(len(each.lines) for each in self.differences)

    @property
    def failed(self) -> int:
        """How many notices failed, or are in doubt."""
        return sum(len(each.lines) for each in self.failures)


def reconcile(service: Service, now: datetime, *, failed_since: datetime | None = None) -> Reconciled:
    """Compare the last days with the outbox; writes nothing. `failed_since`: a day ago, if not given."""
    wall_now = SystemClock().now()
    with service.store.reading() as tx:
        book = service.book(tx)
        if book is None:
            return Reconciled()
        wanted = _wanted(tx, service, book, now)
        differing = _told(_differences(tx, service, book, wanted, now, wall_now))
        lately = failed_since or now - DAY
        failing = _told(
            (
                _finding("failed: `reminders outbox list failed` prints why", audit.settled(tx, ["failed"], lately)),
                _finding("in doubt: nobody knows whether they arrived", audit.settled(tx, ["uncertain"], lately)),
            )
        )
        read = book.configuration
        members = people.subscribers(tx, read.audiences).values()
        published = events.published(tx).values()
        known = crowds(
            published, read.rules, read.kinds, members, after=now, until=now + AHEAD, nation=service.settings.nation
        )
    foreseen = foresight.sentences(known, service.settings, now)
    return Reconciled(len(wanted), differing, failing, tuple(foreseen))


def nightly(service: Service, now: datetime) -> Reconciled | None:
    """Reconcile once a night, whichever worker comes first; None when that is done. What was found is remembered."""
    with service.store.writing(alone=audit.AUDITED) as tx:
        before = audit.audited(tx)
        last = before.at if before else None
        if last is not None and last >= _night(now):
            return None
        audit.remember(tx, audit.Audited(now, 0))
        if (book := service.book(tx)) is not None:
            ruling.mark(tx, book, service.settings.nation, now)
    found = reconcile(service, now, failed_since=last)
    if found.number:
        with service.store.writing() as tx:
            audit.remember(tx, audit.Audited(now, found.number))
    return found


def report(found: Reconciled, now: datetime) -> tuple[str, tuple[str, ...]] | None:
    """What the operator is told of it: a subject and lines; None when there is nothing to tell."""
    parts = [
        (found.number, "difference"),
        (found.failed, "mail not sent or in doubt"),
        (len(found.foreseen), "reminder that will be late"),
    ]
    said = ", ".join(f"{number} x {what}" for number, what in parts if number)
    if not said:
        return None
    lines = [f"Looked at on {now:%d %B %Y %H:%M} UTC; reminders looked for: {found.expected}."]
    for each in (*found.differences, *found.failures):
        lines += ["", f"{len(each.lines)} {each.what}:", *(f"- {line}" for line in each.lines[:MOST])]
        if len(each.lines) > MOST:
            lines.append(f"- and {len(each.lines) - MOST} more")
    if found.foreseen:
        lines += ["", "Too late at the relay's rate:", *(f"- {sentence}" for sentence in found.foreseen)]
    return f"reconciliation: {said}", tuple(lines)


def _wanted(tx: Connection, service: Service, book: Book, now: datetime) -> list[Notice]:
    """The reminders of which there must be a row."""
    epoch = state.get(tx, EPOCH)
    if not isinstance(epoch, datetime):
        return []
    read = book.configuration
    return expected(
        events.published(tx).values(),
        read.rules,
        read.kinds,
        people.subscribers(tx, read.audiences).values(),
        since=now - WINDOW,
        until=reminded_until(tx),
        epoch=epoch,
        nation=service.settings.nation,
        settled=_steady(tx, service, book, now),
    )


def _steady(tx: Connection, service: Service, book: Book, now: datetime) -> dict[str, datetime]:
    """Since when each event and the rules are as they are, by the event's id."""
    ruled = ruling.ruled_since(tx, book, service.settings.nation) or now
    return {id: max(at, ruled) for id, at in audit.changed_at(tx).items()}


def _differences(
    tx: Connection, service: Service, book: Book, wanted: Collection[Notice], now: datetime, wall_now: datetime
) -> Iterator[Finding]:
    absent = audit.absent(tx, {notice.key for notice in wanted})
    lines = tuple(_words(notice) for notice in wanted if notice.key in absent)
    yield Finding("owed by the files, and in no state in the outbox", lines)
    if pauses.paused(tx) is None and unexplained(tx, service.rate, ledger.oldest_due(tx, now, wall_now), now):
        yield _finding("owed for more than an hour, and not sent", audit.overdue(tx, now - OVERDUE, wall_now))
    yield _finding("in hand of a worker that is gone", audit.stuck(tx, wall_now - LATE))
    yield _finding("at rest, with a try that has no end", audit.unended(tx))
    gone = list(audit.begun(tx, now - WINDOW))
    yield _finding("sent to somebody who had left", (each.row for each in gone if _left(each)))
    late = (each.row for each in gone if each.begun_at > each.row.notice.expires_at + LATE)
    yield _finding("sent when they were of no use any more", late)
    steady, published = _steady(tx, service, book, now), events.published(tx)
    rules, kinds = book.configuration.rules, book.configuration.kinds
    judged = (
        each.row
        for each in gone
        if each.row.notice.kind is NoticeKind.REMINDER and each.row.owed_at > steady[each.row.notice.event]
    )
    unfounded = (
        row
        for row in judged
        if not founded(row.notice, published[row.notice.event], rules, kinds, service.settings.nation)
    )
    yield _finding("sent, and nothing in the files says so", unfounded)


def _left(sent: audit.Begun) -> bool:
    """Whether it was begun clearly after its person had left: the two are written down by different clocks."""
    return sent.left_at is not None and sent.begun_at > sent.left_at + LATE


def _finding(what: str, rows: Iterable[Row]) -> Finding:
    return Finding(what, tuple(f"notice {row.id}: {_words(row.notice)}" for row in rows))


def _told(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(each for each in findings if each.lines)


def _words(notice: Notice) -> str:
    occurrence = f" ({notice.occurrence})" if notice.occurrence else ""
    return (
        f"{notice.event} {notice.date_kind}{occurrence} {notice.rule or notice.kind.value} to subscriber "
        f"{notice.subscriber}, due {notice.due_at:%Y-%m-%d %H:%M} UTC"
    )


def _night(now: datetime) -> datetime:
    """The end of the last night."""
    end = now.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return end if end <= now else end - DAY
