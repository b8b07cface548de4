"""The golden feeds, byte by byte. What readers see in them is tested in ``edges/test_feed_corpus.py``."""

from __future__ import annotations

import os
import re

import pytest

from reminders.feed.lint import lint
from tests import corpus
from tests.contentlines import names, unfold

FEEDS = corpus.feeds()
MOVED = [name for name in corpus.SOURCES if name.endswith((".2", ".3"))]


@pytest.mark.parametrize("case", corpus.SOURCES)
def test_a_catalogue_makes_its_golden_feed(case: str) -> None:
    path = corpus.FOLDER / f"{case}.ics"
    if os.environ.get("REWRITE_CASES"):
        path.write_bytes(FEEDS[case])
    assert FEEDS[case].decode() == path.read_bytes().decode()


def test_every_golden_feed_has_its_catalogue_and_every_catalogue_says_what_it_shows() -> None:
    assert corpus.golden().keys() == corpus.SOURCES.keys()
    for path in corpus.SOURCES.values():
        assert re.match(r"# [A-Z].{4,110}\n[a-z]", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("case", corpus.SOURCES)
def test_the_lint_finds_no_fault_in_a_golden_feed(case: str) -> None:
    assert lint(corpus.golden()[case]) == []


@pytest.mark.parametrize("case", corpus.SOURCES)
def test_a_golden_feed_is_one_calendar_of_lines_that_fit(case: str) -> None:
    lines = unfold(corpus.golden()[case].decode())
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert names(lines).count("METHOD") == 0
    begun = [line.removeprefix("BEGIN:") for line in lines if line.startswith("BEGIN:")]
    assert sorted(begun) == sorted(line.removeprefix("END:") for line in lines if line.startswith("END:"))
    assert begun[0] == "VCALENDAR"
    assert begun == sorted(begun, key=ORDER.index), "zones come first"
    assert begun.count("VEVENT") >= 1
    components = corpus_components(lines)
    named = [(each["UID"], each.get("RECURRENCE-ID")) for each in components]
    assert len(set(named)) == len(named) == begun.count("VEVENT")
    assert all(
        "RRULE" in each or "RECURRENCE-ID" in each or sum(uid == each["UID"] for uid, _ in named) == 1
        for each in components
    )


ORDER = ("VCALENDAR", "VTIMEZONE", "DAYLIGHT", "STANDARD", "VEVENT")


def corpus_components(lines: list[str]) -> list[dict[str, str]]:
    """The properties of each VEVENT by name."""
    found: list[dict[str, str]] = []
    for line, name in zip(lines, names(lines), strict=True):
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            found[-1].setdefault(name, line.removeprefix(name))
    return found


@pytest.mark.parametrize("case", MOVED)
def test_stamps_move_with_the_bytes_of_an_entry_and_never_without(case: str) -> None:
    story, _, step = case.partition(".")
    before, after = (_entries(corpus.golden()[name].decode()) for name in (f"{story}.{int(step) - 1}", case))
    for uid in before.keys() & after.keys():
        (old, said), (new, says) = before[uid], after[uid]
        if said == says:
            assert old == new
        else:
            assert new["SEQUENCE"] == str(int(old["SEQUENCE"]) + 1)
            assert new["DTSTAMP"] == new["LAST-MODIFIED"] > old["LAST-MODIFIED"]


STAMPS = ("DTSTAMP", "LAST-MODIFIED", "SEQUENCE")


def _entries(feed: str) -> dict[str, tuple[dict[str, str], list[str]]]:
    """The stamps and all other lines of each entry, by uid."""
    found: dict[str, tuple[dict[str, str], list[str]]] = {}
    for block in feed.split("BEGIN:VEVENT\r\n")[1:]:
        lines = unfold(block.removesuffix("END:VCALENDAR\r\n"))
        said = [line for line in lines if not line.startswith(STAMPS)]
        stamps = {line.partition(":")[0]: line.partition(":")[2] for line in lines if line.startswith(STAMPS)}
        own, all_said = found.setdefault(next(line for line in lines if line.startswith("UID:")), (stamps, []))
        assert own == stamps, "all that is said of a series is equally new"
        all_said += said
    return found
