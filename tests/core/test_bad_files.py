"""Files that cannot be used, as staff might write them: tests/cases/bad holds one mistake each.

A case says what it is about and, for each message it must give, ``# Expect: <line>:<column>: <text>``; a message about
another file of the case begins with that file's name. How a case's name begins says what it is: rules, audiences or
feeds, else a file of events. A folder holds several files that are read together. Settings are tested elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from reminders.catalogue.parse import parse_events
from reminders.errors import BadInput, Problem
from reminders.feed.selection import parse_feeds
from reminders.planning.audiences import parse_audiences
from reminders.planning.rules import Rulebook, parse_rules

CASES = Path(__file__).parents[1] / "cases" / "bad"
EXPECT = re.compile(r"^# Expect: (?P<file>[\w.-]+\.csv:)?(?P<said>.+)$", re.MULTILINE)

Files = Mapping[str, bytes]
cases = sorted(path for path in CASES.iterdir() if not path.name.startswith("settings-"))


def of_rules(files: Files) -> Iterable[Problem]:
    ((name, data),) = files.items()
    rulebook, problems, _ = parse_rules(name, data)
    assert rulebook == Rulebook()
    return problems


def of_audiences(files: Files) -> Iterable[Problem]:
    lists = {name: data for name, data in files.items() if name.endswith(".csv")}
    ((name, data),) = [(name, data) for name, data in files.items() if name not in lists]
    audiences, problems, _ = parse_audiences(name, data, lists)
    assert audiences == ()
    return problems


def of_feeds(files: Files) -> Iterable[Problem]:
    ((name, data),) = files.items()
    with pytest.raises(BadInput) as refused:
        parse_feeds(name, data)
    return refused.value.problems


def of_events(files: Files) -> Iterable[Problem]:
    _, problems, _ = parse_events(files, "Europe/London")
    return problems


ROOMS = {"rules": of_rules, "audiences": of_audiences, "feeds": of_feeds}


@pytest.mark.parametrize("case", cases, ids=lambda path: path.stem)
def test_a_bad_file_gives_its_messages_and_no_other(case: Path) -> None:
    paths = sorted(case.iterdir()) if case.is_dir() else [case]
    files = {path.name: path.read_bytes() for path in paths}
    expected = sorted(
        f"{match['file'] or f'{name}:'}{match['said']}"
        for name, data in files.items()
        for match in EXPECT.finditer(data.decode("utf-8", errors="replace"))
    )
    assert expected, "a case says what it expects"
    told = sorted(str(problem) for problem in ROOMS.get(case.name.partition("-")[0], of_events)(files))
    assert len(told) == len(expected)
    for said, fragment in zip(told, expected, strict=True):
        assert said.startswith(fragment)


def test_there_are_enough_cases_and_each_has_a_title() -> None:
    assert len(cases) >= 60
    assert all(sum(case.name.startswith(f"{room}-") for case in cases) >= 8 for room in ROOMS)
    first = [(sorted(case.iterdir())[0] if case.is_dir() else case).read_bytes().splitlines()[0] for case in cases]
    assert all(line.startswith(b"# ") and not line.startswith(b"# Expect") for line in first)
