"""What is being served: everything published, made ready once per change and kept in memory and in a file.

A calendar whose address answers with an error for a moment vanishes from Thunderbird until it is restarted. So what
was served last goes on being served for as long as nothing newer can be read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from threading import Lock
from urllib.parse import parse_qsl

from reminders.feed import calendar, query
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.personal import ALL, MINE
from reminders.feed.selection import Feed
from reminders.feed.style import NEVER_RESTYLED
from reminders.planning.subscribers import Selection
from reminders.web.kept import Kept
from reminders.web.reading import Personal, Reader, Shelf
from reminders.web.ready import Ready, prepare

LOG = logging.getLogger(__name__)
ASK_AFTER = 1.0
"""Seconds for which nobody asks the store again."""
PATIENCE = 2.0
"""Seconds a request waits for news before it is answered with what is there."""
TYPE = "text/calendar; charset=utf-8"
CACHE = "max-age=900, stale-if-error=86400"
"""A cache between may answer for a day while this server is away; calendar programs forgive no error."""
PRIVATE = "private, max-age=0, must-revalidate"
MOST_BYTES, MOST_ADDRESSES, LONG = 64_000_000, 10_000, 1_000
"""How much is kept in memory of feeds that are made when they are asked for, how many ways to ask for them are known by
heart, and how many bytes of an address are too many for that."""


class Shown:
    """A shelf with its declared feeds ready to serve, by name. What an address asks for beside them is made when it is.

    Where a feed cannot be made, what `before` had of it goes on being shown.
    """

    def __init__(self, shelf: Shelf, public_url: str, name: str, before: Shown | None = None) -> None:
        self.shelf = shelf
        self.public_url = public_url
        self.feeds: dict[str, Ready] = {}
        self._bases = {ALL: Feed(ALL, name)} | {feed.name: feed for feed in shelf.feeds}
        self._made: OrderedDict[str, Ready] = OrderedDict()
        self._bytes = 0
        self._making = Lock()
        self._known_by_address: dict[tuple[str, bytes], Ready] = {}
        self._earlier = before.made_earlier() if before else {}
        for feed in shelf.feeds:
            stamp = shelf.stamps.get(feed.name)
            if stamp is None:
                LOG.error("the feed %s was never stamped; `reminders refresh` stamps it", feed.name)
            if before and stamp and stamp == before.shelf.stamps.get(feed.name) and before.public_url == public_url:
                self.feeds[feed.name] = before.feeds[feed.name]
            else:
                self.feeds[feed.name] = self._make(feed, stamp, private=False)

    async def feed(self, name: str, asked: bytes = b"") -> Ready | None:
        """The public feed of that name as the rest of its address wants it; None if there is none of that name."""
        if not asked and name in self.feeds:
            return self.feeds[name]
        if name not in self._bases:
            return None
        return await self._found((name, asked), self._feed, name, asked)

    async def personal(self, token: str) -> tuple[Personal, Ready] | None:
        """A person's feed by its token; None for a token that is not known, or not any more."""
        hashed = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        personal = self.shelf.personal.get(hashed)
        if personal is None:
            return None
        return personal, await self._found((hashed, b""), self._personal, personal)

    async def event_calendar(self, id: str) -> Ready | None:
        """The calendar of one event, or None when nothing of it can be put in a calendar."""
        if not self.by_event.get(id):
            return None
        return await self._found((query.EVENT + id, b""), self._event_calendar, id)

    async def _found(self, address: tuple[str, bytes], make: Callable[..., Ready], *facts: object) -> Ready:
        ready = self._known_by_address.get(address)
        if ready is None:
            ready = await asyncio.to_thread(make, *facts)
            if len(self._known_by_address) >= MOST_ADDRESSES:
                self._known_by_address.clear()
            if len(address[1]) < LONG:
                self._known_by_address[address] = ready
        return ready

    def _feed(self, name: str, asked: bytes) -> Ready:
        base = self._bases[name]
        wanted = query.narrow(base, _asked(asked), self.known)
        return self.feeds[name] if wanted is base and name in self.feeds else self._cached(wanted, private=False)

    def _personal(self, personal: Personal) -> Ready:
        """It does not say where it is found, so that all who chose the same share its bytes."""
        name, _, asked = personal.shows.partition("?")
        base = self._bases.get(name) or self._bases[ALL]
        if name == MINE:
            base = Feed(MINE, self._bases[ALL].title, follows=personal.follows)
        return self._cached(query.narrow(base, _asked(asked.encode()), self.known), private=True)

    def _event_calendar(self, id: str) -> Ready:
        title = self.shelf.published[id].event.title
        return self._cached(Feed(query.EVENT + id, title, selection=Selection(events=(id,))), private=False)

    @cached_property
    def by_event(self) -> Mapping[str, Sequence[Entry]]:
        """The entries in the feeds now, by event."""
        found: dict[str, list[Entry]] = {}
        for entry in self.shelf.entries.values():
            if entry.left_at is None:
                found.setdefault(entry.event, []).append(entry)
        return found

    @cached_property
    def known(self) -> query.Known:
        """What feeds can be narrowed by."""
        return query.known((each.event for each in self.shelf.published.values()), self.shelf.kinds)

    def narrowed(self, asked: Sequence[tuple[str, str]]) -> Feed:
        """The feed of what a page shows with these parameters."""
        return query.narrow(self._bases[ALL], asked, self.known)

    def made_earlier(self) -> dict[str, Ready]:
        """All that was made of this shelf, by key."""
        return {self._key(Feed(name, ""), private=False): ready for name, ready in self.feeds.items()} | self._made

    def _cached(self, feed: Feed, *, private: bool) -> Ready:
        key = self._key(feed, private=private)
        with self._making:
            ready = self._made.get(key)
            if ready is None:
                ready = self._made[key] = self._make(feed, None, private=private)
                self._bytes += ready.size
                while self._bytes > MOST_BYTES and len(self._made) > 1:
                    self._bytes -= self._made.popitem(last=False)[1].size
                    self._known_by_address.clear()
            self._made.move_to_end(key)
        return ready

    def _key(self, feed: Feed, *, private: bool) -> str:
        return f"{private} {feed.name} {feed.follows}"

    def _make(self, feed: Feed, stamp: FeedStamp | None, *, private: bool) -> Ready:
        name = feed.name.partition("?")[0].removeprefix(query.EVENT)
        try:
            body, moved = self._join(feed, stamp, private=private)
        except Exception:
            LOG.exception("the feed %s cannot be made; what was served before is served", feed.name)
            earlier = self._earlier.get(self._key(feed, private=private))
            if earlier is not None:
                return earlier
            moved = calendar.last_change(feed, (), self.shelf.checked)
            body = calendar.join(
                feed, (), last_modified=moved, checked=self.shelf.checked, source_url=None, page_url=None
            )
        return prepare(
            body,
            type=TYPE,
            cache=PRIVATE if private else CACHE,
            last_modified=moved,
            secure=self.public_url.startswith("https://"),
            file_name=f"{name}.ics",
            private=private,
        )

    def _join(self, feed: Feed, stamp: FeedStamp | None, *, private: bool) -> tuple[bytes, datetime]:
        entries = self.shelf.entries.values()
        base = self.shelf.stamps.get(feed.name.partition("?")[0])
        moved = stamp.last_modified if stamp else calendar.last_change(feed, entries, self.shelf.checked)
        body = calendar.join(
            feed,
            calendar.select(feed, entries),
            last_modified=moved,
            checked=self.shelf.checked,
            restyle=base.restyle if base else NEVER_RESTYLED,
            source_url=self.public_url + query.path(feed) if self.public_url and not private else None,
            page_url=self.public_url + query.page(feed) if self.public_url else None,
        )
        return body, moved


