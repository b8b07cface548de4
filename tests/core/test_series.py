"""Dates that repeat: their occurrences, what these are called, when they are, and since when they are as they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.catalogue import zones
from reminders.catalogue.events import EventDate, PublishedDate, PublishedEvent, Status, read_fact
from reminders.catalogue.facts import pack, unpack
from reminders.catalogue.series import coming, day_of, find, occurrence, occurrences, published_occurrences
from tests.builders import EPOCH, LONDON, event
from tests.builders import date as plain
from tests.series import override, series, series_of

EVENING = "2019-03-04T17:00/2019-03-04T19:00"
WEEKLY = "FREQ=WEEKLY;BYDAY=MO;COUNT=4"
DAY = timedelta(days=1)


def whens(found: EventDate) -> list[str]:
    return sorted(each.when.edtf for each in occurrences(found))


def named(found: EventDate) -> dict[str, str]:
    return {each.occurrence: each.fact for each in occurrences(found)}


# Occurrences


def test_an_occurrence_is_a_plain_date_called_after_its_day() -> None:
    weekly = series("2019-03-04", WEEKLY, occurrence="york", note="Bring a pen", location="York", inferred="Said so")
    first, second, *_ = occurrences(weekly)
    assert first == replace(weekly, occurrence="york@2019-03-04", repeats=None)
    assert second == plain(
        "2019-03-11", occurrence="york@2019-03-11", note="Bring a pen", location="York", inferred="Said so"
    )
    assert read_fact(second.fact) == (second.when, Status.PLANNED)


def test_it_keeps_the_name_when_it_is_put_on_another_day() -> None:
    weekly = series("2019-03-04", WEEKLY, override("2019-03-11", "2019-03-13", note="Wednesday!"))
    assert named(weekly)["@2019-03-11"] == "2019-03-13 Europe/London planned"
    assert whens(weekly) == ["2019-03-04", "2019-03-13", "2019-03-18", "2019-03-25"]
    assert next(each for each in occurrences(weekly) if each.note).occurrence == "@2019-03-11"


def test_a_day_that_is_left_out_counts_but_does_not_take_place() -> None:
    assert whens(series("2019-03-04", WEEKLY, excepted=("2019-03-11",))) == ["2019-03-04", "2019-03-18", "2019-03-25"]


def test_a_change_may_leave_the_day_and_say_only_what_differs() -> None:
    weekly = series(EVENING, WEEKLY, override("2019-03-18", location="Leeds", status=Status.CANCELLED), note="Weekly")
    found = occurrence(weekly, date(2019, 3, 18))
    assert found is not None
    assert (found.when.edtf, found.status, found.location, found.note) == (
        "2019-03-18T17:00/2019-03-18T19:00",
        Status.CANCELLED,
        "Leeds",
        "Weekly",
    )


@pytest.mark.parametrize(
    ("whole", "one", "status"),
    [
        ("planned", "postponed", "postponed"),
        ("cancelled", "planned", "cancelled"),
        ("withdrawn", "cancelled", "withdrawn"),
    ],
)
def test_the_worse_of_the_two_statuses_holds(whole: str, one: str, status: str) -> None:
    weekly = series("2019-03-04", WEEKLY, override("2019-03-11", status=Status(one)), status=whole)
    assert named(weekly)["@2019-03-11"].endswith(status)


@pytest.mark.parametrize(
    ("when", "rule", "zone", "expected"),
    [
        # as clocks show it, summer time or not
        ("2019-03-24T10:00", "FREQ=WEEKLY;COUNT=2", LONDON, "2019-03-24T10:00 10:00Z, 2019-03-31T10:00 09:00Z"),
        # skipped: later by the length of the gap
        ("2019-03-24T01:30", "FREQ=WEEKLY;COUNT=2", LONDON, "2019-03-24T01:30 01:30Z, 2019-03-31T02:30 01:30Z"),
        # shown twice: the first
        ("2019-10-20T01:30", "FREQ=WEEKLY;COUNT=2", LONDON, "2019-10-20T01:30 00:30Z, 2019-10-27T01:30+01:00 00:30Z"),
        (
            "2019-03-03T02:30",
            "FREQ=WEEKLY;COUNT=2",
            "America/New_York",
            "2019-03-03T02:30 07:30Z, 2019-03-10T03:30 07:30Z",
        ),
        (
            "2019-09-29T02:15",
            "FREQ=WEEKLY;COUNT=2",
            "Australia/Lord_Howe",
            "2019-09-29T02:15 15:45Z, 2019-10-06T02:45 15:45Z",
        ),
        (
            "2019-03-04T00:15",
            "FREQ=DAILY;COUNT=2",
            "Asia/Kathmandu",
            "2019-03-04T00:15 18:30Z, 2019-03-05T00:15 18:30Z",
        ),
    ],
)
def test_it_is_when_clocks_show_what_they_showed_at_the_first(when: str, rule: str, zone: str, expected: str) -> None:
    found = [each.when for each in occurrences(series(when, rule, zone=zone))]
    assert ", ".join(f"{each.edtf} {each.starts:%H:%M}Z" for each in found) == expected


def test_one_that_clocks_would_end_before_it_begins_keeps_its_length() -> None:
    short = series("2019-03-24T01:30/2019-03-24T02:15", "FREQ=WEEKLY;COUNT=2")
    assert whens(short)[1] == "2019-03-31T02:30/2019-03-31T03:15"


def test_a_window_shows_what_lies_in_it_in_part() -> None:
    long = series("2019-03-04/2019-03-06", "FREQ=WEEKLY", override("2019-03-18", "2019-08-01"))
    found = occurrences(long, date(2019, 3, 13), date(2019, 3, 25))
    assert sorted(each.when.edtf for each in found) == ["2019-03-11/2019-03-13", "2019-03-25/2019-03-27"]
    assert [each.occurrence for each in occurrences(long, date(2019, 8, 1), date(2019, 8, 4))] == ["@2019-03-18"]


def test_the_next_few_are_in_the_order_in_which_they_are() -> None:
    weekly = series(
        "2019-03-04", "FREQ=WEEKLY", override("2019-03-11", "2019-03-20"), override("2019-04-29", "2019-03-05")
    )
    found = coming(weekly, date(2019, 3, 5), 3)
    assert [each.occurrence for each in found] == ["@2019-04-29", "@2019-03-18", "@2019-03-11"]


@settings(deadline=None)
@given(st.booleans().flatmap(lambda timed: series_of(timed=timed)))
def test_every_occurrence_is_found_by_its_day_and_reads_back_from_its_fact(drawn: EventDate) -> None:
    for each in islice(occurrences(drawn), 20):
        assert occurrence(drawn, day_of(each)) == each
        assert read_fact(each.fact) == (each.when, each.status)


@settings(deadline=None)
@given(st.booleans().flatmap(lambda timed: series_of(timed=timed)))
def test_a_series_is_stored_as_text_and_comes_back(drawn: EventDate) -> None:
    held = event("e", drawn)
    assert unpack(pack(held)) == held
    assert pack(unpack(pack(held))) == pack(held)


@settings(deadline=None)
@given(series_of(timed=True))
def test_clocks_show_the_hour_of_the_first_unless_they_skip_it(drawn: EventDate) -> None:
    assert drawn.repeats is not None and drawn.when.starts is not None
    clock = zones.local(drawn.when.starts, drawn.when.zone).time()
    changed = {each.on for each in drawn.repeats.overrides}
    for each in islice(occurrences(drawn), 40):
        if (day := day_of(each)) not in changed and zones.instants(datetime.combine(day, clock), each.when.zone):
            assert each.when.starts is not None
            assert zones.local(each.when.starts, each.when.zone) == datetime.combine(day, clock)


# What was published


def versions(*said: EventDate) -> PublishedEvent:
    """An event whose one date said these things, a day each from the epoch on."""
    ats = [EPOCH + number * DAY for number in range(len(said))]
    *earlier, (at, now) = zip(ats, said, strict=True)
    return PublishedEvent(event("e", now), len(said), dates=(PublishedDate(now, len(said), at, tuple(earlier)),))


def stood(found: PublishedDate | None) -> tuple[str, int, int]:
    """What it says, how often it changed, and how many days after the epoch it came to say so."""
    assert found is not None
    return found.date.fact.replace(f" {LONDON}", ""), found.revision, (found.known_at - EPOCH).days


BASE = series("2019-03-04", "FREQ=WEEKLY")


def test_a_change_of_one_occurrence_is_none_of_the_others() -> None:
    moved = versions(BASE, series("2019-03-04", "FREQ=WEEKLY", override("2019-03-11", "2019-03-13")))
    found = {
        each.date.occurrence: stood(each)
        for each in published_occurrences(moved.dates[0], date(2019, 3, 4), date(2019, 3, 18))
    }
    assert found == {
        "@2019-03-04": ("2019-03-04 planned", 1, 0),
        "@2019-03-11": ("2019-03-13 planned", 2, 1),
        "@2019-03-18": ("2019-03-18 planned", 1, 0),
    }


def test_one_that_is_left_out_later_is_cancelled_as_it_last_was() -> None:
    out = versions(BASE, series("2019-03-04", "FREQ=WEEKLY", excepted=("2019-03-11",)))
    assert stood(find(out, ("course", "@2019-03-11"))) == ("2019-03-11 cancelled", 2, 1)
    assert "@2019-03-11" not in named(series("2019-03-04", WEEKLY, excepted=("2019-03-11",)))
    back = versions(BASE, out.event.dates[0], BASE)
    assert stood(find(back, ("course", "@2019-03-11"))) == ("2019-03-11 planned", 3, 2)


def test_a_shorter_series_cancels_those_after_its_end_and_no_other() -> None:
    ended = versions(BASE, series("2019-03-04", "FREQ=WEEKLY;UNTIL=2019-03-12"))
    assert stood(find(ended, ("course", "@2019-03-11"))) == ("2019-03-11 planned", 1, 0)
    assert stood(find(ended, ("course", "@2019-03-18"))) == ("2019-03-18 cancelled", 2, 1)
    assert stood(find(ended, ("course", "@2150-03-02"))) == ("2150-03-02 cancelled", 2, 1)


def test_what_never_was_is_not_found() -> None:
    assert find(versions(BASE), ("course", "@2019-03-05")) is None
    assert find(versions(BASE), ("visit", "@2019-03-04")) is None


def test_a_date_that_comes_to_repeat_is_as_old_on_its_day_and_new_on_others() -> None:
    repeated = versions(plain("2019-03-11"), BASE)
    assert stood(find(repeated, ("course", "@2019-03-11"))) == ("2019-03-11 planned", 1, 0)
    assert stood(find(repeated, ("course", "@2019-03-18"))) == ("2019-03-18 planned", 1, 1)
    assert stood(find(repeated, ("course", ""))) == ("2019-03-11 planned", 1, 0)
    elsewhere = versions(plain("2019-03-12"), BASE)
    assert stood(find(elsewhere, ("course", ""))) == ("2019-03-04 planned", 1, 1)


def test_a_series_that_comes_to_be_one_date_is_as_old_as_the_occurrence_of_that_day() -> None:
    single = versions(BASE, plain("2019-03-11"))
    (only,) = published_occurrences(single.dates[0], date(2019, 1, 1), date(2020, 1, 1))
    assert (only.date.occurrence, only.known_at) == ("", EPOCH)
    assert stood(find(single, ("course", "@2019-03-11"))) == ("2019-03-11 planned", 1, 0)
    assert stood(find(single, ("course", "@2019-03-18"))) == ("2019-03-18 cancelled", 2, 1)
