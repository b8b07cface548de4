"""The promise under kill -9 of the whole program: `reminders run` is killed at random moments, again and again.

    python -m tests.harness.lives --kills 200 --mails 500 [--break FORM]

One life after another works through the same outbox, and is killed: one in ten while it starts, the others while it
sends, through a relay whose answers take their time, so that kills meet every step of a message. Then it is left in
peace until all is settled, and is judged as `tests.harness.kills` judges.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reminders.settings import Settings
from tests.flows.service import REMINDERS, Place, Running, time_from_now, wait_for
from tests.harness import broken
from tests.harness.peer import Peer, peer
from tests.harness.scene import Scene
from tests.harness.verdict import UNREST, Findings, doubts, finish, judge, summary

SLOW_STEPS = ("MAIL", "RCPT", "DATA", "DOT")
START_UP = 5.0
"""Seconds that the daemon may take to start on a busy machine."""
STARTING = 0.1
"""The share of kills that meet the daemon while it starts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    `slow` is how many seconds the relay's answers at `steps` take at most, `idle` how many without progress show that
    nothing is left to be done, or that something is stuck.
    """

    kills: int = 200
    mails: int = 500
    seed: int = 1
    slow: float = 0.1
    steps: Sequence[str] = SLOW_STEPS
    idle: float = 10.0
    in_flight: int = 1
    program: Sequence[str] = REMINDERS


def harass(folder: Path, plan: Plan, say: Callable[[str], None] = lambda line: None) -> Findings:
    """Carry out the plan in an empty folder, and judge."""
    begun = time.monotonic()
    place = Place(folder)
    slow = ("--slow", str(plan.slow), "--slow-at", *plan.steps)
    with peer(folder / "mails.jsonl", *slow) as sink:
        prepare(place, sink, plan)
        mails = plan.mails
        met = kill_repeatedly(place, sink, plan, mails, say)
        daemon = place.start(plan.program)
        try:
            settle(daemon, mails, plan.idle)
            code = daemon.stop()
        finally:
            daemon.kill()
        sink.look()
        records, kept = Scene(folder).records(), sink.messages
    facts = {"mails": mails, "kills": plan.kills, "window": plan.in_flight, "attempts": Settings().attempts}
    breaches = list(judge(records, kept, **facts))
    if code != 0:
        breaches.append(f"the last daemon ended with {code}")
    logs = "".join(log.read_text() for log in folder.glob("run-*.log"))
    if "Traceback" in logs:
        breaches.append(f"a daemon raised: {logs[logs.index('Traceback') :][:2000]}")
    return Findings(
        {"seed": plan.seed, "mails owed": mails, "kills": plan.kills}
        | {f"kills, last seen at {step}": met[step] for step in sorted(met)}
        | {"kills that left a message in doubt": len(doubts(records))}
        | summary(records, kept)
        | {"seconds": round(time.monotonic() - begun, 1)},
        breaches,
    )


def prepare(place: Place, sink: Peer, plan: Plan) -> None:
    """A service that owes so many mails as soon as it looks."""
    place.settings(sink.port, brake="off", rate=0, per_person=0, in_flight=plan.in_flight)
    place.people(["person0@example.org"], [f"person{number}@example.org" for number in range(1, plan.mails)])
    place.begin()
    place.event("talking", "closes", time_from_now(minutes=100))


def kill_repeatedly(place: Place, sink: Peer, plan: Plan, mails: int, say: Callable[[str], None]) -> Counter[str]:
    """Start and kill, so that the mails last for all kills; how many met the daemon at which step.

    The step is the last one that the relay saw; "start" when it saw none in that life.
    """
    chance = random.Random(plan.seed)
    met: Counter[str] = Counter()
    start_up, sending = 1.0, 0.0
    for number in range(plan.kills):
        early = chance.random() < STARTING
        sink.look()
        through, cut = len({each.message_id for each in sink.messages}), len(sink.cut)
        begun = time.monotonic()
        daemon = place.start(plan.program)
        try:
            if early:
                time.sleep(chance.uniform(0, start_up))
            elif wait_until_it_sends(sink, plan.idle):
                start_up = time.monotonic() - begun
                pace = sending / through if through and sending else len(plan.steps) * plan.slow / 2 + 0.02
                left = max(mails - through, 1)  # a spoilt daemon may have mailed more than there are
                length = chance.uniform(0, 2 * pace * left / (plan.kills - number))
                time.sleep(length)
                sending += length
        finally:
            daemon.kill()
        time.sleep(0.02)  # for the relay to notice
        sink.look()
        met[["start", *sink.cut[cut:]][-1]] += 1
        if (number + 1) % 20 == 0:
            say(f"{number + 1} kills, {through} of {mails} mails through")
    return met


def wait_until_it_sends(sink: Peer, idle: float) -> bool:
    """Wait for another connection to be made. False when none is: there is nothing left to send."""
    end = time.monotonic() + START_UP + idle
    made = sink.made
    while sink.made == made:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
        sink.look()
    return True


def settle(daemon: Running, mails: int, idle: float) -> None:
    """Wait until every mail has come to rest, or nothing moves any more."""
    wait_for(daemon.answers)
    before, since = None, time.monotonic()
    while time.monotonic() - since < idle:
        counts = daemon.health()["outbox"]
        if sum(counts.values()) == mails and not any(counts[state] for state in UNREST):
            return
        if counts != before:
            before, since = counts, time.monotonic()
        time.sleep(0.05)


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--mails", type=int, default=usual.mails)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--slow", type=float, default=usual.slow, help="seconds that the relay's answers take at most")
    parser.add_argument("--slow-at", nargs="+", choices=SLOW_STEPS, default=SLOW_STEPS, help="which answers")
    parser.add_argument("--idle", type=float, default=usual.idle, help="seconds without progress that show the end")
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    forms = "; ".join(f"{name}: {form.__doc__}" for name, form in broken.FORMS.items())
    parser.add_argument("--break", dest="form", choices=broken.FORMS, help=f"spoil the daemon. {forms}")
    given = parser.parse_args()
    program = broken.program(given.form) if given.form else REMINDERS
    plan = Plan(given.kills, given.mails, given.seed, given.slow, given.slow_at, given.idle, given.in_flight, program)
    with tempfile.TemporaryDirectory() as folder:
        findings = harass(Path(folder), plan, say=lambda line: print(line, flush=True))
    finish(findings)


if __name__ == "__main__":
    main()
