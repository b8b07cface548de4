"""The promise under kill -9: a daemon that is killed at random moments, again and again, while it sends.

    python -m tests.flows.kills --kills 200 --mails 500

One life after another of `reminders run` works through the same outbox, and is killed: one in ten while it starts,
the others while it sends, through a relay in a process of its own whose answers take their time, so that kills meet
every step of a message. Nobody else touches the store meanwhile. Then it is left in peace until all is settled, and
the store and what the relay kept must agree with each other and with the promise. Exit 1 when they do not.

`--break` takes one part of the promise out of the daemon (`tests.flows.broken`), to show that this would notice.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from reminders.store.ledger import Record
from reminders.store.outbox import LOST
from tests.edges.smtpd import SLOW_STEPS
from tests.flows import broken
from tests.flows.service import REMINDERS, Kept, Place, Relay, Running, relay, time_from_now, wait_for

PEOPLE = 10
STEPS = "steps.txt"
START_UP = 5.0
"""Seconds that the daemon may take to start on a busy machine."""
STARTING = 0.1
"""The share of kills that meet the daemon while it starts."""
AT_REST = ("sent", "failed", "uncertain", "dropped")
UNREST = ("owed", "claimed", "sending")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. `mails` is rounded up to tens.

    `slow` is how many seconds the relay's answers at `steps` take at most, `idle` how many without progress show that
    nothing is left to be done, or that something is stuck.
    """

    kills: int = 200
    mails: int = 500
    seed: int = 1
    slow: float = 0.1
    steps: Sequence[str] = SLOW_STEPS
    idle: float = 10.0
    program: Sequence[str] = REMINDERS


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it: figures by name, and each breach of the promise in words."""

    figures: dict[str, object]
    breaches: list[str]

    def words(self) -> str:
        width = max(map(len, self.figures))
        lines = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        shown = [*self.breaches[:20], *([f"… {len(self.breaches) - 20} more"] if len(self.breaches) > 20 else [])]
        return "\n".join([*lines, *(f"BROKEN: {each}" for each in shown)])


def harass(folder: Path, plan: Plan, say: Callable[[str], None] = lambda line: None) -> Findings:
    """Carry out the plan in an empty folder, and judge."""
    begun = time.monotonic()
    place = Place(folder)
    slow = ("--slow", str(plan.slow), "--slow-at", *plan.steps)
    with relay(folder / "mails.jsonl", 0, "--steps", str(folder / STEPS), *slow) as sink:
        mails = prepare(place, sink, plan.mails)
        met = kill_repeatedly(place, sink, plan, mails, say)
        daemon = place.start(plan.program)
        try:
            settle(daemon, mails, plan.idle)
            code = daemon.stop()
        finally:
            daemon.kill()
        records, kept = place.records(), sink.kept()
    breaches = list(judge(records, kept, plan.kills, mails))
    if code != 0:
        breaches.append(f"the last daemon ended with {code}")
    logs = "".join(log.read_text() for log in folder.glob("run-*.log"))
    if "Traceback" in logs:
        breaches.append(f"a daemon raised: {logs[logs.index('Traceback') :][:2000]}")
    states = Counter(record.row.state for record in records)
    copies = by_reminder(kept)
    doubts = Counter(owner for _, owner in lost(records))
    return Findings(
        {"seed": plan.seed, "mails owed": mails, "kills": plan.kills}
        | {f"kills, last seen at {step}": met[step] for step in sorted(met)}
        | {
            "kills that left a message in doubt": len(doubts),
            "most in doubt by one kill": max(doubts.values(), default=0),
        }
        | {f"notices {state}": states[state] for state in sorted(states)}
        | {"messages the relay kept": len(kept), "extra copies": len(kept) - len(copies)}
        | {"most copies of one": max(map(len, copies.values()), default=0)}
        | {"seconds": round(time.monotonic() - begun, 1)},
        breaches,
    )


def prepare(place: Place, sink: Relay, mails: int) -> int:
    """A service that owes so many mails as soon as it looks; how many that really are."""
    events = -(-mails // PEOPLE)
    place.settings(sink.port, brake="off")
    place.people([f"person{number}@example.org" for number in range(PEOPLE)])
    place.begin()
    for number in range(events):
        place.event(f"event-{number}", "closes", time_from_now(minutes=100), title=f"Event {number}")
    return events * PEOPLE


def kill_repeatedly(place: Place, sink: Relay, plan: Plan, mails: int, say: Callable[[str], None]) -> Counter[str]:
    """Start and kill, so that the mails last for all kills; how many met the daemon at which step.

    The step is the last one that the relay saw; "start" when it saw none in that life.
    """
    chance = random.Random(plan.seed)
    met: Counter[str] = Counter()
    start_up, sending = 1.0, 0.0
    for number in range(plan.kills):
        early = chance.random() < STARTING
        through = len({message_id(each) for each in sink.kept()})
        seen = len(steps(place))
        begun = time.monotonic()
        daemon = place.start(plan.program)
        try:
            if early:
                time.sleep(chance.uniform(0, start_up))
            elif wait_until_it_sends(place, seen, plan.idle):
                start_up = time.monotonic() - begun
                pace = sending / through if through and sending else len(plan.steps) * plan.slow / 2 + 0.02
                left = max(mails - through, 1)  # a spoilt daemon may have mailed more than there are
                length = chance.uniform(0, 2 * pace * left / (plan.kills - number))
                time.sleep(length)
                sending += length
        finally:
            daemon.kill()
        met[["start", *steps(place)[seen:]][-1]] += 1
        if (number + 1) % 20 == 0:
            say(f"{number + 1} kills, {through} of {mails} mails through")
    return met


def wait_until_it_sends(place: Place, seen: int, idle: float) -> bool:
    """Wait for a message to be begun after the `seen` steps. False when none is: there is nothing left to send."""
    end = time.monotonic() + START_UP + idle
    while "MAIL" not in steps(place)[seen:]:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def steps(place: Place) -> list[str]:
    """The steps of messages that the relay saw so far."""
    path = place.folder / STEPS
    return [step for step in path.read_text().splitlines() if step in SLOW_STEPS] if path.exists() else []


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


def judge(records: Sequence[Record], kept: Sequence[Kept], kills: int, mails: int) -> Iterator[str]:
    """Every breach of the promise that the store and the relay's file show, a sentence each."""
    if len(records) != mails:
        yield f"{mails} mails were owed, and the outbox has {len(records)}"
    copies = defaultdict(list)
    for each in kept:
        copies[message_id(each)].append(each)
    for record in records:
        yield from judge_one(record, copies[record.row.message_id] if record.row.message_id else [])
    known = {record.row.message_id for record in records}
    yield from (f"{id} was mailed, and the outbox has never heard of it" for id in copies if id not in known)
    for same in copies.values():
        if len({each.data for each in same}) > 1:
            yield f"{message_id(same[0])} was mailed with different bytes"
    for (to, about), messages in by_reminder(kept).items():
        if len(ids := {message_id(each) for each in messages}) > 1:
            yield f"{to} got '{about}' under {len(ids)} Message-IDs"
    yield from (f"one message went to {len(each.recipients)}" for each in kept if len(each.recipients) != 1)
    for owner, count in Counter(owner for _, owner in lost(records)).items():
        if count > 1:
            yield f"{count} messages were in doubt at once when {owner} died; the window is 1"
    if (extra := len(kept) - len(by_reminder(kept))) > kills:
        yield f"{kills} kills, and {extra} extra copies"


