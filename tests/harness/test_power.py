"""Power cuts at each write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.command import holds, need_strace, notices


@pytest.fixture(autouse=True)
def strace() -> Iterator[None]:
    need_strace()
    yield


def test_a_power_cut_loses_nothing() -> None:
    figures = holds("power", "--mails", "10", "--cuts", "300", "--seed", "1", "--jobs", "1")
    assert int(figures["cuts after which any would be sent again"]) > 0, "the cuts met nothing"


def test_a_power_cut_while_many_messages_are_in_flight_loses_nothing() -> None:
    figures = holds("power", "--in-flight", "20", "--mails", "60", "--cuts", "100", "--seed", "1", "--jobs", "1")
    assert int(figures["most to be sent again after a cut"]) > 1, "they went one after the other"


@pytest.mark.parametrize("options", ["--mails 5", "--in-flight 20 --mails 60"])
def test_commits_that_are_not_synced_are_noticed(options: str) -> None:
    more = ("--cuts", "60", "--seed", "1", "--jobs", "1", "--break", "unsynced")
    notices("power", *options.split(), *more, words="would be sent again")


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("journal-last", "--mails 5 --cuts 60", "called sent and are not in the journal"),
        ("journal-unsynced", "--mails 5 --cuts 60", "called sent and are not in the journal"),
        ("journal-early", "--mails 5 --cuts 60", "in the journal and were not accepted"),
        ("unkept", "--mails 5 --cuts 60", "cannot be had any more"),
        ("unparted", "--mails 1 --cuts 360", "cannot be read any more"),  # so many that its line is torn for certain
    ],
)
def test_what_is_not_kept_as_a_cut_needs_it_is_noticed(form: str, options: str, words: str) -> None:
    notices("power", "--seed", "1", "--jobs", "1", *options.split(), "--break", form, words=words)
