"""What other programs read: the changes as Atom, the events as JSON. Served like the feeds, as bytes that are ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reminders.catalogue.events import Event
from reminders.feed import query
from reminders.feed.selection import Feed
from reminders.planning.selections import matches
from reminders.web import atom, data
from reminders.web.reading import Shelf
from reminders.web.ready import Ready, answer, prepare
from reminders.web.site import CACHE, Site

LOG = logging.getLogger(__name__)
MOST = 100
"""So many choices from one document are kept ready; whoever asks for yet another has it made."""


class Document:
    """One document, made anew once what is published changed; what was served last while that fails.

    Where it `narrows`, the parameters of its address choose from it as they do from a feed (see `feed.query`).
    """

    def __init__(self, site: Site, path: str, make: Callable[[Shelf, Feed], Ready], *, narrows: bool = False) -> None:
        self.site = site
        self.make = make
        self.narrows = narrows
        self._whole = Feed(path, path)
        self._of: Shelf | None = None
        self._known: query.Known = {}
        self._made: dict[str, Ready] = {}
        self._earlier: dict[str, Ready] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(await self._present(scope["query_string"]), scope, send)

    async def _present(self, asked: bytes) -> Ready:
        shelf = (await self.site.shown()).shelf
        if shelf is not self._of:
            self._earlier = _newest(self._earlier | self._made)
            self._of, self._known, self._made = (
                shelf,
                query.known((each.event for each in shelf.published.values()), shelf.kinds),
                {},
            )
        chosen = self._chosen(asked) if asked and self.narrows else self._whole
        made = self._made
        if chosen.name not in made:
            ready = await self._make(shelf, chosen)
            made[chosen.name] = ready
            if self._made is made:
                self._made = _newest(made)
            return ready
        return made[chosen.name]

    def _chosen(self, asked: bytes) -> Feed:
        given = parse_qsl(asked.decode("utf-8", "replace"), errors="replace")
        return query.narrow(self._whole, [each for each in given if each[0] in query.SELECTING], self._known)

    async def _make(self, shelf: Shelf, chosen: Feed) -> Ready:
        try:
            return await asyncio.to_thread(self.make, shelf, chosen)
        except Exception:
            earlier = self._earlier.get(chosen.name)
            if earlier is None:
                raise
            LOG.exception("%s cannot be made; serving what was served before", chosen.name)
            return earlier  # it is kept as if it had been made: it would fail again for every request


def routes(site: Site, *, name: str, contact: str) -> list[Route]:
    """Where the documents are found. `name` and `contact` are those of the service."""

    def changes(shelf: Shelf, _: Feed) -> Ready:
        body = atom.render(shelf.changes, name=name, contact=contact, public_url=site.public_url)
        return _ready(body, atom.TYPE, site)

    def events(shelf: Shelf, chosen: Feed) -> Ready:
        def fits(event: Event, kind: str) -> bool:
            return chosen.narrowed is not None and matches(chosen.narrowed, event, kind)

        return _ready(data.render(shelf, name=name, public_url=site.public_url, chosen=fits), data.TYPE, site)

    schema = _ready(data.schema(), "application/schema+json", site)
    return [
        Route(atom.PATH, Document(site, atom.PATH, changes)),
        Route(data.PATH, Document(site, data.PATH, events, narrows=True)),
        Route(data.SCHEMA_PATH, Document(site, data.SCHEMA_PATH, lambda *_: schema)),
    ]


def _newest(made: dict[str, Ready]) -> dict[str, Ready]:
    return dict(list(made.items())[-MOST:])


def _ready(body: bytes, type: str, site: Site) -> Ready:
    """Their bytes follow from facts, words and settings, of which no one time is known: the tag alone tells them."""
    secure = site.public_url.startswith("https://")
    return prepare(body, type=f"{type}; charset=utf-8", cache=CACHE, last_modified=None, secure=secure, shared=True)
