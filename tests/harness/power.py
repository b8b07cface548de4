"""Simulated power cuts: all that a worker writes is recorded, and its disk is lost at every point in four ways.

    python -m tests.harness.power --cuts 10000 [--in-flight 100] [--mails 300] [--break unsynced]

A worker sends under strace. After each of its writes, syncs and removals the data folder is laid out as it might be
found when the power fails there: what was not synced is dropped, kept, kept in part by chance, or torn in its last
write (`tests.harness.disk`). Each is opened as the program would open it and held against what had been accepted by
that moment. First the database alone: it is whole, nothing is called sent in it that was not accepted, and no more
would be sent again than the window. Then what is recovered from the journal beside it: whatever the database calls
sent is in the journal too, the journal says nothing that was not accepted, the database knows it no further than it
goes, nothing that stands in it would be sent again, and what is written after a line that was torn can be read. What
will be sent again is the same bytes.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import select

from reminders.clock import SystemClock
from reminders.jobs.deliver import recover
from reminders.jobs.footing import doubt
from reminders.jobs.service import Service
from reminders.store import backups, packing, replay, tables
from reminders.store.journal import Left, Line, Sent
from reminders.store.rows import read_row
from tests.harness import broken, scene, tracing, worker
from tests.harness.disk import LOSSES, Disk, Loss
from tests.harness.peer import peer
from tests.harness.scene import Scene
from tests.harness.tracing import Call
from tests.harness.verdict import Findings, add, finish

NAMES = tracing.WRITING + tracing.TALKING
MAILS, WINDOWS = 40, 3
"""How many mails are sent at least, and how many windows full: with fewer, too many in doubt would not show."""
SESSIONS = 50
"""How many messages go side by side at most, as the settings allow it."""
DOT = b"\r\n.\r\n"
_ID = re.compile(rb"(?im)^message-id:\s*(<[^>]+>)")
_KEPT = re.compile(rb"kept (<[^>]+>)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cuts, over the recording of how many mails."""

    cuts: int = 10_000
    mails: int = MAILS
    in_flight: int = 1
    seed: int = 1
    form: str = ""
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """What the network had seen when the power failed: messages handed over whole, as such, and those answered."""

    begun: Mapping[str, bytes]
    answered: frozenset[str]


