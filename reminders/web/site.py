"""What is being served: everything published, made ready once per change and kept in memory.

A calendar whose address answers with an error for a moment vanishes from Thunderbird until it is restarted. So what
was served last goes on being served for as long as nothing newer can be read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from reminders.feed import calendar
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed
from reminders.planning.subscribers import Selection
from reminders.web.reading import Reader, Shelf
from reminders.web.ready import Ready, prepare

LOG = logging.getLogger(__name__)
ASK_AFTER = 1.0
"""Seconds for which nobody asks the store again."""
PATIENCE = 2.0
"""Seconds a request waits for news before it is answered with what is there."""
TYPE = "text/calendar; charset=utf-8"
CACHE = "max-age=900, stale-if-error=86400"
"""A cache between may answer for a day while this server is away; calendar programs forgive no error."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A shelf with its feeds ready to serve, by name. Calendars of single events are made when first asked for."""

    shelf: Shelf
    public_url: str
    feeds: Mapping[str, Ready]
    by_event: Mapping[str, tuple[Entry, ...]]
    _single: dict[str, Ready] = field(default_factory=dict)

    def event_calendar(self, id: str) -> Ready | None:
        """The calendar of one event, or None when nothing of it can be put in a calendar."""
        published, entries = self.shelf.published.get(id), self.by_event.get(id)
        if published is None or not entries:
            return None
        if id not in self._single:
            feed = Feed(name=id, title=published.event.title, selection=Selection(events=(id,)))
            page = f"{self.public_url}/events/{id}" if self.public_url else None
            moved = max(entry.last_modified for entry in entries)
            body = calendar.join(
                feed, entries, last_modified=moved, source_url=f"{page}.ics" if page else None, page_url=page
            )
            secure = self.public_url.startswith("https://")
            self._single[id] = prepare(
                body, type=TYPE, cache=CACHE, last_modified=moved, file_name=f"{id}.ics", secure=secure
            )
        return self._single[id]


def make_ready(shelf: Shelf, public_url: str) -> Shown:
    """Join and compress every feed. `public_url` has no slash at its end; "" while nothing is public."""
    entries = shelf.entries.values()
    feeds = {}
    for feed in shelf.feeds:
        stamp = shelf.stamps.get(feed.name)
        if stamp is None:
            LOG.error("the feed %s was never stamped and cannot be served; `reminders refresh` stamps it", feed.name)
            continue
        moved = stamp.last_modified
        body = calendar.join(
            feed,
            calendar.select(feed, shelf.published, entries),
            last_modified=moved,
            source_url=f"{public_url}/feeds/{feed.name}.ics" if public_url else None,
            page_url=f"{public_url}/" if public_url else None,
        )
        secure = public_url.startswith("https://")
        feeds[feed.name] = prepare(
            body, type=TYPE, cache=CACHE, last_modified=moved, file_name=f"{feed.name}.ics", secure=secure
        )
    by_event: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.left_at is None:
            by_event.setdefault(entry.event, []).append(entry)
    return Shown(shelf, public_url, feeds, {id: tuple(each) for id, each in by_event.items()})


class Site:
    """What is shown now; asks the store at most once a second whether something newer is published."""

    def __init__(self, reader: Reader, public_url: str) -> None:
        self.reader = reader
        self.public_url = public_url
        self._shown: Shown | None = None
        self._asked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Read everything once. Raises what the store raises: rather no server than one that has nothing to serve."""
        self._shown = await asyncio.to_thread(self._look)

    async def shown(self) -> Shown:
        """What to serve now; older content rather than none or a long wait."""
        moment = asyncio.get_running_loop().time()
        if self._shown is not None and moment - self._asked < ASK_AFTER:
            return self._shown
        self._asked = moment
        if self._shown is None:
            await self.start()
        elif self._looking is None or self._looking.done():  # a look that takes long is waited for once
            self._looking = asyncio.create_task(self._look_again())
            await asyncio.wait({self._looking}, timeout=PATIENCE)
        if self._shown is None:
            raise RuntimeError("there is nothing to show although it was read")
        return self._shown

    async def _look_again(self) -> None:
        try:
            self._shown = await asyncio.to_thread(self._look)
            self._failing = False
        except Exception:
            if not self._failing:  # it is asked every second: one long fault, one line
                LOG.exception("what is published cannot be read; serving what was served before")
            self._failing = True

    def _look(self) -> Shown:
        publication = self.reader.publication()
        if self._shown is not None and self._shown.shelf.publication == publication:
            return self._shown
        return make_ready(self.reader.shelf(), self.public_url)
