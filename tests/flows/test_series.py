"""A course every week: each is reminded of, moved and called off by itself. Both databases do the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.feed.entry import Entry
from reminders.store import events
from tests.builders import utc
from tests.flows.walk import Walk

FIRST, SECOND, THIRD = "2019-03-04", "2019-03-11", "2019-03-18"


def both(rule: str, day: str) -> list[tuple[str, str, str]]:
    return [("amina", rule, day), ("bao", rule, day)]


@pytest.fixture
def walk(tmp_path: Path, url: str) -> Iterator[Walk]:
    """A course every Monday from 4 March 2019 on is published, and two people are invited. On both databases."""
    with Walk(tmp_path, database=url if url.startswith("postgresql") else "") as walk:
        weekly(walk)
        walk.at("2018-11-23T09:00")
        yield walk


def weekly(walk: Walk, *more: str, rule: str = "FREQ=WEEKLY", when: str = FIRST) -> None:
    walk.course(when, repeats=rule, **dict(each.split(": ", 1) for each in more))


def test_each_occurrence_is_reminded_of_once_for_as_long_as_the_series_goes_on(walk: Walk) -> None:
    assert walk.at("2019-02-18T09:00") == both("course-2w", FIRST)
    assert walk.at("2019-02-18T09:01") == []
    assert walk.at("2019-02-25T09:00") == both("course-2w", SECOND)
    assert walk.at("2019-03-01T09:00") == both("course-3d", FIRST)
    assert walk.at("2019-03-04T09:00") == both("course-2w", THIRD)
    assert walk.at("2021-02-26T09:00")[-2:] == [("bao", "course-2w", "2021-03-08"), ("bao", "course-3d", "2021-03-01")]


def test_moving_one_is_told_to_those_who_were_told_of_it_and_mails_nobody_about_the_others(walk: Walk) -> None:
    walk.at("2019-02-18T09:00")
    walk.at("2019-02-25T09:00")
    weekly(walk, f"changes: [{{on: {SECOND}, when: 2019-03-13}}]")
    assert walk.at("2019-02-26T12:00") == both("moved", "2019-03-13")
    assert walk.at("2019-02-26T12:01") == []
    assert walk.at("2019-02-27T09:00") == both("course-2w", "2019-03-13")  # as for any date that moved
    assert walk.at("2019-03-01T09:00") == both("course-3d", FIRST)
    assert walk.at("2019-03-04T09:00") == both("course-2w", THIRD)
    assert walk.at("2019-03-08T09:00") == []
    assert walk.at("2019-03-10T09:00") == both("course-3d", "2019-03-13")
    assert walk.at("2019-03-11T09:00") == both("course-2w", "2019-03-25")
    assert walk.at("2019-03-15T09:00") == both("course-3d", THIRD)


def test_leaving_one_out_is_a_cancellation_for_those_who_were_told_and_it_may_come_back(walk: Walk) -> None:
    walk.at("2019-02-25T09:00")  # told of the second, and late of the first
    weekly(walk, f"except: {SECOND}")
    assert walk.at("2019-02-26T12:00") == both("cancelled", SECOND)
    weekly(walk)
    assert walk.at("2019-02-27T12:00") == both("moved", SECOND)
    assert walk.at("2019-03-01T09:00") == both("course-3d", FIRST)
    assert walk.at("2019-03-04T09:00") == both("course-2w", THIRD)
    assert walk.at("2019-03-08T09:00") == both("course-3d", SECOND)


def test_what_nobody_was_told_of_may_change_in_silence(walk: Walk) -> None:
    weekly(walk, f"except: {THIRD}", f"changes: [{{on: {SECOND}, when: 2019-03-13}}]")
    assert walk.at("2019-01-10T12:00") == []
    assert walk.at("2019-02-18T09:00") == both("course-2w", FIRST)
    assert walk.at("2019-02-25T09:00") == []
    assert walk.at("2019-02-27T09:00") == both("course-2w", "2019-03-13")


def test_an_owed_reminder_is_dropped_if_its_own_occurrence_changed_and_sent_if_another_did(walk: Walk) -> None:
    walk.remind("2019-02-18T09:00")
    weekly(walk, f"except: {SECOND}")
    assert walk.at("2019-02-18T09:01") == both("course-2w", FIRST)
    assert walk.at("2019-03-01T09:00") == both("course-3d", FIRST)
    walk.remind("2019-03-04T09:00")
    weekly(walk, f"except: [{SECOND}, {THIRD}]")
    assert walk.at("2019-03-04T09:01") == []
    assert ("course-2w", "dropped", "cancelled") in walk.outbox()


def test_the_end_of_a_series_cancels_what_was_told_after_it(walk: Walk) -> None:
    walk.at("2019-02-25T09:00")
    walk.at("2019-03-04T09:00")
    weekly(walk, rule=f"FREQ=WEEKLY;UNTIL={SECOND}")
    assert walk.at("2019-03-05T12:00") == both("cancelled", THIRD)
    assert walk.at("2019-03-08T09:00") == both("course-3d", SECOND)
    assert walk.at("2019-12-01T09:00") == []


def test_a_text_that_changes_and_a_longer_series_tell_nobody_anything(walk: Walk) -> None:
    weekly(walk, rule="FREQ=WEEKLY;COUNT=3")
    walk.at("2019-02-25T09:00")
    weekly(walk, "note: Bring a pen", rule="FREQ=WEEKLY;COUNT=4")
    assert walk.at("2019-02-26T12:00") == []
    assert walk.at("2019-03-01T09:00") == both("course-3d", FIRST)
    assert walk.at("2019-03-04T09:00") == both("course-2w", THIRD)
    assert walk.at("2019-03-08T09:00") == both("course-3d", SECOND)
    assert walk.at("2019-03-11T09:00") == both("course-2w", "2019-03-25")


def test_a_course_that_comes_to_repeat_and_is_one_again_tells_nobody_twice(walk: Walk) -> None:
    walk.course("2019-05-06")
    walk.at("2018-12-01T09:00")
    assert walk.at("2019-04-22T09:00") == both("course-2w", "2019-05-06")
    weekly(walk, when="2019-05-06")
    assert walk.at("2019-04-23T09:00") == []
    assert walk.at("2019-04-29T09:00") == both("course-2w", "2019-05-13")
    walk.course("2019-05-06")
    assert walk.at("2019-04-30T09:00") == both("cancelled", "2019-05-13")
    assert walk.at("2019-05-03T09:00") == both("course-3d", "2019-05-06")


def test_who_was_told_of_the_one_course_hears_where_it_went(walk: Walk) -> None:
    walk.course("2019-05-07")
    walk.at("2018-12-01T09:00")
    assert walk.at("2019-04-23T09:00") == both("course-2w", "2019-05-07")
    weekly(walk, when="2019-05-08")
    assert walk.at("2019-04-23T12:00") == both("moved", "2019-05-08")
    assert walk.at("2019-04-24T09:00") == both("course-2w", "2019-05-08")
    assert walk.at("2019-05-01T09:00") == both("course-2w", "2019-05-15")


def test_a_mail_names_the_occurrence_and_what_is_different_about_it(walk: Walk) -> None:
    weekly(walk, f"changes: [{{on: {SECOND}, location: Durham, note: In another place}}]", "location: York")
    walk.at("2019-02-18T09:00")
    walk.at("2019-02-25T09:00")
    bodies = sorted(path.read_text() for path in (walk.folder / "var" / "outbox").rglob("*.eml"))
    first = [body for body in bodies if "Monday 4 March 2019" in body]
    second = [body for body in bodies if "Monday 11 March 2019" in body]
    assert (len(first), len(second)) == (2, 2)
    assert all("York" in body and "Durham" not in body for body in first)
    assert all("Durham" in body and "In another place" in body for body in second)


def test_a_series_is_one_entry_of_the_calendar_which_changes_with_any_of_it(walk: Walk) -> None:
    weekly(walk, when=f"{FIRST}T17:00")
    walk.refresh("2018-12-01T09:00")
    first = stored(walk)
    assert (first.over.year, first.left_at, first.sequence) == (9999, None, 1)
    assert "TZID:Europe/London" in first.timezone
    weekly(walk, f"changes: [{{on: {SECOND}, when: 2019-03-13T17:00}}]", f"except: {THIRD}", when=f"{FIRST}T17:00")
    assert walk.refresh("2018-12-02T09:00").entries == 1
    second = stored(walk)
    assert second.sequence == 2
    assert second.text.count("BEGIN:VEVENT") == second.text.count("SEQUENCE:2") == 2
    assert "EXDATE;TZID=Europe/London:20190318T170000" in second.text
    weekly(walk, when=f"{FIRST}T17:00", rule="FREQ=WEEKLY;COUNT=2")
    walk.refresh("2018-12-03T09:00")
    assert stored(walk).over == utc(f"{SECOND}T17:00")


def stored(walk: Walk) -> Entry:
    with walk.store.reading() as tx:
        (entry,) = events.entries(tx).values()
    return entry
