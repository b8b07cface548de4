"""What is published: events with their revisions, the files they came from, calendar entries and feed stamps.

`missing` events stay: only what the files say about an event changes it, never their silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from reminders.catalogue.events import Event, EventDate, PublishedDate, PublishedEvent
from reminders.catalogue.facts import pack, unpack
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.style import Restyle
from reminders.store import state, tables
from reminders.store.engine import take_turns
from reminders.store.tables import upsert

TURN = "catalogue"
"""Whoever publishes takes this turn, so that no revision is counted twice. `Store.writing` may take it first."""
SNAPSHOT = "snapshot"
"""The state that names the files of the last good reading: their digest."""
REPEATING = '"repeats":{'
"""What the facts of an event hold of which a date repeats; within a text its quotes would be escaped."""

PUBLICATION, PUBLISHED_AT = "publication", "published_at"
"""The states that count publications, and say when the last one was."""
_ENTRY = tuple(each.name for each in fields(Entry))
_CATEGORIES = _ENTRY.index("categories")
_STAMPED = tuple(each.name for each in fields(Entry) if each.kw_only)

_Stand = dict[tuple[str, str], tuple[str, int, datetime]]
"""(kind, occurrence) -> fact, revision, known_at."""
_Key = tuple[str, str, str]
_Past = dict[_Key, tuple[tuple[datetime, EventDate], ...]]
"""(event, kind, occurrence) -> `PublishedDate.earlier`."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of an event as it was published, and when (UTC)."""

    revision: int
    at: datetime
    event: Event


def published(tx: Connection, *, since: int = -1) -> dict[str, PublishedEvent]:
    """Every event as the world last saw it, by id in order; of `since` a publication only those changed later."""
    stands: dict[str, _Stand] = defaultdict(dict)
    date, event = tables.event_date, tables.event
    dates, events = select(date), select(event)
    if since >= 0:
        events = events.where(event.c.publication > since)
        dates = dates.where(date.c.event.in_(select(event.c.id).where(event.c.publication > since)))
    for row in tx.execute(dates):
        stands[row.event][row.kind, row.occurrence] = (row.fact, row.revision, row.known_at)
    rows = tx.execute(events.order_by(event.c.id)).all()
    past = _earlier(tx) if rows else {}
    return {row.id: _published(row, stands[row.id], past) for row in rows}


def published_event(tx: Connection, id: str) -> PublishedEvent | None:
    """One event as the world last saw it."""
    row = tx.execute(select(tables.event).where(tables.event.c.id == id)).one_or_none()
    return None if row is None else _published(row, _stand(tx, id), _earlier(tx, id))


def publication(tx: Connection) -> int:
    """How often something was published; what is being published now is marked with the next number."""
    return int(str(state.get(tx, PUBLICATION) or 0))


def published_at(tx: Connection) -> datetime | None:
    """When something was last published (UTC); None before that."""
    at = state.get(tx, PUBLISHED_AT)
    return at if isinstance(at, datetime) else None


def count_publication(tx: Connection, now: datetime) -> None:
    """Make what was written in this transaction the next publication."""
    state.count(tx, PUBLICATION)
    before = published_at(tx)
    state.put(tx, PUBLISHED_AT, max(before + timedelta(microseconds=1), now) if before else now)


def publish(tx: Connection, event: Event, now: datetime, *, known_at: datetime | None = None) -> PublishedEvent:
    """Make an event public as it is.

    Its revision counts one up when any fact of it differs, a date's when what readers are told differs (`fact`); a
    date is then known since `known_at` (`now` when not given). An event that was missing no longer is. Publishing it
    again changes nothing.
    """
    take_turns(tx, TURN)
    number = publication(tx) + 1
    facts = pack(event)
    old = tx.execute(select(tables.event).where(tables.event.c.id == event.id)).one_or_none()
    if old is None:
        revision = 1
        row = {"id": event.id, "facts": facts, "revision": 1, "first_published_at": now, "changed_at": now}
        row["publication"] = number
        tx.execute(tables.event.insert().values(row))
    elif old.facts != facts:
        revision = old.revision + 1
        changed = {"facts": facts, "revision": revision, "changed_at": now, "missing_since": None}
        changed["publication"] = number
        tx.execute(update(tables.event).where(tables.event.c.id == event.id).values(changed))
    else:
        if old.missing_since is not None:
            back = update(tables.event).where(tables.event.c.id == event.id)
            tx.execute(back.values(missing_since=None, publication=number))
        return _published(old, _stand(tx, event.id), _earlier(tx, event.id), missing=False)
    tx.execute(tables.revision.insert().values(event=event.id, revision=revision, at=now, facts=facts))
    stand = _stand(tx, event.id)
    rows = []
    for date in event.dates:
        fact, count, _ = stand.get(date.key, ("", 0, now))
        if fact != date.fact:
            stand[date.key] = (date.fact, count + 1, known_at or now)
            names = ("event", "kind", "occurrence", "fact", "revision", "known_at")
            rows.append(dict(zip(names, (event.id, *date.key, *stand[date.key]), strict=True)))
    upsert(tx, tables.event_date, rows)
    return PublishedEvent(event, revision, dates=_dates(event, stand, _earlier(tx, event.id)))


def known_by(tx: Connection, now: datetime) -> None:
    """What became known only later than `now`, by a clock that ran ahead, is known since now."""
    date = tables.event_date
    tx.execute(update(date).where(date.c.known_at > now).values(known_at=now))