def harass(folder: Path, plan: Plan) -> Findings:
    """Record, cut and judge."""
    begun = time.monotonic()
    template, calls = record(folder, plan)
    recorded = time.monotonic() - begun
    disk = Disk(template / "var")
    points = [f"{call.name} {Path(call.path).name}" for call in calls if disk.happen(call)]
    share = [plan.cuts // plan.jobs + (n < plan.cuts % plan.jobs) for n in range(plan.jobs)]
    plans = [replace(plan, cuts=cuts, seed=plan.seed + n) for n, cuts in enumerate(share)]
    totals: dict[str, object] = {"seed": plan.seed, "in flight": plan.in_flight, "mails": plan.mails}
    totals |= {"calls that change the disk": len(points), "seconds to record": round(recorded, 1)}
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
        scene.settings(made, sink.port, plan.in_flight, {"smtp_connections": min(plan.in_flight, SESSIONS)})
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


def cut(template: Path, calls: Sequence[Call], points: Sequence[str], plan: Plan) -> Findings:
    """So many cuts. `points` are the calls to cut at, each as what is done to which file."""
    if plan.form:
        broken.FORMS[plan.form]()
    chance = random.Random(plan.seed)
    cuts = Counter(_chosen(points, plan.cuts, chance))
    figures: Counter[str] = Counter()
    again: Counter[int] = Counter()
    breaches: list[str] = []
    disk, number, moment = Disk(template / "var"), -1, Moment({}, frozenset())
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
                left = _judge(made, moment, plan)
                again[left.again] += 1
                figures[f"cuts, unsynced {loss}"] += 1
                figures["cuts after which any would be sent again"] += left.again > 0
                figures["cuts after which any was known from the journal"] += left.known > 0
                figures["cuts that tore the journal"] += left.torn
                where = f"cut {number} of {len(points)}, unsynced {loss} (seed {plan.seed})"
                breaches += [f"{where}: {each}" for each in left.breaches]
    most = {"most to be sent again after a cut": max(again)}
    return Findings({"cuts": plan.cuts, **dict(sorted(figures.items())), **most}, breaches)


def _chosen(points: Sequence[str], cuts: int, chance: random.Random) -> Iterable[int]:
    """All points over and over; of more points than cuts some by chance, and the rare kinds as often as the others."""
    if cuts >= len(points):
        return (number % len(points) for number in range(cuts))
    kinds = Counter(points)
    even = chance.choices(range(len(points)), [1 / kinds[each] for each in points], k=cuts // 2)
    return [*even, *chance.choices(range(len(points)), k=cuts - len(even))]


def _after(moment: Moment, call: Call) -> Moment:
    if call.name in ("sendto", "sendmsg", "write") and call.data.endswith(DOT) and (found := _ID.search(call.data)):
        data = call.data.removesuffix(DOT[2:]).replace(b"\r\n..", b"\r\n.")
        return replace(moment, begun={**moment.begun, found[1].decode(): data})
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


@dataclass(slots=True)
class _Left:
    """What a cut left: how many the database alone would send `again`, and how many of these the journal knows."""

    again: int = 0
    known: int = 0
    torn: bool = False
    breaches: list[str] = field(default_factory=list)


def _judge(made: Scene, moment: Moment, plan: Plan) -> _Left:
    left = _Left()
    try:
        left.breaches += backups.check(made.url)
        with made.service() as service:
            before = scene.records(service)
            scene.lapse(service)
            lines = _lines(service)
            accepted = {each.entry.message_id for each in lines if isinstance(each.entry, Sent)}
            left.torn = any(each.entry is None for each in lines)
            left.breaches += _journal(service, lines)
            if not left.breaches:
                if found := doubt(service):
                    left.breaches.append(f"nothing would be sent any more: {found.words}")
                recover(service, SystemClock().now())
                left.breaches += _goes_on(service, lines)
            after = scene.records(service)
            left.breaches += _same(service, moment)
    except worker.EXPECTED as error:
        return _Left(breaches=[f"the store cannot be used: {error}"])
    if len(before) != plan.mails:
        left.breaches.append(f"{plan.mails} were owed, and the outbox has {len(before)}")
    sent = {each.row.message_id for each in before if each.row.state == "sent"}
    begun = {each.row.message_id for each in before if each.row.message_id}
    doubtful = moment.begun.keys() - sent
    left.again, left.known = len(doubtful), len(doubtful & accepted)
    if left.again > plan.in_flight:
        left.breaches.append(f"{left.again} would be sent again; the window is {plan.in_flight}")
    recovered = {each.row.message_id for each in after if each.row.state == "sent"}
    left.breaches += [
        f"{len(wrong)} {words}: {sorted(wrong)[:3]}"
        for words, wrong in (
            ("are called sent and were not accepted", sent - moment.answered),
            ("were handed over and nothing of it was recorded", moment.begun.keys() - begun),
            ("are called sent and are not in the journal", sent - accepted),
            ("are in the journal and were not accepted", accepted - moment.answered),
            ("are called sent once the journal was read, and were not accepted", recovered - moment.answered),
            ("stand in the journal and would be sent again", accepted - recovered),
        )
        if wrong
    ]
    if odd := {each.row.state for each in after} - {"sent", "owed"}:
        left.breaches.append(f"after it some are {', '.join(sorted(odd))}")
    return left


def _lines(service: Service) -> list[Line]:
    """What can be read of the journal; nothing while there is none."""
    place = service.journal.place()
    return list(service.journal.lines(place, 0)) if place else []


def _journal(service: Service, lines: Sequence[Line]) -> list[str]:
    """Whether the database knows the journal no further than it goes, and nothing of what is torn in it."""
    place = service.journal.place()
    with service.store.reading() as tx:
        known = replay.position(tx, place.identity) if place else 0
        remembered = place is None and replay.remembers(tx)
    found = ["the journal is gone, and the database knew it"] if remembered else []
    if place and known > place.size:
        found.append(f"the database knows the journal up to {known}, and it ends at {place.size}")
    if torn := [each.end for each in lines if each.entry is None and each.end <= known]:
        found.append(f"lines of the journal that the database knows are torn, up to {torn}")
    return found


def _same(service: Service, moment: Moment) -> list[str]:
    """Whether the bytes of what will be sent again are there, and are those that went out."""
    frozen = select(tables.outbox).where(tables.outbox.c.state == "owed", tables.outbox.c.body.is_not(None))
    with service.store.reading() as tx:
        rows = [row for row in tx.execute(frozen) if row.message_id in moment.begun]
        presets = packing.load(tx, {row.preset for row in rows if row.preset})
    if lost := [row.message_id for row in rows if row.preset and row.preset not in presets]:
        return [f"the bytes of {len(lost)} cannot be had any more: {lost[:3]}"]
    again = {row.message_id: read_row(row._mapping, presets).body for row in rows}
    return [f"{id} would be sent again with other bytes" for id, body in again.items() if body != moment.begun[id]]


def _goes_on(service: Service, before: Sequence[Line]) -> list[str]:
    """Whether the journal takes another line, and says all that it said."""
    more = Left(0, "nobody", "by the harness", SystemClock().now())
    service.journal.append([more])
    entries = [each.entry for each in _lines(service) if each.entry is not None]
    if entries != [*(each.entry for each in before if each.entry is not None), more]:
        return ["the journal cannot be read any more once something was written to it"]
    return []


def _moved(text: str, before: str, after: str) -> str:
    """Paths of one folder as those of another, in strace's hexadecimal."""
    old, new = ("".join(f"\\x{each[n : n + 2]}" for n in range(0, len(each), 2)) for each in (before, after))
    return text.replace(old, new)


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=usual.cuts)
    mails = f"how many are sent while it is recorded; {MAILS}, or as many as fill {WINDOWS} windows"
    parser.add_argument("--mails", type=int, default=0, help=mails)
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many cut at the same time")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil it")
    given = parser.parse_args()
    many = given.mails or max(MAILS, WINDOWS * given.in_flight)
    plan = Plan(given.cuts, many, given.in_flight, given.seed, given.form, given.jobs)
    with scene.scratch() as folder:
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
