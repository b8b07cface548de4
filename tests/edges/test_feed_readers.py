"""The feed of the shipped catalogue, as the programs and libraries see it that people read calendars with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from reminders.feed.selection import parse_feeds
from reminders.planning.rules import parse_rules
from tests.builders import EPOCH
from tests.catalogues import shuffled
from tests.contentlines import unfold
from tests.edges.readers import READERS, Feeds, Seen
from tests.publishing import Publication, publish, read

CONFIG = Path(__file__).parents[2] / "config"
FILES: Mapping[str, bytes] = {path.name: path.read_bytes() for path in sorted((CONFIG / "events").glob("*.yaml"))}
FEEDS = {feed.name: feed for feed in parse_feeds("feeds.yaml", (CONFIG / "feeds.yaml").read_bytes())}
KINDS = parse_rules("rules.yaml", (CONFIG / "rules.yaml").read_bytes())[0].kinds

Reader = Callable[[Feeds, Path], Seen]
Time = tuple[str, date | datetime, date | datetime]
"""What a reader makes of an entry: its title, its start, and its end (of days: the day after the last)."""

TO_CONFIRM = "(date to be confirmed)"
SEEN: list[Time] = [
    (
        "Applications close 10:00 UK time: Leadership and Management Fellows, August 2019",
        datetime(2018, 12, 14, 9, 30, tzinfo=UTC),
        datetime(2018, 12, 14, 10, 0, tzinfo=UTC),
    ),
    (f"Course: ILM5 Leadership and Management {TO_CONFIRM}", date(2019, 3, 1), date(2019, 4, 1)),
    ("Course: Leadership and Management Programme for Trainees", date(2019, 3, 13), date(2019, 3, 16)),
    ("Course: Leadership in Practice: Having Difficult Conversations", date(2019, 2, 12), date(2019, 2, 13)),
    (
        f"Post starts: Leadership and Management Fellows, August 2019 {TO_CONFIRM}",
        date(2019, 8, 1),
        date(2019, 9, 1),
    ),
    (
        f"Programme: ILM Level 7 Leadership and Management programme {TO_CONFIRM}",
        date(2019, 1, 1),
        date(2021, 1, 1),
    ),
    (f"Recruitment: Tanzania teaching visit {TO_CONFIRM}", date(2019, 6, 1), date(2019, 9, 1)),
    (f"Visit: Tanzania teaching visit {TO_CONFIRM}", date(2019, 11, 1), date(2019, 12, 1)),
]
EXPECTED = {
    "leadership": SEEN,
    "deadlines": SEEN[:1],
    "courses": [each for each in SEEN if each[0].startswith("Course: ")],
}


def published(files: Mapping[str, bytes], now: datetime, before: Publication | None = None) -> Publication:
    """The shipped feeds as these files make them, following `before`."""
    return publish(read(files), KINDS, FEEDS.values(), now, before)


def times(reader: Reader, feed: bytes, folder: Path) -> list[Time]:
    """What a reader shows of a feed, in order."""
    return sorted(((each.title, each.starts, each.ends) for each in reader({"feed": feed}, folder)["feed"]), key=str)


PUBLISHED = published(FILES, EPOCH)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", FEEDS)
def test_every_reader_sees_the_shipped_dates(name: str, reader: Reader, tmp_path: Path) -> None:
    assert times(reader, PUBLISHED.feeds[name], tmp_path) == sorted(EXPECTED[name], key=str)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_every_reader_sees_that_a_feed_without_dates_works(reader: Reader, tmp_path: Path) -> None:
    empty = published({"none.yaml": b"events: []\nend: events\n"}, EPOCH).feeds["courses"]
    day = date(2018, 11, 23)
    assert times(reader, empty, tmp_path) == [("No dates announced yet", day, day + timedelta(days=1))]


# No backslash before an n in the title: `ics` takes the two for a line break, however they are escaped.
HOSTILE = b"""
events:
  - id: hostile
    title: "Caf\\u00e9, \\U0001F393 100%; C:\\\\docs | DTSTART:20200101 END:VEVENT"
    categories: [course]
    description: "One\\nBEGIN:VEVENT\\nUID:1\\nEND:VEVENT\\n\\u6f22\\u5b57 \\u05d0 \\"q\\" \\\\, \\\\n"
    link: "https://example.org/a[1],b;c?d=%zz#e"
    dates: {course: {when: 2020-02-29, location: "Room 1; left, \\\\door"}}
