"""Postfix's own test server, written by others than our own: it takes our messages byte for byte.

SMTP_SINK may name the program where it is not on PATH.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.mail.envelope import Envelope
from reminders.mail.smtp import SmtpTransport

MESSAGE = (
    b"From: dates@example.org\r\nTo: amina@example.org\r\nSubject: A dot\r\nMessage-ID: <%d@example.org>\r\n\r\n"
    b"..\r\n.\r\nA line\r\n.leading\r\n"
)


def program() -> str:
    found = os.environ.get("SMTP_SINK") or shutil.which("smtp-sink", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("REQUIRE_SMTP_SINK") == "1":
            pytest.fail("REQUIRE_SMTP_SINK=1, but there is no smtp-sink")
        pytest.skip("smtp-sink, which comes with Postfix, is not installed; SMTP_SINK may name it")
    return found


@pytest.fixture
def sink(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that keeps each message in a file of its own, with the options the test asks for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    as_somebody = ["-u", "nobody"] if os.getuid() == 0 else []
    if as_somebody:
        shutil.chown(tmp_path, "nobody")
        for folder in tmp_path.parents:
            if folder.owner() == "root" and not folder.stat().st_mode & 0o001:
                folder.chmod(0o711)  # pytest's own folders, which are closed to others
    command = [
        program(),
        *as_somebody,
        *getattr(request, "param", []),
        "-d",
        f"{tmp_path}/mail.",
        f"127.0.0.1:{port}",
        "10",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(100):
            time.sleep(0.05)
            with socket.socket() as asked:
                if process.poll() is not None or asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield port
        process.terminate()


async def send(port: int, *numbers: int) -> None:
    async def started() -> bool:
        return True

    envelope = Envelope("dates@example.org", "amina@example.org")
    transport = SmtpTransport("127.0.0.1", port, security="none", timeout=10)
    try:
        for number in numbers:
            await transport.send(MESSAGE % number, envelope, started, lambda: True)
    finally:
        await transport.close()


def test_every_message_arrives_as_it_was_written_over_one_connection(sink: int, tmp_path: Path) -> None:
    asyncio.run(send(sink, 1, 2, 3))
    kept = sorted(path.read_bytes().replace(b"\r\n", b"\n") for path in tmp_path.glob("mail.*"))
    bodies = [data[data.index(b"From: dates") :].removesuffix(b"\n\n") for data in kept if b"From: dates" in data]
    expected = [(MESSAGE % number).replace(b"\r\n", b"\n") for number in (1, 2, 3)]
    assert sorted(body.rstrip(b"\n") for body in bodies) == sorted(each.rstrip(b"\n") for each in expected)


@pytest.mark.parametrize(
    ("sink", "phase", "verdict"),
    [
        (["-r", "mail"], "mail", Verdict.PAUSE),
        (["-f", "rcpt"], "rcpt", Verdict.FINAL),
        (["-r", "."], "dot", Verdict.RETRY),
        (["-q", "."], "dot", Verdict.DOUBT),
    ],
    ids=["sender later", "recipient never", "message later", "hangs up after the message"],
    indirect=["sink"],
)
def test_each_refusal_is_told_by_its_phase(sink: int, phase: str, verdict: Verdict) -> None:
    with pytest.raises(DeliveryError) as error:
        asyncio.run(send(sink, 1))
    assert (error.value.phase, error.value.verdict) == (phase, verdict)
