"""A feed: which entries it shows, when it last changed, and its bytes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

import pytest
from icalendar import Calendar

from reminders.catalogue.events import Event, Kind, PublishedEvent
from reminders.feed import calendar
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.selection import Colour, Feed
from reminders.planning.subscribers import Selection
from tests.builders import CLOSING, COURSE, EPOCH, date, event, published
from tests.contentlines import names, properties, unfold

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


def shelf(*events: Event) -> dict[str, PublishedEvent]:
    return {each.id: published(each) for each in events}


ENTRIES = entries_of(EVENTS)
ALL = ["fellows applications-close", "fellows visit", "ilm5 course", "talking course"]


def shown(feed: Feed, entries: Iterable[Entry] = ENTRIES, *events: Event) -> list[str]:
    selected = calendar.select(feed, shelf(*(events or EVENTS)), entries)
    return sorted(f"{entry.event} {entry.kind}" for entry in selected)


def joined(feed: Feed = FEED, entries: Iterable[Entry] = ENTRIES, now: datetime = EPOCH, *, public: bool = True) -> str:
    source, page = (SOURCE, PAGE) if public else (None, None)
    return calendar.join(feed, entries, last_modified=now, source_url=source, page_url=page).decode()


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


def test_what_the_files_no_longer_hold_stays() -> None:
    gone = {id: replace(each, missing=True) for id, each in shelf(*EVENTS).items()}
    assert len(calendar.select(FEED, gone, ENTRIES)) == len(ENTRIES)


def test_what_is_cancelled_or_postponed_stays() -> None:
    off = [event("talking", date("2019-02-12", status="cancelled"), date("2019-03-01", "visit", status="postponed"))]
    assert shown(FEED, entries_of(off), *off) == ["talking course", "talking visit"]


def test_an_entry_follows_its_event_to_another_level() -> None:
    raised = replace(EVENTS[0], level=3)
    assert shown(replace(FEED, selection=Selection(levels=(3,))), entries_of([raised]), raised) == ["talking course"]


def test_an_entry_of_nothing_published_is_not_shown() -> None:
    assert calendar.select(FEED, {}, ENTRIES) == []
    assert shown(FEED, ENTRIES, event("talking", date("2019-02-12", "visit"))) == []


def test_occurrences_are_told_apart() -> None:
    twice = event("talking", date("2019-02", occurrence="spring"), date("2019-10-01", occurrence="autumn"))
    firm = calendar.select(replace(FEED, tentative=False), shelf(twice), entries_of([twice]))
    assert [entry.occurrence for entry in firm] == ["autumn"]


def test_entries_are_shown_by_uid() -> None:
    uids = [entry.uid for entry in calendar.select(FEED, shelf(*EVENTS), reversed(ENTRIES))]
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
    expected, known = joined(), calendar.digest(FEED, ENTRIES)
    for _ in range(20):
        order.shuffle(mixed)
        assert joined(entries=iter(mixed)) == expected
        assert calendar.digest(FEED, iter(mixed)) == known
        assert calendar.select(FEED, shelf(*EVENTS), mixed) == sorted(ENTRIES, key=lambda entry: entry.uid)


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


def test_a_feed_without_dates_says_so_in_one_entry_that_takes_no_time() -> None:
    lines = unfold(joined(entries=[]))
    assert lines[lines.index("BEGIN:VEVENT") :] == [
        "BEGIN:VEVENT",
        "UID:05950ca0-b6e6-5ba3-aaba-e0d1c7100fe8",
        "DTSTAMP:20181123T090000Z",
        "LAST-MODIFIED:20181123T090000Z",
        "SUMMARY:No dates at present: Leadership\\, learning\\; all",
        "DTSTART;VALUE=DATE:20181123",
        "DTEND;VALUE=DATE:20181124",
        "STATUS:CONFIRMED",
        "TRANSP:TRANSPARENT",
        "X-MICROSOFT-CDO-BUSYSTATUS:FREE",
        "DESCRIPTION:This calendar is working. Dates appear here as soon as they are announced.",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def test_two_feeds_never_share_a_uid() -> None:
    other = replace(FEED, name="courses")
    uids = [re.findall(r"\r\nUID:(.*)\r\n", joined(feed, [])) for feed in (FEED, other)]
    assert len({*uids[0], *uids[1]}) == 4


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
    seen = {calendar.digest(feed, entries): joined(feed, entries) for feed in feeds for entries in shelves}
    assert len(seen) == len(set(seen.values())) == len(feeds) * len(shelves)
    assert calendar.digest(replace(FEED, tentative=False), ENTRIES) == calendar.digest(FEED, ENTRIES)


def test_a_digest_covers_the_head_of_the_calendar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    before = calendar.digest(FEED, ENTRIES)
    monkeypatch.setattr(calendar, "REFRESH", timedelta(hours=12))
    assert calendar.digest(FEED, ENTRIES) != before
