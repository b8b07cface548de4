"""A database that is stopped under those who send."""

from __future__ import annotations

from tests.harness.command import holds, notices


def test_nothing_is_lost_when_postgresql_is_stopped() -> None:
    figures = holds("postgres", "--stops", "3", "--up", "0.5", "--seed", "1")
    assert int(figures["passes broken off"]) >= 3, "the stops met nothing"


def test_commits_that_a_stop_undoes_are_noticed() -> None:
    """The journal knows of mails that the database has forgotten: nothing more is sent, and it is said why."""
    options = ("--stops", "3", "--up", "0.5", "--seed", "1", "--idle", "4", "--break", "unsynced")
    notices("postgres", *options, words="not all came to rest.*db repair")
