"""Published dates drawn as calendar entries, and the stamps of the feeds that show them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue.events import EventDate, Kind, PublishedEvent
from reminders.feed import calendar, entry
from reminders.feed.entry import Entry
from reminders.feed.lint import lint_component
from reminders.feed.selection import with_all
from reminders.jobs.service import Book, Service
from reminders.store import events, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

EPOCH = "epoch"
CHECKED, LEFT_OUT = "checked", "left_out"
"""The states that say when the store began, on which day the catalogue was last compared with its sources, and which
entries had to be left out."""
LOG = logging.getLogger(__name__)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many entries were drawn anew or left, and a sentence about each that had to be left out."""

    changed: int
    left_out: tuple[str, ...] = ()


def draw(tx: Connection, service: Service, book: Book, published: Mapping[str, PublishedEvent], now: datetime) -> Drawn:
    """Draw the entries of all published dates and store those that differ.

    An entry that cannot be drawn any more (its date is to be announced again) leaves the feeds. So does one that would
    not be right iCalendar: better one date less than a calendar that programs refuse as a whole. That is remembered in
    the state `LEFT_OUT` until a later drawing finds nothing wrong.
    """
    stored = events.entries(tx)
    now = max([now, *(each.restyle.at + SECOND for each in events.feed_stamps(tx).values() if each.restyle.at)])
    drawn: dict[str, Entry] = {}
    left_out = []
    for each in published.values():
        for dated in each.event.dates:
            try:
                made = _drawn(service, book, each, dated, stored, now)
            except Exception as error:
                LOG.exception("the calendar entry %s of %s cannot be drawn", dated.kind, each.event.id)
                left_out.append(f"{each.event.id}, {' '.join(filter(None, dated.key))}: {error}")
            else:
                drawn |= {made.uid: made} if made else {}
    gone = [replace(each, left_at=now) for uid, each in stored.items() if uid not in drawn and each.left_at is None]
    new = [each for uid, each in drawn.items() if stored.get(uid) != each]
    events.save_entries(tx, [*new, *gone])
    state.put(tx, LEFT_OUT, json.dumps(left_out) if left_out else None)
    return Drawn(len(new) + len(gone), tuple(left_out))


class NotRight(ValueError):
    """An entry is not iCalendar that every program reads."""


def _drawn(
    service: Service,
    book: Book,
    published: PublishedEvent,
    dated: EventDate,
    stored: Mapping[str, Entry],
    now: datetime,
) -> Entry | None:
    kind = book.configuration.kinds.get(dated.kind) or Kind(dated.kind, dated.kind.replace("-", " ").capitalize())
    event = published.event
    draft = entry.draw(event, dated, kind, event_url=service.event_url(event.id) or None)
    if draft is None:
        return None
    before = stored.get(draft.uid)
    made = entry.stamp(draft, before, now)
    if before is None or before.text != made.text:
        faults = lint_component(made.text)
        if faults:
            raise NotRight("; ".join(fault.what for fault in faults))
    return made


def left_out(tx: Connection) -> list[str]:
    """What is not in the feeds because its entry is not right: a sentence each."""
    return list(json.loads(str(state.get(tx, LEFT_OUT) or "[]")))


def stamp_feeds(
    tx: Connection, service: Service, book: Book, published: Mapping[str, PublishedEvent], now: datetime
) -> list[str]:
    """Move LAST-MODIFIED of every feed whose bytes are no longer what they were; the names of those feeds."""
    stored = events.feed_stamps(tx)
    entries = list(events.entries(tx).values())
    began = state.get(tx, EPOCH)
    checked = calendar.checked(published.values(), began.date() if isinstance(began, datetime) else now.date())
    checked = max(checked, date.fromisoformat(str(state.get(tx, CHECKED) or checked)))  # what it stamps goes forward
    state.put(tx, CHECKED, checked.isoformat())
    moved = []
    for feed in with_all(book.configuration.feeds, service.settings.service_name):
        shown = calendar.select(feed, entries)
        old = stored.get(feed.name)
        stamp = calendar.stamp(feed, shown, old, now, checked=checked, site=service.settings.public_url)
        if stamp != old:
            events.save_feed_stamp(tx, feed.name, stamp)
            moved.append(feed.name)
    return moved