end: events
"""


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_no_text_leads_a_reader_astray(reader: Reader, tmp_path: Path) -> None:
    hostile = published({"hostile.yaml": HOSTILE}, EPOCH).feeds["leadership"]
    title = "Course: Café, 🎓 100%; C:\\docs | DTSTART:20200101 END:VEVENT"
    assert times(reader, hostile, tmp_path) == [(title, date(2020, 2, 29), date(2020, 3, 1))]


def test_the_feeds_are_lines_of_at_most_75_octets_with_no_other_line_break() -> None:
    for feed in PUBLISHED.feeds.values():
        assert unfold(feed.decode())[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]


# Same data, same bytes


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_files_events_and_keys_changes_no_byte(seed: int) -> None:
    mixed = shuffled(FILES, random.Random(seed))
    assert mixed.keys() != FILES.keys()
    assert published(mixed, EPOCH).feeds == PUBLISHED.feeds
    assert published(mixed, EPOCH + timedelta(days=9), PUBLISHED) == PUBLISHED, "nor does reading them again"


# An edit changes what shows it and nothing else

FELLOWS, TALKING, ILM5, TANZANIA, ILM7 = (
    "leadership-fellows-2019",
    "having-difficult-conversations-2019",
    "ilm5-leadership-and-management-2019",
    "tanzania-visit-2019",
    "ilm7-scholarship-2019",
)
EDITS: list[tuple[str, str, str, set[tuple[str, str]]]] = [
    ("a day", "course: 2019-02-12 ", "course: 2019-02-19 ", {(TALKING, "course")}),
    ("an hour", "when: 2018-12-14T10:00", "when: 2018-12-14T12:00", {(FELLOWS, "applications-close")}),
    ("a month firms up", "{when: 2019-03, note", "{when: 2019-03-19/2019-03-21, note", {(ILM5, "course")}),
    ("a season becomes a month", "recruitment: 2019-22", "recruitment: 2019-07", {(TANZANIA, "recruitment")}),
    (
        "the title of an event with two dates",
        "title: Leadership and Management Fellows, August 2019",
        "title: Clinical Leadership Fellows, August 2019",
        {(FELLOWS, "applications-close"), (FELLOWS, "post-starts")},
    ),
    ("a note", "note: For one year", "note: For two years", {(FELLOWS, "post-starts")}),
    ("a location", "{when: 2019-03, note", "{when: 2019-03, location: York, note", {(ILM5, "course")}),
    ("cancelled", "{when: 2019-03, note", "{when: 2019-03, status: cancelled, note", {(ILM5, "course")}),
    (
        "a link",
        "link: https://www.oriel.nhs.uk",
        "link: https://www.oriel.nhs.uk/Web",
        {(FELLOWS, "applications-close"), (FELLOWS, "post-starts")},
    ),
    ("a level", "level: 3", "level: 4", {(ILM5, "course")}),
    (
        "a description",
        "A week's travel to Tanzania as a group",
        "Ten days in Tanzania as a group",
        {(TANZANIA, "recruitment"), (TANZANIA, "visit")},
    ),
    ("a reason", "and names 2019 only", "and gives 2019 only", {(TANZANIA, "visit")}),
    ("words of the source, which no entry shows", "Coming soon (March 2019)", "Soon (March 2019)", set()),
    ("a note on a date not announced", "The page gives no closing date", "No closing date", set()),
    ("a comment", "# Level 4", "# The fourth level", set()),
    ("the title of an event without dates", "title: Edward Jenner Programme", "title: Edward Jenner", set()),
]


def edited(old: str, new: str) -> dict[str, bytes]:
    places = [name for name, data in FILES.items() if old.encode() in data]
    assert len(places) == 1
    assert FILES[places[0]].count(old.encode()) == 1
    return {name: data.replace(old.encode(), new.encode()) for name, data in FILES.items()}


@pytest.mark.parametrize(("old", "new", "touched"), [each[1:] for each in EDITS], ids=[each[0] for each in EDITS])
def test_an_edit_changes_the_entries_that_show_it_and_no_other_byte(
    old: str, new: str, touched: set[tuple[str, str]]
) -> None:
    now = EPOCH + timedelta(days=3, seconds=1)
    after = published(edited(old, new), now, PUBLISHED)
    changed = {uid for uid, entry in after.entries.items() if entry != PUBLISHED.entries[uid]}
    assert {(after.entries[uid].event, after.entries[uid].kind) for uid in changed} == touched
    assert after.entries.keys() == PUBLISHED.entries.keys()
    for uid in changed:
        one, other = PUBLISHED.entries[uid], after.entries[uid]
        assert (one.sequence, other.sequence) == (0, 1)
        assert (one.last_modified, other.last_modified) == (EPOCH, now)
    for name, feed in after.feeds.items():
        expected = PUBLISHED.feeds[name]
        for uid in changed:
            expected = expected.replace(PUBLISHED.entries[uid].text.encode(), after.entries[uid].text.encode())
        if expected != PUBLISHED.feeds[name]:
            expected = expected.replace(
                b"\r\nLAST-MODIFIED:20181123T090000Z\r\nCOLOR", b"\r\nLAST-MODIFIED:20181126T090001Z\r\nCOLOR"
            )
        assert feed == expected


def test_taking_an_edit_back_restores_what_is_shown_and_still_moves_the_stamps() -> None:
    edit = published(edited("course: 2019-02-12 ", "course: 2019-02-19 "), EPOCH + timedelta(days=1), PUBLISHED)
    back = published(FILES, EPOCH + timedelta(days=2), edit)
    changed = [uid for uid, entry in back.entries.items() if entry != PUBLISHED.entries[uid]]
    assert [(back.entries[uid].event, back.entries[uid].sequence) for uid in changed] == [(TALKING, 2)]
    assert back.stamps["courses"].last_modified == EPOCH + timedelta(days=2)
    assert back.feeds["deadlines"] == PUBLISHED.feeds["deadlines"]
