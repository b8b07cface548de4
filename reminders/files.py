"""The files that staff and operators keep, read from disk.

A config folder holds ``reminders.yaml``, ``rules.yaml``, ``feeds.yaml``, ``audiences.yaml``, lists of people as
``*.csv``, ``events/*.yaml``, and may hold ``templates/``. What belongs to the product (rules, feeds, templates) is
taken from the shipped files where the folder has none, file by file; events and people never are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from reminders.catalogue import shape, strict
from reminders.errors import BadInput, Problem, WrongUse
from reminders.settings import ENVIRONMENT, Settings, secrets

CONFIG = ("rules.yaml", "feeds.yaml", "audiences.yaml")
SHIPPED_TOO = ("rules.yaml", "feeds.yaml")
LARGEST = 5_000_000
OTHER_VARIABLES = {ENVIRONMENT + "CONFIG"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one reading: path relative to the config folder -> content. `digest` names the whole."""

    files: Mapping[str, bytes]
    digest: str


@cache
def shipped(name: str) -> Path:
    """The folder ``config`` or ``templates`` that came with the program: in a wheel, or in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "shipped" / name, here.parent / name):
        if folder.is_dir():
            return folder
    raise WrongUse(f"the program's own {name} folder is missing: install reminders again")


def read_snapshot(config: Path) -> Snapshot:
    """Read everything staff keep, as it is now.

    Raises `BadInput` when a file cannot be read or the folder is not there.
    """
    if not config.is_dir():
        raise BadInput([Problem(str(config), 0, 0, "no such folder", "--config with the folder that holds events/")])
    paths: dict[str, Path] = {}
    for name in SHIPPED_TOO:
        paths[name] = shipped("config") / name
    for path in sorted(shipped("templates").glob("mail/*.j2")):
        paths[f"templates/mail/{path.name}"] = path
    own = [config / name for name in CONFIG if (config / name).is_file()]
    for pattern in ("*.csv", "events/**/*.yaml", "templates/mail/*.j2"):
        own += [path for path in config.glob(pattern) if path.is_file()]
    own += [path for path in config.glob("events/**/*.yml")]
    for path in own:
        paths[path.relative_to(config).as_posix()] = path
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    for name, path in sorted(paths.items()):
        try:
            if path.stat().st_size > LARGEST:
                problems.append(Problem(name, 0, 0, f"larger than {LARGEST // 1_000_000} MB", "several smaller files"))
            elif path.suffix == ".yml":
                problems.append(Problem(name, 0, 0, "ends in .yml and would be passed over", path.stem + ".yaml"))
            else:
                files[name] = path.read_bytes()
        except OSError as error:
            problems.append(Problem(name, 0, 0, f"cannot be read ({error.strerror})", "a file this user may read"))
    if problems:
        raise BadInput(problems)
    return Snapshot(files, digest(files))


def digest(files: Mapping[str, bytes]) -> str:
    """A name for these files: equal names, equal content."""
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(f"{name}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def read_finished(config: Path, *, known: str, settle: float) -> Snapshot:
    """Read the files once nobody is still writing them: unchanged for `settle` seconds, unless they are those `known`.

    Raises `BadInput` when they keep changing for ten times as long.
    """
    snapshot = read_snapshot(config)
    for _ in range(10):
        if snapshot.digest == known or not settle:
            return snapshot
        time.sleep(settle)
        again = read_snapshot(config)
        if again.digest == snapshot.digest:
            return again
        snapshot = again
    raise BadInput([Problem(str(config), 0, 0, "the files keep changing", "save them, then wait a moment")])


def read_settings(config: Path, environment: Mapping[str, str]) -> Settings:
    """The operator's settings: ``reminders.yaml``, overridden by the environment.

    Raises `BadInput` with every problem of both.
    """
    path = config / "reminders.yaml"
    document = strict.load("reminders.yaml", path.read_bytes()) if path.is_file() else None
    written: dict[str, Any] = dict(document.value) if document and isinstance(document.value, dict) else {}
    problems = [
        Problem(
            "reminders.yaml",
            *(document.place((name,)) if document else (0, 0)),
            f"{name} is a secret and does not belong in a file that is shared",
            f"the variable {ENVIRONMENT}{name.upper()}, or {ENVIRONMENT}{name.upper()}_FILE with a file's name",
        )
        for name in sorted(secrets() & written.keys())
    ]
    overrides, strange = _from_environment(environment)
    problems += strange
    if problems:
        raise BadInput(problems)
    if document is None:
        document = strict.Document("the environment", {}, {})
    whole = strict.Document(document.name, written | overrides, document.places)
    return shape.read(whole, Settings)


def _from_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT) or variable in OTHER_VARIABLES:
            continue
        name = variable.removeprefix(ENVIRONMENT).lower()
        if name.removesuffix("_file") in secrets() and name.endswith("_file"):
            name = name.removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(variable, 0, 0, f"cannot read the file {value} ({error})"))
                continue
        if name not in Settings.model_fields:
            near = shape.nearest(name, Settings.model_fields)
            problems.append(Problem(variable, 0, 0, "no such setting", f"{ENVIRONMENT}{near.upper()}" if near else ""))
            continue
        found[name] = value
    return found, problems
