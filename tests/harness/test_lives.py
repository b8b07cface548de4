"""The whole program, killed and started again, and many of them at once."""

from __future__ import annotations

import pytest

from tests.harness.command import holds, notices
from tests.store import postgres


def test_nothing_is_lost_or_doubled_by_kills_of_the_whole_program() -> None:
    holds("lives", "--kills", "8", "--mails", "40", "--slow", "0.05", "--seed", "1")


def test_a_daemon_that_records_a_mail_before_it_is_sent_is_noticed() -> None:
    options = ("--kills", "2", "--mails", "6", "--slow", "0.5", "--slow-at", "DATA", "--seed", "29")
    notices("lives", *options, "--break", "settled-first", words="is lost")


def test_four_daemons_on_one_file_send_each_mail_once() -> None:
    figures = holds("crowd", "--mails", "200")
    assert int(figures["that sent"]) > 1, "one did all the work"


def test_four_daemons_on_one_postgresql_send_each_mail_once(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.GIVEN, postgres_server)
    holds("crowd", "--mails", "200", "--database", "postgresql")


def test_a_lease_shorter_than_a_message_is_noticed() -> None:
    options = ("--mails", "40", "--slow", "0.3", "--slow-at", "DOT", "--seconds", "15")
    holds("crowd", *options)
    notices("crowd", *options, "--break", "short-lease", words="mails went twice|never came to rest")


def test_a_write_ahead_log_without_bounds_is_noticed() -> None:
    notices("crowd", "--mails", "450", "--daemons", "2", "--break", "unfolded", words="the write-ahead log grew")
