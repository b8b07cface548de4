"""The pages people read: what is coming, one event, the calendars to subscribe to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from reminders.catalogue.events import Kind, PublishedEvent, Status
from reminders.catalogue.spellings import MONTHS
from reminders.clock import Clock
from reminders.planning.subscribers import Selection
from reminders.web import guides, offers, once, qr
from reminders.web.listing import Line, Listing, arrange, lines_of, time_left
from reminders.web.ready import answer
from reminders.web.site import Shown, Site

Choice = tuple[str, str]
"""A value of a filter, and its label."""

SAID = {
    404: ("Page not found", "There is no page at this address. It may have been typed or copied incompletely."),
    405: ("Not possible", "This page cannot be used in that way."),
    413: ("Too much", "More was sent than this page can take."),
    500: ("Something went wrong", "Please try again later."),
}


class Pages:
    """Renders pages from templates. `templates` are folders, of which the first that has a file wins."""

    def __init__(
        self, site: Site, clock: Clock, *, name: str, contact: str, templates: Sequence[Path], letters: bool
    ) -> None:
        self.site = site
        self.clock = clock
        self.base = urlsplit(site.public_url).path.rstrip("/")
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals |= {
            "service": name,
            "contact": contact,
            "base": self.base,
            "letters": letters,
            "day_words": _day_words,
            "said": _said,
            "time_left": time_left,
            "Status": Status,
        }

    def render(
        self,
        template: str,
        request: Request,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **facts: object,
    ) -> Response:
        """A page as an answer. Pages speak of the present, so nobody may keep them."""
        body = self.environment.get_template(template).render(path=request.url.path, **facts)
        return HTMLResponse(body, status, headers={"Cache-Control": "no-cache"} | dict(headers or {}))

    async def coming(self, request: Request) -> Response:
        """Dates to come, and those not yet known."""
        return await self._list(request, "coming.html.j2")

    async def past(self, request: Request) -> Response:
        """Dates gone by."""
        return await self._list(request, "past.html.j2")

    async def event(self, request: Request) -> Response:
        """One event with all that is known of it, and ways to put it into a calendar."""
        shown = await self.site.shown()
        published = shown.shelf.published.get(request.path_params["id"])
        if published is None:
            raise HTTPException(404)
        now = self.clock.now()
        lines = lines_of(published, shown.shelf.kinds, now)
        page = f"All dates, and whether they have changed: {self._root(request)}/events/{published.event.id}"
        return self.render(
            "event.html.j2",
            request,
            event=published.event,
            lines=lines,
            now=now,
            offer=offers.of_event(published.event.id, shown),
            copies=[(line, ways) for line in lines if (ways := _copies(line, shown, page, now))],
        )

    async def calendars(self, request: Request) -> Response:
        """The feeds; or, with a query that names one calendar, how to subscribe to it in the usual programs."""
        shown = await self.site.shown()
        root = self._root(request)
        asked = [each for each in request.query_params.multi_items() if each[0] in offers.ASKED and each[1]]
        if not asked:
            return self.render("calendars.html.j2", request, root=root, offers=offers.declared(shown))
        offer = offers.find(asked, shown)
        if offer is None:
            raise HTTPException(404)
        address = root + offer.path
        return self.render(
            "calendar.html.j2",
            request,
            offer=offer,
            address=address,
            webcal=guides.webcal(address),
            guides=guides.guides(address, offer.feed),
            options=offers.options(offer),
            promises=guides.promises(offer.feed),
            code=qr.drawn(root + offer.page),
        )

    async def failed(self, request: Request, error: Exception) -> Response:
        """Whatever cannot be answered otherwise; says nothing of what was asked for."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        title, words = SAID.get(status, (HTTPStatus(status).phrase, ""))
        # After a fault the server hangs up; whoever would use the connection again must know.
        more = error.headers if isinstance(error, HTTPException) else {"Connection": "close"}
        return self.render("failed.html.j2", request, status=status, headers=more, title=title, words=words)

    async def _list(self, request: Request, template: str) -> Response:
        # In a thread: thousands of dates take a second, in which the loop has calendars to serve.
        return await asyncio.to_thread(self._listed, request, template, await self.site.shown())

    def _listed(self, request: Request, template: str, shown: Shown) -> Response:
        shelf = shown.shelf
        choices = _choices(shelf.published.values(), shelf.kinds)
        chosen = {
            name: value
            for name, options in choices.items()
            if (value := request.query_params.get(name, "")) in dict(options)
        }
        now = self.clock.now()
        listing: Listing = arrange(shelf.published, shelf.kinds, _selection(chosen), now)
        return self.render(
            template,
            request,
            listing=listing,
            choices=choices,
            chosen=chosen,
            offers=offers.like(list(chosen.items()), shown),
            now=now,
        )

    def _root(self, request: Request) -> str:
        """Where the site is seen from outside, without a slash at its end."""
        return self.site.public_url or f"{request.url.scheme}://{request.url.netloc}"


class EventCalendar:
    """``/events/<id>.ics``: one event to take into a calendar; ready bytes like the feeds."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready = await (await self.site.shown()).event_calendar(scope["path_params"]["id"])
        if ready is None:
            raise HTTPException(404)
        await answer(ready, scope, send)


def _copies(line: Line, shown: Shown, details: str, now: datetime) -> Mapping[str, str]:
    """Where to put one date into a calendar once, by program."""
    if line.date is None or line.over is None or line.over <= now:
        return {}
    for entry in shown.by_event.get(line.event.id, ()):
        if (entry.kind, entry.occurrence) == line.date.key:
            return once.links(entry, details)
    return {}


def _choices(published: Iterable[PublishedEvent], kinds: Mapping[str, Kind]) -> dict[str, list[Choice]]:
    """What can be chosen from: only what some event has."""
    levels: set[int] = set()
    categories: set[str] = set()
    used: set[str] = set()
    for each in published:
        levels |= {each.event.level} if each.event.level is not None else set()
        categories |= set(each.event.categories)
        used |= {date.kind for date in each.event.dates}
    return {
        "level": [(str(level), f"Level {level}") for level in sorted(levels)],
        "kind": sorted(((id, kinds[id].label) for id in used if id in kinds), key=lambda choice: choice[1]),
        "category": [(id, _said(id)) for id in sorted(categories)],
    }


def _selection(chosen: Mapping[str, str]) -> Selection:
    return Selection(
        levels=(int(chosen["level"]),) if "level" in chosen else (),
        kinds=(chosen["kind"],) if "kind" in chosen else (),
        categories=(chosen["category"],) if "category" in chosen else (),
    )


def _said(id: str) -> str:
    """An id as words: "post-starts" as "Post starts", but "e-learning" as "E-learning"."""
    return re.sub(r"(?<=[a-z0-9]{2})-", " ", id).capitalize()


def _day_words(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
