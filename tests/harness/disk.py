"""A disk that loses its power: what may be left of files whose writes were not all synced.

A model, more forgetful than any file system in use: what was written since a file's last sync may each be there or not,
whatever its order, or the last of it be torn: what was overwritten between two sectors, what was appended anywhere. A
file is there for certain once it was synced, or its folder was; one that was removed may come back until its folder is
synced.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.harness.tracing import Call

Loss = Literal["dropped", "kept", "random", "torn"]
LOSSES: tuple[Loss, ...] = ("dropped", "kept", "random", "torn")
SECTORS = (512, 4096)
"""What a disk writes whole, in bytes: older ones and newer ones."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something not synced yet: bytes at an offset, or (without bytes) a new length."""

    offset: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """What is on the disk for certain (None: perhaps no file), and what may be."""

    certain: bytearray | None = None
    pending: list[Change] = field(default_factory=list)
    removed: bool = False

    def read(self) -> bytearray:
        return _applied(self.certain, self.pending)

    def sync(self) -> None:
        self.certain, self.pending = self.read(), []


class Disk:
    """The files of one folder, as the calls of a process leave them."""

    def __init__(self, folder: Path, *, without: Iterable[str] = ("-shm",)) -> None:
        self._folder = str(folder)
        self._without = tuple(without)
        self._files: dict[str, File] = {}
        for path in folder.rglob("*"):
            if path.is_file() and (name := self._name(str(path))):
                self._files[name] = File(bytearray(path.read_bytes()))

    def happen(self, call: Call) -> bool:
        """Apply a call. Whether it was one that changes what is on the disk."""
        if call.number < 0:
            return False
        match call.name:
            case "pwrite64" | "write" if name := self._name(call.path):
                file = self._file(name)
                at = int(call.arguments.rpartition(", ")[2]) if call.name == "pwrite64" else len(file.read())
                file.pending.append(Change(at, call.data[: call.number]))
            case "ftruncate" if name := self._name(call.path):
                self._file(name).pending.append(Change(int(call.arguments.rpartition(", ")[2]), None))
            case "fsync" | "fdatasync" if call.path == self._folder or call.path.startswith(f"{self._folder}/"):
                if (name := self._name(call.path)) and name in self._files:
                    self._files[name].sync()
                self._sync_folder(call.path)
            case "openat" if "O_CREAT" in call.arguments and (name := self._name(os.fsdecode(call.data))):
                file = self._file(name)
                if "O_TRUNC" in call.arguments and file.read():
                    file.pending.append(Change(0, None))
            case "unlink" if name := self._name(os.fsdecode(call.data)):
                if name in self._files:
                    self._files[name].removed = True
            case "rename":
                raise ValueError(f"the model knows nothing of renaming yet: {call.arguments[:200]}")
            case _:
                return False
        return True

    def lose(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """The files as they may be found after a power cut at this moment, by name."""
        found: dict[str, bytes] = {}
        for name, file in self._files.items():
            if file.removed and (loss == "kept" or (loss in ("random", "torn") and chance.random() < 0.5)):
                continue
            left = _lost(file, loss, chance)
            if file.certain is None and (loss == "dropped" or (loss == "random" and chance.random() < 0.5)):
                continue
            found[name] = bytes(_applied(file.certain, left))
        return found

    def _file(self, name: str) -> File:
        """The file of that name; one that was removed begins anew."""
        file = self._files.get(name)
        if file is None or file.removed:
            file = self._files[name] = File()
        return file

    def _sync_folder(self, path: str) -> None:
        folder = Path(path.removeprefix(self._folder).lstrip("/"))
        for name, file in list(self._files.items()):
            if Path(name).parent != folder:
                continue
            if file.removed:
                del self._files[name]
            elif file.certain is None:
                file.certain = bytearray()

    def _name(self, path: str) -> str:
        """What a file of the folder is called within it; "" for any other, and for what no recovery reads."""
        inside = path.startswith(f"{self._folder}/") and not path.endswith(self._without)
        return path.removeprefix(f"{self._folder}/") if inside else ""


def _applied(certain: bytearray | None, changes: Iterable[Change]) -> bytearray:
    data = bytearray(certain or b"")
    for each in changes:
        if each.data is None:
            del data[each.offset :]
            data.extend(bytes(each.offset - len(data)))
        else:
            data.extend(bytes(max(0, each.offset - len(data))))
            data[each.offset : each.offset + len(each.data)] = each.data
    return data


def _lost(file: File, loss: Loss, chance: random.Random) -> list[Change]:
    """Which of the changes are on the disk after all."""
    pending = file.pending
    if loss == "dropped" or not pending:
        return []
    if loss == "kept":
        return pending
    sector = chance.choice(SECTORS)
    if loss == "random":
        return [piece for each in pending for piece in _pieces(each, sector) if chance.random() < 0.5]
    *whole, last = pending
    if last.data and last.offset >= len(file.certain or b""):
        return [*whole, Change(last.offset, last.data[: chance.randrange(len(last.data) + 1)])]
    pieces = _pieces(last, sector)
    return [*whole, *pieces[: chance.randrange(len(pieces) + 1)]]


def _pieces(change: Change, sector: int) -> list[Change]:
    """A change as the sectors it meets."""
    if change.data is None:
        return [change]
    pieces, at = [], change.offset
    end = change.offset + len(change.data)
    while at < end:
        to = min(end, (at // sector + 1) * sector)
        pieces.append(Change(at, change.data[at - change.offset : to - change.offset]))
        at = to
    return pieces
