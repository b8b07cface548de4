"""Any shipped file damaged at random or cut off: read, or refused with a place; never a traceback or a cancellation.

``MUTATIONS=20000`` runs the long form. The event files alone are tried in `tests.core.test_mutations` too.
"""

from __future__ import annotations

import random

import pytest

from reminders.catalogue.changes import ChangeKind, diff, guard_absence
from reminders.errors import BadInput
from reminders.files import read_snapshot, shipped
from reminders.jobs.service import Book, read_book
from tests.builders import published
from tests.core.test_mutations import MUTATIONS, mutations

LONDON = "Europe/London"
FILES = dict(read_snapshot(shipped("config")).files)
BOOK = read_book(FILES, LONDON)
PUBLISHED = {event.id: published(event) for event in BOOK.configuration.catalogue.events}
CALLED_OFF = (ChangeKind.DATE_CANCELLED, ChangeKind.DATE_POSTPONED)


def read_or_refused(name: str, data: bytes) -> Book | None:
    """The files with this one in place of its good form; None when they are refused, each problem with its place."""
    try:
        book = read_book(FILES | {name: data}, LONDON)
    except BadInput as error:
        for problem in error.problems:
            assert problem.file in FILES
            assert problem.what
            assert problem.line >= 1 or "missing" in problem.what or "MJML" in problem.what
        return None
    changes = diff(PUBLISHED, book.configuration.catalogue)
    assert not changes.of(*CALLED_OFF)
    return book


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_read_or_refused_with_a_place(name: str) -> None:
    chance = random.Random(name)
    for damaged in mutations(FILES[name], chance, MUTATIONS // 10 // len(FILES) + 1):
        read_or_refused(name, damaged)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith(("events/", "templates/"))])
def test_a_file_cut_off_anywhere_is_read_or_refused_with_a_place(name: str) -> None:
    step = 1 if MUTATIONS >= 20_000 else 11
    for end in range(0, len(FILES[name]), step):
        read_or_refused(name, FILES[name][:end])


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("templates/")])
def test_a_template_cut_off_anywhere_is_read_or_refused_with_a_place(name: str) -> None:
    step = 1 if MUTATIONS >= 20_000 else 97
    for end in range(0, len(FILES[name]), step):
        read_or_refused(name, FILES[name][:end])


def test_an_emptied_folder_of_events_is_held() -> None:
    book = read_book({name: data for name, data in FILES.items() if not name.startswith("events/")}, LONDON)
    assert guard_absence(diff(PUBLISHED, book.configuration.catalogue), PUBLISHED)
