"""The clock is set by a week or by years."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.flows.clock_set.told import DAY, HOUR, SOON, YEAR, arrived, doubted, publish, sent, states
from tests.flows.service import Place, Relay, wait_for
from tests.flows.setclock import SetClock


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
