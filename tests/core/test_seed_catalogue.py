"""The shipped catalogue: every offer of the page it starts from, at the page's own precision, and nothing more."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import jsonschema
import pytest
import yaml

from reminders.catalogue.events import Event
from reminders.catalogue.parse import EventFile, parse_events
from reminders.catalogue.shape import schema

FOLDER = Path(__file__).parents[2] / "config" / "events"


@pytest.fixture(scope="module")
def events() -> dict[str, Event]:
    files = {path.name: path.read_bytes() for path in FOLDER.glob("*.yaml")}
    catalogue, problems, _ = parse_events(files, "Europe/London")
    assert not problems
    return {event.id: event for event in catalogue.events}


@pytest.mark.parametrize(
    ("id", "level", "provider", "dates"),
    [
        ("elizabeth-garrett-anderson-programme", 4, "NELA", {}),
        ("ilm5-leadership-and-management-2019", 3, "", {"course": "2019-03"}),
        ("hla-leadership-programme", 2, "HLA", {}),
        ("mary-seacole-programme", 2, "NELA", {}),
        ("leadership-programme-for-trainees-2019", 2, "", {"course": "2019-03-13/2019-03-15"}),
        ("having-difficult-conversations-2019", 2, "", {"course": "2019-02-12"}),
        ("leadership-for-clinicians", 1, "HEE E-Learning", {}),
        ("edward-jenner-programme", 1, "NELA", {}),
        ("future-focused-finance", 1, "HEE E-Learning", {}),
        ("management-and-leadership-skills", 1, "HEE E-Learning", {}),
        ("leadership-fellows-2019", None, "", {"applications-close": "2018-12-14T10:00", "post-starts": "2019-08"}),
        ("tanzania-visit-2019", None, "", {"recruitment": "2019-22", "visit": "2019-11"}),
        (
            "ilm7-scholarship-2019",
            None,
            "",
            {"applications": "open", "applications-close": "tba", "programme": "2019/2020"},
        ),
    ],
)
def test_an_offer_is_as_the_page_has_it(
    events: dict[str, Event], id: str, level: int | None, provider: str, dates: dict[str, str]
) -> None:
    event = events[id]
    assert (event.level, event.provider) == (level, provider)
    assert {each.kind: each.when.edtf for each in event.dates} == dates


def test_there_are_thirteen_offers_each_with_its_source(events: dict[str, Event]) -> None:
    assert len(events) == 13
    for event in events.values():
        assert event.source is not None
        assert event.source.checked == date(2018, 11, 23)
        assert event.source.quote


def test_what_the_page_does_not_say_itself_is_marked(events: dict[str, Event]) -> None:
    inferred = {(id, each.kind) for id, event in events.items() for each in event.dates if each.inferred}
    assert inferred == {("tanzania-visit-2019", "visit")}


def test_the_pages_slips_are_quoted_and_not_repeated(events: dict[str, Event]) -> None:
    anderson, ilm7 = events["elizabeth-garrett-anderson-programme"], events["ilm7-scholarship-2019"]
    assert anderson.source is not None
    assert ilm7.source is not None
    assert "Elizabeth Garret Anderson" in anderson.source.quote
    assert "Garrett" in anderson.title
    assert "100% attendnace is essentail" in ilm7.source.quote


def test_editors_find_the_schema_and_accept_the_files() -> None:
    validator = jsonschema.Draft202012Validator(schema(EventFile, "Events"))
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text()
        assert text.startswith("# yaml-language-server: $schema=../schemas/events.schema.json\n")
        seen = yaml.load(text, yaml.BaseLoader)  # noqa: S506  # builds nothing but text, lists and mappings
        for event in seen["events"]:
            if "level" in event:
                event["level"] = int(event["level"])  # as an editor sees it
        assert [error.message for error in validator.iter_errors(seen)] == []
