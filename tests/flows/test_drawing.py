"""What publishing does to feeds: styles change, entries leave or are not right, news is read in part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reminders.clock import FixedClock
from reminders.feed import entry
from reminders.feed.entry import Draft
from reminders.jobs.health import health
from reminders.jobs.tidy import tidy
from reminders.serving import StoreReader
from reminders.store import state
from reminders.store.declared import DECLARED
from reminders.web.reading import Shelf
from reminders.web.site import Shown
from tests.builders import utc
from tests.flows.walk import Walk

START, LATER = "2018-11-23T09:00", "2018-11-24T10:00"
TWO = """\
  - {id: talking, title: Talking, level: 2, dates: {course: 2019-02-12}}
  - {id: other, title: Other, level: 3, dates: {course: 2019-03-13}}
"""


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path) as walk:
        walk.events(TWO)
        walk.refresh(START)
        yield walk


def shelf(walk: Walk, before: Shelf | None = None) -> Shelf:
    return StoreReader(walk.service, FixedClock(utc(START))).shelf(before)


def feed(walk: Walk, name: str = "all") -> str:
    return Shown(shelf(walk), "", "Dates").feeds[name].plain.body.decode()


def stamps(feed: str) -> list[str]:
    return re.findall(r"^(?:SEQUENCE|LAST-MODIFIED):.*(?=\r$)", feed.partition("BEGIN:VEVENT")[2], re.MULTILINE)


def test_another_style_in_the_file_makes_every_entry_seem_new(walk: Walk) -> None:
    old = ["LAST-MODIFIED:20181123T090000Z", "SEQUENCE:0"] * 2
    assert stamps(feed(walk)) == old
    walk.write("feeds.yaml", "feeds:\n  all: {title: All dates, alarms: 1d}\n")
    walk.refresh(LATER)
    new = ["LAST-MODIFIED:20181124T100000Z", "SEQUENCE:1"] * 2
    assert stamps(feed(walk)) == new
    assert "BEGIN:VALARM" in feed(walk)
    walk.write("feeds.yaml", "feeds:\n  all: {title: All of the dates, alarms: 1d}\n")
    walk.refresh("2018-11-25T10:00")
    assert stamps(feed(walk)) == new  # another title is no other style
    walk.events(TWO.replace("2019-03-13", "2019-03-14"))
    walk.refresh("2018-11-24T10:00")  # the clock went back
    assert sorted(stamps(feed(walk)))[:2] == ["LAST-MODIFIED:20181124T100000Z", "LAST-MODIFIED:20181125T100000Z"]


@pytest.mark.parametrize("status", ["cancelled", "postponed"])
def test_what_is_off_says_so_for_thirty_days_and_then_leaves_for_good(walk: Walk, status: str) -> None:
    off = TWO.replace("dates: {course: 2019-02-12}", f"dates: {{course: {{when: 2019-02-12, status: {status}}}}}")
    walk.events(off)
    walk.refresh(LATER)
    shown = feed(walk)
    assert f"SUMMARY:{status.upper()}: Course: Talking" in shown
    assert "SEQUENCE:1" in shown
    assert tidy(walk.service, utc("2018-12-24T09:59")).left == 0
    assert tidy(walk.service, utc("2018-12-24T10:01")).left == 1
    assert "Talking" not in feed(walk)
    walk.events(off.replace("title: Talking", "title: Talking to people"))
    walk.refresh("2018-12-24T11:00")
    assert "Talking" not in feed(walk)  # another word about it does not bring it back
    walk.events(TWO)
    walk.refresh("2018-12-25T11:00")
    assert "SUMMARY:Course: Talking" in feed(walk)
    assert "SEQUENCE:3" in feed(walk)


def test_another_word_about_what_is_off_does_not_begin_its_thirty_days_anew(walk: Walk) -> None:
    off = TWO.replace("dates: {course: 2019-02-12}", "dates: {course: {when: 2019-02-12, status: cancelled}}")
    walk.events(off)
    walk.refresh(LATER)
    walk.events(off.replace("title: Talking", "title: Talking to people"))
    walk.refresh("2018-12-20T10:00")
    assert tidy(walk.service, utc("2018-12-24T10:01")).left == 1


def test_a_date_that_is_announced_again_as_it_was_comes_back(walk: Walk) -> None:
    walk.events(TWO.replace("2019-02-12", "tba"))
    walk.refresh(LATER)
    assert "Talking" not in feed(walk)
    walk.events(TWO)
    walk.refresh("2018-11-25T10:00")
    assert "Talking" in feed(walk)


def test_an_entry_that_is_not_right_is_left_out_and_reported(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break that nothing escaped stands for any fault of drawing."""
    real = entry.draw

    def broken(event: Any, *facts: Any, **more: Any) -> Draft | None:
        draft = real(event, *facts, **more)
        if draft is not None and event.id == "talking":
            text = draft.text.replace("SUMMARY:", "SUMMARY:Talk\nATTENDEE:")
            return replace(draft, text=text, digest="spoilt")
        return draft

    monkeypatch.setattr(entry, "draw", broken)
    walk.events(TWO.replace("title: Other", "title: Another"))
    refreshed = walk.refresh(LATER)
    assert [each.partition(":")[0] for each in refreshed.left_out] == ["talking, course"]
    assert "Talking" not in feed(walk)
    assert "Another" in feed(walk)
    (warning,) = health(walk.service, utc(LATER)).warnings
    assert warning == "Dates that no calendar shows, because of a fault: 1. The log says which."
    monkeypatch.undo()
    walk.events(TWO.replace("title: Other", "title: A third"))
    assert walk.refresh("2018-11-25T10:00").left_out == ()
    assert "Talking" in feed(walk)
    assert not health(walk.service, utc("2018-11-25T10:00")).warnings


