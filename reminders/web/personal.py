"""A person's own calendars: each has an address that nobody else knows, and can be taken back by itself.

The page's address is the authority, as that of the page to unsubscribe: whoever got the mail may look and change. An
address of a calendar is shown once, when it is made; afterwards only its hash is known here.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reminders.catalogue import zones
from reminders.clock import Clock
from reminders.feed.lines import clean
from reminders.feed.personal import ALL, MINE, MOST, PersonalFeed, TooMany
from reminders.planning.subscribers import Subscriber
from reminders.web import guides, qr
from reminders.web.guides import Guide
from reminders.web.pages import Pages
from reminders.web.people import PRIVATE, read_body
from reminders.web.reading import Personal, Reader
from reminders.web.site import Site

LONGEST = 60
UNNAMED = "My calendar"
ALARMS = (
    ("", "No alarms"),
    ("alarms=1d", "A day before"),
    ("alarms=1d,2h", "A day and two hours before"),
    ("alarms=1w,1d", "A week and a day before"),
)
"""What can be chosen, as it is added to an address."""


class Made(NamedTuple):
    """A calendar that was made just now: what its owner calls it, its address, and how to subscribe to it."""

    label: str
    address: str
    webcal: str
    guides: tuple[Guide, ...]
    code: str


class OwnCalendars:
    """``/you/<token>``: GET shows the calendars, POST makes one or takes one back."""

    def __init__(self, reader: Reader, site: Site, pages: Pages, clock: Clock, zone: str) -> None:
        self.reader = reader
        self.site = site
        self.pages = pages
        self.clock = clock
        self.zone = zone

    async def page(self, request: Request) -> Response:
        """Answers to unknown and malformed tokens are the same."""
        token: str = request.path_params["token"]
        asked: dict[str, str] = {}
        if request.method == "POST":
            form = parse_qs((await read_body(request)).decode("utf-8", "replace"), errors="replace")
            asked = {name: values[-1] for name, values in form.items()}
        person = await asyncio.to_thread(self.reader.subscriber_by_token, token)
        if person is None:
            raise HTTPException(404)
        if asked.get("do") == "revoke":
            await asyncio.to_thread(self.reader.revoke, person.id, asked.get("feed", ""))
            self.site.ask_anew()
            return RedirectResponse(f"{self.pages.base}/you/{token}", 303, headers=PRIVATE)
        made, fault = None, ""
        if asked.get("do") == "make":
            label = clean(asked.get("label", ""))[:LONGEST].replace("\n", " ") or UNNAMED
            shows = await self._shows(asked)
            try:
                secret = await asyncio.to_thread(self.reader.issue, person.id, label, shows)
            except TooMany:
                fault = f"You have {MOST} calendars here, which is the most: take one back first."
            else:
                self.site.ask_anew()
                root = self.site.public_url or f"{request.url.scheme}://{request.url.netloc}"
                address = f"{root}/my/{secret}/{MINE}.ics"
                opened = guides.webcal(address)
                # This answer cannot be opened again, so its code is the address itself, as iPhones subscribe to it.
                shown = await self.site.shown()
                feed = shown.wanted(Personal(0, shows, person.follows))
                made = Made(label, address, opened, guides.guides(address, feed), qr.draw(opened))
        return await self._render(request, person, made, fault)

    async def _shows(self, asked: dict[str, str]) -> str:
        shown = await self.site.shown()
        name = asked.get("shows", MINE)
        name = name if name in [MINE, ALL, *(feed.name for feed in shown.shelf.feeds)] else MINE
        added = asked.get("alarms", "")
        return f"{name}?{added}" if added and added in dict(ALARMS) else name

    async def _render(self, request: Request, person: Subscriber, made: Made | None, fault: str) -> Response:
        shown = await self.site.shown()
        titles = {MINE: "What you get mails about", ALL: "Every date"}
        titles |= {feed.name: feed.title for feed in shown.shelf.feeds}
        own = await asyncio.to_thread(self.reader.personal_feeds, person.id)
        now = self.clock.now()
        calendars = [(each, _shown(each, titles), last_fetch(each, now, self.zone)) for each in own]
        return self.pages.render(
            "you.html.j2",
            request,
            headers=PRIVATE,
            calendars=calendars,
            choices=list(titles.items()),
            alarms=ALARMS,
            made=made,
            fault=fault,
        )


def last_fetch(feed: PersonalFeed, now: datetime, zone: str) -> str:
    """Who fetched it last, how long ago, and how old what they got is: ``Google, 6 hours ago, version of 14:02``."""
    if feed.fetched_at is None:
        return "Not fetched yet"
    words = f"{feed.client}, {ago(now - feed.fetched_at)}"
    if feed.seen_at is None:
        return words
    seen = zones.local(feed.seen_at, zone)
    today = seen.date() == zones.local(now, zone).date()
    return f"{words}, version of {seen:%H:%M}" + ("" if today else f" on {seen.day} {seen:%B %Y}")


def ago(time: timedelta) -> str:
    """How long ago, in the largest unit that fills."""
    minutes = int(time.total_seconds() // 60)
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            return f"{minutes // size} {unit}{'' if minutes // size == 1 else 's'} ago"
    return "just now"


def _shown(feed: PersonalFeed, titles: dict[str, str]) -> str:
    name, _, added = feed.shows.partition("?")
    words = titles.get(name, titles[ALL])
    alarm = dict(ALARMS).get(added, "") if added else ""
    return f"{words}; alarms: {alarm[:1].lower()}{alarm[1:]}" if alarm else words
