"""Ten thousand personal reminders to Postfix's test server: ours beside the fastest there is and what one would write.

The peer is `smtp-sink`, a process of its own on this machine, which throws everything away: what is measured is the
sender. Every sender is a process of its own too, so that its processor time and its peak of memory are its alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.deliver import DUE, EVENT, PUBLISHED
from benchmarks.figure import Figure, Missing, Scale, Series
from benchmarks.invented import write_people
from benchmarks.process import PROJECT, PYTHON, environment, peak
from benchmarks.servers import program
from benchmarks.service import service
from reminders.clock import FixedClock
from reminders.files import read_settings
from reminders.jobs import workers
from reminders.jobs.deliver import Delivered, deliver, transport_of
from reminders.jobs.refresh import refresh
from reminders.jobs.remind import remind
from reminders.jobs.service import Service, data_folder, database_url, read_key
from reminders.process import start as run
from reminders.store.schema import open_store

ROUNDS = 3
SESSIONS, WIDTH = 8, 50
"""Connections of smtp-source, and of ours at the wider window."""
MANY = 100
"""Messages that one commit covers, in the wider window (W)."""
TARGETS = {"smtplib": 5.0, "smtp-source": 0.2}
"""How many times a yardstick ours at W = 100 is to be, with one worker and with two."""
OURS = "ours"
POSTFIX = "apt install postfix; or unpack it, and name the programs in SMTP_SINK and SMTP_SOURCE"
DJANGO = "uv pip install --python .venv/bin/python --group benchmark"
SETTINGS = """smtp_host: 127.0.0.1
smtp_port: {port}
smtp_security: none
smtp_connections: {connections}
mail_from: dates@example.org
public_url: https://dates.example.org
settle: 0
brake: off
rate: 0
in_flight: {window}
"""
PERSON = "Person 0"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender did: messages a second, microseconds of processor a message, MB at its peak, its version."""

    rate: float
    cost: float
    peak: float
    version: str


def figures(scale: Scale) -> Iterator[Figure | Missing]:
    """Every sender once a round, in turns; a first round that does not count, because caches are cold."""
    sink, source = _postfix("smtp-sink"), _postfix("smtp-source")
    if sink is None:
        yield Missing("smtp-sink", POSTFIX)
        return
    mails, rounds = scale.messages, min(scale.rounds, ROUNDS)
    with TemporaryDirectory(prefix="reminders-") as name, _listening(sink) as port:
        folder = Path(name)
        size = _write_templates(folder)
        senders: dict[str, Callable[[], Sent]] = {
            f"{OURS}, W = {MANY}, {WIDTH} connections": lambda: _ours(folder, port, mails, MANY, WIDTH),
            f"{OURS}, two workers of W = {MANY}": lambda: _ours(folder, port, mails, MANY, WIDTH, 2),
            f"{OURS}, W = 1": lambda: _ours(folder, port, mails, 1, 1),
            "smtplib": lambda: _other(folder, port, mails, "smtplib"),
        }
        if source is not None:
            senders["smtp-source"] = lambda: _source(source, port, mails, size)
        if find_spec("django") is not None:
            senders["django"] = lambda: _other(folder, port, mails, "django")
        taken: dict[str, list[Sent]] = {each: [] for each in senders}
        for number in range(rounds + 1):
            for each, send in senders.items():
                found = send()
                if number:
                    taken[each].append(found)
        people, dates = max(1, mails // 10), 100
        peaks = [_ours(folder, port, people * each, MANY, WIDTH, events=each).peak for each in (1, dates)]
    if source is None:
        yield Missing("smtp-source", POSTFIX)
    if "django" not in taken:
        yield Missing("Django", DJANGO)
    yield from _compared(taken, f"{mails:,} mails of {size / 1000:.1f} kB")
    few, many = (
        Series(f"peak of memory, {number:,} mails owed to {people:,} people", "MB", (each,))
        for number, each in zip((people, people * dates), peaks, strict=True)
    )
    yield Figure(many, few)


def _compared(taken: dict[str, list[Sent]], what: str) -> Iterator[Figure]:
    """Each of ours against each yardstick; then what each costs."""
    words = {
        "smtplib": "Jinja, EmailMessage and smtplib, no outbox, {}",
        "smtp-source": f"smtp-source -d, {SESSIONS} sessions, {{}}",
        "django": "Django's send_messages over one connection, no outbox, {}",
    }
    yardsticks = {each: words[each].format(found[0].version) for each, found in taken.items() if each in words}
    for mine, found in ((each, found) for each, found in taken.items() if each not in words):
        for theirs, said in yardsticks.items():
            yield Figure(
                Series(f"{mine}: {what}", "messages/s", tuple(each.rate for each in found)),
                Series(said, "messages/s", tuple(each.rate for each in taken[theirs])),
                ratio_at_least=TARGETS.get(theirs) if f"W = {MANY}" in mine else None,
            )
    for each, found in taken.items():
        said = yardsticks.get(each, each)
        yield Figure(Series(f"processor time, {said}", "us/message", tuple(one.cost for one in found)))
        yield Figure(Series(f"peak of memory, {said}", "MB", tuple(one.peak for one in found)))


def _ours(
    folder: Path, port: int, mails: int, window: int, connections: int, processes: int = 1, events: int = 1
) -> Sent:
    """The product: an outbox of its own that owes everything, and so many workers that deliver it, a process each.

    Everybody is owed a reminder of each of so many `events`.
    """
    with TemporaryDirectory(dir=folder) as name:
        config = Path(name) / "config"
        (config / "events").mkdir(parents=True)
        for number in range(events):
            text = EVENT.replace("talking-2030", f"talking-{number}")
            (config / "events" / f"{number}.yaml").write_text(text, encoding="utf-8")
        write_people(config, mails // events)
        settings = SETTINGS.format(port=port, window=window, connections=connections)
        with service(config, settings + ("per_person: 0\n" if events > 1 else "")) as running:
            refresh(running, PUBLISHED)
            assert remind(running, DUE).owed == mails
        command = [PYTHON, "-m", "benchmarks.delivery", str(config)]
        workers_ = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment()
            )
            for _ in range(processes)
        ]
        for each in workers_:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in workers_:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        found = [json.loads(each.communicate()[0]) for each in workers_]
    # As of the others: without what starting and ending an interpreter takes.
    elapsed = max(each["end"] for each in found) - min(each["start"] for each in found)
    assert sum(each["sent"] for each in found) == mails, found
    busy = sum(each["busy"] for each in found)
    return Sent(mails / elapsed, busy / mails * 1e6, max(each["peak"] for each in found), found[0]["version"])


