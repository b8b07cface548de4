"""When a reminder is due around each change of the clocks, against an oracle that knows no rule but counting.

The oracle walks: days one at a time, and UTC minutes one at a time, asking of each what clocks show then. Of the
product it uses nothing; of the time zone database only the direction that is never in doubt, from UTC to local time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import pytest
from dateutil.easter import easter

from reminders.catalogue.dates import DateError, When, parse_when
from reminders.planning.send import Send, Unit, due_at, parse_send

LONDON = "Europe/London"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TIMES = ("00:30", "01:00", "01:30", "01:59", "02:00", "02:30", "09:00")
COUNTED = {"day": (1, 2, 7, 30), "working day": (1, 3, 5), "week": (1, 4), "month": (1, 6)}
EXACT = {"hour": (1, 2, 3, 24), "minute": (30, 60, 90)}
SIDES = ("before", "after")

Due = Callable[[Send, When, str], datetime | None]
Case = tuple[Send, When, datetime]
"""What is asked, and the instant at which the oracle says it is due."""


# The oracle


def local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def minutes(day: date, zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """Each UTC minute from two days before the day until three after its beginning, with what clocks show then."""
    start = datetime.combine(day, time(), UTC) - 2 * DAY
    instants = [start + number * MINUTE for number in range(5 * 24 * 60)]
    return tuple((instant, local(instant, zone)) for instant in instants)


def first_shown(clock: datetime, zone: str) -> datetime:
    """The first UTC minute at which clocks show this; of a time they skip, this and the length of the gap."""
    walked = minutes(clock.date(), zone)
    for instant, shown in walked:
        if shown == clock:
            return instant
    before = next(shown for (_, shown), (_, after) in pairwise(walked) if shown < clock < after)
    after = min(shown for _, shown in walked if shown > clock)
    return first_shown(clock + (after - before - MINUTE), zone)


def works(day: date) -> bool:
    """Whether an English office is open, for days from March to early May and in autumn until December."""
    return day.weekday() < 5 and day not in (easter(day.year) - 2 * DAY, easter(day.year) + DAY)


def stepped(anchor: date, number: int, unit: str, side: str) -> date:
    """So many days, working days, weeks or months from a day, walked a day at a time."""
    step, day = (DAY if side == "after" else -DAY), anchor
    if unit == "month":
        changes = 0
        while changes < number:
            changes += (day + step).month != day.month
            day += step
        month = [day, *(day + count * step for count in range(1, 31) if (day + count * step).month == day.month)]
        return max([each for each in month if each.day <= anchor.day])
    left = number * (7 if unit == "week" else 1)
    while left:
        day += step
        left -= works(day) if unit == "working day" else 1
    return day


def changes(zone: str, years: range) -> list[date]:
    """The local days on which clocks in a zone change."""
    hours = range(0, 24 * 366 * len(years))
    instants = [datetime(years[0], 1, 1, tzinfo=UTC) + number * HOUR for number in hours]
    offsets = [each.astimezone(ZoneInfo(zone)).utcoffset() for each in instants]
    return [
        local(instant - HOUR, zone).date()
        for instant, before, after in zip(instants[1:], offsets, offsets[1:], strict=False)
        if before != after and instant.year in years
    ]


def counted(zone: str, days: list[date]) -> Iterator[Case]:
    """Rules in days, working days, weeks and months that are due the day before a change, on its day, or after it."""
    for change, unit, side in product(days, COUNTED, SIDES):
        for number, target in product(COUNTED[unit], (change - DAY, change, change + DAY)):
            away = range(number, 31 * number + 10) if unit in ("month", "working day") else range(number, 8 * number)
            back = DAY if side == "before" else -DAY
            anchors = [target + count * back for count in away]
            fitting = [each for each in anchors if stepped(each, number, unit, side) == target]
            for anchor, at in product(fitting[:1] + fitting[1:][-1:], TIMES):
                send = parse_send(f"{number} {unit}{'s' * (number > 1)} {side} at {at}")
                expected = first_shown(datetime.combine(target, time.fromisoformat(at)), zone)
                yield send, parse_when(anchor.isoformat(), zone), expected


def exact(zone: str, days: list[date]) -> Iterator[Case]:
    """Rules in hours and minutes about a date with a time on the day of a change or the day after."""
    for change, at, later in product(days, TIMES, (0, 1)):
        clock = datetime.combine(change + later * DAY, time.fromisoformat(at))
        shown = [instant for instant, wall in minutes(clock.date(), zone) if wall == clock]
        for begins in shown:
            offset = datetime.strftime(begins.astimezone(ZoneInfo(zone)), "%z")
            text = f"{clock:%Y-%m-%dT%H:%M}" + (f"{offset[:3]}:{offset[3:]}" if len(shown) == 2 else "")
            for unit, side in product(EXACT, SIDES):
                for number in EXACT[unit]:
                    send = parse_send(f"{number} {unit}{'s' * (number > 1)} {side}")
                    length = number * (HOUR if unit == "hour" else MINUTE)
                    expected = begins + length if side == "after" else begins - length
                    yield send, parse_when(text, zone), expected


@cache
def table(zone: str, years: range) -> tuple[Case, ...]:
    days = changes(zone, years)
    assert days
    return (*counted(zone, days), *exact(zone, days))


def wrong(due: Due, cases: tuple[Case, ...]) -> list[str]:
    """The cases that an implementation gets wrong."""
    return [
        f"{send.text} {when.edtf} {when.zone}: {found}, not {expected}"
        for send, when, expected in cases
        if (found := due(send, when, "ENG")) != expected
    ]


# The product against it


def test_the_oracle_finds_both_changes_of_each_year_in_london() -> None:
    days = changes(LONDON, range(2018, 2039))
    assert len(days) == 2 * 21
    assert {day.weekday() for day in days} == {6}
    assert (date(2018, 10, 28) in days, date(2026, 3, 29) in days) == (True, True)


def test_around_every_change_in_london_each_reminder_is_due_when_the_oracle_says() -> None:
    cases = table(LONDON, range(2018, 2039))
    assert len(cases) > 20_000
    assert wrong(due_at, cases) == []


@pytest.mark.parametrize(
    ("zone", "years"),
    [
        ("America/St_Johns", range(2018, 2024)),  # half an hour off all others
        ("Australia/Lord_Howe", range(2018, 2024)),  # changes by half an hour
        ("Pacific/Apia", range(2010, 2014)),  # left out a whole day
        ("Africa/Casablanca", range(2018, 2024)),  # goes back for Ramadan, whenever that is
    ],
)
def test_clocks_that_change_in_other_ways_are_followed_too(zone: str, years: range) -> None:
    cases = [each for each in table(zone, years) if each[0].unit is not Unit.WORKING_DAY]  # England's alone are known
    assert len(cases) > 1_000
    assert wrong(due_at, tuple(cases)) == []


def test_a_reminder_for_the_day_that_samoa_left_out_is_due_a_day_later() -> None:
    send, when = parse_send("1 day before at 09:00"), parse_when("2011-12-31", "Pacific/Apia")
    assert due_at(send, when, "ENG") == first_shown(datetime(2011, 12, 31, 9), "Pacific/Apia")


@pytest.mark.parametrize("at", TIMES)
def test_a_time_that_clocks_skip_is_refused_in_a_date(at: str) -> None:
    for change in changes(LONDON, range(2018, 2039)):
        shown = [
            wall for _, wall in minutes(change, LONDON) if wall == datetime.combine(change, time.fromisoformat(at))
        ]
        if len(shown) != 1:
            with pytest.raises(DateError, match="twice" if shown else "skip"):
                parse_when(f"{change}T{at}", LONDON)


# The table catches what it is there for


def days_of_24_hours(send: Send, when: When, nation: str) -> datetime | None:
    """A day before is taken as 24 hours before."""
    if send.at is None or send.unit not in (Unit.DAY, Unit.WEEK) or when.first is None:
        return due_at(send, when, nation)
    steps = send.steps * (7 if send.unit is Unit.WEEK else 1)
    return datetime.combine(when.first, send.at, ZoneInfo(when.zone)).astimezone(UTC) + steps * DAY


def aware_and_timedelta(send: Send, when: When, nation: str) -> datetime | None:
    """Hours are counted on the local clock, which forgets which of two hours it was."""
    anchor = when.starts
    if send.at is not None or anchor is None:
        return due_at(send, when, nation)
    length = send.steps * (HOUR if send.unit is Unit.HOUR else MINUTE)
    return (anchor.astimezone(ZoneInfo(when.zone)) + length).astimezone(UTC)


def the_second_time(send: Send, when: When, nation: str) -> datetime | None:
    """Of a time that clocks show twice the second is taken."""
    due = due_at(send, when, nation)
    return due and due.astimezone(ZoneInfo(when.zone)).replace(fold=1).astimezone(UTC)


@pytest.mark.parametrize("spoilt", [days_of_24_hours, aware_and_timedelta, the_second_time])
def test_usual_mistakes_are_caught(spoilt: Due) -> None:
    assert wrong(spoilt, table(LONDON, range(2018, 2039)))
