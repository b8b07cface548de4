"""A shelf in memory, filled by the real rooms: what the pages would read from a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from reminders.catalogue.events import Event, Kind, PublishedDate, PublishedEvent
from reminders.catalogue.parse import parse_events
from reminders.feed import calendar, entry
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed, parse_feeds
from reminders.planning.subscribers import Subscriber
from reminders.web.changes import Changelog
from reminders.web.reading import Shelf
from tests.builders import EPOCH, subscriber

CONFIG = Path(__file__).parents[2] / "config"
TOKEN = "kT3vQ8mZr1xYw5bNc7dFh2jLp9sGa4eU"

LABELS = {
    "applications": "Applications",
    "applications-close": "Applications close",
    "course": "Course",
    "post-starts": "Post starts",
    "programme": "Programme",
    "recruitment": "Recruitment",
    "visit": "Visit",
}
KINDS: Mapping[str, Kind] = {id: Kind(id, label, id == "applications-close") for id, label in LABELS.items()}


def seed_events() -> tuple[Event, ...]:
    """The shipped catalogue."""
    files = {path.name: path.read_bytes() for path in (CONFIG / "events").glob("*.yaml")}
    catalogue, problems, _ = parse_events(files, "Europe/London")
    assert not problems
    return catalogue.events


def seed_feeds() -> tuple[Feed, ...]:
    """The shipped feeds."""
    return parse_feeds("feeds.yaml", (CONFIG / "feeds.yaml").read_bytes())


class MemoryReader:
    """Publishes events as a refresh does, and knows one subscriber. `broken` makes every question fail."""

    def __init__(self, events: Iterable[Event], feeds: tuple[Feed, ...], *, public_url: str = "") -> None:
        self.public_url = public_url
        self.feeds = feeds
        self.people: dict[str, Subscriber] = {TOKEN: subscriber()}
        self.left: list[str] = []
        self.broken = False
        self._publication = 0
        self._published: dict[str, PublishedEvent] = {}
        self._entries: dict[str, Entry] = {}
        self._stamps: dict[str, FeedStamp] = {}
        self.publish(events, EPOCH)

    def publish(self, events: Iterable[Event], now: datetime) -> None:
        """Make these events public in place of those with the same ids."""
        for event in events:
            old = self._published.get(event.id)
            stands = {each.date.key: each for each in old.dates} if old else {}
            dates = []
            for date in event.dates:
                stand = stands.get(date.key)
                if stand is None or stand.date.fact != date.fact:
                    stand = PublishedDate(date, stand.revision + 1 if stand else 1, now)
                dates.append(replace(stand, date=date))
            revision = old.revision + 1 if old else 1
            self._published[event.id] = PublishedEvent(event, revision, dates=tuple(dates))
            page = f"{self.public_url}/events/{event.id}" if self.public_url else None
            for date in event.dates:
                draft = entry.draw(event, date, KINDS[date.kind], event_url=page)
                if draft is not None:
                    self._entries[draft.uid] = entry.stamp(draft, self._entries.get(draft.uid), now)
        for feed in self.feeds:
            digest = calendar.digest(feed, calendar.select(feed, self._published, self._entries.values()))
            known = self._stamps.get(feed.name)
            if known is None or known.digest != digest:
                self._stamps[feed.name] = FeedStamp(digest, now)
        self._publication += 1

    def publication(self) -> int:
        if self.broken:
            raise OSError("the disk is gone")
        return self._publication

    def shelf(self) -> Shelf:
        return Shelf(self.publication(), self._published, self._entries, self._stamps, KINDS, self.feeds, Changelog())

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        if self.broken:
            raise OSError("the disk is gone")
        return self.people.get(token)

    def leave(self, token: str, how: str) -> bool:
        person = self.subscriber_by_token(token)
        if person is None:
            return False
        if person.left_at is None:
            self.people[token] = replace(person, left_at=EPOCH)
            self.left.append(how)
        return True

    def health(self) -> Mapping[str, object]:
        return {"ok": not self.broken, "publication": self._publication}