def _deliver(config: Path) -> None:
    """What `_ours` starts: a worker that delivers when it is told to, and prints what that cost."""
    settings = read_settings(config, {})
    data = data_folder(settings, config)
    store = open_store(database_url(settings, config))
    running = Service(settings, config, store, read_key(settings, data))
    with store.reading() as tx:
        running.book(tx)
    print("ready", flush=True)
    sys.stdin.readline()
    done: list[Delivered] = []

    async def work() -> None:
        with workers.working(running.data) as owner:
            done.append(await deliver(running, transport_of(running), FixedClock(DUE), owner))

    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    run(work())
    end, after = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    store.close()
    assert not done[0].fault, done
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    version = f"Python {sys.version.split()[0]}"
    found = {"sent": done[0].sent, "busy": busy, "peak": peak(), "version": version}
    print(json.dumps(found | {"start": start, "end": end}))  # by a clock that all processes of a machine share


def _other(folder: Path, port: int, mails: int, name: str) -> Sent:
    """One of `benchmarks.senders`."""
    return _measured([PYTHON, "-m", "benchmarks.senders", name, str(port), str(mails)], mails, SENDERS=str(folder))


def _measured(command: Sequence[str], mails: int, **variables: str) -> Sent:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=PROJECT, env=environment(**variables))
    found = json.loads(done.stdout)
    return Sent(mails / found["seconds"], found["busy"] / mails * 1e6, found["peak"], found["version"])


def _source(source: str, port: int, mails: int, size: int) -> Sent:
    """Postfix's own, in C: the ceiling. It makes one message and sends it again and again."""
    command = [source, "-d", "-s", str(SESSIONS), "-m", str(mails), "-l", str(size), f"inet:127.0.0.1:{port}"]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    most = 0.0
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        with suppress(StopIteration):  # on its way out it has no memory any more
            most = max(most, peak(process.pid))
        time.sleep(0.002)
    elapsed = time.perf_counter() - start
    _, status, used = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, process.returncode
    return Sent(mails / elapsed, (used.ru_utime + used.ru_stime) / mails * 1e6, most, "Postfix")


def _postfix(name: str) -> str | None:
    """Where a program of Postfix is; a variable may name it, where it was unpacked and not installed."""
    return os.environ.get(name.upper().replace("-", "_")) or program(name)


@contextmanager
def _listening(sink: str) -> Iterator[int]:
    """The port of an smtp-sink for as long as the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    as_nobody = ["-u", "nobody"] if os.getuid() == 0 else []
    with subprocess.Popen([sink, *as_nobody, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with socket.socket() as asking:
                    if asking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


def _write_templates(folder: Path) -> int:
    """Make templates for the others of a mail of ours, its person's values as holes; the size of the message."""
    with TemporaryDirectory(dir=folder) as name:
        config = Path(name) / "config"
        (config / "events").mkdir(parents=True)
        (config / "events" / "one.yaml").write_text(EVENT, encoding="utf-8")
        write_people(config, 1)
        settings = SETTINGS.format(port=1, window=1, connections=1).replace("smtp_host: 127.0.0.1\n", "")
        with service(config, settings) as running:
            refresh(running, PUBLISHED)
            assert remind(running, DUE).owed == 1
            token = running.token(1)
            with workers.working(running.data) as owner:
                assert asyncio.run(deliver(running, transport_of(running), FixedClock(DUE), owner)).sent == 1
            (file,) = (running.data / "outbox").glob("*.eml")
            data = file.read_bytes()
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for kind, target in (("plain", "TEXT"), ("html", "HTML")):
        part = message.get_body((kind,))
        assert part is not None
        text: str = part.get_content()
        assert text.count(PERSON) == 1
        assert text.count(token) == 2
        (folder / target).write_text(text.replace(PERSON, "{{ name }}").replace(token, "{{ token }}"), encoding="utf-8")
    return len(data)


if __name__ == "__main__":
    _deliver(Path(sys.argv[1]))
