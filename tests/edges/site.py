"""A site to visit: the application over real HTTP, with a store that is a few facts in memory and can be broken."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date as Day
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx2

from reminders.catalogue.events import Amendment, Event, Kind, PublishedEvent
from reminders.catalogue.parse import parse_events
from reminders.clock import FixedClock
from reminders.feed import calendar, entry
from reminders.feed.entry import Entry
from reminders.feed.personal import MOST, PersonalFeed, TooMany
from reminders.feed.selection import Feed, parse_feeds
from reminders.planning.rules import parse_rules
from reminders.planning.subscribers import Selection, Subscriber
from reminders.web import app
from reminders.web.changes import Changelog, tell
from reminders.web.reading import Edition, Fetch, Personal, Reader, Shelf
from reminders.web.server import WebServer, listen
from tests.builders import EPOCH, published, subscriber

CHECKOUT = Path(__file__).parents[2]
CONFIG, TEMPLATES = CHECKOUT / "config", CHECKOUT / "templates" / "web"
TOKEN = "uQ7cJm1xT0ZyVb2s9LkE4hWn6RpAaDfG"
PUBLIC = "https://dates.example.org"
CHECKED = Day(2018, 11, 23)


def seed() -> tuple[Event, ...]:
    """The events of the shipped catalogue."""
    files = {path.name: path.read_bytes() for path in (CONFIG / "events").glob("*.yaml")}
    catalogue, problems, _ = parse_events(files, "Europe/London")
    assert not problems
    return catalogue.events


def kinds() -> Mapping[str, Kind]:
    rulebook, problems, _ = parse_rules("rules.yaml", (CONFIG / "rules.yaml").read_bytes())
    assert not problems
    return rulebook.kinds


def feeds() -> tuple[Feed, ...]:
    return parse_feeds("feeds.yaml", (CONFIG / "feeds.yaml").read_bytes())


class Memory:
    """What the pages ask of a store (`reminders.web.reading.Reader`), kept in memory.

    It breaks on demand: while `broken` is set every call raises it; while `stuck` is not set every call waits for it.
    """

    def __init__(self, events: Iterable[Event] | None = None, people: Mapping[str, Subscriber] | None = None) -> None:
        self.people = dict(people if people is not None else {TOKEN: subscriber()})
        self.left: dict[str, str] = {}
        self.facts: Mapping[str, object] = {"ok": True}
        self.broken: Exception | None = None
        self.stuck = threading.Event()
        self.stuck.set()
        self.fetches: list[Fetch] = []
        self.own: list[PersonalFeed] = []
        self.tokens: dict[int, str] = {}
        self._amendments: list[Amendment] = []
        self._shelf = Shelf(0, {}, {}, {}, kinds(), feeds(), CHECKED)
        self.publish(seed() if events is None else events)

    def publish(self, events: Iterable[Event], now: datetime = EPOCH, url: str = PUBLIC) -> None:
        """Make these the events that are published."""
        before = self._shelf.published
        revisions = {id: each.revision + 1 for id, each in before.items()}
        self.put({e.id: published(e, known_at=now, revision=revisions.get(e.id, 1)) for e in events}, now, url)

    def put(self, shown: Mapping[str, PublishedEvent], now: datetime = EPOCH, url: str = PUBLIC) -> None:
        """Make exactly this what is published: draw its entries, stamp its feeds."""
        old = self._shelf
        entries: dict[str, Entry] = {}
        for id, each in shown.items():
            for date in each.event.dates:
                kind = old.kinds.get(date.kind, Kind(date.kind, date.kind))
                draft = entry.draw(each.event, date, kind, event_url=f"{url}/events/{id}")
                if draft is not None:
                    entries[draft.uid] = entry.stamp(draft, old.entries.get(draft.uid), now)
        stamps = {}
        for feed in old.feeds:
            chosen = calendar.select(feed, entries.values())
            stamps[feed.name] = calendar.stamp(feed, chosen, old.stamps.get(feed.name), now, checked=CHECKED, site=url)
        entries = dict(sorted(entries.items()))
        personal = dict(old.personal)
        changes = self._changed(old, shown, now)
        self._shelf = Shelf(
            old.publication + 1, shown, entries, stamps, old.kinds, old.feeds, CHECKED, now, changes, personal
        )

    def _changed(self, old: Shelf, shown: Mapping[str, PublishedEvent], now: datetime) -> Changelog:
        new = [Amendment(each.event, each.revision, now) for id, each in shown.items() if id not in old.published]
        new += [
            Amendment(shown[id].event, shown[id].revision, now, before.event)
            for id, before in old.published.items()
            if id in shown and shown[id].event != before.event
        ]
        if old.publication:
            self._amendments = new + self._amendments
        return tell(self._amendments, old.kinds, (old.changes.began or now, now))

    def spoil(self, event: str = "") -> None:
        """Publish a text of this event that cannot be encoded; or stamps of which nothing can be made."""
        old = self._shelf
        spoilt = {id: replace(it, text=f"{it.text}\ud800") for id, it in old.entries.items() if it.event == event}
        wrong: Any = "no time at all"
        stamps = {name: replace(each, digest="spoilt") for name, each in old.stamps.items()}
        if not event:
            stamps = {name: replace(each, last_modified=wrong) for name, each in old.stamps.items()}
        entries = {**old.entries, **spoilt}
        self._shelf = replace(old, publication=old.publication + 1, entries=entries, stamps=stamps)

    def give(self, token: str, personal: Personal) -> None:
        """Let whoever has this token see a personal feed."""
        personals = {**self._shelf.personal, sha256(token.encode()).hexdigest(): personal}
        self._shelf = replace(self._shelf, publication=self._shelf.publication + 1, personal=personals)

    def take_back(self, token: str) -> None:
        personals = {**self._shelf.personal}
        del personals[sha256(token.encode()).hexdigest()]
        self._shelf = replace(self._shelf, publication=self._shelf.publication + 1, personal=personals)

    def edition(self) -> Edition:
        self._fail()
        return self._shelf.edition

    def shelf(self, before: Shelf | None = None) -> Shelf:
        self._fail()
        return self._shelf

    def fetched(self, fetches: Iterable[Fetch]) -> None:
        self._fail()
        self.fetches += fetches

    def personal_feeds(self, subscriber: int) -> list[PersonalFeed]:
        self._fail()
        return [each for each in self.own if each.subscriber == subscriber]

    def issue(self, subscriber: int, label: str, shows: str) -> str:
        self._fail()
        if len(self.own) >= MOST:
            raise TooMany
        token = token_urlsafe(24)
        self.own.append(PersonalFeed(len(self.own) + 1, subscriber, label, shows, EPOCH))
        self.give(token, Personal(len(self.own), shows, (Selection(),)))
        self.tokens[len(self.own)] = token
        return token

    def revoke(self, subscriber: int, feed: str) -> None:
        self._fail()
        for each in self.own:
            if str(each.id) == feed and each.subscriber == subscriber:
                self.own.remove(each)
                self.take_back(self.tokens[each.id])
                return

    def subscriber_by_token(self, token: str) -> Subscriber | None:
        self._fail()
        return self.people.get(token)

    def leave(self, token: str, how: str) -> bool:
        self._fail()
        person = self.people.get(token)
        if person is not None and person.left_at is None:
            self.people[token] = replace(person, left_at=EPOCH)
            self.left[token] = how
        return person is not None

    def health(self) -> Mapping[str, object]:
        self._fail()
        return self.facts

    def _fail(self) -> None:
        self.stuck.wait(30)
        if self.broken is not None:
            raise self.broken


@contextmanager
def visit(
    memory: Reader,
    *,
    now: datetime = EPOCH,
    public_url: str = PUBLIC,
    contact: str = "help@example.org",
    letters: Path | None = None,
    kept: Path | None = None,
    port: int = 0,
    stalled: Callable[[], str] = lambda: "",
) -> Iterator[httpx2.Client]:
    """A client of the running application; its `base_url` is where that listens."""
    site = app.create(
        memory,
        FixedClock(now),
        name="Deadline reminders",
        templates=[TEMPLATES],
        public_url=public_url,
        contact=contact,
        letters=letters,
        kept=kept,
        stalled=stalled,
    )
    with listen("127.0.0.1", port) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = WebServer(site)
        thread = threading.Thread(target=_run, args=(server, listening))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.005)
            with httpx2.Client(base_url=address, trust_env=False, timeout=10) as client:
                yield client
        finally:
            if isinstance(memory, Memory):
                memory.stuck.set()
            server.should_exit = True
            thread.join()


def ask(paths: Iterable[str]) -> set[tuple[tuple[str, object], ...]]:
    """The different answers of the application itself, without a network, to GETs of these paths."""
    seen: set[tuple[tuple[str, object], ...]] = set()

    async def scenario() -> None:
        site = app.create(Memory(), FixedClock(EPOCH), name="Deadline reminders", templates=[TEMPLATES])
        answer: list[tuple[str, object]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            answer.extend((name, str(message[name])) for name in ("status", "headers", "body") if name in message)

        async def receive() -> MutableMapping[str, Any]:
            raise AssertionError("nothing of a GET is read")

        for path in paths:
            answer.clear()
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
            await site(scope, receive, send)
            seen.add(tuple(answer))

    asyncio.run(scenario())
    return seen


def _run(server: WebServer, listening: socket.socket) -> None:
    with suppress(SystemExit):  # how uvicorn says that the application did not start
        server.run(sockets=[listening])
