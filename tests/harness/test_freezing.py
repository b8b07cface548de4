"""Workers that are frozen."""

from __future__ import annotations

from tests.harness.command import holds, notices


def test_a_worker_frozen_beyond_its_lease_doubles_nothing_but_what_it_had_handed_over() -> None:
    holds("frozen", "--times", "1", "--seed", "1")


def test_a_fence_that_lets_anybody_through_is_noticed() -> None:
    notices(
        "frozen",
        "--times",
        "0",
        "--at",
        "RCPT",
        "--seed",
        "1",
        "--break",
        "ownerless",
        words="mailed 2 times|went 2 times",
    )
