"""Which occurrences of a series a pass must look at: an endless series must not make anything endless."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import date as Day

from reminders.catalogue.events import Event, EventDate, PublishedDate, PublishedEvent
from reminders.catalogue.series import coming, occurrence, occurrences, published_occurrences
from reminders.planning.rules import Rule, rules_about
from reminders.planning.send import reach

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a notice about a date that is not known loses its use."""
AFTERWARDS = timedelta(days=7)
"""How long a rung that looks back on its date is of use."""


def within_reach(
    event: PublishedEvent, rules: tuple[Rule, ...], since: datetime, until: datetime
) -> Iterator[PublishedDate]:
    """The event's dates, and of its series all occurrences of which a rung can be ready after `since` until `until`."""
    for dated in event.dates:
        if dated.date.repeats is None and not dated.earlier:
            yield dated
        else:
            found = published_occurrences(dated, *days(event.event, dated.date, rules, since, until))
            yield from sorted(found, key=lambda each: (each.date.when.begins or NEVER, each.date.occurrence))


def days(event: Event, date: EventDate, rules: tuple[Rule, ...], since: datetime, until: datetime) -> tuple[Day, Day]:
    """The first and last day of occurrences that a rung between two instants can be about, or be of use for."""
    reaches = {True: timedelta(days=2), False: timedelta(days=2)}  # no clock is further from UTC
    for rule in rules_about(event, date.kind, rules):
        reaches[rule.send.after] = max(reaches[rule.send.after], reach(rule.send))
    return (since - reaches[True] - AFTERWARDS).date(), (until + reaches[False]).date()


def following(event: Event, date: EventDate, rules: tuple[Rule, ...], after: datetime) -> Iterator[EventDate]:
    """The date; of a series the occurrences among which is the one whose rung is due first after an instant."""
    if date.repeats is None:
        yield date
        return
    first, last = days(event, date, rules, after, after)
    yield from occurrences(date, first, last)
    yield from coming(date, last + timedelta(days=1), 1)
    # The usual ones may have no rung where a changed one has: on the day at 08:00, about what begins at 00:00.
    yield from (each for override in date.repeats.overrides if (each := occurrence(date, override.on)))
