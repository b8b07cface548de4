"""What the mail server may do to us, by the numbers of the failure list (S1 to S17): what became of the message, what
it is taken to mean, and whether the transport is good for the next one. The server is a real one with chosen faults.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from reminders.errors import DeliveryError, Verdict
from reminders.mail.envelope import NotStarted
from reminders.mail.smtp import SmtpTransport
from tests.edges.peers import DATA, post, talking
from tests.edges.smtpd import LOSE, SILENCE, certificate, serving

LARGE = DATA + (b"A long letter. " * 60 + b"\r\n") * 20_000
"""More than any socket takes at once: 18 MB."""


def transport(port: int, **settings: Any) -> SmtpTransport:
    usual: dict[str, Any] = {"security": "none", "timeout": 5.0}
    return SmtpTransport("127.0.0.1", port, **(usual | settings))


async def refused(by: SmtpTransport, **settings: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as failure:
        await post(by, **settings)
    return failure.value


async def seconds(waited: Awaitable[object]) -> float:
    began = asyncio.get_running_loop().time()
    await waited
    return asyncio.get_running_loop().time() - began


# S1 to S11: (number, step, fault, phase, verdict, kept by the server, connections after one more message)
REPLIES = [
    ("S1", "CONNECT", "421 4.3.2 too busy", "connect", Verdict.PAUSE, 0, 2),
    ("S1", "CONNECT", "450 4.3.2 too busy", "connect", Verdict.PAUSE, 0, 2),
    ("S1", "CONNECT", LOSE, "connect", Verdict.PAUSE, 0, 2),
    ("S1", "CONNECT", SILENCE, "connect", Verdict.PAUSE, 0, 2),
    ("S1", "EHLO", "421 4.3.2 too busy", "connect", Verdict.PAUSE, 0, 2),
    ("S2", "CONNECT", "554 5.7.1 not you", "connect", Verdict.FAULT, 0, 2),
    ("S3", "MAIL", "450 4.7.1 Error: too much mail from 192.0.2.1", "mail", Verdict.PAUSE, 0, 1),
    ("S3", "MAIL", "421 4.7.0 closing", "mail", Verdict.PAUSE, 0, 2),
    ("S3", "MAIL", "550 5.7.1 not from you", "mail", Verdict.FAULT, 0, 1),
    ("S3", "MAIL", LOSE, "mail", Verdict.PAUSE, 0, 2),
    ("S3", "MAIL", SILENCE, "mail", Verdict.PAUSE, 0, 2),
    ("S4", "MAIL", "552 5.3.4 too big", "mail", Verdict.FINAL, 0, 1),
    ("S4", "MAIL", "555 5.5.4 which parameter?", "mail", Verdict.FINAL, 0, 1),
    ("S5", "RCPT", "450 4.2.0 greylisted", "rcpt", Verdict.RETRY, 0, 1),
    ("S5", "RCPT", "451 4.3.0 try later", "rcpt", Verdict.RETRY, 0, 1),
    ("S5", "RCPT", "452 4.2.2 full", "rcpt", Verdict.RETRY, 0, 1),
    ("S6", "RCPT", "550 5.1.1 no such person", "rcpt", Verdict.FINAL, 0, 1),
    ("S6", "RCPT", "554 5.7.1 <a@example.org>: Relay access denied", "rcpt", Verdict.FAULT, 0, 1),
    ("S7", "RCPT", "421 4.7.0 closing", "rcpt", Verdict.PAUSE, 0, 2),
    ("S7", "RCPT", "450 4.7.1 Error: too many recipients from 192.0.2.1", "rcpt", Verdict.PAUSE, 0, 1),
    ("S8", "DATA", "451 4.3.0 not now", "data", Verdict.RETRY, 0, 1),
    ("S8", "DATA", "554 5.7.1 no", "data", Verdict.FINAL, 0, 1),
    ("S8", "DATA", "421 4.3.2 closing", "data", Verdict.RETRY, 0, 2),
    ("S8", "DATA", "250 what?", "data", Verdict.RETRY, 0, 2),
    ("S9", "RCPT", LOSE, "rcpt", Verdict.RETRY, 0, 2),
    ("S9", "RCPT", SILENCE, "rcpt", Verdict.RETRY, 0, 2),
    ("S9", "DATA", LOSE, "data", Verdict.RETRY, 0, 2),
    ("S9", "DATA", SILENCE, "data", Verdict.RETRY, 0, 2),
    ("S10", "DOT", LOSE, "dot", Verdict.DOUBT, 1, 2),
    ("S10", "DOT", SILENCE, "dot", Verdict.DOUBT, 1, 2),
    ("S10", "DOT", "what?", "dot", Verdict.DOUBT, 1, 2),
    ("S10", "DOT", "354 go on", "dot", Verdict.DOUBT, 1, 2),
    ("S11", "DOT", "450 4.3.0 try later", "dot", Verdict.RETRY, 1, 1),
    ("S11", "DOT", "421 4.3.2 closing", "dot", Verdict.RETRY, 1, 2),
    ("S11", "DOT", "432 4.3.2 Concurrent connections limit exceeded", "dot", Verdict.PAUSE, 1, 1),
    ("S11", "DOT", "554 5.6.0 spam", "dot", Verdict.FINAL, 1, 1),
]


@pytest.mark.parametrize(
    ("number", "step", "fault", "phase", "verdict", "kept", "connections"),
    REPLIES,
    ids=[f"{row[0]} {row[1]} {row[2][:20]}" for row in REPLIES],
)
async def test_s1_to_s11_a_refusal_is_told_by_its_phase_and_the_next_message_goes_through(
    number: str, step: str, fault: str, phase: str, verdict: Verdict, kept: int, connections: int
) -> None:
    async with serving(faults={step: [fault]}) as server:
        by = transport(server.port, timeout=0.3 if fault == SILENCE else 5.0)
        failure = await refused(by)
        assert (failure.phase, failure.verdict) == (phase, verdict)
        assert failure.code == (int(fault[:3]) if fault[:1] in "45" else 0)
        assert len(server.received) == kept
        await post(by)
        await by.close()
        assert len(server.received) == kept + 1
        assert server.connections == connections


async def test_s1_no_server_no_name_and_no_answer_pause() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody listens
        failure = await refused(transport(free.getsockname()[1]))
        assert (failure.phase, failure.verdict) == ("connect", Verdict.PAUSE)
    failure = await refused(SmtpTransport("no-such-host.invalid", 25, security="none", timeout=3))
    assert (failure.phase, failure.verdict) == ("connect", Verdict.PAUSE)


async def test_s1_those_who_wait_for_the_first_connection_share_its_answer() -> None:
    async with serving(faults={"CONNECT": ["421 4.3.2 too busy"]}) as server:
        by = transport(server.port, connections=8)
        failures = await asyncio.gather(*(refused(by) for _ in range(8)))
        assert {failure.verdict for failure in failures} == {Verdict.PAUSE}
        assert server.connections == 1
        await post(by)
        await by.close()


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
@pytest.mark.parametrize("wrong", ["name", "authority"])
async def test_s2_a_certificate_that_does_not_fit_is_a_fault(
    authority: trustme.CA, trusted: str, security: str, implicit: bool, wrong: str
) -> None:
    tls = certificate(authority, "other.example.org") if wrong == "name" else certificate(trustme.CA(), "127.0.0.1")
    async with serving(tls=tls, implicit=implicit) as server:
        failure = await refused(transport(server.port, security=security, ca_file=trusted))
        assert (failure.phase, failure.verdict) == ("connect", Verdict.FAULT)
        assert not any(command.startswith("MAIL") for command in server.commands)


async def test_s2_starttls_taken_away_is_a_fault_and_nothing_goes_in_clear() -> None:
    async with serving() as server:
        failure = await refused(transport(server.port, security="starttls"))
        assert (failure.phase, failure.verdict) == ("connect", Verdict.FAULT)
        assert "STARTTLS" in failure.reply
        assert server.commands == []  # nothing after EHLO


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_s2_a_server_without_tls_where_tls_is_due_is_a_fault(security: str) -> None:
    async def no(writer: asyncio.StreamWriter) -> None:
        writer.write(b"454 4.7.0 TLS not available\r\n" if security == "starttls" else b"220 no TLS here\r\n")

    async with talking("CONNECT" if security == "tls" else "STAR", no) as port:
        failure = await refused(transport(port, security=security))
    assert (failure.phase, failure.verdict) == ("connect", Verdict.FAULT)


async def test_s9_a_connection_that_breaks_in_the_middle_of_a_message_is_no_doubt() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 go on\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()

    async with talking("DATA", hang_up) as port:
        failure = await refused(transport(port), data=LARGE)
    assert (failure.phase, failure.code, failure.verdict) == ("data", 0, Verdict.RETRY)


@pytest.mark.parametrize(
    ("reply", "verdict"), [("552 5.3.4 too big", Verdict.FINAL), ("451 4.3.0 not now", Verdict.RETRY)]
)
async def test_s9_a_reply_in_the_middle_of_a_message_refuses_it(reply: str, verdict: Verdict) -> None:
    async def interrupt(writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 go on\r\n")
        await asyncio.sleep(0.1)
        writer.write(reply.encode() + b"\r\n")
        await asyncio.sleep(3600)

    async with talking("DATA", interrupt) as port:
        failure = await refused(transport(port), data=LARGE)
    assert (failure.phase, failure.code, failure.verdict) == ("data", int(reply[:3]), verdict)


@pytest.mark.parametrize(("step", "said"), [("MAIL", "250"), ("RCPT", "250"), ("DATA", "354"), ("DATA", "250")])
async def test_s9_a_server_that_says_more_than_it_is_asked_accepts_nothing(step: str, said: str) -> None:
    """Or its next reply would be taken for the answer to the command after that."""

    async def twice(writer: asyncio.StreamWriter) -> None:
        writer.write(f"{said} yes\r\n250 kept\r\n".encode())

    async with talking(step, twice) as port:
        failure = await refused(transport(port))
    assert (failure.phase, failure.code) == ("rcpt" if step == "MAIL" else "data", 0)
    assert failure.verdict is Verdict.RETRY


async def test_s9_what_is_said_after_the_message_was_accepted_ends_only_the_connection() -> None:
    async def goodbye(writer: asyncio.StreamWriter) -> None:
        writer.write(b"250 kept\r\n421 4.3.2 closing\r\n")

    async with talking("DOT", goodbye) as port:
        by = transport(port)
        assert await post(by) == "kept"
        assert await post(by) == "kept"
        await by.close()


async def test_s12_a_failing_goodbye_changes_nothing() -> None:
    for fault in (LOSE, "500 5.5.1 what?", "421 4.3.2 closing"):
        async with serving(faults={"QUIT": [fault]}) as server:
            by = transport(server.port)
            await post(by)
            await by.close()
            assert len(server.received) == 1


STEPS = [
    ("CONNECT", "connect", Verdict.PAUSE),
    ("EHLO", "connect", Verdict.PAUSE),
    ("MAIL", "mail", Verdict.PAUSE),
    ("RCPT", "rcpt", Verdict.RETRY),
    ("DATA", "data", Verdict.RETRY),
    ("DOT", "dot", Verdict.DOUBT),
]


def memory() -> int:
    """Resident memory of this process, in bytes."""
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(("step", "phase", "verdict"), STEPS)
@pytest.mark.parametrize("endless", [b"250-and another thing\r\n" * 2000, b"250-" + b"x" * 40_000])
async def test_s13_an_endless_reply_is_cut_off_within_bounded_memory(
    step: str, phase: str, verdict: Verdict, endless: bytes
) -> None:
    sent = 0

    async def babble(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(endless)
            sent += len(endless)
            await writer.drain()

    async with talking(step, babble) as port:
        before = memory()
        by = transport(port, timeout=3)
        failure = await refused(by)
        assert memory() - before < 8 * 2**20
        assert (failure.phase, failure.code, failure.verdict) == (phase, 0, verdict)
        assert len(failure.reply) <= 500
        assert sent < 64 * 2**20  # it was not waited for until the time was over
        await asyncio.sleep(0.1)  # the server notices


@pytest.mark.parametrize(("step", "phase", "verdict"), STEPS)
async def test_s13_drip_feeding_ends_with_the_time_of_the_message(step: str, phase: str, verdict: Verdict) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        for letter in b"250-" + b"x" * 1000:
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.05)

    async with talking(step, drip) as port:
        by = transport(port, timeout=0.5)
        took = await seconds(asyncio.create_task(_expect(by, phase, verdict)))
    assert 0.4 < took < 2.5


async def _expect(by: SmtpTransport, phase: str, verdict: Verdict) -> None:
    failure = await refused(by)
    assert (failure.phase, failure.code, failure.verdict) == (phase, 0, verdict)
    assert "0.5 seconds" in failure.reply


async def test_s13_slow_steps_share_one_deadline() -> None:
    async with serving(faults={step: ["wait 0.3"] for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA")}) as server:
        by = transport(server.port, timeout=0.7)
        took = await seconds(asyncio.create_task(refused(by)))
        assert took < 1.5
        assert not server.received


async def test_s14_without_ehlo_helo_does_where_nothing_more_is_needed() -> None:
    async with serving(faults={"EHLO": ["502 5.5.1 what?"]}) as server:
        by = transport(server.port)
        await post(by)
        await by.close()
        assert len(server.received) == 1
        assert "HELO" in server.commands
        assert not server.received[0].options


@pytest.mark.parametrize("settings", [{"security": "starttls"}, {"user": "desk", "password": "s3cret"}])
async def test_s14_without_ehlo_there_is_no_tls_and_no_log_in(settings: dict[str, str]) -> None:
    async with serving(faults={"EHLO": ["502 5.5.1 what?"]}) as server:
        failure = await refused(transport(server.port, **settings))
        assert (failure.phase, failure.verdict) == ("connect", Verdict.FAULT)
        assert "EHLO (502" in failure.reply
        assert "HELO" not in server.commands


async def test_s15_an_address_beyond_ascii_fails_where_smtputf8_is_not_offered_and_only_it() -> None:
    for faults in ({}, {"EHLO": ["502 5.5.1 what?"]}):  # HELO offers nothing either
        async with serving(smtputf8=False, faults=faults) as server:
            by = transport(server.port)
            failure = await refused(by, to="zoë@example.org")
            assert (failure.phase, failure.verdict) == ("rcpt", Verdict.FINAL)
            assert "SMTPUTF8" in failure.reply
            await post(by, "zoe@bücher.example.org")
            await by.close()
            assert [message.recipients for message in server.received] == [["zoe@xn--bcher-kva.example.org"]]
            assert server.connections == 1


async def test_s17_a_slow_connection_does_not_hold_up_the_others() -> None:
    async with serving(faults={"DOT": ["wait 1.5"]}) as server:
        by = transport(server.port, connections=4)
        slow = asyncio.create_task(post(by))
        await server.kept.wait()
        took = await seconds(asyncio.gather(*(post(by) for _ in range(30))))
        assert took < 1.0
        assert not slow.done()
        await slow
        await by.close()
        assert len(server.received) == 31


async def test_s17_never_more_connections_than_were_set_and_each_is_used_again() -> None:
    async with serving(slow=0.01) as server:
        by = transport(server.port, connections=3)
        assert by.width == 3
        people = [f"p{number}@example.org" for number in range(40)]
        await asyncio.gather(*(post(by, person) for person in people))
        await by.close()
        assert server.connections == 3
        assert sorted(message.recipients for message in server.received) == sorted([person] for person in people)
        await asyncio.sleep(0.05)
        assert server.commands.count("QUIT") == 3


async def test_a_connection_nobody_needs_is_closed_and_one_that_carried_enough_is_replaced() -> None:
    async with serving() as server:
        by = transport(server.port, connections=2, idle=0.2, messages=3)
        await asyncio.gather(post(by), post(by))
        await asyncio.sleep(0.4)
        assert server.commands.count("QUIT") == 2
        for _ in range(7):
            await post(by)
        await by.close()
        assert server.connections == 2 + 3


async def test_close_lets_what_is_under_way_end() -> None:
    async with serving(faults={"DOT": ["wait 0.3"]}) as server:
        by = transport(server.port)
        under_way = asyncio.create_task(post(by))
        await server.kept.wait()
        await by.close()
        assert under_way.done()
        assert "kept" in await under_way
        await asyncio.sleep(0.05)
        assert server.commands.count("QUIT") == 1


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(loop: str, scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(scenario)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("security", "wanted"), [("none", True), ("none", False), ("starttls", True), ("tls", True), ("tls", False)]
)
def test_d5_the_dot_of_a_large_message_waits_for_the_last_look_and_that_for_the_server(
    authority: trustme.CA, trusted: str, loop: str, security: str, wanted: bool
) -> None:
    """A worker that is stopped while the server reads must not send, on waking, what is another's by now."""
    tls = None if security == "none" else certificate(authority, "127.0.0.1")

    async def scenario() -> None:
        async with serving(faults={"DATA": ["stall 0.4"]}, tls=tls, implicit=security == "tls") as server:
            by = transport(server.port, security=security, ca_file=trusted, timeout=20)
            asked: list[float] = []
            begun: list[float] = []

            async def started() -> bool:
                begun.append(asyncio.get_running_loop().time())
                return True

            def still() -> bool:
                asked.append(asyncio.get_running_loop().time())
                return wanted

            if wanted:
                await post(by, data=LARGE, started=started, still=still)
            else:
                with pytest.raises(NotStarted):
                    await post(by, data=LARGE, started=started, still=still)
            assert [at - begun[0] > 0.3 for at in asked] == [True]
            await post(by)
            await by.close()
            assert [message.data for message in server.received] == ([LARGE, DATA] if wanted else [DATA])

    run(loop, scenario())


