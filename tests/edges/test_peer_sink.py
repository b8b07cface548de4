"""Postfix's own test server, written by others than our own: every way in which it can be made to fail, at every step.

SMTP_SINK may name the program where it is not on PATH.
"""

from __future__ import annotations

import asyncio

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.mail.smtp import SmtpTransport
from tests.edges.peers import DATA, kept, post, sink

PAUSE, FAULT, FINAL, RETRY, DOUBT = Verdict.PAUSE, Verdict.FAULT, Verdict.FINAL, Verdict.RETRY, Verdict.DOUBT
SENT = "sent"


def unstuffed(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").rstrip(b"\n")


def attempt(port: int, timeout: float = 5.0) -> tuple[str, int, Verdict] | str:
    """One message: the failure's phase, code and verdict, or SENT."""

    async def scenario() -> tuple[str, int, Verdict] | str:
        by = SmtpTransport("127.0.0.1", port, security="none", timeout=timeout)
        try:
            await post(by)
        except DeliveryError as error:
            return error.phase, error.code, error.verdict
        finally:
            await by.close()
        return SENT

    return asyncio.run(scenario())


def test_every_message_arrives_as_it_was_written_over_one_connection() -> None:
    async def scenario(port: int) -> None:
        by = SmtpTransport("127.0.0.1", port, security="none")
        for number in range(3):
            await post(by, data=DATA + b"%d\r\n" % number)
        await by.close()

    with sink() as (port, folder):
        asyncio.run(scenario(port))
        assert kept(folder) == [unstuffed(DATA + b"%d\r\n" % number) for number in range(3)]


# The options, what becomes of a message, and whether the server has it
MODES: list[tuple[list[str], tuple[str, int, Verdict] | str, bool]] = [
    # -q: hangs up
    (["-q", "CONNECT"], ("connect", 0, PAUSE), False),
    (["-q", "EHLO"], ("connect", 0, PAUSE), False),
    (["-q", "MAIL"], ("mail", 0, PAUSE), False),
    (["-q", "RCPT"], ("rcpt", 0, RETRY), False),
    (["-q", "DATA"], ("data", 0, RETRY), False),
    (["-q", "."], ("dot", 0, DOUBT), True),
    (["-q", "QUIT"], SENT, True),
    # -Q: 421 and hangs up
    (["-Q", "CONNECT"], ("connect", 421, PAUSE), False),
    (["-Q", "EHLO"], ("connect", 421, PAUSE), False),
    (["-Q", "MAIL"], ("mail", 421, PAUSE), False),
    (["-Q", "RCPT"], ("rcpt", 421, PAUSE), False),
    (["-Q", "DATA"], ("data", 421, RETRY), False),
    (["-Q", "."], ("dot", 421, RETRY), True),
    (["-Q", "QUIT"], SENT, True),
    # -r: refuses for now
    (["-r", "CONNECT"], ("connect", 450, PAUSE), False),
    (["-r", "EHLO"], ("connect", 450, PAUSE), False),
    (["-r", "MAIL"], ("mail", 450, PAUSE), False),
    (["-r", "RCPT"], ("rcpt", 450, RETRY), False),
    (["-r", "DATA"], ("data", 450, RETRY), False),
    (["-r", "."], ("dot", 450, RETRY), True),
    (["-r", "QUIT"], SENT, True),
    # -f: refuses for good
    (["-f", "CONNECT"], ("connect", 500, FAULT), False),
    (["-f", "EHLO"], SENT, True),  # HELO does
    (["-f", "EHLO, HELO"], ("connect", 500, FAULT), False),
    (["-f", "MAIL"], ("mail", 500, FAULT), False),
    (["-f", "RCPT"], ("rcpt", 500, FINAL), False),
    (["-f", "DATA"], ("data", 500, FINAL), False),
    (["-f", "."], ("dot", 500, FINAL), True),
    (["-f", "QUIT"], SENT, True),
    # -b, -B: with these words
    (["-b", "452 4.2.2 mailbox full", "-r", "RCPT"], ("rcpt", 452, RETRY), False),
    (["-b", "450 4.7.1 Error: too much mail from 192.0.2.1", "-r", "RCPT"], ("rcpt", 450, PAUSE), False),
    (["-b", "432 4.3.2 Concurrent connections limit exceeded", "-r", "."], ("dot", 432, PAUSE), True),
    (["-B", "552 5.3.4 too big", "-f", "MAIL"], ("mail", 552, FINAL), False),
    (["-B", "554 5.7.1 Relay access denied", "-f", "RCPT"], ("rcpt", 554, FAULT), False),
    (["-B", "530 5.7.0 Authentication required", "-f", "MAIL"], ("mail", 530, FAULT), False),
    # -e: speaks no ESMTP;  -E: no enhanced codes
    (["-e"], SENT, True),
    (["-E", "-f", "RCPT"], ("rcpt", 500, FINAL), False),
    # -A: after a second refuses what is being handed over, and reads no more
    (["-A", "1"], ("dot", 550, FINAL), False),
]


@pytest.mark.parametrize(("options", "outcome", "has_it"), MODES, ids=[" ".join(mode[0]) for mode in MODES])
def test_what_becomes_of_a_message_and_whether_the_server_has_it(
    options: list[str], outcome: tuple[str, int, Verdict] | str, has_it: bool
) -> None:
    with sink(*options) as (port, folder):
        assert attempt(port) == outcome
        assert kept(folder) == ([unstuffed(DATA)] if has_it else [])


# -W: answers late, -w: the answer to the dot;  the same server answers in time afterwards only where it is asked to
LATE: list[tuple[list[str], tuple[str, int, Verdict], bool]] = [
    (["-W", "CONNECT:3"], ("connect", 0, PAUSE), False),
    (["-W", "EHLO:3"], ("connect", 0, PAUSE), False),
    (["-W", "MAIL:3"], ("mail", 0, PAUSE), False),
    (["-W", "RCPT:3"], ("rcpt", 0, RETRY), False),
    (["-W", "DATA:3"], ("data", 0, RETRY), False),
    (["-W", ".:3"], ("dot", 0, DOUBT), True),
    (["-w", "3"], ("data", 0, RETRY), False),
]


@pytest.mark.parametrize(("options", "outcome", "has_it"), LATE, ids=[" ".join(mode[0]) for mode in LATE])
def test_an_answer_that_comes_too_late_is_told_by_its_step(
    options: list[str], outcome: tuple[str, int, Verdict], has_it: bool
) -> None:
    with sink(*options) as (port, folder):
        assert attempt(port, timeout=0.5) == outcome
        assert kept(folder) == ([unstuffed(DATA)] if has_it else [])


@pytest.mark.parametrize("options", [["-W", "RCPT:1"], ["-W", ".:1"]], ids=["RCPT", "dot"])
def test_an_answer_that_is_late_but_in_time_is_waited_for(options: list[str]) -> None:
    with sink(*options) as (port, folder):
        assert attempt(port, timeout=5) == SENT
        assert kept(folder) == [unstuffed(DATA)]


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_refusal_leaves_the_connection_good_for_the_next_message(step: str) -> None:
    """The server's counters are what it saw: two messages refused, one connection."""

    async def scenario(port: int) -> None:
        by = SmtpTransport("127.0.0.1", port, security="none")
        for _ in range(2):
            with pytest.raises(DeliveryError):
                await post(by)
        assert [session.is_open for session in by._idle] == [True]
        await by.close()

    with sink("-r", step) as (port, folder):
        asyncio.run(scenario(port))
        assert kept(folder) == []
