"""What must be true of a date that repeats before it is published: all that is said of the series fits together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice, pairwise, takewhile

from reminders.catalogue import zones
from reminders.catalogue.dates import DateError, Precision, When
from reminders.catalogue.recurrence import LAST_DAY, MOST, Recurrence, days, takes_place
from reminders.catalogue.series import when_on, years
from reminders.catalogue.summertime import clocks

_SAMPLE = timedelta(days=4 * 366)
"""So much of a series shows whether its occurrences overlap."""
_SHOWN = timedelta(minutes=30)
"""Calendars show an instant as so long, before it or after it."""


def check_series(rule: Recurrence, when: When) -> None:
    """Raise `DateError` unless `when` can be the first of a series by the rule."""
    if when.first is None or when.precision < Precision.DAY:
        raise DateError(
            f"'{when.edtf}' cannot repeat", "write the first day in 'when', or leave 'repeats' out until then"
        )
    if when.qualifier:
        firm = when.edtf.replace(when.qualifier, "")
        raise DateError("a date that is not certain cannot repeat", f"write {firm} in 'when', or leave 'repeats' out")
    ahead = days(rule, when.first)
    found = list(islice(ahead, 1))
    near = LAST_DAY if rule.bounded else when.first + _SAMPLE
    found += takewhile(lambda day: day <= near, islice(ahead, MOST))
    if not found and rule.until and rule.until < when.first:
        raise DateError(f"the series ends on {rule.until}, before it begins", f"write UNTIL={when.first} or later")
    if not found:
        raise DateError("there is no such day", "write a BYMONTH, BYMONTHDAY and BYDAY that fit together")
    if found[0] != when.first:
        raise DateError(f"{when.first} is not a day of this rule", f"begin 'when' on {found[0]}, or mend the rule")
    if rule.until and len(found) > MOST:
        raise DateError(f"the date would repeat more than {MOST} times", "write an earlier UNTIL, or leave it out")
    _check_ends(rule, when, found)
    if when.precision is Precision.INSTANT:
        _check_clocks(rule, when)


def check_day(rule: Recurrence, when: When, day: date) -> None:
    """Raise `DateError` unless the series whose first is `when` takes place on `day`."""
    if when.first is not None and not takes_place(rule, when.first, day):
        near = min(_around(rule, when.first, day), key=lambda each: (abs(each - day), each))
        raise DateError(f"by its rule the date is not on {day}", f"write {near}, the nearest day that it is")


def _check_ends(rule: Recurrence, when: When, found: list[date]) -> None:
    length = (when.last or found[0]) - found[0]
    if (rule.count and len(found) < rule.count) or (rule.bounded and found[-1] > LAST_DAY - length):
        raise DateError(f"the series goes on after {LAST_DAY.year}", "write a smaller COUNT, or an earlier UNTIL")
    samples = (when_on(when, day) for day in found if day <= min(LAST_DAY - length, found[0] + _SAMPLE))
    if any(_later(before) > _earlier(after) for before, after in pairwise(samples)):
        raise DateError("one begins before the one before it is over", "make 'when' shorter, or the step longer")


def _later(when: When) -> tuple[object, ...]:
    return (when.ends,) if when.ends else (when.last + timedelta(days=1) if when.last else None,)


def _earlier(when: When) -> tuple[object, ...]:
    return (when.starts,) if when.starts else (when.first,)


def _check_clocks(rule: Recurrence, when: When) -> None:
    if when.starts and when.ends and not _steady(when.starts, when.ends, when.zone):
        near = "within half an hour of" if when.starts == when.ends else "during"
        what = f"clocks in {when.zone} change {near} the first of the series, which all others are like"
        raise DateError(what, "begin the series with another, and write this one as a date of its own in a list")
    since, through = years(rule, when)
    if clocks(when.zone, since, through) is None:
        what = f"clocks in {when.zone} follow no yearly rule from {since} to {through}, as calendars need"
        raise DateError(what, "write the dates one by one as a list, or end the series earlier with UNTIL")


def _steady(starts: datetime, ends: datetime, zone: str) -> bool:
    """Whether clocks run on from one instant to another, or around one, and show neither for a second time."""
    margin = _SHOWN if starts == ends else timedelta()
    shown = {instant: zones.local(instant, zone) for instant in (starts - margin, starts, ends, ends + margin)}
    once = all(zones.instants(clock, zone) == (instant,) for instant, clock in shown.items())
    return once and shown[ends + margin] - shown[starts - margin] == ends - starts + 2 * margin


def _around(rule: Recurrence, first: date, day: date) -> Iterator[date]:
    """Days of the series among which is the nearest to a day."""
    following = next(days(rule, first, since=max(day, first)), None)
    if following:
        yield following
    for back in (40, 400, 4000, None):
        since = first if back is None or day - first < timedelta(days=back) else day - timedelta(days=back)
        before = None
        for each in days(rule, first, since=since):
            if each >= day:
                break
            before = each
        if before:
            yield before
            return
