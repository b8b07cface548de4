"""A worker that is frozen (SIGSTOP) for longer than its lease, and goes on as if nothing had happened.

    python -m tests.harness.frozen [--times 100] [--at DOT] [--break ownerless]

First at each step of a message: the receiving end holds its answer back, the worker is stopped, the answer is given,
the lease runs out, another worker takes over and sends all there is; then the first one is let go. Then at random
moments. A message may have gone twice only if the frozen worker had sent its last dot before, whoever owned it then;
what is recorded must be so. The workers' lease is made short in their own processes: the usual one is minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from reminders.jobs import deliver, scribe, taking
from reminders.settings import Settings
from reminders.store import backups, connections
from tests.harness import broken, scene, worker
from tests.harness.peer import STEPS, Peer, peer
from tests.harness.scene import Scene
from tests.harness.verdict import Findings, by_id, finish, judge

MAILS = 5
LEASE = timedelta(seconds=1)
LATE = 1.2
"""How many leases a worker is frozen for."""
LOCKED = 1.0
"""Seconds to wait for a store that is locked: whoever froze while it wrote keeps it so."""
CALM = 0.1
"""Seconds until a worker whose message waits for an answer does nothing else either."""
PATIENCE = 60.0


def live(made: Scene, form: str) -> int:
    """One life with a short lease."""
    vars(taking)["lease"] = vars(deliver)["lease"] = lambda service: LEASE
    connections.PATIENCE = LOCKED
    scribe.SETTLING, scribe.PAUSE = 3, 0.1
    if form:
        broken.FORMS[form]()
    return worker.live(made)


def harass(folder: Path, times: int, seed: int, steps: Sequence[str] = STEPS, form: str = "") -> Findings:
    """Freeze at each of the steps, then so many times at random."""
    begun = time.monotonic()
    template = scene.make(folder / "template", MAILS)
    chance = random.Random(seed)
    figures: Counter[str] = Counter()
    breaches: list[str] = []

    def one(name: str, options: tuple[str, ...], moment: Callable[[Peer], None]) -> None:
        made = template.copy(folder / name.replace(" ", "-"))
        with peer(made.folder / "mails.jsonl", *options) as sink:
            scene.settings(made, sink.port)
            copies, found = _freeze(made, sink, moment, form)
        figures[f"frozen {name.partition(', number')[0]}"] += 1
        figures["extra copies of what had been handed over"] += copies
        breaches.extend(f"frozen {name}: {each}" for each in found)

    for step in steps:
        one(f"at {step}", ("--hold", step), _held)
    for number in range(times):
        length = chance.uniform(0, 0.4)
        one(f"at random, number {number}", ("--slow", "0.05", "--seed", str(seed + number)), _after(length))
    told: dict[str, object] = {"seed": seed, "lease in seconds": LEASE.total_seconds(), **figures}
    return Findings(told | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def _held(sink: Peer) -> None:
    """Wait until the receiving end holds an answer back."""
    end = time.monotonic() + PATIENCE
    while not sink.held:
        time.sleep(0.005)
        sink.look()
        if time.monotonic() > end:
            raise RuntimeError("the worker never came to that step")
    time.sleep(CALM)


def _after(length: float) -> Callable[[Peer], None]:
    """Wait for a connection, and then so many seconds."""

    def wait(sink: Peer) -> None:
        end = time.monotonic() + PATIENCE
        while not sink.made and time.monotonic() < end:
            time.sleep(0.005)
            sink.look()
        time.sleep(length)

    return wait


def _freeze(made: Scene, sink: Peer, moment: Callable[[Peer], None], form: str) -> tuple[int, list[str]]:
    """Freeze a worker at that moment, let another take over, and let it go; extra copies, and what is wrong."""
    log = made.folder / "lives.log"
    first, writing = worker.fork(lambda: live(made, form), log)
    moment(sink)
    os.kill(first, signal.SIGSTOP)
    if sink.held:
        sink.go()
    time.sleep(LATE * LEASE.total_seconds())
    sink.look()
    handed = {each.message_id for each in sink.messages}  # by a worker that can do nothing more
    second = worker.ended(*worker.fork(lambda: live(made, form), log))
    os.kill(first, signal.SIGCONT)
    codes = [worker.ended(first, writing), second]
    codes.append(worker.ended(*worker.fork(lambda: live(made, form), log)))
    sink.look()
    found = [*judge(made.records(), sink.messages, mails=MAILS, kills=1, window=1, attempts=Settings().attempts)]
    found += backups.check(made.url)
    twice = {id: len(copies) for id, copies in by_id(sink.messages).items() if len(copies) > 1}
    found += [f"{id} went {number} times, and its dot was not sent" for id, number in twice.items() if id not in handed]
    if any(code not in (0, 1, 2) for code in codes) or codes[2]:
        found.append(f"the workers ended with {codes}: {log.read_text()[-2000:]}")
    return sum(number - 1 for number in twice.values()), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100, help="how often at random, besides once at each step")
    parser.add_argument("--at", nargs="+", choices=STEPS, default=STEPS, help="at which steps; at all")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil the workers")
    given = parser.parse_args()
    with scene.scratch() as folder:
        findings = harass(folder, given.times, given.seed, given.at, given.form)
    finish(findings)


if __name__ == "__main__":
    main()
