"""A service of one person, with and without faults that stop it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.service import Place, Relay, Running, relay, wait_for
from tests.flows.silence.blocked import BLOCKED


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path / "mails.jsonl") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sink: Relay) -> Place:
    place = Place(tmp_path)
    place.settings(sink.port)
    place.people(["amina@example.org"])
    place.begin()
    return place


@pytest.fixture
def blocked(place: Place) -> Iterator[Running]:
    daemon = place.start(BLOCKED)
    try:
        wait_for(daemon.answers)
        yield daemon
    finally:
        daemon.kill()
