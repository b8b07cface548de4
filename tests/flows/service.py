"""A service as an operator has it: a folder of files, `reminders run` as a process of its own, a relay as another.

Nothing of it runs inside the test, which writes files, sends signals, asks over HTTP, and reads the store and what the
relay kept. Dates are written relative to the present.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from reminders.clock import SystemClock
from reminders.store import ledger
from reminders.store.engine import Store
from reminders.store.ledger import Record
from reminders.store.schema import open_store

CHECKOUT = Path(__file__).parents[2]
PUBLIC = "https://dates.example.org"
REMINDERS = ("-c", "from reminders.cli import main; main()")
"""The command line, in the interpreter of the tests."""
PATIENCE = 30.0
"""Seconds after which what should have happened did not."""

RULES = """\
kinds:
  closes: {label: Applications close, deadline: true}
  course: {label: Course}
rules:
  - {id: closes-2h, about: closes, send: 2 hours before}
  - {id: course-1d, about: course, send: 24 hours before}
"""
FEEDS = "feeds:\n  all: {title: All dates}\n"
FAR_OFF = "events:\n  - {id: far-off, title: Something in years, dates: {course: 2099-06-01T09:00}}\n"
"""A catalogue that mails nobody: what is published before anything is due."""

Answer = TypeVar("Answer")


def wait_for(what: Callable[[], Answer], seconds: float = PATIENCE) -> Answer:
    """Ask until the answer is true, and give it back. Fails when it never is."""
    end = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain; the last answer: {answer!r}"
        time.sleep(0.02)
    return answer


def time_from_now(**length: float) -> str:
    """A date as staff write it, so long from now (to the minute before)."""
    return f"{SystemClock().now() + timedelta(**length):%Y-%m-%dT%H:%MZ}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that the relay accepted."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server process. `file` outlives it: another one may go on with it."""

    port: int
    file: Path

    def kept(self) -> list[Kept]:
        """What it accepted so far, in order."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        read = [json.loads(line) for line in lines]
        return [
            Kept(line["sender"], tuple(line["recipients"]), line["data"].encode("utf-8", "surrogateescape"))
            for line in read
        ]


@contextmanager
def relay(file: Path, port: int = 0, *options: str) -> Iterator[Relay]:
    """A relay for as long as the block runs; `options` are those of `tests.edges.smtpd`."""
    command = [sys.executable, "-m", "tests.edges.smtpd", str(file), str(port), *options]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Relay(int(process.stdout.readline()), file)
        finally:
            process.kill()


@dataclass
class Running:
    """A daemon that was started. `log` is what it printed."""

    process: subprocess.Popen[bytes]
    log: Path

    def printed(self) -> str:
        return self.log.read_text()

    @property
    def address(self) -> str:
        """Where its pages are, once it has said so; "" before."""
        lines = [line for line in self.printed().splitlines() if line.startswith("Pages and feeds: ")]
        return lines[0].removeprefix("Pages and feeds: ") if lines else ""

    def get(self, path: str) -> httpx2.Response:
        """One of its pages; `path` may be a public address."""
        return httpx2.get(self.address + path.removeprefix(PUBLIC), trust_env=False, timeout=10)

    def post(self, path: str, form: dict[str, str]) -> httpx2.Response:
        return httpx2.post(self.address + path.removeprefix(PUBLIC), data=form, trust_env=False, timeout=10)

    def answers(self) -> bool:
        """Whether its pages are served."""
        assert self.process.poll() is None, f"it ended by itself:\n{self.printed()}"
        try:
            return bool(self.address) and self.get("/healthz").status_code in (200, 503)
        except httpx2.TransportError:
            return False

    def health(self) -> dict[str, Any]:
        """What /readyz says."""
        told: dict[str, Any] = self.get("/readyz").json()
        return told

    def stop(self) -> int:
        """Ask it to end in good order (SIGTERM); its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@dataclass
