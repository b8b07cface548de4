"""The schemas that editors use: generated, shipped, right about the shipped files and about what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from reminders import settings
from reminders.catalogue import shape
from reminders.configuration import SCHEMAS

CONFIG = Path(__file__).parents[2] / "config"
NAMES = [*SCHEMAS, "reminders"]


def shipped(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CONFIG / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_schema_is_the_generated_one(name: str) -> None:
    """`reminders config --schemas config/schemas` writes them."""
    made = settings.schema() if name == "reminders" else shape.schema(SCHEMAS[name][1], SCHEMAS[name][0])
    assert shipped(name) == made
    jsonschema.Draft202012Validator.check_schema(made)


def problems(name: str, text: str) -> list[str]:
    """What an editor would underline. It reads YAML 1.2: whole numbers and truth values are no text there."""
    seen = yaml.load(text, _Editor)  # noqa: S506  # builds nothing but text, numbers, lists and mappings
    return [error.message for error in jsonschema.Draft202012Validator(shipped(name)).iter_errors(seen)]


class _Editor(yaml.SafeLoader):
    """YAML 1.2, core schema, as the editors' language server has it: dates and times stay text."""


_Editor.yaml_implicit_resolvers = {}
for pattern, tag, first in (
    (r"^(?:true|false)$", "bool", "tf"),
    (r"^[-+]?[0-9]+$", "int", "-+0123456789"),
    (r"^[-+]?[0-9]+\.[0-9]*$", "float", "-+0123456789"),
    (r"^(?:~|null|)$", "null", ["~", "n", ""]),
):
    import re

    _Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


@pytest.mark.parametrize(
    "path", sorted([*CONFIG.glob("*.yaml"), *CONFIG.glob("events/*.yaml")]), ids=lambda path: path.name
)
def test_editors_accept_the_shipped_files_and_find_their_schema(path: Path) -> None:
    name = "events" if path.parent.name == "events" else path.stem
    text = path.read_text(encoding="utf-8")
    up = "../" if path.parent.name == "events" else ""
    assert text.startswith(f"# yaml-language-server: $schema={up}schemas/{name}.schema.json\n")
    assert problems(name, text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events", "events: [{id: a, title: T, dates: {course: 2018-12-14T10:00}}]"),
        ("events", "events: [{id: a, title: T, dates: {course: 2018-10-28T01:30+01:00}}]"),
        ("events", "events: [{id: a, title: T, dates: {course: tba, visit: {when: 2019, note: x}, post: open}}]"),
        ("events", "events: [{id: a, title: T, dates: {course: [{id: york, when: 2019-03-13/2019-03-15}]}}]"),
        ("rules", "kinds: {course: {label: C}}\nrules: [{id: r, about: course, send: 2 hours before}]"),
        ("reminders", "port: 8025\nkeep_past: for ever\nsettle: 0.5\npublic_url: https://dates.example.org"),
        ("audiences", "audiences: {all: {label: All, members: [a@example.org, {address: b@example.org, name: B}]}}"),
    ],
)
def test_editors_accept_what_the_service_accepts(name: str, text: str) -> None:
    assert problems(name, text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("events", "events: [{id: a, titel: T}]"),
        ("events", "events: [{id: a, title: T, dates: {course: 14/12/2018}}]"),
        ("events", "events: [{id: A b, title: T}]"),
        ("rules", "kinds: {course: {label: C}}\nrules: [{id: r, about: course, send: soon}]"),
        ("feeds", "feeds: {all: {title: All, colour: mauve}}"),
        ("audiences", "audiences: {all: {label: All, members: [nobody]}}"),
        ("reminders", "smtp_password: hush"),
        ("reminders", "keep_past: 24 weeks"),
    ],
)
def test_editors_underline_what_the_service_refuses(name: str, text: str) -> None:
    assert problems(name, text)
