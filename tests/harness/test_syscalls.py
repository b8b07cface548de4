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


def test_a_message_recorded_before_it_is_sent_is_noticed() -> None:
    options = ("--path", "send", "--every", "15", "--break", "settled-first")
    notices("syscalls", *options, words="never came")
