"""The command line, called as it would be typed, in this process: what it prints, and how it exits."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reminders.cli import main


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def typed(*arguments: str, **variables: str) -> Typed:
    """Call ``reminders`` with these arguments. `variables` are set in the environment meanwhile."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code: int | str | None = 0
    with _environment(variables), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        before, sys.argv = sys.argv, ["reminders", *arguments]
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
    texts = []
    for stream in (out, err):
        stream.flush()
        buffer = stream.buffer
        assert isinstance(buffer, io.BytesIO)
        texts.append(buffer.getvalue().decode())
    assert "Traceback" not in texts[1]
    return Typed(code if isinstance(code, int) else int(bool(code)), *texts)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("REMINDERS_")}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(kept)


def config(folder: Path) -> tuple[str, str]:
    """The option that names the config folder."""
    return "--config", str(folder)
