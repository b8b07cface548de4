"""A service that owes mails, in a folder: made once, then copied for each experiment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import select, update

from reminders.clock import SystemClock
from reminders.files import read_settings
from reminders.jobs.refresh import refresh
from reminders.jobs.remind import remind
from reminders.jobs.service import Book, Service, database_url, make_key, read_key
from reminders.store import schema, tables
from reminders.store.ledger import Attempt, Record
from reminders.store.rows import read_row
from tests.flows.service import FAR_OFF, FEEDS, Place

RULES = """\
kinds:
  closes: {label: Applications close, deadline: true}
  course: {label: Course}
rules:
  - {id: closes-240h, about: closes, send: 240 hours before}
"""
MEMORY = Path("/dev/shm")  # noqa: S108  # a disk that costs nothing: what a process leaves behind is the same
_UNKEPT = ("body",)


@contextmanager
def scratch(*, disk: bool = False) -> Iterator[Path]:
    """An empty folder, in memory where there is such a place and it need not be on a `disk`; gone at the end."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() and not disk else None) as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder with config, data and a store; `book` are its files as they were read, for whoever is forked."""

    folder: Path
    book: Book | None = None

    @property
    def place(self) -> Place:
        return Place(self.folder)

    @property
    def url(self) -> str:
        return database_url(read_settings(self.folder / "config", {}), self.folder / "config")

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The service with its store open; closed at the end of the block."""
        config = self.folder / "config"
        settings = read_settings(config, {})
        store = schema.open_store(database_url(settings, config))
        try:
            service = Service(settings, config, store, read_key(settings, self.folder / "var"))
            if self.book is not None:
                service.accept(self.book)
            yield service
        finally:
            store.close()

    def copy(self, folder: Path) -> Scene:
        """The same in another folder, as far as it lies in files."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Scene(folder, self.book)

    def records(self) -> list[Record]:
        """The whole outbox, oldest first, with its attempts; without bytes and history."""
        with self.service() as service:
            return records(service)


def records(service: Service) -> list[Record]:
    """The same of a service that is open."""
    with service.store.reading() as tx:
        columns = [each for each in tables.outbox.c if each.name not in _UNKEPT]
        begun: dict[int, list[Attempt]] = {}
        for each in tx.execute(select(tables.attempt).order_by(tables.attempt.c.id)):
            facts = {name: each._mapping[name] for name in Attempt.__dataclass_fields__}
            begun.setdefault(each.outbox, []).append(Attempt(**facts))
        rows = tx.execute(select(*columns).order_by(tables.outbox.c.id))
        return [Record(read_row(row._mapping), (), tuple(begun.get(row.id, ()))) for row in rows]


def lapse(service: Service) -> None:
    """Let the time pass after which whoever ended without giving its claims back has lost them."""
    with service.store.writing() as tx:
        long_ago = SystemClock().now() - timedelta(hours=1)
        tx.execute(update(tables.outbox).where(tables.outbox.c.owner != "").values(lease_until=long_ago))


def settings(scene: Scene, port: int, in_flight: int = 1, more: Mapping[str, object] = MappingProxyType({})) -> None:
    """Write the settings: mail goes to that port, as fast as it is taken."""
    usual = {"rate": 0, "in_flight": in_flight, "smtp_connections": min(in_flight, 20), "per_person": 0, "brake": "off"}
    scene.place.settings(port, **(usual | dict(more)))


def make(
    folder: Path,
    mails: int,
    more: Mapping[str, object] = MappingProxyType({}),
    *,
    owed: bool = True,
    now: datetime | None = None,
) -> Scene:
    """A service that owes so many mails, each to another person; with `owed` false, one pass before it does.

    `more` are settings, such as `database`. Nothing is sent before the settings name a relay that is there.
    """
    now = now or SystemClock().now()
    scene = Scene(folder)
    settings(scene, 9, more=more)
    place = scene.place
    place.people(["person0@example.org"], [f"person{number}@example.org" for number in range(1, mails)])
    place.write("rules.yaml", RULES)
    place.write("feeds.yaml", FEEDS)
    place.write("events/far-off.yaml", FAR_OFF)
    make_key(folder / "var")
    schema.create(scene.url).close()
    with scene.service() as service:
        refresh(service, now - timedelta(minutes=2))
        place.event("event-0", "closes", f"{now + timedelta(days=9):%Y-%m-%dT%H:%MZ}", title="Event 0")
        refresh(service, now - timedelta(minutes=1))
        if owed:
            done = remind(service, now)
            if done.owed != mails:
                raise ValueError(f"{mails} mails should be owed, and it is {done}")
        with service.store.reading() as tx:
            book = service.book(tx)
    return Scene(folder, book)
