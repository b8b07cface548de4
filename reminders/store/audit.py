"""The outbox as an auditor reads it: what is not there, does not move on, or went out and should not have."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from reminders.store import state, tables
from reminders.store.ledger import LISTED
from reminders.store.outbox import KEYS_AT_ONCE
from reminders.store.rows import Row, read_row
from reminders.store.tables import AT_REST, IN_HAND, OWED, attempt, outbox

AUDITED = "audited"
"""What the store remembers the last audit under, and whose turn it is to make one."""

_BEGUN = (
    select(attempt.c.outbox, func.max(attempt.c.started_at).label("begun_at")).group_by(attempt.c.outbox).subquery()
)


@dataclass(frozen=True, slots=True)
class Audited:
    """When the outbox was last audited (UTC), and in how many notices it differed from what it should be."""

    at: datetime
    differences: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A row whose message was begun, when that was last, and when its person left, if they did (UTC)."""

    row: Row
    begun_at: datetime
    left_at: datetime | None


def audited(tx: Connection) -> Audited | None:
    """The last audit; None before the first."""
    stored = state.get(tx, AUDITED)
    if stored is None:
        return None
    facts = json.loads(str(stored))
    return Audited(datetime.fromisoformat(facts["at"]), facts["differences"])


def remember(tx: Connection, last: Audited) -> None:
    """Keep what the last audit came to."""
    state.put(tx, AUDITED, json.dumps({"at": last.at.isoformat(), "differences": last.differences}))


def absent(tx: Connection, keys: Collection[str]) -> set[str]:
    """Those of the keys of which there is no row in any state."""
    ordered = sorted(keys)
    missing = set(ordered)
    for start in range(0, len(ordered), KEYS_AT_ONCE):
        part = ordered[start : start + KEYS_AT_ONCE]
        missing.difference_update(tx.execute(select(outbox.c.key).where(outbox.c.key.in_(part))).scalars())
    return missing


def overdue(tx: Connection, before: datetime, wall_now: datetime) -> list[Row]:
    """What is owed, has been waiting since `before` or longer, and waits for no next try."""
    waits = case((outbox.c.owed_at > outbox.c.due_at, outbox.c.owed_at), else_=outbox.c.due_at)
    free = or_(outbox.c.next_at.is_(None), outbox.c.next_at <= wall_now)
    return _rows(tx, OWED, waits <= before, free)


def stuck(tx: Connection, wall_before: datetime) -> list[Row]:
    """What a worker has in hand although its lease ran out before that instant (wall time)."""
    return _rows(tx, IN_HAND, outbox.c.lease_until < wall_before)


def unended(tx: Connection) -> list[Row]:
    """What is in nobody's hand, and yet has a try of which no end is recorded."""
    open_ = select(attempt.c.outbox).where(attempt.c.outcome == "")
    return [row for part in (OWED, AT_REST) for row in _rows(tx, part, outbox.c.id.in_(open_))]


def begun(tx: Connection, since: datetime) -> Iterator[Begun]:
    """What was sent, or may have been, and settled after `since`."""
    columns = select(*LISTED, _BEGUN.c.begun_at, tables.subscriber.c.left_at)
    joined = columns.join_from(outbox, _BEGUN, _BEGUN.c.outbox == outbox.c.id).join(
        tables.subscriber, tables.subscriber.c.id == outbox.c.subscriber
    )
    found = joined.where(AT_REST, outbox.c.state.in_(["sent", "uncertain"]), outbox.c.settled_at > since)
    for each in tx.execute(found.order_by(outbox.c.id)):
        yield Begun(read_row(each._mapping), each.begun_at, each.left_at)


def settled(tx: Connection, states: Collection[str], since: datetime) -> list[Row]:
    """What came to rest in one of these states after `since`."""
    return _rows(tx, AT_REST, outbox.c.state.in_(sorted(states)), outbox.c.settled_at > since)


def changed_at(tx: Connection) -> dict[str, datetime]:
    """When each event last changed in any way, by id."""
    return {id: at for id, at in tx.execute(select(tables.event.c.id, tables.event.c.changed_at))}


def _rows(tx: Connection, *where: ColumnElement[bool]) -> list[Row]:
    found = select(*LISTED).where(*where).order_by(outbox.c.id)
    return [read_row(each._mapping) for each in tx.execute(found)]
