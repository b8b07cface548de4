"""The clock is set under a running `reminders run`: what goes out, what waits, and how the service comes back.

The clock is one that the test sets (`setclock.py`); timers go on as they do when a real one is set.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.service import Place, Relay, Running, relay, wait_for
from tests.flows.setclock import SetClock, compiled

PEOPLE = ["amina@example.org", "bao@example.org"]
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
TICKS = 2.5
"""Seconds in which a daemon with a tick of one second looks at least twice."""
SOON = 10.0
"""Seconds within which what is due goes out on a busy machine; an hour's silence would be longer."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> SetClock:
    return SetClock(library, tmp_path / "moved")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path / "mails.jsonl") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sink: Relay, clock: SetClock) -> Place:
    """A service that began two days ago, by that clock."""
    place = Place(tmp_path, clock.environment)
    place.settings(sink.port)
    place.people(PEOPLE)
    place.begin()
    clock.let_pass(2 * DAY)
    return place


def publish(place: Place, clock: SetClock, id: str, due: timedelta) -> None:
    """An event whose reminder, two hours before it, is due so long after what the clock shows."""
    place.event(id, "closes", f"{clock.now() + due + 2 * HOUR:%Y-%m-%dT%H:%MZ}")


def known(place: Place, id: str) -> None:
    """Wait until an event is published."""
    wait_for(lambda: f"{id}:" in place.folder.joinpath(f"run-{place.started}.log").read_text())


def arrived(sink: Relay, *events: str) -> None:
    """About each of these two mails arrive soon; about nothing else any did or does, and no mail came twice."""

    def told() -> Counter[str]:
        return Counter(_header(mail.data, "X-Event") for mail in sink.kept())

    wait_for(lambda: sum(told().values()) >= 2 * len(events), SOON)
    time.sleep(TICKS)
    ids = [_header(mail.data, "Message-ID") for mail in sink.kept()]
    assert len(set(ids)) == len(ids) == 2 * len(events)


