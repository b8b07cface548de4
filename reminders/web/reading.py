"""What the pages ask of the store: a small window, so that they know nothing of SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.personal import PersonalFeed
from reminders.feed.selection import Feed
from reminders.planning.subscribers import Selection, Subscriber
from reminders.web.changes import NOTHING, Changelog

Edition = tuple[int, datetime | None]
"""Which publication it is: its number, and when it was (UTC)."""


@dataclass(frozen=True, slots=True)
class Personal:
    """What somebody with a token sees (see `PersonalFeed`). The feed ``mine`` is whatever fits one of `follows`."""

    id: int
    shows: str
    follows: tuple[Selection, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that feeds and pages show, read in one transaction.

    `publication` counts up whenever any of the rest changes, `published_at` (UTC) is when that was. `published` is by
    event id, `entries` by uid in order, `stamps` by feed name, `kinds` by kind id, `personal` by the SHA-256 (hex) of a
    token. `checked` is the day on which the catalogue was last compared with its sources.
    """

    publication: int
    published: Mapping[str, PublishedEvent]
    entries: Mapping[str, Entry]
    stamps: Mapping[str, FeedStamp]
    kinds: Mapping[str, Kind]
    feeds: tuple[Feed, ...]
    checked: date
    published_at: datetime | None = None
    changes: Changelog = NOTHING
    personal: Mapping[str, Personal] = field(default_factory=dict)

    @property
    def edition(self) -> Edition:
        """What tells this shelf from every other."""
        return self.publication, self.published_at


@dataclass(frozen=True, slots=True)
class Fetch:
    """That a personal feed was fetched: by which kind of program, when, and of when what it got was (both UTC)."""

    personal: int
    client: str
    at: datetime
    seen_at: datetime | None


class Reader(Protocol):
    """Plain synchronous calls, each its own transaction; the pages make them in a thread."""

    def edition(self) -> Edition:
        """The present `Shelf.edition`; asked at most once a second."""

    def shelf(self, before: Shelf | None = None) -> Shelf:
        """Everything that is published; only what changed since `before` is read."""

    def fetched(self, fetches: Iterable[Fetch]) -> None:
        """Remember these."""

    def personal_feeds(self, subscriber: int) -> Sequence[PersonalFeed]:
        """The feeds of a person that were not taken back, oldest first."""

    def issue(self, subscriber: int, label: str, shows: str) -> str:
        """Make a feed for a person. Returns its token, which is nowhere else. Raises `TooMany`."""

    def revoke(self, subscriber: int, feed: str) -> None:
        """Take the feed with this id back for ever, if it is one of this person's."""

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        """Whose unsubscribe token this is."""

    def leave(self, token: str, how: str) -> bool:
        """Take a person out for good, before returning; False for an unknown token, True also when they had left.

        `how` is "one-click" (a mail program asked) or "page".
        """

    def health(self) -> Mapping[str, object]:
        """What `/readyz` answers, as JSON values. The key "ok" says whether all is well."""