def test_news_is_read_in_part_and_comes_to_the_same(walk: Walk) -> None:
    before = shelf(walk)
    walk.events(TWO.replace("2019-03-13", "2019-03-14") + "  - {id: a-third, title: Third, dates: {course: 2019-05}}\n")
    walk.refresh(LATER)
    whole, part = shelf(walk), shelf(walk, before)
    assert part == whole
    assert list(part.entries) == sorted(part.entries)
    assert list(part.published) == sorted(part.published)
    assert part.edition > before.edition
    unchanged = next(uid for uid, each in before.entries.items() if each.event == "talking")
    assert part.entries[unchanged] is before.entries[unchanged]


def test_a_feed_that_is_declared_takes_the_place_of_that_of_all_dates_and_seems_new(walk: Walk) -> None:
    walk.write("feeds.yaml", "feeds:\n  other: {title: Other}\n")
    walk.refresh(LATER)
    implicit = feed(walk)
    assert stamps(implicit) == ["LAST-MODIFIED:20181123T090000Z", "SEQUENCE:0"] * 2
    walk.write("feeds.yaml", "feeds:\n  other: {title: Other}\n  all: {title: All dates, alarms: 1d}\n")
    walk.refresh("2018-11-25T10:00")
    assert stamps(feed(walk)) == ["LAST-MODIFIED:20181125T100000Z", "SEQUENCE:1"] * 2
    walk.write("feeds.yaml", "feeds:\n  other: {title: Other}\n")
    walk.refresh("2018-11-26T10:00")
    assert stamps(feed(walk)) == ["LAST-MODIFIED:20181126T100000Z", "SEQUENCE:2"] * 2


def test_a_feed_that_went_and_came_back_in_another_style_seems_new(walk: Walk) -> None:
    walk.write("feeds.yaml", "feeds:\n  all: {title: All}\n  loud: {title: Loud, alarms: 1d}\n")
    walk.refresh(LATER)
    walk.write("feeds.yaml", "feeds:\n  all: {title: All}\n")
    walk.refresh("2018-11-25T10:00", release=True)
    assert "loud" not in Shown(shelf(walk), "", "Dates").feeds
    walk.refresh("2018-11-25T11:00")  # and it is no news that it is gone
    walk.write("feeds.yaml", "feeds:\n  all: {title: All}\n  loud: {title: Loud, alarms: 2d}\n")
    walk.refresh("2018-11-26T10:00")
    assert stamps(feed(walk, "loud")) == ["LAST-MODIFIED:20181126T100000Z", "SEQUENCE:1"] * 2


def test_what_an_earlier_version_published_is_shown_until_files_are_accepted_again(walk: Walk) -> None:
    with walk.store.writing() as tx:
        state.put(tx, DECLARED, None)
    shown = shelf(walk)
    assert [each.name for each in shown.feeds] == ["all"]
    assert "course" in shown.kinds


def test_a_restored_store_is_read_as_a_whole(walk: Walk) -> None:
    """Its publications have the numbers of others that were shown."""
    newest = replace(shelf(walk), publication=9, published={}, entries={})
    assert shelf(walk, newest) == shelf(walk)


def test_what_is_published_after_the_clock_went_back_is_still_later_than_what_calendars_saw(walk: Walk) -> None:
    seen = shelf(walk).published_at
    assert seen is not None
    walk.events(TWO.replace("2019-03-13", "2019-03-14"))
    walk.refresh("2018-11-23T08:00")
    now = shelf(walk)
    assert now.published_at is not None
    assert now.published_at > seen
    assert now.changes.span is not None
    assert now.changes.span[1] > seen


def test_what_is_published_after_the_clock_went_back_is_not_told_later_for_that(walk: Walk) -> None:
    walk.events(TWO.replace("2019-03-13", "2019-03-14"))
    walk.refresh("2018-11-23T08:00")
    (moved,) = shelf(walk).published["other"].dates
    assert moved.known_at == utc("2018-11-23T08:00")


def test_the_day_of_the_last_check_never_goes_back(walk: Walk) -> None:
    source = "source: {page: A page, checked: 2018-11-20}, dates: {course: 2019-02-12}"
    walk.events(TWO.replace("dates: {course: 2019-02-12}", source))
    walk.refresh(LATER)
    assert shelf(walk).checked.isoformat() == "2018-11-23"  # before any source the day on which the store began
    walk.events(TWO.replace("dates: {course: 2019-02-12}", source.replace("11-20", "12-01")))
    walk.refresh("2018-12-02T10:00")
    walk.events(TWO.replace("dates: {course: 2019-02-12}", source.replace("11-20", "11-30")))
    walk.refresh("2018-12-03T10:00")
    assert shelf(walk).checked.isoformat() == "2018-12-01"


def test_an_event_that_went_missing_and_came_back_is_news_too(walk: Walk) -> None:
    before = shelf(walk)
    walk.events(TWO + "  - {id: a-third, title: Third}\n")
    walk.refresh(LATER)
    walk.events(TWO)
    walk.refresh("2018-11-25T10:00", release=True)
    assert shelf(walk, before) == shelf(walk)
