"""How a worker knows that another one died."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reminders.jobs import workers

WORK = """\
import pathlib, sys, time
from reminders.jobs import workers
with workers.working(pathlib.Path(sys.argv[1])) as owner:
    print(owner, flush=True)
    time.sleep(60)
"""


def killed(data: Path) -> str:
    """The name of a worker that was alive, and was killed."""
    with subprocess.Popen([sys.executable, "-c", WORK, str(data)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert workers.dead([owner], data) == []
        process.kill()
    return owner


def test_a_worker_found_dead_is_found_dead_again_until_its_claims_were_taken_back(tmp_path: Path) -> None:
    owner = killed(tmp_path)
    assert workers.dead([owner], tmp_path) == [owner]
    assert workers.dead([owner], tmp_path) == [owner], "whoever asked first may have died before taking anything back"
    workers.bury([owner], tmp_path)
    assert workers.dead([owner], tmp_path) == []


def test_nobody_is_called_dead_who_worked_elsewhere(tmp_path: Path) -> None:
    assert workers.dead(["another-machine:7:ab12cd34"], tmp_path) == []
    with workers.working(tmp_path / "other") as owner:
        assert workers.dead([owner], tmp_path) == []
