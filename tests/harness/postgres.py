"""PostgreSQL stopped at once (`pg_ctl stop -m immediate`) at random moments, while workers send.

    python -m tests.harness.postgres --stops 50 [--break unsynced]

Two workers send, and go on whatever happens; the server is stopped as by a crash and started again, so many times.
Then all must come to rest: nothing lost, and no more extra copies than stops times workers times the window.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from reminders.settings import Settings
from reminders.store import backups, ledger, schema
from tests.flows.service import CHECKOUT
from tests.harness import broken, scene
from tests.harness.peer import peer
from tests.harness.verdict import UNREST, Findings, finish, judge, summary
from tests.store import postgres

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    `up` is how many seconds the server is up at most between two stops, `idle` how many without progress show that
    something is stuck.
    """

    stops: int = 50
    in_flight: int = 1
    seed: int = 1
    up: float = 1.0
    idle: float = 60.0
    form: str = ""


def harass(folder: Path, plan: Plan) -> Findings:
    """Carry out the plan in an empty folder, and judge."""
    begun = time.monotonic()
    chance = random.Random(plan.seed)
    per_stop = int(plan.up * 60 * WORKERS * max(1, plan.in_flight // 10))
    mails = plan.stops * per_stop
    with ExitStack() as stack:
        server = stack.enter_context(postgres.restarting())
        sink = stack.enter_context(peer(folder / "mails.jsonl", "--slow", "0.01"))
        more = {"database": server.url}
        made = scene.make(folder / "service", mails, more)
        scene.settings(made, sink.port, plan.in_flight, more)
        command = [sys.executable, "-m", "tests.harness.worker", str(made.folder / "config"), "--again"]
        command += ["--break", plan.form] if plan.form else []
        log = stack.enter_context((folder / "workers.log").open("wb"))
        workers = []
        for _ in range(WORKERS):
            process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
            stack.enter_context(process)
            stack.callback(process.kill)
            workers.append(process)
        while not sink.messages:
            time.sleep(0.05)
            sink.look()
        for _ in range(plan.stops):
            time.sleep(chance.uniform(0, plan.up))
            server.stop()
            server.start()
        at_rest = _settled(made.url, plan.idle)
        ended = [process.poll() for process in workers]
        for process in workers:
            process.send_signal(signal.SIGKILL)
        sink.look()
        records = made.records()
        kills = plan.stops * WORKERS
        facts = {"mails": mails, "kills": kills, "window": plan.in_flight, "attempts": Settings().attempts}
        breaches = [*judge(records, sink.messages, **facts), *backups.check(made.url)]
    said = (folder / "workers.log").read_text()
    if any(code is not None for code in ended):
        breaches.insert(0, f"workers ended with {ended}: {said[-3000:]}")
    if not at_rest:
        breaches.insert(0, f"not all came to rest; what a worker said last: {said.strip().rpartition(chr(10))[2]}")
    figures: dict[str, object] = {"seed": plan.seed, "stops": plan.stops, "workers": WORKERS, "mails owed": mails}
    figures |= {"passes broken off": len(re.findall("(?m)^(no mail can be sent|the store: )", said))}
    figures |= {"in flight": plan.in_flight} | summary(records, sink.messages)
    return Findings(figures | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def _settled(url: str, idle: float) -> bool:
    """Wait until nothing is owed or in hand; False when nothing moves any more."""
    since, before = time.monotonic(), -1
    while time.monotonic() - since < idle:
        try:
            counts = _unrest(url)
        except DBAPIError:
            counts = before  # it is only just up
        if counts == 0:
            return True
        if counts != before:
            since, before = time.monotonic(), counts
        time.sleep(0.2)
    return False


def _unrest(url: str) -> int:
    store = schema.open_store(url)
    try:
        with store.reading() as tx:
            return sum(number for state, number in ledger.counts(tx).items() if state in UNREST)
    finally:
        store.close()


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=usual.stops)
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--up", type=float, default=usual.up, help="seconds that the server is up at most")
    parser.add_argument("--idle", type=float, default=usual.idle, help="seconds without progress that show the end")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil the workers")
    given = parser.parse_args()
    plan = Plan(given.stops, given.in_flight, given.seed, given.up, given.idle, given.form)
    with scene.scratch() as folder:
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
