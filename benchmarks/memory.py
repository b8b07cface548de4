"""What the idle daemon holds: `reminders run` on the shipped catalogue, seen from outside. On Linux only."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.figure import Figure, Scale, Series
from benchmarks.process import PROJECT, PYTHON, REMINDERS, Memory, line_of, memory, started

_IMPORTS = """
import contextlib, importlib, json, sys
for name in json.loads(sys.stdin.readline()):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
print("ready", flush=True)
sys.stdin.read()
"""


def figures(scale: Scale) -> Iterator[Figure]:
    """The daemon that made its store (in a process of its own), and the one started on it later."""
    if not Path("/proc/self/smaps_rollup").exists():
        return
    made: list[tuple[Memory, Memory]] = []
    again: list[tuple[Memory, Memory]] = []
    served: list[Memory] = []
    with TemporaryDirectory(prefix="reminders-") as name:
        folder = _new(Path(name) / "imports")
        with _daemon(folder, "--init"):
            pass
        imported = _third_party(folder)
        for number in range(min(scale.rounds, 3)):
            folder = _new(Path(name) / str(number))
            with _daemon(folder, "--init") as (process, _):
                time.sleep(scale.idle)
                made.append((memory(process.pid), _importing(imported, folder)))
            with _daemon(folder) as (process, site):
                time.sleep(scale.idle)
                again.append((memory(process.pid), _importing(imported, folder)))
                for path in ("/", "/events/leadership-fellows-2019", "/feeds/leadership.ics"):
                    _read(site + path)
                served.append(memory(process.pid))
    yield from _compared("the idle daemon, started with --init on the shipped catalogue", made, len(imported))
    yield from _compared("the idle daemon, started again", again, len(imported))
    read = tuple(each.resident for each in served)
    yield Figure(Series("that, after a page, an event and a feed were read: resident", "MB", read))


def _compared(what: str, found: list[tuple[Memory, Memory]], imported: int) -> Iterator[Figure]:
    resident = tuple(mine.resident for mine, _ in found), tuple(bare.resident for _, bare in found)
    share = tuple(mine.share for mine, _ in found), tuple(bare.share for _, bare in found)
    yardstick = f"a bare Python with the same {imported:,} third-party modules and nothing else"
    yield Figure(Series(f"{what}: resident", "MB", resident[0]), Series(yardstick, "MB", resident[1]), below=90.0)
    yield Figure(Series("its own share (Pss)", "MB", share[0]), Series("that of the same", "MB", share[1]))


def _new(folder: Path) -> Path:
    shutil.copytree(PROJECT / "config", folder / "config")
    return folder


@contextmanager
def _daemon(folder: Path, *options: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A daemon that is well, and the address of its pages."""
    command = [REMINDERS, "run", *options, "--config", str(folder / "config")]
    log = folder / "log"
    with started(command, log=log, REMINDERS_PORT="0", **variables) as process:
        site = line_of(process, "Pages and feeds: ", log)
        until = time.monotonic() + 60
        while not _well(site):
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield process, site


def _third_party(folder: Path) -> list[str]:
    """The modules of others that a daemon imports until it is well, in their order."""
    with _daemon(folder, PYTHONPROFILEIMPORTTIME="1"):
        pass
    log = (folder / "log").read_text(encoding="utf-8")
    names = [line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")]
    ours = {"reminders", "imported package", *sys.stdlib_module_names}
    return [name for name in names if name.partition(".")[0] not in ours]


def _importing(names: list[str], folder: Path) -> Memory:
    """What a process holds that imported these and waits."""
    log = folder / "bare.log"
    with started([PYTHON, "-c", _IMPORTS], log=log) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(names) + "\n")
        process.stdin.flush()
        line_of(process, "ready", log)
        return memory(process.pid)


def _well(site: str) -> bool:
    try:
        _read(f"{site}/healthz")
    except URLError:  # not listening yet, or not well yet
        return False
    return True


def _read(url: str) -> None:
    with urlopen(url, timeout=30) as response:  # noqa: S310  # the address that the daemon printed
        response.read()
