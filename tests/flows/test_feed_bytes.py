"""From files to the bytes that are served: what an edit moves, and that nothing else moves a byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reminders.clock import FixedClock
from reminders.files import shipped
from reminders.serving import StoreReader
from reminders.web.site import Shown
from tests.builders import utc
from tests.flows.walk import Walk

START, LATER = "2018-11-23T09:00:00", "2018-11-24T10:30:00"
FILES = {path.name: path.read_text(encoding="utf-8") for path in shipped("config").glob("events/*.yaml")}


def seed(walk: Walk) -> None:
    """The shipped catalogue, rules and feeds."""
    for name in ("rules.yaml", "feeds.yaml"):
        walk.write(name, (shipped("config") / name).read_bytes())
    for name, text in FILES.items():
        walk.write(f"events/{name}", text)


def feeds(walk: Walk) -> dict[str, str]:
    """Every feed as it is served."""
    shelf = StoreReader(walk.service, FixedClock(utc(START))).shelf()
    return {name: ready.plain.body.decode() for name, ready in Shown(shelf, "", "Dates").feeds.items()}


def entries(feed: str) -> dict[str, str]:
    """The entries by their UID."""
    found = re.findall(r"BEGIN:VEVENT\r\n.*?END:VEVENT\r\n", feed, re.DOTALL)
    return {re.findall(r"^UID:(.*)\r$", entry, re.MULTILINE)[0]: entry for entry in found}


def without_stamps(text: str) -> str:
    return re.sub(r"^(DTSTAMP|LAST-MODIFIED|SEQUENCE):.*\r\n", "", text, flags=re.MULTILINE)


def head(feed: str) -> str:
    return feed.partition("BEGIN:VEVENT")[0]


def test_the_order_of_files_and_of_events_in_them_changes_no_byte(tmp_path: Path) -> None:
    with Walk(tmp_path / "as-shipped") as walk:
        seed(walk)
        walk.refresh(START)
        expected = feeds(walk)
    with Walk(tmp_path / "shuffled") as walk:
        seed(walk)
        for name in FILES:
            (walk.config / "events" / name).unlink()
        whole = []
        for name in sorted(FILES, reverse=True):
            body = FILES[name].partition("events:\n")[2].removesuffix("end: events\n")
            body = re.sub(r"^ *#.*\n", "", body, flags=re.MULTILINE)
            whole += [f"  - {event}" for event in re.split(r"^  - ", body, flags=re.MULTILINE) if event]
        walk.write("events/all.yaml", "events:\n" + "".join(reversed(whole)))
        walk.refresh(START)
        assert feeds(walk) == expected


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("courses.yaml", "course: 2019-02-12", "course: 2019-03-05", {"leadership": 1, "courses": 1}),
        ("courses.yaml", 'title: "Leadership in Practice: ', 'title: "Practice: ', {"leadership": 1, "courses": 1}),
        ("fellowships.yaml", "note: For one year", "note: For a year", {"leadership": 1}),
        ("fellowships.yaml", "2018-12-14T10:00", "2018-12-14T12:00", {"leadership": 1, "deadlines": 1}),
        ("fellowships.yaml", "A year as", "One year as", {"leadership": 2, "deadlines": 1}),
        ("courses.yaml", "title: Mary Seacole Programme", "title: Seacole", {}),
        ("fellowships.yaml", "# Fellowships of", "# The fellowships of", {}),
    ],
    ids=["a date", "a title", "a note", "an hour", "a description", "an event without dates", "a comment"],
)
def test_an_edit_changes_exactly_the_entries_that_show_it_and_the_calendars_stamp(
    tmp_path: Path, name: str, old: str, new: str, changed: dict[str, int]
) -> None:
    with Walk(tmp_path) as walk:
        seed(walk)
        walk.refresh(START)
        before = feeds(walk)
        assert old in FILES[name]
        walk.write(f"events/{name}", FILES[name].replace(old, new))
        walk.refresh(LATER)
        after = feeds(walk)
    changed |= {"all": changed["leadership"]} if changed else {}  # which shows every date as well
    assert {feed for feed in before if before[feed] != after[feed]} == set(changed)
    for feed, count in changed.items():
        earlier, later = entries(before[feed]), entries(after[feed])
        assert earlier.keys() == later.keys()
        moved = [uid for uid in earlier if earlier[uid] != later[uid]]
        assert len(moved) == count
        for uid in moved:
            assert "SEQUENCE:0\r\n" in earlier[uid]
            assert "SEQUENCE:1\r\n" in later[uid]
            assert "LAST-MODIFIED:20181123T090000Z\r\n" in earlier[uid]
            assert "LAST-MODIFIED:20181124T103000Z\r\nSEQUENCE" in later[uid]
            assert without_stamps(earlier[uid]) != without_stamps(later[uid])
        assert without_stamps(head(before[feed])) == without_stamps(head(after[feed]))
        assert "LAST-MODIFIED:20181124T103000Z\r\n" in head(after[feed])
