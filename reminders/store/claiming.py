"""What a worker takes next: the most urgent rows that are due and need not wait, one message a person at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, or_, select, update
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import NoticeKind
from reminders.store import packing
from reminders.store.engine import take_turns
from reminders.store.outbox import KNOWN_SENT
from reminders.store.rows import Row, read_row
from reminders.store.tables import IN_HAND, OWED, in_hand, outbox, subscriber

LATE = timedelta(hours=1)
"""A reminder sent this long after it was due is late."""
ROUNDS = 20
"""How often one claim looks for somebody else where all it finds have had enough for today."""
MANY, MOST = 3, 40
"""More than so many late reminders to one person go as one message, and so many as one at most."""

# What each message needs is built once: building it costs more than running it.
_other = outbox.alias("other")
_WAITING = (
    select(outbox, subscriber.c.domain)
    .join_from(outbox, subscriber)
    .where(OWED, outbox.c.due_at <= bindparam("now"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("wall_now")))
    .where(~exists().where(_other.c.subscriber == outbox.c.subscriber, in_hand(_other)))
    .where(subscriber.c.domain.not_in(bindparam("full", expanding=True)))
    .order_by(outbox.c.expires_at, outbox.c.id)
    .limit(bindparam("most"))
)
_DUE = _WAITING.with_for_update(of=outbox, skip_locked=True)
_THEIRS = (
    select(outbox)
    .where(OWED, outbox.c.subscriber.in_(bindparam("people", expanding=True)), outbox.c.due_at <= bindparam("now"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("wall_now")))
    .order_by(outbox.c.id)
    .with_for_update()
)
_OWN = select(func.count(), func.max(outbox.c.deaths)).where(IN_HAND, outbox.c.owner == bindparam("by"))
_BUNDLED = update(outbox).where(outbox.c.id.in_(bindparam("rows", expanding=True))).values(bundle=bindparam("lead"))
_GOT = (
    select(outbox.c.subscriber, outbox.c.message_id, outbox.c.settled_at)
    .where(outbox.c.subscriber.in_(bindparam("people", expanding=True)), outbox.c.settled_at > bindparam("since"))
    .where(outbox.c.state.in_(KNOWN_SENT))
)
_WAIT = (
    update(outbox)
    .where(OWED, outbox.c.subscriber == bindparam("person"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at < bindparam("until")))
    .values(next_at=bindparam("until"), reply=bindparam("why"))
)
_BUSY = (
    select(subscriber.c.domain, func.count()).join_from(outbox, subscriber).where(IN_HAND).group_by(subscriber.c.domain)
)
_CLAIMED = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("rows", expanding=True)))
    .values(state="claimed", owner=bindparam("by"), lease_until=bindparam("until"))
)


def claim(
    tx: Connection,
    owner: str,
    *,
    now: datetime,
    wall_now: datetime,
    lease: timedelta,
    most: int = 1,
    per_domain: int = 0,
    per_person: int = 0,
) -> list[tuple[Row, ...]]:
    """Take the most urgent rows that are due and need not wait, for `owner` alone and until the lease runs out.

    Each of up to `most` tuples is one message: a row, or more than `MANY` late reminders to one person. Urgent is what
    expires first. One person has one message in hand at a time, so that what a mail told is known when the next is
    decided, and gets `per_person` (0: any number) in a day; what exceeds them waits. A mail domain has at most
    `per_domain` (0: any number) in hand. A row that a worker died of comes alone, to whoever has nothing else in hand,
    and nothing beside it. Claims take turns, so that all this holds for all machines together.
    """
    take_turns(tx, "claim")
    own, deaths = tx.execute(_OWN, {"by": owner}).one()
    if deaths:
        return []
    chosen: list[StoredRow[Any]] = []
    for _ in range(ROUNDS):
        found = _candidates(tx, now, wall_now, most, per_domain, alone=not own)
        full = _full(tx, found, now, wall_now, per_person) if per_person else {}
        chosen = [row for row in found if row.subscriber not in full]
        if chosen or not full:
            break
    bundles = _bundles(tx, chosen, now, wall_now)
    ids = [row.id for bundle in bundles for row in bundle]
    if ids:
        tx.execute(_CLAIMED, {"rows": ids, "by": owner, "until": wall_now + lease})
    presets = packing.load(tx, {row.preset for bundle in bundles for row in bundle if row.preset and row.body})
    taken = {"state": "claimed", "owner": owner, "lease_until": wall_now + lease}

    def read(row: StoredRow[Any], bundle: list[StoredRow[Any]]) -> Row:
        lead = row.bundle or (bundle[0].id if len(bundle) > 1 else None)
        return read_row({**row._mapping, **taken, "bundle": lead}, presets)

    return [tuple(read(row, bundle) for row in bundle) for bundle in bundles]


def _candidates(
    tx: Connection, now: datetime, wall_now: datetime, most: int, per_domain: int, *, alone: bool
) -> list[StoredRow[Any]]:
    """The rows to claim as far as domains and persons in hand decide it, one a person. `alone`: nothing is in hand."""
    busy = {domain: count for domain, count in tx.execute(_BUSY)} if per_domain else {}
    full = [domain for domain, count in busy.items() if count >= per_domain]
    found = tx.execute(_DUE, {"now": now, "wall_now": wall_now, "full": full, "most": 4 * most if most > 1 else 1})
    chosen: dict[int, StoredRow[Any]] = {}
    for row in found:
        if len(chosen) == most or (row.deaths and (chosen or not alone)):
            break
        if row.subscriber in chosen or (per_domain and busy.get(row.domain, 0) >= per_domain):
            continue
        busy[row.domain] = busy.get(row.domain, 0) + 1
        chosen[row.subscriber] = row
        if row.deaths:
            break
    return list(chosen.values())


def _full(
    tx: Connection, rows: Sequence[StoredRow[Any]], now: datetime, wall_now: datetime, per_person: int
) -> dict[int, datetime]:
    """Who has got all that one person gets in a day, and when (event time) there is room again. Their rows wait."""
    since = now - timedelta(days=1)
    mails: dict[int, dict[str, datetime]] = {}
    people = [row.subscriber for row in rows]
    for person, message_id, at in tx.execute(_GOT, {"people": people, "since": since}):
        mails.setdefault(person, {})[message_id] = at
    room = {
        person: sorted(got.values())[-per_person] + timedelta(days=1)
        for person, got in mails.items()
        if len(got) >= per_person
    }
    for row in rows:
        if row.subscriber in room:
            wait = wall_now + max(room[row.subscriber] - now, timedelta(minutes=1))
            reply = f"waits: this person got {per_person} mails in a day"
            tx.execute(_WAIT, {"person": row.subscriber, "until": wait, "why": reply})
    return room


def _bundles(
    tx: Connection, rows: Sequence[StoredRow[Any]], now: datetime, wall_now: datetime
) -> list[list[StoredRow[Any]]]:
    """Each row with those that go in the same message, as far as there are any: urgent first, the row itself ahead."""
    leads = {row.subscriber for row in rows if row.bundle is not None or (_late(row, now) and not row.deaths)}
    theirs: dict[int, list[StoredRow[Any]]] = {}
    if leads:
        found = tx.execute(_THEIRS, {"people": sorted(leads), "now": now, "wall_now": wall_now})
        for row in sorted(found, key=lambda each: (each.expires_at, each.id)):
            theirs.setdefault(row.subscriber, []).append(row)
    bundles = []
    for row in rows:
        others = [each for each in theirs.get(row.subscriber, ()) if each.id != row.id]
        if row.deaths and not row.attempts:  # of a message that was never begun: one of its rows may be the cause
            others = []
        elif row.bundle is not None:
            others = [each for each in others if each.bundle == row.bundle]
        else:
            alike = (each for each in others if each.uncertain_policy == row.uncertain_policy)
            others = [each for each in alike if _late(each, now) and not each.deaths][: MOST - 1]
            if not _late(row, now) or len(others) < MANY:
                others = []
        bundle = [row, *others]
        bundles.append(bundle)
        if others and row.bundle is None:
            tx.execute(_BUNDLED, {"rows": [each.id for each in bundle], "lead": row.id})
    return bundles


def _late(row: StoredRow[Any], now: datetime) -> bool:
    """Whether it is a late reminder that nobody can have seen, and so may go together with others."""
    fresh = row.bundle is None and not row.attempts and row.kind == NoticeKind.REMINDER.value
    return fresh and now - row.due_at > LATE


def waiting(tx: Connection, *, now: datetime, wall_now: datetime) -> bool:
    """Whether there is a row that could be claimed."""
    return tx.execute(_WAITING, {"now": now, "wall_now": wall_now, "full": [], "most": 1}).first() is not None
