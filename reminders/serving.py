"""The pages and feeds of one service over HTTP: what the store holds, through the web room, on a socket."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import uvicorn
from sqlalchemy import Connection
from starlette.types import ASGIApp

from reminders.catalogue.events import Kind
from reminders.clock import Clock
from reminders.errors import WrongUse
from reminders.feed.personal import PersonalFeed
from reminders.files import template_folders
from reminders.jobs.drawing import CHECKED
from reminders.jobs.health import health
from reminders.jobs.service import Service
from reminders.planning.subscribers import Subscriber
from reminders.store import events, feeds, history, people, state
from reminders.web import app
from reminders.web.changes import Changelog, tell
from reminders.web.reading import Edition, Fetch, Personal, Shelf

LOG = logging.getLogger(__name__)
SHELF = "shelf.json"
"""The file in the data folder that holds what was served last."""

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
        since = before.publication if before else -1
        with self.service.store.reading() as tx:
            book = self.service.book(tx)
            kinds = book.configuration.kinds if book else {}
            audiences = book.configuration.audiences if book else ()
            published = events.published(tx, since=since)
            entries = events.entries(tx, since=since)
            checked = state.get(tx, CHECKED)
            if before is not None:
                published = _joined(before.published, published)
                entries = _joined(before.entries, entries)
            mine = feeds.live(tx)
            owners = people.subscribers(tx, audiences) if mine else {}
            return Shelf(
                publication=events.publication(tx),
                published_at=events.published_at(tx),
                published=published,
                entries=entries,
                stamps=events.feed_stamps(tx),
                kinds=kinds,
                feeds=book.configuration.feeds if book else (),
                changes=_changes(tx, kinds, before),
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
        with self.service.store.writing() as tx:
            person = people.by_token(tx, token)
            if person is not None:
                people.leave(tx, person.id, how, self.clock.now())
            return person is not None

    def health(self) -> Mapping[str, object]:
        try:
            found = health(self.service, self.clock.now())
        except Exception:
            LOG.exception("the health of the service cannot be told")
            return {"ok": False, "faults": ["The database cannot be read."]}
        return {
            "ok": found.ok,
            "faults": list(found.faults),
            "warnings": list(found.warnings),
            "outbox": dict(found.outbox),
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


def application(service: Service, clock: Clock, *, letters: Path | None = None) -> ASGIApp:
    """The web application of a service. `letters` is the outbox folder that the demo shows."""
    chosen = service.settings
    return app.create(
        StoreReader(service, clock),
        clock,
        name=chosen.service_name,
        templates=template_folders(service.config, "web"),
        public_url=chosen.public_url,
        contact=chosen.contact,
        zone=chosen.zone,
        letters=letters,
        kept=service.data / SHELF,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises `WrongUse` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # at once: only then is the port ours, and nobody who comes early is refused
    except OSError as error:
        listening.close()
        raise WrongUse(f"the web server cannot listen on {host}:{port} ({error.strerror}): set another port") from error
    listening.set_inheritable(False)
    return listening


class WebServer(uvicorn.Server):
    """uvicorn in the daemon's loop, which takes the signals itself: uvicorn would raise them again at its end."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,  # addresses of unsubscribe pages would be in it
                server_header=False,
                lifespan="on",
                proxy_headers=False,
                timeout_graceful_shutdown=5,
                timeout_keep_alive=30,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_on(self, listening: socket.socket) -> None:
        """Serve until `should_exit` is set. Raises `WrongUse` when it could not start."""
        await self.serve(sockets=[listening])
        if not self.started:
            raise WrongUse("the web server could not start; the log says why")
