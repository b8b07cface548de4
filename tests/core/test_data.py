"""The JSON for other programs: what it holds, and that it keeps to its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reminders.catalogue.dates import Precision
from reminders.catalogue.events import Event, PublishedEvent, Source, Status
from reminders.feed import entry
from reminders.web import data
from reminders.web.changes import Changelog
from reminders.web.reading import Shelf
from tests.builders import CLOSING, EPOCH, KINDS, date, event, published
from tests.series import override, series

PUBLIC = "https://dates.example.org"
SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "events.schema.json"


FORMATS = jsonschema.FormatChecker(["date"])


@FORMATS.checks("date-time")  # type: ignore[untyped-decorator]  # the library has no types
def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value) is not None


def shelf(events: Iterable[PublishedEvent]) -> Shelf:
    drawn = {}
    for each in events:
        for one in each.event.dates:
            draft = entry.draw(each.event, one, KINDS.get(one.kind, CLOSING), event_url=None)
            if draft is not None:
                drawn[draft.uid] = entry.stamp(draft, None, EPOCH)
    return Shelf(
        1,
        {each.event.id: each for each in events},
        drawn,
        {},
        KINDS,
        (),
        EPOCH.date(),
        EPOCH,
        Changelog((EPOCH, EPOCH)),
    )


def document(*events: Event, public_url: str = PUBLIC, chosen: data.Chosen = data.everything) -> dict[str, Any]:
    """The document as a program reads it, checked against its schema."""
    read: dict[str, Any] = json.loads(
        data.render(shelf([published(each) for each in events]), name="Dates", public_url=public_url, chosen=chosen)
    )
    check(read)
    return read


def check(read: dict[str, Any]) -> None:
    schema = json.loads(data.schema())
    jsonschema.Draft202012Validator(closed(schema), format_checker=FORMATS).validate(read)


def closed(schema: Any) -> Any:
    """The schema with no key allowed that it does not name: what is published now is all described."""
    if isinstance(schema, dict):
        more = {"additionalProperties": False} if "properties" in schema else {}
        return {key: closed(value) for key, value in schema.items()} | more
    return schema


FULL = Event(
    id="full-2019",
    title="Ünïcode & more",
    dates=(date("2018-12-14T10:00", "applications-close", note="n", location="Durham", inferred="said by phone"),),
    level=2,
    provider="HEE",
    categories=("course", "free"),
    description="Two\nlines",
    link="https://www.example.org/",
    contact="a@example.org",
    source=Source("Leadership Learning", EPOCH.date(), "by 10am", "https://www.example.org/b"),
)


def test_an_event_is_told_with_all_its_facts() -> None:
    read = document(FULL)
    assert read == {
        "version": 1,
        "generated_from": {"service": "Dates", "page": f"{PUBLIC}/", "changed_at": "2018-11-23T09:00:00Z"},
        "events": [
            {
                "id": "full-2019",
                "title": "Ünïcode & more",
                "level": 2,
                "provider": "HEE",
                "categories": ["course", "free"],
                "description": "Two\nlines",
                "link": "https://www.example.org/",
                "contact": "a@example.org",
                "source": {
                    "page": "Leadership Learning",
                    "link": "https://www.example.org/b",
                    "checked": "2018-11-23",
                    "quote": "by 10am",
                },
                "status": "planned",
                "page": f"{PUBLIC}/events/full-2019",
                "calendar": f"{PUBLIC}/events/full-2019.ics",
                "revision": 1,
                "dates": [
                    {
                        "kind": "applications-close",
                        "label": "Applications close",
                        "deadline": True,
                        "occurrence": "",
                        "when": "2018-12-14T10:00",
                        "zone": "Europe/London",
                        "precision": "instant",
                        "first": "2018-12-14",
                        "last": "2018-12-14",
                        "starts": "2018-12-14T10:00:00Z",
                        "ends": "2018-12-14T10:00:00Z",
                        "status": "planned",
                        "note": "n",
                        "location": "Durham",
                        "inferred": "said by phone",
                        "repeats": None,
                        "words": "Friday 14 December 2018, 10:00 UK time",
                        "revision": 1,
                        "changed_at": "2018-11-23T09:00:00Z",
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("when", "precision", "first", "last", "starts", "ends"),
    [
        ("tba", "none", None, None, None, None),
        ("open", "none", None, None, None, None),
        ("2019", "year", "2019-01-01", "2019-12-31", None, None),
        ("2019-24", "season", "2019-12-01", "2020-02-29", None, None),
        ("2019-03?", "month", "2019-03-01", "2019-03-31", None, None),
        ("2019-03-13/2019-03-15", "day", "2019-03-13", "2019-03-15", None, None),
        (
            *("2019-06-13T09:00/2019-06-13T17:00", "instant", "2019-06-13", "2019-06-13"),
            *("2019-06-13T08:00:00Z", "2019-06-13T16:00:00Z"),
        ),
    ],
)
def test_a_date_is_never_told_closer_than_it_is_known(
    when: str, precision: str, first: str | None, last: str | None, starts: str | None, ends: str | None
) -> None:
    (told,) = document(event("one", date(when)))["events"][0]["dates"]
    assert [told[key] for key in ("when", "precision", "first", "last", "starts", "ends")] == [
        *(when, precision, first, last, starts, ends)
    ]


def test_every_precision_has_its_name() -> None:
    names = [each.name.lower() for each in sorted(Precision)]
    assert json.loads(data.schema())["$defs"]["DateData"]["properties"]["precision"]["enum"] == names


def test_what_is_not_known_is_empty_or_null_and_never_left_out() -> None:
    (told,) = document(Event("one", "T"))["events"]
    empty = {key for key, value in told.items() if value in ("", None, [])}
    assert empty == {
        *("provider", "categories", "description", "link", "contact"),
        "level",
        "source",
        "dates",
    }


def test_what_was_called_off_is_told_with_its_status() -> None:
    off = event("one", date(status="cancelled"), status=Status.CANCELLED)
    (told,) = document(off)["events"]
    assert (told["status"], told["dates"][0]["status"]) == ("cancelled", "cancelled")


def test_events_and_dates_are_in_order_so_that_the_same_facts_give_the_same_bytes() -> None:
    events = [published(event(id, date(), date("2018-12-14", "applications-close"))) for id in ("b", "a", "c")]
    turned = [replace(each, dates=each.dates[::-1]) for each in events[::-1]]
    first, second = (data.render(shelf(each), name="Dates", public_url=PUBLIC) for each in (events, turned))
    assert first == second
    assert [each["id"] for each in json.loads(first)["events"]] == ["a", "b", "c"]


def test_a_choice_takes_dates_and_the_events_that_have_them() -> None:
    both = event("both", date(), date("2018-12-14", "applications-close"))
    told = document(both, event("one"), Event("none", "T"), chosen=lambda _, kind: kind == CLOSING.id)["events"]
    assert [(each["id"], [one["kind"] for one in each["dates"]]) for each in told] == [("both", [CLOSING.id])]
    undated = document(both, Event("none", "T"), chosen=lambda event, _: event.id == "none")["events"]
    assert [each["id"] for each in undated] == ["none"]


def test_instants_are_told_to_the_second() -> None:
    each = published(event(), known_at=EPOCH + timedelta(microseconds=1))
    read = json.loads(data.render(shelf([each]), name="Dates", public_url=""))
    assert read["events"][0]["dates"][0]["changed_at"] == "2018-11-23T09:00:00Z"


def test_without_a_public_address_pages_are_relative_to_the_document() -> None:
    read = document(event(), public_url="")
    assert (read["generated_from"]["page"], read["events"][0]["page"]) == ("/", "/events/talking-2019")


def test_broken_text_breaks_no_document() -> None:
    each = replace(published(Event("one", "a\ud800\x00b")), dates=())
    assert json.loads(data.render(shelf([each]), name="Dates", public_url=""))["events"][0]["title"] == "a?\x00b"


def test_nothing_published_is_a_document_too() -> None:
    read = json.loads(data.render(Shelf(0, {}, {}, {}, {}, (), EPOCH.date()), name="Dates", public_url=""))
    check(read)
    assert (read["events"], read["generated_from"]["changed_at"]) == ([], None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"events": [{"id": "one"}]},
        {"generated_from": {"service": "x", "page": "/", "changed_at": "yesterday"}},
    ],
    ids=["version", "keys", "instant"],
)
def test_the_schema_refuses_what_is_no_such_document(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(document(FULL) | wrong)


def test_the_schema_in_the_documents_is_the_one_that_is_served() -> None:
    """A running service writes it: `curl …/events.schema.json > docs/events.schema.json`."""
    assert SCHEMA_FILE.read_bytes() == data.schema()
    jsonschema.Draft202012Validator.check_schema(json.loads(data.schema()))


def test_a_date_that_repeats_says_how() -> None:
    weekly = series(
        "2019-03-04", "FREQ=WEEKLY;UNTIL=2019-05-31", override("2019-03-11", "2019-03-12"), excepted=("2019-04-22",)
    )
    (told,) = document(replace(FULL, dates=(weekly,)))["events"][0]["dates"]
    assert told["when"] == "2019-03-04"
    assert told["repeats"] == {
        "rule": "FREQ=WEEKLY;UNTIL=20190531",
        "words": "every week on Monday, until 31 May 2019",
        "excepted": ["2019-04-22"],
        "changes": [{"on": "2019-03-11", "when": "2019-03-12", "status": "planned", "note": "", "location": ""}],
    }
