"""What would break the promise under kills is noticed."""

from __future__ import annotations

import pytest

from tests.harness.command import notices


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("settled-first", "--kills 15 --slow 0.1 --slow-at DATA --per-kill 1", "is lost"),
        ("unfenced", "--kills 15 --slow 0.2 --slow-at DOT --per-kill 1", "attempts recorded|never heard of"),
        ("renamed", "--kills 15 --slow 0.3 --slow-at DOT --per-kill 1", "got .* under . Message-IDs"),
        ("together", "--kills 10 --slow 0.02 --slow-at DOT --per-kill 6", "in doubt at once|never came to rest"),
        ("unrecovered", "--kills 10 --slow 0.02", "never came to rest"),
        ("uncapped", "--kills 15 --slow 2 --slow-at DOT --per-kill 0.2", "was begun"),
    ],
)
def test_a_broken_promise_is_noticed(form: str, options: str, words: str) -> None:
    notices("kills", "--jobs", "1", "--seed", "1", "--break", form, *options.split(), words=words)
