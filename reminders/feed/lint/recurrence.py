"""Rules of recurrence (RFC 5545, 3.3.10): whether they are legal, and on which days and times they fall."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any, cast

from dateutil import rrule

from reminders.feed.lint.content import shown
from reminders.feed.lint.times import Moment, from_utc, moment, moved
from reminders.feed.lint.values import Parameters

MOST = 20_000
"""How many occurrences of a rule are looked at: 54 years of a daily one."""
_CYCLE = 400
"""After so many years the calendar repeats to the day of the week."""
_HOURS = ("SECONDLY", "MINUTELY", "HOURLY")
_DAYS = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAY = re.compile(rf"([+-]?[0-9]{{1,2}})?({'|'.join(_WEEKDAYS)})")
_RANGES = {
    "BYSECOND": (0, 60),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_NOT_WITH = {
    "BYMONTHDAY": ("WEEKLY",),
    "BYYEARDAY": ("DAILY", "WEEKLY", "MONTHLY"),
    "BYWEEKNO": (*_HOURS, "DAILY", "WEEKLY", "MONTHLY"),
}


def rule(value: str, parameters: Parameters) -> str | None:
    """What is wrong with a rule, or None."""
    found = parts(value)
    if isinstance(found, str):
        return found
    if "FREQ" not in found:
        return f"{shown(value)} says no FREQ; write FREQ=YEARLY or another of {', '.join(_DAYS)}"
    if "COUNT" in found and "UNTIL" in found:
        return "COUNT and UNTIL cannot stand in one rule; leave one of them out"
    wrong = next((wrong for name, written in found.items() if (wrong := _part(name, written))), None)
    return wrong or _together(found)


def parts(value: str) -> dict[str, str] | str:
    """The parts of a rule by name, or what is wrong with it."""
    found: dict[str, str] = {}
    for part in value.upper().split(";"):
        name, _, written = part.partition("=")
        if not written:
            return f"{shown(part)} is no part of a rule; write NAME=value, with semicolons between"
        if name in found:
            return f"{name} stands in the rule twice"
        found[name] = written
    return found


def _part(name: str, written: str) -> str | None:
    if name == "FREQ":
        fine, wanted = written in _HOURS + _DAYS, " or ".join(_DAYS)
    elif name in ("COUNT", "INTERVAL"):
        fine, wanted = bool(re.fullmatch("0*[1-9][0-9]{0,8}", written)), "a whole number from 1 up"
    elif name == "UNTIL":
        found = _until(written)
        return found if isinstance(found, str) else None
    elif name == "WKST":
        fine, wanted = written in _WEEKDAYS, "a weekday such as MO"
    elif name == "BYDAY":
        days = [_WEEKDAY.fullmatch(each) for each in written.split(",")]
        fine = all(each and (each[1] is None or 1 <= abs(int(each[1])) <= 53) for each in days)
        wanted = "weekdays such as MO,TU, or -1SU for the last Sunday"
    elif name in _RANGES:
        least, most = _RANGES[name]
        numbers = [each for each in written.split(",") if re.fullmatch("[+-]?[0-9]{1,3}", each)]
        fine = len(numbers) == written.count(",") + 1
        fine = fine and all(least <= int(each) <= most and (int(each) or least == 0) for each in numbers)
        wanted = f"numbers from {least} to {most}" + (" without 0" if least < 0 else "")
    else:
        return f"{shown(name)} is no part of a rule"
    return None if fine else f"{name}={shown(written)} in the rule; write {wanted}"


def _together(found: Mapping[str, str]) -> str | None:
    """What parts forbid of each other."""
    frequency = found["FREQ"]
    for name, frequencies in _NOT_WITH.items():
        if name in found and frequency in frequencies:
            return f"{name} cannot stand in a rule with FREQ={frequency}"
    if re.search("[0-9]", found.get("BYDAY", "")) and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in found):
        return "a weekday with a number can only stand in a rule with FREQ=MONTHLY or FREQ=YEARLY, without BYWEEKNO"
    of_month = frequency == "MONTHLY" or "BYMONTH" in found
    if of_month and any(abs(int(each[1] or 0)) > 5 for each in _WEEKDAY.finditer(found.get("BYDAY", ""))):
        return f"BYDAY={shown(found['BYDAY'])} in the rule, but no month has more than five of a weekday"
    if "BYSETPOS" in found and not any(name.startswith("BY") for name in found if name != "BYSETPOS"):
        return "BYSETPOS picks from what another BY… part says, and there is none"
    return None


def _until(written: str) -> Moment | str:
    return moment(written, {} if "T" in written else {"VALUE": "DATE"})


def start_fault(found: Mapping[str, str], start: Moment) -> str | None:
    """What is wrong with a legal rule where DTSTART is as it is, or None."""
    until = _until(found["UNTIL"]) if "UNTIL" in found else None
    if isinstance(until, Moment):
        if start.day and not until.day:
            return f"UNTIL={shown(found['UNTIL'])} has a time, but DTSTART is a date; write a date such as 20201231"
        if start.zone and until.zone != "UTC":
            return f"UNTIL={shown(found['UNTIL'])} must be in UTC as DTSTART has a zone; write 20201231T235959Z"
    hours = {"BYHOUR", "BYMINUTE", "BYSECOND"} & found.keys()
    return f"{min(hours)} cannot stand in the rule of a date without a time" if start.day and hours else None


def expandable(found: Mapping[str, str]) -> bool:
    """Whether `occurrences` can answer: not for rules of hours, minutes and seconds."""
    return found["FREQ"] in _DAYS


def occurrences(
    found: Mapping[str, str], start: Moment, last: datetime, *, offset: timedelta = timedelta()
) -> Iterator[datetime]:
    """The rule's occurrences as clocks show them in the zone of `start`, in order: `MOST` at most, until `last`.

    `found` must be legal, and `expandable`. DTSTART is among them only if the rule says so. `offset` is how far a
    start without a zone is from UTC, which UNTIL is written in.
    """
    # A rule that never falls on any day would be searched to the year 9999. The same years near the end have the same
    # weekdays and are searched in no time; a few centuries are left for rules that do fall on days.
    shift = max(0, (9999 - 2 * _CYCLE - start.clock.year) // _CYCLE * _CYCLE + _CYCLE)
    begins = start.clock.replace(year=start.clock.year + shift)
    until: Any = _until(found["UNTIL"]) if "UNTIL" in found else None
    if until is not None:
        clock = until.clock if until.day else moved(from_utc(until.clock, start.zone), offset)
        until = clock.replace(year=clock.year + shift) if clock.year + shift <= 9999 else None
    made = rrule.rrule(
        cast(Any, getattr(rrule, found["FREQ"])),
        dtstart=begins,
        interval=int(found.get("INTERVAL", "1")),
        wkst=_WEEKDAYS.index(found.get("WKST", "MO")),
        count=int(found["COUNT"]) if "COUNT" in found else None,
        until=until,
        byweekday=[
            rrule.weekday(_WEEKDAYS.index(each[2]), int(each[1]) if each[1] else None)
            for each in _WEEKDAY.finditer(found.get("BYDAY", ""))
        ]
        or None,
        bysetpos=_numbers(found, "BYSETPOS"),
        bymonth=_numbers(found, "BYMONTH"),
        bymonthday=_numbers(found, "BYMONTHDAY"),
        byyearday=_numbers(found, "BYYEARDAY"),
        byweekno=_numbers(found, "BYWEEKNO"),
        byhour=_numbers(found, "BYHOUR"),
        byminute=_numbers(found, "BYMINUTE"),
        bysecond=_numbers(found, "BYSECOND"),
    )
    shifted = (clock.replace(year=clock.year - shift) for clock in _to_the_end(made))
    return islice(takewhile(lambda clock: clock <= last, shifted), MOST)


def _numbers(found: Mapping[str, str], name: str) -> list[int] | None:
    return [int(each) for each in found[name].split(",")] if name in found else None


def _to_the_end(made: rrule.rrule) -> Iterator[datetime]:
    try:
        yield from made
    except (ValueError, OverflowError):  # dateutil fell over the end of the year 9999: there are no more
        return
