"""``GET /feeds/<name>.ics``: a plain ASGI callable over ready bytes."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from reminders.web.ready import answer
from reminders.web.site import Site

PREFIX = "/feeds/"
SUFFIX = ".ics"


class Feeds:
    """Answers for feeds and hands everything else on: a feed passes no router, and renders nothing."""

    def __init__(self, site: Site, rest: ASGIApp) -> None:
        self.site = site
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith(PREFIX) and path.endswith(SUFFIX):
                shown = await self.site.shown()
                ready = shown.feeds.get(path[len(PREFIX) : -len(SUFFIX)])
                if ready is not None:
                    await answer(ready, scope, send)
                    return
        await self.rest(scope, receive, send)
