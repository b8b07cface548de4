"""What came back about messages, and what follows for the people they were for.

A dead address is suspended once it bounced often enough: no mail is begun until an operator says otherwise. Who
complained has left, as by the link in a mail. Of one message each kind of report counts once, however often it comes
and by whatever way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from reminders.mail.reports import Finding, Report, ReportKind, about
from reminders.mail.statuses import find_status, is_dead
from reminders.store import people
from reminders.store.rows import log
from reminders.store.tables import insert, outbox, report, subscriber

COMPLAINT = "complaint"
"""How somebody left who called a mail unwanted."""
UNSUBSCRIBED = "unsubscribed"
"""What was done about a complaint."""
BOUNCED = "bounced"
"""What the history of a message says that did not arrive; the row stays sent."""
WORDS = 300
"""How much of what a server says is kept, in characters."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A report that was new: what it says of which row of the outbox and whom, and what was done about it.

    `done` is "suspended", "unsubscribed", or "" when the report is only kept.
    """

    outbox: int
    subscriber: int
    kind: ReportKind
    status: str
    done: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A report as it is kept. `at` is event time; `address` that of the person it was about, `outbox` the row."""

    id: int
    at: datetime
    kind: str
    outbox: int
    subscriber: int
    address: str
    status: str
    words: str
    suspended_at: datetime | None


def record(tx: Connection, id: int, said: Report, now: datetime, *, limit: int) -> Recorded | None:
    """Keep what a report proved to be about row `id` of the outbox says, and do what follows from it.

    `limit` is how many messages must bounce hard until the address is suspended. None when it was known, or the row
    is not.
    """
    address = tx.execute(
        select(subscriber.c.address).join_from(outbox, subscriber).where(outbox.c.id == id)
    ).scalar_one_or_none()
    return None if address is None else _keep(tx, id, about(said, address), now, limit)


def refused(tx: Connection, id: int, code: int, reply: str, now: datetime, *, limit: int) -> Recorded | None:
    """Count a refusal of row `id`'s recipient while it was being sent as the hard bounce that it is.

    `code` is the reply code, `reply` the server's words with its enhanced status code. None when that does not say
    that the address is dead, or the row's bounce counted already.
    """
    status = find_status(reply)
    if not 500 <= code <= 599 or not is_dead(status, reply):
        return None
    return _keep(tx, id, Finding(ReportKind.HARD, (), status, reply), now, limit)


def listing(tx: Connection, limit: int = 100) -> list[Line]:
    """The reports that came last, newest first."""
    lines = select(report, subscriber.c.address, subscriber.c.suspended_at).join_from(report, subscriber)
    rows = tx.execute(lines.order_by(report.c.id.desc()).limit(limit))
    return [Line(**{name: row._mapping[name] for name in Line.__dataclass_fields__}) for row in rows]


def count_suspended(tx: Connection) -> int:
    """How many people get no mail because their address is dead; who left is not counted."""
    waiting = (subscriber.c.suspended_at.is_not(None), subscriber.c.left_at.is_(None))
    return tx.execute(select(func.count()).select_from(subscriber).where(*waiting)).scalar_one()


def resume(tx: Connection, id: int) -> bool:
    """Mail a suspended person again, and count their bounces from nought. False when they are not suspended."""
    whole = {"suspended_at": None, "suspended_why": "", "bounced": 0}
    stopped = (subscriber.c.id == id, subscriber.c.suspended_at.is_not(None))
    return tx.execute(update(subscriber).where(*stopped).values(whole)).rowcount == 1


def _keep(tx: Connection, id: int, found: Finding, now: datetime, limit: int) -> Recorded | None:
    # The rows that point at the outbox come first: `outbox.begin` too locks there before it locks the person.
    person, bundle = tx.execute(select(outbox.c.subscriber, outbox.c.bundle).where(outbox.c.id == id)).one()
    words = found.words[:WORDS]
    kept = {"digest": _digest(bundle or id, found.kind), "at": now, "kind": found.kind.value, "outbox": id}
    kept |= {"subscriber": person, "status": found.status, "words": words}
    new = insert(tx, report).values(kept).on_conflict_do_nothing(index_elements=["digest"])
    if tx.execute(new.returning(report.c.id)).one_or_none() is None:
        return None
    said = words if found.status in words else f"{found.status} {words}".strip()
    ids = [id]
    if bundle is not None:  # several notices went as this message
        ids = list(tx.execute(select(outbox.c.id).where(outbox.c.bundle == bundle).order_by(outbox.c.id)).scalars())
    log(tx, ids, BOUNCED if found.kind in (ReportKind.HARD, ReportKind.SOFT) else found.kind.value, said, now)
    done = ""
    if found.kind is ReportKind.COMPLAINT and people.leave(tx, person, COMPLAINT, now):
        done = UNSUBSCRIBED
    elif found.kind is ReportKind.HARD and _bounce(tx, person, said, now, limit):
        done = "suspended"
    return Recorded(id, person, found.kind, found.status, done)


def _bounce(tx: Connection, id: int, why: str, now: datetime, limit: int) -> bool:
    """Count a hard bounce of a person's address. True when it suspends them."""
    one_more = update(subscriber).where(subscriber.c.id == id).values(bounced=subscriber.c.bounced + 1)
    bounced, suspended_at = tx.execute(one_more.returning(subscriber.c.bounced, subscriber.c.suspended_at)).one()
    if bounced < limit or suspended_at is not None:
        return False
    tx.execute(update(subscriber).where(subscriber.c.id == id).values(suspended_at=now, suspended_why=why))
    return True


def _digest(id: int, kind: ReportKind) -> str:
    """What makes two reports one: that they say the same kind of thing about the same message."""
    return hashlib.sha256(f"{id}:{kind.value}".encode()).hexdigest()
