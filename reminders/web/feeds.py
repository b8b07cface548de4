"""``GET /feeds/<name>.ics`` and ``GET /my/<token>/<any>.ics``: a plain ASGI callable over ready bytes."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from reminders.web.fetches import Fetches
from reminders.web.ready import answer, refuse
from reminders.web.site import Site

PUBLIC, PERSONAL = "/feeds/", "/my/"
SUFFIX = ".ics"


class Feeds:
    """Answers for feeds and hands everything else on: a feed passes no router."""

    def __init__(self, site: Site, fetches: Fetches, rest: ASGIApp) -> None:
        self.site = site
        self.fetches = fetches
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"] if scope["type"] == "http" else ""
        if path.startswith(PUBLIC) and path.endswith(SUFFIX):
            name, asked = path[len(PUBLIC) : -len(SUFFIX)], scope["query_string"]
            ready = self.site.early.get(name) if not asked else None
            if ready is None:
                ready = await (await self.site.shown()).feed(name, asked)
            if ready is not None:
                await answer(ready, scope, send)
                return
        elif path.startswith(PERSONAL):
            await self._personal(path, scope, send)
            return
        await self.rest(scope, receive, send)

    async def _personal(self, path: str, scope: Scope, send: Send) -> None:
        """A token that is unknown, revoked or malformed is answered with the same bytes."""
        token, slash, file = path[len(PERSONAL) :].partition("/")
        shown = await self.site.shown()
        found = await shown.personal(token) if slash and file.endswith(SUFFIX) and "/" not in file else None
        if found is None:
            await refuse(404, "There is no calendar at this address.", send, ("cache-control", "no-store"))
            return
        personal, ready = found
        if scope["method"] == "GET":
            self.fetches.note(personal.id, dict(scope["headers"]).get(b"user-agent", b""), shown.shelf.published_at)
        await answer(ready, scope, send)
