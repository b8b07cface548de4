"""Simulated power cuts: all that a worker writes is recorded, and its disk is lost at every point in four ways.

    python -m tests.harness.power --cuts 10000 [--mails 40] [--in-flight 1] [--break unsynced]

A worker sends under strace. After each of its writes, syncs and removals the data folder is laid out as it might be
found when the power fails there: what was not synced is dropped, kept, kept in part by chance, or torn in its last
write (`tests.harness.disk`). Each is opened as the program would open it, recovered, and held against what had been
accepted by that moment: whole, nothing called sent that was not accepted, and no more to be sent again than the window.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from reminders.clock import SystemClock
from reminders.settings import Settings
from reminders.store import backups, sending
from tests.harness import broken, scene, tracing, worker
from tests.harness.disk import LOSSES, Disk, Loss
from tests.harness.peer import peer
from tests.harness.scene import Scene
from tests.harness.tracing import Call
from tests.harness.verdict import Findings, add, finish

NAMES = tracing.WRITING + tracing.TALKING
DOT = b"\r\n.\r\n"
_ID = re.compile(rb"(?im)^message-id:\s*(<[^>]+>)")
_KEPT = re.compile(rb"kept (<[^>]+>)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cuts, over the recording of how many mails."""

    cuts: int = 10_000
    mails: int = 40
    in_flight: int = 1
    seed: int = 1
    form: str = ""
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """What the network had seen when the power failed: messages handed over whole, and those answered."""

    begun: frozenset[str]
    answered: frozenset[str]


def harass(folder: Path, plan: Plan) -> Findings:
    """Record, cut and judge."""
    begun = time.monotonic()
    template, calls = record(folder, plan)
    recorded = time.monotonic() - begun
    disk = Disk(template / "var")
    points = sum(disk.happen(call) for call in calls)
    share = [plan.cuts // plan.jobs + (n < plan.cuts % plan.jobs) for n in range(plan.jobs)]
    plans = [replace(plan, cuts=cuts, seed=plan.seed + n) for n, cuts in enumerate(share)]
    totals: dict[str, object] = {"seed": plan.seed, "in flight": plan.in_flight, "mails": plan.mails}
    totals |= {"calls that change the disk": points, "seconds to record": round(recorded, 1)}
    breaches: list[str] = []
    if plan.jobs > 1:
        with ProcessPoolExecutor(plan.jobs, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(cut, [template] * plan.jobs, [calls] * plan.jobs, [points] * plan.jobs, plans))
    else:
        found = [cut(template, calls, points, plans[0])]
    for each in found:
        add(totals, each.figures)
        breaches += each.breaches
    return Findings(totals | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def record(folder: Path, plan: Plan) -> tuple[Path, list[Call]]:
    """A data folder that owes mails, and the calls of the worker that sent them all."""
    made = scene.make(folder / "service", plan.mails)
    template = folder / "template"
    with peer(folder / "mails.jsonl") as sink:
        scene.settings(made, sink.port, plan.in_flight)
        shutil.copytree(made.folder, template)

        def work() -> int:
            if plan.form:
                broken.FORMS[plan.form]()
            return worker.live(made)

        code, calls = tracing.run(work, made.folder, names=NAMES)
        sink.look()
    if code != 0 or len(sink.messages) != plan.mails:
        raise RuntimeError(f"the worker ended with {code}: {(made.folder / 'lives.log').read_text()}")
    # The recording is of the service's folder; the disk is that of its copy from before.
    moved = str(template).encode().hex(), str(made.folder).encode().hex()
    return template, [replace(each, arguments=_moved(each.arguments, moved[1], moved[0])) for each in calls]


def cut(template: Path, calls: Sequence[Call], points: int, plan: Plan) -> Findings:
    """So many cuts, spread over all points."""
    chance = random.Random(plan.seed)
    cuts = Counter(chance.choices(range(points), k=plan.cuts) if plan.cuts < points else _spread(points, plan.cuts))
    figures: Counter[str] = Counter()
    breaches: list[str] = []
    disk, number, moment = Disk(template / "var"), -1, Moment(frozenset(), frozenset())
    with scene.scratch() as folder:
        made = Scene(folder)
        for call in calls:
            moment = _after(moment, call)
            if not disk.happen(call):
                continue
            number += 1
            for nth in range(cuts[number]):
                loss: Loss = LOSSES[(number + nth) % len(LOSSES)]
                _lay_out(template, folder, disk.lose(loss, chance))
                again, found = _judge(made, moment, plan)
                figures[f"cuts, unsynced {loss}"] += 1
                figures[f"cuts after which {again} would be sent again"] += 1
                breaches += [f"cut {number} of {points}, unsynced {loss} (seed {plan.seed}): {each}" for each in found]
    return Findings({"cuts": plan.cuts, **dict(sorted(figures.items()))}, breaches)


def _spread(points: int, cuts: int) -> Iterable[int]:
    """The points over and over again."""
    return (number % points for number in range(cuts))


def _after(moment: Moment, call: Call) -> Moment:
    if call.name in ("sendto", "sendmsg", "write") and call.data.endswith(DOT) and (found := _ID.search(call.data)):
        return replace(moment, begun=moment.begun | {found[1].decode()})
    if call.name in ("recvfrom", "recvmsg") and call.number > 0:
        found_all = {each.decode() for each in _KEPT.findall(call.data)}
        return replace(moment, answered=moment.answered | found_all) if found_all else moment
    return moment


def _lay_out(template: Path, folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder / "var", ignore_errors=True)
    if not (folder / "config").exists():
        shutil.copytree(template / "config", folder / "config")
    for name, data in files.items():
        path = folder / "var" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _judge(made: Scene, moment: Moment, plan: Plan) -> tuple[int, list[str]]:
    """How many of the accepted messages would be sent again, and what is wrong."""
    try:
        found = backups.check(made.url)
        with made.service() as service, service.store.writing() as tx:
            now = SystemClock().now()
            gone = sending.owners(tx)
            sending.recover(tx, dead=gone, now=now, wall_now=now, max_attempts=Settings().attempts)
        records = made.records()
    except worker.EXPECTED as error:
        return 0, [f"the store cannot be used: {error}"]
    if len(records) != plan.mails:
        found.append(f"{plan.mails} were owed, and the outbox has {len(records)}")
    sent = {each.row.message_id for each in records if each.row.state == "sent"}
    if unsent := sent - moment.answered:
        found.append(f"{len(unsent)} are called sent and were not accepted: {sorted(unsent)[:3]}")
    owed = {each.row.message_id for each in records if each.row.state == "owed"} | {""}
    frozen = {each.row.message_id for each in records}
    again = len(moment.begun & owed) + len(moment.begun - frozen)
    if again > plan.in_flight:
        found.append(f"{again} would be sent again; the window is {plan.in_flight}")
    if unknown := moment.begun - frozen:
        found.append(f"{len(unknown)} were handed over and nothing of it was recorded: {sorted(unknown)[:3]}")
    return again, found


def _moved(text: str, before: str, after: str) -> str:
    """Paths of one folder as those of another, in strace's hexadecimal."""
    old, new = ("".join(f"\\x{each[n : n + 2]}" for n in range(0, len(each), 2)) for each in (before, after))
    return text.replace(old, new)


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=usual.cuts)
    parser.add_argument("--mails", type=int, default=usual.mails, help="how many are sent while it is recorded")
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many cut at the same time")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil it")
    given = parser.parse_args()
    plan = Plan(given.cuts, given.mails, given.in_flight, given.seed, given.form, given.jobs)
    with scene.scratch() as folder:
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
