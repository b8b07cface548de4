"""What is being served: everything published, made ready once per change and kept in memory and in a file.

A calendar whose address answers with an error for a moment vanishes from Thunderbird until it is restarted. So what
was served last goes on being served for as long as nothing newer can be read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from hashlib import sha256
from urllib.parse import parse_qsl

from reminders.feed import calendar, query
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.personal import ALL, MINE
from reminders.feed.selection import Feed, with_all
from reminders.feed.style import NEVER_RESTYLED
from reminders.planning.subscribers import Selection
from reminders.web.kept import Kept, KeptFeed
from reminders.web.made import Made
from reminders.web.reading import Personal, Reader, Shelf
from reminders.web.ready import LARGE, Ready, prepare

LOG = logging.getLogger(__name__)
ASK_AFTER = 1.0
"""Seconds for which nobody asks the store again."""
PATIENCE = 2.0
"""Seconds a request waits for news before it is answered with what is there."""
TYPE = "text/calendar; charset=utf-8"
CACHE = "max-age=900, stale-if-error=86400"
"""A cache between may answer for a day while this server is away; calendar programs forgive no error."""
PRIVATE = "private, max-age=0, must-revalidate"
LONG, MOST_ADDRESSES = 300, 4_000
"""How long an address may be to be known by heart, and how many are."""


class Shown:
    """A shelf with its declared feeds ready to serve, by name. What an address asks for beside them is made when it is.

    Where a declared feed cannot be made, what `before` had of it goes on being shown.
    """

    def __init__(self, shelf: Shelf, public_url: str, name: str, before: Shown | None = None) -> None:
        self.shelf = shelf
        self.public_url = public_url
        self.feeds: dict[str, Ready] = {}
        self._bases = {feed.name: feed for feed in with_all(shelf.feeds, name)}
        self._made = Made()
        self._by_address: dict[tuple[str, bytes], Ready] = {}
        self._spoilt: set[str] = set()
        self._unpacked: dict[str, Callable[[], Ready]] = {}
        for feed in self._bases.values():
            stamp = shelf.stamps.get(feed.name)
            if before is not None and before.has(feed.name, stamp, public_url):
                self.feeds[feed.name] = before.feeds[feed.name]
                if feed.name in before._unpacked:
                    self._unpacked[feed.name] = before._unpacked[feed.name]
                continue
            try:
                self.feeds[feed.name] = self._make(feed, stamp, private=False)
            except Exception:
                LOG.exception("the feed %s cannot be made; what was served before is served", feed.name)
                self._spoilt.add(feed.name)
                earlier = before.feeds.get(feed.name) if before is not None else None
                self.feeds[feed.name] = earlier or self._stand_in(feed, private=False)

    def has(self, name: str, stamp: FeedStamp | None, public_url: str) -> bool:
        """Whether the declared feed of this stamp is here, and is what it should be."""
        same = stamp is not None and stamp == self.shelf.stamps.get(name) and public_url == self.public_url
        return same and name in self.feeds and name not in self._spoilt

    def kept_feeds(self) -> dict[str, KeptFeed]:
        """The declared feeds to keep: those that are as they should be."""
        return {
            name: KeptFeed(ready.plain.body, ready.packed.body, stamp.last_modified)
            for name, ready in self.feeds.items()
            if name not in self._spoilt and (stamp := self.shelf.stamps.get(name)) is not None
        }

    def pack(self) -> None:
        """Compress the large feeds, which are being served already."""
        for name in list(self._unpacked):
            self.feeds[name] = self._unpacked[name]()
            del self._unpacked[name]
        self._by_address.clear()

    async def feed(self, name: str, asked: bytes = b"") -> Ready | None:
        """The public feed of that name as the rest of its address wants it; None if there is none of that name."""
        if not asked or name not in self._bases:
            return self.feeds.get(name)
        return await self._found((name, asked), self._feed, name, asked)

    async def personal(self, token: str) -> tuple[Personal, Ready] | None:
        """A person's feed by its token; None for a token that is not known, or not any more."""
        hashed = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        personal = self.shelf.personal.get(hashed)
        if personal is None:
            return None
        return personal, await self._found((hashed, b""), self._personal, personal)

    async def event_calendar(self, id: str) -> Ready | None:
        """The calendar of one event, which may have no entries yet; None if there is no such event."""
        if id not in self.shelf.published:
            return None
        return await self._found((query.EVENT + id, b""), self._event_calendar, id)

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

    def wanted(self, personal: Personal) -> Feed:
        """The feed that a personal one shows; that of all dates in place of one that is no longer declared."""
        name, _, asked = personal.shows.partition("?")
        base = self._bases.get(name) or self._bases[ALL]
        if name == MINE:
            base = Feed(MINE, self._bases[ALL].title, follows=personal.follows)
        return query.narrow(base, _asked(asked.encode()), self.known)

    async def _found(self, address: tuple[str, bytes], make: Callable[..., Ready], *facts: object) -> Ready:
        """What is at an address: known by heart, or made in a thread, as the loop has others to serve."""
        ready = self._by_address.get(address)
        if ready is None:
            ready = await asyncio.to_thread(make, *facts)
            if len(self._by_address) >= MOST_ADDRESSES:
                self._by_address.clear()
            if len(address[1]) < LONG:
                self._by_address[address] = ready
        return ready

    def _feed(self, name: str, asked: bytes) -> Ready:
        base = self._bases[name]
        wanted = query.narrow(base, _asked(asked), self.known)
        return self.feeds[name] if wanted is base else self._kept(wanted, private=False)

    def _personal(self, personal: Personal) -> Ready:
        """It does not say where it is found, so that all who chose the same share its bytes."""
        return self._kept(self.wanted(personal), private=True)

    def _event_calendar(self, id: str) -> Ready:
        title = self.shelf.published[id].event.title
        return self._kept(Feed(query.EVENT + id, title, selection=Selection(events=(id,))), private=False)

    def _kept(self, feed: Feed, *, private: bool) -> Ready:
        def make() -> Ready:
            try:
                return self._make(feed, None, private=private)
            except Exception:
                LOG.exception("the feed %s cannot be made", feed.name)
                return self._stand_in(feed, private=private)

        return self._made.get(f"{private} {feed.name} {feed.follows}", make)

    def _make(self, feed: Feed, stamp: FeedStamp | None, *, private: bool) -> Ready:
        base = self.shelf.stamps.get(feed.name.partition("?")[0])
        body = calendar.join(
            feed,
            calendar.select(feed, self.shelf.entries.values()),
            last_modified=stamp.last_modified if stamp else None,
            checked=self.shelf.checked,
            restyle=base.restyle if base else NEVER_RESTYLED,
            source_url=self.public_url + query.path(feed) if self.public_url and not private else None,
            page_url=self.public_url + query.page(feed) if self.public_url else None,
        )
        # What nobody stamps can have changed with anything that was ever published.
        moved = stamp.last_modified if stamp else self.shelf.published_at
        if feed is not self._bases.get(feed.name) or len(body) < LARGE:
            return self._ready(feed, body, moved, private=private)
        self._unpacked[feed.name] = partial(self._ready, feed, body, moved, private=private)
        return self._ready(feed, body, moved, private=private, pack=False)

    def _stand_in(self, feed: Feed, *, private: bool) -> Ready:
        body = calendar.join(feed, (), last_modified=None, checked=self.shelf.checked, source_url=None, page_url=None)
        return self._ready(feed, body, None, private=private)

    def _ready(self, feed: Feed, body: bytes, moved: datetime | None, *, private: bool, pack: bool = True) -> Ready:
        name = feed.name.partition("?")[0].removeprefix(query.EVENT)
        return _calendar(name, body, moved, self.public_url, private=private, pack=pack)


