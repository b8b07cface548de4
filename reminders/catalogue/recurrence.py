"""How a date repeats: the part of RFC 5545 recurrence rules (3.3.10) that makes sense for dates, and its days.

``FREQ=WEEKLY;BYDAY=MO;COUNT=10`` is read into a `Recurrence`, whose `text` is canonical. It speaks of local days only:
the time of day, and how long each lasts, are those of the first. The days are counted by dateutil.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Literal

from dateutil import rrule

from reminders.catalogue.dates import DateError, Precision, parse_when

MOST = 1000
"""More occurrences than that are a slip of the finger, or no end was meant."""
LAST_DAY = date(2199, 12, 31)
"""No date is later (see `dates`)."""
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Frequency(StrEnum):
    """The unit in which a date repeats."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule by which a day repeats: every `interval` units, `count` times, through `until` (a day), or for ever.

    The other fields narrow or multiply the days within a unit, as in RFC 5545. `weekdays` are (0 for Monday … 6, n):
    the nth of the month or year, from its end when negative, each when 0. Tuples are sorted.
    """

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: date | None = None
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0

    @property
    def text(self) -> str:
        """The rule in its canonical spelling: two that say the same in the same words are equal."""
        return self.written(f"{self.until:%Y%m%d}" if self.until else "")

    @property
    def bounded(self) -> bool:
        """Whether it ends."""
        return self.count is not None or self.until is not None

    def written(self, until: str) -> str:
        """The same with another spelling of UNTIL, which depends on what repeats (RFC 5545, 3.3.10)."""
        parts = {
            "FREQ": self.frequency.value,
            "INTERVAL": str(self.interval) if self.interval > 1 else "",
            "COUNT": str(self.count) if self.count else "",
            "UNTIL": until,
            "BYMONTH": _joined(self.months),
            "BYMONTHDAY": _joined(self.month_days),
            "BYDAY": ",".join(f"{nth or ''}{DAYS[day]}" for day, nth in self.weekdays),
            "BYSETPOS": _joined(self.positions),
            "WKST": DAYS[self.week_start] if self.week_start else "",
        }
        return ";".join(f"{name}={value}" for name, value in parts.items() if value)


def days(rule: Recurrence, first: date, *, since: date | None = None) -> Iterator[date]:
    """The local days of a series that begins on `first`, in order; those before `since` are left out.

    A series without a count is taken up near `since`, so that an old one costs no more than a new one. `first` itself
    is one of them only if it satisfies the rule. None is later than 2199.
    """
    if rule.count is not None:
        found: Iterator[date] = iter(_counted(rule, first))
    elif since is None or since <= first:
        found = _generated(rule, first, first)
    else:
        found = _generated(rule, first, _taken_up(rule, first, since))
    return found if since is None else (day for day in found if day >= since)


def last_day(rule: Recurrence, first: date) -> date | None:
    """The last local day of a series that begins on `first`; None when it has no end."""
    return max(days(rule, first), default=first) if rule.bounded else None


def takes_place(rule: Recurrence, first: date, day: date) -> bool:
    """Whether `day` is one of the series that begins on `first`."""
    return day >= first and next(days(rule, first, since=day), None) == day


@lru_cache(maxsize=8192)
def parse_recurrence(text: str) -> Recurrence:
    """Read a rule. Raises `DateError` for whatever is no rule, or makes no sense for dates."""
    said = "".join(text.split()).upper().removeprefix("RRULE:")
    if "=" not in said:
        raise DateError(f"'{text[:80]}' is not a rule for repeating", f"write {_suggested(text)}")
    parts: dict[str, str] = {}
    for part in said.strip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise DateError(f"'{part[:80]}' is not a part of a rule", f"write parts like {EXAMPLE}")
        if name not in _KNOWN:
            raise _unknown(name)
        if name in parts:
            raise DateError(f"the rule says {name} twice", "delete one")
        parts[name] = value
    frequency = _frequency(parts.get("FREQ"))
    if "COUNT" in parts and "UNTIL" in parts:
        raise DateError("the rule has both COUNT and UNTIL", "write one of them: how often, or the last day")
    rule = Recurrence(
        frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, MOST),
        count=_number("COUNT", parts["COUNT"], 1, MOST) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        months=_numbers("BYMONTH", parts, 1, 12, signed=False),
        month_days=_numbers("BYMONTHDAY", parts, 1, 31, signed=True),
        weekdays=_weekdays(parts.get("BYDAY", ""), frequency),
        positions=_numbers("BYSETPOS", parts, 1, 366, signed=True),
        week_start=_week_start(parts.get("WKST", "MO")),
    )
    _contradictions(rule)
    return rule


EXAMPLE = "FREQ=WEEKLY;BYDAY=MO;COUNT=10"
_KNOWN = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST")
_FREQUENCIES: Mapping[Frequency, Literal[0, 1, 2, 3]] = {
    Frequency.DAILY: 3,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 1,
    Frequency.YEARLY: 0,
}
"""As dateutil numbers them."""
_UNITS = {"year": "YEARLY", "annual": "YEARLY", "month": "MONTHLY", "week": "WEEKLY", "da": "DAILY"}
_OF_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")
_WEEKDAY = re.compile(r"(?P<nth>[+-]?\d{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)", re.ASCII)


def _joined(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


@lru_cache(maxsize=8192)
def _counted(rule: Recurrence, first: date) -> tuple[date, ...]:
    return tuple(islice(_generated(rule, first, first), rule.count))


def _generated(rule: Recurrence, first: date, start: date) -> Iterator[date]:
    """The days from `start` on, which is `first` or the beginning of a later unit of its rhythm, whatever the count."""
    months, month_days, weekdays = rule.months, rule.month_days, rule.weekdays
    if not month_days and not weekdays:  # what the first day says then (RFC 5545, 3.3.10, the last paragraph but one)
        if rule.frequency is Frequency.WEEKLY:
            weekdays = ((first.weekday(), 0),)
        elif rule.frequency in (Frequency.MONTHLY, Frequency.YEARLY):
            month_days = (first.day,)
            months = months or ((first.month,) if rule.frequency is Frequency.YEARLY else ())
    daily = rule.frequency is Frequency.DAILY
    found = rrule.rrule(
        _FREQUENCIES[rule.frequency],
        dtstart=datetime.combine(start, time()),
        interval=rule.interval,
        until=datetime.combine(min(rule.until or LAST_DAY, LAST_DAY), time()),
        wkst=rule.week_start,
        bysetpos=rule.positions or None,
        # Days that are narrowed to none would be looked for, one after the other, to the year 9999.
        bymonth=None if daily else months or None,
        bymonthday=None if daily else month_days or None,
        byweekday=None if daily else [rrule.weekday(day, nth or None) for day, nth in weekdays] or None,
    )
    for each in found:
        day = each.date()
        if not daily or (
            (not months or day.month in months)
            and (not month_days or not {day.day, day.day - _length(day) - 1}.isdisjoint(month_days))
            and (not weekdays or (day.weekday(), 0) in weekdays)
        ):
            yield day


def _length(day: date) -> int:
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day


def _taken_up(rule: Recurrence, first: date, since: date) -> date:
    """The beginning of a unit of the rhythm, not after `since` and no earlier than `first`."""
    match rule.frequency:
        case Frequency.DAILY:
            return first + timedelta(days=(since - first).days // rule.interval * rule.interval)
        case Frequency.WEEKLY:
            units = (since - first).days // 7 // rule.interval - 1  # a week may have begun before its day
            return first + timedelta(weeks=max(units, 0) * rule.interval)
        case Frequency.MONTHLY:
            units = ((since.year - first.year) * 12 + since.month - first.month) // rule.interval
            year, month = divmod(first.year * 12 + first.month - 1 + units * rule.interval, 12)
            return date(year, month + 1, 1) if units else first
        case Frequency.YEARLY:
            units = (since.year - first.year) // rule.interval
            return date(first.year + units * rule.interval, 1, 1) if units else first


def _unknown(name: str) -> DateError:
    if name in _OF_DAY:
        return DateError(f"a rule here has no {name}", "write the time of day in 'when'")
    if name in ("BYWEEKNO", "BYYEARDAY"):
        return DateError(f"a rule here has no {name}", "write BYMONTH with BYMONTHDAY or BYDAY")
    close = get_close_matches(name, _KNOWN, n=1)
    return DateError(f"'{name[:80]}' is not known in a rule", f"write {close[0] if close else ', '.join(_KNOWN)}")


def _suggested(text: str) -> str:
    unit = next((name for word, name in _UNITS.items() if word in text.casefold()), "")
    return f"FREQ={unit}" if unit else f"one like {EXAMPLE}"


def _frequency(text: str | None) -> Frequency:
    if text is None:
        raise DateError("the rule does not say FREQ", f"write it first, as in {EXAMPLE}")
    if text in ("HOURLY", "MINUTELY", "SECONDLY"):
        raise DateError(f"FREQ={text} repeats within a day", "write DAILY, WEEKLY, MONTHLY or YEARLY")
    if text not in list(Frequency):
        close = get_close_matches(text, list(Frequency), n=1)
        what = f"'{text[:80]}' is no frequency"
        raise DateError(what, f"write {close[0]}" if close else "write DAILY, WEEKLY, MONTHLY or YEARLY")
    return Frequency(text)


def _number(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
        raise DateError(f"{name}={text[:80]} is no number that fits", f"write one from {least} to {most}")
    return int(text)


def _numbers(name: str, parts: dict[str, str], least: int, most: int, *, signed: bool) -> tuple[int, ...]:
    numbers = set()
    for text in parts[name].split(",") if name in parts else ():
        sign = -1 if signed and text.startswith("-") else 1
        numbers.add(sign * _number(name, text[1:] if signed and text[:1] in ("+", "-") else text, least, most))
    return tuple(sorted(numbers))


def _until(text: str) -> date:
    if re.fullmatch(r"\d{8}(T\d{6}Z?)?", text, re.ASCII):
        spelt = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
        if len(text) > 8:
            raise DateError(f"UNTIL={text} has a time of day", f"write the last day alone, UNTIL={spelt}")
        text = spelt
    when = parse_when(text, "UTC")
    if when.precision is not Precision.DAY or when.first is None or when.edtf != when.first.isoformat():
        raise DateError(f"UNTIL={text[:80]} is not one day", "write the last day, like UNTIL=2019-12-31")
    return when.first


def _weekdays(text: str, frequency: Frequency) -> tuple[tuple[int, int], ...]:
    found = set()
    for part in text.split(",") if text else ():
        match = _WEEKDAY.fullmatch(part)
        if match is None:
            likely = part[:2] if part[:2] in DAYS else ", ".join(DAYS)
            raise DateError(f"'{part[:80]}' is no day of the week", f"write {likely}")
        nth = int(match["nth"] or 0)
        if match["nth"] and frequency not in (Frequency.MONTHLY, Frequency.YEARLY):
            raise DateError(f"{part} counts within a month or a year", f"write {match['day']}, or FREQ=MONTHLY")
        if match["nth"] and not 1 <= abs(nth) <= 5:
            raise DateError(f"there is no {part}", f"write 1 to 5, or -1 for the last, before {match['day']}")
        found.add((DAYS.index(match["day"]), nth))
    return tuple(sorted(found))


def _week_start(text: str) -> int:
    if text not in DAYS:
        raise DateError(f"'{text[:80]}' is no day of the week", f"write {', '.join(DAYS)}")
    return DAYS.index(text)


def _contradictions(rule: Recurrence) -> None:
    if rule.month_days and rule.frequency is Frequency.WEEKLY:
        raise DateError("a week has no days of a month", "write BYDAY, or FREQ=MONTHLY")
    if rule.frequency is Frequency.DAILY and rule.interval > 1 and min(rule.month_days, default=0) < 0:
        raise DateError("some calendars never find such a day", "leave INTERVAL out, or write FREQ=MONTHLY")
    if rule.frequency is Frequency.YEARLY and not rule.months and any(nth for _, nth in rule.weekdays):
        raise DateError("some calendars do not count weekdays within a year", "write BYMONTH too")
    if rule.frequency is Frequency.YEARLY and rule.interval > 1 and rule.month_days and not rule.months:
        raise DateError("some calendars take only the days of one month of the year", "write BYMONTH too")
    if len({nth == 0 for _, nth in rule.weekdays}) > 1:
        raise DateError("calendars do not agree about BYDAY with and without numbers", "write all or none with one")
    if not rule.positions:
        return
    of_month = rule.frequency is Frequency.MONTHLY or (rule.frequency is Frequency.YEARLY and len(rule.months) == 1)
    if not of_month or not rule.weekdays or rule.month_days:
        raise DateError(
            "BYSETPOS chooses from the weekdays of a month, and in some calendars from nothing else",
            "write FREQ=MONTHLY with BYDAY, as in FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1, or leave it out",
        )
