"""The web server's one application: feeds, pages, unsubscribing, how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reminders.clock import Clock
from reminders.web import documents, standing
from reminders.web.feeds import Feeds
from reminders.web.fetches import Fetches
from reminders.web.guard import Guard
from reminders.web.kept import Kept
from reminders.web.letters import Letters
from reminders.web.pages import EventCalendar, Pages
from reminders.web.people import People
from reminders.web.personal import OwnCalendars
from reminders.web.reading import Reader
from reminders.web.ready import Ready, answer, prepare
from reminders.web.site import Site

ROBOTS = b"User-agent: *\nDisallow: /unsubscribe/\nDisallow: /you/\n"
"""Google's calendar keeps to it, so feeds must not be named here."""
ASSETS_KEPT = "max-age=3600"
_MADE = datetime(2018, 11, 23, tzinfo=UTC)
"""Assets change only with the program; their tag says so, this only has to be some time."""


def create(
    reader: Reader,
    clock: Clock,
    *,
    name: str,
    templates: Sequence[Path],
    public_url: str = "",
    contact: str = "",
    letters: Path | None = None,
    zone: str = "Europe/London",
    kept: Path | None = None,
    stalled: Callable[[], str] = lambda: "",
) -> ASGIApp:
    """The application, to be run with ASGI's lifespan: it reads everything once before it answers anything.

    `name` is what the service is called, `templates` are folders of page templates with an ``assets`` folder in the
    last. `public_url` is where the site is seen from outside (its path is put before every link). `letters` is the
    folder of mails that the demo shows, with their times local to `zone`; None for anybody else. `kept` is a file of
    the server's own, for what it served last. `stalled` says what stands still in this process; "" while nothing does.
    """
    public = public_url.rstrip("/")
    secure = public.startswith("https://")
    site = Site(reader, public, name, Kept(kept) if kept else None)
    fetches = Fetches(reader, clock)
    pages = Pages(site, clock, name=name, contact=contact, templates=templates, letters=letters is not None)
    people = People(reader, pages)
    own = OwnCalendars(reader, site, pages, clock, zone)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await site.start()
        writing = asyncio.create_task(fetches.keep_writing())
        yield
        writing.cancel()
        await fetches.write()
        await site.kept_all()

    routes = [
        Route("/", pages.coming),
        Route("/past", pages.past),
        Route("/calendars", pages.calendars),
        Route("/events/{id}.ics", EventCalendar(site)),
        Route("/events/{id}", pages.event),
        Route("/unsubscribe/{token}", people.unsubscribe, methods=["GET", "POST"]),
        Route("/you/{token}", own.page, methods=["GET", "POST"]),
        *standing.routes(reader, stalled),
        Route("/robots.txt", _robots),
        Route("/assets/{file}", _Assets(templates[-1] / "assets", secure=secure)),
        *documents.routes(site, name=name, contact=contact),
    ]
    if letters is not None:
        routes += Letters(letters, pages, zone).routes()
    inner = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: pages.failed, Exception: pages.failed},
    )
    inner.router.redirect_slashes = False
    return Guard(Feeds(site, fetches, inner), secure=secure)


async def _robots(_: Request) -> Response:
    return PlainTextResponse(ROBOTS)


class _Assets:
    """The style sheets, read once."""

    def __init__(self, folder: Path, *, secure: bool) -> None:
        self.files: dict[str, Ready] = {
            path.name: prepare(
                path.read_bytes(),
                type="text/css; charset=utf-8",
                cache=ASSETS_KEPT,
                last_modified=_MADE,
                secure=secure,
            )
            for path in folder.glob("*.css")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready = self.files.get(scope["path_params"]["file"])
        if ready is None:
            raise HTTPException(404)
        await answer(ready, scope, send)
