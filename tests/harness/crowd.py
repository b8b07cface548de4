"""Many daemons on one store: each mail goes once.

    python -m tests.harness.crowd --mails 10000 --daemons 4 [--database postgresql] [--break short-lease]

Processes of the whole program (`reminders run --only worker`) start on one outbox and send until all is at rest.
Nobody dies, so that each mail must have been accepted once, begun once, and be called sent. On SQLite the write-ahead
log, which is looked at all the while, must stay bounded however much they write.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from reminders.settings import Settings
from reminders.store import backups, tables
from tests.flows.service import REMINDERS
from tests.harness import broken, scene
from tests.harness.peer import STEPS, peer
from tests.harness.scene import Scene
from tests.harness.verdict import UNREST, Findings, extra_copies, finish, judge, summary
from tests.store import postgres

IDLE = 60.0
"""Seconds without progress after which something is stuck."""
LOG = 32_000_000
"""Bytes that SQLite's write-ahead log may have. It is folded into the file from 4 MB on, and had 9 with 5,000 mails."""


@dataclass(frozen=True, slots=True)
class Plan:
    mails: int = 10_000
    daemons: int = 4
    in_flight: int = 1
    database: str = ""
    form: str = ""
    slow: float = 0.0
    slow_at: Sequence[str] = STEPS[2:]
    seconds: float = 0.0


def harass(folder: Path, plan: Plan) -> Findings:
    """Start them all, wait, and judge. With `seconds` they are stopped after so many, done or not."""
    more = {"database": plan.database} if plan.database else {}
    made = scene.make(folder, plan.mails, more)
    program = broken.program(plan.form) if plan.form else REMINDERS
    with (
        peer(folder / "mails.jsonl", "--slow", str(plan.slow), "--slow-at", *plan.slow_at) as sink,
        ExitStack() as stack,
    ):
        scene.settings(made, sink.port, plan.in_flight, more)
        begun = time.monotonic()
        place = made.place
        daemons = [place.start(program, "--only", "worker") for _ in range(plan.daemons)]
        for each in daemons:
            stack.callback(each.kill)
        log = _wait(made, plan.seconds)
        seconds = time.monotonic() - begun
        codes = [each.stop() for each in daemons]
        sink.look()
        records, kept = made.records(), sink.messages
    facts = {"mails": plan.mails, "kills": 0, "window": plan.in_flight, "attempts": Settings().attempts}
    breaches = [*judge(records, kept, **facts), *backups.check(made.url)]
    if any(codes):
        breaches.append(f"the daemons ended with {codes}: {daemons[0].printed()[-2000:]}")
    if copies := extra_copies(kept):
        breaches.append(f"{copies} mails went twice")
    if log > LOG:
        breaches.append(f"the write-ahead log grew to {log} bytes; it may have {LOG}")
    workers = {attempt.owner for record in records for attempt in record.attempts}
    figures: dict[str, object] = {"daemons": plan.daemons, "that sent": len(workers), "in flight": plan.in_flight}
    figures |= {"mails owed": plan.mails} | summary(records, kept) | {"most bytes of log": log}
    return Findings(figures | {"seconds": round(seconds, 1), "mails a second": round(len(kept) / seconds)}, breaches)


def _wait(made: Scene, seconds: float) -> int:
    """Until all is at rest, nothing moves any more, or so many seconds have passed.

    Returns the most bytes that SQLite's write-ahead log had.
    """
    log, most = made.folder / "var" / "reminders.sqlite-wal", 0
    with made.service() as service:
        states, count = tables.outbox.c.state, func.count()
        begun = since = time.monotonic()
        before: dict[str, int] = {}
        while time.monotonic() - since < IDLE and not (seconds and time.monotonic() - begun > seconds):
            most = max(most, log.stat().st_size if log.exists() else 0)
            with service.store.reading() as tx:
                now = {state: number for state, number in tx.execute(select(states, count).group_by(states))}
            if not any(now.get(each) for each in UNREST):
                break
            if now != before:
                before, since = now, time.monotonic()
            time.sleep(0.2)
    return most


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=usual.mails)
    parser.add_argument("--daemons", type=int, default=usual.daemons)
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--slow", type=float, default=usual.slow, help="seconds that answers take at most")
    parser.add_argument("--slow-at", nargs="+", choices=STEPS, default=usual.slow_at, help="which answers")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="stop them after so many")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil them")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(scene.scratch(disk=True))
        url = ""
        if given.database == "postgresql":
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.server())))
        plan = Plan(
            given.mails, given.daemons, given.in_flight, url, given.form, given.slow, given.slow_at, given.seconds
        )
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
