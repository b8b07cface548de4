"""A worker under strace: its system calls written down, or one of them made to fail or to be its last.

strace counts calls in each thread by itself (``when=N``): a worker all of whose calls are to be met is made to do
everything in one (`worker.Inline`). Where there is no strace the tests are skipped, unless REQUIRE_STRACE=1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness import worker

LONGEST = 1 << 20
"""How much of a buffer is written down: more than any message has."""
WRITING = ("pwrite64", "write", "writev", "fdatasync", "fsync", "ftruncate", "rename", "unlink", "openat", "mkdir")
TALKING = ("connect", "sendto", "sendmsg", "recvfrom", "recvmsg")
_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (.+)", re.DOTALL)
_OPEN = re.compile(r"(\w+)\((.*?)(?: <unfinished \.\.\.>)?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. `result` is "" when the process did not live to see it; `injected` when strace made it up."""

    name: str
    arguments: str
    result: str
    injected: bool = False

    @property
    def path(self) -> str:
        """The file that its first argument, a descriptor, is of; "" for anything else."""
        found = re.match(r"\d+<([^>]*)>", self.arguments)
        return _unescaped(found[1]).decode("utf-8", "surrogateescape") if found else ""

    @property
    def data(self) -> bytes:
        """What it wrote or read: its first text argument."""
        found = re.search(r'"((?:\\.|[^"\\])*)"', self.arguments)
        return _unescaped(found[1]) if found else b""

    @property
    def number(self) -> int:
        """What it returned; -1 when it failed, or never returned."""
        found = re.match(r"-?\d+", self.result)
        return int(found[0]) if found else -1


def available() -> bool:
    return shutil.which("strace") is not None


def run(work: Callable[[], int], folder: Path, *options: str, names: Sequence[str]) -> tuple[int, list[Call]]:
    """Do the work in a forked process under strace; its exit code (minus the signal that ended it) and its calls.

    What it prints is added to lives.log in the folder.
    """
    log = folder / "strace.log"
    pid, writing = worker.fork(work, folder / "lives.log", wait=True)
    trace = ["-e", f"trace={','.join(names)}", "-e", "signal=none", "-xx", "-yy", "-s", str(LONGEST)]
    command = ["strace", "-f", "-o", str(log), *trace, *options, "-p", str(pid)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            worker.kill(pid, writing)
            raise RuntimeError(f"strace cannot trace: {said}{tracer.stderr.read()}")
        os.write(writing, b"g")
        code = worker.ended(pid, writing)
        tracer.stderr.read()
    calls = list(parse(log.read_text("ascii")))
    log.unlink()
    return code, calls


def parse(text: str) -> Iterator[Call]:
    """The calls of a log, each when it returned; those that never did come last."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None or found[2].startswith(("+++", "---")):
            continue
        thread, rest = found[1], found[2]
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if rest.startswith("<... "):
            rest = begun.pop(thread, "") + rest.partition(" resumed>")[2]
        whole = _CALL.fullmatch(rest)
        if whole is None:
            begun[thread] = rest
        else:
            yield Call(whole[1], whole[2], whole[3], "(INJECTED)" in whole[3])
    for rest in begun.values():
        if opened := _OPEN.match(rest):
            yield Call(opened[1], opened[2], "")


def _unescaped(text: str) -> bytes:
    r"""The bytes of a text that strace wrote with -xx (``\x41\x42``)."""
    if text.startswith("\\x"):
        return bytes.fromhex(text.replace("\\x", ""))
    return text.encode()
