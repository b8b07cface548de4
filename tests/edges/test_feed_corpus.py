"""The golden feeds, as every reader sees them: just what the event files say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from tests import corpus, truth
from tests.edges.readers import EXPANDING, FIRST, LAST, READERS, Seen, differences
from tests.truth import Shown

GOLDEN = corpus.golden()
LISTED = tuple(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (FIRST, LAST))
NOTHING = Shown("No dates announced yet", date(2018, 11, 23), date(2018, 11, 24), "CONFIRMED", "")
FOLDER = "Course: The folder C:\\north"
OTHERWISE: dict[tuple[str, str], list[str]] = {
    ("ics", "text-backslash-n"): [f"{FOLDER}: title is {FOLDER}, shown Course: The folder C:\\\north"],
    ("ics", "text-backslashes"): ["Course: Ends with a backslash \\: place is C:\\rooms\\door, shown C:\\\rooms\\door"],
    ("ics", "text-backslash-capital-n"): [
        "Course: The folder C:\\North: title is Course: The folder C:\\North, shown Course: The folder C:\\\north",
        "Course: The folder C:\\North: place is C:\\New\\Room, shown C:\\\new\\\room",
    ],
    ("khal", "text-backslash-capital-n"): [
        "Course: The folder C:\\North: title is Course: The folder C:\\North, shown Course: The folder C:\north"
    ],
    # it has no days that repeat, only one day that does
    ("calcurse", "repeats-days"): ["Course: Leadership in Practice: ends is 2019-01-12, shown 2019-01-10"],
    ("khal", "text-backslash-n"): [f"{FOLDER}: title is {FOLDER}, shown Course: The folder C:\north"],
}
"""What a reader gets wrong in feeds that are right, by reader and case: backslashes before letters, mostly."""


@pytest.fixture(scope="module", params=READERS)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Seen]:
    """A reader, and what it makes of all golden feeds; each is asked once."""
    reader = str(request.param)
    return reader, READERS[reader](GOLDEN, tmp_path_factory.mktemp("reader"))


@cache
def expected(case: str, *, expanded: bool = False) -> list[Shown]:
    """What the event file says; of a file that has nothing to show, that the calendar works."""
    files = {f"{case}.yaml": corpus.SOURCES[case].read_bytes()}
    if expanded:
        return truth.occurrences(files, corpus.KINDS, *LISTED) or [NOTHING]
    return truth.shown(files, corpus.KINDS) or [NOTHING]


@pytest.mark.parametrize("case", corpus.SOURCES)
def test_a_reader_sees_what_the_file_says(case: str, seen: tuple[str, Seen]) -> None:
    reader, feeds = seen
    assert list(differences(feeds[case], expected(case, expanded=reader in EXPANDING))) == OTHERWISE.get(
        (reader, case), []
    )


def test_a_reader_has_every_text_of_the_file_whole(seen: tuple[str, Seen]) -> None:
    reader, feeds = seen
    assert {each.text is None for shown in feeds.values() for each in shown} == {reader in ("khal", "calcurse")}
    lost = set()
    for case, path in corpus.SOURCES.items():
        shown = {each.title: each.text for each in feeds[case] if each.text is not None}
        for each in truth.announced({path.name: path.read_bytes()}, corpus.KINDS):
            if each.shown and each.shown.title in shown:
                lost |= {case for text in each.said if text not in shown[each.shown.title]}
    assert not lost, reader


# That the comparison sees what is wrong is seen by spoiling what is right.


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_tells_an_entry_an_hour_off(reader: str, tmp_path: Path) -> None:
    feed = GOLDEN["instant-deadline"]
    late = feed.replace(b"DTSTART:20181214T093000Z", b"DTSTART:20181214T083000Z")
    assert late != feed
    (found,) = differences(READERS[reader]({"late": late}, tmp_path)["late"], expected("instant-deadline"))
    assert "starts is 2018-12-14 09:30:00+00:00, shown 2018-12-14 08:30:00+00:00" in found
