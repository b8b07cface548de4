"""Housekeeping: past entries leave the feeds, and the store is kept in shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reminders.jobs import braking
from reminders.jobs.drawing import stamp_feeds
from reminders.jobs.service import Service
from reminders.store import events, forecast, ledger, packing, people
from reminders.store.forecast import Surplus

MONTH = timedelta(days=30.4375)
"""The mean month: nobody counts on which day an old date leaves."""
SAID = timedelta(days=30)
"""How long an entry says that its date is cancelled or postponed: many looks even of the slowest calendar program."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many entries left the feeds, the names of the feeds that changed by it, and how many held mails expired.

    `surplus` are days of the plan that bring more mails than is usual.
    """

    left: int = 0
    feeds: tuple[str, ...] = ()
    expired: int = 0
    surplus: Surplus | None = None


def tidy(service: Service, now: datetime) -> Tidied:
    """Let entries leave the feeds that were over for longer than `keep_past`, or long enough cancelled or postponed.

    Leaving counts as a change. Mails that were held until they were of no use any more are dropped. What the plan
    foresees is accepted a day further.
    """
    months = service.settings.keep_past
    with service.store.writing() as tx:
        packing.tidy(tx)
    with service.store.writing(alone=events.TURN) as tx:
        expired = len(ledger.expire(tx, now))
        book = service.book(tx)
        if book is None:
            return Tidied(expired=expired)
        published = events.published(tx)
        members = people.subscribers(tx, book.configuration.audiences).values()
        forecast.forget(tx, now.date())
        surplus = braking.foresee(tx, service, book, published.values(), members, now)
        old = [
            each
            for each in events.entries(tx).values()
            if each.left_at is None
            and ((each.off_since and each.off_since < now - SAID) or (months and each.over < now - months * MONTH))
        ]
        if not old:
            return Tidied(expired=expired, surplus=surplus)
        events.save_entries(tx, [replace(each, left_at=now) for each in old])
        feeds = stamp_feeds(tx, service, book, published, now)
        events.count_publication(tx, now)
    return Tidied(len(old), tuple(feeds), expired, surplus)
