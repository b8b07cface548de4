"""What comes back about a mail: real and faithful reports in `tests/cases/reports`, and whatever strangers may send.

Each case says in its first line what it shows. The ids in them are signed with KEY.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.mail import verp
from reminders.mail.reports import SIZE, Finding, ReportKind, about, read_report
from reminders.mail.statuses import DEAD, Dead, find_status, is_dead

CASES = Path(__file__).parents[1] / "cases" / "reports"
KEY = b"k" * 40
BOUNCES = "bounces@dates.example.org"

REPORTS = {
    "postfix-no-such-mailbox": (1, "nobody@example.net", "hard", "5.1.1"),
    "postfix-delivered": (2, "amina@example.net", "delivered", "2.0.0"),
    "postfix-delayed": (3, "bao@full.example.net", "delayed", "4.4.1"),
    "postfix-mailbox-full": (3, "bao@full.example.net", "soft", "5.2.2"),
    "postfix-utf8": (4, "zoë@example.net", "hard", "5.1.1"),
    "exchange-not-found": (7, "ethan@example.nhs.uk", "hard", "5.1.10"),
    "nhsmail-access-denied": (8, "ethan@example.nhs.uk", "hard", "5.4.1"),
    "exchange-policy": (9, "ethan@example.nhs.uk", "soft", "5.7.1"),
    "exim-in-its-words": (10, "fatima@example.com", "hard", "5.1.1"),
    "several-recipients": (11, "grace@example.com", "soft", "4.4.1"),
    "forwarded": (12, "somebody@example.com", "delivered", "2.0.0"),
    "given-up": (13, "hugo@example.com", "soft", "4.4.1"),
    "utf8-encoded": (14, "Zoë@example.com", "hard", "5.2.1"),
    "complaint": (15, "ines@isp.example", "complaint", ""),
    "forged": (None, "amina@example.net", "hard", "5.1.1"),
    "unsigned": (None, "ethan@example.nhs.uk", "hard", "5.1.10"),
}
"""Of each report: the message it proves to be about, the person's address, what is said of that, and the status."""


def case(name: str) -> bytes:
    return (CASES / f"{name}.eml").read_bytes()


def proved(data: bytes) -> int | None:
    report = read_report(data)
    assert report is not None
    return next((id for text in report.ids if (id := verp.verify(KEY, text)) is not None), None)


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.eml")))
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_each_case_says_what_its_first_line_says(name: str, ends: bytes) -> None:
    data = case(name).replace(b"\n", ends)
    said = data.splitlines()[0].decode().removeprefix("X-Case: ")
    report = read_report(data)
    if name not in REPORTS:
        assert report is None
        assert said.startswith("no report")
        return
    id, address, kind, status = REPORTS[name]
    assert report is not None
    found = about(report, address)
    assert (proved(data), found.kind, found.status) == (id, kind, status)
    assert said.startswith(kind)


def test_the_words_of_the_server_are_kept_on_one_line() -> None:
    report = read_report(case("exchange-not-found"))
    assert report is not None
    words = "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ethan@example.nhs.uk not found by SMTP address lookup"
    assert report.findings == (Finding(ReportKind.HARD, ("ethan@example.nhs.uk",), "5.1.10", words),)
    encoded = read_report(case("utf8-encoded"))
    assert encoded is not None
    assert encoded.findings[0].words == "550 5.2.1 compte désactivé"


@pytest.mark.parametrize(
    "part", ["To: ", "X-Original-To: ", "Original-Envelope-Id: ", "Return-Path: ", "X-Report-ID: "]
)
def test_any_one_of_the_places_with_the_id_is_enough(part: str) -> None:
    kept = []
    for line in case("postfix-no-such-mailbox").decode().splitlines(keepends=True):
        others = "1-6kxc42ajrfy4zefv" in line and not line.startswith(part)
        kept.append(line.replace("1-6kxc42ajrfy4zefv", "") if others else line)
    assert proved("".join(kept).encode()) == 1


@pytest.mark.parametrize("each", DEAD, ids=lambda each: each.status)
def test_a_dead_address_has_a_status_and_where_needed_words(each: Dead) -> None:
    assert find_status(each.status) == each.status
    assert is_dead(each.status, f"550 {each.status} {each.words.upper()}")
    assert is_dead(each.status, "550 something else") is not bool(each.words)


@pytest.mark.parametrize(
    "status", ["", "2.0.0", "4.1.1", "5.0.0", "5.1.0", "5.1.8", "5.2.2", "5.3.4", "5.4.6", "5.7.1"]
)
def test_a_full_mailbox_policy_and_what_names_no_cause_are_no_fault_of_the_address(status: str) -> None:
    assert not is_dead(status, "550 user unknown")


