"""What a change of the files means, and which changes are held as likely accidents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.changes import Change, ChangeKind, Changes, diff, guard, guard_absence, merge
from reminders.catalogue.events import Catalogue, Event, PublishedEvent, Status
from tests.builders import date, event, published


def world(*events: Event) -> dict[str, PublishedEvent]:
    return {each.id: published(each) for each in events}


def files(*events: Event) -> Catalogue:
    return Catalogue(tuple(sorted(events, key=lambda each: each.id)))


def kinds(changes: Iterable[Change]) -> list[str]:
    return [change.kind.value for change in changes]


def of_one_date(was: str, now: str, *, status: tuple[str, str] = ("planned", "planned")) -> Changes:
    before, after = event("one", date(was, status=status[0])), event("one", date(now, status=status[1]))
    return diff(world(before), files(after))


def many(count: int, *, status: str = "planned") -> list[Event]:
    return [event(f"event-{number:03}", date("2019-02-12", status=status)) for number in range(count)]


def test_nothing_changes_when_nothing_is_different() -> None:
    assert len(diff(world(event()), files(event()))) == 0


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("2019-02-12", "2019-02-19", "date-moved"),
        ("2019-02-12", "2019-02", "date-moved"),
        ("2019-02-12", "tba", "date-moved"),
        ("2019-02", "2019-02-12", "date-firmed-up"),
        ("tba", "2019-02", "date-firmed-up"),
        ("open", "2019-02-12T10:00", "date-firmed-up"),
        ("tba", "open", "date-changed"),
    ],
)
def test_a_date_that_differs_has_moved_or_become_firmer(was: str, now: str, kind: str) -> None:
    assert kinds(of_one_date(was, now)) == [kind]


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("planned", "postponed", "date-postponed"),
        ("planned", "cancelled", "date-cancelled"),
        ("planned", "withdrawn", "date-cancelled"),
        ("cancelled", "planned", "date-reinstated"),
        ("postponed", "planned", "date-reinstated"),
        ("cancelled", "postponed", "date-postponed"),
    ],
)
def test_a_status_that_differs_says_what_happened(was: str, now: str, kind: str) -> None:
    assert kinds(of_one_date("2019-02-12", "2019-02-12", status=(was, now))) == [kind]


def test_a_date_may_change_in_two_ways_at_once() -> None:
    changes = of_one_date("2019-02-12", "2019-02-19", status=("postponed", "planned"))
    assert kinds(changes) == ["date-reinstated", "date-moved"]


def test_a_change_says_what_it_is_in_words_and_facts() -> None:
    (change,) = of_one_date("2019-02-12", "2019-02-19")
    assert change.words == "one: course moves: Tuesday 19 February 2019, was Tuesday 12 February 2019"
    assert (change.event_id, change.date) == ("one", ("course", ""))
    assert change.before is not None
    assert change.after is not None
    assert (change.before.when.edtf, change.after.when.edtf) == ("2019-02-12", "2019-02-19")


def test_events_and_dates_appear_change_and_return() -> None:
    one = event("one", date("2019-02-12"))
    assert kinds(diff({}, files(one))) == ["event-added"]
    assert kinds(diff(world(one), files(replace(one, title="Uno")))) == ["event-changed"]
    assert kinds(diff(world(one), files(event("one", *one.dates, date("2019-03", "visit"))))) == ["date-added"]
    assert kinds(diff(world(one), files(event("one", date("2019-02-12", note="Bring lunch"))))) == ["date-changed"]
    assert kinds(diff({"one": replace(published(one), missing=True)}, files(one))) == ["event-returned"]


def test_what_is_absent_is_missing_and_stays_published() -> None:
    one = event("one", date("2019-02-12"), date("2019-03", "visit"))
    assert kinds(diff(world(one), files())) == ["event-missing"]
    shorter = replace(one, dates=one.dates[:1])
    assert kinds(diff(world(one), files(shorter))) == ["date-missing"]
    assert merge(published(one), shorter) == one


def test_what_is_missing_already_or_was_called_off_is_no_change() -> None:
    one = event("one", date("2019-02-12"))
    off = event("two", date("2019-02-12", status="withdrawn"), status=Status.WITHDRAWN)
    assert len(diff({"one": replace(published(one), missing=True), "two": published(off)}, files())) == 0
    both = event("one", date("2019-02-12"), date("2019-03", "visit", status="cancelled"))
    assert len(diff(world(both), files(one))) == 0


def test_an_absence_that_was_released_withdraws_the_date() -> None:
    one = event("one", date("2019-02-12"), date("2019-03", "visit"))
    merged = merge(published(one), replace(one, dates=one.dates[:1]), withdraw=[date.key for date in one.dates])
    assert [each.status.value for each in merged.dates] == ["planned", "withdrawn"]


def test_cancelling_an_event_cancels_its_dates_also_those_no_longer_in_the_files() -> None:
    one = event("one", date("2019-02-12"), date("2019-03", "visit"))
    cancelled = replace(one, dates=one.dates[:1], status=Status.CANCELLED)
    merged = merge(published(one), cancelled)
    assert [each.status.value for each in merged.dates] == ["cancelled", "cancelled"]
    found = kinds(diff(world(one), files(cancelled)))
    assert found == ["event-changed", "date-cancelled", "date-missing", "date-cancelled"]


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [
        ("13 events", "none", "none of the 13"),
        ("2 events", "none", "none of the 2"),
        ("1 event", "none", "none of the 1"),
        ("13 events", "half of them", "7 of 13 published events are missing"),
        ("4 events", "half of them", "2 of 4 published events are missing"),
        ("100 events", "11 fewer", "11 of 100 published events are missing"),
        ("100 events", "10 fewer", ""),
        ("13 events", "3 fewer", ""),
        ("13 events", "4 fewer", "4 of 13 published events are missing"),
        ("100 events", "11 cancelled", "11 of 100 published dates would be cancelled"),
        ("100 events", "10 cancelled", ""),
        ("13 events", "3 cancelled", ""),
        ("100 events", "51 moved", "51 of 100 published dates would move"),
        ("100 events", "50 moved", ""),
        ("5 events", "3 moved", ""),
        ("100 events", "100 more", ""),
    ],
)
def test_changes_that_look_like_an_accident_are_held(before: str, after: str, held: str) -> None:
    events = many(int(before.split()[0]))
    number = int(after.split()[0]) if after[0].isdigit() else 0
    new = {
        "none": [],
        "half of them": events[: len(events) // 2],
        "fewer": events[number:],
        "cancelled": many(number, status="cancelled") + events[number:],
        "moved": [replace(each, dates=(date("2019-05-05"),)) for each in events[:number]] + events[number:],
        "more": events + [event(f"more-{each}") for each in range(number)],
    }[after if after in ("none", "half of them") else after.split()[1]]
    known = world(*events)
    changes = diff(known, files(*new))
    reasons = guard_absence(changes, known) + guard(changes, known)
    assert len(reasons) == bool(held)
    assert all(held in reason and reason.endswith(".") for reason in reasons)


def test_dates_that_vanish_from_events_that_stay_are_held_too() -> None:
    events = many(13)
    known = world(*events)
    changes = diff(known, files(*(replace(each, dates=()) for each in events)))
    assert len(changes.of(ChangeKind.DATE_MISSING)) == 13
    assert "13 of 13 published dates are missing" in guard_absence(changes, known)[0]


def test_replacing_the_only_event_is_no_accident() -> None:
    known = world(event("first"))
    assert guard_absence(diff(known, files(event("second"))), known) == []


def test_a_truncated_file_after_a_release_is_not_held_for_what_was_released() -> None:
    gone = {each.id: replace(published(each), missing=True) for each in many(10)}
    known = gone | world(*(event(f"left-{number}") for number in range(20)))
    assert guard_absence(diff(known, files(*(event(f"left-{number}") for number in range(20)))), known) == []


statuses = st.sampled_from(["planned", "postponed", "cancelled", "withdrawn"])
whens = st.sampled_from(["2019-02-12", "2019-02", "2019", "tba", "2019-02-12T10:00", "2020-01-01"])
some_dates = st.lists(
    st.builds(date, whens, st.sampled_from(["course", "visit"]), status=statuses),
    max_size=2,
    unique_by=lambda each: each.kind,
).map(lambda dates: tuple(sorted(dates, key=lambda each: each.kind)))
catalogues = st.dictionaries(st.sampled_from("abcd"), some_dates).map(
    lambda found: files(*(Event(id, id.upper(), dates) for id, dates in found.items()))
)


@given(catalogues, catalogues)
def test_publishing_a_change_leaves_nothing_to_change_but_what_is_missing(old: Catalogue, new: Catalogue) -> None:
    known = world(*old.events)
    after = known | world(*(merge(known.get(each.id), each) for each in new.events))
    left = diff(after, new)
    assert {change.kind for change in left} <= {ChangeKind.EVENT_MISSING, ChangeKind.DATE_MISSING}


@given(catalogues, st.sets(st.sampled_from("abcd")), st.booleans())
def test_absence_never_cancels(old: Catalogue, kept: set[str], without_dates: bool) -> None:
    rest = [replace(each, dates=()) if without_dates else each for each in old.events if each.id in kept]
    changes = diff(world(*old.events), files(*rest))
    assert {change.kind for change in changes} <= {ChangeKind.EVENT_MISSING, ChangeKind.DATE_MISSING}


def test_an_event_that_may_have_got_another_id_is_asked_about() -> None:
    known = {"talking-2019": published(event("talking-2019"))}
    words = [change.words for change in diff(known, files(event("talking-2020")))]
    assert words == [
        "talking-2019 is missing from the files and stays published as it is; "
        "if talking-2020 is the same event, give it this id again",
        "talking-2020 is new: Having Difficult Conversations (course Tuesday 12 February 2019)",
    ]
    other = diff(known, files(event("walking", title="Walking")))
    assert "same event" not in " ".join(change.words for change in other)