@pytest.mark.parametrize("loop", LOOPS)
def test_d5_a_small_message_is_looked_at_once_more_before_any_of_it_goes(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            by = transport(server.port)
            with pytest.raises(NotStarted):
                await post(by, still=lambda: False)
            await post(by)
            await by.close()
            assert [message.data for message in server.received] == [DATA]
            assert server.connections == 2

    run(loop, scenario())


async def test_dots_at_the_beginning_of_lines_arrive_as_they_were() -> None:
    bodies = [b".\r\n", b"..\r\n.\r\n", b"a\r\n.\r\n.b\r\n", b"end without a line end", b".", b"a\r\n.\r\n" * 9000]
    async with serving() as server:
        by = transport(server.port)
        for body in bodies:
            await post(by, data=body)
        await by.close()
        assert [message.data for message in server.received] == [
            body if body.endswith(b"\r\n") else body + b"\r\n" for body in bodies
        ]


async def test_no_line_end_but_the_protocols_ends_a_message() -> None:
    """Servers that take a bare line feed for a line end would read a second message out of the first."""
    read = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        for reply in (b"220 x", b"250 x", b"250 x", b"250 x", b"354 x"):
            writer.write(reply + b"\r\n")
            if reply != b"354 x":
                await reader.readline()
        read = await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 kept\r\n")
        await reader.readline()
        writer.write(b"221 bye\r\n")
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        by = transport(server.sockets[0].getsockname()[1])
        await post(by, data=b"a\n.\nMAIL FROM:<x@example.org>\r\n.\nb\r\n")
        await by.close()
    assert read == b"a\n..\nMAIL FROM:<x@example.org>\r\n..\nb\r\n.\r\n"
