"""Processes that are measured from outside: how long they take, how much memory they hold."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Figure, Series

REMINDERS = str(Path(sysconfig.get_path("scripts")) / "reminders")
PYTHON = sys.executable
PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds from start to exit, and those of them on a processor: what others do to the machine moves the first."""

    elapsed: float
    busy: float


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change the service's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REMINDERS_", "PYTHON"))}
    return kept | more


def spent(command: Sequence[str]) -> Spent:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    before, start = _children(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())
    return Spent(time.perf_counter() - start, _children() - before)


def compared(
    rounds: int, what: str, command: Sequence[str], yardstick: str, bare: Sequence[str], below: float
) -> Iterator[Figure]:
    """A command and its yardstick, once a round each: from start to exit, and the processor time of that."""
    taken = [(spent(command), spent(bare)) for _ in range(rounds + 1)][1:]
    elapsed = tuple(mine.elapsed for mine, _ in taken), tuple(theirs.elapsed for _, theirs in taken)
    busy = tuple(mine.busy for mine, _ in taken), tuple(theirs.busy for _, theirs in taken)
    yield Figure(Series(what, "s", elapsed[0]), Series(yardstick, "s", elapsed[1]), below=below)
    yield Figure(Series("its processor time", "s", busy[0]), Series("that of the same", "s", busy[1]))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def started(command: Sequence[str], *, log: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as the block runs, its output at hand, what it logs in a file; ended by SIGTERM."""
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=PROJECT,
            env=environment(**variables),
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(30)


def line_of(process: subprocess.Popen[str], beginning: str, log: Path) -> str:
    """The rest of the first line of output with this beginning. Raises RuntimeError when there is none."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return line.removeprefix(beginning).strip()
    raise RuntimeError(f"a process ended without a line '{beginning}…':\n{log.read_text(encoding='utf-8')}")


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes that a process holds: all that is resident, and its fair share of what others hold too."""

    resident: float
    share: float


def memory(pid: int) -> Memory:
    """What Linux says a process holds."""
    folder = Path("/proc") / str(pid)
    return Memory(_megabytes(folder / "status", "VmRSS:"), _megabytes(folder / "smaps_rollup", "Pss:"))


def peak(pid: int | str = "self") -> float:
    """The most megabytes that a process was resident with so far; rusage would count what it was forked from too."""
    return _megabytes(Path("/proc") / str(pid) / "status", "VmHWM:")


def _megabytes(path: Path, name: str) -> float:
    line = next(line for line in path.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
