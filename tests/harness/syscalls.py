"""A kill at every system call: of planning, sending, trying again, reloading and migrating.

    python -m tests.harness.syscalls [--path send] [--every 1] [--at fdatasync] [--in-flight 5] [--break FORM]

Each path is walked once to see which calls it makes, and then again and again, killed at the first, the second, … call
of each name before the kernel does it, until a walk comes to its end unharmed. What was killed is finished by one that
nobody disturbs, and must come to what an undisturbed walk came to: the same notices in the same states, the same
entries and feeds, the same tables. A message may have been accepted twice only where the kill lay between its last dot
and the commit that records the answer, which the log of calls shows; each time it went is an attempt in the outbox.

With `--in-flight` several messages are under way at once. All is done in one thread, because strace counts in each by
itself, and with a relay that answers at once the calls come in the same order on each walk; where they do not, a
kill meets another call than was meant, and is judged by the log of its own walk all the same. What this walk has not,
two threads and moments that nobody chose, `kills --in-flight 100` and `power --in-flight 100` have.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import update

from reminders.clock import FixedClock, SystemClock
from reminders.jobs.refresh import refresh
from reminders.jobs.remind import remind
from reminders.store import connections, engine, schema, tables
from tests.harness import broken, scene, tracing, worker
from tests.harness.peer import Kept, Peer, peer
from tests.harness.scene import Scene
from tests.harness.tracing import Call
from tests.harness.verdict import Findings, by_id, by_reminder, extra_copies, finish

MAILS = 3
OLDEST = "0001"
WAITING = ("epoll_wait",)
NAMES = tracing.WRITING + tracing.TALKING + WAITING
DOT = b"\r\n.\r\n"
_ID = re.compile(rb"(?im)^message-id:\s*(<[^>]+>)")
_KEPT = re.compile(rb"kept (<[^>]+>)")


@dataclass(frozen=True, slots=True)
class Walk:
    """A path: what it does in a scene, and what it takes to finish it; both at the instant `now`."""

    made: Scene
    now: datetime
    act: Callable[[Scene, datetime], int]
    in_flight: int


Outcome = dict[str, list[tuple[object, ...]]]
"""What a store came to, by what it is about."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A walk that came to its end, or was killed, and was then finished.

    `code` and `calls` are the walk's own; `outcome` is what it came to, `attempts` how often each message was begun
    since the walk began, by Message-ID, `open` those of which an attempt has no end; `kept` is what was accepted.
    """

    code: int
    calls: list[Call]
    outcome: Outcome
    attempts: Counter[str]
    open: list[str]
    kept: list[Kept]


@dataclass
class Points:
    """What the kills of one path came to; `at_once` is how many messages were in doubt at most when none was killed."""

    met: Counter[str] = field(default_factory=Counter)
    copies: Counter[int] = field(default_factory=Counter)
    at_once: int = 0
    breaches: list[str] = field(default_factory=list)


def send(made: Scene, now: datetime) -> int:
    """what is owed is sent"""
    worker.inline()
    with made.service() as service:
        return worker.send_all(service, FixedClock(now))


def plan(made: Scene, now: datetime) -> int:
    """what is due is owed"""
    with made.service() as service:
        remind(service, now)
    return 0


def reload(made: Scene, now: datetime) -> int:
    """a date that was told has moved, and an event is new"""
    with made.service() as service:
        refresh(service, now)
    return 0


def migrate(made: Scene, now: datetime) -> int:
    """a store of the first version gets today's tables"""
    schema.upgrade(made.url)
    return 0


ACTS: dict[str, Callable[[Scene, datetime], int]] = {
    "plan": plan, "send": send, "retry": send, "reload": reload, "migrate": migrate
}  # fmt: skip


def prepare(path: str, folder: Path, in_flight: int = 1) -> Walk:
    """A scene in which the path can be walked. The first mail goes alone, and then as many as may be at once."""
    now = SystemClock().now()
    made = scene.make(folder, max(MAILS, 1 + in_flight), owed=path != "plan", now=now)
    if path == "retry":
        _doubt(made)
    elif path == "reload":
        with peer(folder / "before.jsonl") as sink:
            scene.settings(made, sink.port)
            worker.ended(*worker.fork(lambda: send(made, now), folder / "lives.log"))
        made.place.event("event-0", "closes", f"{now + timedelta(days=8):%Y-%m-%dT%H:%MZ}", title="Event 0")
        made.place.event("news", "closes", f"{now + timedelta(days=8):%Y-%m-%dT%H:%MZ}", title="News")
        made, now = Scene(folder), now + timedelta(minutes=1)
    elif path == "migrate":
        _age(made)
    return Walk(made, now, ACTS[path], in_flight)


