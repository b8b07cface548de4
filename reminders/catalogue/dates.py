"""When something happens, as precisely as it is known and no more.

A `When` is written in a profile of EDTF (ISO 8601-2, level 1)::

    2018-12-14T10:00          an instant, local time in a zone (``+01:00`` says which, where clocks show it twice)
    2019-03-13T09:00/2019-03-13T17:00   from one instant to another
    2019-02-12                a day
    2019-03-13/2019-03-15     days, both included
    2019-03   2019-03/2019-05 a month, or months
    2019-22                   a season: 21 spring, 22 summer, 23 autumn, 24 winter
    2019      2019/2020       a year, or years
    tba                       not yet announced
    open                      open as of the day the source was checked; no date given

A trailing ``?`` (uncertain), ``~`` (approximate) or ``%`` (both) marks a day, month or year that is not firm.
Nothing is ever guessed or rounded: a month stays a month until somebody writes a day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache

from reminders.catalogue import zones
from reminders.catalogue.spellings import MONTHS, reproach, suggest


class Precision(IntEnum):
    """How closely a date is known; a greater value is closer. `NONE` is ``tba`` and ``open``."""

    NONE = 0
    YEAR = 1
    SEASON = 2
    MONTH = 3
    DAY = 4
    INSTANT = 5


@dataclass(frozen=True, slots=True)
class When:
    """A date as written, and what it covers.

    `edtf` is the canonical text and, with `zone`, determines all the rest. `first` and `last` are local days,
    both included (None for `Precision.NONE`). `starts` and `ends` are UTC instants, only for `Precision.INSTANT`
    (equal unless a span of instants was written). `qualifier` is "", "?", "~" or "%".
    """

    edtf: str
    zone: str
    precision: Precision
    first: date | None = None
    last: date | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    qualifier: str = ""

    @property
    def dated(self) -> bool:
        """Whether anything at all is known of the day."""
        return self.precision > Precision.NONE

    @property
    def begins(self) -> datetime | None:
        """The UTC instant from which it can be: its own, or local midnight at the start of the first day."""
        if self.starts is not None or self.first is None:
            return self.starts
        return zones.midnight(self.first, self.zone)

    @property
    def over(self) -> datetime | None:
        """The UTC instant at which it is over: its own (of a span the later), or local midnight after the last day."""
        if self.ends is not None or self.last is None:
            return self.ends
        return zones.midnight(self.last + timedelta(days=1), self.zone)


class DateError(ValueError):
    """A date, time or zone that cannot be used: `what` is wrong, and what to `write` instead."""

    def __init__(self, what: str, write: str) -> None:
        self.what = what
        self.write = write
        super().__init__(f"{what}: {write}")


@lru_cache(maxsize=8192)
def parse_when(text: str, zone: str) -> When:
    """Read one date, local to `zone` (an IANA name).

    The result's `edtf` is canonical: two texts that say the same in one zone give equal values. Raises `DateError`.
    """
    return _read(text, zone, strict=True)


@lru_cache(maxsize=8192)
def recall_when(text: str, zone: str) -> When:
    """Read a date that was accepted earlier, when the clocks of its zone may have been foretold otherwise.

    A time that they now skip is later by the gap, of one that they now show twice it is the first, and an offset that
    they no longer have still says which instant is meant.
    """
    return _read(text, zone, strict=False)


def _read(text: str, zone: str, *, strict: bool) -> When:
    check_zone(zone)
    text = text.strip()
    if text in ("tba", "open"):
        return When(text, zone, Precision.NONE)
    parts = text.split("/")
    if len(parts) > 2:
        raise _unreadable(text)
    matches = [_SHAPE.fullmatch(part) for part in parts]
    ends = [_part(match, zone, strict) for match in matches if match is not None]
    if len(ends) < len(parts):
        raise _unreadable(text)
    return ends[0] if len(ends) == 1 else _span(*ends)


def between(starts: datetime, ends: datetime, zone: str) -> When:
    """The date from one instant to another, or of one instant when they are equal, as clocks in `zone` show it."""
    first = _shown(starts, zone)
    return first if starts == ends else _span(first, _shown(ends, zone))


def check_zone(zone: str) -> None:
    """Raise `DateError` unless `zone` is the full name of a time zone."""
    if not zones.known(zone):
        raise DateError(f"'{zone}' is not a time zone", f"write {zones.nearest(zone)}")


def narrows(new: When, old: When) -> bool:
    """Whether `new` only firms `old` up: whoever was told the old one was not told anything wrong.

    True when something became known of a date that was ``tba`` or ``open``, when the new date is closer and lies
    within the old one, and when only a "not certain" was taken away. Days that were announced must stay the same
    days: a course of three days that becomes one has changed, it has not become firmer.
    """
    if old.begins is None or old.over is None:
        return new.dated
    if new.begins is None or new.over is None or not (old.begins <= new.begins and new.over <= old.over):
        return False
    if _extent(new) == _extent(old):
        return bool(old.qualifier) and not new.qualifier
    if old.precision >= Precision.DAY:
        same_days = new.first == old.first and (new.last == old.last or new.starts == new.ends)
        return new.precision > old.precision and same_days
    return new.precision >= old.precision


def _extent(when: When) -> tuple[object, ...]:
    return (when.precision, when.first, when.last, when.starts, when.ends)


_SHAPE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)(?:T(?P<hour>\d\d):(?P<minute>\d\d)"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?)?)?)?(?P<qualifier>[?~%])?",
    re.ASCII,
)
_SEASONS = {21: 3, 22: 6, 23: 9, 24: 12}
"""First month of each season; winter runs from December of its year to the end of February."""
_YEARS = range(1980, 2200)
"""Beyond these a year is a slip of the finger (and, before, offsets are not whole minutes everywhere)."""


def _unreadable(text: str) -> DateError:
    return DateError(reproach(text), f"write {suggest(text)}")


def _part(match: re.Match[str], zone: str, strict: bool) -> When:
    """One date, or one end of a span."""
    text, year, qualifier = match[0], int(match["year"]), match["qualifier"] or ""
    if year not in _YEARS:
        raise DateError(f"the year {match['year']} is out of range", "write a year from 1980 to 2199")
    if match["month"] is None:
        return When(text, zone, Precision.YEAR, date(year, 1, 1), date(year, 12, 31), qualifier=qualifier)
    month = int(match["month"])
    if match["day"] is None and month in _SEASONS:
        first = date(year, _SEASONS[month], 1)
        last = _month_end(year + 1, 2) if first.month == 12 else _month_end(year, first.month + 2)
        return When(text, zone, Precision.SEASON, first, last, qualifier=qualifier)
    if not 1 <= month <= 12:
        seasons = "" if match["day"] else ", or 21 for spring, 22 for summer, 23 for autumn, 24 for winter"
        raise DateError(f"there is no month {month:02}", f"write a month from 01 to 12{seasons}")
    first, last = date(year, month, 1), _month_end(year, month)
    if match["day"] is None:
        return When(text, zone, Precision.MONTH, first, last, qualifier=qualifier)
    if not 1 <= int(match["day"]) <= last.day:
        raise DateError(f"{MONTHS[month - 1]} {year} has no day {match['day']}", f"write a day from {first} to {last}")
    day = first.replace(day=int(match["day"]))
    if match["hour"] is None:
        return When(text, zone, Precision.DAY, day, day, qualifier=qualifier)
    if qualifier:
        raise DateError("a time of day cannot be uncertain", f"write the day alone, {day}{qualifier}")
    return _instant(day, int(match["hour"]), int(match["minute"]), match["offset"], zone, strict)


def _instant(day: date, hour: int, minute: int, offset: str | None, zone: str, strict: bool) -> When:
    """A local time in its zone; `offset` says which of two where clocks go back."""
    if hour > 23 or minute > 59:
        midnight = f"{day + timedelta(days=1)}T00:00 (the day after) or {day}T23:59"
        advice = midnight if (hour, minute) == (24, 0) else "hours from 00 to 23 and minutes from 00 to 59"
        raise DateError(f"there is no time {hour:02}:{minute:02}", f"write {advice}")
    clock = datetime(day.year, day.month, day.day, hour, minute)  # what a clock shows has no zone yet
    if offset == "Z":
        return _shown(clock.replace(tzinfo=UTC), zone)
    readings = {zones.offset(instant, zone): instant for instant in zones.instants(clock, zone)}
    if not strict and (offset not in readings if offset else len(readings) != 1):
        meant = datetime.fromisoformat(f"{clock.isoformat()}{offset}") if offset else zones.first(clock, zone)
        return _shown(meant.astimezone(UTC), zone)
    text = clock.isoformat(timespec="minutes")
    choices = [f"{text}{each}" for each in readings]
    if not readings:
        later = zones.after_gap(clock, zone).isoformat(timespec="minutes")
        what = f"clocks in {zone} go forward and skip {clock:%H:%M} on {day}"
        raise DateError(what, f"write the time that clocks show then, perhaps {later}")
    if offset is None and len(readings) == 2:
        what = f"clocks in {zone} go back and show {clock:%H:%M} twice on {day}"
        raise DateError(what, f"write {choices[0]} for the first or {choices[1]} for the second")
    if offset is not None and offset not in readings:
        write = " or ".join(choices) if len(choices) == 2 else f"{text}, without an offset"
        raise DateError(f"{zone} is not {offset} from UTC at that time", f"write {write}")
    return _shown(next(iter(readings.values())) if offset is None else readings[offset], zone)


def _shown(instant: datetime, zone: str) -> When:
    """The instant as its zone's clock shows it, with the offset only where that is needed."""
    clock = zones.local(instant, zone)
    offset = zones.offset(instant, zone) if len(zones.instants(clock, zone)) == 2 else ""
    text = f"{clock.isoformat(timespec='minutes')}{offset}"
    return When(text, zone, Precision.INSTANT, clock.date(), clock.date(), instant, instant)


def _span(start: When, end: When) -> When:
    """From one date to another, both included."""
    text = f"{start.edtf}/{end.edtf}"
    if start.precision is not end.precision:
        write = "write both as days, or both as months, years or times"
        raise DateError(f"the two ends of '{text}' are not equally precise", write)
    if (start.starts, start.first) == (end.starts, end.first):
        raise DateError(f"'{text}' starts and ends at once", f"write {start.edtf}")
    if _order(start) > _order(end):
        raise DateError(f"'{text}' ends before it starts", f"write {end.edtf}/{start.edtf}")
    alike = start.qualifier == end.qualifier or not (start.qualifier and end.qualifier)
    return When(
        edtf=text,
        zone=start.zone,
        precision=start.precision,
        first=start.first,
        last=end.last,
        starts=start.starts,
        ends=end.ends,
        qualifier=(start.qualifier or end.qualifier) if alike else "%",
    )


def _order(when: When) -> datetime:
    if when.begins is None:
        raise AssertionError("the ends of a span are dated")
    return when.begins


def _month_end(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])
