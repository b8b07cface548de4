"""The pages and feeds of one service: what the store holds, through the web room."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from starlette.types import ASGIApp

from reminders.catalogue.events import Kind
from reminders.clock import Clock
from reminders.errors import RemindersError, WrongUse
from reminders.feed.personal import PersonalFeed
from reminders.files import template_folders
from reminders.jobs.drawing import CHECKED
from reminders.jobs.health import health
from reminders.jobs.leaving import leave
from reminders.jobs.refresh import declarations
from reminders.jobs.service import Service, data_folder
from reminders.planning.subscribers import Subscriber
from reminders.settings import Settings
from reminders.store import events, feeds, history, people, state
from reminders.store.declared import Declared, declared
from reminders.store.engine import TROUBLE, Moved, words
from reminders.store.schema import open_store
from reminders.web import app
from reminders.web.changes import Changelog, tell
from reminders.web.reading import Edition, Fetch, Personal, Reader, Shelf

LOG = logging.getLogger(__name__)
SHELF = "shelf.json"
TRY_AGAIN = 5.0
"""Seconds between two tries to open a store that cannot be opened."""

FAULTS: tuple[type[Exception], ...] = (RemindersError, *TROUBLE)
"""What has words for people."""

MOVED = "The database was moved or replaced while it was in use, and nothing is mailed: start the service again."
"""What is wrong when `Moved` was raised, without the name of a file."""

Kept = TypeVar("Kept")


class StoreReader:
    """What the pages ask of the store (`web.reading.Reader`)."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service = service
        self.clock = clock

    def edition(self) -> Edition:
        with self.service.store.reading() as tx:
            return events.publication(tx), events.published_at(tx)

    def shelf(self, before: Shelf | None = None) -> Shelf:
        with self.service.store.reading() as tx:
            publication = events.publication(tx)
            if before is not None and publication <= before.publication:
                before = None  # another store, such as a restored one
            since = before.publication if before else -1
            told = declared(tx)
            if told is None:  # published by an earlier version
                book = self.service.book(tx)
                told = declarations(book) if book else Declared()
            published = events.published(tx, since=since)
            entries = events.entries(tx, since=since)
            checked = state.get(tx, CHECKED)
            if before is not None:
                published = _joined(before.published, published)
                entries = _joined(before.entries, entries)
            mine = feeds.live(tx)
            owners = people.subscribers(tx, told.audiences) if mine else {}
            return Shelf(
                publication=publication,
                published_at=events.published_at(tx),
                published=published,
                entries=entries,
                stamps=events.feed_stamps(tx),
                kinds=told.kinds,
                feeds=told.feeds,
                changes=_changes(tx, told.kinds, before),
                checked=date.fromisoformat(str(checked)) if checked else self.clock.now().date(),
                personal={
                    hash: Personal(each.id, each.shows, owners[each.subscriber].follows)
                    for hash, each in mine.items()
                    if each.subscriber in owners
                },
            )

    def fetched(self, fetches: Iterable[Fetch]) -> None:
        with self.service.store.writing() as tx:
            feeds.fetched(tx, [(each.personal, each.client, each.at, each.seen_at) for each in fetches])

    def personal_feeds(self, subscriber: int) -> list[PersonalFeed]:
        with self.service.store.reading() as tx:
            return feeds.of(tx, subscriber)

    def issue(self, subscriber: int, label: str, shows: str) -> str:
        token = secrets.token_urlsafe(24)
        with self.service.store.writing(alone=events.TURN) as tx:
            feeds.issue(tx, subscriber, sha256(token.encode()).hexdigest(), label, shows, self.clock.now())
            events.count_publication(tx, self.clock.now())
        return token

    def revoke(self, subscriber: int, feed: str) -> None:
        with self.service.store.writing(alone=events.TURN) as tx:
            if feed.isdecimal() and feeds.revoke(tx, subscriber, int(feed[:18]), self.clock.now()):
                events.count_publication(tx, self.clock.now())

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        with self.service.store.reading() as tx:
            return people.by_token(tx, token)

    def leave(self, token: str, how: str) -> bool:
        person = self.subscriber_by_token(token)
        if person is not None:
            leave(self.service, person.id, how, self.clock.now())
        return person is not None

    def health(self) -> Mapping[str, object]:
        try:
            found = health(self.service, self.clock.now())
        except Moved as error:
            LOG.warning("%s", error)
            return {"ok": False, "faults": [MOVED]}
        except FAULTS as error:
            LOG.warning("the health of the service cannot be told: %s", words(error))
            return {"ok": False, "faults": ["The database cannot be read."]}
        except Exception:
            LOG.exception("the health of the service cannot be told")
            return {"ok": False, "faults": ["The database cannot be read."]}
        return {
            "ok": found.ok,
            "faults": list(found.faults),
            "warnings": list(found.warnings),
            "outbox": dict(found.outbox),
            "paused": found.paused,
        }


