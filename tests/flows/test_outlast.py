"""Calendars outlast the database: gone, damaged, locked or full, a known feed goes on being answered as it was."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from reminders.store.schema import SCHEMA
from tests.edges.site import TOKEN
from tests.flows.service import Place, Running, relay, wait_for

REQUESTS = 1_000
PERSONAL = "/my/{token}/mine.ics"


@dataclass
class Trouble:
    """A running service, its database file, and what is to be undone at the end."""

    daemon: Running
    database: Path
    undo: ExitStack


def deleted(trouble: Trouble) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{trouble.database}{suffix}").unlink(missing_ok=True)


def truncated(trouble: Trouble) -> None:
    os.truncate(trouble.database, 1_000)


def overwritten(trouble: Trouble) -> None:
    trouble.database.write_bytes(os.urandom(200_000))


def read_only(trouble: Trouble) -> None:
    """For whoever may write anywhere (root) the folder goes as well: nothing can be written there any more."""
    trouble.database.chmod(0o444)
    trouble.database.parent.rename(trouble.database.parent.with_name("elsewhere"))
    trouble.database.parent.write_text("a file in place of the folder")


def locked(trouble: Trouble) -> None:
    other = sqlite3.connect(trouble.database, isolation_level=None, timeout=10)
    trouble.undo.callback(other.close)
    other.execute("BEGIN EXCLUSIVE")


def full(trouble: Trouble) -> None:
    """The daemon may not write another byte to any file."""
    resource.prlimit(trouble.daemon.process.pid, resource.RLIMIT_FSIZE, (0, 0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    with relay(tmp_path / "mails.jsonl") as sink:
        place.people(["amina@example.org"])
        place.settings(sink.port)
        place.begin()
        yield place


@pytest.mark.parametrize("strike", [deleted, truncated, overwritten, read_only, locked, full])
def test_a_thousand_requests_are_answered_as_before(place: Place, strike: Callable[[Trouble], None]) -> None:
    daemon = place.start()
    with ExitStack() as undo:
        undo.callback(daemon.kill)
        wait_for(daemon.answers)
        paths = ("/feeds/all.ics", "/feeds/all.ics?kind=course", "/feeds/all.ics?level=99")
        host, _, port = daemon.address.removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=10)  # ten times as fast as a client that can do more
        undo.callback(connection.close)

        def get(path: str, tag: str = "") -> tuple[int, bytes, str]:
            connection.request("GET", path, headers={"If-None-Match": tag} if tag else {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers["ETag"]

        before = {path: get(path) for path in paths}
        assert all(status == 200 for status, _, _ in before.values())
        strike(Trouble(daemon, place.folder / "var" / "reminders.sqlite", undo))
        seen = set()
        for number in range(REQUESTS):
            path, known = paths[number % 3], number % 2 == 1
            status, body, _ = get(path, before[path][2] if known else "")
            seen.add((status, known))
            assert known or body == before[path][1]
            if number % 200 == 0:
                time.sleep(1.05)  # so that the database is asked again several times
        assert seen == {(200, False), (304, True)}
        unseen = daemon.get("/feeds/all.ics?alarms=1d")  # what nobody asked for yet is made of what is known
        assert unseen.status_code == 200
        assert unseen.text.startswith("BEGIN:VCALENDAR")
    assert TOKEN not in daemon.printed()


def truncated_database(database: Path) -> Callable[[], object]:
    whole = database.read_bytes()
    database.write_bytes(whole[:1_000])
    return lambda: database.write_bytes(whole)


def deleted_database(database: Path) -> Callable[[], object]:
    elsewhere = database.with_name("elsewhere.sqlite")
    database.rename(elsewhere)
    return lambda: elsewhere.rename(database)


def older_database(database: Path) -> Callable[[], object]:
    """As a newer program finds it before `db upgrade`."""

    def stand_at(version: str) -> None:
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE reminders_version SET version_num = ?", (version,))
        connection.close()

    stand_at("0001")
    return lambda: stand_at(SCHEMA)


@pytest.mark.parametrize("spoil", [truncated_database, deleted_database, older_database])
def test_a_start_without_a_store_serves_what_was_kept_until_there_is_one(
    place: Place, spoil: Callable[[Path], Callable[[], object]]
) -> None:
    paths = ("/feeds/all.ics", "/feeds/all.ics?kind=course")
    with place.running() as daemon:
        before = {path: daemon.get(path).content for path in paths}
    mend = spoil(place.folder / "var" / "reminders.sqlite")
    daemon = place.start()
    try:
        wait_for(daemon.answers)
        assert {path: daemon.get(path).content for path in paths} == before
        assert daemon.get("/events/far-off").status_code == 200
        assert not daemon.health()["ok"]
        assert daemon.get("/my/unknown/mine.ics").status_code == 404
        mend()
        assert daemon.process.wait(20) == 75
        assert "to be started anew" in daemon.printed()
    finally:
        daemon.kill()
    with place.running() as daemon:
        assert {path: daemon.get(path).content for path in paths} == before


def test_a_stand_in_ends_in_good_order_too(place: Place) -> None:
    with place.running():
        pass
    deleted_database(place.folder / "var" / "reminders.sqlite")
    daemon = place.start()
    try:
        wait_for(daemon.answers)
        assert daemon.stop() == 0
    finally:
        daemon.kill()