@pytest.mark.parametrize(
    ("text", "status"),
    [("5.1.1", "5.1.1"), ("550 5.1.10 x", "5.1.10"), ("550 no", ""), ("10.5.1.1", ""), ("5.1.1.2", ""), ("3.1.1", "")],
)
def test_a_status_is_found_in_words_and_an_address_of_a_host_is_none(text: str, status: str) -> None:
    assert find_status(text) == status


def test_a_signed_id_survives_any_case_and_nothing_else() -> None:
    id = verp.sign(KEY, 4711)
    assert verp.verify(KEY, id) == verp.verify(KEY, id.upper()) == 4711
    assert verp.verify(KEY, f"<{verp.sender(BOUNCES, id)}>") == 4711
    assert verp.verify(b"q" * 40, id) is None
    assert verp.verify(KEY, id.replace("4711", "4712")) is None
    assert verp.verify(KEY, id.replace("4711", "04711")) is None
    assert verp.verify(KEY, id[:-1]) is None
    assert verp.verify(KEY, id + "a") is None
    assert verp.verify(KEY, "1" * 400 + "-" + "a" * 16) is None


@given(st.integers(1, 2**63 - 1), st.integers(0, 200), st.sampled_from("0189aAzZ27-+@ é"))
def test_changing_one_character_of_a_signed_id_breaks_it(number: int, place: int, other: str) -> None:
    id = verp.sign(KEY, number)
    assert len(id) <= verp.LONGEST
    place %= len(id)
    changed = id[:place] + other + id[place + 1 :]
    assert verp.verify(KEY, changed) == (number if changed.lower() == id else None)


def test_a_recipient_is_ours_only_plain_or_with_a_signed_id() -> None:
    id = verp.sign(KEY, 3)
    assert verp.is_ours(KEY, BOUNCES, "Bounces@Dates.Example.Org")
    assert verp.is_ours(KEY, BOUNCES, verp.sender(BOUNCES, id).upper())
    for wrong in (
        "",
        "bounces",
        "bounces+@dates.example.org",
        f"other+{id}@dates.example.org",
        f"bounces+{id}@else.org",
    ):
        assert not verp.is_ours(KEY, BOUNCES, wrong)
    assert not verp.is_ours(KEY, BOUNCES, verp.sender(BOUNCES, id.replace("3-", "4-")))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_are_no_report(data: bytes) -> None:
    read_report(data)
    head = b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\na: b\n\n"
    read_report(head + data)


@pytest.mark.parametrize("seed", range(20))
def test_reports_that_were_damaged_are_read_or_are_no_reports(seed: int) -> None:
    chance = random.Random(seed)
    whole = [path.read_bytes() for path in sorted(CASES.glob("*.eml"))]
    for _ in range(150):
        data, other = bytearray(chance.choice(whole)), chance.choice(whole)
        for _ in range(chance.randrange(1, 8)):
            at, end = chance.randrange(len(data) + 1), chance.randrange(len(other))
            data[at : at + chance.randrange(60)] = chance.choice(
                [
                    b"",
                    chance.randbytes(3),
                    other[end : end + chance.randrange(200)],
                    b"\0",
                    b"=?utf-8?b?/w==?=",
                    b"*0*=",
                ]
            )
        report = read_report(bytes(data))
        if report is not None:
            assert report.findings
            assert all(each.words.isprintable() and len(each.words) <= 300 for each in report.findings)


BOMBS = {
    "nested": b"".join(b"Content-Type: multipart/report; boundary=%d\n\n--%d\n" % (n, n) for n in range(10_000)),
    "nested a little": b"".join(b"Content-Type: multipart/report; boundary=%d\n\n--%d\n" % (n, n) for n in range(49))
    + b"x\n" * 400_000,
    "parts": b"Content-Type: multipart/report; boundary=a\n\n" + b"--a\n\n" * 150_000,
    "parameters": b"Content-Type: multipart/report" + b"; boundary*0*=x" * 60_000 + b"\n\n",
    "headers": b"A: b\n" * 190_000,
    "empty lines": b"Content-Type: multipart/report; boundary=a\n\n--a\nContent-Type: message/delivery-status\n\n"
    + b"\n \n" * 300_000,
    "recipients": b"Content-Type: multipart/report; boundary=a\n\n--a\nContent-Type: message/delivery-status\n\n"
    + b"Action: failed\n\n" * 60_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_made_to_take_for_ever_does_not(name: str) -> None:
    assert len(BOMBS[name]) < SIZE
    begun = time.process_time()
    report = read_report(BOMBS[name])
    assert time.process_time() - begun < 20  # 2 s at most on an idle machine
    assert report is None or len(report.findings) <= 50


def test_what_is_too_long_is_no_report() -> None:
    data = case("postfix-no-such-mailbox")
    assert read_report(data + b"\n" * (SIZE - len(data))) is not None
    assert read_report(data + b"\n" * (SIZE - len(data) + 1)) is None
