"""A kill at each system call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.command import holds, need_strace, notices


@pytest.fixture(autouse=True)
def strace() -> Iterator[None]:
    need_strace()
    yield


def test_a_kill_at_a_system_call_doubles_only_what_was_handed_over_and_not_recorded() -> None:
    holds("syscalls", "--every", "40")


def test_a_kill_while_several_messages_are_in_flight_doubles_only_those() -> None:
    figures = holds("syscalls", "--path", "send", "--in-flight", "5", "--every", "25")
    assert int(figures["send: most in doubt at once"]) > 1, "they went one after the other"


@pytest.mark.parametrize(
    ("path", "form", "options", "words"),
    [
        ("plan", "forgetful", "--at fdatasync", "other notices than without"),
        ("send", "settled-first", "--at sendto --every 3", "never came"),
        ("retry", "unfenced-again", "--at fdatasync --every 2", "came . times, with . attempts recorded"),
        ("reload", "halved", "--at fdatasync", "other entries than without"),
        ("migrate", "piecemeal", "--at fdatasync --every 20", "other tables than without"),
    ],
)
def test_what_is_not_recorded_in_one_piece_and_in_time_is_noticed(
    path: str, form: str, options: str, words: str
) -> None:
    notices("syscalls", "--path", path, *options.split(), "--break", form, words=words)
