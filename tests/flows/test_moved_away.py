"""The database is moved, replaced or put back under a service that runs (B8)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.service import REMINDERS, Place, Relay, Running, relay, time_from_now, wait_for

JUST_DUE = {"minutes": 118}
"""Of `closes-2h`: the reminder is due, and of use for long enough."""
ANSWER = 2
"""Seconds that the relay takes to answer when it has the third mail."""
WORKER = ("--only", "worker")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.people(["amina@example.org", "bao@example.org"])
    return place


@pytest.fixture
def sink(place: Place) -> Iterator[Relay]:
    waits = (0, 0, ANSWER)
    faults = [part for each in waits for part in ("--fault", "DOT", f"wait {each}")]
    with relay(place.folder / "mails.jsonl", 0, *faults) as sink:
        place.settings(sink.port)
        place.begin()
        yield sink


@pytest.fixture
def worker(place: Place, sink: Relay) -> Iterator[Running]:
    """A worker that has looked and has nothing to do."""
    daemon = place.start(REMINDERS, *WORKER)
    try:
        wait_for(lambda: "Mail goes to" in daemon.printed())
        place.event("first", "closes", time_from_now(**JUST_DUE), title="First")
        wait_for(lambda: [each.row.state for each in place.records()] == ["sent"] * 2)
        yield daemon
        assert "Traceback" not in daemon.printed(), daemon.printed()
    finally:
        daemon.kill()


@pytest.fixture
def database(place: Place) -> Path:
    return place.folder / "var" / "reminders.sqlite"


@pytest.fixture
def elsewhere(place: Place) -> Path:
    return place.folder / "elsewhere.sqlite"


def goes_on(place: Place, sink: Relay) -> None:
    """A service that is started sends what is due, and nobody gets anything twice."""
    place.event("second", "closes", time_from_now(**JUST_DUE), title="Second")
    with place.running() as daemon:
        wait_for(lambda: len(sink.kept()) == 4)
        wait_for(lambda: daemon.health()["outbox"]["sent"] == 4)
    assert len(sink.kept()) == 4


def test_a_worker_under_which_the_database_is_replaced_ends_to_be_started_anew(
    place: Place, sink: Relay, worker: Running, database: Path, elsewhere: Path
) -> None:
    place.command("db", "backup", str(elsewhere))
    elsewhere.replace(database)
    assert worker.process.wait(30) == 74  # the disk or what is on it is at fault
    assert "was moved or replaced while in use" in worker.printed()
    assert "to be started anew" in worker.printed()
    goes_on(place, sink)


def test_a_worker_whose_database_is_moved_away_for_good_ends_and_one_that_is_started_says_what_is_missing(
    place: Place, sink: Relay, worker: Running, database: Path, elsewhere: Path
) -> None:
    database.rename(elsewhere)
    assert worker.process.wait(60) == 74
    another = place.start(REMINDERS, *WORKER)
    try:
        assert another.process.wait(30) == 2
        assert f"there is no database {database}" in another.printed()
    finally:
        another.kill()
    elsewhere.rename(database)
    goes_on(place, sink)


def test_a_database_that_is_away_for_a_moment_while_a_mail_is_sent_costs_nothing(
    place: Place, sink: Relay, worker: Running, database: Path, elsewhere: Path
) -> None:
    place.event("second", "closes", time_from_now(**JUST_DUE), title="Second")
    wait_for(lambda: len(sink.kept()) == 3)
    database.rename(elsewhere)  # the relay has the third mail, and has not answered yet
    time.sleep(ANSWER + 1)
    elsewhere.rename(database)
    assert "was moved or replaced while in use" in worker.printed()
    # The next one is not tried for half a minute or so.
    wait_for(lambda: [each.row.state for each in place.records()] == ["sent"] * 4, 60)
    assert [each.row.attempts for each in place.records()] == [1] * 4
    assert len(sink.kept()) == 4
    assert worker.process.poll() is None
    assert worker.stop() == 0


def test_a_service_under_which_the_database_is_replaced_serves_feeds_says_so_and_goes_on_when_it_is_put_back(
    place: Place, sink: Relay, database: Path, elsewhere: Path
) -> None:
    with place.running() as daemon:
        wait_for(lambda: daemon.health()["ok"])
        feed = daemon.get("/feeds/all.ics").content
        database.rename(elsewhere)
        shutil.copy(elsewhere, database)
        place.event("first", "closes", time_from_now(**JUST_DUE), title="First")
        told = wait_for(lambda: daemon.health()["faults"])
        assert [each[:39] for each in told] == ["The database was moved or replaced whil"]
        assert daemon.get("/readyz").status_code == 503
        assert daemon.get("/healthz").status_code == 200
        assert daemon.get("/feeds/all.ics").content == feed
        wait_for(lambda: daemon.printed().count("was moved or replaced while in use") > 3)
        assert sink.kept() == []
        elsewhere.replace(database)
        wait_for(lambda: len(sink.kept()) == 2, 60)
        wait_for(lambda: daemon.health()["ok"])
        assert daemon.get("/feeds/all.ics").content != feed
