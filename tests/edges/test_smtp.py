"""The SMTP transport against a real server: every failure is told by how far the message had got."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from reminders.errors import DeliveryError, Verdict, WrongUse
from reminders.mail.envelope import Envelope, NotStarted
from reminders.mail.smtp import SmtpTransport
from tests.edges.smtpd import LOSE, SILENCE, Server, serving

DATA = b"From: reminders@example.org\r\nTo: amina@example.org\r\nSubject: x\r\n\r\nHello\r\n.dot\r\n..\r\n"
SENDER, RECIPIENT = "reminders@example.org", "amina@example.org"


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def transport(server: Server, **settings: Any) -> SmtpTransport:
    usual: dict[str, Any] = {"security": "none", "timeout": 5.0}
    return SmtpTransport("127.0.0.1", server.port, **(usual | settings))


async def send(by: SmtpTransport, *, started: Callable[[], Awaitable[bool]] = yes, to: str = RECIPIENT) -> str:
    return (await by.send(DATA, Envelope(SENDER, to), started, lambda: True)).reply


async def test_a_message_arrives_byte_for_byte_for_one_recipient() -> None:
    async with serving() as server:
        by = transport(server)
        assert "kept" in await send(by)
        await by.close()
    (message,) = server.received
    assert message.data == DATA
    assert (message.sender, message.recipients) == (SENDER, [RECIPIENT])


async def test_one_connection_serves_many_messages() -> None:
    async with serving() as server:
        by = transport(server)
        await by.open()
        for _ in range(5):
            await send(by)
        await by.close()
    assert (server.connections, len(server.received)) == (1, 5)


@pytest.mark.parametrize(
    ("step", "fault", "phase", "code", "verdict"),
    [
        ("CONNECT", "421 4.3.2 too busy", "connect", 421, Verdict.PAUSE),
        ("CONNECT", "554 5.7.1 not you", "connect", 554, Verdict.FAULT),
        ("CONNECT", LOSE, "connect", 0, Verdict.PAUSE),
        ("EHLO", "451 4.3.0 not now", "connect", 451, Verdict.PAUSE),
        ("EHLO", LOSE, "connect", 0, Verdict.PAUSE),
        ("MAIL", "450 4.7.1 too much mail", "mail", 450, Verdict.PAUSE),
        ("MAIL", "421 4.7.0 closing", "mail", 421, Verdict.PAUSE),
        ("MAIL", "530 5.7.0 log in first", "mail", 530, Verdict.FAULT),
        ("MAIL", "552 5.3.4 too big", "mail", 552, Verdict.FINAL),
        ("MAIL", LOSE, "mail", 0, Verdict.PAUSE),
        ("RCPT", "451 4.7.1 greylisted", "rcpt", 451, Verdict.RETRY),
        ("RCPT", "452 4.2.2 full", "rcpt", 452, Verdict.RETRY),
        ("RCPT", "421 4.7.0 closing", "rcpt", 421, Verdict.PAUSE),
        ("RCPT", "550 5.1.1 no such person", "rcpt", 550, Verdict.FINAL),
        ("RCPT", LOSE, "rcpt", 0, Verdict.RETRY),
        ("DATA", "451 4.3.0 not now", "data", 451, Verdict.RETRY),
        ("DATA", "554 5.7.1 no", "data", 554, Verdict.FINAL),
        ("DATA", LOSE, "data", 0, Verdict.RETRY),
        ("DOT", "450 4.3.0 try later", "dot", 450, Verdict.RETRY),
        ("DOT", "554 5.6.0 spam", "dot", 554, Verdict.FINAL),
        ("DOT", LOSE, "dot", 0, Verdict.DOUBT),
    ],
)
async def test_a_failure_is_told_with_its_phase_and_the_next_message_goes_through(
    step: str, fault: str, phase: str, code: int, verdict: Verdict
) -> None:
    async with serving(faults={step: [fault]}) as server:
        by = transport(server)
        with pytest.raises(DeliveryError) as failure:
            await send(by)
        assert (failure.value.phase, failure.value.code, failure.value.verdict) == (phase, code, verdict)
        if code:
            assert fault[4:] in failure.value.reply
        else:
            assert failure.value.reply
        kept = len(server.received)
        assert kept == (1 if phase == "dot" else 0)
        assert "kept" in await send(by)
        assert len(server.received) == kept + 1
        await by.close()


@pytest.mark.parametrize("step", ["CONNECT", "MAIL", "RCPT", "DATA", "DOT"])
async def test_a_silent_server_is_left_when_the_time_of_one_message_is_over(step: str) -> None:
    async with serving(faults={step: [SILENCE]}) as server:
        by = transport(server, timeout=0.3)
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeliveryError) as failure:
            await send(by)
        assert asyncio.get_running_loop().time() - began < 3
        assert failure.value.code == 0
        assert failure.value.phase == ("dot" if step == "DOT" else step.lower())
        assert "0.3 seconds" in failure.value.reply
        await send(by)
        await by.close()


async def test_the_time_the_caller_takes_to_say_yes_is_not_the_servers() -> None:
    async def slow() -> bool:
        await asyncio.sleep(0.6)
        return True

    async with serving() as server:
        by = transport(server, timeout=0.5)
        await send(by, started=slow)
        await by.close()


async def test_the_caller_is_asked_once_the_recipient_is_accepted_and_before_the_message_goes() -> None:
    async with serving() as server:
        seen: list[tuple[str, int]] = []

        async def started() -> bool:
            seen.append((server.commands[-1], len(server.received)))
            return True

        by = transport(server)
        await send(by, started=started)
        await by.close()
    assert len(seen) == 1
    assert seen[0][1] == 0
    assert any(command.startswith("RCPT") for command in server.commands)


async def test_a_message_stopped_by_the_caller_leaves_no_trace_and_the_connection_is_good() -> None:
    async with serving() as server:
        by = transport(server)
        with pytest.raises(NotStarted):
            await send(by, started=no)
        assert not server.received
        await send(by)
        await by.close()
    assert (server.connections, len(server.received)) == (1, 1)


async def test_an_error_of_the_caller_is_passed_on_and_nothing_was_handed_over() -> None:
    async def broken() -> bool:
        raise RuntimeError("the disk is full")

    async with serving() as server:
        by = transport(server)
        with pytest.raises(RuntimeError, match="disk"):
            await send(by, started=broken)
        assert not server.received
        await send(by)
        await by.close()
    assert len(server.received) == 1


async def test_a_connection_that_went_stale_is_replaced_without_a_word() -> None:
    async with serving(faults={"MAIL": []}) as server:
        by = transport(server)
        await send(by)
        server.fail("MAIL", "421 4.4.2 idle too long")
        await send(by)
        server.fail("MAIL", LOSE)
        await send(by)
        await by.close()
    assert (server.connections, len(server.received)) == (3, 3)


async def test_after_a_refused_recipient_the_same_connection_is_used() -> None:
    async with serving(faults={"RCPT": ["550 5.1.1 no such person"]}) as server:
        by = transport(server)
        with pytest.raises(DeliveryError):
            await send(by)
        await send(by)
        await by.close()
    assert server.connections == 1


async def test_a_failing_goodbye_changes_nothing() -> None:
    async with serving(faults={"QUIT": [LOSE]}) as server:
        by = transport(server)
        await send(by)
        await by.close()
        await by.close()
    assert len(server.received) == 1


async def test_two_messages_at_once_never_share_a_recipient() -> None:
    async with serving() as server:
        by = transport(server)
        people = [f"p{number}@example.org" for number in range(20)]
        await asyncio.gather(*(send(by, to=person) for person in people))
        await by.close()
    assert sorted(message.recipients for message in server.received) == sorted([person] for person in people)


async def test_a_cancelled_message_takes_its_connection_with_it() -> None:
    async with serving(faults={"DOT": [SILENCE]}) as server:
        by = transport(server)
        task = asyncio.create_task(send(by))
        await server.kept.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await send(by)
        await by.close()
    assert server.connections == 2


async def test_no_server_at_all_is_a_fault_of_the_transport() -> None:
    async with serving() as server:
        pass
    with pytest.raises(DeliveryError) as failure:
        await transport(server).open()
    assert (failure.value.phase, failure.value.code, failure.value.verdict) == ("connect", 0, Verdict.PAUSE)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def certificate(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
async def test_a_secured_connection_logs_in_and_sends(
    authority: trustme.CA, trusted: str, security: str, implicit: bool
) -> None:
    tls = certificate(authority, "127.0.0.1")
    async with serving(tls=tls, implicit=implicit, login=("desk", "s3cret")) as server:
        by = transport(server, security=security, ca_file=trusted, user="desk", password="s3cret")
        await send(by)
        await by.close()
    assert len(server.received) == 1


async def test_a_wrong_password_is_a_fault_of_the_transport(authority: trustme.CA, trusted: str) -> None:
    async with serving(tls=certificate(authority, "127.0.0.1"), login=("desk", "s3cret")) as server:
        by = transport(server, security="starttls", ca_file=trusted, user="desk", password="wrong")
        with pytest.raises(DeliveryError) as failure:
            await by.open()
    assert (failure.value.phase, failure.value.code, failure.value.verdict) == ("connect", 535, Verdict.FAULT)


@pytest.mark.parametrize(("security", "implicit"), [("starttls", False), ("tls", True)])
@pytest.mark.parametrize("fault", ["name", "authority"])
async def test_a_certificate_that_does_not_fit_ends_the_connection(
    authority: trustme.CA, trusted: str, security: str, implicit: bool, fault: str
) -> None:
    tls = certificate(authority, "other.example.org") if fault == "name" else certificate(trustme.CA(), "127.0.0.1")
    async with serving(tls=tls, implicit=implicit) as server:
        by = transport(server, security=security, ca_file=trusted)
        with pytest.raises(DeliveryError) as failure:
            await by.open()
        assert failure.value.phase == "connect"
        assert "certificate" in failure.value.reply
        assert not server.received


async def test_without_starttls_nothing_is_sent_in_clear() -> None:
    async with serving() as server:
        with pytest.raises(DeliveryError) as failure:
            await send(transport(server, security="starttls"))
        assert failure.value.phase == "connect"
        assert not any(command.startswith("MAIL") for command in server.commands)


def test_a_password_is_never_set_up_to_travel_in_clear() -> None:
    with pytest.raises(WrongUse, match="in clear"):
        SmtpTransport("mail.example.org", 25, security="none", user="desk", password="s3cret")
    with pytest.raises(WrongUse, match="nowhere"):
        SmtpTransport("mail.example.org", 587, ca_file="/nowhere.pem")


async def test_an_address_that_needs_smtputf8_goes_only_where_it_is_offered() -> None:
    async with serving() as server:
        by = transport(server)
        await send(by, to="zoë@example.org")
        await by.close()
    (message,) = server.received
    assert message.recipients == ["zoë@example.org"]
    assert "SMTPUTF8" in message.options
    async with serving(smtputf8=False) as server:
        by = transport(server)
        with pytest.raises(DeliveryError, match="SMTPUTF8") as failure:
            await send(by, to="zoë@example.org")
        assert failure.value.verdict is Verdict.FINAL
        await send(by)
        await by.close()


async def test_a_domain_of_many_letters_travels_as_dns_has_it() -> None:
    async with serving(smtputf8=False) as server:
        by = transport(server)
        await send(by, to="amina@bücher.example.org")
        await by.close()
    assert server.received[0].recipients == ["amina@xn--bcher-kva.example.org"]


@pytest.mark.parametrize("address", ["", "nobody", "a@x.org, b@x.org", "a@x.org>\r\nRCPT TO:<b@x.org", "a b@x.org"])
async def test_what_is_not_one_plain_address_is_refused_before_anything_is_said(address: str) -> None:
    async with serving() as server:
        with pytest.raises(DeliveryError) as failure:
            await send(transport(server), to=address)
    assert failure.value.verdict is Verdict.FINAL
    assert server.connections == 0


async def test_an_endless_reply_is_cut_off() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        try:
            while True:
                writer.write(b"250-and another thing\r\n" * 1000)
                await writer.drain()
        except ConnectionError:
            writer.close()

    listening = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with listening:
        by = transport(Server(port=listening.sockets[0].getsockname()[1]), timeout=2)
        with pytest.raises(DeliveryError) as failure:
            await by.open()
        assert failure.value.phase == "connect"
