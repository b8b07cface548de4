"""Mails end to end: claimed, asked again, composed, fenced, handed over, settled, one in doubt at a time (W = 1)."""

from __future__ import annotations

import asyncio
import json
import os
import smtplib
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure, Scale, Series, in_turns, milliseconds
from benchmarks.invented import write_people
from benchmarks.process import PYTHON, line_of, started
from benchmarks.service import service
from reminders.clock import FixedClock
from reminders.jobs import workers
from reminders.jobs.deliver import deliver, transport_of
from reminders.jobs.refresh import refresh
from reminders.jobs.remind import remind

PUBLISHED = datetime(2030, 1, 7, 9, tzinfo=UTC)
DUE = datetime(2030, 2, 1, 9, 30, tzinfo=UTC)
EVENT = """events:
  - id: talking-2030
    title: "Leadership in Practice: Having Difficult Conversations"
    level: 2
    provider: Health Education England
    categories: [course]
    description: A day with colleagues from other trusts, with time for questions and for one's own cases.
    link: https://www.example.org/talking
    contact: education@example.org
    source: {page: Leadership Learning, quote: "Having Difficult Conversations - 15/02/30", checked: 2030-01-07}
    dates:
      course: {when: 2030-02-15, location: Newcastle, note: Bring a case of your own}
"""
RELAY = """smtp_host: 127.0.0.1
smtp_port: {port}
smtp_security: none
mail_from: dates@example.org
public_url: https://dates.example.org
"""


def figures(scale: Scale) -> Iterator[Figure]:
    """The same reminder to many people: into a folder, and to a mail server that is a process of its own."""
    with TemporaryDirectory(prefix="reminders-") as name:
        folder, kept = Path(name), Path(name) / "kept.jsonl"
        sink, log = [PYTHON, "-m", "tests.edges.smtpd", str(kept)], Path(name) / "sink.log"
        with started(sink, log=log) as process:
            port = int(line_of(process, "", log))
            relay = RELAY.format(port=port)
            text, html, size = _parts(_sent(folder, kept, relay))
            rounds = min(scale.rounds, 3)
            synced, written, sent, plain = in_turns(
                rounds,
                lambda: _synced(folder / "synced"),
                lambda: _rate(folder, scale.mails, ""),
                lambda: _rate(folder, scale.mails, relay),
                lambda: _plain_rate(port, scale.mails, text, html),
            )
        lines = kept.read_bytes().count(b"\n")
        assert lines == 1 + 2 * (rounds + 1) * scale.mails, f"{lines} messages came to the sink"
    yield Figure(
        Series("a write that is on the disk (fdatasync); each mail waits for three of the outbox", "ms", synced)
    )
    what = "EmailMessage and smtplib, the same text to the same server, no templates and no outbox"
    yardstick = Series(what, "messages/s", plain)
    mails = f"{scale.mails:,} mails of {size / 1000:.1f} kB"
    yield Figure(Series(f"{mails} to an SMTP server that writes each to its disk", "messages/s", sent), yardstick)
    yield Figure(Series(f"{mails} to the outbox folder", "messages/s", written), yardstick)


def _synced(path: Path) -> float:
    """Milliseconds until a page added to a file is on the disk."""
    with path.open("wb", buffering=0) as file:

        def add() -> None:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())

        return statistics.median(milliseconds(add) for _ in range(50))


def _rate(folder: Path, mails: int, settings: str) -> float:
    """Messages per second of one pass over a new outbox."""
    with TemporaryDirectory(dir=folder) as name:
        config = Path(name) / "config"
        (config / "events").mkdir(parents=True)
        (config / "events" / "one.yaml").write_text(EVENT, encoding="utf-8")
        write_people(config, mails)
        with service(config, f"{settings}settle: 0\nrate: 0\nbrake: off\n") as running:
            refresh(running, PUBLISHED)
            assert remind(running, DUE).owed == mails
            with workers.working(running.data) as owner:
                start = time.perf_counter()
                done = asyncio.run(deliver(running, transport_of(running), FixedClock(DUE), owner))
                elapsed = time.perf_counter() - start
        assert done.sent == mails, done
    return mails / elapsed


def _sent(folder: Path, kept: Path, relay: str) -> bytes:
    """One mail as the server got it."""
    _rate(folder, 1, relay)
    data: str = json.loads(kept.read_text(encoding="utf-8"))["data"]
    return data.encode()


def _parts(data: bytes) -> tuple[str, str, int]:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content(), len(data)


def _plain_rate(port: int, mails: int, text: str, html: str) -> float:
    """Messages per second of a loop such as anybody would write."""
    start = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(mails):
            message = EmailMessage()
            message["From"] = "Deadline reminders <dates@example.org>"
            message["To"] = f"Person {number} <person{number:05}@example.org>"
            message["Subject"] = "Course on 15 February 2030: Leadership in Practice"
            message["Date"] = DUE
            message["Message-ID"] = f"<{number}@example.org>"
            message["List-Unsubscribe"] = f"<https://dates.example.org/unsubscribe/{number:032}>"
            message.set_content(text)
            message.add_alternative(html, subtype="html")
            client.send_message(message)
    return mails / (time.perf_counter() - start)
