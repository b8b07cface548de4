"""The lint: it finds every mistake of tests/cases/lint in its line, and none in what we publish."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reminders.catalogue.events import Event, Kind, Source, Status
from reminders.catalogue.parse import parse_events
from reminders.feed import calendar
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.lint import Fault, lint, lint_component
from reminders.feed.lint.colours import COLOURS
from reminders.feed.selection import Colour, Feed
from tests.builders import CLOSING, COURSE, EPOCH, LONDON, date, event

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "lint"
GOOD = (CASES / "good.ics").read_bytes()
DEFECTS: list[dict[str, Any]] = yaml.safe_load((CASES / "defects.yaml").read_text("utf-8"))


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def spoilt(defect: dict[str, Any]) -> bytes:
    """The good feed with one mistake."""
    found = octets(defect["find"])
    assert GOOD.count(found) == 1, "a defect is put in exactly one place"
    return GOOD.replace(found, octets(defect["put"]))


def expected(defect: dict[str, Any]) -> list[str]:
    return [defect["expect"]] if isinstance(defect["expect"], str) else defect["expect"]


def told(data: bytes) -> list[str]:
    return [f"{fault.line}: {fault.what}" for fault in lint(data)]


# Seeded defects


def test_the_good_feed_is_good() -> None:
    assert lint(GOOD) == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect["defect"].replace(" ", "-"))
def test_a_defect_is_found_in_its_line_and_nothing_else_is_said(defect: dict[str, Any]) -> None:
    said = told(spoilt(defect))
    assert len(said) == len(expected(defect)), said
    for fault, begins in zip(said, expected(defect), strict=True):
        assert fault.startswith(begins)


def test_there_are_enough_defects_and_none_is_told_twice() -> None:
    assert len({defect["defect"] for defect in DEFECTS}) == len(DEFECTS) >= 150
    assert len({(defect["find"], defect["put"]) for defect in DEFECTS}) == len(DEFECTS)


def test_no_check_depends_on_assertions() -> None:
    """Python leaves every `assert` out with -O; what the lint says must be the same."""
    script = (
        "import json, sys; from reminders.feed.lint import lint\n"
        "assert not sys.argv\n"
        "json.dump([[fault.what for fault in lint(bytes(each))] for each in json.load(sys.stdin)], sys.stdout)"
    )
    given = json.dumps([list(spoilt(defect)) for defect in DEFECTS])
    run = subprocess.run(
        [sys.executable, "-O", "-c", script],
        input=given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(run.stdout) == [[fault.what for fault in lint(spoilt(defect))] for defect in DEFECTS]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ["1: there is no calendar"]),
        (b"\r\n", ["1: an empty line", "1: there is no calendar"]),
        (
            b"<html></html>",
            ["1: no ':' in the line '<html></html>'", "1: the file ends in the middle", "1: there is no cal"],
        ),
        (
            b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n",
            ["1: the calendar is empty; some programs keep showing what was in it before"],
        ),
        (
            b"BEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT\r\n",
            ["1: a VEVENT outside of the calendar", "1: there is no calendar"],
        ),
    ],
)
def test_what_is_no_calendar_is_told(data: bytes, said: list[str]) -> None:
    assert len(told(data)) == len(said)
    assert all(fault.startswith(begins) for fault, begins in zip(told(data), said, strict=True))


def test_all_line_ends_of_one_kind_are_one_fault() -> None:
    for end, name in ((b"\n", "LF"), (b"\r", "CR")):
        (fault,) = lint(GOOD.replace(b"\r\n", end))
        assert fault == Fault(1, f"108 lines end in {name} alone, first here; every line must end in CR LF")


def test_a_message_never_repeats_what_a_screen_would_obey() -> None:
    wild = GOOD.replace(b"CLASS:PUBLIC", b"CLASS:\x1b[2J\xe2\x80\xae\x9b")
    assert all(fault.what.isprintable() for fault in lint(wild))
    assert len(lint(wild)) == 3


# What is legal though it looks odd

TOKYO = (
    "BEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
    "TZOFFSETFROM:+0900\r\nTZOFFSETTO:+0900\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)
"""A zone whose clocks are never changed."""


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("X-APPLE", 'X-INVENTED;A=b;C="d;e:f",g:1;2,3\\x\r\nX-APPLE'),
        ("CLASS:PUBLIC", "class:public"),
        ("CLASS:PUBLIC", "REQUEST-STATUS:2.0;Success"),
        ("CLASS:PUBLIC", "COMMENT:one\r\nCOMMENT;LANGUAGE=en:two"),
        ("SUMMARY:Course", 'SUMMARY:Course\\, \\; \\\\ \\n\\N "quoted": 100%'),
        ("SUMMARY:Course", "SUMMARY:A fold\r\n\t  goes on\r\n \there"),
        ("DUE:20181214T100000Z", "DUE:20161231T235960Z"),
        ("DUE:20181214T100000Z", "DUE;VALUE=DATE-TIME:20181214T100000Z"),
        ("DUE:20181214T100000Z", "DUE;VALUE=DATE:20200229"),
        ("DUE:20181214T100000Z", 'DUE;TZID="Europe/London":20191027T013000'),
        ("DUE:20181214T100000Z", "DTSTART:20181214T100000Z\r\nDURATION:P1DT12H"),
        ("TRIGGER;RELATED=START:-P1D", "TRIGGER;VALUE=DATE-TIME:20181213T100000Z"),
        ("TRIGGER;RELATED=START:-P1D", "TRIGGER:PT0S\r\nREPEAT:2\r\nDURATION:PT5M"),
        ("ACTION:DISPLAY", "ACTION:X-LIGHT"),
        ("FREQ=WEEKLY;BYDAY=TU", "FREQ=WEEKLY;WKST=SU"),
        ("FREQ=WEEKLY;BYDAY=TU", "FREQ=DAILY"),
        ("FREQ=WEEKLY;BYDAY=TU", "FREQ=HOURLY"),
        ("COUNT=6", "UNTIL=20191231"),
        ("COUNT=6", "UNTIL=99991231"),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=6", "FREQ=YEARLY;BYDAY=MO;BYMONTH=1,2;BYSETPOS=1,5"),
        ("RDATE;VALUE=DATE:20190115", "RDATE;VALUE=PERIOD:20190115T100000Z/PT1H,20190115T100000Z/20190116T100000Z"),
        ("EXDATE;VALUE=DATE:20190204", "EXDATE;VALUE=DATE:20190204,20190115"),
        ("IMAGE;VALUE=URI", "IMAGE;VALUE=BINARY;ENCODING=BASE64:QUJD\r\nIMAGE;VALUE=URI"),
        ("URL:https://dates.example.org/events/deadline?a=b#c", "URL:https://jo:x@[2001:db8::1]:80/a/?b=/?#/?"),
    ],
)
def test_what_is_legal_passes(find: str, put: str) -> None:
    assert GOOD.count(octets(find)) == 1
    assert told(GOOD.replace(octets(find), octets(put))) == []


# Zones

ZONES = {
    "America/New_York": ("-0500", "-0400", "11", "1SU", "020000", "3", "2SU", "020000"),
    "Australia/Sydney": ("+1000", "+1100", "4", "1SU", "030000", "10", "1SU", "020000"),
    "Europe/Paris": ("+0100", "+0200", "10", "-1SU", "030000", "3", "-1SU", "020000"),
}


def zoned(zone: str, starts: str, shape: tuple[str, ...]) -> bytes:
    """A feed of one weekly entry in a zone, with a VTIMEZONE of that shape."""
    standard, summer, month, day, hour, summer_month, summer_day, summer_hour = shape
    parts = [
        ("STANDARD", summer, standard, month, day, hour),
        ("DAYLIGHT", standard, summer, summer_month, summer_day, summer_hour),
    ]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VTIMEZONE", f"TZID:{zone}"]
    for name, before, after, in_month, weekday, at in parts:
        first = calendar_day(int(in_month), weekday)
        lines += [f"BEGIN:{name}", f"DTSTART:{first}T{at}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}"]
        lines += [f"RRULE:FREQ=YEARLY;BYMONTH={in_month};BYDAY={weekday}", f"END:{name}"]
    lines += ["END:VTIMEZONE", "BEGIN:VEVENT", "UID:x", "DTSTAMP:20181122T090000Z", f"DTSTART;TZID={zone}:{starts}"]
    lines += ["DURATION:PT1H", "RRULE:FREQ=WEEKLY", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def calendar_day(month: int, weekday: str) -> str:
    """The Sunday of 2008 that is meant."""
    place, days = int(weekday[:-2]), [datetime(2008, month, 1) + timedelta(days=day) for day in range(31)]
    sundays = [day for day in days if day.weekday() == 6 and day.month == month]
    return f"{sundays[place - 1 if place > 0 else place]:%Y%m%d}"


@pytest.mark.parametrize("zone", ZONES)
def test_a_true_zone_passes_and_the_same_under_another_name_does_not(zone: str) -> None:
    assert told(zoned(zone, "20190115T170000", ZONES[zone])) == []
    for other in (*ZONES.keys() - {zone}, "America/Bogota", "Africa/Casablanca"):
        (fault,) = lint(zoned(other, "20190115T170000", ZONES[zone]))
        assert fault.line == 4
        assert fault.what.startswith("the VTIMEZONE is ")


@pytest.mark.parametrize("place", range(8))
def test_every_part_of_a_zone_is_compared(place: int) -> None:
    """The rules of two zones that differ in everything, mixed."""
    other = ("-0600", "-0500", "12", "2SU", "010000", "5", "3SU", "030000")
    shape = ZONES["America/New_York"]
    assert lint(zoned("America/New_York", "20190115T170000", (*shape[:place], other[place], *shape[place + 1 :])))


def test_a_zone_is_followed_for_ten_years_after_the_first_date_that_uses_it() -> None:
    """Morocco, Turkey, Brazil: a rule was right once. Turkey kept the summer from 2016 on."""
    turkey = ("+0200", "+0300", "10", "-1SU", "040000", "3", "-1SU", "030000")
    (fault,) = lint(zoned("Europe/Istanbul", "20150501T170000", turkey))
    assert "2015-10-25" in fault.what  # the change was a fortnight late that year
    (fault,) = lint(zoned("America/New_York", "19950501T170000", ZONES["America/New_York"]))
    assert "begins after" in fault.what


# Rendered entries


def test_an_entry_is_linted_by_itself() -> None:
    (entry,) = rendered([event("talking", date("2019-02-12"))])
    assert lint_component(entry.text) == []
    wrong = entry.text.replace("STATUS:CONFIRMED", "STATUS:SURE").replace("TRANSP:", "TRANSP;X=\ud800:")
    assert [(fault.line, fault.what.partition(":")[0]) for fault in lint_component(wrong)] == [
        (9, "STATUS"),
        (10, "the octet ED is not UTF-8; save the file as UTF-8"),
    ]
    assert told_of("") == ["there is no entry; write BEGIN:VEVENT or BEGIN:VTODO"]
    assert told_of(GOOD.decode())[0] == "a VCALENDAR is no entry; write BEGIN:VEVENT or BEGIN:VTODO"


def test_a_repeating_entry_is_linted_with_what_replaces_it_and_without_its_zone() -> None:
    text = GOOD.decode()
    series = text[text.index("BEGIN:VEVENT\r\nUID:weekly") : text.index("BEGIN:VEVENT\r\nUID:monthly")]
    assert series.count("BEGIN:VEVENT") == 2
    assert told_of(series) == []
    assert told_of(series.replace("20190507T170000", "20190508T170000")) == [
        "RECURRENCE-ID: 2019-05-08 17:00:00 is not when the entry takes place"
    ]


def test_an_occurrence_is_called_by_a_time_that_clocks_skip_but_does_not_begin_then() -> None:
    head = "BEGIN:VEVENT\r\nUID:nights\r\nDTSTAMP:20190101T000000Z\r\n"
    first = "DTSTART;TZID=Europe/London:20190324T013000\r\nRRULE:FREQ=WEEKLY\r\n"
    name = "Europe/London:20190331T013000\r\n"
    alone = f"{head}RECURRENCE-ID;TZID={name}DTSTART:20190331T013000Z\r\nEND:VEVENT\r\n"
    assert told_of(f"{head}{first}END:VEVENT\r\n{alone}") == []
    assert told_of(f"{head}{first}EXDATE;TZID={name}END:VEVENT\r\n") == []
    skipped = "'20190331T013000' does not exist in Europe/London: clocks go forward over it"
    assert told_of(f"{head}DTSTART;TZID={name}END:VEVENT\r\n") == [f"DTSTART: {skipped}"]
    assert told_of(f"{head}{first}RDATE;TZID={name}END:VEVENT\r\n") == [f"RDATE: {skipped}"]


def told_of(text: str) -> list[str]:
    return [fault.what for fault in lint_component(text)]


# What we publish

KINDS = {kind.id: kind for kind in (CLOSING, COURSE, Kind("visit", "Visit"))}
PUBLIC = "https://dates.example.org"


def rendered(events: list[Event]) -> list[Entry]:
    drafts = (
        draw(each, line, KINDS.get(line.kind, COURSE), event_url=f"{PUBLIC}/events/{each.id}")
        for each in events
        for line in each.dates
    )
    return [stamp(draft, None, EPOCH) for draft in drafts if draft]


def joined(feed: Feed, entries: list[Entry]) -> bytes:
    moved = max((entry.last_modified for entry in entries), default=EPOCH)
    return calendar.join(
        feed,
        entries,
        last_modified=moved,
        checked=EPOCH.date(),
        source_url=f"{PUBLIC}/feeds/{feed.name}.ics",
        page_url=f"{PUBLIC}/",
    )


def test_what_the_shipped_catalogue_publishes_is_without_fault() -> None:
    files = {path.name: path.read_bytes() for path in (ROOT / "config" / "events").glob("*.yaml")}
    catalogue, problems, _ = parse_events(files, LONDON)
    assert not problems
    entries = rendered(list(catalogue.events))
    assert len(entries) >= 8
    for colour in get_args(Colour):
        assert told(joined(Feed("leadership", "Leadership", color=colour), entries)) == []
    assert told(joined(Feed("leadership", "Leadership"), [])) == []
    assert [lint_component(entry.text) for entry in entries] == [[]] * len(entries)


WHENS = (
    *(
        "2019-02-12",
        "2019-03-13/2019-03-15",
        "2019-03",
        "2019-22",
        "2019",
        "2020-02-29",
        "2018-12-31",
        "tba",
        "2019/2020",
    ),
    *(
        "2018-12-14T10:00",
        "2019-03-31T00:30",
        "2019-10-27T03:30",
        "2019-08-01?",
        "2020-02-29T23:59",
        "1999-12-31T23:45",
    ),
)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)
LINKS = st.one_of(st.just("https://www.oriel.nhs.uk"), TEXTS.map(lambda text: f"https://example.org/{text}"), TEXTS)
DATES = st.builds(
    lambda when, kind, zone, occurrence, **fields: replace(
        date(when, kind, zone=zone), occurrence=occurrence, **fields
    ),
    st.sampled_from(WHENS),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from([LONDON, "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu", "UTC"]),
    st.integers(0, 99).map(str),
    status=st.sampled_from(Status),
    note=TEXTS,
    location=TEXTS,
)
SOURCES = st.builds(Source, TEXTS, st.dates(datetime(2018, 1, 1).date(), datetime(2020, 1, 1).date()), quote=TEXTS)
EVENTS = st.builds(
    Event,
    id=st.from_regex("[a-z][a-z0-9-]{0,20}", fullmatch=True),
    dates=st.lists(DATES, max_size=3, unique_by=lambda each: each.key).map(tuple),
    title=TEXTS.filter(str.strip),
    level=st.none() | st.integers(1, 4),
    categories=st.lists(TEXTS, max_size=3).map(tuple),
    description=TEXTS,
    provider=TEXTS,
    link=LINKS,
    contact=TEXTS,
    source=st.none() | SOURCES,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=4, unique_by=lambda each: each.id), TEXTS, TEXTS, st.sampled_from(get_args(Colour)))
def test_what_is_published_of_any_catalogue_is_without_fault(
    events: list[Event], title: str, description: str, colour: Colour
) -> None:
    entries = rendered(events)
    assert told(joined(Feed("any", title, description, color=colour), entries)) == []
    assert [lint_component(entry.text) for entry in entries] == [[]] * len(entries)


# Any bytes

SNIPPETS = st.sampled_from(
    [octets(defect["put"]) for defect in DEFECTS]
    + [
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b":",
        b";",
        b'"',
        b"\\",
        b"=",
        b"\x00",
        b"\xff",
        b"99991231T235959",
        b"00010101T000000",
    ]
    + [
        b"9" * 5000,
        b"BEGIN:VTIMEZONE",
        b"END:VEVENT\r\n",
        b";VALUE=PERIOD",
        b";TZID=Europe/London",
        b"RRULE:FREQ=DAILY\r\n",
    ]
)


def checked(data: bytes) -> list[Fault]:
    """The faults, which must be in order, each in a line that there is, in words that can be printed."""
    faults = lint(data)
    lines = max(1, len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")))
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
    assert all(1 <= fault.line <= lines and fault.what.isprintable() for fault in faults)
    return faults


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.lists(SNIPPETS, max_size=20).map(b"\r\n".join))
@example(b" \r\n ")
@example(b"\xc3\r\n \xa9")
def test_any_bytes_are_linted_and_none_is_a_calendar(data: bytes) -> None:
    assert checked(data)
    lint_component(data.decode("utf-8", "surrogateescape"))


@settings(max_examples=500, deadline=None)
@example(
    [(GOOD.index(b"BEGIN:STANDARD"), 14, b"BEGIN:X-STANDARD"), (GOOD.index(b"END:STANDARD") + 2, 12, b"END:X-STANDARD")]
)
@example([(GOOD.index(b"BEGIN:DAYLIGHT"), 0, b"BEGIN:X-PART\r\nEND:X-PART\r\n")])
@example([(GOOD.index(b"RECURRENCE-ID;TZID=") + 19, 31, b"\0")])
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 60), SNIPPETS | st.binary(max_size=8)), max_size=5))
def test_a_feed_that_was_damaged_anywhere_is_linted(damage: list[tuple[int, int, bytes]]) -> None:
    data = GOOD
    for place, length, put in damage:
        data = data[:place] + put + data[place + length :]
    checked(data)
    lint_component(data.decode("utf-8", "replace"))


# Speed


def test_a_large_feed_takes_no_time_worth_mentioning() -> None:
    entries = rendered([event(f"course-{number}", date("2018-12-14T10:00", CLOSING.id)) for number in range(2000)])
    data = joined(Feed("large", "Large"), entries)
    begun = time.process_time()
    assert lint(data) == []
    assert time.process_time() - begun < 1  # a tenth of it was measured


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYSETPOS=2;BYMONTH=1", "FREQ=YEARLY;INTERVAL=999999999"]
)
def test_a_rule_that_never_falls_on_a_day_is_not_searched_for_ever(rule: str) -> None:
    begun = time.process_time()
    lint(GOOD.replace(b"FREQ=MONTHLY;BYDAY=1MO;COUNT=6", rule.encode()))
    assert time.process_time() - begun < 10  # less than one second was measured; to the year 9999 it would be 20


def test_the_colours_are_those_of_the_standard() -> None:
    assert len(COLOURS) == 147
    assert set(get_args(Colour)) <= COLOURS
