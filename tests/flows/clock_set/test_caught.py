"""What the other tests here are there for is noticed."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from tests.flows.clock_set.told import HOUR, SOON, TICKS, YEAR, arrived, publish, states
from tests.flows.service import Place, Relay, Running, wait_for
from tests.flows.setclock import SetClock


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
