"""A date as a calendar entry: what it says, and which stamps it bears."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from icalendar import Event as Reader

from reminders.catalogue.dates import Precision, When, parse_when
from reminders.catalogue.events import Event, EventDate, Kind, Source, Status
from reminders.feed.entry import Draft, Entry, draw, stamp
from reminders.feed.lines import clean
from reminders.feed.repeating import BLOCK
from tests import builders
from tests.builders import CLOSING, COURSE, EPOCH, event, utc
from tests.contentlines import names, properties, unfold

PAGE = "https://dates.example.org/events/talking-2019"


def drawn(when: str = "2019-02-12", kind: Kind = COURSE, *, zone: str = builders.LONDON, **fields: object) -> Draft:
    line = builders.date(when, kind.id, zone=zone, **fields)
    draft = draw(event("talking-2019", line), line, kind, event_url=PAGE)
    assert draft is not None
    return draft


def vevent(when: str, kind: Kind = COURSE, **fields: Any) -> dict[str, str]:
    return properties(drawn(when, kind, **fields).text)


def description(draft: Draft) -> list[str]:
    return str(shown_by(draft)["DESCRIPTION"]).split("\n")


def test_an_entry_reads_as_a_whole() -> None:
    line = builders.date("2018-12-14T10:00", "applications-close", note="Apply online", location="Newcastle, Room 2")
    fellows = event(
        "leadership-fellows-2019",
        line,
        title="Leadership and Management Fellows, August 2019",
        categories=("fellowship",),
        description="A year as a clinical fellow.",
        link="https://www.oriel.nhs.uk",
        contact="educationsupport.ne@hee.nhs.uk",
        source=Source("Leadership Learning", date(2018, 11, 23), quote="by 10am"),
    )
    draft = draw(fellows, line, CLOSING, event_url="https://dates.example.org/events/leadership-fellows-2019")
    assert draft is not None
    assert unfold(stamp(draft, None, utc("2018-11-23T09:00")).text) == [
        "BEGIN:VEVENT",
        "DTSTAMP:20181123T090000Z",
        "LAST-MODIFIED:20181123T090000Z",
        "SEQUENCE:0",
        "UID:f717aa20-4fd2-50b2-a09e-3be01ca94919",
        "SUMMARY:Applications close 10:00 UK time: Leadership and Management Fellows\\, August 2019",
        "DTSTART:20181214T093000Z",
        "DTEND:20181214T100000Z",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "LOCATION:Newcastle\\, Room 2",
        "CATEGORIES:fellowship,Level 2",
        "URL:https://dates.example.org/events/leadership-fellows-2019",
        "DESCRIPTION:Applications close: Friday 14 December 2018\\, 10:00 UK time"
        "\\nApply online"
        "\\nA year as a clinical fellow."
        "\\nLevel 2"
        "\\nOffered by HEE"
        "\\nMore: https://www.oriel.nhs.uk"
        "\\nQuestions: educationsupport.ne@hee.nhs.uk"
        "\\nSource: Leadership Learning\\, checked on 23 November 2018"
        "\\nAll dates\\, and whether they have changed: https://dates.example.org/events/leadership-fellows-2019",
        "END:VEVENT",
    ]


@pytest.mark.parametrize(
    ("when", "starts", "ends"),
    [
        ("2019-02-12T14:00", ":20190212T140000Z", ":20190212T143000Z"),
        ("2019-07-01T14:00", ":20190701T130000Z", ":20190701T133000Z"),
        ("2019-12-31T23:45", ":20191231T234500Z", ":20200101T001500Z"),
        ("2019-03-13T09:00/2019-03-13T17:00", ":20190313T090000Z", ":20190313T170000Z"),
        # clocks go forward at 01:00 UTC on 31 March 2019, back at 01:00 UTC on 27 October
        ("2019-03-31T00:45", ":20190331T004500Z", ":20190331T011500Z"),
        ("2019-03-31T02:00", ":20190331T010000Z", ":20190331T013000Z"),
        ("2019-10-27T01:30+01:00", ":20191027T003000Z", ":20191027T010000Z"),
        ("2019-10-27T01:30+00:00", ":20191027T013000Z", ":20191027T020000Z"),
        ("2019-10-26T09:00/2019-10-27T17:00", ":20191026T080000Z", ":20191027T170000Z"),
        ("2019-03-30T09:00/2019-03-31T17:00", ":20190330T090000Z", ":20190331T160000Z"),
    ],
)
def test_an_instant_is_written_in_utc_and_has_a_length(when: str, starts: str, ends: str) -> None:
    shown = vevent(when)
    assert (shown["DTSTART"], shown["DTEND"]) == (starts, ends)
    assert shown["STATUS"] == ":CONFIRMED"
    assert shown["SUMMARY"] == ":Course: Having Difficult Conversations"


@pytest.mark.parametrize(
    ("when", "starts", "ends", "hour"),
    [
        ("2018-12-14T10:00", ":20181214T093000Z", ":20181214T100000Z", "10:00"),
        ("2019-07-01T10:00", ":20190701T083000Z", ":20190701T090000Z", "10:00"),
        ("2019-01-01T00:00", ":20181231T233000Z", ":20190101T000000Z", "00:00"),
        ("2018-12-31T23:59", ":20181231T232900Z", ":20181231T235900Z", "23:59"),
        ("2020-02-29T17:00", ":20200229T163000Z", ":20200229T170000Z", "17:00"),
        ("2019-03-31T02:15", ":20190331T004500Z", ":20190331T011500Z", "02:15"),
        ("2019-10-27T01:15+00:00", ":20191027T004500Z", ":20191027T011500Z", "01:15"),
        ("2019-03-01T09:00/2019-03-15T17:00", ":20190301T090000Z", ":20190315T170000Z", "17:00"),
    ],
)
def test_a_deadline_ends_at_the_deadline_and_says_the_hour(when: str, starts: str, ends: str, hour: str) -> None:
    shown = vevent(when, CLOSING)
    assert (shown["DTSTART"], shown["DTEND"]) == (starts, ends)
    assert shown["SUMMARY"] == f":Applications close {hour} UK time: Having Difficult Conversations"


def test_the_hour_of_a_deadline_is_its_zones_and_names_it() -> None:
    shown = vevent("2019-07-01T17:00", CLOSING, zone="America/New_York")
    assert (shown["DTSTART"], shown["DTEND"]) == (":20190701T203000Z", ":20190701T210000Z")
    assert shown["SUMMARY"].startswith(":Applications close 17:00 New York time (America/New_York): ")


@pytest.mark.parametrize(("offset", "ends"), [("+01:00", ":20191027T003000Z"), ("+00:00", ":20191027T013000Z")])
def test_a_deadline_at_a_time_that_clocks_show_twice_says_which_it_is(offset: str, ends: str) -> None:
    draft = drawn(f"2019-10-27T01:30{offset}", CLOSING)
    assert properties(draft.text)["DTEND"] == ends
    assert description(draft)[0] == f"Applications close: Sunday 27 October 2019, 01:30 (UTC{offset}) UK time"


@pytest.mark.parametrize("kind", [COURSE, CLOSING])
@pytest.mark.parametrize(
    ("when", "starts", "after"),
    [
        ("2019-02-12", "20190212", "20190213"),
        ("2020-02-29", "20200229", "20200301"),
        ("2019-02-28", "20190228", "20190301"),
        ("2019-12-31", "20191231", "20200101"),
        ("2019-03-31", "20190331", "20190401"),
        ("2019-10-27", "20191027", "20191028"),
        ("2019-03-13/2019-03-15", "20190313", "20190316"),
        ("2019-12-30/2020-01-02", "20191230", "20200103"),
    ],
)
def test_days_are_days_and_end_before_the_day_after(kind: Kind, when: str, starts: str, after: str) -> None:
    shown = vevent(when, kind)
    assert (shown["DTSTART"], shown["DTEND"]) == (f";VALUE=DATE:{starts}", f";VALUE=DATE:{after}")
    assert shown["STATUS"] == ":CONFIRMED"
    assert shown["SUMMARY"] == f":{kind.label}: Having Difficult Conversations"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "America/Sao_Paulo", "UTC"])
def test_a_day_is_the_same_day_in_every_zone(zone: str) -> None:
    shown = vevent("2018-11-04", zone=zone)  # a day without midnight in São Paulo
    assert (shown["DTSTART"], shown["DTEND"]) == (";VALUE=DATE:20181104", ";VALUE=DATE:20181105")


@pytest.mark.parametrize("kind", [COURSE, CLOSING])
@pytest.mark.parametrize(
    ("when", "starts", "after"),
    [
        ("2019-03", "20190301", "20190401"),
        ("2020-02", "20200201", "20200301"),
        ("2019-12", "20191201", "20200101"),
        ("2019-03/2019-05", "20190301", "20190601"),
        ("2019-21", "20190301", "20190601"),
        ("2019-22", "20190601", "20190901"),
        ("2019-23", "20190901", "20191201"),
        ("2019-24", "20191201", "20200301"),
        ("2019-22/2019-23", "20190601", "20191201"),
        ("2019", "20190101", "20200101"),
        ("2019/2020", "20190101", "20210101"),
        ("2019-03?", "20190301", "20190401"),
        ("2019~", "20190101", "20200101"),
    ],
)
def test_what_has_no_day_yet_is_a_tentative_span_that_says_so(kind: Kind, when: str, starts: str, after: str) -> None:
    shown = vevent(when, kind)
    assert (shown["DTSTART"], shown["DTEND"]) == (f";VALUE=DATE:{starts}", f";VALUE=DATE:{after}")
    assert shown["STATUS"] == ":TENTATIVE"
    assert shown["SUMMARY"] == f":{kind.label}: Having Difficult Conversations (date to be confirmed)"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("2019-02-12?", "Tuesday 12 February 2019 (not yet certain)"),
        ("2019-02-12~", "Tuesday 12 February 2019 (approximate)"),
        ("2019-02-12%", "Tuesday 12 February 2019 (approximate, not yet certain)"),
        ("2019-02-12/2019-02-13?", "Tuesday 12 to Wednesday 13 February 2019 (not yet certain)"),
    ],
)
def test_a_day_that_is_not_firm_is_tentative_and_says_so(when: str, words: str) -> None:
    draft = drawn(when)
    shown = properties(draft.text)
    assert shown["STATUS"] == ":TENTATIVE"
    assert shown["SUMMARY"] == ":Course: Having Difficult Conversations (not yet certain)"
    assert description(draft)[0] == f"Course: {words}"


@pytest.mark.parametrize(
    ("status", "written", "before", "says"),
    [
        ("planned", "CONFIRMED", "", "Course: Tuesday 12 February 2019"),
        ("cancelled", "CANCELLED", "CANCELLED: ", "This has been cancelled."),
        ("postponed", "TENTATIVE", "POSTPONED: ", "This has been postponed; a new date is not known yet."),
    ],
)
def test_a_status_is_seen_in_every_program(status: str, written: str, before: str, says: str) -> None:
    draft = drawn(status=status)
    shown = properties(draft.text)
    assert shown["STATUS"] == f":{written}"
    assert shown["SUMMARY"] == f":{before}Course: Having Difficult Conversations"
    assert description(draft)[0] == says
    assert shown["DTSTART"] == ";VALUE=DATE:20190212", "it stays where people look for it"


def test_a_cancelled_month_is_cancelled_rather_than_tentative() -> None:
    assert vevent("2019-03", status="cancelled")["STATUS"] == ":CANCELLED"


@pytest.mark.parametrize(
    ("when", "status"), [("tba", "planned"), ("open", "planned"), ("tba", "cancelled"), ("2019-02-12", "withdrawn")]
)
def test_there_is_no_entry_where_no_date_is_known_or_it_was_withdrawn(when: str, status: str) -> None:
    line = builders.date(when, status=status)
    assert draw(event("talking-2019", line), line, COURSE, event_url=PAGE) is None


@pytest.mark.parametrize("when", ["2019-02-12T14:00", "2019-02-12", "2019-03", "2019"])
@pytest.mark.parametrize("kind", [COURSE, CLOSING])
def test_nothing_takes_up_anybodys_time(when: str, kind: Kind) -> None:
    shown = vevent(when, kind)
    assert (shown["TRANSP"], shown["X-MICROSOFT-CDO-BUSYSTATUS"]) == (":TRANSPARENT", ":FREE")


@pytest.mark.parametrize(
    ("link", "page", "url"),
    [
        ("https://example.org/a", PAGE, f":{PAGE}"),
        ("https://example.org/a b", None, ":https://example.org/a%20b"),
        ("mailto:someone@example.org", None, None),
        ("", None, None),
    ],
)
def test_the_address_is_the_events_page_or_its_link(link: str, page: str | None, url: str | None) -> None:
    line = builders.date()
    draft = draw(event("talking-2019", line, link=link), line, COURSE, event_url=page)
    assert draft is not None
    assert properties(draft.text).get("URL") == url
    assert (f"More: {link}" in description(draft)) == bool(link)


def test_what_is_inferred_says_why() -> None:
    assert description(drawn(inferred="The page says only November"))[1] == (
        "This date follows from the source, which does not state it: The page says only November"
    )


def test_an_entry_knows_when_it_begins_and_when_it_is_past() -> None:
    deadline, day = drawn("2018-12-14T10:00", CLOSING), drawn("2019-07-01")
    assert (deadline.begins, deadline.over) == ("2018-12-14T10:00:00+00:00", utc("2018-12-14T10:00"))
    assert (day.begins, day.over) == ("2019-07-01", utc("2019-07-01T23:00"))  # midnight in summer, UK time


# Who an entry is


def test_a_uid_is_for_ever() -> None:
    """Another UID for the same date would show it twice to everybody who subscribed."""
    assert drawn().uid == "b6bb2c44-71f1-5c23-89c5-66f4a33701f8"


def test_a_uid_outlives_every_edit() -> None:
    line = builders.date("2020-05", status="postponed", note="moved", location="York")
    other = event("talking-2019", line, title="Another title", level=4, provider="", categories=("visit",))
    draft = draw(other, line, replace(COURSE, label="Training", deadline=True), event_url=None)
    assert draft is not None
    assert draft.uid == drawn().uid


def test_every_date_has_a_uid_of_its_own_that_tells_nothing() -> None:
    lines = [builders.date(kind=kind, occurrence=id) for kind in ("course", "visit") for id in ("", "spring", "autumn")]
    drafts = [draw(event(id, line), line, COURSE, event_url=None) for id in ("one", "two") for line in lines]
    uids = {draft.uid for draft in drafts if draft}
    assert len(uids) == len(drafts) == 12
    for uid in uids:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uid)


# Stamps


def stamps(entry: Entry) -> tuple[int, datetime]:
    """SEQUENCE and the time of the last change, as the text has them and as the entry knows them."""
    shown = properties(entry.text)
    written = entry.last_modified.strftime(":%Y%m%dT%H%M%SZ")
    assert (shown["SEQUENCE"], shown["LAST-MODIFIED"], shown["DTSTAMP"]) == (f":{entry.sequence}", written, written)
    assert entry.last_modified.tzinfo is UTC
    assert entry.last_modified.microsecond == 0
    return entry.sequence, entry.last_modified


def test_a_new_entry_is_stamped_with_the_second_it_is_published_in() -> None:
    there = datetime(2018, 11, 23, 10, 0, 7, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert stamps(stamp(drawn(), None, there)) == (0, utc("2018-11-23T09:00:07"))


def test_the_same_content_keeps_its_stamps_whenever_it_is_drawn() -> None:
    first = stamp(drawn(), None, EPOCH)
    assert stamp(drawn(), first, EPOCH + timedelta(days=400)) == first


def test_changed_content_moves_all_stamps() -> None:
    first = stamp(drawn(), None, EPOCH)
    second = stamp(drawn("2019-02-13"), first, EPOCH + timedelta(days=1))
    third = stamp(drawn(), second, EPOCH + timedelta(days=2))
    assert stamps(second) == (1, EPOCH + timedelta(days=1))
    assert stamps(third) == (2, EPOCH + timedelta(days=2)), "moved back is a change too"
    assert first.uid == second.uid == third.uid


@pytest.mark.parametrize("clock", [timedelta(0), timedelta(milliseconds=300), timedelta(days=-30)])
def test_stamps_move_forward_even_if_the_clock_did_not(clock: timedelta) -> None:
    first = stamp(drawn(), None, EPOCH)
    assert stamps(stamp(drawn("2019-02-13"), first, EPOCH + clock)) == (1, EPOCH + timedelta(seconds=1))


def changed(change: Callable[[Event, EventDate], tuple[Event, EventDate]], page: str | None = PAGE) -> bool:
    line = builders.date(note="Bring a friend", location="York", inferred="The page says only 'in winter'")
    base = event(
        "talking-2019",
        line,
        categories=("course",),
        description="A day.",
        link="https://example.org",
        contact="someone@example.org",
        source=Source("Leadership Learning", date(2018, 11, 23), "12/02/19", "https://example.org/page"),
    )
    before, after = draw(base, line, COURSE, event_url=PAGE), draw(*change(base, line), COURSE, event_url=page)
    assert before is not None
    assert after is not None
    first = stamp(before, None, EPOCH)
    second = stamp(after, first, EPOCH + timedelta(days=1))
    moved = (second.digest != first.digest, second.text != first.text, stamps(second) != stamps(first))
    assert len(set(moved)) == 1, "content, bytes and stamps change together or not at all"
    return moved[0]


SHOWN: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("title", {"title": "Another"}, {}),
    ("level", {"level": 3}, {}),
    ("no level", {"level": None}, {}),
    ("provider", {"provider": "NELA"}, {}),
    ("categories", {"categories": ("course", "e-learning")}, {}),
    ("description", {"description": "Two days."}, {}),
    ("link", {"link": "https://example.org/2"}, {}),
    ("contact", {"contact": "else@example.org"}, {}),
    ("day checked", {"source": Source("Leadership Learning", date(2018, 12, 1), "12/02/19")}, {}),
    ("day", {}, {"when": parse_when("2019-02-13", builders.LONDON)}),
    ("precision", {}, {"when": parse_when("2019-02-12T00:00/2019-02-13T00:00", builders.LONDON)}),
    ("certainty", {}, {"when": parse_when("2019-02-12?", builders.LONDON)}),
    ("status", {}, {"status": Status.CANCELLED}),
    ("note", {}, {"note": "Bring two"}),
    ("location", {}, {"location": "Leeds"}),
    ("reason", {}, {"inferred": ""}),
]


@pytest.mark.parametrize(("facts", "fields"), [each[1:] for each in SHOWN], ids=[each[0] for each in SHOWN])
def test_whatever_is_shown_moves_the_stamps(facts: dict[str, Any], fields: dict[str, Any]) -> None:
    assert changed(lambda event, line: (replace(event, **facts), replace(line, **fields)))


def test_another_page_moves_the_stamps() -> None:
    assert changed(lambda event, line: (event, line), page="https://elsewhere.example.org/talking-2019")


@pytest.mark.parametrize(
    "facts",
    [
        {"rules": MappingProxyType({"course-2w": "off"})},
        {"source": Source("Leadership Learning", date(2018, 11, 23), "12 February", "https://example.org/elsewhere")},
        {"dates": (builders.date(), builders.date("2019-03", "visit"))},
    ],
    ids=["rules", "words quoted", "another date"],
)
def test_what_is_not_shown_moves_nothing(facts: dict[str, Any]) -> None:
    assert not changed(lambda event, line: (replace(event, **facts), line))


# Leaving the feeds and coming back


def test_an_entry_that_left_comes_back_with_the_stamps_it_had() -> None:
    first = stamp(drawn(), None, EPOCH)
    left = replace(first, left_at=EPOCH + timedelta(days=7))
    assert stamp(drawn(), left, EPOCH + timedelta(days=8)) == first


def test_an_entry_that_left_comes_back_changed_with_new_stamps() -> None:
    left = replace(stamp(drawn(), None, EPOCH), left_at=EPOCH + timedelta(days=7))
    back = stamp(drawn("2019-02-13"), left, EPOCH + timedelta(days=8))
    assert back.left_at is None
    assert stamps(back) == (1, EPOCH + timedelta(days=8))


def test_an_entry_that_left_because_it_was_past_stays_away() -> None:
    left = replace(stamp(drawn(), None, EPOCH), left_at=utc("2021-02-13T00:00"))
    assert stamp(drawn(), left, utc("2021-03-01T09:00")) == left
    corrected = stamp(drawn(note="It was in York"), left, utc("2021-03-01T09:00"))
    assert corrected.left_at == left.left_at
    assert corrected.sequence == 1


def test_a_past_entry_whose_date_moves_to_the_future_comes_back() -> None:
    left = replace(stamp(drawn(), None, EPOCH), left_at=utc("2021-02-13T00:00"))
    assert stamp(drawn("2021-05-04"), left, utc("2021-03-01T09:00")).left_at is None


def test_a_day_that_ends_at_another_midnight_looks_the_same_and_is_past_at_another_time() -> None:
    first = stamp(drawn(), None, EPOCH)
    there = stamp(drawn(zone="America/New_York"), first, EPOCH + timedelta(days=1))
    assert there.text == first.text
    assert (first.over, there.over) == (utc("2019-02-13T00:00"), utc("2019-02-13T05:00"))


# Any text, any date

NASTY = st.text(
    st.one_of(
        st.sampled_from(list(',;:\\"\n\r\t\x00\x0b\x0c\x1c\x7f\x85\u2028\u2029\u202e\ufeff\ud83c=^é漢א🎓\u200d')),
        st.characters(),
    ),
    max_size=120,
)
PROPERTIES = [
    *("BEGIN", "UID", "SUMMARY", "DTSTART", "DTEND", "STATUS", "TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS", "LOCATION"),
    *("CATEGORIES", "URL", "DESCRIPTION", "END"),
]


def shown_by(draft: Draft) -> Reader:
    """What a calendar program reads."""
    read = Reader.from_ical(draft.text)
    assert isinstance(read, Reader)
    return read


@given(NASTY, NASTY, NASTY, NASTY)
def test_no_text_adds_a_property_or_a_line_too_long(title: str, note: str, place: str, said: str) -> None:
    line = builders.date(note=note, location=f"x{place}")
    hostile = event("talking-2019", line, title=title, description=said, provider=title, categories=("a", f"x{note}"))
    draft = draw(hostile, line, COURSE, event_url=PAGE)
    assert draft is not None
    assert names(unfold(draft.text)) == PROPERTIES
    assert len(draft.text.splitlines()) == draft.text.count("\r\n")
    shown = shown_by(draft)
    assert shown["SUMMARY"] == clean(f"Course: {title}")
    assert shown["LOCATION"] == clean(f"x{place}")
    assert clean(note) in str(shown["DESCRIPTION"])
    assert clean(said) in str(shown["DESCRIPTION"])


ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
DAYS = st.dates(date(1980, 1, 1), date(2198, 12, 31))


@st.composite
def instants(pick: st.DrawFn, zone: str) -> datetime:
    """A UTC instant in whole minutes, any of those of a day on which clocks may change."""
    day = pick(st.one_of(DAYS, st.sampled_from([date(2019, 3, 31), date(2019, 10, 27), date(2019, 4, 7)])))
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=pick(st.integers(0, 1439)))
    offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
    assume(offset is not None and offset % timedelta(minutes=1) == timedelta(0))
    return instant


def written(instant: datetime, zone: str) -> str:
    return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


@given(st.data(), st.sampled_from(ZONES), st.booleans())
def test_a_calendar_program_reads_the_very_instant(data: st.DataObject, zone: str, deadline: bool) -> None:
    instant = data.draw(instants(zone))
    shown = shown_by(drawn(written(instant, zone), CLOSING if deadline else COURSE, zone=zone))
    assert (shown.start, shown.end) == ((instant - BLOCK, instant) if deadline else (instant, instant + BLOCK))


@given(st.data(), st.sampled_from(ZONES))
def test_a_calendar_program_reads_the_very_span(data: st.DataObject, zone: str) -> None:
    start, end = sorted((data.draw(instants(zone)), data.draw(instants(zone))))
    assume(start < end)
    shown = shown_by(drawn(f"{written(start, zone)}/{written(end, zone)}", zone=zone))
    assert (shown.start, shown.end) == (start, end)


@given(DAYS, st.integers(0, 400), st.sampled_from(ZONES), st.sampled_from(["", "?", "~", "%"]))
def test_a_calendar_program_reads_the_very_days(first: date, more: int, zone: str, qualifier: str) -> None:
    last = first + timedelta(days=more)
    when = f"{first}{qualifier}/{last}{qualifier}" if more else f"{first}{qualifier}"
    shown = shown_by(drawn(when, zone=zone))
    assert (shown.start, shown.end) == (first, last + timedelta(days=1))
    assert (shown["STATUS"] == "TENTATIVE") == bool(qualifier)


@given(st.integers(1980, 2198), st.integers(0, 24), st.sampled_from(["", "?", "~"]))
def test_a_span_without_a_day_covers_what_was_written_and_no_day_more(year: int, part: int, qualifier: str) -> None:
    assume(not 13 <= part <= 20)
    when: When = parse_when(f"{year}-{part:02}{qualifier}" if part else f"{year}{qualifier}", builders.LONDON)
    shown = shown_by(drawn(when.edtf))
    assert when.precision < Precision.DAY
    assert (shown.start, shown.end - timedelta(days=1)) == (when.first, when.last)
    assert shown["STATUS"] == "TENTATIVE"
    assert str(shown["SUMMARY"]).endswith("(date to be confirmed)")
