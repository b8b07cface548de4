"""Dates that repeat as calendar entries: what other programs read from them is what the planner thinks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import icalendar
import pytest
import recurring_ical_events
from hypothesis import given, settings

from reminders.catalogue.events import EventDate, Kind, Status
from reminders.catalogue.series import occurrences
from reminders.catalogue.summertime import clocks
from reminders.feed.calendar import join
from reminders.feed.entry import Draft, Entry, draw, stamp
from reminders.feed.lint import lint
from reminders.feed.repeating import BLOCK, NEVER, neighbour_missing
from reminders.feed.selection import Feed
from reminders.feed.style import USUAL, Shape, Style
from reminders.feed.timezone import timezone, tzid
from tests.builders import CLOSING, COURSE, EPOCH, LONDON, event
from tests.contentlines import unfold
from tests.series import override, series, series_of

EVENING = "2019-03-04T17:00/2019-03-04T19:00"
Time = tuple[datetime | date, datetime | date]


def drawn(found: EventDate, kind: Kind = COURSE, title: str = "Talking") -> Draft:
    draft = draw(event("e", found, title=title), found, kind, event_url=None)
    assert draft is not None
    return draft


def entry(found: EventDate, kind: Kind = COURSE, title: str = "Talking") -> Entry:
    return stamp(drawn(found, kind, title), None, EPOCH)


def calendar(*entries: Entry, style: Style = USUAL) -> bytes:
    feed = Feed("all", "All dates", style=style)
    return join(
        feed, entries, last_modified=EPOCH, checked=EPOCH.date(), source_url="https://example.org/a.ics", page_url=None
    )


def lines(found: EventDate, kind: Kind = COURSE) -> list[str]:
    return unfold(drawn(found, kind).text)


def said(found: EventDate, *names: str, kind: Kind = COURSE) -> list[str]:
    return [line for line in lines(found, kind) if line.startswith(names)]


# What is written


def test_a_series_is_written_once_in_local_time() -> None:
    weekly = series(EVENING, "FREQ=WEEKLY;BYDAY=MO;UNTIL=2019-05-31", excepted=("2019-04-22", "2019-05-06"))
    assert said(weekly, "DT", "RRULE", "EXDATE", "BEGIN", "RECURRENCE") == [
        "BEGIN:VEVENT",
        "DTSTART;TZID=Europe/London:20190304T170000",
        "DTEND;TZID=Europe/London:20190304T190000",
        "RRULE:FREQ=WEEKLY;UNTIL=20190531T160000Z;BYDAY=MO",
        "EXDATE;TZID=Europe/London:20190422T170000,20190506T170000",
    ]
    assert "every week on Monday, until 31 May 2019; the first is on Monday 4 March 2019" in "".join(
        said(weekly, "DESCRIPTION")
    ).replace("\\", "")


def test_days_that_repeat_need_no_clocks() -> None:
    yearly = series("2016-02-29", "FREQ=YEARLY;UNTIL=2024-12-31", override("2020-02-29", "2020-03-02"))
    assert drawn(yearly).timezone == ""
    assert said(yearly, "DT", "RRULE", "RECURRENCE") == [
        "DTSTART;VALUE=DATE:20160229",
        "DTEND;VALUE=DATE:20160301",
        "RRULE:FREQ=YEARLY;UNTIL=20241231;BYMONTHDAY=29;BYMONTH=2",
        "DTSTART;VALUE=DATE:20200302",
        "DTEND;VALUE=DATE:20200303",
        "RECURRENCE-ID;VALUE=DATE:20200229",
    ]


def test_what_is_different_is_a_component_of_the_same_entry() -> None:
    weekly = series(
        EVENING,
        "FREQ=WEEKLY",
        override("2019-03-11", "2019-03-12T18:00", location="Leeds"),
        override("2019-03-18", status=Status.CANCELLED),
        override("2019-03-25", status=Status.POSTPONED),
        override("2019-04-01", status=Status.WITHDRAWN),
        location="York",
    )
    text = unfold(entry(weekly).text)
    assert [line for line in text if line.startswith(("RECURRENCE", "STATUS", "LOCATION", "EXDATE"))] == [
        "STATUS:CONFIRMED",
        "LOCATION:York",
        "EXDATE;TZID=Europe/London:20190401T170000",
        "STATUS:CONFIRMED",
        "LOCATION:Leeds",
        "RECURRENCE-ID;TZID=Europe/London:20190311T170000",
        "STATUS:CANCELLED",
        "LOCATION:York",
        "RECURRENCE-ID;TZID=Europe/London:20190318T170000",
        "STATUS:TENTATIVE",
        "LOCATION:York",
        "RECURRENCE-ID;TZID=Europe/London:20190325T170000",
    ]
    assert len({line for line in text if line.startswith("UID")}) == 1
    assert sum(line.startswith("SUMMARY:CANCELLED: ") for line in text) == 1
    assert all(sum(line.startswith(name) for line in text) == 4 for name in ("DTSTAMP:", "LAST-MODIFIED:", "SEQUENCE:"))


def test_deadlines_that_repeat_are_blocks_that_end_at_them() -> None:
    monthly = series("2019-03-29T17:00", "FREQ=MONTHLY;BYDAY=-1FR", kind="applications-close")
    assert said(monthly, "DT", "SUMMARY", kind=CLOSING) == [
        "SUMMARY:Applications close 17:00 UK time: Talking",
        "DTSTART;TZID=Europe/London:20190329T163000",
        "DTEND;TZID=Europe/London:20190329T170000",
    ]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        # skipped, and shown twice: by the clock nobody could tell when it is
        ("2019-03-17T01:30", ["DTSTART;TZID=Europe/London:20190331T023000", "DTEND;TZID=Europe/London:20190331T030000",
                              "20190331T013000",
                              "DTSTART:20191027T003000Z", "DTEND:20191027T010000Z", "20191027T013000"]),
        # only the end is skipped, and shown twice
        ("2019-03-17T00:30", ["DTSTART:20190331T003000Z", "DTEND:20190331T010000Z", "20190331T003000",
                              "DTSTART:20191026T233000Z", "DTEND:20191027T000000Z", "20191027T003000"]),
        # an hour shorter and an hour longer than the others
        ("2019-03-16T22:00/2019-03-17T04:00",
         ["DTSTART:20190330T220000Z", "DTEND:20190331T030000Z", "20190330T220000",
          "DTSTART:20191026T210000Z", "DTEND:20191027T040000Z", "20191026T220000"]),
        ("2019-03-17T02:00", []),
        ("2019-03-17T00:15/2019-03-17T00:45", []),
    ],
)  # fmt: skip
def test_what_begins_or_ends_while_clocks_change_is_written_alone(when: str, expected: list[str]) -> None:
    weekly = said(series(when, "FREQ=WEEKLY;COUNT=40"), "DT", "RECURRENCE-ID")[2:]
    assert [line.removeprefix("RECURRENCE-ID;TZID=Europe/London:") for line in weekly] == expected


def test_of_a_series_without_an_end_those_of_its_first_eleven_years_are_written_alone() -> None:
    text = drawn(series("2019-03-17T01:30", "FREQ=WEEKLY")).text
    years = [line[33:37] for line in unfold(text) if line.startswith("RECURRENCE-ID")]
    assert years == [str(year) for year in range(2019, 2030) for _ in range(2)]
    assert drawn(series("2019-03-17T01:30", "FREQ=WEEKLY;UNTIL=2035-12-31")).text.count("RECURRENCE-ID") == 34


def test_what_is_changed_or_left_out_when_clocks_change_is_not_written_twice() -> None:
    weekly = series("2019-03-17T01:30", "FREQ=WEEKLY;COUNT=40", override("2019-03-31", location="Leeds"),
                    excepted=("2019-10-27",))  # fmt: skip
    assert said(weekly, "EXDATE", "RECURRENCE-ID", "LOCATION") == [
        "EXDATE;TZID=Europe/London:20191027T013000",
        "LOCATION:Leeds",
        "RECURRENCE-ID;TZID=Europe/London:20190331T013000",
    ]
    assert lint(calendar(entry(weekly))) == []


def test_a_deadline_soon_after_midnight_begins_the_day_before_by_the_rule_of_those_days() -> None:
    changed = override("2019-03-18", location="York")
    rule = "FREQ=WEEKLY;BYDAY=MO;UNTIL=2019-05-26"
    weekly = series("2019-03-04T00:15", rule, changed, excepted=("2019-03-11",), kind="applications-close")
    assert said(weekly, "DT", "RRULE", "EXDATE", "RECURRENCE-ID", kind=CLOSING) == [
        "DTSTART;TZID=Europe/London:20190303T234500",
        "DTEND;TZID=Europe/London:20190304T001500",
        "RRULE:FREQ=WEEKLY;UNTIL=20190525T224500Z;BYDAY=SU",
        "EXDATE;TZID=Europe/London:20190310T234500",
        "DTSTART;TZID=Europe/London:20190317T234500",
        "DTEND;TZID=Europe/London:20190318T001500",
        "RECURRENCE-ID;TZID=Europe/London:20190317T234500",
    ]
    none = series("2019-01-29T00:15", "FREQ=MONTHLY", kind="applications-close")
    assert (neighbour_missing(none), neighbour_missing(weekly)) == (True, False)
    with pytest.raises(ValueError, match="no rule has the days before"):
        drawn(none, CLOSING)


def test_a_rule_is_spelt_as_every_program_reads_it() -> None:
    for when, rule, spelt in (
        ("2016-02-29", "FREQ=YEARLY", "FREQ=YEARLY;BYMONTHDAY=29;BYMONTH=2"),
        ("2019-01-15", "FREQ=YEARLY;BYMONTHDAY=15", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("2019-01-31", "FREQ=DAILY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("2019-02-01", "FREQ=MONTHLY;BYMONTH=1,2;BYMONTHDAY=1,2", "FREQ=YEARLY;BYMONTHDAY=1,2;BYMONTH=1,2"),
    ):
        assert said(series(when, rule), "RRULE") == [f"RRULE:{spelt}"]


@pytest.mark.parametrize(
    ("rule", "over"),
    [
        ("FREQ=WEEKLY", NEVER),
        ("FREQ=WEEKLY;COUNT=3", datetime(2019, 3, 18, 19, tzinfo=UTC)),
        ("FREQ=WEEKLY;UNTIL=2019-04-02", datetime(2019, 4, 1, 18, tzinfo=UTC)),
    ],
)
def test_a_series_is_over_with_its_last_occurrence(rule: str, over: datetime) -> None:
    assert drawn(series(EVENING, rule)).over == over


def test_one_that_is_put_after_the_last_is_waited_for() -> None:
    weekly = series(EVENING, "FREQ=WEEKLY;COUNT=3", override("2019-03-11", "2019-05-01T10:00"))
    assert drawn(weekly).over == datetime(2019, 5, 1, 9, tzinfo=UTC)


def test_every_edit_of_a_series_moves_all_its_stamps_and_nothing_else_does() -> None:
    first = entry(series(EVENING, "FREQ=WEEKLY", override("2019-03-11", "2019-03-12T18:00")))
    again = stamp(drawn(series(EVENING, "FREQ=WEEKLY", override("2019-03-11", "2019-03-12T18:00"))), first, NEVER)
    assert again == first
    edited = drawn(series(EVENING, "FREQ=WEEKLY", override("2019-03-11", "2019-03-12T18:00"), excepted=("2019-03-18",)))
    later = stamp(edited, first, EPOCH + timedelta(days=1))
    assert later.text.count("SEQUENCE:1\r\n") == later.text.count("DTSTAMP:20181124T") == 2


def test_a_title_that_looks_like_a_component_is_text() -> None:
    plain = entry(series("2019-03-04", "FREQ=WEEKLY"), title="BEGIN:VEVENT")
    assert plain.text.count("SEQUENCE:") == 1
    made = icalendar.Calendar.from_ical(calendar(plain, style=Style(shape=Shape.ALL_DAY)))
    assert [str(each["SUMMARY"]) for each in made.walk("VEVENT")] == ["Course: BEGIN:VEVENT"]


def test_a_calendar_holds_each_zone_once_before_its_entries() -> None:
    three = [
        entry(series(when, "FREQ=WEEKLY", zone=zone, occurrence=name))
        for name, when, zone in (
            ("a", "2019-03-04T17:00", LONDON),
            ("b", "2024-03-04T17:00", LONDON),
            ("c", "2019-03-04T17:00", "America/New_York"),
        )
    ]
    text = unfold(calendar(*three).decode())
    assert [line for line in text if line.startswith(("TZID:", "BEGIN:VEV"))] == [
        "TZID:America/New_York",
        "TZID:Europe/London",
        *["BEGIN:VEVENT"] * 3,
    ]


# What others read


def spelled(time: tuple[object, ...]) -> list[str]:
    """To sort by. The days of a frozen clock are of another class, and equal to others all the same."""
    return [str(each) for each in time]


_SINCE = date(1998, 6, 1)


def read(data: bytes, *, until: date) -> list[Time]:
    """When the events of a calendar are, by another program; instants in UTC. What is cancelled is left out."""
    made = icalendar.Calendar.from_ical(data)
    found = recurring_ical_events.of(made).between(_SINCE, until)
    return sorted(
        ((_known(each["DTSTART"].dt), _known(each["DTEND"].dt)) for each in found if each["STATUS"] != "CANCELLED"),
        key=spelled,
    )


def _known(value: date | datetime) -> date | datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def planned(found: EventDate, kind: Kind, *, until: date) -> list[Time]:
    """When the planner thinks the occurrences are, as a feed shows them."""
    times: list[Time] = []
    for each in occurrences(found, None, until - timedelta(days=1)):
        when = each.when
        if each.status is not Status.PLANNED or when.first is None or when.last is None:
            continue
        if when.starts is None or when.ends is None:
            times.append((when.first, when.last + timedelta(days=1)))
        elif when.starts != when.ends:
            times.append((when.starts, when.ends))
        else:
            times.append((when.ends - BLOCK, when.ends) if kind.deadline else (when.starts, when.starts + BLOCK))
    return sorted(times, key=spelled)


@lru_cache
def examples() -> list[EventDate]:
    return [
        series("2019-03-24T01:30", "FREQ=WEEKLY;COUNT=40"),
        series("2019-10-20T01:30/2019-10-20T01:45", "FREQ=DAILY;COUNT=20"),
        series("2018-12-31T23:45/2019-01-01T00:30", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        series("2019-03-03T02:30", "FREQ=WEEKLY;COUNT=40", zone="America/New_York"),
        series("2019-09-29T02:15", "FREQ=WEEKLY;COUNT=30", zone="Australia/Lord_Howe"),
        series("2019-03-04T00:15", "FREQ=WEEKLY", zone="Asia/Kathmandu"),
        series("1999-03-01T17:00", "FREQ=WEEKLY;UNTIL=2005-12-31", zone="America/New_York"),
        series("2019-03-04T17:00", "FREQ=DAILY", override("2019-03-07", "2019-03-07T18:00", "UTC"), zone="UTC"),
        series("2019-03-04T17:00", "FREQ=WEEKLY;COUNT=9", excepted=("2019-03-11", "2019-03-18"), zone="UTC"),
        series("2016-02-29", "FREQ=YEARLY"),
        series("2016-02-29T12:00", "FREQ=YEARLY"),
        series("2019-01-31", "FREQ=MONTHLY", override("2019-05-31", "2019-06-03")),
        series("2019-03-04/2019-03-06", "FREQ=WEEKLY;INTERVAL=2;COUNT=10", excepted=("2019-03-18",)),
    ]


@pytest.mark.parametrize("found", examples(), ids=lambda each: f"{each.when.edtf} {each.repeats.rule.text}")
def test_another_program_reads_the_occurrences_that_are_planned(found: EventDate) -> None:
    until = date(2026, 1, 1)
    ours = planned(found, COURSE, until=until)
    assert read(calendar(entry(found)), until=until) == ours
    assert ours


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("found", examples(), ids=lambda each: f"{each.when.edtf} {each.repeats.rule.text}")
def test_our_own_proof_finds_no_fault_in_a_series(found: EventDate, shape: Shape) -> None:
    assert lint(calendar(entry(found), style=Style(shape=shape))) == []


def test_another_program_reads_deadlines_that_repeat_as_they_are_planned() -> None:
    weekly = series("2019-03-04T17:00", "FREQ=DAILY;COUNT=300", kind="applications-close")
    read_by_them = read(calendar(entry(weekly, CLOSING)), until=date(2021, 1, 1))
    assert read_by_them == planned(weekly, CLOSING, until=date(2021, 1, 1))


@settings(deadline=None, max_examples=60)
@given(series_of(timed=True))
def test_another_program_reads_any_times_as_they_are_planned(found: EventDate) -> None:
    until = date(2021, 7, 1)
    data = calendar(entry(found))
    assert read(data, until=until) == planned(found, COURSE, until=until)
    assert lint(data) == []


@settings(deadline=None)
@given(series_of(timed=False))
def test_another_program_reads_any_days_as_they_are_planned(found: EventDate) -> None:
    until = date(2021, 7, 1)
    assert read(calendar(entry(found)), until=until) == planned(found, COURSE, until=until)


# Clocks


def offsets_of(component: icalendar.Component) -> list[tuple[datetime, timedelta]]:
    """When the lines say that clocks change (UTC), and to which offset, until 2040; read by dateutil."""
    from dateutil.rrule import rrulestr

    found = []
    for part in component.subcomponents:
        start: datetime = part.decoded("DTSTART")
        before, after = part.decoded("TZOFFSETFROM"), part.decoded("TZOFFSETTO")
        onsets = [start]
        if "RRULE" in part:
            onsets = list(
                rrulestr(part.decoded("RRULE").to_ical().decode(), dtstart=start).between(start, _END, inc=True)
            )
        found += [((each - before).replace(tzinfo=UTC), after) for each in onsets]
    return sorted(found)


_END = datetime(2040, 1, 1)
_ZONES = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")


def test_a_zone_is_described_as_the_database_has_it_or_not_at_all() -> None:
    described = 0
    for zone in _ZONES:
        found = clocks(zone, 2019, 2029)
        if found is None:
            continue
        described += 1
        made = icalendar.Timezone.from_ical(timezone(found))
        changes = offsets_of(made)
        assert [part.name for part in made.subcomponents] in (["STANDARD"], ["DAYLIGHT", "STANDARD"])
        instant = datetime(max(found.since, 2005), 1, 2, tzinfo=UTC)
        while instant < datetime(2037, 12, 30, tzinfo=UTC):
            said = [offset for at, offset in changes if at <= instant][-1]
            assert said == instant.astimezone(ZoneInfo(zone)).utcoffset(), (zone, instant)
            instant += timedelta(days=19, hours=5)
        for at, offset in changes:
            if datetime(2019, 1, 1, tzinfo=UTC) <= at < datetime(2030, 1, 1, tzinfo=UTC):
                there = ZoneInfo(zone)
                assert at.astimezone(there).utcoffset() == offset
                if len(made.subcomponents) == 2:
                    assert (at - timedelta(seconds=1)).astimezone(there).utcoffset() != offset
    assert described > 350


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "America/Nuuk", "Asia/Jerusalem"])
def test_clocks_without_a_yearly_rule_are_not_described(zone: str) -> None:
    assert clocks(zone, 2019, 2029) is None


def test_series_by_one_rule_need_the_same_lines_and_by_another_other_names() -> None:
    assert clocks(LONDON, 2019, 2019) == clocks(LONDON, 2001, 2030)
    old, new = clocks("America/New_York", 1999, 1999), clocks("America/New_York", 2019, 2020)
    assert old and new
    assert (tzid(old), tzid(new)) == ("America/New_York@1987", "America/New_York")
    assert clocks("America/New_York", 2006, 2007) is None
