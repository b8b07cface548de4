"""What the tests of the mail server on the other side share: a message, how it is posted, and what became of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from reminders.errors import DeliveryError, Verdict
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


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one message: `verdict` is None, and there is no `phase`, when it was accepted."""

    phase: str
    code: int
    reply: str
    verdict: Verdict | None


async def tell(
    port: int, *recipients: str, sender: str = SENDER, data: bytes = DATA, id: str = "", **settings: Any
) -> list[Told]:
    """Messages to the recipients, one after the other over one transport without TLS."""
    by = SmtpTransport("127.0.0.1", port, security="none", **({"timeout": 10.0} | settings))
    told = []
    for to in recipients:
        try:
            accepted = await by.send(data, Envelope(sender, to, id), yes, lambda: True)
        except DeliveryError as error:
            told.append(Told(error.phase, error.code, error.reply, error.verdict))
        else:
            told.append(Told("", 250, accepted.reply, None))
    await by.close()
    return told


@asynccontextmanager
async def talking(at: str, does: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """A server that behaves until the step `at` (CONNECT, EHLO, MAIL, RCPT, DATA, DOT) and then `does`; its port."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            serving.add(task)

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
            writer.transport.abort()  # closing would wait for what the other side never reads

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await listening.wait_closed()


def program(name: str, variable: str, of: str) -> str:
    """Where a server's program is. Without it the test is skipped, or fails when it is required."""
    found = os.environ.get(variable) or shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get(f"REQUIRE_{variable}") == "1":
            pytest.fail(f"REQUIRE_{variable}=1, but there is no {name}")
        pytest.skip(f"{name}, which comes with {of}, is not installed; {variable} may name it")
    return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def await_port(process: subprocess.Popen[str], port: int) -> None:
    """Wait until the process listens."""
    for _ in range(500):
        with socket.socket() as asked:
            if process.poll() is not None or asked.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    assert process.poll() is None, process.stderr.read() if process.stderr else ""


@contextmanager
def sink(*options: str) -> Iterator[tuple[int, Path]]:
    """Postfix's smtp-sink; its port, and the folder where it keeps each message in a file of its own."""
    found, port = program("smtp-sink", "SMTP_SINK", "Postfix"), free_port()
    with TemporaryDirectory(prefix="reminders-") as folder:
        as_somebody = ["-u", "nobody"] if os.getuid() == 0 else []
        if as_somebody:
            shutil.chown(folder, "nobody")
        command = [found, *as_somebody, *options, "-d", f"{folder}/mail.", f"127.0.0.1:{port}", "10"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            await_port(process, port)
            yield port, Path(folder)
            process.terminate()


def kept(folder: Path) -> list[bytes]:
    """The messages that smtp-sink has in its files, with its own header and what follows them taken off."""
    found = [path.read_bytes().replace(b"\r\n", b"\n") for path in folder.glob("mail.*")]
    return sorted(data[data.index(b"From: ") :].rstrip(b"\n") for data in found if b"\nFrom: " in data)