def mark_missing(tx: Connection, ids: Collection[str], now: datetime) -> None:
    """Remember that the files no longer hold these events. They stay published; `publish` takes it back."""
    take_turns(tx, TURN)
    event = tables.event
    gone = update(event).where(event.c.id.in_(sorted(ids)), event.c.missing_since.is_(None))
    tx.execute(gone.values(missing_since=now, publication=publication(tx) + 1))


def revisions(tx: Connection, event: str) -> list[Revision]:
    """Every version of an event that was ever published, oldest first."""
    table = tables.revision
    rows = tx.execute(select(table).where(table.c.event == event).order_by(table.c.revision))
    return [Revision(row.revision, row.at, unpack(row.facts)) for row in rows]


def snapshot(tx: Connection) -> dict[str, bytes]:
    """The files of the last reading that was accepted: path -> content."""
    return {row.path: row.body for row in tx.execute(select(tables.snapshot).order_by(tables.snapshot.c.path))}


def snapshot_digest(tx: Connection) -> str | None:
    """The name of those files, as whoever accepted them put it into the state `SNAPSHOT`; None before the first."""
    known = state.get(tx, SNAPSHOT)
    return known if isinstance(known, str) else None


def save_snapshot(tx: Connection, files: Mapping[str, bytes]) -> None:
    """Keep these files, and only these."""
    take_turns(tx, TURN)
    tx.execute(delete(tables.snapshot).where(tables.snapshot.c.path.not_in(sorted(files))))
    upsert(tx, tables.snapshot, [{"path": path, "body": body} for path, body in sorted(files.items())])


def entries(tx: Connection, *, since: int = -1) -> dict[str, Entry]:
    """Every calendar entry that was ever rendered, by uid in order, those that left the feeds too.

    Of `since` a publication only those changed later.
    """
    table = tables.entry
    query = select(*(table.c[name] for name in _ENTRY))
    if since >= 0:
        query = query.where(table.c.publication > since)
    found = [_entry(row) for row in tx.execute(query)]
    return {each.uid: each for each in sorted(found, key=lambda each: each.uid)}


def save_entries(tx: Connection, entries: Iterable[Entry]) -> None:
    """Keep these entries in place of those with the same uid."""
    number = publication(tx) + 1
    rows = [{name: getattr(entry, name) for name in _ENTRY} for entry in entries]
    upsert(tx, tables.entry, [row | {"categories": " ".join(row["categories"]), "publication": number} for row in rows])


def feed_stamps(tx: Connection) -> dict[str, FeedStamp]:
    """What each feed last said, by its name."""
    return {
        row.name: FeedStamp(row.digest, row.last_modified, row.style, Restyle(row.restyled, row.restyled_at))
        for row in tx.execute(select(tables.feed))
    }


def save_feed_stamp(tx: Connection, name: str, stamp: FeedStamp) -> None:
    """Keep what a feed says from now on."""
    row = {"name": name, "digest": stamp.digest, "last_modified": stamp.last_modified, "style": stamp.style}
    upsert(tx, tables.feed, [row | {"restyled": stamp.restyle.count, "restyled_at": stamp.restyle.at}])


def forget_feeds(tx: Connection, names: Collection[str]) -> None:
    """Forget what feeds said that are no longer declared, but not when."""
    tx.execute(update(tables.feed).where(tables.feed.c.name.in_(sorted(names))).values(digest=""))


def _earlier(tx: Connection, event: str | None = None) -> _Past:
    """What dates that repeat, or once did, said before they said what they say now, and since when: oldest first.

    By event, kind and occurrence; of all events, or of one.
    """
    table = tables.revision
    repeating = select(table.c.event).where(table.c.facts.contains(REPEATING))
    query = select(table).where(table.c.event.in_(repeating)).order_by(table.c.event, table.c.revision)
    said: dict[_Key, list[tuple[datetime, EventDate]]] = defaultdict(list)
    for row in tx.execute(query if event is None else query.where(table.c.event == event)):
        for date in unpack(row.facts).dates:
            past = said[(row.event, *date.key)]
            if past and past[-1][1].fact == date.fact:
                past[-1] = (past[-1][0], date)
            else:
                past.append((row.at, date))
    return {key: tuple(past[:-1]) for key, past in said.items() if any(date.repeats for _, date in past)}


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    values: list[Any] = list(row)
    values[_CATEGORIES] = tuple(values[_CATEGORIES].split())
    draft, stamped = values[: -len(_STAMPED)], values[-len(_STAMPED) :]
    return Entry(*draft, **dict(zip(_STAMPED, stamped, strict=True)))


def _stand(tx: Connection, event: str) -> _Stand:
    date = tables.event_date
    rows = tx.execute(select(date).where(date.c.event == event))
    return {(row.kind, row.occurrence): (row.fact, row.revision, row.known_at) for row in rows}


def _published(
    row: Row[tuple[object, ...]], stand: _Stand, past: _Past, *, missing: bool | None = None
) -> PublishedEvent:
    event = unpack(row.facts)
    gone = row.missing_since is not None if missing is None else missing
    return PublishedEvent(event, row.revision, gone, _dates(event, stand, past))


def _dates(event: Event, stand: _Stand, past: _Past) -> tuple[PublishedDate, ...]:
    return tuple(
        PublishedDate(date, *stand[date.key][1:], earlier=past.get((event.id, *date.key), ())) for date in event.dates
    )
