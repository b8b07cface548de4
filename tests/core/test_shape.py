"""Shapes: what is accepted, and how what is not is explained."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import jsonschema
import pytest
from pydantic import Field

from reminders.catalogue.shape import (
    AS_MAPPING,
    AS_TEXT,
    Address,
    Day,
    Flag,
    Id,
    Ids,
    Link,
    Prose,
    Shape,
    Text,
    Whole,
    Zone,
    by_form,
    read,
    schema,
)
from reminders.catalogue.strict import load
from reminders.errors import BadInput


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Person(Shape):
    """Somebody."""

    name: Text
    """What to call them."""
    age: Annotated[Whole, Field(ge=0)] | None = None


class Sample(Shape):
    """Every type of field."""

    title: Text
    """The title."""
    about: Prose = ""
    id: Id = ""
    link: Link = ""
    mail: Address = ""
    zone: Zone = "Europe/London"
    day: Day | None = None
    count: Whole = 0
    shown: Flag = True
    colour: Colour = Colour.RED
    tags: Ids = ()
    people: dict[Id, Annotated[Annotated[Text, AS_TEXT] | Annotated[Person, AS_MAPPING], by_form]] = Field(
        default_factory=dict
    )


def sample(text: str) -> Sample:
    return read(load("file.yaml", text.encode()), Sample)


def complaint(text: str) -> str:
    with pytest.raises(BadInput) as refusal:
        sample(f"title: Sample\n{text}\n")
    (problem,) = refusal.value.problems
    return str(problem).removeprefix("file.yaml:")


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("title: 2019", "title", "2019"),
        ("title: no", "title", "no"),
        ("count: 10", "count", 10),
        ("shown: false", "shown", False),
        ("tags: one", "tags", ("one",)),
        ("tags: [one, 2]", "tags", ("one", "2")),
        ("link: https://www.example.org/a?b=c#d", "link", "https://www.example.org/a?b=c#d"),
        ("link: mailto:a@example.org", "link", "mailto:a@example.org"),
        ("colour: blue", "colour", Colour.BLUE),
        ("about: |\n  One.\n\n  Two.\n", "about", "One.\n\nTwo."),
        ("people: {a: Amina}", "people", {"a": "Amina"}),
        ("people: {a: {name: Amina, age: 30}}", "people", {"a": Person.model_validate({"name": "Amina", "age": "30"})}),
    ],
)
def test_a_field_takes_its_meaning_from_text(text: str, field: str, expected: object) -> None:
    text = text if text.startswith("title") else f"title: Sample\n{text}"
    assert getattr(sample(text), field) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel: x", "2:1: unknown key 'titel': write 'title'"),
        ("Title: x", "2:1: unknown key 'Title': write 'title'"),
        ("people: {a: {nmae: x, name: y}}", "2:14: unknown key 'nmae': write 'name'"),
        ("people: {a: {age: 3}}", "2:10: 'name' is missing: write 'name: …'"),
        ("people: {a: {name: x, age: -3}}", "2:28: '-3' is out of range: write at least 0"),
        ("people: {a: {name: x, age: old}}", "2:28: 'old' is not a whole number: write digits, such as 2"),
        ("people: {a: []}", "2:13: this is a list: write text or mapping"),
        ("people: [a]", "2:9: this is a list, not a mapping: write 'key: value' lines below it"),
        ("people:", "2:8: this is empty, not a mapping: write 'key: value' lines below it"),
        ("about:", "2:7: nothing is written here: write the text; an optional key may be left out"),
        ("about: [x]",
            "2:8: this is a list, not text: write one line of text; put it in quotes if "
            "it holds ': ' or '#'"),
        ("count: 1.0", "2:8: '1.0' is not a whole number: write digits, such as 2"),
        ("count: 010", "2:8: '010' is not a whole number: write digits, such as 2"),
        ("count: 1_0", "2:8: '1_0' is not a whole number: write digits, such as 2"),
        ("shown: yes", "2:8: 'yes' is neither true nor false: write true or false"),
        ("colour: blu", "2:9: 'blu' is not known here: write 'blue'"),
        ("colour: green-ish", "2:9: 'green-ish' is not known here: the words here are red, blue"),
        ("tags: [a, a]", "2:7: 'a' is listed twice: delete one"),
        ("tags: {a: b}", "2:7: this is a mapping: write one value, or a list like [one, two]"),
        ("id: My Event", "2:5: 'My Event' is not an id: write small letters, digits and hyphens, at most 64, "
            "such as my-event"),
        ("link: www.example.org", "2:7: 'www.example.org' is not a link: write https://www.example.org"),
        ("link: javascript:alert(1)", "2:7: 'javascript:alert(1)' is not a link: write one like https://www.example.org"),
        ("link: https://user:pass@example.org", "2:7: the link holds a user name or password: write it without"),
        ("link: https://[x", "2:7: 'https://[x' is not a link: write one like https://www.example.org"),
        ("mail: nobody", "2:7: 'nobody' is not an e-mail address: write one like someone@example.org"),
        ("mail: a@b", "2:7: 'a@b' is not an e-mail address: write one like someone@example.org"),
        ("mail: 'a@example.org, b@example.org'",
            "2:7: 'a@example.org, b@example.org' is not an e-mail address: write one like someone@example.org"),
        ("zone: GMT", "2:7: 'GMT' is not a time zone: write Europe/London"),
        ("day: 23/11/2018", "2:6: '23/11/2018' is not a date as written here: write 2018-11-23"),
        ("day: 2018-11", "2:6: '2018-11' is not one day: write a day like 2018-11-23"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_to_write(text: str, said: str) -> None:
    assert complaint(text) == said


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(BadInput) as refusal:
        sample("titel: x\ncount: a\ntags: A\n")
    said = {problem.what for problem in refusal.value.problems}
    assert said == {"unknown key 'titel'", "'title' is missing", "'a' is not a whole number", "'A' is not an id"}


@pytest.mark.parametrize("text", ["- a", "just text"])
def test_a_file_that_is_no_mapping_is_told_so(text: str) -> None:
    with pytest.raises(BadInput, match=r"file\.yaml:1:1: this is (a list|text), not a mapping"):
        sample(text)


def test_the_schema_accepts_what_editors_see_and_names_the_rest() -> None:
    described = schema(Sample, "Sample file")
    validator = jsonschema.Draft202012Validator(described)
    validator.check_schema(described)
    seen_by_an_editor: dict[str, Any] = {"title": 2019, "count": 2, "shown": False, "tags": ["a"], "people": {"a": 7}}
    assert validator.is_valid(seen_by_an_editor)
    assert validator.is_valid({"title": "x", "tags": "a", "day": "2018-11-23", "people": {"a": {"name": "Amina"}}})
    assert not validator.is_valid({"titel": "x"})
    assert not validator.is_valid({"title": "x", "people": {"a": {"nmae": "Amina"}}})
    assert described["properties"]["title"]["description"] == "The title."
