"""The feed of the shipped catalogue, as the programs and libraries see it that people read calendars with."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ics
import pytest
import recurring_ical_events
import vobject
import yaml
from ical.calendar_stream import IcsCalendarStream
from icalendar import Calendar

from reminders.catalogue.parse import parse_events
from reminders.feed import calendar
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.selection import parse_feeds
from reminders.planning.rules import parse_rules
from tests.builders import EPOCH, LONDON
from tests.contentlines import unfold

CONFIG = Path(__file__).parents[2] / "config"
SITE = "https://dates.example.org"
FILES: Mapping[str, bytes] = {path.name: path.read_bytes() for path in sorted((CONFIG / "events").glob("*.yaml"))}
FEEDS = {feed.name: feed for feed in parse_feeds("feeds.yaml", (CONFIG / "feeds.yaml").read_bytes())}
KINDS = parse_rules("rules.yaml", (CONFIG / "rules.yaml").read_bytes())[0].kinds

Shown = tuple[str, date | datetime, date | datetime]
"""What a reader makes of an entry: its title, its start, and its end (of days: the day after the last)."""

TO_CONFIRM = "(date to be confirmed)"
SEEN: list[Shown] = [
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


@dataclass(frozen=True)
class Publication:
    """What is published after a reading of the files: entries by uid, feeds' stamps and feeds' bytes by name."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    stamps: Mapping[str, FeedStamp] = field(default_factory=dict)
    feeds: Mapping[str, bytes] = field(default_factory=dict)


def publish(files: Mapping[str, bytes], now: datetime, before: Publication | None = None) -> Publication:
    """The feeds that these files make, following `before`."""
    before = before or Publication()
    catalogue, problems, _ = parse_events(files, LONDON)
    assert not problems
    entries = {}
    for event in catalogue.events:
        for line in event.dates:
            draft = draw(event, line, KINDS[line.kind], event_url=f"{SITE}/events/{event.id}")
            if draft is not None:
                entries[draft.uid] = stamp(draft, before.entries.get(draft.uid), now)
    stamps, feeds = {}, {}
    for name, feed in FEEDS.items():
        shown = calendar.select(feed, entries.values())
        stamps[name] = calendar.stamp(feed, shown, before.stamps.get(name), now, checked=EPOCH.date(), site=SITE)
        feeds[name] = calendar.join(
            feed,
            shown,
            last_modified=stamps[name].last_modified,
            checked=EPOCH.date(),
            source_url=f"{SITE}/feeds/{name}.ics",
            page_url=f"{SITE}/",
        )
    return Publication(entries, stamps, feeds)


PUBLISHED = publish(FILES, EPOCH)


# Readers. Each gives what it sees, in any order; the folder is its own.


def by_icalendar(feed: bytes, _: Path) -> list[Shown]:
    read = Calendar.from_ical(feed)
    assert [event.errors for event in read.walk() if event.errors] == []
    return [(str(each["SUMMARY"]), each.start, each.end) for each in read.events]


def by_ical(feed: bytes, _: Path) -> list[Shown]:
    read = IcsCalendarStream.calendar_from_ics(feed.decode())
    return [(str(each.summary), _known(each.dtstart), _known(each.dtend)) for each in read.events]


def by_vobject(feed: bytes, _: Path) -> list[Shown]:
    read = vobject.readOne(feed.decode())
    read.validate(raiseException=True)
    return [(each.summary.value, _in_utc(each.dtstart.value), _in_utc(each.dtend.value)) for each in read.vevent_list]


def by_ics(feed: bytes, _: Path) -> list[Shown]:
    with warnings.catch_warnings():
        # it calls re.split in a way that Python 3.13 advises against
        warnings.filterwarnings("ignore", "'maxsplit' is passed as positional argument", DeprecationWarning)
        read = ics.Calendar(feed.decode())
    return [
        (each.name, *((end.date() if each.all_day else end.datetime) for end in (each.begin, each.end)))
        for each in read.events
    ]


def by_recurring_ical_events(feed: bytes, _: Path) -> list[Shown]:
    found = recurring_ical_events.of(Calendar.from_ical(feed)).between((2018, 1, 1), (2022, 1, 1))
    return [(str(each["SUMMARY"]), each["DTSTART"].dt, each["DTEND"].dt) for each in found]


KHAL = """
[calendars]
[[feed]]
path = {folder}/calendar
[locale]
local_timezone = UTC
default_timezone = UTC
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%dT%H:%M
longdatetimeformat = %Y-%m-%dT%H:%M
[sqlite]
path = {folder}/khal.db
"""


def by_khal(feed: bytes, folder: Path) -> list[Shown]:
    (folder / "calendar").mkdir()
    (folder / "khal.conf").write_text(KHAL.format(folder=folder))
    (folder / "feed.ics").write_bytes(feed)
    khal = (_tool("khal"), "--config", str(folder / "khal.conf"))
    _run(folder, *khal, "import", "--batch", "--include-calendar", "feed", str(folder / "feed.ics"))
    form = "{title}|{start-long-full}|{end-long-full}|{all-day}"
    listed = _run(folder, *khal, "list", "--once", "--day-format", "", "--format", form, "2018-01-01", "1461d")
    shown: list[Shown] = []
    for line in filter(None, listed.splitlines()):
        title, starts, ends, all_day = line.strip().rsplit("|", 3)
        start, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (starts, ends))
        shown.append(
            (title, start.date(), end.date() + timedelta(days=1)) if all_day == "True" else (title, start, end)
        )
    return shown


