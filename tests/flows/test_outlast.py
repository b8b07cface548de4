"""Calendars outlast the database: gone, damaged, locked or full, a known feed goes on being answered as it was."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

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
        with httpx2.Client(base_url=daemon.address, trust_env=False, timeout=10) as client:
            paths = ("/feeds/all.ics", "/feeds/all.ics?kind=course", "/feeds/all.ics?level=99")
            before = {path: client.get(path) for path in paths}
            assert all(answer.status_code == 200 for answer in before.values())
            strike(Trouble(daemon, place.folder / "var" / "reminders.sqlite", undo))
            seen = set()
            end = time.monotonic() + 60
            for number in range(REQUESTS):
                path = paths[number % 3]
                known = number % 2 == 1
                tag = before[path].headers["ETag"]
                answer = client.get(path, headers={"If-None-Match": tag} if known else {})
                seen.add((answer.status_code, known))
                assert known or answer.content == before[path].content
                assert time.monotonic() < end, f"{number} requests took a minute"
                if number % 100 == 0:
                    time.sleep(0.35)  # so that the database is asked again several times
            assert seen == {(200, False), (304, True)}
            unseen = client.get("/feeds/all.ics?alarms=1d")  # what nobody asked for yet is made of what is known
            assert unseen.status_code == 200
            assert unseen.text.startswith("BEGIN:VCALENDAR")
    assert TOKEN not in daemon.printed()
