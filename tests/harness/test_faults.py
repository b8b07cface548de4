"""Disks that fail, and disks that are full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.command import holds, need_strace, notices


@pytest.fixture(autouse=True)
def strace() -> Iterator[None]:
    need_strace()
    yield


def test_what_cannot_be_recorded_is_not_sent() -> None:
    holds("faults", "--every", "60")


def test_a_commit_that_failed_and_was_taken_for_one_that_did_not_is_noticed() -> None:
    notices("faults", "--every", "40", "--break", "heedless", words="was mailed, and the outbox has never heard")
