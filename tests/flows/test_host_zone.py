"""The time zone of the machine changes nothing: what depends on time passes in an odd one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.flows.service import CHECKOUT

ABOUT_TIME = (
    *("core/test_dates.py", "core/test_workdays.py", "core/test_plan.py", "core/test_corrections.py"),
    *("core/test_wording.py", "core/test_entry.py", "core/test_calendar.py", "core/test_clockwatch.py"),
    *("store/test_owing.py", "flows/test_moves.py", "flows/test_replay.py"),
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "--hypothesis-profile=ci", "-k", "not postgresql")


# The whole suite passes at Pacific/Kiritimati: `.ci/run` runs it there with the newer Python.
@pytest.mark.parametrize(("zone", "offset"), [("America/St_Johns", "-0")])
def test_what_depends_on_time_passes_wherever_the_machine_is(zone: str, offset: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["TZ"] = zone
    asked = [sys.executable, "-c", "import time; print(time.strftime('%z'))"]
    assert subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.startswith(offset)
    command = [sys.executable, "-m", "pytest", *OPTIONS, *(f"tests/{each}" for each in ABOUT_TIME)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
