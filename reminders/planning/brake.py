"""The brake: how many mails a day may bring, and how much of the plan counts as foreseen.

Days are UTC days. What the plan foresees for a day is *accepted* while it is usual: at most `TIMES` the busiest day on
record, and a few mails always are. A day that exceeds that keeps what was accepted for it before, until an operator
accepts the plan. On record are only days that are past, as they had been accepted, and what an operator accepted: if
what was accepted for days to come counted, a wrong plan would lift its own bound step by step, from one look to the
next.

On the day itself a pass may owe what is left of `TIMES` the mails that are foreseen. What is owed the moment it
becomes known (an event that comes when its reminders are due already) is foreseen by no plan. Corrections and
announcements never are either; they are measured by the busiest day on record instead, and are counted by themselves:
a date that moves must not hold the reminders of its day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime, timedelta

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.planning.plan import fits, rungs
from reminders.planning.reach import within_reach
from reminders.planning.rules import Rule
from reminders.planning.selections import follows
from reminders.planning.subscribers import Selection, Subscriber

TIMES = 3
"""By how much a day may exceed what is foreseen or on record."""
HORIZON = timedelta(days=400)
"""How far the plan is foreseen, and how long a day stays on record: a year's peak is known when the next one comes."""


@dataclass(frozen=True, slots=True)
class Brake:
    """What is never held, and what always is unless foreseen, in mails a day.

    `least` mails go whatever is foreseen. `most` (None: no such bound) bounds the days for which no more is accepted.
    """

    least: int
    most: int | None = None

    def limit(self, foreseen: int, usual: int = 0) -> int:
        """How many mails a day may bring of which so many are `foreseen`; of what nobody can foresee `usual` ones."""
        limit = max(self.least, TIMES * max(foreseen, usual))
        if self.most is None or foreseen > self.most:
            return limit
        return max(self.least, min(limit, self.most))


def brake(least: int, share: int, people: int) -> Brake:
    """The brake of a service with so many people; `share` is the percentage that one day may mail (0: any)."""
    return Brake(least, people * share // 100 if share else None)


def foresee(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    subscribers: Iterable[Subscriber],
    *,
    after: datetime,
    until: datetime,
    nation: str,
) -> dict[Day, int]:
    """How many reminders will be mailed on each day, of those due after an instant and until another.

    As if nothing changed meanwhile. People who are in the same audiences are counted, not gone through.
    """
    crowds: Counter[tuple[tuple[str, ...], tuple[Selection, ...]]] = Counter()
    one: dict[tuple[tuple[str, ...], tuple[Selection, ...]], Subscriber] = {}
    for person in subscribers:
        if person.left_at is None:
            crowds[person.audiences, person.follows] += 1
            one[person.audiences, person.follows] = person
    mails: Counter[Day] = Counter()
    for published in events:
        for dated in within_reach(published, rules, after, until):
            kind = kinds.get(dated.date.kind)
            ladder = rungs(published.event, dated.date, kind, rules, nation) if kind else ()
            if not any(after < rung.due_at <= until for rung in ladder):
                continue
            for crowd, size in crowds.items():
                if not follows(one[crowd], published.event, dated.date.kind):
                    continue
                chain = [rung for rung in ladder if fits(rung.rule, one[crowd])]
                for rung, following in zip(chain, [*chain[1:], None], strict=False):  # of an empty chain nothing
                    superseded = following is not None and following.due_at == rung.due_at
                    if after < rung.due_at <= until and not superseded:
                        mails[rung.due_at.date()] += size
    return dict(mails)


def accept(
    plan: Mapping[Day, int], accepted: Mapping[Day, int], busiest: int, brake: Brake, today: Day
) -> tuple[dict[Day, int], dict[Day, int]]:
    """What is accepted of a plan, by day; and the days of which mails would be held, with what is planned.

    `accepted` is what was accepted before. The plan holds what is still to come: of `today`, what was accepted stays.
    """
    usual = brake.limit(0, busiest)
    days = {day: mails if mails <= usual else accepted.get(day, 0) for day, mails in plan.items()}
    if accepted.get(today):
        days[today] = max(accepted[today], days.get(today, 0))
    surplus = {day: mails for day, mails in plan.items() if mails > brake.limit(days[day])}
    return {day: mails for day, mails in days.items() if mails}, surplus
