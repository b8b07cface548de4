"""What readers are told of a change, and what is no news to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.catalogue.events import Amendment, Event, EventDate, Source, Status
from reminders.web.changes import MOST, Entry, tell
from tests.builders import CLOSING, EPOCH, KINDS, date, event
from tests.series import override, series

LATER = EPOCH + timedelta(days=1)
SPAN = (EPOCH, LATER)


def told(before: Event | None, after: Event) -> list[Entry]:
    return list(tell([Amendment(after, 2, LATER, before)], KINDS, SPAN).entries)


def of_dates(before: EventDate, after: EventDate) -> tuple[str, str, list[str]]:
    """What happened, the title without the event's, and the lines."""
    (entry,) = told(event("one", before, title="T"), event("one", after, title="T"))
    assert entry.title.endswith(": T")
    return entry.what, entry.title.removesuffix(": T"), list(entry.lines)


TUESDAY, NEXT = "Tuesday 12 February 2019", "Tuesday 19 February 2019"


@pytest.mark.parametrize(
    ("was", "now", "what", "title", "line"),
    [
        ("2019-02-12", "2019-02-19", "moved", "Moved to 19 Feb 2019 (course)", f"Course: now {NEXT}; was {TUESDAY}."),
        (
            *("2019-02-12T10:00", "2019-02-12T11:00", "moved", "Moved to 12 Feb 2019, 11:00 (course)"),
            f"Course: now {TUESDAY}, 11:00 UK time; was {TUESDAY}, 10:00 UK time.",
        ),
        (
            *("2019-02-12", "2019-02", "moved", "Moved to Feb 2019 (course)"),
            f"Course: now February 2019 (date to be confirmed); was {TUESDAY}.",
        ),
        (
            *("2019-02-12", "tba", "moved", "No date any more (course)"),
            f"Course: now date to be announced; was {TUESDAY}.",
        ),
        (
            *("2019-02", "2019-02-12", "firmed-up", "Announced for 12 Feb 2019 (course)"),
            f"Course: now {TUESDAY}; was February 2019 (date to be confirmed).",
        ),
        (
            *("tba", "2019-02-12", "firmed-up", "Announced for 12 Feb 2019 (course)"),
            f"Course: now {TUESDAY}; was date to be announced.",
        ),
        (
            *("tba", "open", "changed", "Now open (course)"),
            "Course: now open, no date given; was date to be announced.",
        ),
    ],
)
def test_a_date_that_differs_is_told_as_it_is_now_and_as_it_was(
    was: str, now: str, what: str, title: str, line: str
) -> None:
    assert of_dates(date(was), date(now)) == (what, title, [line])


@pytest.mark.parametrize(
    ("was", "now", "what", "title", "line"),
    [
        ("planned", "cancelled", "cancelled", "Cancelled (course 12 Feb 2019)", f"Course: cancelled; was {TUESDAY}."),
        ("planned", "withdrawn", "withdrawn", "Withdrawn (course 12 Feb 2019)", f"Course: withdrawn; was {TUESDAY}."),
        (
            *("planned", "postponed", "postponed", "Postponed (course)"),
            f"Course: postponed; was {TUESDAY}. The new date is not known yet.",
        ),
        ("cancelled", "planned", "on-again", "On again, 12 Feb 2019 (course)", f"Course: on again, {TUESDAY}."),
        ("postponed", "planned", "on-again", "On again, 12 Feb 2019 (course)", f"Course: on again, {TUESDAY}."),
        ("postponed", "cancelled", "cancelled", "Cancelled (course 12 Feb 2019)", f"Course: cancelled; was {TUESDAY}."),
    ],
)
def test_a_status_that_differs_is_told(was: str, now: str, what: str, title: str, line: str) -> None:
    assert of_dates(date(status=was), date(status=now)) == (what, title, [line])


@pytest.mark.parametrize(
    ("was", "now", "title", "line"),
    [
        (date(), date("2019-02-19", status="postponed"), "Postponed to 19 Feb 2019 (course)", f"postponed to {NEXT}"),
        (date(status="cancelled"), date("2019-02-19"), "On again, 19 Feb 2019 (course)", f"on again, {NEXT}"),
    ],
    ids=["postponed", "on again"],
)
def test_a_new_status_and_a_new_date_are_one_change(was: EventDate, now: EventDate, title: str, line: str) -> None:
    _, said, lines = of_dates(was, now)
    assert (said, lines) == (title, [f"Course: {line}; was {TUESDAY}."])


def test_what_never_had_a_date_is_cancelled_without_one() -> None:
    assert of_dates(date("tba"), date("tba", status="cancelled"))[1:] == ("Cancelled (course)", ["Course: cancelled."])


def test_a_new_event_is_told_with_its_dates() -> None:
    closing = date("2018-12-14T10:00", CLOSING.id)
    york = date("2019-02-12", occurrence="york", status="cancelled")
    wrong = date("2019-02-13", occurrence="bath", status="withdrawn")
    (entry,) = told(None, event("one", closing, york, wrong, title="T"))
    assert (entry.what, entry.title) == ("announced", "New: T")
    assert "\n".join(entry.lines) == (
        "Applications close: Friday 14 December 2018, 10:00 UK time.\n"
        "Course (york): Tuesday 12 February 2019, cancelled."
    )


def test_a_new_event_without_dates_says_so() -> None:
    (entry,) = told(None, Event("one", "T"))
    assert entry.lines == ("No date given.",)


def test_a_new_date_of_a_known_event_is_told() -> None:
    (entry,) = told(event("one", date()), event("one", date(), date("2019-03", occurrence="second"), title="T"))[:1]
    assert entry.what == "announced"
    assert entry.title.startswith("New date, Mar 2019 (course)")
    assert "Course (second): March 2019 (date to be confirmed)." in entry.lines


