"""What the pages ask of the store: a small window, so that they know nothing of SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed
from reminders.planning.subscribers import Subscriber
from reminders.web.changes import Changelog


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that feeds and pages show, read in one transaction.

    `publication` counts up whenever any of the rest changes. `published` is by event id, `entries` by uid, `stamps` by
    feed name, `kinds` by kind id.
    """

    publication: int
    published: Mapping[str, PublishedEvent]
    entries: Mapping[str, Entry]
    stamps: Mapping[str, FeedStamp]
    kinds: Mapping[str, Kind]
    feeds: tuple[Feed, ...]
    changes: Changelog


class Reader(Protocol):
    """Plain synchronous calls, each its own transaction; the pages make them in a thread."""

    def publication(self) -> int:
        """The present `Shelf.publication`; asked at most once a second."""

    def shelf(self) -> Shelf:
        """Everything that is published."""

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        """Whose unsubscribe token this is."""

    def leave(self, token: str, how: str) -> bool:
        """Take a person out for good, before returning; False for an unknown token, True also when they had left.

        `how` is "one-click" (a mail program asked) or "page".
        """

    def health(self) -> Mapping[str, object]:
        """What `/healthz` answers, as JSON values. The key "ok" says whether all is well."""
