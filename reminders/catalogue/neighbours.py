"""The rule of the days before those of another, or after them.

A calendar begins a deadline of ten past midnight on the day before, and RFC 5545 (3.8.5.3) wants a series to begin on
a day of its own rule. So the rule is moved with it: the day before the first Monday of a month is a Sunday that is the
last of its month or one of the first six. Not every rule has such a neighbour.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from reminders.catalogue.recurrence import Frequency, Recurrence

_LENGTHS = {month: 28 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}
"""How many days a month has at least."""
_DAYS_OF_MONTHS = (Frequency.MONTHLY, Frequency.YEARLY)


def neighbour(rule: Recurrence, first: date, by: Literal[-1, 1]) -> Recurrence | None:
    """The rule of all the days one earlier (-1) or later (1) than those of the series that begins on `first`.

    None when no rule has just those days.
    """
    day = timedelta(days=by)
    weekdays = tuple(sorted(((each + by) % 7, nth) for each, nth in rule.weekdays))
    moved = replace(rule, until=rule.until + day if rule.until else None, weekdays=weekdays)
    if rule.frequency in _DAYS_OF_MONTHS:
        return None if rule.positions else _in_months(rule, first, moved, by)
    if rule.months or rule.month_days:
        return None
    counted_by_week = rule.frequency is Frequency.WEEKLY and (rule.interval > 1 or rule.positions)
    return replace(moved, week_start=(rule.week_start + by) % 7) if counted_by_week else moved


def _in_months(rule: Recurrence, first: date, moved: Recurrence, by: Literal[-1, 1]) -> Recurrence | None:
    months, days = rule.months, rule.month_days
    if not days and not rule.weekdays:  # the first says then which day it is
        days = (first.day,)
        months = months or ((first.month,) if rule.frequency is Frequency.YEARLY else ())
    nths = {nth for _, nth in rule.weekdays} - {0}
    if nths:
        names = {day for day, _ in rule.weekdays}
        if days or len(names) * len(nths) != len(rule.weekdays):
            return None
        days = tuple(sorted(day for nth in nths for day in _week(nth)))
        moved = replace(moved, weekdays=tuple(sorted((day, 0) for day in {day for day, _ in moved.weekdays})))
    if not days:  # any day that is such a weekday, in whatever month or year
        return None if months or rule.interval > 1 else moved
    if not months and by < 0 and days in ((30,), (31,)):
        months = tuple(month for month, length in _LENGTHS.items() if length >= days[0])
    least = min(_LENGTHS[month] for month in months or _LENGTHS)
    edge = 1 if by < 0 else -1
    if any(max(abs(day), abs(day + by)) > least for day in days if day != edge):
        return None
    if edge in days:
        if days == (edge,):
            if rule.frequency is Frequency.YEARLY and rule.interval > 1 and len(months) != 1:
                return None
            months = tuple(sorted((month - 1 + by) % 12 + 1 for month in months))
        elif months or rule.interval > 1:
            return None
    return replace(moved, months=months, month_days=tuple(sorted(-edge if day == edge else day + by for day in days)))


def _week(nth: int) -> range:
    """The days of a month of which the nth of any weekday is one, counted from its end when negative."""
    return range(7 * nth - 6, min(7 * nth, 31) + 1) if nth > 0 else range(max(7 * nth, -31), 7 * nth + 7)
