"""What the tests of the mail server on the other side share: a message, how it is posted, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from reminders.mail.envelope import Envelope
from reminders.mail.smtp import SmtpTransport

SENDER, RECIPIENT = "reminders@example.org", "amina@example.org"
DATA = b"From: reminders@example.org\r\nTo: amina@example.org\r\nSubject: x\r\n\r\nHello\r\n.dot\r\n..\r\n"


async def yes() -> bool:
    return True


async def post(
    by: SmtpTransport,
    to: str = RECIPIENT,
    *,
    data: bytes = DATA,
    id: str = "",
    started: Callable[[], Awaitable[bool]] = yes,
    still: Callable[[], bool] = lambda: True,
) -> str:
    """Hand over a message; the reply that accepts it."""
    return (await by.send(data, Envelope(SENDER, to, id), started, still)).reply


@asynccontextmanager
async def talking(at: str, does: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that behaves until the step `at` (CONNECT, EHLO, MAIL, RCPT, DATA, DOT) and then `does`; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(step: str, usual: bytes) -> None:
            if step == at:
                await does(writer)
            else:
                writer.write(usual)
                await writer.drain()

        try:
            await answer("CONNECT", b"220 mail.example.org\r\n")
            while line := await reader.readline():
                step = line[:4].decode().upper().strip()
                await answer(step, b"354 go on\r\n" if step == "DATA" else b"250 OK\r\n")
                if step == "DATA":
                    while await reader.readline() not in (b".\r\n", b""):
                        pass
                    await answer("DOT", b"250 kept\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