def _doubt(made: Scene) -> None:
    """One mail was refused for now and may be tried again at once, another is in doubt since its worker died."""
    log = made.folder / "lives.log"
    with peer(made.folder / "before.jsonl", "--fault", "RCPT", "451 4.7.1 later", "--hold", "DOT") as sink:
        scene.settings(made, sink.port)
        pid, writing = worker.fork(lambda: worker.live(made), log)
        end = time.monotonic() + 60
        while not sink.held:
            time.sleep(0.01)
            sink.look()
            if time.monotonic() > end:
                raise RuntimeError(f"the worker never sent: {log.read_text()}")
        worker.kill(pid, writing)
    with made.service() as service, service.store.writing() as tx:
        tx.execute(update(tables.outbox).values(next_at=None))


def _age(made: Scene) -> None:
    """Put all that the store holds into tables of the first version."""
    new = made.folder / "var" / "reminders.sqlite"
    newer = new.rename(new.with_name("newer"))
    new.touch()
    old = connections.connect(connections.parse(made.url))
    with engine.Store(old).writing(alone="schema") as tx:
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        command.upgrade(config, OLDEST)
    old.dispose()
    with sqlite3.connect(new) as connection:
        connection.execute("ATTACH ? AS newer", (str(newer),))
        for table in [name for (name,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type='table'")]:
            if table.startswith(("sqlite_", connections.VERSION_TABLE)):
                continue
            columns = ", ".join(f'"{each[1]}"' for each in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    connection.close()
    newer.unlink()


def complete(walk: Walk, made: Scene) -> int:
    """Whatever was left undone: an upgrade, a look at the files, what is due, what is owed."""
    schema.upgrade(made.url)
    with made.service() as service:
        refresh(service, walk.now)
        remind(service, walk.now)
        return worker.send_all(service, FixedClock(walk.now))


def outcome(made: Scene) -> Outcome:
    """What a store came to, as far as it does not depend on how: notices, entries, feeds, versions, tables."""
    with sqlite3.connect(made.folder / "var" / "reminders.sqlite") as connection:
        found = {
            "notices": list(connection.execute("SELECT key, state FROM outbox ORDER BY key")),
            "entries": list(connection.execute("SELECT uid, sequence, text, left_at FROM entry ORDER BY uid")),
            "feeds": list(connection.execute("SELECT name, digest FROM feed ORDER BY name")),
            "versions": list(connection.execute("SELECT event, revision, facts FROM revision ORDER BY 1, 2")),
            "people": list(connection.execute("SELECT address, left_at FROM subscriber ORDER BY 1")),
            "tables": list(connection.execute("SELECT name, sql FROM sqlite_master ORDER BY 1")),
        }
    connection.close()
    return found


def begun(made: Scene) -> list[tuple[str, int, bool]]:
    """Of each notice, in order, its Message-ID, how often it was begun, and whether any attempt has no end."""
    with sqlite3.connect(made.folder / "var" / "reminders.sqlite") as connection:
        found = connection.execute(
            "SELECT outbox.message_id, count(attempt.id), total(attempt.outcome = '') > 0 FROM outbox "
            "LEFT JOIN attempt ON attempt.outbox = outbox.id GROUP BY outbox.id ORDER BY outbox.id"
        ).fetchall()
    connection.close()
    return found


def harass(
    folder: Path, paths: Sequence[str], every: int, at: Sequence[str] = NAMES, in_flight: int = 1, form: str = ""
) -> Findings:
    """Kill each path at every so manieth call of each of these names."""
    if form:
        broken.FORMS[form]()
    begun = time.monotonic()
    figures: dict[str, object] = {"every": every, "in flight": in_flight}
    breaches: list[str] = []
    for path in paths:
        found = _kill_everywhere(path, folder / path, every, at, in_flight)
        figures[f"{path}: kills"] = found.met.total()
        figures |= {f"{path}: kills at {name}": found.met[name] for name in sorted(found.met)}
        figures[f"{path}: kills after which any came twice"] = found.copies.total() - found.copies[0]
        figures[f"{path}: most in doubt at once"] = found.at_once
        figures[f"{path}: most that came twice"] = max(found.copies, default=0)
        breaches += [f"{path}: {each}" for each in found.breaches]
    return Findings(figures | {"seconds": round(time.monotonic() - begun, 1)}, breaches)


def _kill_everywhere(path: str, folder: Path, every: int, at: Sequence[str], in_flight: int) -> Points:
    folder.mkdir()
    walk = prepare(path, folder / "template", in_flight)
    with peer(folder / "mails.jsonl") as sink:
        return _kill_at_each(path, walk, folder, every, at, sink)


def _kill_at_each(path: str, walk: Walk, folder: Path, every: int, at: Sequence[str], sink: Peer) -> Points:
    points = Points()
    unharmed = _walk(walk, folder / "unharmed", (), sink)
    if unharmed.code != 0:
        log = (folder / "unharmed" / "lives.log").read_text()
        raise RuntimeError(f"{path} cannot be walked: {unharmed.code}\n{log}")
    if extra_copies(unharmed.kept):
        points.breaches.append("mailed twice, though nobody was killed")
    calls = unharmed.calls
    points.at_once = max(len(in_window(calls[:number])) for number in range(len(calls) + 1))
    made = Counter(call.name for call in calls)
    for name in sorted(made.keys() & set(at)):
        spared, number = 0, 1
        while True:
            inject = ("-e", f"inject={name}:signal=SIGKILL:when={number}")
            walked = _walk(walk, folder / "killed", inject, sink)
            if walked.code == 0:  # it was over before
                if number >= made[name]:
                    break
                spared += 1
            else:
                where = f"killed at {name} {number}"
                points.met[name] += 1
                points.breaches += [f"{where}: {each}" for each in _judge(walked, unharmed)]
                if (copies := extra_copies(walked.kept)) > walk.in_flight:
                    points.breaches.append(f"{where}: {copies} came twice; the window is {walk.in_flight}")
                points.copies[copies] += 1
            number += every
        # Of several messages under way, which are written together is another matter on each walk.
        if spared > (points.met[name] if walk.in_flight > 1 else 1) and name not in WAITING:
            points.breaches.append(f"{made[name]} calls of {name}, and {spared} walks were over before they met theirs")
    return points


def _walk(walk: Walk, folder: Path, inject: Sequence[str], sink: Peer) -> Walked:
    """Walk a copy of the scene, and finish it."""
    shutil.rmtree(folder, ignore_errors=True)
    made = walk.made.copy(folder)
    scene.settings(made, sink.port, walk.in_flight)
    before = len(sink.messages)
    known = [number for _, number, _ in begun(made)]
    code, calls = tracing.run(lambda: walk.act(made, walk.now), folder, *inject, names=NAMES)
    for _ in range(2):
        if worker.ended(*worker.fork(lambda: complete(walk, made), folder / "lives.log")) == 0:
            break
    sink.look()
    found = begun(made)
    known += [0] * (len(found) - len(known))
    attempts = Counter({id: number - old for (id, number, _), old in zip(found, known, strict=True)})
    return Walked(code, calls, outcome(made), attempts, [id for id, _, open in found if open], sink.messages[before:])


def _judge(walked: Walked, unharmed: Walked) -> Iterator[str]:
    """Every breach that a killed walk shows, a sentence each."""
    if walked.code != -9:
        yield f"ended with {walked.code}"
    for what, wanted in unharmed.outcome.items():
        if walked.outcome[what] != wanted:
            odd = set(map(str, walked.outcome[what])) ^ set(map(str, wanted))
            yield f"other {what} than without: {sorted(odd)[:4]}"
    window = in_window(walked.calls)
    for id, copies in by_id(walked.kept).items():
        if len(copies) > 1 and id not in window:
            yield f"{id} came {len(copies)} times, and its dot and its commit were not where it was"
        if len({each.digest for each in copies}) > 1:
            yield f"{id} came with different bytes"
        if len(copies) > walked.attempts[id]:
            yield f"{id} came {len(copies)} times, with {walked.attempts[id]} attempts recorded"
    yield from (f"an attempt of {id} has no end" for id in walked.open)
    if lost := by_reminder(unharmed.kept).keys() - by_reminder(walked.kept).keys():
        yield f"never came: {sorted(lost)[:4]}"


def in_window(calls: Sequence[Call]) -> set[str]:
    """The Message-IDs whose last dot was sent, and whose answer is on no disk yet when the log ends.

    What records an answer is a commit in whose pages its words stand: the next sync of the log of the store.
    """
    open: set[str] = set()
    written: set[str] = set()
    for call in calls:
        log = call.path.endswith("-wal")
        if call.name in ("sendto", "sendmsg", "write") and call.data.endswith(DOT):
            open |= {found.decode() for found in _ID.findall(call.data)}
        elif call.name == "pwrite64" and log and call.number > 0:
            written |= {found.decode() for found in _KEPT.findall(call.data)}
        elif call.name in ("fdatasync", "fsync") and log and call.number == 0:
            open -= written
    return open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    paths = "; ".join(f"{name}: {act.__doc__}" for name, act in ACTS.items())
    parser.add_argument("--path", nargs="+", choices=ACTS, default=list(ACTS), help=f"which; all of them. {paths}")
    parser.add_argument("--every", type=int, default=1, help="kill at every so manieth call only")
    parser.add_argument("--at", nargs="+", choices=NAMES, default=NAMES, help="at calls of these names only")
    parser.add_argument("--in-flight", type=int, default=1, help="the setting: messages begun at once")
    parser.add_argument("--break", dest="form", default="", choices=broken.FORMS, help="spoil it")
    given = parser.parse_args()
    with scene.scratch() as folder:
        findings = harass(folder, given.path, given.every, given.at, given.in_flight, given.form)
    finish(findings)


if __name__ == "__main__":
    main()
