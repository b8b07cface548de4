"""Published dates drawn as calendar entries, and the stamps of the feeds that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.feed import calendar, entry
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.jobs.service import Book, Service
from reminders.store import events

if TYPE_CHECKING:
    from sqlalchemy import Connection


def draw(tx: Connection, service: Service, book: Book, published: Mapping[str, PublishedEvent], now: datetime) -> int:
    """Draw the entries of all published dates and store those that differ. Returns how many did.

    An entry that cannot be drawn any more (its date is to be announced again) leaves the feeds.
    """
    stored = events.entries(tx)
    kinds = book.configuration.kinds
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
    entries = events.entries(tx).values()
    moved = []
    for feed in book.configuration.feeds:
        shown = calendar.select(feed, published, entries)
        digest = f"{calendar.digest(feed, shown)} {service.settings.public_url}"
        old = stored.get(feed.name)
        if old is None or old.digest != digest:
            second = now.replace(microsecond=0)
            stamp = max(second, old.last_modified + timedelta(seconds=1)) if old else second
            events.save_feed_stamp(tx, feed.name, FeedStamp(digest, stamp))
            moved.append(feed.name)
    return moved
