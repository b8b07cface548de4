"""Dates in words: British English, whatever the machine's locale is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from reminders.catalogue import zones
from reminders.catalogue.dates import Precision, When
from reminders.catalogue.recurrence import Frequency, Recurrence
from reminders.catalogue.spellings import MONTHS

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNCONFIRMED = "date to be confirmed"
UNANNOUNCED = {"tba": "date to be announced", "open": "open, no date given"}
_DOUBTS = {"": "", "?": "not yet certain", "~": "approximate", "%": "approximate, not yet certain"}
_UNITS = {
    Frequency.DAILY: "day",
    Frequency.WEEKLY: "week",
    Frequency.MONTHLY: "month",
    Frequency.YEARLY: "year",
}
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "last but one"}
_SEASONS = {3: "spring", 6: "summer", 9: "autumn", 12: "winter"}


def words(when: When) -> str:
    """A date as a sentence holds it, such as "Friday 14 December 2018, 10:00 UK time".

    Says so when the date is less than a day's precise, or not certain.
    """
    if when.first is None or when.last is None:
        return UNANNOUNCED[when.edtf]
    notes = [UNCONFIRMED] if when.precision < Precision.DAY else []
    notes += [_DOUBTS[when.qualifier]] if when.qualifier else []
    return _phrase(when, "{weekday} {day} {month} {year}", MONTHS) + (f" ({', '.join(notes)})" if notes else "")


def short(when: When) -> str:
    """A date for a list, such as "14 Dec 2018, 10:00" (UK time unless another is named) or "Mar 2019"."""
    if when.first is None or when.last is None:
        return {"tba": "to be announced", "open": "open"}[when.edtf]
    text = _phrase(when, "{day} {month} {year}", [month[:3] for month in MONTHS])
    return text.removesuffix(" UK time") + (" (?)" if when.qualifier else "")


def day_words(day: date) -> str:
    """A day, such as "14 December 2018"."""
    return _day(day, "{day} {month} {year}", MONTHS)


def zone_words(zone: str) -> str:
    """The name of a zone's time, such as "UK time" or "Berlin time (Europe/Berlin)"."""
    place = zone.rpartition("/")[2].replace("_", " ")
    return {"Europe/London": "UK time", "UTC": "UTC"}.get(zone, f"{place} time ({zone})")


def repeated(rule: Recurrence, first: date) -> str:
    """How a date repeats whose first day is given, such as "every week on Monday, 10 times".

    Rules that take long to say are only "repeats".
    """
    days = _repeated_days(rule, first)
    unit = _UNITS[rule.frequency]
    said = "repeats" if days is None else f"every {rule.interval} {unit}s" if rule.interval > 1 else f"every {unit}"
    end = f", {rule.count} times" if rule.count else ""
    if rule.until:
        end = f", until {day_words(rule.until)}"
    return f"{said}{f' on {days}' if days else ''}{end}"


def _repeated_days(rule: Recurrence, first: date) -> str | None:
    """Which days of its unit are meant; None when that takes long to say."""
    weekdays, month_days, months = rule.weekdays, rule.month_days, rule.months
    if rule.positions or (weekdays and month_days):
        return None
    match rule.frequency:
        case Frequency.DAILY:
            return None if weekdays or month_days or months else ""
        case Frequency.WEEKLY:
            return None if months else _and(WEEKDAYS[day] for day, _ in weekdays or ((first.weekday(), 0),))
        case Frequency.MONTHLY if months:
            return None
        case Frequency.YEARLY if len(months) > 1 or (not months and (weekdays or month_days)):
            return None
    if weekdays and not all(nth in _NTH for _, nth in weekdays):
        return None
    month = MONTHS[(months or (first.month,))[0] - 1] if rule.frequency is Frequency.YEARLY else ""
    if weekdays:
        return _and(f"the {_NTH[nth]} {WEEKDAYS[day]}" for day, nth in weekdays) + (f" of {month}" if month else "")
    if min(month_days, default=1) < 0:
        return f"the last day{f' of {month}' if month else ''}" if month_days == (-1,) else None
    numbers = _and(str(day) for day in month_days or (first.day,))
    return f"{numbers} {month}" if month else f"day {numbers}"


def _and(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _phrase(when: When, pattern: str, months: Sequence[str]) -> str:
    first, last = when.first, when.last
    if first is None or last is None:
        raise ValueError("only a date that is known can be put in words")
    match when.precision:
        case Precision.INSTANT:
            return _instants(when, pattern, months)
        case Precision.DAY:
            return _between(_day(first, pattern, months), _day(last, pattern, months))
        case Precision.MONTH:
            return _between(*(_day(day, "{month} {year}", months) for day in (first, last)))
        case Precision.SEASON:
            return _between(_season(first), _season(date(last.year - (last.month == 2), last.month - 2 or 12, 1)))
        case _:
            return _between(str(first.year), str(last.year))


def _between(first: str, last: str) -> str:
    """From one to another, without saying twice what both end with: "13 to 15 March 2019"."""
    if first == last:
        return first
    start, end = first.split(), last.split()
    while len(start) > 1 and start[-1] == end[-1]:
        if start[-1].isdigit() and len(start[-1]) < 4:
            break  # a day of the month; what precedes it is not common
        start.pop()
        end.pop()
    return f"{' '.join(start)} to {last}"


def _day(day: date, pattern: str, months: Sequence[str]) -> str:
    name = WEEKDAYS[day.weekday()]
    return pattern.format(weekday=name, day=day.day, month=months[day.month - 1], year=day.year)


def _season(first: date) -> str:
    year = f"{first.year}/{(first.year + 1) % 100:02}" if first.month == 12 else str(first.year)
    return f"{_SEASONS[first.month]} {year}"


def _instants(when: When, pattern: str, months: Sequence[str]) -> str:
    if when.starts is None or when.ends is None:
        raise ValueError("a date of this precision has instants")
    start, end = zones.local(when.starts, when.zone), zones.local(when.ends, when.zone)
    said = f"{_day(start, pattern, months)}, {_clock(start, when.starts, when)}"
    if when.ends != when.starts:
        said += " to "
        said += "" if end.date() == start.date() else f"{_day(end, pattern, months)}, "
        said += _clock(end, when.ends, when)
    return f"{said} {zone_words(when.zone)}"


def _clock(clock: datetime, instant: datetime, when: When) -> str:
    """The time of day; where clocks show it twice, also which of the two it is."""
    twice = len(zones.instants(clock, when.zone)) == 2
    return f"{clock:%H:%M}" + (f" (UTC{zones.offset(instant, when.zone)})" if twice else "")
