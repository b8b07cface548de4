"""The journal of what was sent: whole lines on the disk, whatever was cut off before, and whoever else appends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reminders.store import connections
from reminders.store.journal import FILE, Entry, Journal, Left, Sent, Unwritable
from tests.store.builders import NOW, moved, reminder

SENT = Sent(reminder(7), "ab12", "<key@example.org>", 1, NOW)
CORRECTION = Sent(moved(8), "cd34", "<other@example.org>", 2, NOW.replace(microsecond=1))
LEFT = Left(7, "ab12", "one-click", NOW)

APPEND = """\
import sys, pathlib
from tests.store.test_journal import SENT, Journal, replace
journal = Journal(pathlib.Path(sys.argv[1]))
for number in range(50):
    journal.append([replace(SENT, message_id=f"<{sys.argv[2]}.{number}@example.org>"), SENT])
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / FILE)


def entries(journal: Journal, start: int = 0) -> list[Entry | None]:
    place = journal.place()
    assert place is not None
    return [line.entry for line in journal.lines(place, start)]


def test_what_is_written_is_read_again(journal: Journal) -> None:
    journal.append([SENT, CORRECTION])
    journal.append([LEFT])
    assert entries(journal) == [SENT, CORRECTION, LEFT]


def test_a_position_lies_between_lines(journal: Journal) -> None:
    name, _, end = journal.append([SENT])
    assert journal.append([LEFT])[:2] == (name, end)
    assert entries(journal, end) == [LEFT]


def test_who_holds_the_journal_and_does_not_go_on_keeps_nobody_waiting_for_ever(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen while it wrote."""
    monkeypatch.setattr(connections, "PATIENCE", 0.1)
    journal.append([SENT])
    with journal.path.open("rb") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        for work in (lambda: journal.append([LEFT]), journal.place, journal.begin):
            with pytest.raises(Unwritable, match=r"kept locked by another program for more than"):
                work()
    assert entries(journal) == [SENT]


def test_reading_ends_where_the_place_that_is_read_ended(journal: Journal) -> None:
    journal.append([SENT])
    before = journal.place()
    assert before is not None
    journal.append([LEFT])
    assert [line.entry for line in journal.lines(before, 0)] == [SENT]


def test_only_its_owner_reads_it_and_no_address_is_in_it(journal: Journal) -> None:
    journal.append([SENT, LEFT])
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert b"example.org" not in journal.path.read_bytes().replace(b"<key@example.org>", b"")


def test_there_is_no_journal_before_it_was_begun_and_beginning_again_changes_nothing(journal: Journal) -> None:
    assert journal.place() is None
    begun = journal.begin()
    assert journal.begin() == journal.place() == begun
    assert journal.append([SENT])[:2] == (begun.identity, begun.size)
    assert journal.begin().size > begun.size


@pytest.mark.parametrize("cut", range(2, 60, 19))
def test_a_line_that_a_crash_cut_off_is_passed_over(journal: Journal, cut: int) -> None:
    journal.append([SENT])
    name, _, whole = journal.append([CORRECTION])
    os.truncate(journal.path, whole - cut)
    assert journal.append([LEFT])[:2] == (name, whole - cut)
    assert entries(journal) == [SENT, None, LEFT]


def test_a_line_that_lacks_only_its_end_counts(journal: Journal) -> None:
    _, _, whole = journal.append([SENT])
    os.truncate(journal.path, whole - 1)
    assert entries(journal) == [SENT]
    journal.append([LEFT])
    assert entries(journal) == [SENT, LEFT]


@pytest.mark.parametrize("size", [0, 5])
def test_a_journal_cut_off_in_its_first_line_begins_anew(journal: Journal, size: int) -> None:
    journal.append([SENT])
    os.truncate(journal.path, size)
    journal.append([LEFT])
    assert entries(journal) == [LEFT]


def test_each_journal_has_a_name_of_its_own(journal: Journal, tmp_path: Path) -> None:
    name, *_ = journal.append([SENT])
    other, *_ = Journal(tmp_path / "other").append([SENT])
    assert name != other
    place = journal.place()
    assert place is not None
    assert place.identity == name


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"7", b"\xff\xfe", b'{"sent": "<a@b>", "person": "x", "at": "2019-01-01"}']
)
def test_a_line_that_is_damaged_is_passed_over(journal: Journal, line: bytes) -> None:
    journal.append([SENT])
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append([LEFT])
    assert entries(journal) == [SENT, None, LEFT]


def test_a_file_that_is_no_journal_is_refused(journal: Journal) -> None:
    journal.path.write_text("a note of somebody's\n")
    for use in (journal.place, lambda: journal.append([SENT])):
        with pytest.raises(Unwritable, match="no journal of this program: move it away"):
            use()
    assert journal.path.read_text() == "a note of somebody's\n"


def test_a_journal_that_cannot_be_opened_says_why(journal: Journal) -> None:
    journal.path.mkdir()
    with pytest.raises(Unwritable, match="cannot be read and written"):
        journal.place()


def test_a_disk_that_is_full_loses_no_earlier_line(journal: Journal) -> None:
    """In a process of its own, which may not write beyond so many bytes."""
    _, _, end = journal.append([SENT])
    program = (
        "import resource, signal, sys, pathlib\n"
        "from tests.store.test_journal import LEFT, SENT, Journal, Unwritable\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({end + 20}, {end + 20}))\n"
        "try:\n    Journal(pathlib.Path(sys.argv[1])).append([SENT])\n"
        "except Unwritable:\n    sys.exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(journal.path)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 7
    journal.append([LEFT])
    assert entries(journal) == [SENT, None, LEFT]


def test_processes_that_append_at_once_keep_each_others_lines_whole(journal: Journal) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", APPEND, str(journal.path), str(each)], cwd=Path(__file__).parents[2])
        for each in range(3)
    ]
    assert [each.wait(60) for each in writers] == [0, 0, 0]
    found = entries(journal)
    assert len(found) == 300
    for writer in range(3):
        own = [replace(SENT, message_id=f"<{writer}.{number}@example.org>") for number in range(50)]
        assert [each for each in found if each in own] == own