def _joined(before: Mapping[str, Kept], changed: Mapping[str, Kept]) -> dict[str, Kept]:
    """The former with what changed, by key in order."""
    both = {**before, **changed}
    return both if len(both) == len(before) else dict(sorted(both.items()))


def _changes(tx: Connection, kinds: Mapping[str, Kind], before: Shelf | None) -> Changelog:
    """What changed, told anew only when something did, or the words of it."""
    span = history.span(tx)
    if before is not None and before.kinds == kinds and before.changes.span == span:
        return before.changes
    with closing(history.amendments(tx)) as amendments:  # many may be left unread
        return tell(amendments, kinds, span)


class NoStore:
    """A reader while the store cannot be opened: whatever is asked of it raises why (`web.reading.Reader`)."""

    def __init__(self, error: WrongUse) -> None:
        self.error = error

    def edition(self) -> Edition:
        raise self.error

    def shelf(self, before: Shelf | None = None) -> Shelf:
        raise self.error

    def fetched(self, fetches: Iterable[Fetch]) -> None:
        raise self.error

    def personal_feeds(self, subscriber: int) -> list[PersonalFeed]:
        raise self.error

    def issue(self, subscriber: int, label: str, shows: str) -> str:
        raise self.error

    def revoke(self, subscriber: int, feed: str) -> None:
        raise self.error

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        raise self.error

    def leave(self, token: str, how: str) -> bool:
        raise self.error

    def health(self) -> Mapping[str, object]:
        return {"ok": False, "faults": ["The database cannot be opened: the log says why."]}


class StoreWatch:
    """Ends its `run` as soon as a store can be opened; beside a server that meanwhile serves what was kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.found = False
        """Whether the store can be opened again."""
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Try to open the store now and then, until that works or `stop`."""
        while not self.found:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TRY_AGAIN)
            if self._stop.is_set():
                return
            with suppress(WrongUse, *TROUBLE):
                (await asyncio.to_thread(open_store, self.url)).close()
                self.found = True

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    @property
    def started(self) -> bool:
        """There is nothing to begin with."""
        return True

    def stalled(self) -> str:
        """Nothing: it only waits."""
        return ""


def kept_shelf(settings: Settings, config: Path) -> Path:
    """The file that holds what was served last."""
    return data_folder(settings, config) / SHELF


def application(
    service: Service, clock: Clock, *, letters: Path | None = None, stalled: Callable[[], str] = lambda: ""
) -> ASGIApp:
    """The web application of a service. `letters` is the outbox folder that the demo shows.

    `stalled` says what stands still in this process, "" while nothing does.
    """
    return _application(StoreReader(service, clock), clock, service.settings, service.config, letters, stalled)


def stand_in(error: WrongUse, clock: Clock, settings: Settings, config: Path) -> ASGIApp:
    """The web application over what was kept, while the store cannot be opened because of `error`."""
    return _application(NoStore(error), clock, settings, config, None, lambda: "")


def _application(
    reader: Reader,
    clock: Clock,
    settings: Settings,
    config: Path,
    letters: Path | None,
    stalled: Callable[[], str],
) -> ASGIApp:
    return app.create(
        reader,
        clock,
        name=settings.service_name,
        templates=template_folders(config, "web"),
        public_url=settings.public_url,
        contact=settings.contact,
        zone=settings.zone,
        letters=letters,
        kept=kept_shelf(settings, config),
        stalled=stalled,
    )