class Place:
    """The folder of a service. `environment` is what it is given beside PATH."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: int = 0

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def write(self, name: str, text: str) -> None:
        """Write a file of the config folder."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def settings(self, smtp_port: int, **more: object) -> None:
        """Write reminders.yaml: mails go to the relay on this port, and files are taken as they are at each tick."""
        usual: dict[str, object] = {
            "public_url": PUBLIC,
            "mail_from": "dates@example.org",
            "smtp_host": "127.0.0.1",
            "smtp_port": smtp_port,
            "smtp_security": "none",
            "rate": 0,
            "host": "127.0.0.1",
            "port": 0,
            "settle": 0,
            "tick": 1,
        }
        self.write("reminders.yaml", "".join(f"{key}: {value}\n" for key, value in (usual | more).items()))

    def event(self, id: str, kind: str, when: str, title: str = "Talking to families") -> None:
        """Write a file with one event that has one date."""
        self.write(f"events/{id}.yaml", f"events:\n  - {{id: {id}, title: {title}, dates: {{{kind}: {when}}}}}\n")

    def people(self, members: Sequence[str], listed: Sequence[str] = ()) -> None:
        """Write who is invited to everything: `members` in audiences.yaml, `listed` in a list of its own."""
        text = "audiences:\n  doctors:\n    label: Doctors in training\n    members:\n"
        text += "".join(f"      - {{address: {address}, name: {_name(address)}}}\n" for address in members)
        if listed:
            text += "  listed:\n    label: On the list\n    members_from: people.example.csv\n"
            rows = "".join(f"{address},{_name(address)}\n" for address in listed)
            self.write("people.example.csv", f"address,name\n{rows}")
        self.write("audiences.yaml", text)

    def begin(self) -> None:
        """Make the store, and publish what mails nobody: what comes later is news to it."""
        self.write("rules.yaml", RULES)
        self.write("feeds.yaml", FEEDS)
        self.write("events/far-off.yaml", FAR_OFF)
        self.command("db", "init")
        self.command("refresh")

    def command(self, *words: str) -> str:
        """What a command prints. Fails when it does."""
        command = [sys.executable, *REMINDERS, *words, "--config", str(self.config)]
        done = subprocess.run(command, env=self._environment(), cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"reminders {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, program: Sequence[str] = REMINDERS, *options: str) -> Running:
        """Start `reminders run` with these options; whoever does must end it."""
        self.started += 1
        log = self.folder / f"run-{self.started}.log"
        command = [sys.executable, *program, "run", *options, "--config", str(self.config)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=self._environment(), cwd=self.folder, stdout=output, stderr=subprocess.STDOUT
            )
        return Running(process, log)

    @contextmanager
    def running(self) -> Iterator[Running]:
        """`reminders run` once it answers. At the end it must stop in good order, without any traceback."""
        daemon = self.start()
        try:
            wait_for(daemon.answers)
            yield daemon
            assert daemon.process.poll() is not None or daemon.stop() == 0, daemon.printed()
            assert "Traceback" not in daemon.printed(), daemon.printed()
            for secret in ("/unsubscribe/", "/you/", "/my/"):
                assert secret not in daemon.printed(), "the log holds the address of something that is one person's"
        finally:
            daemon.kill()

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Its store, opened beside whatever runs."""
        store = open_store(f"sqlite:///{self.folder / 'var' / 'reminders.sqlite'}")
        try:
            yield store
        finally:
            store.close()

    def records(self) -> list[Record]:
        """Everything in the outbox, oldest first, with its history and attempts."""
        with self.store() as store, store.reading() as tx:
            ids = sorted(row.id for row in ledger.listing(tx, limit=100_000))
            return [record for id in ids if (record := ledger.show(tx, id)) is not None]

    def _environment(self) -> dict[str, str]:
        zone = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **zone, **self.environment}


def _name(address: str) -> str:
    return address.partition("@")[0].capitalize()
