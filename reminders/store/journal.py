"""What was mailed, and who left, in a file beside the database: for the day on which an older database is put back.

One JSON object a line, only ever appended, and on the disk (fdatasync) before anything relies on it. The first line
names the file. A person is a keyed hash of their address. A line that a crash cut off is passed over, and the next one
begins on a line of its own. Positions are bytes from the beginning; they lie between lines.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from reminders.errors import RemindersError
from reminders.planning.notices import Notice, NoticeKind
from reminders.store import connections

FILE = "sent.journal"


class Unwritable(RemindersError):
    """The journal cannot be read or written; later it may be."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a relay accepted: the notice, whose it was (`person`, the hash), and which attempt it was."""

    notice: Notice
    person: str
    message_id: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody unsubscribed."""

    subscriber: int
    person: str
    how: str
    at: datetime


Entry = Sent | Left


@dataclass(frozen=True, slots=True)
class Place:
    """A journal by the name in its first line, and how long it is."""

    identity: str
    size: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line and where the next begins. `entry` is None when it cannot be read."""

    entry: Entry | None
    end: int


class Journal:
    """The journal of one data folder. Several processes and threads may append: each line stays whole.

    Raises `Unwritable` when the file cannot be read or written, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def place(self) -> Place | None:
        """Which journal it is and how long; None while there is none."""
        if not self.path.exists():
            return None
        with self._open(os.O_RDWR, fcntl.LOCK_SH) as file:  # whoever cannot write it is to know at once
            return Place(self._identity(file), os.fstat(file).st_size)

    def begin(self) -> Place:
        """Make the file if there is none, on the disk before anything is to be written to it."""
        with self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as file:
            return Place(self._begin(file), os.fstat(file).st_size)

    def append(self, entries: Sequence[Entry]) -> tuple[str, int, int]:
        """Write these to the disk; the identity, and from where to where they stand. Makes the file if need be."""
        body = "".join(f"{json.dumps(_written(each), ensure_ascii=False)}\n" for each in entries).encode()
        with self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as file:
            identity = self._begin(file)
            start = os.fstat(file).st_size
            if os.pread(file, 1, start - 1) != b"\n":  # what a crash cut off
                body = b"\n" + body
            _write(file, body)
            return identity, start, start + len(body)

    def lines(self, place: Place, start: int) -> Iterator[Line]:
        """The lines from a position to the end that `place` names."""
        with self._told(), self.path.open("rb") as file:
            start = max(start, len(file.readline()))
            file.seek(start)
            while start < place.size and (line := file.readline()):
                start += len(line)
                yield Line(_read(line), min(start, place.size))

    def _begin(self, file: int) -> str:
        """Name a file that is new, or was cut off before its first line was whole."""
        if b"\n" in os.pread(file, 200, 0):
            return self._identity(file)
        os.ftruncate(file, 0)
        identity = secrets.token_hex(8)
        _write(file, f'{{"journal": "{identity}"}}\n'.encode())
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return identity

    def _identity(self, file: int) -> str:
        head, whole, _ = os.pread(file, 200, 0).partition(b"\n")
        if not whole:
            return ""  # a crash cut it off: nothing is in it
        try:
            return str(json.loads(head)["journal"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unwritable(f"{self.path} is damaged, or no journal of this program: move it away") from error

    @contextmanager
    def _open(self, flags: int, lock: int) -> Iterator[int]:
        with self._told():
            file = os.open(self.path, flags | os.O_CLOEXEC, 0o600)
            try:
                self._lock(file, lock)
                yield file
            finally:
                os.close(file)

    def _lock(self, file: int, lock: int) -> None:
        """As long as a database is waited for, and no longer: whoever has it may be frozen, or wait for a dead disk."""
        end = time.monotonic() + connections.PATIENCE
        while True:
            try:
                fcntl.flock(file, lock | fcntl.LOCK_NB)
                return
            except BlockingIOError as error:
                if time.monotonic() > end:
                    patience = f"{connections.PATIENCE:.0f} s"
                    raise Unwritable(
                        f"the journal {self.path} is kept locked by another program for more than {patience}"
                    ) from error
            time.sleep(connections.LOOK)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unwritable(f"the journal {self.path} cannot be read and written ({error.strerror})") from error


def _write(file: int, body: bytes) -> None:
    """All of it in one write, and onto the disk. Raises `OSError`; what was written then counts as cut off."""
    if os.write(file, body) != len(body):
        raise OSError(0, "no space left")
    os.fdatasync(file)


def _written(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Left):
        return {"left": entry.how, "subscriber": entry.subscriber, "person": entry.person, "at": entry.at.isoformat()}
    notice = entry.notice
    return {
        "sent": entry.message_id,
        "number": entry.number,
        "at": entry.at.isoformat(),
        "person": entry.person,
        "kind": notice.kind.value,
        "event": notice.event,
        "date_kind": notice.date_kind,
        "occurrence": notice.occurrence,
        "subscriber": notice.subscriber,
        "fact": notice.fact,
        "due_at": notice.due_at.isoformat(),
        "expires_at": notice.expires_at.isoformat(),
        "rule": notice.rule,
        "before": notice.before,
        "revision": notice.revision,
    }


def _read(line: bytes) -> Entry | None:
    try:
        facts = json.loads(line)
        person, at = str(facts["person"]), _instant(facts["at"])
        if "left" in facts:
            return Left(int(facts["subscriber"]), person, str(facts["left"]), at)
        notice = Notice(
            kind=NoticeKind(facts["kind"]),
            event=str(facts["event"]),
            date_kind=str(facts["date_kind"]),
            occurrence=str(facts["occurrence"]),
            subscriber=int(facts["subscriber"]),
            fact=str(facts["fact"]),
            due_at=_instant(facts["due_at"]),
            expires_at=_instant(facts["expires_at"]),
            rule=str(facts["rule"]),
            before=str(facts["before"]),
            revision=int(facts["revision"]),
        )
        return Sent(notice, person, str(facts["sent"]), int(facts["number"]), at)
    except (ValueError, KeyError, TypeError):
        return None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"an instant without a time zone: {text}")
    return instant
