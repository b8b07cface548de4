"""A clock that a test sets under running programs: theirs alone, and only what it shows. See `clockshim.c`."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reminders.clock import SystemClock

SOURCE = Path(__file__).with_name("clockshim.c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


def compiled(folder: Path) -> Path:
    """The library in `folder`. Skips without a compiler, unless REQUIRE_CC says that there is one."""
    if COMPILER is None:
        assert not os.environ.get("REQUIRE_CC"), "no C compiler"
        pytest.skip("no C compiler is installed")
    library = folder / "clockshim.so"
    subprocess.run([COMPILER, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


@dataclass
class SetClock:
    """The clock of the programs that run with its `environment`."""

    library: Path
    file: Path
    moved: timedelta = timedelta()
    passed: timedelta = timedelta()

    def __post_init__(self) -> None:
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCKSHIM": str(self.file)}

    def now(self) -> datetime:
        """What it shows."""
        return SystemClock().now() + self.moved

    def set(self, by: timedelta) -> None:
        """Move it, as a person or NTP would."""
        self.moved += by
        self._write()

    def let_pass(self, length: timedelta) -> None:
        """So much time passes, on the clock and since the machine was started; nobody waits for it."""
        self.moved += length
        self.passed += length
        self._write()

    def _write(self) -> None:
        data = struct.pack("=qq", *(round(each.total_seconds()) for each in (self.moved, self.passed)))
        with os.fdopen(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:  # never shorter: it is mapped
            file.write(data)
