"""The time zone database changes after dates were published: what moves, what is told, and what stays as it was.

A process goes on with the data that it began with, so each command here is a process of its own, as after an upgrade.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reminders.errors import BadInput
from reminders.feed.entry import Entry
from reminders.files import read_settings
from reminders.jobs.service import Service, database_url, read_key
from reminders.store import events
from reminders.store.schema import open_store
from tests.flows.service import CHECKOUT
from tests.flows.walk import Walk

ZIC = shutil.which("zic") or shutil.which("zic", path="/usr/sbin")
AS_NOW = """\
Rule GB 1996 max - Mar lastSun 1:00u 1:00 BST
Rule GB 1996 max - Oct lastSun 1:00u 0 GMT
Zone Europe/London 0:00 GB %s
"""
NO_SUMMER = """\
Rule GB 1996 2025 - Mar lastSun 1:00u 1:00 BST
Rule GB 1996 2025 - Oct lastSun 1:00u 0 GMT
Zone Europe/London 0:00 GB %s
"""
PROGRAM = "from tests.flows.test_zone_data import resume; resume()"
RULES = """\
kinds:
  applications-close: {label: Applications close, deadline: true}
rules:
  - {id: close-4w, about: applications-close, send: 4 weeks before at 09:00}
  - {id: close-1w, about: applications-close, send: 1 week before at 09:00}
  - {id: close-2h, about: applications-close, send: 2 hours before}
"""
EVENT = "  - {{id: fellows, title: Fellows, dates: {{applications-close: {when}}}}}\n"
BEGAN = "2027-01-04T09:00"


class Resumed(Walk):
    """A service in a folder in which one began."""

    def __enter__(self) -> Resumed:
        self.config = self.folder / "config"
        chosen = read_settings(self.config, {})
        self.store = open_store(database_url(chosen, self.config))
        self.service = Service(chosen, self.config, self.store, read_key(chosen, self.folder / "var"))
        return self


def resume() -> None:
    """In the process of its own: a look at each instant that is named, and who was mailed what."""
    folder, *instants = sys.argv[1:]
    with Resumed(Path(folder)) as walk:
        for now in instants:
            try:
                walk.refresh(now)
            except BadInput as error:
                print(f"refused: {error}")
            walk.remind(now)
            for name, rule, _ in walk.deliver(now):
                print(now, rule, name)


class Upgraded:
    """A service and the editions of the time zone database that it runs by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        assert ZIC is not None
        for name, rules in (("now", AS_NOW), ("no-summer", NO_SUMMER)):
            (folder / f"{name}.zi").write_text(rules)
            subprocess.run([ZIC, "-b", "fat", "-d", folder / name, folder / f"{name}.zi"], check=True)

    def publish(self, when: str, edition: str) -> None:
        """It begins, in another process too: what this one knows of zones it knows for good."""
        with Walk(self.folder, rules=RULES) as walk:
            walk.people("amina")
            walk.events(EVENT.format(when=when))
        self.look(edition, BEGAN)

    def look(self, edition: str, *instants: str) -> list[str]:
        """What a process with this edition says that looks at these instants."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONTZPATH": str(self.folder / edition),
        }
        command = [sys.executable, "-c", PROGRAM, str(self.folder), *instants]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def entry(self) -> Entry:
        with Resumed(self.folder) as walk, walk.store.reading() as tx:
            (found,) = events.entries(tx).values()
        return found


@pytest.fixture
def upgraded(tmp_path: Path) -> Upgraded:
    if ZIC is None:
        assert not os.environ.get("REQUIRE_ZIC"), "no zic"
        pytest.skip("zic is not installed")
    return Upgraded(tmp_path)


def test_when_an_hour_moves_the_entry_is_drawn_anew_and_what_was_not_sent_moves_with_it(upgraded: Upgraded) -> None:
    upgraded.publish("2027-07-14T10:00", "now")
    assert upgraded.look("now", "2027-06-16T07:59", "2027-06-16T08:00") == ["2027-06-16T08:00 close-4w amina"]
    before = upgraded.entry()
    assert "20270714T090000Z" in before.text
    assert upgraded.look("no-summer", "2027-07-01T00:00") == [], "nobody was told an hour that is wrong"
    after = upgraded.entry()
    assert "20270714T100000Z" in after.text
    assert (after.sequence, after.last_modified > before.last_modified) == (before.sequence + 1, True)
    assert upgraded.look("no-summer", "2027-07-07T08:00", "2027-07-07T09:00") == ["2027-07-07T09:00 close-1w amina"]
    assert upgraded.look("no-summer", "2027-07-14T07:59", "2027-07-14T08:00") == ["2027-07-14T08:00 close-2h amina"]
    assert upgraded.entry() == after


def test_what_became_due_earlier_than_the_last_look_is_not_missed(upgraded: Upgraded) -> None:
    upgraded.publish("2027-07-14T10:00", "no-summer")
    assert upgraded.look("no-summer", "2027-06-16T09:00", "2027-07-07T08:30")[1:] == []
    assert upgraded.look("now", "2027-07-07T08:31") == ["2027-07-07T08:31 close-1w amina"]


def test_a_time_that_clocks_come_to_skip_is_refused_in_files_and_stays_as_it_was_published(upgraded: Upgraded) -> None:
    upgraded.publish("2027-03-28T01:30", "no-summer")
    (refused,) = upgraded.look("now", "2027-03-01T09:00")[:1]
    assert "refused: events/events.yaml:2:" in refused
    assert "skip 01:30 on 2027-03-28" in refused
    said = upgraded.look("now", "2027-03-21T09:00", "2027-03-27T23:30")
    assert [line for line in said if not line.startswith("refused")] == [
        "2027-03-21T09:00 close-1w amina",
        "2027-03-27T23:30 close-2h amina",
    ]


def test_the_same_data_cause_no_publication(upgraded: Upgraded) -> None:
    upgraded.publish("2027-07-14T10:00", "now")
    before = upgraded.entry()
    upgraded.look("now", "2027-02-01T09:00")
    with Resumed(upgraded.folder) as walk, walk.store.reading() as tx:
        assert events.publication(tx) == 1
    assert upgraded.entry() == before
