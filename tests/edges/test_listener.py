"""The listener for delivery reports, asked by real clients: what it takes, what it refuses, when it acknowledges."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reminders.mail import verp
from reminders.mail.listener import Listener
from reminders.mail.reports import SIZE

CASE = Path(__file__).parents[1] / "cases" / "reports" / "postfix-no-such-mailbox.eml"
REPORT = CASE.read_bytes().replace(b"\n", b"\r\n")
KEY = b"k" * 40
BOUNCES = "bounces@dates.example.org"
SIGNED = verp.sender(BOUNCES, verp.sign(KEY, 1))


class Desk:
    """Keeps what it is given, unless there is `trouble`; `slow` is how long that takes, in seconds."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, str]] = []
        self.trouble = False
        self.slow = 0.0
        self.asked = asyncio.Event()

    async def take(self, data: bytes, recipient: str) -> None:
        self.asked.set()
        await asyncio.sleep(self.slow)
        if self.trouble:
            raise OSError("the disk is full")
        self.kept.append((data, recipient))


@asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[Listener]:
    listener = Listener(0, lambda address: verp.is_ours(KEY, BOUNCES, address), desk.take)
    await listener.open()
    try:
        yield listener
    finally:
        await listener.close()


def lmtp(port: int) -> smtplib.SMTP:
    client = smtplib.LMTP("127.0.0.1", port)
    client.ehlo()  # which says LHLO
    return client


def smtp(port: int) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", port, timeout=20)


Client = Callable[[int], smtplib.SMTP]
either = pytest.mark.parametrize("client", [lmtp, smtp])


@either
@pytest.mark.parametrize("recipient", [BOUNCES, SIGNED, SIGNED.upper()])
async def test_a_report_is_taken_as_it_came(client: Client, recipient: str) -> None:
    desk = Desk()

    def send(port: int) -> None:
        with client(port) as server:
            assert server.sendmail("", [recipient], REPORT) == {}
            assert server.sendmail("", [recipient], REPORT) == {}

    async with listening(desk) as listener:
        await asyncio.to_thread(send, listener.port)
    assert desk.kept == [(REPORT, recipient)] * 2


@either
@pytest.mark.parametrize(
    "recipient",
    ["dates@dates.example.org", SIGNED.replace("+1-", "+2-"), SIGNED.replace("dates.", "mail."), "bounces+@x.org"],
)
async def test_a_recipient_that_is_not_ours_is_refused(client: Client, recipient: str) -> None:
    desk = Desk()

    def send(port: int) -> int:
        with client(port) as server, pytest.raises(smtplib.SMTPRecipientsRefused) as error:
            server.sendmail("", [recipient], REPORT)
        return int(error.value.recipients[recipient][0])

    async with listening(desk) as listener:
        assert await asyncio.to_thread(send, listener.port) == 550
    assert desk.kept == []


async def test_one_message_has_one_recipient() -> None:
    desk = Desk()

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with lmtp(port) as server:
            refused: dict[str, tuple[int, bytes]] = server.sendmail("", [SIGNED, BOUNCES], REPORT)
            return refused

    async with listening(desk) as listener:
        assert (await asyncio.to_thread(send, listener.port))[BOUNCES][0] == 452
    assert desk.kept == [(REPORT, SIGNED)]


@either
async def test_what_could_not_be_recorded_is_not_acknowledged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.trouble = True

    def send(port: int) -> int:
        with client(port) as server, pytest.raises(smtplib.SMTPDataError) as error:
            server.sendmail("", [SIGNED], REPORT)
        return int(error.value.smtp_code)

    def send_again(port: int) -> None:
        with client(port) as server:
            server.sendmail("", [SIGNED], REPORT)

    async with listening(desk) as listener:
        assert await asyncio.to_thread(send, listener.port) == 451
        desk.trouble = False
        await asyncio.to_thread(send_again, listener.port)
    assert desk.kept == [(REPORT, SIGNED)]
    assert "the disk is full" in caplog.text
    assert "@" not in caplog.text


async def test_a_line_may_be_longer_than_the_standard_has_it() -> None:
    desk = Desk()
    long = REPORT + b"x" * 5000 + b"\r\n"

    def send(port: int) -> None:
        with smtp(port) as server:
            server.sendmail("", [SIGNED], long)

    async with listening(desk) as listener:
        await asyncio.to_thread(send, listener.port)
    assert desk.kept == [(long, SIGNED)]


async def test_what_is_too_long_is_refused_and_not_held() -> None:
    desk = Desk()

    def send(port: int) -> int:
        with smtp(port) as server, pytest.raises(smtplib.SMTPException) as error:
            server.sendmail("", [SIGNED], REPORT + b"x\r\n" * (SIZE // 3))
        assert isinstance(error.value, smtplib.SMTPResponseException)
        return error.value.smtp_code

    async with listening(desk) as listener:
        assert await asyncio.to_thread(send, listener.port) == 552
    assert desk.kept == []


async def test_a_listener_that_closes_acknowledges_nothing_more() -> None:
    desk = Desk()
    desk.slow = 5

    def send(port: int) -> str:
        try:
            with smtp(port) as server:
                server.sendmail("", [SIGNED], REPORT)
        except (OSError, smtplib.SMTPException):
            return "not acknowledged"
        return "acknowledged"

    async with listening(desk) as listener:
        sending = asyncio.create_task(asyncio.to_thread(send, listener.port))
        await desk.asked.wait()
    assert await sending == "not acknowledged"
    assert (listener.is_open, desk.kept) == (False, [])


async def test_a_port_that_is_taken_is_told_and_nothing_listens_elsewhere_than_on_loopback() -> None:
    async with listening(Desk()) as first:
        second = Listener(first.port, lambda address: True, Desk().take)
        with pytest.raises(OSError, match="address already in use"):
            await second.open()
        assert first._server is not None
        assert [each.getsockname()[0] for each in first._server.sockets] == ["127.0.0.1"]
