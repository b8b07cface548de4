"""Files that cannot be used, as staff might write them: tests/cases/bad holds one mistake each.

A case says what it is about and, for each message it must give, ``# Expect: <line>:<column>: <text>``. It is a file of
events; a folder holds several files that are read together. Cases whose names begin with another room's prefix are
tested there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reminders.catalogue.parse import parse_events

CASES = Path(__file__).parents[1] / "cases" / "bad"
ELSEWHERE = ("rules-", "audiences-", "feeds-", "settings-")
EXPECT = re.compile(r"^# Expect: (?P<said>.+)$", re.MULTILINE)

cases = sorted(path for path in CASES.iterdir() if not path.name.startswith(ELSEWHERE))


@pytest.mark.parametrize("case", cases, ids=lambda path: path.stem)
def test_a_bad_file_gives_its_messages_and_no_other(case: Path) -> None:
    paths = sorted(case.iterdir()) if case.is_dir() else [case]
    files = {path.name: path.read_bytes() for path in paths}
    expected = [
        f"{name}:{match['said']}"
        for name, data in files.items()
        for match in EXPECT.finditer(data.decode("utf-8", errors="replace"))
    ]
    assert expected, "a case says what it expects"
    _, problems, _ = parse_events(files, "Europe/London")
    told = [str(problem) for problem in sorted(problems)]
    assert len(told) == len(expected)
    for said, fragment in zip(told, sorted(expected), strict=True):
        assert said.startswith(fragment)


def test_there_are_enough_cases_and_each_has_a_title() -> None:
    assert len(cases) >= 60
    first = [(sorted(case.iterdir())[0] if case.is_dir() else case).read_bytes().splitlines()[0] for case in cases]
    assert all(line.startswith(b"# ") and not line.startswith(b"# Expect") for line in first)
