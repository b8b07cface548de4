"""What the outbox promises holds when whoever sends is killed."""

from __future__ import annotations

import pytest

from tests.harness.command import holds
from tests.store import postgres


def test_nothing_is_lost_or_doubled_by_kills_of_a_worker() -> None:
    figures = holds("kills", "--kills", "60", "--seed", "1", "--jobs", "1")
    assert int(figures["kills that left a message in doubt"]) > 0, "the kills met nothing"


def test_nothing_is_lost_by_kills_while_many_messages_are_in_flight() -> None:
    holds("kills", "--kills", "12", "--in-flight", "100", "--seed", "1", "--jobs", "1")


def test_nothing_is_lost_or_doubled_by_kills_on_postgresql(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.GIVEN, postgres_server)
    holds("kills", "--kills", "20", "--database", "postgresql", "--seed", "1", "--jobs", "1")