def _header(data: bytes, name: str) -> str:
    lines = data.decode().split("\r\n\r\n", 1)[0].split("\r\n")
    return next((line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ")), "")


def doubted(daemon: Running, words: str) -> None:
    """The service says so, and its feeds are there all the same."""
    wait_for(lambda: any(words in each for each in daemon.health()["faults"]), SOON)
    assert daemon.get("/readyz").status_code == 503
    assert daemon.get("/feeds/all.ics").status_code == 200
    assert daemon.printed().count(words) == 1, "told at each tick"


def states(place: Place) -> list[tuple[str, str]]:
    return sorted((each.row.notice.event, each.row.state) for each in place.records())


def sent(*events: str) -> list[tuple[str, str]]:
    return sorted((event, "sent") for event in events for _ in PEOPLE)


def test_put_back_an_hour_nothing_goes_twice_and_nothing_is_silent(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(-HOUR)
        arrived(sink, "one")
        publish(place, clock, "two", -timedelta(minutes=2))
        arrived(sink, "one", "two")
        assert daemon.health()["ok"]
    assert states(place) == sent("one", "two")


def test_an_hour_ahead_is_noticed_at_the_next_tick(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "soon", timedelta(minutes=50))
    publish(place, clock, "later", timedelta(minutes=70))
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(HOUR)
        arrived(sink, "one", "soon")
        clock.set(-HOUR)
        arrived(sink, "one", "soon")
        assert daemon.health()["ok"]
    assert states(place) == sent("one", "soon")


def test_a_day_ahead_is_doubted_for_five_minutes(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "tomorrow", 23 * HOUR)
    publish(place, clock, "gone", timedelta(minutes=30))
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(DAY)
        doubted(daemon, "The clock jumped ahead")
        clock.let_pass(timedelta(minutes=4))
        arrived(sink, "one")
        assert states(place) == sent("one"), "something was given up by a clock that is doubted"
        clock.let_pass(timedelta(minutes=1))
        arrived(sink, "one", "tomorrow")
        assert daemon.health()["ok"]
    assert states(place) == sorted([*sent("one", "tomorrow"), *[("gone", "dropped")] * 2])


def test_a_day_ahead_that_is_put_right_meanwhile_was_nothing(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "tomorrow", 23 * HOUR)
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(DAY)
        doubted(daemon, "The clock jumped ahead")
        clock.set(-DAY)
        wait_for(lambda: daemon.health()["ok"], SOON)
        publish(place, clock, "two", -timedelta(minutes=2))
        arrived(sink, "one", "two")
    assert states(place) == sent("one", "two")


@pytest.mark.parametrize(
    ("by", "words"), [(40 * YEAR, "The clock jumped far ahead"), (-50 * YEAR, "The clock shows")], ids=["+40y", "-50y"]
)
def test_years_away_nothing_happens_until_it_is_put_right(
    place: Place, sink: Relay, clock: SetClock, by: timedelta, words: str
) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "tomorrow", 23 * HOUR)
    with place.running() as daemon:
        arrived(sink, "one")
        feed = daemon.get("/feeds/all.ics").content
        clock.set(by)
        doubted(daemon, words)
        publish(place, clock, "by the wrong clock", -timedelta(minutes=2))
        clock.let_pass(timedelta(minutes=10))
        arrived(sink, "one")
        assert daemon.get("/feeds/all.ics").content == feed
        (place.config / "events" / "by the wrong clock.yaml").unlink()
    with place.running() as daemon:  # started anew, it is doubted still
        assert daemon.health()["faults"][0].startswith(words)
        clock.set(-by)
        wait_for(lambda: daemon.health()["ok"], SOON)
        publish(place, clock, "two", -timedelta(minutes=2))
        arrived(sink, "one", "two")
    assert states(place) == sent("one", "two")


def test_who_confirms_a_clock_is_believed(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "in-a-week", 7 * DAY - HOUR)
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(7 * DAY)
        doubted(daemon, "The clock jumped far ahead")
        assert "is believed from now on" in place.command("confirm-clock")
        arrived(sink, "one", "in-a-week")
        assert daemon.health()["ok"]
        clock.set(-7 * DAY)
        doubted(daemon, "The clock shows")
        place.command("confirm-clock")
        wait_for(lambda: daemon.health()["ok"], SOON)
        arrived(sink, "one", "in-a-week")


def test_a_machine_that_starts_in_1970_serves_its_feeds_and_mails_nothing(
    place: Place, sink: Relay, clock: SetClock
) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    with place.running():
        arrived(sink, "one")
    publish(place, clock, "two", -timedelta(minutes=2))
    since = clock.now() - clock.now().replace(year=1970, month=1, day=1)
    clock.set(-since)
    with place.running() as daemon:
        doubted(daemon, "as one that was never set")
        arrived(sink, "one")
        clock.set(since)
        arrived(sink, "one", "two")
        assert daemon.health()["ok"]
    assert states(place) == sent("one", "two")


# The tests above notice what they are there for


def broken(place: Place, form: str) -> Running:
    daemon = place.start(("-m", "tests.flows.broken_clock", form))
    wait_for(daemon.answers)
    return daemon


def test_a_daemon_that_believes_every_clock_is_caught(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "tomorrow", 23 * HOUR)
    daemon = broken(place, "credulous")
    try:
        arrived(sink, "one")
        clock.set(40 * YEAR)
        wait_for(lambda: ("tomorrow", "dropped") in states(place), SOON)
    finally:
        daemon.kill()


def test_a_daemon_whose_ticks_wait_for_the_clock_is_caught(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    daemon = broken(place, "walled")
    try:
        arrived(sink, "one")
        clock.set(-HOUR)
        time.sleep(TICKS)
        publish(place, clock, "two", -timedelta(minutes=2))
        with pytest.raises(AssertionError, match="in vain"):
            arrived(sink, "one", "two")
    finally:
        daemon.kill()