def judge_one(record: Record, copies: Sequence[Kept]) -> Iterator[str]:
    """What is wrong with one notice, of which the relay has these copies. The relay refused nothing."""
    row = record.row
    if row.state not in AT_REST:
        yield f"notice {row.id} never came to rest: it is {row.state}"
    if row.state == "sent" and not copies:
        yield f"notice {row.id} is lost: it is called sent, and the relay never had it"
    if row.state in ("failed", "dropped"):
        yield f"notice {row.id} is {row.state} ({row.reason} {row.reply}) for no reason"
    if row.state == "uncertain" and any(each.phase != LOST for each in record.attempts):
        yield f"notice {row.id} is uncertain, and not because of a kill"
    if len(copies) > len(record.attempts):
        yield f"notice {row.id} was mailed {len(copies)} times, with {len(record.attempts)} attempts recorded"


def lost(records: Sequence[Record]) -> list[tuple[int, str]]:
    """The attempts that a kill left in doubt, each as (notice, worker)."""
    return [
        (record.row.id, attempt.owner) for record in records for attempt in record.attempts if attempt.phase == LOST
    ]


def by_reminder(kept: Sequence[Kept]) -> dict[tuple[str, str], list[Kept]]:
    """The messages by what they are about, whatever they are called: recipient and subject are one reminder's own."""
    found = defaultdict(list)
    for each in kept:
        found[each.recipients[0], subject(each)].append(each)
    return dict(found)


def message_id(message: Kept) -> str:
    found = re.search(rb"(?im)^message-id:\s*(<[^>]+>)", message.data)
    return found[1].decode() if found else ""


def subject(message: Kept) -> str:
    head = message.data.partition(b"\r\n\r\n")[0]
    return str(message_from_bytes(head + b"\r\n\r\n", policy=policy.default)["Subject"])


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=usual.kills)
    parser.add_argument("--mails", type=int, default=usual.mails, help="rounded up to tens")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 100_000, help="of the moments; by default another each time"
    )
    parser.add_argument("--slow", type=float, default=usual.slow, help="seconds that the relay's answers take at most")
    forms = "; ".join(f"{name}: {form.__doc__}" for name, form in broken.FORMS.items())
    parser.add_argument("--break", dest="form", choices=broken.FORMS, help=f"spoil the daemon. {forms}")
    given = parser.parse_args()
    plan = Plan(given.kills, given.mails, given.seed, given.slow)
    if given.form:
        plan = Plan(given.kills, given.mails, given.seed, given.slow, program=broken.program(given.form))
    with tempfile.TemporaryDirectory() as folder:
        findings = harass(Path(folder), plan, say=lambda line: print(line, flush=True))
    print(findings.words())
    sys.exit(1 if findings.breaches else 0)


if __name__ == "__main__":
    main()
