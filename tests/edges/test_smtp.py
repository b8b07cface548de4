"""The SMTP transport against a real server that behaves; what others do to it is in the tests of the peer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

from reminders.errors import DeliveryError, Verdict, WrongUse
from reminders.mail.envelope import Envelope, NotStarted
from reminders.mail.smtp import SmtpTransport
from tests.edges.smtpd import LOSE, SILENCE, Server, certificate, serving

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
