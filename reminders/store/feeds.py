"""Personal feeds: one for each calendar a person subscribes, each with a token of its own that can be taken back.

Of a token only its SHA-256 is stored. What a feed was last fetched with says which changes its calendar cannot have
seen: `stale`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from reminders.feed.personal import MOST, PersonalFeed, TooMany
from reminders.store.tables import subscription

_FETCHED = (
    update(subscription)
    .where(subscription.c.id == bindparam("row"))
    .values(fetched_at=bindparam("at"), client=bindparam("program"), seen_at=bindparam("seen"))
)


def issue(tx: Connection, subscriber: int, hash: str, label: str, shows: str, now: datetime) -> int:
    """Let whoever has the token of this hash see a feed. Returns its id. Raises `TooMany`."""
    if len(of(tx, subscriber)) >= MOST:
        raise TooMany(f"this person has {MOST} feeds")
    row = {"hash": hash, "subscriber": subscriber, "label": label, "shows": shows, "created_at": now, "client": ""}
    return int(tx.execute(subscription.insert().values(row).returning(subscription.c.id)).scalar_one())


def revoke(tx: Connection, subscriber: int, id: int, now: datetime) -> bool:
    """Take a feed back for ever; False if this person has no such feed."""
    mine = update(subscription).where(
        subscription.c.id == id, subscription.c.subscriber == subscriber, subscription.c.revoked_at.is_(None)
    )
    return tx.execute(mine.values(revoked_at=now)).rowcount > 0


def of(tx: Connection, subscriber: int) -> list[PersonalFeed]:
    """The feeds of a person that are not revoked, oldest first."""
    return _read(tx, subscription.c.subscriber == subscriber)


def live(tx: Connection) -> dict[str, PersonalFeed]:
    """Every feed that is not revoked, by the hash of its token."""
    hashes = {row.id: row.hash for row in tx.execute(select(subscription.c.id, subscription.c.hash))}
    return {hashes[each.id]: each for each in _read(tx)}


def fetched(tx: Connection, fetches: Iterable[tuple[int, str, datetime, datetime | None]]) -> None:
    """Remember fetches: feed, kind of program, when, and when what it got had been published."""
    rows = [{"row": id, "program": client, "at": at, "seen": seen_at} for id, client, at, seen_at in fetches]
    if rows:
        tx.execute(_FETCHED, rows)


def stale(tx: Connection, since: datetime) -> list[PersonalFeed]:
    """The feeds whose calendars cannot have seen what was published at `since` (UTC), oldest first.

    What was never fetched is no calendar yet, and is not among them.
    """
    unseen = or_(subscription.c.seen_at.is_(None), subscription.c.seen_at < since)
    return [each for each in _read(tx, unseen) if each.fetched_at is not None]


def _read(tx: Connection, *which: ColumnElement[bool]) -> list[PersonalFeed]:
    columns = (subscription.c[name] for name in PersonalFeed.__dataclass_fields__)
    query = select(*columns).where(subscription.c.revoked_at.is_(None), *which).order_by(subscription.c.id)
    return [PersonalFeed(**row._mapping) for row in tx.execute(query)]
