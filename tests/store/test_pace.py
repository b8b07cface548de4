"""The pace of mail: so many a minute, whoever sends them, and across restarts."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reminders.store import pace
from reminders.store.engine import Store
from tests.store.builders import WALL

SECOND = timedelta(seconds=1)


def _take(store: Store, rate: int, at: float, most: int = 1_000) -> int:
    with store.writing() as tx:
        taken = min(most, pace.allowance(tx, rate, WALL + at * SECOND).messages)
        pace.spend(tx, rate, taken, WALL + at * SECOND)
        return taken


def test_a_burst_goes_at_once_and_the_rest_at_the_rate(store: Store) -> None:
    assert _take(store, 25, 0) == 5
    assert _take(store, 25, 0) == 0
    assert _take(store, 25, 2.3) == 0
    assert _take(store, 25, 2.4) == 1
    assert _take(store, 25, 60) == 5


def test_when_the_next_may_go_is_said_exactly(store: Store) -> None:
    assert _take(store, 25, 0) == 5
    with store.writing() as tx:
        assert pace.allowance(tx, 25, WALL) == pace.Allowance(0, WALL + 2.4 * SECOND)


def test_what_was_not_needed_is_given_back(store: Store) -> None:
    assert _take(store, 25, 0) == 5
    with store.writing() as tx:
        pace.spend(tx, 25, -2, WALL)
    assert _take(store, 25, 0) == 2


def test_a_clock_that_went_back_stops_nobody_for_longer_than_a_burst(store: Store) -> None:
    assert _take(store, 25, 3600) == 5
    assert _take(store, 25, 0) == 0
    assert _take(store, 25, 2.4) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.integers(1, 200),
    waits=st.lists(st.floats(0, 90, allow_nan=False), min_size=1, max_size=60),
)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_no_minute_sees_more_than_the_rate_and_its_burst(store: Store, rate: int, waits: list[float]) -> None:
    with store.writing() as tx:
        tx.exec_driver_sql("DELETE FROM bucket")
    at, gone = 0.0, deque[float]()
    for wait in waits:
        at += round(wait, 3)
        gone.extend([at] * _take(store, rate, at))
        while gone and gone[0] <= at - 60:
            gone.popleft()
        assert len(gone) <= rate + max(1, rate // 5)
