"""A feed: which entries it shows, when it last changed, and its bytes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date as Day
from datetime import datetime, timedelta
from typing import get_args

import pytest
from icalendar import Calendar

from reminders.catalogue.events import Event, Kind
from reminders.feed import calendar
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.selection import Colour, Feed
from reminders.planning.subscribers import Selection
from tests.builders import CLOSING, COURSE, EPOCH, date, event
from tests.contentlines import names, properties, unfold

CHECKED = Day(2018, 11, 20)
FEED = Feed("leadership", "Leadership, learning; all", "Every date of it.")
SOURCE, PAGE = "https://dates.example.org/feeds/leadership.ics", "https://dates.example.org/"
KINDS = {kind.id: kind for kind in (CLOSING, COURSE, Kind("visit", "Visit"))}

EVENTS = (
    event("talking", date("2019-02-12"), level=2, provider="HEE", categories=("course",)),
    event("ilm5", date("2019-03"), level=3, provider="NELA", categories=("course", "programme")),
    event(
        "fellows",
        date("2018-12-14T10:00", "applications-close"),
        date("2019-08-01?", "visit"),
        date("tba", "course"),
        level=None,
        provider="HEE",
        categories=("fellowship",),
    ),
)


def entries_of(events: Iterable[Event], now: datetime = EPOCH) -> list[Entry]:
    drafts = (draw(each, line, KINDS[line.kind], event_url=None) for each in events for line in each.dates)
    return [stamp(draft, None, now) for draft in drafts if draft]


def digest(feed: Feed, entries: Iterable[Entry]) -> str:
    return calendar.digest(feed, entries, CHECKED, "https://dates.example.org")


ENTRIES = entries_of(EVENTS)
ALL = ["fellows applications-close", "fellows visit", "ilm5 course", "talking course"]


def shown(feed: Feed, entries: Iterable[Entry] = ENTRIES) -> list[str]:
    selected = calendar.select(feed, entries)
    return sorted(f"{entry.event} {entry.kind}" for entry in selected)


def joined(feed: Feed = FEED, entries: Iterable[Entry] = ENTRIES, now: datetime = EPOCH, *, public: bool = True) -> str:
    source, page = (SOURCE, PAGE) if public else (None, None)
    return calendar.join(feed, entries, last_modified=now, checked=CHECKED, source_url=source, page_url=page).decode()


# Which entries


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ALL),
        (Selection(levels=(2,)), ["talking course"]),
        (Selection(levels=(2, 3)), ["ilm5 course", "talking course"]),
        (Selection(kinds=("applications-close", "visit")), ["fellows applications-close", "fellows visit"]),
        (Selection(categories=("course", "visit")), ["ilm5 course", "talking course"]),
        (Selection(providers=("HEE",)), ["fellows applications-close", "fellows visit", "talking course"]),
        (Selection(events=("fellows",), kinds=("visit",)), ["fellows visit"]),
        (Selection(providers=("HEE",), categories=("programme",)), []),
        (Selection(levels=(4,)), []),
    ],
)
def test_a_feed_shows_the_dates_it_selects(selection: Selection, expected: list[str]) -> None:
    assert shown(replace(FEED, selection=selection)) == expected


def test_a_feed_may_leave_out_what_has_no_day_yet_but_not_a_day_that_is_uncertain() -> None:
    assert shown(replace(FEED, tentative=False)) == ["fellows applications-close", "fellows visit", "talking course"]


def test_an_entry_that_left_is_not_shown() -> None:
    left = [replace(entry, left_at=EPOCH) if entry.event == "ilm5" else entry for entry in ENTRIES]
    assert shown(FEED, left) == [each for each in ALL if each != "ilm5 course"]


def test_what_is_cancelled_or_postponed_stays() -> None:
    off = [event("talking", date("2019-02-12", status="cancelled"), date("2019-03-01", "visit", status="postponed"))]
    assert shown(FEED, entries_of(off)) == ["talking course", "talking visit"]


def test_an_entry_follows_its_event_to_another_level() -> None:
    raised = replace(EVENTS[0], level=3)
    assert shown(replace(FEED, selection=Selection(levels=(3,))), entries_of([raised])) == ["talking course"]


def test_occurrences_are_told_apart() -> None:
    twice = event("talking", date("2019-02", occurrence="spring"), date("2019-10-01", occurrence="autumn"))
    firm = calendar.select(replace(FEED, tentative=False), entries_of([twice]))
    assert [entry.occurrence for entry in firm] == ["autumn"]


def test_entries_are_shown_by_uid() -> None:
    uids = [entry.uid for entry in calendar.select(FEED, reversed(ENTRIES))]
    assert uids == sorted(uids)


# Its bytes


def test_a_calendar_reads_as_a_whole() -> None:
    assert unfold(joined(entries=ENTRIES[:1])) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//reminders//Dates and deadlines//EN",
        "CALSCALE:GREGORIAN",
        "UID:507e5010-7085-5491-bcfc-1f29a6db1806",
        "NAME:Leadership\\, learning\\; all",
        "X-WR-CALNAME:Leadership\\, learning\\; all",
        "DESCRIPTION:Every date of it.",
        "X-WR-CALDESC:Every date of it.",
        "LAST-MODIFIED:20181123T090000Z",
        "COLOR:steelblue",
        "X-APPLE-CALENDAR-COLOR:#4682B4",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
        "SOURCE;VALUE=URI:https://dates.example.org/feeds/leadership.ics",
        "URL:https://dates.example.org/",
        *unfold(ENTRIES[0].text),
        "END:VCALENDAR",
    ]


def test_a_feed_without_description_or_address_says_nothing_of_them() -> None:
    said = names(unfold(joined(replace(FEED, description=""), public=False)))
    head = said[: said.index("BEGIN", 1)]
    assert not {"DESCRIPTION", "X-WR-CALDESC", "SOURCE", "URL", "METHOD"} & set(head)


@pytest.mark.parametrize("colour", get_args(Colour))
def test_every_colour_has_its_name_and_its_shade(colour: Colour) -> None:
    head = properties(joined(replace(FEED, color=colour)))
    assert head["COLOR"] == f":{colour}"
    assert re.fullmatch(r":#[0-9A-F]{6}", head["X-APPLE-CALENDAR-COLOR"])


def test_the_order_of_entries_changes_no_byte() -> None:
    mixed, order = list(ENTRIES), random.Random(7)
    expected, known = joined(), digest(FEED, ENTRIES)
    for _ in range(20):
        order.shuffle(mixed)
        assert joined(entries=iter(mixed)) == expected
        assert digest(FEED, iter(mixed)) == known
        assert calendar.select(FEED, mixed) == sorted(ENTRIES, key=lambda entry: entry.uid)


def test_last_modified_is_all_that_another_time_changes() -> None:
    later = joined(now=EPOCH + timedelta(days=1))
    assert later == joined().replace(
        "LAST-MODIFIED:20181123T090000Z\r\nCOLOR", "LAST-MODIFIED:20181124T090000Z\r\nCOLOR"
    )
    assert later != joined()


@pytest.mark.parametrize("entries", [[], ENTRIES[:1], ENTRIES])
def test_a_calendar_holds_each_entry_once_and_always_one(entries: list[Entry]) -> None:
    text = joined(entries=entries)
    unfold(text)
    read = Calendar.from_ical(text)
    assert len(read.events) == max(len(entries), 1)
    assert len({each["UID"] for each in read.events}) == len(read.events)
    assert all(each.start < each.end for each in read.events)


def test_a_feed_without_dates_says_so_in_one_entry_on_the_day_the_sources_were_checked() -> None:
    lines = unfold(joined(entries=[]))
    assert lines[lines.index("BEGIN:VEVENT") :] == [
        "BEGIN:VEVENT",
        "UID:69c25aaa-cde1-5a1c-8bfa-1fd06cf20593",
        "DTSTAMP:20181120T000000Z",
        "LAST-MODIFIED:20181120T000000Z",
        "SEQUENCE:14203",
        "SUMMARY:No dates announced yet",
        "DTSTART;VALUE=DATE:20181120",
        "DTEND;VALUE=DATE:20181121",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "CATEGORIES:Information",
        "DESCRIPTION:This calendar is working. Dates appear here as soon as they are announced."
        "\\nThis is the day on which the sources were last looked at.",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def test_two_feeds_are_two_calendars() -> None:
    other = replace(FEED, name="courses")
    uids = [re.findall(r"\r\nUID:(.*)\r\n", joined(feed, [])) for feed in (FEED, other)]
    assert uids[0][0] != uids[1][0]
    assert uids[0][1] == uids[1][1]  # the entry that stands in for none is the same everywhere


# What it last said


def test_what_is_seen_changes_the_digest_and_addresses_do_not() -> None:
    """The digest decides whether LAST-MODIFIED moves, so it has to change with every byte that subscribers get."""
    feeds = [
        FEED,
        replace(FEED, title="Leadership"),
        replace(FEED, description=""),
        replace(FEED, color="navy"),
        replace(FEED, name="other"),
    ]
    shelves = [ENTRIES, ENTRIES[1:], [], entries_of(EVENTS, EPOCH + timedelta(days=1))]
    seen = {digest(feed, entries): joined(feed, entries) for feed in feeds for entries in shelves}
    assert len(seen) == len(set(seen.values())) == len(feeds) * len(shelves)
    assert digest(replace(FEED, tentative=False), ENTRIES) == digest(FEED, ENTRIES)


def test_a_digest_covers_the_head_of_the_calendar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest(FEED, ENTRIES)
    monkeypatch.setattr(calendar, "REFRESH", timedelta(hours=12))
    assert digest(FEED, ENTRIES) != before
