"""What replies mean: the cases in `tests/cases/replies.txt`, and that the table behind them has no gap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reminders.errors import Verdict
from reminders.mail.replies import TABLE, enhanced, judge, verdict

CASES = [
    re.split(r"\s{2,}", line)
    for line in Path("tests/cases/replies.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
PHASES = ("connect", "mail", "rcpt", "data", "dot")


def parts(reply: str) -> tuple[int, str]:
    return (0, "") if reply == "-" else (int(reply[:3]), reply[4:])


@pytest.mark.parametrize(("phase", "reply", "meaning", "source"), CASES, ids=[f"{c[0]} {c[1][:40]}" for c in CASES])
def test_each_reply_means_what_its_case_says(phase: str, reply: str, meaning: str, source: str) -> None:
    assert verdict(phase, *parts(reply)) == meaning


def test_every_row_of_the_table_is_needed_by_a_case() -> None:
    needed = {judge(phase, *parts(reply)) for phase, reply, _, _ in CASES}
    assert [row for row in TABLE if row not in needed] == []


@pytest.mark.parametrize("phase", PHASES)
def test_every_code_has_a_meaning_whatever_the_words(phase: str) -> None:
    for code in (-1, 0, 199, 250, 354, *range(400, 600), 999):
        for words in ("", "no", "4.0.0", "5.7.1 no", "9.9.9 ?", "5.7", "5.7.1000"):
            assert verdict(phase, code, words) in Verdict


@pytest.mark.parametrize("phase", PHASES)
def test_only_silence_after_the_whole_message_leaves_a_doubt(phase: str) -> None:
    doubtful = {code for code in range(600) if verdict(phase, code, "") is Verdict.DOUBT}
    assert doubtful == (set(range(400)) if phase == "dot" else set())


def test_no_refusal_of_a_sender_or_server_ever_ends_a_message_for_good() -> None:
    assert not {code for code in range(600) if verdict("connect", code, "") is Verdict.FINAL}
    assert {code for code in range(600) if verdict("mail", code, "") is Verdict.FINAL} == {552, 555}


@pytest.mark.parametrize(
    ("reply", "code"),
    [("4.7.1 x", "4.7.1"), ("5.7.515", "5.7.515"), ("", ""), ("x 5.1.1", ""), ("3.1.1 x", ""), ("5.1.1000 x", "")],
)
def test_an_enhanced_code_stands_at_the_beginning(reply: str, code: str) -> None:
    assert enhanced(reply) == code
