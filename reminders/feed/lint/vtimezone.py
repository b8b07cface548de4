"""VTIMEZONE (RFC 5545, 3.6.5) in the one shape that every program reads, and compared with the zone it speaks of.

Some programs read one STANDARD and one DAYLIGHT and no more, and take a rule only if it is yearly by a weekday; no
other check compares what a VTIMEZONE says with what clocks show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from reminders.feed.lint import recurrence
from reminders.feed.lint.content import Component, Fault, read_parameters
from reminders.feed.lint.times import Moment, moment, moved, read_offset
from reminders.feed.timezone import zone_of

YEARS = 10
"""For how long after the first date that uses it a zone must be right, and at least until the last one."""
_STEP = timedelta(days=7)
"""No zone changes its clocks there and back within a week."""
_SECOND = timedelta(seconds=1)
_SEARCHED = datetime(2, 1, 1), datetime(2390, 1, 1)
"""In UTC. Instants before and after are not looked at: Python's time ends, and `occurrences` may."""


Change = tuple[datetime, timedelta]
"""From when on (naive UTC) a zone is how far from UTC."""


def shape_faults(zone: Component) -> Iterator[Fault]:
    """What is missing in a VTIMEZONE or more than programs read."""
    standard = [each for each in zone.inside if each.name == "STANDARD"]
    daylight = [each for each in zone.inside if each.name == "DAYLIGHT"]
    if zone.first("TZID") is None:
        yield Fault(zone.number, "the VTIMEZONE has no TZID")
    if len(standard) != 1:
        place = standard[1].number if standard else zone.number
        yield Fault(place, f"a VTIMEZONE has {len(standard)} STANDARD; write one, with an RRULE")
    if len(daylight) > 1:
        yield Fault(daylight[1].number, f"a VTIMEZONE has {len(daylight)} DAYLIGHT; write one, with an RRULE")
    for each in (*standard, *daylight):
        for name in ("DTSTART", "TZOFFSETFROM", "TZOFFSETTO"):
            if each.first(name) is None:
                yield Fault(each.number, f"the {each.name} has no {name}")
        if (listed := each.first("RDATE")) is not None:
            yield Fault(listed.number, "RDATE: programs read only a rule here; write RRULE:FREQ=YEARLY with BYDAY")
        rule = each.first("RRULE")
        if daylight and rule is None:
            yield Fault(each.number, f"the {each.name} has no RRULE; write FREQ=YEARLY with BYMONTH and BYDAY")
        elif rule is not None:
            parts = recurrence.parts(rule.value)
            if not isinstance(parts, str) and (parts.get("FREQ") != "YEARLY" or "BYDAY" not in parts):
                yield Fault(rule.number, "RRULE: the rule of a VTIMEZONE must be FREQ=YEARLY with BYMONTH and BYDAY")


def clock_fault(zone: Component, name: str, used: Iterable[datetime]) -> Fault | None:
    """The first instant at which a VTIMEZONE says something else than the zone of its name, for those that use it.

    The VTIMEZONE must have no other fault. `used` are naive times in UTC.
    """
    within = [instant for instant in used if _SEARCHED[0] < instant < _SEARCHED[1]]
    if not within:
        return None
    first = min(within)
    # Of a rule the zone no longer follows only what is used must be right.
    ahead = timedelta(days=366 * YEARS) if zone_of(name) == name else timedelta()
    last = max(*within, first + ahead)
    parts = [each for each in zone.inside if each.name in ("STANDARD", "DAYLIGHT")]
    said = sorted(change for each in parts for change in _said(each, last))
    true = list(_true(ZoneInfo(zone_of(name)), first, last))
    starts, real_starts = [begins for begins, _ in said], [begins for begins, _ in true]
    turns = sorted({begins for begins in (*starts, *real_starts) if first < begins <= last})
    for instant in (first, *(each for turn in turns for each in (turn - _SECOND, turn))):
        real = true[bisect_right(real_starts, instant) - 1][1]
        place = bisect_right(starts, instant)
        if place == 0:
            return Fault(
                zone.number, f"the VTIMEZONE begins after {instant} UTC, when {name} is used; begin it earlier"
            )
        if said[place - 1][1] != real:
            what = f"the VTIMEZONE is {_words(said[place - 1][1])} at {instant} UTC, when {name} is {_words(real)}"
            return Fault(zone.number, what)
    return None


def _said(part: Component, last: datetime) -> Iterator[Change]:
    values = {line.name: line for line in part.lines}
    before, after = (read_offset(values[name].value) for name in ("TZOFFSETFROM", "TZOFFSETTO"))
    start = moment(values["DTSTART"].value, read_parameters(values["DTSTART"].parameters))
    if before is None or after is None or not isinstance(start, Moment):
        raise ValueError("only a VTIMEZONE without another fault can be compared")
    yield moved(start.clock, -before), after
    rule = values.get("RRULE")
    parts = recurrence.parts(rule.value) if rule else {}
    if isinstance(parts, dict) and parts:
        for clock in recurrence.occurrences(parts, start, last + timedelta(days=1), offset=before):
            yield moved(clock, -before), after


def _true(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[Change]:
    """How far the zone is from UTC at `first`, and each change until `last`."""
    here = first
    current = _offset(zone, here)
    yield here, current
    while here < last:
        there = min(here + _STEP, last)
        after = _offset(zone, there)
        if after != current:
            low, high = here, there
            while high - low > _SECOND:
                middle = low + (high - low) // 2
                middle -= timedelta(microseconds=middle.microsecond)
                low, high = (middle, high) if _offset(zone, middle) == current else (low, middle)
            yield high, after
            current = after
        here = there


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()


def _words(offset: timedelta) -> str:
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02} from UTC"
