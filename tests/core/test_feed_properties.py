"""What holds of the feed of any catalogue: instants survive, order means nothing, an edit shows where it belongs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reminders.catalogue.events import Kind
from reminders.feed.lint import lint
from reminders.feed.selection import Feed
from tests import catalogues, hostile, truth
from tests.builders import EPOCH
from tests.catalogues import Written
from tests.contentlines import names, unfold
from tests.edges.readers import by_ical, by_icalendar, differences
from tests.publishing import Publication, publish, read

ROOT = Path(__file__).parents[2]
KINDS = {id: Kind(id, *kind) for id, kind in catalogues.KINDS.items()}
FEED = Feed(name="everything", title="Everything")
LATER = EPOCH + timedelta(days=1)
slow = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
"""A catalogue takes longer to invent and to publish than hypothesis expects."""


def published(files: dict[str, bytes], before: Publication | None = None) -> Publication:
    return publish(read(files), KINDS, [FEED], LATER if before else EPOCH, before)


@slow
@given(catalogues.catalogues)
def test_a_reader_gets_back_the_times_that_were_written(catalogue: list[Written]) -> None:
    files = catalogues.files(catalogue)
    expected = truth.shown(files, catalogues.KINDS)
    assume(expected)
    feed = published(files).feeds[FEED.name].decode()
    assert lint(feed.encode()) == []
    for reader in (by_icalendar, by_ical):
        assert list(differences(reader(feed), expected)) == []


@slow
@given(catalogues.catalogues, st.randoms(use_true_random=False))
def test_the_order_of_files_events_and_keys_changes_no_byte(catalogue: list[Written], order: Random) -> None:
    first = published(catalogues.files(catalogue))
    mixed = catalogues.files(catalogue, order)
    assert published(mixed) == first
    assert published(mixed, first) == first, "nor does reading them again"


@slow
@given(catalogues.catalogues.flatmap(lambda each: st.tuples(st.just(each), catalogues.edits(each))))
def test_an_edit_changes_the_entries_that_show_it_and_no_other_byte(
    change: tuple[list[Written], list[Written]],
) -> None:
    old, new = (catalogues.files(each) for each in change)
    was, is_ = ({key(each): each for each in truth.announced(files, catalogues.KINDS)} for files in (old, new))
    first = published(old)
    second = published(new, first)
    before, after = (split(each.feeds[FEED.name]) for each in (first, second))
    shown_before, shown_after = ({id for id, each in dates.items() if each.shown} for dates in (was, is_))
    uids = {(each.event, each.kind, each.occurrence): uid for uid, each in {**first.entries, **second.entries}.items()}
    if not shown_before or not shown_after:
        return  # the entry that says there are none has tests of its own
    assert after.blocks.keys() == {uids[id] for id in shown_after}
    touched = {id for id in shown_before | shown_after if was[id].facts != is_[id].facts}
    for id in shown_after - touched:
        assert after.blocks[uids[id]] == before.blocks[uids[id]]
    for id in shown_after & touched:
        assert stamps(after.blocks[uids[id]]) == ("20181124T090000Z", "20181124T090000Z", id in shown_before)
    assert list(after.blocks) == sorted(after.blocks)
    assert after.head == (before.head.replace(b"20181123T090000Z", b"20181124T090000Z") if touched else before.head)


@dataclass(frozen=True)
class Parts:
    """A feed in parts: what stands before the first entry, and the entries by uid, in order."""

    head: bytes
    blocks: dict[str, bytes]


def split(feed: bytes) -> Parts:
    head, *blocks = re.split(rb"(?=BEGIN:VEVENT\r\n)", feed.removesuffix(b"END:VCALENDAR\r\n"))
    uids = (re.findall(rb"\r\nUID:([0-9a-f-]{36})\r\n", block)[0].decode() for block in blocks)
    return Parts(head, dict(zip(uids, blocks, strict=True)))


def stamps(block: bytes) -> tuple[str, str, int]:
    """DTSTAMP, LAST-MODIFIED and SEQUENCE of an entry."""
    found = re.match(rb"BEGIN:VEVENT\r\nDTSTAMP:(\S+)\r\nLAST-MODIFIED:(\S+)\r\nSEQUENCE:(\d+)\r\n", block)
    assert found
    return found[1].decode(), found[2].decode(), int(found[3])


def key(date: truth.Announced) -> tuple[str, str, str]:
    return date.event, date.kind, date.occurrence


# Any text in any field, also such as no file can bring in


@slow
@given(hostile.texts)
def test_no_text_in_any_field_makes_another_property_or_a_line_too_long(texts: list[str]) -> None:
    check(hostile.feed(texts))


def test_nor_does_it_where_python_leaves_out_its_assertions() -> None:
    found: list[list[str]] = []

    @settings(slow, max_examples=200, database=None)
    @given(hostile.texts)
    def collect(texts: list[str]) -> None:
        found.append(texts)

    collect()
    done = subprocess.run(
        (sys.executable, "-O", "-m", "tests.hostile"),
        input=json.dumps(found).encode(),
        capture_output=True,
        timeout=120,
        check=True,
        cwd=ROOT,
    )
    told = json.loads(done.stdout)
    assert told["asserts"] is False
    assert told["feeds"] == [hostile.feed(texts).decode() for texts in found]
    for feed in told["feeds"]:
        check(feed.encode())


PROPERTIES = [
    *("BEGIN", "VERSION", "PRODID", "CALSCALE", "UID", "NAME", "X-WR-CALNAME", "DESCRIPTION", "X-WR-CALDESC"),
    *("LAST-MODIFIED", "COLOR", "X-APPLE-CALENDAR-COLOR", "REFRESH-INTERVAL", "X-PUBLISHED-TTL"),
    *("BEGIN", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "UID", "SUMMARY", "DTSTART", "DTEND", "STATUS", "TRANSP"),
    *("X-MICROSOFT-CDO-BUSYSTATUS", "LOCATION", "CATEGORIES", "URL", "DESCRIPTION", "END", "END"),
]


def check(feed: bytes) -> None:
    """Fails unless the feed is just the lines that a feed of one full entry has, whoever splits them."""
    assert names(unfold(feed.decode())) == PROPERTIES
    assert len(feed.decode().splitlines()) == feed.count(b"\r\n")
    assert lint(feed) == []
