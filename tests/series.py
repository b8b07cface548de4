"""Dates that repeat, as tests draw and write them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

from hypothesis import assume
from hypothesis import strategies as st

from reminders.catalogue.dates import DateError, parse_when
from reminders.catalogue.events import EventDate, Override, Repeats
from reminders.catalogue.recurrence import Recurrence, days, parse_recurrence
from reminders.catalogue.repeats import check_series
from tests.builders import LONDON
from tests.builders import date as plain

ZONES = (LONDON, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def series(when: str, rule: str, *overrides: Override, excepted: tuple[str, ...] = (), **fields: object) -> EventDate:
    """A date that repeats; `excepted` are days as text."""
    left_out = tuple(map(date.fromisoformat, excepted))
    return plain(when, repeats=Repeats(parse_recurrence(rule), left_out, overrides), **fields)  # type: ignore[arg-type]  # test sugar


def override(on: str, when: str = "", zone: str = LONDON, **fields: object) -> Override:
    """What is different about the occurrence of a day."""
    instead = parse_when(when, zone) if when else None
    return Override(date.fromisoformat(on), instead, **fields)  # type: ignore[arg-type]  # test sugar


def _some(values: st.SearchStrategy[int], most: int = 3) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda found: ",".join(map(str, found)))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Any rule that may be written; not all have days."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 9))}")
    if draw(st.booleans()):
        parts.append(f"BYMONTH={draw(_some(st.integers(1, 12)))}")
    months = parts[-1].startswith("BYMONTH")
    chosen = False
    if frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={draw(_some(st.integers(1, 31) | st.integers(-31, -1)))}")
        chosen = True
    if draw(st.booleans()):
        nth = st.just("")
        if frequency == "MONTHLY" or (frequency == "YEARLY" and months):
            nth = st.sampled_from(["", "1", "2", "3", "4", "5", "-1", "-2"])
        found = st.builds("{}{}".format, nth, st.sampled_from(WEEKDAYS))
        weekdays = draw(st.lists(found, min_size=1, max_size=3, unique=True))
        parts.append(f"BYDAY={','.join(weekdays)}")
        chosen = frequency != "DAILY"
    if chosen and frequency == "MONTHLY" and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    ends = st.integers(1, 40).map("COUNT={}".format)
    ends |= st.integers(0, 3000).map(lambda count: f"UNTIL={date(2019, 1, 1) + timedelta(days=count)}")
    if draw(st.booleans()):
        parts.append(draw(ends))
    return ";".join(parts)


first_days = st.integers(0, 1500).map(lambda count: date(2018, 12, 1) + timedelta(days=count))
"""With a leap day, both changes of clocks, and ends of months and years."""


def begun(text: str, start: date) -> tuple[Recurrence, date]:
    """The rule, and its first day on or after a day; what has none is no example."""
    try:
        rule = parse_recurrence(text)
    except DateError:
        assume(False)
        raise
    first = next(days(rule, start), None)
    assume(first is not None and first.year < 2035)
    assert first is not None
    return rule, first


@st.composite
def series_of(draw: st.DrawFn, *, timed: bool) -> EventDate:
    """A series that a file may hold, in one of the zones, with days left out and occurrences that are different."""
    zone = draw(st.sampled_from(ZONES))
    rule, first = begun(draw(rules()), draw(first_days))
    if timed:
        clock = datetime.combine(first, datetime.min.time()) + timedelta(minutes=draw(st.integers(0, 24 * 4 - 1)) * 15)
        length = draw(st.sampled_from([0, 15, 60, 480]))
        texts = [clock.isoformat(timespec="minutes")]
        if length:
            texts.append((clock + timedelta(minutes=length)).isoformat(timespec="minutes"))
    else:
        last = first + timedelta(days=draw(st.sampled_from([0, 0, 2])))
        texts = [str(first), *([str(last)] if last > first else [])]
    try:
        when = parse_when("/".join(texts), zone)
        check_series(rule, when)
    except DateError:
        assume(False)
        raise
    known = list(islice(days(rule, first), 12))
    off = draw(st.sets(st.sampled_from(known), max_size=3)) - {first}
    others = [day for day in known if day not in off]
    moved = draw(st.sets(st.sampled_from(others), max_size=2)) if others else set()
    noon = "T12:00" if timed else ""
    changes = [
        Override(day, parse_when(f"{day + timedelta(days=draw(st.integers(-3, 3)))}{noon}", zone)) for day in moved
    ]
    repeats = Repeats(rule, tuple(sorted(off)), tuple(sorted(changes, key=lambda each: each.on)))
    return EventDate("course", when, repeats=repeats)
