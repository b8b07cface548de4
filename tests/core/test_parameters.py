"""MAIL and RCPT as they are written: nothing that the server did not offer, and the encodings of RFC 3461 and 6533."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.mail.envelope import Envelope
from reminders.mail.parameters import mail_and_rcpt, original_recipient, xtext

ALL = frozenset(["size", "dsn", "smtputf8", "8bitmime"])


@pytest.mark.parametrize(
    ("envelope", "offered", "mail", "rcpt"),
    [
        (Envelope("d@x.org", "a@x.org"), frozenset(), "<d@x.org>", "<a@x.org>"),
        (Envelope("d@x.org", "a@x.org"), ALL, "<d@x.org> SIZE=9", "<a@x.org>"),
        (Envelope("d@x.org", "a@x.org", "id+1"), frozenset(), "<d@x.org>", "<a@x.org>"),
        (
            Envelope("d@x.org", "a+b@x.org", "id+1"),
            ALL,
            "<d@x.org> SIZE=9 RET=HDRS ENVID=id+2B1",
            "<a+b@x.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb@x.org",
        ),
        (
            Envelope("d@x.org", "zoë@x.org", "7"),
            ALL,
            "<d@x.org> SIZE=9 SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=7",
            r"<zoë@x.org> NOTIFY=FAILURE,DELAY ORCPT=utf-8;zo\x{EB}@x.org",
        ),
        (
            Envelope("d@x.org", "a@x.org", "x" * 101),  # longer than an identifier may be
            ALL,
            "<d@x.org> SIZE=9 RET=HDRS",
            "<a@x.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a@x.org",
        ),
    ],
)
def test_only_what_is_offered_is_asked_for(envelope: Envelope, offered: frozenset[str], mail: str, rcpt: str) -> None:
    assert mail_and_rcpt(envelope, 9, offered) == (f"MAIL FROM:{mail}".encode(), f"RCPT TO:{rcpt}".encode())


@pytest.mark.parametrize("envelope", [Envelope("zoë@x.org", "a@x.org"), Envelope("d@x.org", "zoë@x.org")])
def test_an_address_beyond_ascii_needs_smtputf8(envelope: Envelope) -> None:
    with pytest.raises(ValueError, match="SMTPUTF8"):
        mail_and_rcpt(envelope, 9, {"8bitmime"})


def test_a_backslash_and_a_letter_beyond_the_basic_plane_are_escaped() -> None:
    assert original_recipient("\U0001d4b6\\+=@x.org") == r"utf-8;\x{1D4B6}\x{5C}\x{2B}\x{3D}@x.org"


@given(st.text(st.characters(codec="ascii")))
def test_xtext_is_printable_and_can_be_read_back(text: str) -> None:
    written = xtext(text)
    assert all("!" <= character <= "~" and character != "=" for character in written)
    plain, *escaped = written.split("+")
    assert plain + "".join(chr(int(each[:2], 16)) + each[2:] for each in escaped) == text
