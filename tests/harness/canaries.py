"""Nobody's mail holds anything of anybody else's, as the receiving end sees it.

    python -m tests.harness.canaries --mails 10000 [--break mixed]

Each person's name, address and links hold a number that is theirs alone. The mails go out side by side, through a
relay that refuses, hangs up and keeps silent at chosen moments; some cannot be composed. Of every message that was
kept, and of every envelope, is asked what `tests.canaries` asks.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import update

from reminders.clock import FixedClock, SystemClock
from reminders.jobs import taking, workers
from reminders.jobs.deliver import deliver, recover, transport_of
from reminders.jobs.service import Service
from reminders.mail.letter import Letter
from reminders.process import start
from reminders.store import tables
from tests.canaries import faults, mark
from tests.edges.smtpd import LOSE, Received, serving
from tests.harness import scene
from tests.harness.scene import Scene
from tests.harness.verdict import Findings, finish

EVERY = 97
"""One mail in so many cannot be composed at first."""
PASSES = 200
TROUBLES = {
    "RCPT": ("451 4.7.1 greylisted", LOSE),
    "DATA": ("451 4.3.0 not now", LOSE),
    "DOT": ("451 4.3.0 later", LOSE),
    "MAIL": ("421 4.3.2 closing",),
}


def harass(folder: Path, mails: int, seed: int, form: str = "") -> Findings:
    """Send them all, through whatever happens, and look at what came."""
    begun = time.monotonic()
    made = scene.make(folder, mails)
    _mark(made)
    kept: list[Received] = []
    start(_send(made, mails, seed, form, kept))
    breaches = []
    seen: Counter[int] = Counter()
    for each in kept:
        found = [re.fullmatch(r"canary(\d+)x@example\.org", to) for to in each.recipients]
        if len(found) != 1 or found[0] is None:
            breaches.append(f"an envelope with the recipients {each.recipients}")
            continue
        number = int(found[0][1])
        seen[number] += 1
        breaches += [f"the mail of {number}: {what}" for what in faults(each.data, number)]
    if len(seen) != mails:
        breaches.append(f"{mails} people were to be mailed, and {len(seen)} were")
    figures: dict[str, object] = {"seed": seed, "mails": mails, "messages kept": len(kept)}
    figures |= {"people mailed": len(seen), "seconds": round(time.monotonic() - begun, 1)}
    return Findings(figures, breaches)


def _mark(made: Scene) -> None:
    """Give everybody a name and an address that nobody else has."""
    names = ("Canary{}X", "Zoë canary{}x", "canary{}x O'Neil", '"canary{}x", Dr', "")
    with made.service() as service, service.store.writing() as tx:
        for (id,) in tx.execute(tables.subscriber.select().with_only_columns(tables.subscriber.c.id)).all():
            own = {"address": f"{mark(id)}@example.org", "name": names[id % len(names)].format(id)}
            tx.execute(update(tables.subscriber).where(tables.subscriber.c.id == id).values(own))


async def _send(made: Scene, mails: int, seed: int, form: str, kept: list[Received]) -> None:
    chance = random.Random(seed)
    async with serving() as server:
        scene.settings(made, server.port, 20, {"attempts": 20, "public_url": "https://dates.example.org"})
        with made.service() as service, workers.working(service.data) as owner:
            _canary_links(service)
            _fail_sometimes(chance, form)
            for number in range(PASSES):
                if number < PASSES // 4:
                    for step, choice in TROUBLES.items():
                        server.fail(step, *chance.choices(choice, k=chance.randint(0, 3)))
                now = SystemClock().now()
                await asyncio.to_thread(recover, service, now)
                await deliver(service, transport_of(service), FixedClock(now), owner)
                if not await asyncio.to_thread(_wait_over, service):
                    break
        kept += server.received


def _canary_links(service: Service) -> None:
    """Links hold their person's number, in place of a token that says nothing to a reader of this harness."""
    service.token = lambda subscriber: mark(subscriber)  # type: ignore[method-assign]  # as a test of compose has it


def _fail_sometimes(chance: random.Random, form: str) -> None:
    """Some mails cannot be composed; with `mixed` some hold another's name, which must be noticed."""
    whole = taking._letter  # the one place where a letter is put together
    last: list[object] = []

    def letter(service: Service, claimed: taking.Claimed, message_id: str, now: datetime) -> Letter:
        if chance.random() < 1 / EVERY:
            raise ValueError("this one cannot be composed, as the harness chose")
        made = whole(service, claimed, message_id, now)
        if form == "mixed" and last and chance.random() < 0.02:
            made = replace(made, unsubscribe_url=str(last[0]))
        last[:] = [made.unsubscribe_url]
        return made

    vars(taking)["_letter"] = letter


def _wait_over(service: Service) -> bool:
    """Let the time go by that rows wait, and give another chance to those that could not be composed."""
    row = tables.outbox
    with service.store.writing() as tx:
        tx.execute(update(row).where(row.c.state == "owed").values(next_at=None))
        again = update(row).where(row.c.state == "failed", row.c.reply.like("cannot be composed%"))
        tx.execute(again.values(state="owed", settled_at=None, next_at=None))
        return bool(tx.execute(row.select().with_only_columns(row.c.id).where(row.c.state == "owed").limit(1)).first())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000)
    parser.add_argument("--break", dest="form", default="", choices=["mixed"], help="mix up some links")
    given = parser.parse_args()
    with scene.scratch() as folder:
        findings = harass(folder, given.mails, given.seed, given.form)
    finish(findings)


if __name__ == "__main__":
    main()
