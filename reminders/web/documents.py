"""What other programs read: the changes as Atom, the events as JSON. Served like the feeds, as bytes that are ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reminders.web import atom, data
from reminders.web.reading import Shelf
from reminders.web.ready import Ready, answer, prepare
from reminders.web.site import CACHE, Site

LOG = logging.getLogger(__name__)


class Document:
    """One document, made anew once what is published changed; what was served last while that fails."""

    def __init__(self, site: Site, name: str, make: Callable[[Shelf], Ready]) -> None:
        self.site = site
        self.name = name
        self.make = make
        self._of: Shelf | None = None
        self._ready: Ready | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(await self._present(), scope, send)

    async def _present(self) -> Ready:
        shelf = (await self.site.shown()).shelf
        if self._ready is not None and shelf is self._of:
            return self._ready
        try:
            ready = await asyncio.to_thread(self.make, shelf)
        except Exception:
            if self._ready is None:
                raise
            LOG.exception("%s cannot be made; serving what was served before", self.name)
            ready = self._ready
        self._ready, self._of = ready, shelf  # a failure too: it would fail again for every request
        return ready


def routes(site: Site, *, name: str, contact: str) -> list[Route]:
    """Where the documents are found. `name` and `contact` are those of the service."""

    def changes(shelf: Shelf) -> Ready:
        body = atom.render(shelf.changes, name=name, contact=contact, public_url=site.public_url)
        return _ready(body, atom.TYPE)

    def events(shelf: Shelf) -> Ready:
        return _ready(data.render(shelf, name=name, public_url=site.public_url), data.TYPE)

    schema = _ready(data.schema(), "application/schema+json")
    made = ((atom.PATH, changes), (data.PATH, events), (data.SCHEMA_PATH, lambda _: schema))
    return [Route(path, Document(site, path, make)) for path, make in made]


def _ready(body: bytes, type: str) -> Ready:
    """Their bytes follow from facts, words and settings, of which no one time is known: the tag alone tells them."""
    return prepare(body, type=f"{type}; charset=utf-8", cache=CACHE, last_modified=None, shared=True)
