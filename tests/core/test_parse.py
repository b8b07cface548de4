"""Event files: what they mean. What is wrong with bad ones: see test_bad_files."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.dates import parse_when
from reminders.catalogue.events import Catalogue, Event, EventDate, Source, Status
from reminders.catalogue.facts import pack, unpack
from reminders.catalogue.parse import EventFile, Places, parse_events
from reminders.catalogue.shape import schema
from reminders.catalogue.wording import words

LONDON = "Europe/London"


def catalogue(*texts: str, zone: str = LONDON) -> tuple[Catalogue, Places]:
    files = {f"file{number}.yaml": f"{text}\n".encode() for number, text in enumerate(texts, 1)}
    events, problems, places = parse_events(files, zone)
    assert not problems
    return events, places


def event(dates: str, *, head: str = "", more: str = "") -> Event:
    text = f"{head}events:\n  - id: one\n    title: One\n{more}    dates: {dates}\n"
    return catalogue(text)[0].events[0]


def test_an_event_may_say_everything() -> None:
    (whole,) = catalogue(
        """
events:
  - id: one
    title: One
    level: 2
    provider: NELA
    categories: [course, leadership]
    description: |
      First.

      Second.
    link: https://www.example.org
    contact: someone@example.org
    source: {page: A page, quote: "Its words", checked: 2018-11-23, link: https://www.example.org/page}
    status: planned
    rules: {close-4w: off, course-2w: 3 weeks before at 09:00}
    dates:
      course: {when: 2019-02-12, status: postponed, note: Bring lunch, location: York, inferred: It says so}
"""
    )[0].events
    assert whole == Event(
        id="one",
        title="One",
        level=2,
        provider="NELA",
        categories=("course", "leadership"),
        description="First.\n\nSecond.",
        link="https://www.example.org",
        contact="someone@example.org",
        source=Source("A page", date(2018, 11, 23), "Its words", "https://www.example.org/page"),
        rules={"close-4w": "off", "course-2w": "3 weeks before at 09:00"},
        dates=(
            EventDate(
                "course",
                parse_when("2019-02-12", LONDON),
                status=Status.POSTPONED,
                note="Bring lunch",
                location="York",
                inferred="It says so",
            ),
        ),
    )


def test_an_event_needs_no_more_than_an_id_and_a_title() -> None:
    assert catalogue("events: [{id: one, title: One}]")[0].events == (Event("one", "One"),)


def test_a_date_is_a_text_a_mapping_or_several_with_ids() -> None:
    when = [parse_when(text, LONDON) for text in ("2019-02-12", "2019-03-12")]
    assert event("{course: 2019-02-12}").dates == (EventDate("course", when[0]),)
    assert event("{course: {when: 2019-02-12}}").dates == (EventDate("course", when[0]),)
    several = event("{course: [{id: york, when: 2019-02-12}, {id: leeds, when: 2019-03-12}]}")
    assert several.dates == (EventDate("course", when[1], "leeds"), EventDate("course", when[0], "york"))


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("{course: 2019-02-12T10:00}", LONDON),
        ("{course: {when: 2019-02-12T10:00, zone: Europe/Paris}}", "Europe/Paris"),
        ("{course: {zone: Europe/Paris, when: 2019-02-12T10:00}}", "Europe/Paris"),
        ("{course: [{id: a, when: 2019-02-12T10:00, zone: Europe/Paris}]}", "Europe/Paris"),
    ],
)
def test_a_date_has_its_own_zone_or_the_catalogues(text: str, zone: str) -> None:
    assert event(text).dates[0].when == parse_when("2019-02-12T10:00", zone)


def test_a_file_may_have_a_zone_of_its_own_that_its_dates_follow() -> None:
    assert event("{course: 2019-02-12T10:00}", head="zone: Europe/Paris\n").dates[0].when.zone == "Europe/Paris"
    shown_twice_in_paris = event("{course: 2018-10-28T01:30}", head="zone: Europe/Paris\n")
    assert shown_twice_in_paris.dates[0].when.edtf == "2018-10-28T01:30"


@pytest.mark.parametrize(
    ("of_event", "of_date", "effective"),
    [
        ("planned", "postponed", "postponed"),
        ("cancelled", "planned", "cancelled"),
        ("postponed", "cancelled", "cancelled"),
        ("withdrawn", "cancelled", "withdrawn"),
    ],
)
def test_the_status_of_an_event_holds_for_its_dates(of_event: str, of_date: str, effective: str) -> None:
    found = event(f"{{course: {{when: 2019, status: {of_date}}}}}", more=f"    status: {of_event}\n")
    assert found.dates[0].status == effective


def test_the_catalogue_is_the_same_however_files_are_cut_named_and_ordered() -> None:
    one = "  - {id: one, title: One, dates: {visit: 2019, course: 2018}}\n"
    two = "  - {id: two, title: Two}\n"
    together = catalogue(f"events:\n{one}{two}")[0]
    assert together == catalogue(f"events:\n{two}", f"# elsewhere\nevents:\n{one}end: events\n")[0]
    turned = "  - {title: One, dates: {course: 2018, visit: 2019}, id: one}\n"
    assert together == catalogue(f"events:\n{two}{turned}")[0]
    assert [each.id for each in together.events] == ["one", "two"]


def test_everything_knows_where_it_is_written() -> None:
    _, places = catalogue(
        "events:\n"
        "  - id: one\n"
        "    title: One\n"
        "    rules: {close-4w: off}\n"
        "    dates:\n"
        "      visit: 2019\n"
        "      course:\n"
        "        - {id: york, when: 2019}\n"
        "        - {id: leeds, when: 2019}\n"
    )
    assert places == {
        "one": ("file1.yaml", 2, 9),
        ("one", "close-4w"): ("file1.yaml", 4, 23),
        ("one", "visit", ""): ("file1.yaml", 6, 7),
        ("one", "course", "york"): ("file1.yaml", 8, 11),
        ("one", "course", "leeds"): ("file1.yaml", 9, 11),
    }


def test_a_bad_file_does_not_keep_others_from_being_read_and_all_problems_are_told() -> None:
    files = {
        "a.yaml": b"events:\n  - id: one\n    titel: One\n  - {id: two, title: Two}\n",
        "b.yaml": b"events:\n  [one, two\n",
        "c.yaml": b"events:\n  - {id: three, title: Three}\n  - {id: two, title: Two}\n",
    }
    found, problems, _ = parse_events(files, LONDON)
    assert [each.id for each in found.events] == ["three", "two"]
    assert sorted(f"{each.file}:{each.line}" for each in problems) == ["a.yaml:2", "a.yaml:3", "b.yaml:2", "c.yaml:3"]


DATES = ["2019-02-12", "2018-12-14T10:00", "2018-10-28T01:30+01:00", "2019-03-13/2019-03-15", "2019-03", "2019-22"]
DATES += ["2019", "2019?", "2019-03~", "tba", "open", "2018-12-14T10:00Z", "2019-03-13T09:00/2019-03-13T17:00"]


def test_editors_accept_what_is_accepted_here_and_underline_the_rest() -> None:
    validator = jsonschema.Draft202012Validator(schema(EventFile, "Events"))
    validator.check_schema(validator.schema)

    def accepts(**fields: Any) -> bool:
        return not list(validator.iter_errors({"events": [{"id": "one", "title": "One"} | fields]}))

    assert accepts()
    assert all(accepts(dates={"course": text}) for text in [*DATES, 2019])
    assert all(accepts(dates={"course": {"when": text, "note": "x"}}) for text in DATES)
    assert accepts(dates={"course": [{"id": "york", "when": "2019"}]}, rules={"close-4w": False}, level=2)
    assert not accepts(titel="x")
    assert not any(accepts(dates={"course": text}) for text in ["14/12/2018", "TBC", "March 2019", "2019-2-1"])
    assert not accepts(dates={"course": {"when": "2019", "nota": "x"}})
    assert not validator.is_valid({"event": []})


def test_the_examples_of_the_manual_are_read_as_it_says() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    assert all(catalogue(example)[0].events for example in examples)
    rows = re.findall(
        r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \|$", manual.split("## Every form")[1].split("##")[0], re.MULTILINE
    )
    assert len(rows) == 13
    assert all(words(parse_when(date, LONDON)) == shown for date, shown in rows)


def test_the_messages_of_the_manual_are_those_that_are_told() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    rows = re.findall(
        r"^\| `((?:course|applications-close): [^`]+)` \| (.+) \|$", manual.split("## Messages")[1], re.MULTILINE
    )
    assert len(rows) > 15
    for written, told in rows:
        text = f"events:\n  - id: one\n    title: One\n    dates:\n      {written}\n"
        _, problems, _ = parse_events({"file": text.encode()}, LONDON)
        assert {f"{problem.what}: {problem.write}" for problem in problems} == {told}


line = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
dates = st.builds(
    EventDate,
    kind=st.sampled_from(["course", "visit"]),
    when=st.sampled_from(DATES).map(lambda text: parse_when(text, LONDON)),
    occurrence=st.sampled_from(["", "york"]),
    status=st.sampled_from(Status),
    note=st.just("") | line,
    location=st.just("") | line,
    inferred=st.just("") | line,
)
events = st.builds(
    Event,
    id=st.just("one"),
    title=line,
    dates=st.lists(dates, max_size=3).map(tuple),
    level=st.none() | st.integers(1, 9),
    provider=st.just("") | line,
    categories=st.lists(line, max_size=2).map(tuple),
    description=st.just("") | line,
    source=st.none() | st.builds(Source, page=line, checked=st.dates(), quote=st.just("") | line),
    status=st.sampled_from(Status),
    rules=st.dictionaries(line, line, max_size=2),
)


@given(events, events)
def test_facts_are_packed_without_loss_and_equal_texts_are_equal_events(one: Event, other: Event) -> None:
    assert unpack(pack(one)) == one
    assert (pack(one) == pack(other)) is (one == other)
