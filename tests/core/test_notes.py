"""A note to the operator as the bytes that go over the wire."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from reminders.mail.letter import Service
from reminders.mail.notes import note
from tests.builders import utc

NOW = utc("2019-01-30T04:30")
SERVICE = Service("Dates", "", "dates@example.org", "Dates", "", "example.org", "")


def test_a_note_is_plain_text_to_one_person_and_says_that_a_machine_wrote_it() -> None:
    data = note(SERVICE, "ops@example.org", "reconciliation: 3 x difference", ["One.", "", "- Two: ä"], NOW)
    message = message_from_bytes(data, policy=policy.default)
    assert message["Subject"] == "[Dates] reconciliation: 3 x difference"
    assert (message["From"], message["To"]) == ("Dates <dates@example.org>", "ops@example.org")
    assert message["Date"] == "Wed, 30 Jan 2019 04:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == ["One.", "", "- Two: ä"]
    assert message["Cc"] is message["Bcc"] is None


def test_the_same_note_is_the_same_bytes_and_another_has_another_id() -> None:
    first = note(SERVICE, "ops@example.org", "one", ["words"], NOW)
    assert note(SERVICE, "ops@example.org", "one", ["words"], NOW) == first
    other = note(SERVICE, "ops@example.org", "one", ["other words"], NOW)
    ids = [message_from_bytes(data, policy=policy.default)["Message-ID"] for data in (first, other)]
    assert ids[0] != ids[1]
    assert all(id.startswith("<note-") and id.endswith("@example.org>") for id in ids)


def test_whatever_it_says_lines_are_short_and_end_as_mail_has_it() -> None:
    service = replace(SERVICE, name="Fristen für Ärzte", mail_from_name="Fristen für Ärzte")
    data = note(service, "ops@example.org", "x" * 300, ["long " * 900, "\x00 ü", "."], NOW)
    assert data.isascii()
    assert b"\n" not in data.replace(b"\r\n", b"") and b"\r" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    message = message_from_bytes(data, policy=policy.default)
    assert message["Subject"] == f"[Fristen für Ärzte] {'x' * 300}"


def test_a_header_cannot_be_smuggled_in_and_no_address_is_no_note() -> None:
    with pytest.raises(ValueError, match="may not contain"):
        note(SERVICE, "ops@example.org", "one\r\nBcc: all@example.org", [], NOW)
    with pytest.raises(ValueError, match="not one plain address"):
        note(SERVICE, "ops", "one", [], NOW)
