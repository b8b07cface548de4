"""Dates that repeat: two libraries, for two languages, work out the same times from the same feed as the planner."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from reminders.catalogue.events import EventDate, Status
from reminders.catalogue.series import occurrences
from reminders.feed.repeating import BLOCK
from tests import corpus, truth
from tests.core.test_repeating import spelled
from tests.edges.readers import Occurrence, occurrences_by_ical_js, occurrences_by_recurring_ical_events
from tests.publishing import read

LONDON = """\
BEGIN:VTIMEZONE
TZID:Europe/London
BEGIN:STANDARD
DTSTART:19961027T020000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0000
TZNAME:GMT
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19810329T010000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0000
TZOFFSETTO:+0100
TZNAME:BST
END:DAYLIGHT
END:VTIMEZONE
"""
SINCE, UNTIL = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC)


def calendar(*entries: str) -> bytes:
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//tests//EN\n"
    text = head + LONDON + "".join(entries) + "END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def entry(title: str, *lines: str) -> str:
    body = "\n".join(
        (f"UID:{title.partition(' ')[0]}@example.org", "DTSTAMP:20181123T090000Z", f"SUMMARY:{title}", *lines)
    )
    return f"BEGIN:VEVENT\n{body}\nSTATUS:CONFIRMED\nEND:VEVENT\n"


def local(name: str, clock: str) -> str:
    return f"{name};TZID=Europe/London:{clock}"


WEEKLY = (
    local("DTSTART", "20190318T173000"),
    local("DTEND", "20190318T183000"),
    "RRULE:FREQ=WEEKLY;COUNT=5",
)
FEEDS = {
    "over the change of the clocks": calendar(entry("Weekly", *WEEKLY)),
    "one left out": calendar(entry("Weekly", *WEEKLY, local("EXDATE", "20190325T173000"))),
    "one moved": calendar(
        entry("Weekly", *WEEKLY),
        entry(
            "Weekly moved",
            local("RECURRENCE-ID", "20190401T173000"),
            local("DTSTART", "20190403T120000"),
            local("DTEND", "20190403T140000"),
        ),
    ),
    "the last Friday of the month, for ever": calendar(
        entry("Monthly", "DTSTART;VALUE=DATE:20190125", "DTEND;VALUE=DATE:20190126", "RRULE:FREQ=MONTHLY;BYDAY=-1FR")
    ),
    "the last day of the month": calendar(
        entry("Last", "DTSTART;VALUE=DATE:20190131", "DTEND;VALUE=DATE:20190201", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1")
    ),
    "until an instant": calendar(
        entry(
            "Until",
            local("DTSTART", "20190329T001500"),
            local("DTEND", "20190329T004500"),
            "RRULE:FREQ=DAILY;UNTIL=20190401T231500Z",
        )
    ),
    "the leap day": calendar(
        entry(
            "Leap",
            "DTSTART;VALUE=DATE:20160229",
            "DTEND;VALUE=DATE:20160301",
            "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        )
    ),
    "once": calendar(entry("Once", "DTSTART:20190212T093000Z", "DTEND:20190212T100000Z")),
    "outside the window": calendar(entry("Once", "DTSTART:20200301T000000Z", "DTEND:20200301T003000Z")),
}


def times(found: list[Occurrence]) -> list[str]:
    """The starts, days as days and instants to the minute of UTC."""
    return [f"{start:%m-%d %H:%M}" if isinstance(start, datetime) else f"{start:%m-%d}" for _, start, _ in found]


WEEKS = ["03-18 17:30", "03-25 17:30", "04-01 16:30", "04-08 16:30", "04-15 16:30"]
EXPECTED = {
    "over the change of the clocks": WEEKS,
    "one left out": [WEEKS[0], *WEEKS[2:]],
    "one moved": [*WEEKS[:2], "04-03 11:00", *WEEKS[3:]],
    "until an instant": ["03-29 00:15", "03-30 00:15", "03-31 00:15", "03-31 23:15", "04-01 23:15"],
    "the leap day": ["02-29"],
    "once": ["02-12 09:30"],
    "outside the window": [],
}


def test_two_libraries_work_out_the_same_times(tmp_path: Path) -> None:
    found = occurrences_by_ical_js(FEEDS, tmp_path, SINCE, UNTIL)
    assert found == occurrences_by_recurring_ical_events(FEEDS, SINCE, UNTIL)
    assert {name: times(found[name]) for name in EXPECTED} == EXPECTED
    fridays = [start for _, start, _ in found["the last Friday of the month, for ever"]]
    assert len(fridays) == 14
    assert {start.weekday() for start in fridays} == {4}
    ends = [end for _, _, end in found["the last day of the month"]]
    assert ends[:3] == [date(2019, 2, 1), date(2019, 3, 1), date(2019, 4, 1)]
    assert {end.day for end in ends} == {1}


def test_a_time_has_the_title_and_the_length_of_its_own(tmp_path: Path) -> None:
    (moved,) = (
        each for each in occurrences_by_ical_js(FEEDS, tmp_path, SINCE, UNTIL)["one moved"] if "moved" in each[0]
    )
    assert moved == (
        "Weekly moved",
        datetime(2019, 4, 3, 11, 0, tzinfo=UTC),
        datetime(2019, 4, 3, 13, 0, tzinfo=UTC),
    )


# What ical.js, and Thunderbird with it, works out otherwise than the standard has it. A feed must not rely on it.


def test_ical_js_moves_a_leap_day_to_march_unless_the_rule_names_the_day(tmp_path: Path) -> None:
    bare = calendar(entry("Leap", "DTSTART;VALUE=DATE:20160229", "DTEND;VALUE=DATE:20160301", "RRULE:FREQ=YEARLY"))
    assert times(occurrences_by_ical_js({"bare": bare}, tmp_path, SINCE, UNTIL)["bare"]) == ["03-01", "02-29"]
    assert times(occurrences_by_recurring_ical_events({"bare": bare}, SINCE, UNTIL)["bare"]) == ["02-29"]


def test_ical_js_ends_a_time_before_it_starts_where_its_clock_shows_no_such_end(tmp_path: Path) -> None:
    feed = calendar(
        entry(
            "Night", local("DTSTART", "20190330T003000"), local("DTEND", "20190330T010000"), "RRULE:FREQ=DAILY;COUNT=2"
        )
    )
    start = datetime(2019, 3, 31, 0, 30, tzinfo=UTC)
    found = occurrences_by_ical_js({"gap": feed}, tmp_path, SINCE, UNTIL)["gap"]
    assert found[1] == ("Night", start, start - timedelta(minutes=30))
    found = occurrences_by_recurring_ical_events({"gap": feed}, SINCE, UNTIL)["gap"]
    assert found[1] == ("Night", start, start + timedelta(minutes=30))


# The golden feeds. They are compared over two leap days and a dozen changes of the clocks.

CASES = [name for name in corpus.SOURCES if name.startswith("repeats-")]
GOLDEN = {name: corpus.golden()[name] for name in CASES}
FROM, TO = datetime(2018, 11, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
Times = tuple[date | datetime, date | datetime]


def planned(case: str) -> list[Times]:
    """When the planner has the occurrences that a calendar shows."""
    return planned_of(
        [each for event in read({f"{case}.yaml": corpus.SOURCES[case].read_bytes()}) for each in event.dates]
    )


def planned_of(dates: list[EventDate]) -> list[Times]:
    found: list[Times] = []
    for series in dates:
        around = occurrences(series, FROM.date() - timedelta(days=9), TO.date() + timedelta(days=9))
        found += [times_of(each) for each in around if each.status is not Status.WITHDRAWN]
    return sorted((each for each in found if FROM <= _instant(each[0]) < TO), key=spelled)


def times_of(found: EventDate) -> Times:
    when = found.when
    assert when.first and when.last
    if when.starts is None or when.ends is None:
        return when.first, when.last + timedelta(days=1)
    if when.starts != when.ends:
        return when.starts, when.ends
    deadline = corpus.KINDS[found.kind][1]
    return (when.ends - BLOCK, when.ends) if deadline else (when.starts, when.starts + BLOCK)


def _instant(moment: date | datetime) -> datetime:
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def by_ical_js(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Occurrence]]:
    return occurrences_by_ical_js(GOLDEN, tmp_path_factory.mktemp("reader"), FROM, TO)


@cache
def by_recurring_ical_events() -> dict[str, list[Occurrence]]:
    return occurrences_by_recurring_ical_events(GOLDEN, FROM, TO)


def expected(case: str) -> list[Occurrence]:
    """What the event file says, as its text alone has it."""
    found = truth.occurrences({f"{case}.yaml": corpus.SOURCES[case].read_bytes()}, corpus.KINDS, FROM, TO)
    return sorted(((each.title, each.starts, each.ends) for each in found), key=spelled)


@pytest.mark.parametrize("case", CASES)
def test_ical_js_sees_just_the_occurrences_of_the_file(case: str, by_ical_js: dict[str, list[Occurrence]]) -> None:
    assert sorted(by_ical_js[case], key=spelled) == expected(case)


@pytest.mark.parametrize("case", CASES)
def test_recurring_ical_events_sees_just_the_occurrences_of_the_file(case: str) -> None:
    assert sorted(by_recurring_ical_events()[case], key=spelled) == expected(case)


@pytest.mark.parametrize("case", CASES)
def test_the_planner_has_just_the_occurrences_of_the_file(case: str) -> None:
    assert planned(case) == sorted((each[1:] for each in expected(case)), key=spelled)


def test_the_golden_occurrences_are_many_and_lie_at_both_changes_of_the_clocks() -> None:
    days = {f"{each[1]:%m-%d}" for case in CASES for each in expected(case)}
    assert {"03-31", "10-27", "02-29"} <= days
    assert all(expected(case) for case in CASES)
    assert sum(len(expected(case)) for case in CASES) > 4000


def test_without_those_that_are_written_alone_the_two_would_not_agree(tmp_path: Path) -> None:
    spoilt = {name: ALONE.sub(b"", feed) for name, feed in GOLDEN.items() if name.startswith("repeats-sundays-0")}
    by_one = occurrences_by_ical_js(spoilt, tmp_path, FROM, TO)
    by_other = occurrences_by_recurring_ical_events(spoilt, FROM, TO)
    assert len(spoilt) == 4
    assert all(by_one[name] != by_other[name] for name in spoilt)


ALONE = re.compile(rb"BEGIN:VEVENT\r\n(?:(?!END:VEVENT).)*?RECURRENCE-ID.*?END:VEVENT\r\n", re.DOTALL)
