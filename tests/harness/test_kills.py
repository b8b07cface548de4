"""What the outbox promises holds when whoever sends is killed, and the harnesses notice when it does not."""

from __future__ import annotations

import pytest

from tests.harness.command import holds, notices
from tests.store import postgres


def test_nothing_is_lost_or_doubled_by_kills_of_a_worker() -> None:
    figures = holds("kills", "--kills", "100", "--seed", "1", "--jobs", "1")
    assert int(figures["kills that left a message in doubt"]) > 0, "the kills met nothing"


def test_nothing_is_lost_by_kills_while_many_messages_are_in_flight() -> None:
    holds("kills", "--kills", "20", "--in-flight", "100", "--seed", "1", "--jobs", "1")


def test_nothing_is_lost_or_doubled_by_kills_on_postgresql(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.GIVEN, postgres_server)
    holds("kills", "--kills", "20", "--database", "postgresql", "--seed", "1", "--jobs", "1")


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("settled-first", "--kills 15 --slow 0.1 --slow-at DATA --per-kill 1", "is lost"),
        ("unfenced", "--kills 15 --slow 0.2 --slow-at DOT --per-kill 1", "attempts recorded|never heard of"),
        ("renamed", "--kills 15 --slow 0.3 --slow-at DOT --per-kill 1", "never heard of|Message-IDs"),
        ("together", "--kills 10 --slow 0.02 --slow-at DOT --per-kill 6", "in doubt at once|never came to rest"),
        ("unrecovered", "--kills 10 --slow 0.02", "never came to rest"),
        ("uncapped", "--kills 15 --slow 2 --slow-at DOT --per-kill 0.2", "was begun"),
    ],
)
def test_a_broken_promise_is_noticed(form: str, options: str, words: str) -> None:
    notices("kills", "--jobs", "1", "--seed", "1", "--break", form, *options.split(), words=words)