class Site:
    """What is shown now; asks the store at most once a second whether something newer is published."""

    def __init__(self, reader: Reader, public_url: str, name: str, kept: Kept | None = None) -> None:
        self.reader = reader
        self.public_url = public_url
        self.name = name
        self.kept = kept
        self._shown: Shown | None = None
        self._asked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Read everything once, from what was kept if the store cannot be read.

        Raises what the store raises if nothing was kept: rather no server than one that has nothing to serve.
        """
        try:
            self._shown = await asyncio.to_thread(self._look)
        except Exception:
            shelf = await asyncio.to_thread(self.kept.load) if self.kept else None
            if shelf is None:
                raise
            LOG.exception("what is published cannot be read; serving what was served before")
            self._failing = True
            self._shown = await asyncio.to_thread(Shown, shelf, self.public_url, self.name)
        else:
            self._keep(self._shown)

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

    def ask_anew(self) -> None:
        """Let the next request see what was changed just now."""
        self._asked = float("-inf")

    async def kept_all(self) -> None:
        """Wait until what is shown is in the file."""
        if self._keeping is not None:
            await self._keeping

    async def _look_again(self) -> None:
        before = self._shown
        try:
            self._shown = await asyncio.to_thread(self._look)
            self._failing = False
        except Exception:
            if not self._failing:  # it is asked every second: one long fault, one line
                LOG.exception("what is published cannot be read; serving what was served before")
            self._failing = True
        else:
            if self._shown is not before:
                self._keep(self._shown)

    def _look(self) -> Shown:
        before = self._shown
        if before is not None and before.shelf.edition == self.reader.edition():
            return before
        shelf = self.reader.shelf(before.shelf if before else None)
        return Shown(shelf, self.public_url, self.name, before)

    def _keep(self, shown: Shown) -> None:
        """Write it to the file, after all that was shown before, while it is being served already."""
        kept, earlier = self.kept, self._keeping
        if kept is None:
            return

        async def write() -> None:
            if earlier is not None:
                await earlier
            try:
                await asyncio.to_thread(kept.save, shown.shelf)
            except Exception:
                LOG.exception("what is served cannot be kept in %s for worse days", kept.path)

        self._keeping = asyncio.create_task(write())


def _asked(query: bytes) -> list[tuple[str, str]]:
    return parse_qsl(query.decode("utf-8", "replace"), errors="replace")
