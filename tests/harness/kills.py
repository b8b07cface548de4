"""The promise under kill -9: the sending path is killed at random moments, thousands of times.

    python -m tests.harness.kills --kills 10000 [--in-flight 100] [--database postgresql] [--break FORM]

In rounds. Each has a store that owes some hundred mails; one life of a worker after the other is forked, opens the
store, sends, and is killed after some random milliseconds. Nobody else touches the store meanwhile. Then one is left in
peace until all is at rest, and the store and what was accepted must agree with each other and with the promise:
nothing lost, one Message-ID and one body for each reminder, no more in doubt than the window allows, and no more extra
copies than kills times the window. `tests.harness.lives` does the same to the whole program, slowly.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from reminders.settings import Settings
from reminders.store import backups
from tests.harness import broken, scene, worker
from tests.harness.peer import STEPS, Peer, peer
from tests.harness.scene import Scene
from tests.harness.verdict import UNREST, Findings, add, doubts, finish, judge, summary
from tests.store import postgres

ROUND = 500
"""Kills in one round at most."""
MESSAGE = 0.01
"""Seconds that a message takes about, at first: lives are made as long as the mails last."""
STARTING, START_UP = 0.1, 0.03
"""The share of kills that meet a worker while it starts, and how many seconds that takes about."""
PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `per_kill` is how many mails are owed for each kill, `slow` what the answers take at most."""

    kills: int = 10_000
    in_flight: int = 1
    seed: int = 1
    per_kill: float = 2.0
    slow: float = 0.0
    slow_at: Sequence[str] = STEPS[2:]
    form: str = ""
    server: str = ""
    jobs: int = 1


def harass(folder: Path, plan: Plan) -> Findings:
    """Carry out the plan in an empty folder, and judge."""
    begun = time.monotonic()
    totals: dict[str, object] = {"seed": plan.seed, "in flight": plan.in_flight}
    breaches: list[str] = []
    killed = rounds = 0
    with ExitStack() as stack:
        work: Callable[..., Iterable[Findings]] = map
        if plan.jobs > 1:
            pool = ProcessPoolExecutor(plan.jobs, mp_context=get_context("spawn"))
            work = stack.enter_context(pool).map
        while killed < plan.kills and not breaches:  # a round whose mails ran out had fewer
            some = range(rounds, rounds + max(1, (plan.kills - killed) // ROUND))
            kills = min(ROUND, plan.kills - killed)
            each = [replace(plan, kills=kills, seed=plan.seed + number) for number in some]
            for found in work(_round, [folder / f"round-{number}" for number in some], each):
                add(totals, found.figures)
                breaches += found.breaches
                killed += int(str(found.figures["kills"]))
            rounds += len(some)
    seconds = time.monotonic() - begun
    totals |= {"rounds": rounds, "seconds": round(seconds, 1)}
    totals |= {"milliseconds per kill": round(1000 * seconds / max(killed, 1), 1)}
    return Findings(totals, breaches)


def _round(folder: Path, plan: Plan) -> Findings:
    if plan.form:
        broken.FORMS[plan.form]()
    folder.mkdir()
    mails = max(int(plan.kills * plan.per_kill), plan.in_flight)
    log = folder / "lives.log"
    slow = ("--slow", str(plan.slow), "--slow-at", *plan.slow_at, "--seed", str(plan.seed))
    with _store(plan) as more, peer(folder / "mails.jsonl", *slow) as sink:
        made = scene.make(folder, mails, more)
        gc.freeze()  # what nobody collects, no fork has to copy
        scene.settings(made, sink.port, plan.in_flight, more)
        killed, met = _kill_repeatedly(made, sink, plan, mails, log)
        code = 1
        for _ in range(3):
            if (code := worker.ended(*worker.fork(lambda: worker.live(made), log))) == 0:
                break
        sink.look()
        records = made.records()
        breaches = [
            *judge(
                records, sink.messages, mails=mails, kills=killed, window=plan.in_flight, attempts=Settings().attempts
            )
        ]
        breaches += backups.check(made.url)
    if code:
        breaches.append(f"the last worker ended with {code}: {log.read_text()[-2000:]}")
    if "Traceback" in (printed := log.read_text()):
        breaches.append(f"a worker raised: {printed[printed.index('Traceback') :][:2000]}")
    breaches = [f"{each} (seed {plan.seed})" for each in breaches]
    figures: dict[str, object] = {"mails owed": mails, "kills": killed}
    figures |= {f"kills, last seen at {step}": met[step] for step in sorted(met)}
    figures |= {"kills that left a message in doubt": len(doubts(records))}
    figures |= summary(records, sink.messages)
    unrest = sum(record.row.state in UNREST for record in records)
    return Findings(figures | {"lost": unrest + sum("is lost" in each for each in breaches)}, breaches)


@contextmanager
def _store(plan: Plan) -> Iterator[dict[str, object]]:
    """The settings of the round's store."""
    if not plan.server:
        yield {}
        return
    with postgres.database(plan.server) as url:
        yield {"database": url}


def _kill_repeatedly(made: Scene, sink: Peer, plan: Plan, mails: int, log: Path) -> tuple[int, Counter[str]]:
    """Start and kill, so that the mails last for all kills; how many there were, and at which step each met the relay.

    "start" when it had not come so far. A worker that ended by itself before it was killed is not counted.
    """
    chance = random.Random(plan.seed)
    met: Counter[str] = Counter()
    life = plan.per_kill * (MESSAGE + len(plan.slow_at) * plan.slow / 2)
    killed = idle = 0
    while killed < plan.kills and idle < 5:
        size = sink.file.stat().st_size
        begun = time.monotonic()
        pid, writing = worker.fork(lambda: worker.live(made), log)
        if chance.random() < STARTING:
            time.sleep(chance.uniform(0, START_UP))
        else:
            while sink.file.stat().st_size == size and time.monotonic() - begun < PATIENCE and worker.lives(pid):
                time.sleep(0.0005)  # until it has made its connection
            time.sleep(chance.uniform(0, 2 * life))
        died = worker.kill(pid, writing)
        before = len(sink.cut)
        sink.look()
        if died < 0:
            killed, idle = killed + 1, 0
            met[["start", *sink.cut[before:]][-1]] += 1
        else:
            idle += 1
        through = len({each.message_id for each in sink.messages})
        left = (mails - through) / max(plan.kills - killed, 1)
        life = min(max(life * (1.03 if left > plan.per_kill * 0.9 else 0.95), 0.001), 1.0)
    return killed, met


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--per-kill", type=float, default=0, help="mails owed for each kill; 2, or 10 if many at once")
    parser.add_argument("--slow", type=float, default=usual.slow, help="seconds that answers take at most")
    parser.add_argument("--slow-at", nargs="+", choices=STEPS, default=usual.slow_at, help="which answers")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rounds at the same time")
    forms = "; ".join(f"{name}: {form.__doc__}" for name, form in broken.FORMS.items())
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help=f"spoil it. {forms}")
    given = parser.parse_args()
    per_kill = given.per_kill or (2.0 if given.in_flight == 1 else 10.0)
    with ExitStack() as stack:
        folder = stack.enter_context(scene.scratch())
        server = stack.enter_context(postgres.server()) if given.database == "postgresql" else ""
        plan = Plan(
            given.kills,
            given.in_flight,
            given.seed,
            per_kill,
            given.slow,
            given.slow_at,
            given.form,
            server,
            given.jobs,
        )
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
