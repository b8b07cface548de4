"""A real Postfix: what it says, what that is taken to mean, and what it has in its queue afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reminders.errors import Verdict
from tests.edges.mailservers import MailServer, postcat, postfix
from tests.edges.peers import DATA, Told, tell

PAUSE, FAULT, FINAL, RETRY, DOUBT = Verdict.PAUSE, Verdict.FAULT, Verdict.FINAL, Verdict.RETRY, Verdict.DOUBT
USUAL, RATED, PLAIN, STRICT, CLOSED, FILTERED = 2525, 2526, 2527, 2528, 2529, 2530
LISTENERS = {
    USUAL: [],
    RATED: ["smtpd_client_message_rate_limit=3", "smtpd_client_event_limit_exceptions="],
    PLAIN: ["smtpd_discard_ehlo_keywords=dsn,size", "smtputf8_enable=no"],
    STRICT: ["smtpd_hard_error_limit=2", "smtpd_error_sleep_time=0"],
    CLOSED: ["smtpd_delay_reject=no", "smtpd_client_restrictions=static:reject"],
    FILTERED: ["smtpd_end_of_data_restrictions=$late_restrictions"],
}
SETTINGS = """\
message_size_limit = 100000
virtual_mailbox_domains = example.org, xn--bcher-kva.example.org
virtual_mailbox_maps = inline:{ amina@example.org=1, full@example.org=1, grey@example.org=1, busy@example.org=1,
    banned@example.org=1, broken@example.org=1, zoë@example.org=1, amina@xn--bcher-kva.example.org=1 }
virtual_transport = discard
default_transport = error:none leaves here
smtpd_recipient_limit = 1000
smtpd_relay_restrictions = reject_unauth_destination
smtpd_sender_restrictions = inline:{ stranger@example.org=REJECT, nobody@nowhere.example=DEFER }
smtpd_recipient_restrictions = check_recipient_access
    inline:{ {full@example.org = 452 4.2.2 mailbox full}, {grey@example.org = 450 4.2.0 Greylisted},
    {busy@example.org = 421 4.7.0 closing}, banned@example.org=REJECT }
    reject_unlisted_recipient static:HOLD
late_restrictions = check_recipient_access
    inline:{ {amina@example.org = 451 4.7.1 Service unavailable - try again later} }
"""


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with postfix(SETTINGS, LISTENERS) as server:
        yield server


def attempts(server: MailServer, *recipients: str, port: int = USUAL, **settings: Any) -> list[Told]:
    return server.within(tell(port, *recipients, **settings))


CASES = [
    ("S4 larger than it takes", {"data": DATA + b"x" * 70 + b"\r\n" * 100_000}, "amina", ("mail", 552, FINAL)),
    ("S5 mailbox full", {}, "full", ("rcpt", 452, RETRY)),
    ("S5 greylisted", {}, "grey", ("rcpt", 450, RETRY)),
    ("S6 unknown", {}, "nobody", ("rcpt", 550, FINAL)),
    ("S6 recipient refused", {}, "banned", ("rcpt", 554, FINAL)),
    ("S6 does not relay", {}, "amina@elsewhere.example", ("rcpt", 554, FAULT)),
    ("S3 sender refused late", {"sender": "stranger@example.org"}, "amina", ("rcpt", 554, FAULT)),
    ("S3 sender put off late", {"sender": "nobody@nowhere.example"}, "amina", ("rcpt", 450, PAUSE)),
    ("S7 closing", {}, "busy", ("rcpt", 421, PAUSE)),
    ("S2 refused when connecting", {"port": CLOSED}, "amina", ("connect", 554, FAULT)),
    ("S11 put off after the dot", {"port": FILTERED}, "amina", ("dot", 451, RETRY)),
    ("S15 no SMTPUTF8", {"port": PLAIN}, "zoë", ("rcpt", 0, FINAL)),
]


@pytest.mark.parametrize(("name", "settings", "to", "told"), CASES, ids=[case[0] for case in CASES])
def test_what_it_refuses_is_not_kept_and_the_next_message_goes_through(
    server: MailServer, name: str, settings: dict[str, Any], to: str, told: tuple[str, int, Verdict]
) -> None:
    before = len(postcat(server))
    (found,) = attempts(server, to if "@" in to else f"{to}@example.org", **settings)
    assert (found.phase, found.code, found.verdict) == told, found
    assert len(postcat(server)) == before
    (after,) = attempts(server, "amina@example.org")
    assert (after.code, len(postcat(server))) == (250, before + 1)


def test_s3_its_limit_on_messages_pauses_and_keeps_what_it_took(server: MailServer) -> None:
    before = len(postcat(server))
    told = attempts(server, *["amina@example.org"] * 5, port=RATED)
    assert [each.code for each in told] == [250, 250, 250, 450, 450]
    assert "too much mail" in told[3].reply
    assert {(each.phase, each.verdict) for each in told[3:]} == {("mail", PAUSE)}
    assert len(postcat(server)) == before + 3


def test_s7_too_many_refused_recipients_do_not_cost_those_after_them(server: MailServer) -> None:
    """Postfix hangs up on who makes mistakes: the refused ones are over, the next message finds a new connection."""
    told = attempts(server, *[f"nobody{n}@example.org" for n in range(4)], "amina@example.org", port=STRICT)
    assert [each.verdict for each in told[:4]] == [FINAL] * 4
    assert told[4].code == 250


def test_a_delivery_report_is_asked_for_in_words_it_understands(server: MailServer) -> None:
    (told,) = attempts(server, "amina@example.org", id="owed+7=x")
    assert told.code == 250
    (held,) = [text for text in postcat(server) if "owed" in text]
    assert "envelope_id=owed+7=x\n" in held
    assert "dsn_orig_rcpt=rfc822;amina@example.org\n" in held
    assert "ret_flags=2\n" in held  # the header
    assert "notify_flags=12\n" in held  # failure and delay


def test_a_delivery_report_about_an_address_beyond_ascii_is_asked_for_too(server: MailServer) -> None:
    told = attempts(server, "zoë@example.org", "amina@bücher.example.org", id="owed-8")
    assert [each.code for each in told] == [250, 250], told
    held = [text for text in postcat(server) if "owed-8" in text]
    assert any("dsn_orig_rcpt=utf-8;zoë@example.org" in text for text in held), held
    assert any("dsn_orig_rcpt=rfc822;amina@xn--bcher-kva.example.org" in text for text in held)


def test_where_reports_are_not_offered_none_is_asked_for(server: MailServer) -> None:
    (told,) = attempts(server, "amina@example.org", port=PLAIN, id="owed-9")
    assert told.code == 250
    assert not [text for text in postcat(server) if "owed-9" in text]


def test_a_message_is_kept_as_it_was_written(server: MailServer) -> None:
    data = DATA.replace(b"Subject: x", b"Subject: dots and lines") + b"x" * 900 + b"\r\n.\r\n..\r\n"
    (told,) = attempts(server, "amina@example.org", data=data)
    assert told.code == 250
    (held,) = [text for text in postcat(server) if "dots and lines" in text]
    assert data.decode().replace("\r\n", "\n").partition("\n\n")[2] in held
