"""The brake on the passes: whatever owes mails owes them through here, and a pass that would owe too many is held.

How much is too many, and what of the plan is accepted, is decided in `planning.brake`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from datetime import date as Day
from typing import TYPE_CHECKING

from reminders.catalogue.events import PublishedEvent
from reminders.jobs.service import Book, Service
from reminders.planning import brake
from reminders.planning.brake import HORIZON, Brake
from reminders.planning.notices import Notice
from reminders.planning.subscribers import Subscriber
from reminders.store import forecast, ledger, outbox, people
from reminders.store.forecast import Spent, Surplus
from reminders.store.outbox import Owed

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Stopped:
    """A batch of mails that the brake holds: its number, how many, how many the day may bring, which come first."""

    batch: int
    mails: int
    limit: int
    first: tuple[str, ...]

    @property
    def words(self) -> str:
        """What an operator is told."""
        return (
            f"batch {self.batch} is held, {self.mails} mails, because this day may bring {self.limit}: "
            f"{'; '.join(self.first)}{' …' if self.mails > len(self.first) else ''}. "
            f"`reminders outbox release {self.batch}` sends them, `outbox discard {self.batch}` drops them"
        )


@dataclass(frozen=True, slots=True)
class Braked:
    """What was owed, and the batch that was held instead, if it was."""

    owed: Owed
    stopped: tuple[Stopped, ...] = ()


def owe(
    tx: Connection,
    service: Service,
    book: Book,
    notices: Collection[Notice],
    *,
    since: datetime,
    now: datetime,
    changes: bool = False,
) -> Braked:
    """Put the notices of a pass into the outbox; when the day would bring too many mails, hold all of them.

    `since` is until when reminders had been owed: days between that and `now` were slept through, and what was
    foreseen for them comes today. With `changes` the notices are corrections and announcements.
    """
    if not notices:
        return Braked(Owed())
    if service.settings.brake == "off":
        return Braked(outbox.owe(tx, notices, now, policies=book.policies))
    today = _day(now)
    spent = _spent(tx, since, today)
    foreseen = forecast.accepted(tx, today).get(today, 0) + spent.missed
    usual = forecast.busiest(tx, today) if changes else 0
    limit = brake_of(tx, service).limit(foreseen, usual)
    left = max(0, limit - (spent.changes if changes else spent.reminders))
    owed = outbox.owe(tx, notices, now, limit=left, policies=book.policies)
    if owed.new:
        mails = len(owed.new)
        if changes:
            forecast.spend(tx, replace(spent, changes=spent.changes + mails))
        else:
            forecast.spend(tx, replace(spent, reminders=spent.reminders + mails))
    if not owed.held:
        return Braked(owed)
    rows = ledger.first_of(tx, owed.batch)
    first = tuple(f"{row.notice.words} to subscriber {row.notice.subscriber}" for row in rows)
    return Braked(owed, (Stopped(owed.batch, len(owed.held), limit, first),))


def foresee(
    tx: Connection,
    service: Service,
    book: Book,
    events: Iterable[PublishedEvent],
    subscribers: Iterable[Subscriber],
    now: datetime,
) -> Surplus | None:
    """Accept the plan as it stands, as far as it is usual; which of its days are not (None: all are)."""
    if service.settings.brake == "off":
        return None
    today = _day(now)
    plan = _plan(service, book, events, subscribers, now)
    usual = forecast.busiest(tx, today)
    days, surplus = brake.accept(plan, forecast.accepted(tx, today), usual, brake_of(tx, service), today)
    forecast.save(tx, days, surplus, today)
    return forecast.surplus(tx)


def accept(
    tx: Connection,
    service: Service,
    book: Book,
    events: Iterable[PublishedEvent],
    subscribers: Iterable[Subscriber],
    now: datetime,
) -> Mapping[Day, int]:
    """Accept the plan as it stands, all of it, on an operator's word. Returns the mails of each day."""
    today = _day(now)
    plan = _plan(service, book, events, subscribers, now)
    kept = forecast.accepted(tx, today).get(today, 0)
    forecast.save(tx, plan | {today: max(kept, plan.get(today, 0))}, {}, today)
    forecast.accept_by_hand(tx, max(plan.values(), default=0), today)
    return plan


def brake_of(tx: Connection, service: Service) -> Brake:
    """The brake as the settings have it, for as many people as there are today."""
    chosen = service.settings
    everybody = len(people.invited(tx)) if chosen.brake_share else 0
    return brake.brake(chosen.brake_least, chosen.brake_share, everybody)


def _plan(
    service: Service, book: Book, events: Iterable[PublishedEvent], subscribers: Iterable[Subscriber], now: datetime
) -> dict[Day, int]:
    read = book.configuration
    return brake.foresee(
        events,
        read.rules,
        read.kinds,
        subscribers,
        after=now,
        until=now + HORIZON,
        nation=service.settings.nation,
    )


def _spent(tx: Connection, since: datetime, today: Day) -> Spent:
    """What was owed today so far. The first pass of a day finds out how much of what was foreseen before is missed.

    Where another machine's clock has begun the next day already, that is today.
    """
    known = forecast.spent(tx)
    if known is not None and known.day >= today:
        return known
    missed = forecast.missed(tx, _day(since), today)
    if known is not None and known.day >= _day(since):
        missed -= known.reminders
    return Spent(today, missed=max(0, missed))


def _day(instant: datetime) -> Day:
    return instant.astimezone(UTC).date()
