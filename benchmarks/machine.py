"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import sqlite3
from typing import Any


def facts() -> dict[str, Any]:
    """Interpreter, system, cores, SQLite, and how busy the last minute was."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "sqlite": sqlite3.sqlite_version,
        "load": round(os.getloadavg()[0], 2),
    }


def words(machine: dict[str, Any]) -> str:
    """The same in a line."""
    return (
        f"{machine['python']} ({machine['compiler']}), SQLite {machine['sqlite']}, {machine['system']}, "
        f"{machine['cores']} cores, {machine['load']:g} busy in the last minute"
    )
