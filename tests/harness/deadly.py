"""Mails that kill whoever composes them, as by running out of memory: each costs its own attempts, and no other mail.

    python -m tests.harness.deadly --mails 500 --deadly 5 [--in-flight 20] [--database postgresql] [--break undying]

Some mails of an outbox end the process that renders them (SIGKILL). One worker after the other is started until one
ends by itself. Each of these mails must have failed, with the reason, after `sending.DEATHS` deaths and not one more,
and nothing of it was begun; every other mail is sent, however often it was in hand beside one that kills. What was
under way at a death may have gone twice, as after any kill.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from reminders.jobs.service import Service
from reminders.mail.compose import Letter, Templates
from reminders.mail.skeleton import Composed
from reminders.settings import Settings
from reminders.store import backups, tables
from reminders.store.ledger import Record
from reminders.store.sending import DEATHS
from tests.harness import broken, scene, worker
from tests.harness.peer import peer
from tests.harness.scene import Scene
from tests.harness.verdict import Findings, finish, judge, summary
from tests.store import postgres


@dataclass(frozen=True, slots=True)
class Plan:
    """How many mails there are, and how many of them kill."""

    mails: int = 500
    deadly: int = 5
    in_flight: int = 1
    seed: int = 1
    database: str = ""
    form: str = ""


def harass(folder: Path, plan: Plan) -> Findings:
    """Have workers die of mails, and judge."""
    if plan.form:
        broken.FORMS[plan.form]()
    begun = time.monotonic()
    more = {"database": plan.database} if plan.database else {}
    made = scene.make(folder / "service", plan.mails, more)
    log = folder / "lives.log"
    deadly = _choose(made, plan)
    most = plan.deadly * DEATHS
    with peer(folder / "mails.jsonl") as sink:
        scene.settings(made, sink.port, plan.in_flight, more)
        deaths = last = code = 0
        while deaths <= most and (code := worker.ended(*worker.fork(lambda: _live(made, deadly), log))) < 0:
            deaths, before = deaths + 1, len(sink.messages)
            sink.look()
            last = deaths if len(sink.messages) > before else last
        sink.look()
        records = made.records()
        facts = {"mails": plan.mails, "kills": deaths, "window": plan.in_flight, "attempts": Settings().attempts}
        breaches = [*judge(records, sink.messages, **facts), *backups.check(made.url)]
    breaches = [*_judge(records, deadly.values()), *breaches]
    if deaths > most:
        breaches.insert(0, f"{deaths} workers died of {plan.deadly} mails, which may cost {most}")
    elif code:
        breaches.insert(0, f"the last worker ended with {code}: {log.read_text()[-2000:]}")
    beside = [each.row.deaths for each in records if each.row.notice.subscriber not in deadly.values()]
    figures: dict[str, object] = {"seed": plan.seed, "mails owed": plan.mails, "mails that kill": plan.deadly}
    figures |= {"in flight": plan.in_flight, "deaths": deaths, "deaths before which a mail went": last}
    figures |= {"most deaths beside another mail": max(beside, default=0)}
    figures |= summary(records, sink.messages)
    return Findings(figures | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def _choose(made: Scene, plan: Plan) -> dict[str, int]:
    """Whose mails kill: their addresses and numbers."""
    person = tables.subscriber.c
    with made.service() as service, service.store.reading() as tx:
        everybody = {address: id for address, id in tx.execute(select(person.address, person.id).order_by(person.id))}
    chosen = random.Random(plan.seed).sample(list(everybody), plan.deadly)
    return {address: everybody[address] for address in chosen}


def _live(made: Scene, deadly: Collection[str]) -> int:
    """One life of a worker, which ends when it renders one of these people's mails."""
    compose = Service.compose

    def compose_or_die(self: Service, templates: Templates, letter: Letter) -> Composed:
        if letter.subscriber.address in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return compose(self, templates, letter)

    Service.compose = compose_or_die  # type: ignore[method-assign]  # in this process, which ends after it
    return worker.live(made)


def _judge(records: Sequence[Record], deadly: Collection[int]) -> Iterator[str]:
    """What is wrong with the mails that kill, and with those that had been in hand beside them."""
    for record in records:
        row = record.row
        if row.notice.subscriber not in deadly:
            if row.state != "sent":
                yield f"notice {row.id} kills nobody, and is {row.state}: {row.reply}"
        elif row.state != "failed" or "workers ended" not in row.reply:
            yield f"notice {row.id} kills, and is {row.state}: {row.reply or 'no reason'}"
        elif row.deaths != DEATHS or record.attempts:
            yield f"notice {row.id} kills, and has {row.deaths} deaths and {len(record.attempts)} attempts"


def main() -> None:
    usual = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=usual.mails)
    parser.add_argument("--deadly", type=int, default=usual.deadly, help="how many of them kill")
    parser.add_argument("--in-flight", type=int, default=usual.in_flight, help="the setting: messages begun at once")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100_000, help="by default another each time")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil the workers")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(scene.scratch())
        url = ""
        if given.database == "postgresql":
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.server())))
        plan = Plan(given.mails, given.deadly, given.in_flight, given.seed, url, given.form)
        findings = harass(folder, plan)
    finish(findings)


if __name__ == "__main__":
    main()
