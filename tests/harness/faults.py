"""A disk that fails: full, or with an I/O error, at every Nth write and sync; and one that is really full.

    python -m tests.harness.faults [--every 1] [--break heedless]

A worker sends while one of its calls fails, once or from then on. What cannot be recorded must not be sent: after a
failed write nothing is begun until a commit has succeeded. The worker must end with an error, or go on cleanly; and
once the disk is well again, another one must bring everything where it belongs: each mail once, and once more only if
it was under way when nothing could be recorded any more. As root there is also a file system that is filled to the
last byte.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from reminders.jobs import scribe
from reminders.settings import Settings
from reminders.store import backups
from tests.harness import broken, scene, tracing, worker
from tests.harness.peer import Peer, peer
from tests.harness.scene import Scene
from tests.harness.tracing import Call
from tests.harness.verdict import Findings, extra_copies, finish, judge

MAILS = 3
NAMES = tracing.WRITING + tracing.TALKING
FAULTS = {"pwrite64": ("ENOSPC", "EIO"), "fdatasync": ("EIO", "ENOSPC"), "ftruncate": ("EIO",), "unlink": ("EIO",)}
SETTLING, PAUSE = 4, 0.01
"""How often to try to write down what became of a message, and the seconds between, in place of three minutes."""


ROOM = 16 * 1024 * 1024
"""Bytes that a file system which is filled has beside what lies in it."""


def live(made: Scene, form: str) -> int:
    worker.inline()
    scribe.SETTLING, scribe.PAUSE = SETTLING, PAUSE
    if form:
        broken.FORMS[form]()
    return worker.live(made)


def harass(folder: Path, every: int, form: str = "") -> Findings:
    """Fail each kind of call at every so manieth time; then fill a disk, if that can be had."""
    begun = time.monotonic()
    figures: Counter[str] = Counter()
    breaches: list[str] = []
    template = scene.make(folder / "template", MAILS)
    with peer(folder / "mails.jsonl") as sink:
        for name, errors in FAULTS.items():
            for error in errors:
                for lasting in (False, True):
                    kind = f"{name} {error}{' and ever after' if lasting else ''}"
                    for number, found, code in _fail(
                        template, folder / "failing", sink, name, error, lasting, every, form
                    ):
                        figures[kind] += 1
                        figures["workers that ended with an error" if code else "workers that went on"] += 1
                        breaches += [f"{kind}, number {number}: {each}" for each in found]
    told: dict[str, object] = {"every": every, **figures}
    told["a full file system"] = _fill(template, folder / "full", form, breaches)
    return Findings(told | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def _fail(
    template: Scene, folder: Path, sink: Peer, name: str, error: str, lasting: bool, every: int, form: str
) -> Iterator[tuple[int, list[str], int]]:
    """Fail the first, second, … call until there is none to fail: its number, what was wrong, the worker's end."""
    number = 1
    while found := _fail_once(template, folder, sink, name, f"error={error}:when={number}{'+' * lasting}", form):
        yield number, *found
        number += every


def _fail_once(
    template: Scene, folder: Path, sink: Peer, name: str, how: str, form: str
) -> tuple[list[str], int] | None:
    """Have one worker meet the fault: what was wrong, and its end. None when it met none."""
    shutil.rmtree(folder, ignore_errors=True)
    made = template.copy(folder)
    scene.settings(made, sink.port)
    sink.look()
    before = len(sink.messages)
    inject = ("-e", f"inject={name}:{how}")
    code, calls = tracing.run(lambda: live(made, form), folder, *inject, names=NAMES)
    if not any(call.injected for call in calls):
        return None
    found = _heeded(calls) if name in ("pwrite64", "fdatasync") else []
    found += _mended(made, sink, before, int(how.endswith("+")))
    if code not in (0, 1, 2):
        found.append(f"it ended with {code}: {(folder / 'lives.log').read_text()[-1500:]}")
    return found, code


def _heeded(calls: Sequence[Call]) -> list[str]:
    """Whether a message was begun after a write had failed, before any commit succeeded."""
    failed = written = False
    for call in calls:
        log = call.path.endswith("-wal")
        if call.injected and log:
            failed, written = True, False
        elif call.name == "pwrite64" and log:
            written = True
        elif call.name == "fdatasync" and log and call.number == 0 and written:
            failed = False  # closing what failed syncs the log too, and writes nothing to it
        elif failed and call.name == "sendto" and call.data.startswith(b"DATA"):
            return ["a message was begun though what came before it could not be recorded"]
    return []


def _mended(made: Scene, sink: Peer, before: int, extra: int) -> list[str]:
    """Let a worker go on with a disk that is well again, and judge; `extra` copies may have come of it."""
    log = made.folder / "after.log"
    with made.service() as service:
        scene.lapse(service)
    code = worker.ended(*worker.fork(lambda: worker.live(made), log))
    sink.look()
    kept = sink.messages[before:]
    facts = {"mails": MAILS, "kills": 1, "window": 1, "attempts": Settings().attempts}
    found = [*judge(made.records(), kept, **facts), *backups.check(made.url)]
    if code:
        found.append(f"the worker after it ended with {code}: {log.read_text()[-1500:]}")
    if (copies := extra_copies(kept)) > extra:
        found.append(f"{copies} extra copies came of it, and no more than {extra} may")
    return found


def _fill(template: Scene, folder: Path, form: str, breaches: list[str]) -> str:
    """Send from a file system that is full; then make room, and send again."""
    folder.mkdir()
    size = sum(path.stat().st_size for path in template.folder.rglob("*") if path.is_file())
    command = ["mount", "-t", "tmpfs", "-o", f"size={size + ROOM}", "harness", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        return f"none to be had: {mounted.stderr.strip()}"
    try:
        made = template.copy(folder)
        with peer(folder.parent / "full.jsonl") as sink:
            scene.settings(made, sink.port)
            ballast = folder / "ballast"
            with ballast.open("wb", buffering=0) as file:
                for piece in (1024 * 1024, 4096, 1):
                    while _written(file.write, bytes(piece)):
                        pass
            elsewhere = folder.parent / "full.log"
            codes = [worker.ended(*worker.fork(lambda: live(made, form), elsewhere)) for _ in range(3)]
            sink.look()
            meanwhile = len(sink.messages)
            if meanwhile or 0 in codes:
                breaches.append(f"a full file system: three workers ended with {codes}, and {meanwhile} mails went")
            ballast.unlink()
            breaches += [f"a full file system: {each}" for each in _mended(made, sink, 0, 0)]
        return f"3 workers ended with {codes}, {meanwhile} mails; with room, {MAILS} once"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _written(write: Callable[[bytes], object], data: bytes) -> bool:
    try:
        write(data)
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="fail every so manieth call only")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil it")
    given = parser.parse_args()
    with scene.scratch() as folder:
        findings = harass(folder, given.every, given.form)
    finish(findings)


if __name__ == "__main__":
    main()
