"""A real Exim: what it says, what that is taken to mean, and what it has in its spool afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reminders.errors import Verdict
from tests.edges.mailservers import PORT, MailServer, exim, spooled
from tests.edges.peers import DATA, Told, tell

PAUSE, FAULT, FINAL, RETRY = Verdict.PAUSE, Verdict.FAULT, Verdict.FINAL, Verdict.RETRY
SETTINGS = """\
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = 100K
smtp_accept_max_per_connection = 20
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_predata = predata
acl_smtp_data = data
"""
RULES = """\
mail:
  deny    senders = stranger@example.org
          message = Sender not allowed
  accept
rcpt:
  defer   local_parts = grey
          message = Greylisted
  defer   local_parts = busy
          message = 421 4.7.0 closing
  drop    local_parts = trap
          message = You are not welcome
  deny    local_parts = unknown
          message = Unrouteable address
  deny    domains = elsewhere.example
          message = relay not permitted
  defer   senders = fast@example.org
          ratelimit = 2 / 1h / per_rcpt / strict / $sender_address
          message = Sender rate $sender_rate / $sender_rate_period
  defer   senders = unsure@example.org
          message = Could not complete sender verify callout
  deny    senders = unverified@example.org
          message = Sender verify failed
  accept
predata:
  defer   senders = later@example.org
  accept
data:
  defer   senders = scanned@example.org
          message = scanner not available
  deny    senders = spam@example.org
          message = This message looks like spam
  accept
"""


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with exim(SETTINGS, RULES) as server:
        yield server


def attempts(server: MailServer, *recipients: str, **settings: Any) -> list[Told]:
    return server.within(tell(PORT, *recipients, **settings))


LARGE = DATA + (b"x" * 70 + b"\r\n") * 2_000
CASES: list[tuple[str, dict[str, Any], str, tuple[str, int, Verdict]]] = [
    ("S3 sender refused", {"sender": "stranger@example.org"}, "amina@example.org", ("mail", 550, FAULT)),
    ("S4 larger than it takes", {"data": LARGE}, "amina@example.org", ("mail", 552, FINAL)),
    ("S5 greylisted", {}, "grey@example.org", ("rcpt", 451, RETRY)),
    ("S6 unknown", {}, "unknown@example.org", ("rcpt", 550, FINAL)),
    ("S6 does not relay", {}, "amina@elsewhere.example", ("rcpt", 550, FAULT)),
    ("S6 refused, and it hangs up", {}, "trap@example.org", ("rcpt", 550, FINAL)),
    ("S7 closing", {}, "busy@example.org", ("rcpt", 421, PAUSE)),
    ("S3 sender put off late", {"sender": "unsure@example.org"}, "amina@example.org", ("rcpt", 451, PAUSE)),
    ("S3 sender refused late", {"sender": "unverified@example.org"}, "amina@example.org", ("rcpt", 550, FAULT)),
    ("S8 put off at DATA", {"sender": "later@example.org"}, "amina@example.org", ("data", 451, RETRY)),
    ("S11 put off after the dot", {"sender": "scanned@example.org"}, "amina@example.org", ("dot", 451, RETRY)),
    ("S11 refused after the dot", {"sender": "spam@example.org"}, "amina@example.org", ("dot", 550, FINAL)),
]


@pytest.mark.parametrize(("name", "settings", "to", "told"), CASES, ids=[case[0] for case in CASES])
def test_what_it_refuses_is_not_kept_and_the_next_message_goes_through(
    server: MailServer, name: str, settings: dict[str, Any], to: str, told: tuple[str, int, Verdict]
) -> None:
    before = len(spooled(server))
    (found,) = attempts(server, to, **settings)
    assert (found.phase, found.code, found.verdict) == told, found
    assert len(spooled(server)) == before
    (after,) = attempts(server, "amina@example.org")
    assert (after.code, len(spooled(server))) == (250, before + 1)


def test_s3_its_rate_limit_pauses_and_keeps_what_it_took(server: MailServer) -> None:
    before = len(spooled(server))
    told = attempts(server, *["amina@example.org"] * 4, sender="fast@example.org")
    assert [(each.code, each.verdict) for each in told] == [(250, None), (250, None), (451, PAUSE), (451, PAUSE)]
    assert "Sender rate" in told[2].reply
    assert len(spooled(server)) == before + 2


def test_s7_a_connection_that_carried_enough_for_it_is_replaced(server: MailServer) -> None:
    before = len(spooled(server))
    told = attempts(server, *["amina@example.org"] * 45)
    assert {each.code for each in told} == {250}
    assert len(spooled(server)) == before + 45


def test_delivery_reports_and_addresses_beyond_ascii_are_taken(server: MailServer) -> None:
    told = attempts(server, "zoë@example.org", id="owed+7")
    assert [each.code for each in told] == [250], told
    (kept,) = [text for text in spooled(server) if "zoë@example.org" in text]
    assert "-dsn_envid owed+2B7" in kept
    assert "-dsn_ret 2" in kept  # the header
    assert "utf-8;zo" in kept
