"""The clock is set by an hour or a day."""

from __future__ import annotations

from datetime import timedelta

from tests.flows.clock_set.told import DAY, HOUR, SOON, arrived, doubted, publish, sent, states
from tests.flows.service import Place, Relay, wait_for
from tests.flows.setclock import SetClock


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


def test_put_back_a_day_nothing_goes_twice_and_nothing_is_silent(place: Place, sink: Relay, clock: SetClock) -> None:
    """A day to the second is believed: by the time of the next look less than a day lies before the last one."""
    publish(place, clock, "one", -timedelta(minutes=2))
    publish(place, clock, "tonight", timedelta(minutes=30))
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(-DAY)
        arrived(sink, "one")
        publish(place, clock, "two", -timedelta(minutes=2))
        arrived(sink, "one", "two")
        clock.let_pass(DAY)  # through the hours that were lived through before
        arrived(sink, "one", "two")
        clock.let_pass(timedelta(minutes=31))
        arrived(sink, "one", "two", "tonight")
        assert daemon.health()["ok"]
    assert states(place) == sent("one", "two", "tonight")


def test_put_back_a_day_and_a_minute_is_doubted_for_that_minute(place: Place, sink: Relay, clock: SetClock) -> None:
    publish(place, clock, "one", -timedelta(minutes=2))
    with place.running() as daemon:
        arrived(sink, "one")
        clock.set(-DAY - timedelta(minutes=1))
        doubted(daemon, "The clock shows")
        publish(place, clock, "two", -timedelta(minutes=2))
        arrived(sink, "one")
        assert states(place) == sent("one")
        clock.let_pass(timedelta(minutes=1))
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