def test_of_several_changes_the_title_names_what_matters_most() -> None:
    before = event("one", date(), date("2018-12-14", CLOSING.id), title="T")
    after = event("one", date(status="cancelled"), date("2018-12-21", CLOSING.id), title="T", link="https://x.example/")
    (entry,) = told(before, after)
    assert (entry.what, entry.title) == ("cancelled", "Cancelled (course 12 Feb 2019) and 2 more changes: T")
    assert len(entry.lines) == 3


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("title", "Talking", "Title now: Talking\n(was: Having Difficult Conversations)"),
        ("level", 3, "Level now: 3\n(was: 2)"),
        ("level", None, "Level now: not given\n(was: 2)"),
        ("provider", "NELA", "Provider now: NELA\n(was: HEE)"),
        ("link", "https://www.example.org/", "Link now: https://www.example.org/"),
        ("contact", "a@example.org", "Contact now: a@example.org"),
        ("description", "Two days.", "The description has changed."),
    ],
)
def test_details_of_an_event_that_readers_use_are_told(field: str, value: object, line: str) -> None:
    (entry,) = told(event(), replace(event(), **{field: value}))  # type: ignore[arg-type]  # test sugar
    assert (entry.what, entry.lines) == ("changed", (line,))


@pytest.mark.parametrize("field", ["note", "location"])
def test_details_of_a_date_are_told(field: str) -> None:
    (entry,) = told(event(), event("talking-2019", date(**{field: "Durham"})))
    said = {"note": "note", "location": "place"}[field]
    assert entry.title == "New details (course): Having Difficult Conversations"
    assert entry.lines == (f"Course: {said} now: Durham",)


@pytest.mark.parametrize(
    "after",
    [
        event(),
        event(rules={"close-4w": "off"}),
        event(categories=("course",)),
        event(source=Source("Page", EPOCH.date())),
        event("talking-2019", date(inferred="said by phone")),
    ],
    ids=["nothing", "rules", "categories", "source", "inferred"],
)
def test_what_only_staff_care_for_is_no_news(after: Event) -> None:
    assert told(event(), after) == []


@pytest.mark.parametrize("status", ["cancelled", "withdrawn"])
def test_where_a_date_that_is_off_would_have_been_is_no_news(status: str) -> None:
    assert told(event("one", date(status=status)), event("one", date("2019-02-19", status=status))) == []


def test_a_new_event_that_is_withdrawn_already_is_no_news() -> None:
    assert told(None, event("one", date(status="withdrawn"), status=Status.WITHDRAWN)) == []
    assert told(event(), event("talking-2019", date(), date("2019-03", occurrence="b", status="withdrawn"))) == []


@pytest.mark.parametrize(
    ("status", "what"), [("cancelled", "cancelled"), ("withdrawn", "withdrawn"), ("postponed", "postponed")]
)
def test_an_event_without_dates_can_be_called_off_too(status: str, what: str) -> None:
    before = Event("one", "T")
    (entry,) = told(before, replace(before, status=Status(status)))
    assert (entry.what, entry.title) == (what, f"{what.capitalize()}: T")
    (back,) = told(replace(before, status=Status(status)), before)
    assert back.title == "On again: T"


def moves(count: int) -> Iterator[Amendment]:
    """Newest first: a course that moves on and on, every second version saying nothing."""
    for number in range(count, 0, -1):
        versions = [event("one", date(f"2019-03-{day % 28 + 1:02}")) for day in (number, number - 1)]
        at = EPOCH + timedelta(minutes=number)
        yield Amendment(versions[0], 2 * number + 1, at, replace(versions[0], categories=("x",)))
        yield Amendment(versions[0], 2 * number, at, versions[1])


def test_only_the_newest_are_told_and_no_more_is_read_than_that_needs() -> None:
    amendments = moves(10 * MOST)
    entries = tell(amendments, KINDS, SPAN).entries
    assert len(entries) == MOST
    assert [each.at for each in entries] == sorted((each.at for each in entries), reverse=True)
    assert next(amendments).revision == 2 * 9 * MOST + 1


def test_each_publication_has_an_id_of_its_own_that_stays() -> None:
    first, again = (tell(moves(20), KINDS, SPAN) for _ in range(2))
    assert first == again
    ids = [each.id for each in first.entries]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("urn:uuid:") for each in ids)
    other = tell([replace(each, at=each.at + timedelta(days=1)) for each in moves(20)], KINDS, SPAN)
    assert not set(ids) & {each.id for each in other.entries}, "another store is no copy of this one"


def test_the_whole_has_an_id_by_the_instant_the_store_began() -> None:
    known = tell([], KINDS, SPAN)
    assert known.id == tell(moves(3), KINDS, (EPOCH, EPOCH)).id
    assert len({known.id, tell([], KINDS, (LATER, LATER)).id, tell([], KINDS, None).id}) == 3


def test_a_series_tells_on_which_days_it_is_and_was() -> None:
    weekly = series("2019-02-12", "FREQ=WEEKLY")
    shorter = series(
        "2019-02-12", "FREQ=WEEKLY;COUNT=3", override("2019-02-19", "2019-02-20"), excepted=("2019-02-26",)
    )
    assert of_dates(date("2019-02-12"), weekly) == (
        "changed",
        "Other days (course)",
        ["Course: every week on Tuesday; before: once."],
    )
    assert of_dates(weekly, shorter)[2] == [
        "Course: every week on Tuesday, 3 times, not on 26 February 2019, 19 February 2019 instead on Wednesday 20 "
        "February 2019; before: every week on Tuesday."
    ]
