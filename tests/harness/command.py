"""A harness run as its command, by a test."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.flows.service import CHECKOUT
from tests.harness import tracing

PATIENCE = 240.0
TRIES = 3


def run(name: str, *options: str) -> tuple[int, str]:
    """Its exit code, and what it printed."""
    command = [sys.executable, "-W", "error", "-m", f"tests.harness.{name}", *options]
    done = subprocess.run(
        command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode in (0, 1), f"{name}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def holds(name: str, *options: str) -> dict[str, str]:
    """Run it, see that the promise holds, and give back its figures."""
    code, printed = run(name, *options)
    assert code == 0, printed
    return dict(re.findall(r"(?m)^(.+?)  +(.+)$", printed))


def notices(name: str, *options: str, words: str) -> None:
    """Run it on a spoilt program, and see it say so; on a slow machine the moments may miss it once, or twice."""
    printed = ""
    for _ in range(TRIES):
        _, printed = run(name, *options)
        if re.search(rf"(?m)^BROKEN: .*{words}", printed):
            return
    raise AssertionError(printed)


def need_strace() -> None:
    """Skip the test where there is no strace, unless it must be there."""
    if not tracing.available():
        if os.environ.get("REQUIRE_STRACE") == "1":
            pytest.fail("REQUIRE_STRACE=1, but strace is not installed")
        pytest.skip("strace is not installed")
