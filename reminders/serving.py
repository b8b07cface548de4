"""The pages and feeds of one service: what the store holds, through the web room."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp

from reminders.clock import Clock
from reminders.files import template_folders
from reminders.jobs.health import health
from reminders.jobs.refresh import PUBLICATION
from reminders.jobs.service import Service
from reminders.planning.subscribers import Subscriber
from reminders.store import events, people, state
from reminders.web import app
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
