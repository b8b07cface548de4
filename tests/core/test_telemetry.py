"""The log holds nobody's address, whoever put it there."""

from __future__ import annotations

import logging

import pytest

from reminders.telemetry import Discreet


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("failed: 550 5.1.1 <amina@example.org>: no such user", "failed: 550 5.1.1 <<address>>: no such user"),
        ("audiences.yaml:4:7: 'zoë@bücher.example' is not", "audiences.yaml:4:7: '<address>' is not"),
        ("rcpt: 450 amina+x@example.org, bao@example.org", "rcpt: 450 <address>, <address>"),
        ("sent: course-2w to subscriber 7", "sent: course-2w to subscriber 7"),
    ],
)
def test_addresses_are_left_out_of_every_line(said: str, logged: str) -> None:
    record = logging.LogRecord("reminders", logging.INFO, "", 0, said, None, None)
    assert Discreet("%(message)s").format(record) == logged
