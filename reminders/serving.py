"""The pages and feeds of one service over HTTP: what the store holds, through the web room, on a socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn
from sqlalchemy import Connection
from starlette.types import ASGIApp

from reminders.catalogue.events import Kind
from reminders.clock import Clock
from reminders.errors import WrongUse
from reminders.files import template_folders
from reminders.jobs.health import health
from reminders.jobs.refresh import PUBLICATION
from reminders.jobs.service import Service
from reminders.planning.subscribers import Subscriber
from reminders.store import events, history, people, state
from reminders.web import app
from reminders.web.changes import Changelog, tell
from reminders.web.reading import Shelf

LOG = logging.getLogger(__name__)


class StoreReader:
    """What the pages ask of the store (`web.reading.Reader`)."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service = service
        self.clock = clock

    def publication(self) -> int:
        with self.service.store.reading() as tx:
            return int(str(state.get(tx, PUBLICATION) or 0))

    def shelf(self) -> Shelf:
        with self.service.store.reading() as tx:
            book = self.service.book(tx)
            return Shelf(
                publication=int(str(state.get(tx, PUBLICATION) or 0)),
                published=events.published(tx),
                entries=events.entries(tx),
                stamps=events.feed_stamps(tx),
                kinds=book.configuration.kinds if book else {},
                feeds=book.configuration.feeds if book else (),
                changes=_changes(tx, book.configuration.kinds if book else {}),
            )

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


def _changes(tx: Connection, kinds: Mapping[str, Kind]) -> Changelog:
    with closing(history.amendments(tx)) as amendments:  # many may be left unread
        return tell(amendments, kinds, history.span(tx))


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