CALCURSE = re.compile(
    r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4})"
    r"(?: @ (?P<from>\d\d:\d\d) -> (?P<em>\d\d)/(?P<ed>\d\d)/(?P<ey>\d{4}) @ (?P<to>\d\d:\d\d)"
    r"| \[1\](?: \{1D -> (?P<lm>\d\d)/(?P<ld>\d\d)/(?P<ly>\d{4})\})?)"
    r" ?>[0-9a-f]{40} \|?(?P<title>.*)"
)
"""A line of its own file: an appointment, a day, or a day repeated daily until the last."""


def by_calcurse(feed: bytes, folder: Path) -> list[Shown]:
    (folder / "feed.ics").write_bytes(feed)
    calcurse = (_tool("calcurse"), "--datadir", str(folder / "data"), "--confdir", str(folder / "data"))
    report = _run(folder, *calcurse, "--import", str(folder / "feed.ics"))
    assert "/ 0 skipped" in report
    shown: list[Shown] = []
    for line in _run(folder, *calcurse, "--grep").splitlines():
        found = CALCURSE.fullmatch(line)
        assert found, line
        first = date(*(int(found[key]) for key in ("y", "m", "d")))
        if found["from"]:
            last = date(*(int(found[key]) for key in ("ey", "em", "ed")))
            start, end = (
                datetime.fromisoformat(f"{day}T{found[time]}+00:00") for day, time in ((first, "from"), (last, "to"))
            )
            shown.append((found["title"], start, end))
        else:
            last = date(*(int(found[key]) for key in ("ly", "lm", "ld"))) if found["ly"] else first
            shown.append((found["title"], first, last + timedelta(days=1)))
    return shown


def _known(moment: date | datetime | None) -> date | datetime:
    assert moment is not None
    return moment


def _in_utc(moment: date | datetime) -> date | datetime:
    """The same moment in the zone object that the others use."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment


def _tool(name: str) -> str:
    """Where a program of Debian's is installed. Skips the test where it is not, unless it is required."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("REQUIRE_CALENDAR_TOOLS") == "1":
            pytest.fail(f"REQUIRE_CALENDAR_TOOLS=1, but {name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def _run(home: Path, *command: str) -> str:
    """What a program prints, which finds nobody's calendar but the test's. Fails if it complains."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


READERS: dict[str, Callable[[bytes, Path], list[Shown]]] = {
    "icalendar": by_icalendar,
    "ical": by_ical,
    "vobject": by_vobject,
    "ics": by_ics,
    "recurring-ical-events": by_recurring_ical_events,
    "khal": by_khal,
    "calcurse": by_calcurse,
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", FEEDS)
def test_every_reader_sees_the_shipped_dates(
    name: str, reader: Callable[[bytes, Path], list[Shown]], tmp_path: Path
) -> None:
    assert sorted(reader(PUBLISHED.feeds[name], tmp_path), key=str) == sorted(EXPECTED[name], key=str)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_every_reader_sees_that_a_feed_without_dates_works(
    reader: Callable[[bytes, Path], list[Shown]], tmp_path: Path
) -> None:
    empty = publish({"none.yaml": b"events: []\nend: events\n"}, EPOCH).feeds["courses"]
    day = date(2018, 11, 23)
    assert reader(empty, tmp_path) == [("No dates announced yet", day, day + timedelta(days=1))]


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
def test_no_text_leads_a_reader_astray(reader: Callable[[bytes, Path], list[Shown]], tmp_path: Path) -> None:
    hostile = publish({"hostile.yaml": HOSTILE}, EPOCH).feeds["leadership"]
    title = "Course: Café, 🎓 100%; C:\\docs | DTSTART:20200101 END:VEVENT"
    assert reader(hostile, tmp_path) == [(title, date(2020, 2, 29), date(2020, 3, 1))]


def test_the_feeds_are_lines_of_at_most_75_octets_with_no_other_line_break() -> None:
    for feed in PUBLISHED.feeds.values():
        assert unfold(feed.decode())[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]


# Same data, same bytes


def shuffled(files: Mapping[str, bytes], order: random.Random) -> dict[str, bytes]:
    """The same facts in other files, under other names, events and keys in another order."""
    events = [event for data in files.values() for event in yaml.load(data, yaml.BaseLoader)["events"]]  # noqa: S506  # text, lists and mappings alone
    order.shuffle(events)
    cut = order.randrange(1, len(events))
    parts = {f"{order.random()}.yaml": part for part in (events[:cut], events[cut:])}
    return {
        name: yaml.safe_dump(_mixed({"zone": LONDON, "events": part}, order), sort_keys=False).encode()
        for name, part in parts.items()
    }


def _mixed(value: object, order: random.Random) -> object:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: _mixed(value[key], order) for key in keys}
    return [_mixed(each, order) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_files_events_and_keys_changes_no_byte(seed: int) -> None:
    mixed = shuffled(FILES, random.Random(seed))
    assert mixed.keys() != FILES.keys()
    assert publish(mixed, EPOCH).feeds == PUBLISHED.feeds
    assert publish(mixed, EPOCH + timedelta(days=9), PUBLISHED) == PUBLISHED, "nor does reading them again"


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
    after = publish(edited(old, new), now, PUBLISHED)
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
    edit = publish(edited("course: 2019-02-12 ", "course: 2019-02-19 "), EPOCH + timedelta(days=1), PUBLISHED)
    back = publish(FILES, EPOCH + timedelta(days=2), edit)
    changed = [uid for uid, entry in back.entries.items() if entry != PUBLISHED.entries[uid]]
    assert [(back.entries[uid].event, back.entries[uid].sequence) for uid in changed] == [(TALKING, 2)]
    assert back.stamps["courses"].last_modified == EPOCH + timedelta(days=2)
    assert back.feeds["deadlines"] == PUBLISHED.feeds["deadlines"]
