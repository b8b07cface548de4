"""Published dates drawn as calendar entries, and the stamps of the feeds that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.feed import calendar, entry
from reminders.feed.entry import Entry
from reminders.jobs.service import Book, Service
from reminders.store import events, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

EPOCH = "epoch"
CHECKED = "checked"
"""The states that say when the store began, and on which day the catalogue was last compared with its sources."""
SECOND = timedelta(seconds=1)


def draw(tx: Connection, service: Service, book: Book, published: Mapping[str, PublishedEvent], now: datetime) -> int:
    """Draw the entries of all published dates and store those that differ. Returns how many did.

    An entry that cannot be drawn any more (its date is to be announced again) leaves the feeds.
    """
    stored = events.entries(tx)
    kinds = book.configuration.kinds
    now = max([now, *(each.restyle.at + SECOND for each in events.feed_stamps(tx).values() if each.restyle.at)])
    drawn: dict[str, Entry] = {}
    for each in published.values():
        for date in each.event.dates:
            kind = kinds.get(date.kind) or Kind(date.kind, date.kind.replace("-", " ").capitalize())
            draft = entry.draw(each.event, date, kind, event_url=service.event_url(each.event.id) or None)
            if draft is not None:
                drawn[draft.uid] = entry.stamp(draft, stored.get(draft.uid), now)
    gone = [replace(each, left_at=now) for uid, each in stored.items() if uid not in drawn and each.left_at is None]
    new = [each for uid, each in drawn.items() if stored.get(uid) != each]
    events.save_entries(tx, [*new, *gone])
    return len(new) + len(gone)


def stamp_feeds(
    tx: Connection, service: Service, book: Book, published: Mapping[str, PublishedEvent], now: datetime
) -> list[str]:
    """Move LAST-MODIFIED of every feed whose bytes are no longer what they were; the names of those feeds."""
    stored = events.feed_stamps(tx)
    entries = list(events.entries(tx).values())
    began = state.get(tx, EPOCH)
    checked = calendar.checked(published.values(), began.date() if isinstance(began, datetime) else now.date())
    state.put(tx, CHECKED, checked.isoformat())
    moved = []
    for feed in book.configuration.feeds:
        shown = calendar.select(feed, entries)
        old = stored.get(feed.name)
        stamp = calendar.stamp(feed, shown, old, now, checked=checked, site=service.settings.public_url)
        if stamp != old:
            events.save_feed_stamp(tx, feed.name, stamp)
            moved.append(feed.name)
    return moved
