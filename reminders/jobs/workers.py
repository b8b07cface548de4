"""Who is sending: a worker's name, and how another one knows that it died.

A worker holds a lock on a file of its own for as long as it lives; the operating system lets go of it when the
process ends, however it ends. Whoever finds claims of a worker of this machine whose file is not locked may take
them back at once; claims of other machines are left until their lease runs out.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "workers"


@contextmanager
def working(data: Path) -> Iterator[str]:
    """A name for one sending process, ``<host>:<pid>:<random>``, proved alive for as long as the block runs."""
    host = socket.gethostname().replace(":", "-").replace("/", "-")
    owner = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
    folder = data / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / owner
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield owner
        finally:
            with suppress(OSError):  # one that stays says that its worker is gone, and so it is
                path.unlink(missing_ok=True)


def dead(owners: Iterable[str], data: Path) -> list[str]:
    """Those of `owners` that worked on this machine with this data folder and are gone.

    Their files stay until `bury`: who finds a worker dead, and dies before its claims are taken back, leaves the proof
    to the next.
    """
    host = socket.gethostname().replace(":", "-").replace("/", "-")
    return [owner for owner in owners if owner.startswith(f"{host}:") and _gone(data / FOLDER / owner)]


def bury(owners: Iterable[str], data: Path) -> None:
    """Forget dead workers whose claims have been taken back."""
    for owner in owners:
        (data / FOLDER / owner).unlink(missing_ok=True)


def _gone(path: Path) -> bool:
    try:
        with path.open("r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False  # it worked with another data folder, or ended in good order: its lease will tell
    except BlockingIOError:
        return False
    return True
