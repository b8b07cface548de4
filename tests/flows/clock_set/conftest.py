"""A service that goes by a clock which the test sets; timers go on as they do when a real one is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.clock_set.told import DAY, PEOPLE
from tests.flows.service import Place, Relay, relay
from tests.flows.setclock import SetClock, compiled


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
