"""Damaged files: whatever happens to a shipped file, it is read or refused with a place, and nothing is cancelled.

``MUTATIONS=20000`` runs the long form.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reminders.catalogue.changes import ChangeKind, Changes, diff
from reminders.catalogue.events import PublishedEvent
from reminders.catalogue.parse import parse_events
from tests.builders import published

FOLDER = Path(__file__).parents[2] / "config" / "events"
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.yaml"))}
MUTATIONS = int(os.environ.get("MUTATIONS", "2000"))
SNIPPETS = [b":", b": ", b"- ", b"\n", b"\t", b" ", b"{", b"}", b"[", b"]", b"'", b'"', b"&a ", b"*a", b"!!int ", b"#"]
SNIPPETS += [b"---\n", b"<<: ", b"\x00", b"\xff", b"\xc2\x85", b"\xe2\x80\xae", b"\\", b"|", b">", b"%", b"@", b"?"]
SNIPPETS += [b"2019-02-30", b"tba", b"off", b"9" * 5000, b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"...\n", b"~"]


def read_or_refused(files: Mapping[str, bytes]) -> Changes:
    """What the files would change: nothing if they are refused, then with a place; never a cancellation."""
    catalogue, problems, _ = parse_events(files, "Europe/London")
    for problem in problems:
        assert problem.file in files
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.what
    changes = Changes() if problems else diff(PUBLISHED, catalogue)
    assert not changes.of(ChangeKind.DATE_CANCELLED, ChangeKind.DATE_POSTPONED)
    return changes


def _published() -> dict[str, PublishedEvent]:
    catalogue, problems, _ = parse_events(FILES, "Europe/London")
    assert not problems
    return {event.id: published(event) for event in catalogue.events}


PUBLISHED = _published()


def mutations(data: bytes, chance: random.Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            at, length = chance.randrange(len(damaged) + 1), chance.choice([0, 1, 1, 3, 30])
            match chance.randrange(5):
                case 0:
                    damaged[at : at + length] = b""
                case 1:
                    damaged[at:at] = chance.choice(SNIPPETS)
                case 2:
                    damaged[at : at + length] = chance.randbytes(length)
                case 3:
                    source = chance.randrange(len(damaged) + 1)
                    damaged[at:at] = damaged[source : source + length]
                case _:
                    lines = damaged.split(b"\n")
                    first, second = (chance.randrange(len(lines)) for _ in range(2))
                    lines[first], lines[second] = lines[second], lines[first]
                    damaged = bytearray(b"\n".join(lines))
        yield bytes(damaged)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused_with_a_place(name: str) -> None:
    chance = random.Random(name)
    for damaged in mutations(FILES[name], chance, MUTATIONS // len(FILES)):
        read_or_refused(FILES | {name: damaged})


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_or_every_date_it_still_holds_is_as_it_was(name: str) -> None:
    """A cut date would read as another, 2019-03-13 as the month 2019-03; a last line without its end is refused."""
    for end in range(len(FILES[name])):
        changes = read_or_refused({name: FILES[name][:end]})
        assert {change.kind for change in changes} <= HARMLESS


HARMLESS = {ChangeKind.EVENT_MISSING, ChangeKind.DATE_MISSING, ChangeKind.EVENT_CHANGED, ChangeKind.DATE_CHANGED}
"""Absent things stay published; a text may lose its last lines."""
