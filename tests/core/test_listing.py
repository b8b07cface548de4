"""What a page lists, and in which order."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from reminders.catalogue.events import Event, EventDate, Kind, PublishedDate, PublishedEvent
from reminders.planning.subscribers import Selection
from reminders.web.listing import Group, Listing, arrange, lines_of, time_left
from tests.builders import EPOCH, KINDS, date, event, published, utc
from tests.series import override, series


def listing(*events: Event, selection: Selection = Selection(), now: str = "2018-11-23T09:00") -> Listing:
    return arrange({each.id: published(each) for each in events}, KINDS, selection, utc(now))


def titles(groups: Iterable[Group]) -> list[tuple[str, list[str]]]:
    return [(group.heading, [line.event.title for line in group.lines]) for group in groups]


def course(when: str, title: str = "", status: str = "planned") -> Event:
    return event(f"e-{when}-{title}".lower(), date(when, status=status), title=title or when)


def test_dates_to_come_stand_by_month_and_within_one_by_day_then_hour_then_title() -> None:
    found = listing(
        course("2019-03"),
        course("2019-03-13/2019-03-15"),
        course("2019-03-13T09:00", "b"),
        course("2019-03-13T09:00", "A"),
        course("2019-02-28"),
        course("2018-12-14"),
    )
    assert titles(found.coming) == [
        ("December 2018", ["2018-12-14"]),
        ("February 2019", ["2019-02-28"]),
        ("March 2019", ["2019-03-13/2019-03-15", "A", "b", "2019-03"]),
    ]


def test_a_season_follows_its_first_month_and_a_year_its_december() -> None:
    whens = [
        "2019",
        "2019-22",
        "2019-07-01",
        "2019-06-30",
        "2019-06",
        "2019-12-31",
        "2020-01-01",
        "2019/2020",
        "2018-24",
    ]
    assert [heading for heading, _ in titles(listing(*map(course, whens)).coming)] == [
        "Winter 2018/19",
        "June 2019",
        "Summer 2019",
        "July 2019",
        "December 2019",
        "2019",
        "2019 to 2020",
        "January 2020",
    ]


def test_no_heading_comes_twice_whatever_the_titles() -> None:
    spans = [course("2019-21", "a"), course("2019-21/2019-22", "b"), course("2019-21", "c")]
    assert titles(listing(*spans).coming) == [("Spring 2019", ["a", "c"]), ("Spring to summer 2019", ["b"])]


def test_a_date_is_to_come_until_it_is_over_and_then_past() -> None:
    deadline = event("fellows", date("2018-12-14T10:00", "applications-close"))
    assert listing(deadline, now="2018-12-14T09:59:59").coming
    assert listing(deadline, now="2018-12-14T10:00").past
    span = course("2019-03-13/2019-03-15")
    assert listing(span, now="2019-03-15T23:59").coming
    assert listing(span, now="2019-03-16T00:00").past


def test_the_past_is_told_from_the_latest_back() -> None:
    found = listing(*map(course, ["2018-03-01", "2018-03-02", "2017-05-01"]))
    assert titles(found.past) == [("March 2018", ["2018-03-02", "2018-03-01"]), ("May 2017", ["2017-05-01"])]


def test_what_was_never_confirmed_is_not_said_to_be_confirmed_still() -> None:
    (group,) = listing(course("2018-03")).past
    assert group.lines[0].words == "March 2018 (day never announced)"
    (group,) = listing(course("2019-03")).coming
    assert group.lines[0].words == "March 2019 (date to be confirmed)"


def test_what_is_open_comes_before_what_is_to_be_announced_and_what_has_no_date_at_all() -> None:
    found = listing(
        Event("a", "Anderson"),
        event("b", date("tba", "applications-close"), title="Bevan"),
        event("c", date("open", "applications"), title="Clinicians"),
    )
    assert [(line.event.title, line.words) for line in found.undated] == [
        ("Clinicians", "Open, no date given"),
        ("Bevan", "Date to be announced"),
        ("Anderson", "No date given"),
    ]
    assert not found.coming
    assert not found.past


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["deadline", "course", "undated"]),
        (Selection(levels=(2,)), ["course"]),
        (Selection(levels=(4,)), ["undated"]),
        (Selection(kinds=("applications-close",)), ["deadline"]),
        (Selection(categories=("fellowship",)), ["deadline"]),
        (Selection(levels=(2,), kinds=("applications-close",)), []),
    ],
)
def test_a_listing_shows_only_what_is_selected(selection: Selection, expected: list[str]) -> None:
    found = listing(
        event("deadline", date("2018-12-14", "applications-close"), level=None, categories=("fellowship",)),
        event("course", date("2019-02-12"), level=2),
        Event("undated", "Undated", level=4),
        selection=selection,
    )
    shown = [line for group in found.coming for line in group.lines] + list(found.undated)
    assert [line.event.id for line in shown] == expected


def test_what_is_cancelled_or_postponed_stays_listed_and_what_is_withdrawn_does_not() -> None:
    statuses = ["planned", "postponed", "cancelled", "withdrawn"]
    found = listing(*(course("2019-02-12", status, status=status) for status in statuses))
    assert titles(found.coming) == [("February 2019", ["cancelled", "planned", "postponed"])]
    assert [line.off for group in found.coming for line in group.lines] == [True, False, True]


def test_a_change_is_dated_by_the_clock_of_the_place() -> None:
    moved = date("2019-06-12")
    late = utc("2019-05-31T23:30")  # half past midnight in London
    stands = PublishedEvent(event("moved", moved), 2, dates=(PublishedDate(moved, 2, late),))
    (line,) = lines_of(stands, KINDS, EPOCH)
    assert str(line.changed) == "2019-06-01"
    (line,) = lines_of(published(event("as-announced", moved), known_at=late), KINDS, EPOCH)
    assert line.changed is None


def test_a_kind_that_the_rules_no_longer_know_is_shown_by_its_id_in_words() -> None:
    (line,) = lines_of(published(event("old", date("2019-02-12", "open-day"))), KINDS, EPOCH)
    assert line.kind == Kind("open-day", "Open day")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2018-11-23T09:00", "3 weeks left"),
        ("2018-11-24T09:00", "20 days left"),
        ("2018-12-07T09:00", "7 days left"),
        ("2018-12-12T23:59", "2 days left"),
        ("2018-12-13T00:00", "closes tomorrow"),
        ("2018-12-14T00:00", "closes today"),
        ("2018-12-14T09:59", "closes today"),
        ("2018-12-14T10:00", ""),
    ],
)
def test_a_deadline_says_how_much_time_is_left(now: str, said: str) -> None:
    (line,) = lines_of(published(event("fellows", date("2018-12-14T10:00", "applications-close"))), KINDS, EPOCH)
    assert time_left(line, utc(now)) == said


@pytest.mark.parametrize(
    "each",
    [
        date("2018-12-14T10:00", "course"),
        date("2018-12", "applications-close"),
        date("tba", "applications-close"),
        date("2018-12-14T10:00", "applications-close", status="cancelled"),
        date("2018-12-14T10:00", "applications-close", status="postponed"),
    ],
)
def test_nothing_but_a_deadline_that_stands_counts_days(each: EventDate) -> None:
    (line,) = lines_of(published(event("x", each)), KINDS, EPOCH)
    assert time_left(line, EPOCH) == ""


def shown(found: Iterable[Group]) -> list[str]:
    return [line.words for group in found for line in group.lines]


def test_of_a_series_the_next_few_and_the_last_few_are_listed_and_the_event_says_how_it_repeats() -> None:
    weekly = event(
        "e", series("2018-01-01", "FREQ=WEEKLY", override("2018-12-03", "2018-12-04"), excepted=("2018-12-10",))
    )
    found = listing(weekly)
    assert shown(found.coming) == [
        "Monday 26 November 2018",
        "Tuesday 4 December 2018",
        "Monday 17 December 2018",
        "Monday 24 December 2018",
        "Monday 31 December 2018",
    ]
    assert shown(found.past)[0] == "Monday 19 November 2018"
    assert len(shown(found.past)) == 5
    assert {line.repeats for line in lines_of(published(weekly), KINDS, EPOCH)} == {"Every week on Monday"}


@pytest.mark.parametrize(
    ("rule", "coming", "past"),
    [
        ("FREQ=YEARLY;INTERVAL=4", ["Saturday 29 February 2020"], ["Monday 29 February 2016"]),
        ("FREQ=DAILY;COUNT=2", [], ["Tuesday 1 March 2016", "Monday 29 February 2016"]),
    ],
)
def test_a_rare_series_lists_its_next_and_one_that_ended_its_last(
    rule: str, coming: list[str], past: list[str]
) -> None:
    found = listing(event("e", series("2016-02-29", rule)))
    assert (shown(found.coming), shown(found.past)) == (coming, past)


def test_a_change_of_one_occurrence_is_dated_on_its_line_alone() -> None:
    moved = series("2018-11-26", "FREQ=WEEKLY;COUNT=3", override("2018-12-03", "2018-12-04"))
    plain = series("2018-11-26", "FREQ=WEEKLY;COUNT=3")
    by = PublishedEvent(event("e", moved), 2, dates=(PublishedDate(moved, 2, EPOCH, ((utc("2018-11-01"), plain),)),))
    assert [line.changed is not None for line in lines_of(by, KINDS, EPOCH)] == [False, True, False]
