"""A service in a folder, walked through time by hand: write files, then pass at an instant, and see who got what.

Everything is real (files, SQLite, templates, the folder of mails); only the clock stands where the test puts it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from reminders.clock import FixedClock
from reminders.files import read_settings
from reminders.jobs import workers
from reminders.jobs.deliver import Delivered, deliver
from reminders.jobs.leaving import leave
from reminders.jobs.refresh import Refreshed, refresh
from reminders.jobs.remind import Reminded, remind
from reminders.jobs.service import Service, database_url, make_key, read_key
from reminders.jobs.taking import Handled
from reminders.mail.folder import FolderTransport
from reminders.planning.notices import NoticeKind
from reminders.store import ledger, people, schema
from reminders.store.rows import Row
from tests.builders import utc

Mail = tuple[str, str, str]
"""Who got it, what kind it is of (a reminder's rule, or the kind of change notice), and the date it told."""

SETTINGS = "keep_past: for ever\nsettle: 0\n"
RULES = """\
kinds:
  applications-close: {label: Applications close, deadline: true}
  course: {label: Course}
rules:
  - {id: close-1w, about: applications-close, send: 1 week before at 09:00}
  - {id: close-2h, about: applications-close, send: 2 hours before}
  - {id: course-2w, about: course, send: 2 weeks before at 09:00}
  - {id: course-3d, about: course, send: 3 days before at 09:00}
"""


@dataclass
class Walk:
    """The service in `folder`; a context, so that its store is closed. `database` is SQLite in the folder if empty."""

    folder: Path
    settings: str = SETTINGS
    rules: str = RULES
    database: str = ""
    handled: list[Handled] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.config = self.folder / "config"
        (self.config / "events").mkdir(parents=True)
        database = f"database: {self.database}\n" if self.database else ""
        self.write("reminders.yaml", self.settings + database)
        self.write("rules.yaml", self.rules)
        self.write("feeds.yaml", "feeds:\n  all: {title: All dates}\n")
        self.people("amina", "bao")
        return self.opened()

    def opened(self) -> Self:
        """Open the store of a folder that is there, or make one."""
        self.config = self.folder / "config"
        settings = read_settings(self.config, {})
        make_key(self.folder / "var")
        url = database_url(settings, self.config)
        self.store = schema.create(url) if schema.absent(url) else schema.open_store(url)
        self.service = Service(settings, self.config, self.store, read_key(settings, self.folder / "var"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.store.close()

    def reread(self) -> None:
        """Take the settings as they are written now; a service does so when it starts."""
        self.service = Service(
            read_settings(self.config, {}), self.config, self.store, read_key(self.service.settings, self.service.data)
        )

    def write(self, name: str, text: str | bytes) -> None:
        """A file of the config folder."""
        data = text.encode() if isinstance(text, str) else text
        (self.config / name).write_bytes(data)

    def people(self, *names: str) -> None:
        """The files invite these, each at example.org, to everything."""
        members = "".join(f"      - {name}@example.org\n" for name in names)
        self.write("audiences.yaml", f"audiences:\n  all:\n    label: All\n    members:\n{members}")

    def course(self, when: str = "2019-02-12", **more: str) -> None:
        """The files hold one event, a course."""
        said = ", ".join([f"when: {when}", *(f"{key}: {value}" for key, value in more.items())])
        self.events(f"  - id: talking\n    title: Talking\n    dates:\n      course: {{{said}}}\n")

    def events(self, text: str) -> None:
        """The files hold these events (the items of the list)."""
        self.write("events/events.yaml", f"events:\n{text}end: events\n")

    def refresh(self, at: str, *, release: bool = False) -> Refreshed:
        return refresh(self.service, utc(at), release=release)

    def remind(self, at: str) -> Reminded:
        return remind(self.service, utc(at))

    def deliver(self, at: str) -> list[Mail]:
        """Send what is due; what was sent, sorted."""
        self.handled = []
        asyncio.run(self._deliver(utc(at)))
        return sorted(mail(each) for each in self.handled if each.state == "sent")

    async def _deliver(self, at: datetime) -> Delivered:
        transport = FolderTransport(self.folder / "var" / "outbox")
        with workers.working(self.service.data) as owner:
            return await deliver(self.service, transport, FixedClock(at), owner, told=self.handled.append)

    def at(self, instant: str) -> list[Mail]:
        """One whole pass at an instant: what the daemon does at each tick. Returns the mails it sent, sorted."""
        self.refresh(instant)
        self.remind(instant)
        return self.deliver(instant)

    def leave(self, name: str, at: str) -> None:
        """Somebody unsubscribes."""
        with self.store.reading() as tx:
            person = people.by_address(tx, f"{name}@example.org")
        assert person is not None
        leave(self.service, person.id, "page", utc(at))

    def rows(self) -> list[Row]:
        """The whole outbox, oldest first."""
        with self.store.reading() as tx:
            return sorted(ledger.listing(tx, limit=100_000), key=lambda row: row.id)

    def outbox(self) -> list[tuple[str, str, str]]:
        """The whole outbox as (kind or rule, state, reason), in order, each told once."""
        found = [(row.notice.rule or row.notice.kind.value, row.state, row.reason) for row in self.rows()]
        return list(dict.fromkeys(found))


def mail(handled: Handled) -> Mail:
    notice = handled.notice
    name = handled.subscriber.address.partition("@")[0] if handled.subscriber else ""
    what = notice.rule if notice.kind is NoticeKind.REMINDER else notice.kind.value
    return name, what, notice.fact.partition(" ")[0]
