"""What the outbox promises holds when the daemon is killed, and the harness that says so notices when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.flows import broken
from tests.flows.kills import Findings, Plan, harass

# How to spoil the daemon, where the relay must be slow for kills to show it, and what is then reported.
SPOILT: Mapping[str, tuple[str, str]] = {
    "unfenced": ("DOT", "attempts recorded"),
    "renamed": ("DOT", "Message-IDs"),
    "settled-first": ("DATA", "is lost"),
    "together": ("DOT", "in doubt at once"),
    "unrecovered": ("DATA", "never came to rest"),
}


def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    findings = harass(tmp_path, Plan(kills=12, mails=60, slow=0.05))
    assert not findings.breaches, findings.words()
    assert int(str(findings.figures["kills that left a message in doubt"])) > 0, "the kills met nothing"


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Findings]:
    """What the harness finds in each spoilt daemon. They mostly wait, so they do so together."""

    def find(form: str) -> Findings:
        step, _ = SPOILT[form]
        plan = Plan(kills=9, mails=30, slow=0.3, steps=[step], idle=2.0, program=broken.program(form))
        return harass(tmp_path_factory.mktemp(form), plan)

    with ThreadPoolExecutor() as pool:
        return dict(zip(SPOILT, pool.map(find, SPOILT), strict=True))


@pytest.mark.parametrize("form", broken.FORMS)
def test_a_broken_promise_is_noticed(form: str, spoilt: Mapping[str, Findings]) -> None:
    _, words = SPOILT[form]
    assert any(words in breach for breach in spoilt[form].breaches), spoilt[form].words()