def _calendar(
    name: str,
    body: bytes,
    moved: datetime | None,
    public_url: str,
    *,
    private: bool = False,
    pack: bool = True,
    packed: bytes = b"",
) -> Ready:
    return prepare(
        body,
        type=TYPE,
        cache=PRIVATE if private else CACHE,
        last_modified=moved and moved.replace(microsecond=0),
        secure=public_url.startswith("https://"),
        file_name=f"{name}.ics",
        private=private,
        pack=pack,
        packed=packed,
    )


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
        self.early: dict[str, Ready] = {}
        """Declared feeds that were kept and are still right, until the rest is read."""
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Have something to serve: the feeds as they were kept, while the rest is read; or everything.

        Raises what the store raises if nothing was kept: rather no server than one that has nothing to serve.
        """
        self.early = await asyncio.to_thread(self._early)
        self._starting = asyncio.create_task(self._start())
        if not self.early:
            await self._starting

    def _early(self) -> dict[str, Ready]:
        try:
            kept = self.kept.feeds(self.reader.edition(), self._site) if self.kept else {}
        except Exception:
            return {}  # it will be told when everything is read
        return {
            name: _calendar(name, each.plain, each.last_modified, self.public_url, packed=each.packed)
            for name, each in kept.items()
        }

    @property
    def _site(self) -> str:
        return f"{self.public_url} {self.name}"

    async def _start(self) -> None:
        """Read everything once, from what was kept if the store cannot be read."""
        try:
            self._shown = await asyncio.to_thread(self._look)
        except Exception:
            shelf = await asyncio.to_thread(self.kept.load) if self.kept else None
            if shelf is None:
                raise
            LOG.exception("what is published cannot be read; serving what was served before")
            self._failing = True
            self._shown = await asyncio.to_thread(Shown, shelf, self.public_url, self.name)
            await asyncio.to_thread(self._shown.pack)
        else:
            self._keep(self._shown)
        self.early = {}

    async def shown(self) -> Shown:
        """What to serve now; older content rather than none or a long wait."""
        moment = asyncio.get_running_loop().time()
        if self._shown is not None and moment - self._asked < ASK_AFTER:
            return self._shown
        self._asked = moment
        if self._shown is None:
            if self._starting is None or (self._starting.done() and self._starting.exception()):
                self._starting = asyncio.create_task(self._start())
            await self._starting
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
        """Wait until all is read, and what is shown is in the files."""
        if self._starting is not None:
            await asyncio.wait({self._starting})
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
        """Pack it, and write it to the file after all that was shown before, while it is being served already."""
        kept, earlier = self.kept, self._keeping

        async def write() -> None:
            await asyncio.to_thread(shown.pack)
            if earlier is not None:
                await earlier
            if kept is None:
                return
            try:
                await asyncio.to_thread(kept.save, shown.shelf, shown.kept_feeds(), self._site)
            except Exception:
                LOG.exception("what is served cannot be kept in %s for worse days", kept.path)

        self._keeping = asyncio.create_task(write())


def _asked(query: bytes) -> list[tuple[str, str]]:
    return parse_qsl(query.decode("utf-8", "replace"), errors="replace")
