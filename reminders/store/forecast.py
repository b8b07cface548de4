"""What the brake remembers: the mails accepted for each day, those owed on the last one, and what an operator accepted.

Days are UTC days. Whoever writes here has the turn of the events (`events.TURN`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date as Day

from sqlalchemy import Connection, delete, func, select

from reminders.planning.brake import HORIZON
from reminders.store import state
from reminders.store.tables import forecast, upsert

SPENT = "spent"
BY_HAND = "accepted_by_hand"
SURPLUS = "surplus"
"""What is kept under these names: a `Spent`; the busiest day of the plan that an operator accepted, and when that was;
how many days of the plan exceed what is accepted, and the first of them with its mails."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was owed on a day: `reminders`, and mails about `changes`. Mails that were held are not counted.

    `missed` are those foreseen for the days before that the first pass of this one had to make up for.
    """

    day: Day
    reminders: int = 0
    changes: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Surplus:
    """How many days of the plan exceed what is accepted, and how many mails the first and the worst of them bring."""

    days: int
    first: Day
    mails: int
    worst: Day
    most: int

    @property
    def words(self) -> str:
        """What an operator is told."""
        first = f"{self.mails} mails on {self.first:%d %B %Y}"
        if self.days > 1:
            first += f", {self.most} on {self.worst:%d %B %Y}" if self.worst != self.first else ""
            first += f", {self.days} such days in all"
        return (
            f"the plan foresees more mails than are usual ({first}): they will be held when they are due. "
            "If that is meant, `reminders outbox release` accepts the plan"
        )


def accepted(tx: Connection, since: Day) -> dict[Day, int]:
    """The mails accepted for each day from `since` on; a day without any is left out."""
    rows = tx.execute(select(forecast).where(forecast.c.day >= since.isoformat()))
    return {Day.fromisoformat(row.day): row.mails for row in rows}


def missed(tx: Connection, since: Day, today: Day) -> int:
    """How many mails were accepted for the days from `since` until yesterday."""
    between = (forecast.c.day >= since.isoformat(), forecast.c.day < today.isoformat())
    return int(tx.execute(select(func.coalesce(func.sum(forecast.c.mails), 0)).where(*between)).scalar_one())


def save(tx: Connection, days: Mapping[Day, int], surplus: Mapping[Day, int], today: Day) -> None:
    """Make this what is accepted from `today` on, and keep which days of the plan exceed it."""
    tx.execute(delete(forecast).where(forecast.c.day >= today.isoformat()))
    upsert(tx, forecast, [{"day": day.isoformat(), "mails": mails} for day, mails in days.items()])
    text = None
    if surplus:
        first, worst = min(surplus), max(surplus, key=lambda day: (surplus[day], today - day))
        facts = (len(surplus), first.isoformat(), surplus[first], worst.isoformat(), surplus[worst])
        text = json.dumps(facts)
    state.put(tx, SURPLUS, text)


def surplus(tx: Connection) -> Surplus | None:
    """Which days of the plan exceed what is accepted; None when none does."""
    text = state.get(tx, SURPLUS)
    if text is None:
        return None
    days, first, mails, worst, most = json.loads(str(text))
    return Surplus(days, Day.fromisoformat(first), mails, Day.fromisoformat(worst), most)


def busiest(tx: Connection, today: Day) -> int:
    """The mails of the busiest day on record: past days, and what an operator accepted, back to `HORIZON`."""
    past = (forecast.c.day >= (today - HORIZON).isoformat(), forecast.c.day < today.isoformat())
    most = int(tx.execute(select(func.coalesce(func.max(forecast.c.mails), 0)).where(*past)).scalar_one())
    text = state.get(tx, BY_HAND)
    if text is not None:
        mails, on = json.loads(str(text))
        if Day.fromisoformat(on) >= today - HORIZON:
            most = max(most, mails)
    return most


def accept_by_hand(tx: Connection, mails: int, today: Day) -> None:
    """Remember the busiest day of a plan that an operator accepted."""
    state.put(tx, BY_HAND, json.dumps((mails, today.isoformat())))


def forget(tx: Connection, today: Day) -> None:
    """Forget the days that are no longer on record."""
    tx.execute(delete(forecast).where(forecast.c.day < (today - HORIZON).isoformat()))


def spent(tx: Connection) -> Spent | None:
    """What was owed on the last day on which any mail was; None before the first."""
    text = state.get(tx, SPENT)
    if text is None:
        return None
    facts = json.loads(str(text))
    return Spent(**{**facts, "day": Day.fromisoformat(facts["day"])})


def spend(tx: Connection, spent: Spent) -> None:
    """Keep what was owed on a day, in place of what was kept before."""
    state.put(tx, SPENT, json.dumps({**asdict(spent), "day": spent.day.isoformat()}))
