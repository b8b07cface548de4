"""From files to feeds as the daemon goes, without store and clock. All calls of the feed room are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reminders.catalogue.events import Event, Kind
from reminders.catalogue.parse import parse_events
from reminders.feed import calendar
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.selection import Feed
from tests.builders import EPOCH, LONDON

SITE = "https://dates.example.org"
CHECKED = EPOCH.date()
"""The day on which the catalogue was last compared with its sources."""


@dataclass(frozen=True)
class Publication:
    """What is published after a reading of the files: entries by uid, feeds' stamps and feeds' bytes by name."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    stamps: Mapping[str, FeedStamp] = field(default_factory=dict)
    feeds: Mapping[str, bytes] = field(default_factory=dict)


def read(files: Mapping[str, bytes]) -> tuple[Event, ...]:
    """The events that the files hold. Fails if staff would be told of a problem."""
    catalogue, problems, _ = parse_events(files, LONDON)
    assert not problems, problems
    return catalogue.events


def publish(
    events: Iterable[Event],
    kinds: Mapping[str, Kind],
    feeds: Iterable[Feed],
    now: datetime,
    before: Publication | None = None,
    *,
    site: str = SITE,
) -> Publication:
    """The feeds that these events make, following `before`. `site` is the public address ("": there is none)."""
    before = before or Publication()
    entries = {}
    for event in events:
        for date in event.dates:
            page = f"{site}/events/{event.id}" if site else None
            draft = draw(event, date, kinds[date.kind], event_url=page)
            if draft is not None:
                entries[draft.uid] = stamp(draft, before.entries.get(draft.uid), now)
    stamps, made = {}, {}
    for feed in feeds:
        shown = calendar.select(feed, entries.values())
        old = before.stamps.get(feed.name)
        stamps[feed.name] = calendar.stamp(feed, shown, old, now, checked=CHECKED, site=site)
        made[feed.name] = calendar.join(
            feed,
            shown,
            last_modified=stamps[feed.name].last_modified,
            checked=CHECKED,
            restyle=stamps[feed.name].restyle,
            source_url=f"{site}/feeds/{feed.name}.ics" if site else None,
            page_url=f"{site}/" if site else None,
        )
    return Publication(entries, stamps, made)
