"""The files that staff and operators keep, read from disk.

A config folder holds ``reminders.yaml``, ``rules.yaml``, ``feeds.yaml``, ``audiences.yaml``, lists of people as
``*.csv`` and ``events/*.yaml``; a folder ``templates/`` may lie beside it. What belongs to the product (rules, feeds,
templates) is taken from the shipped files where a folder has none, file by file; events and people never are.
"""

from __future__ import annotations

import hashlib
import os
import time
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from reminders.catalogue import shape, strict
from reminders.errors import BadInput, Problem, WrongUse
from reminders.settings import ENVIRONMENT, RETIRED, Settings, contradictions, secrets

SETTINGS = "reminders.yaml"
CONFIG = ("rules.yaml", "feeds.yaml", "audiences.yaml")
SHIPPED_TOO = ("rules.yaml", "feeds.yaml")
OTHER_VARIABLES = {ENVIRONMENT + "CONFIG"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one reading: path relative to the config folder -> content. `digest` names the whole.

    `shipped` are the paths of those that came with the program, because the folder has none of its own.
    """

    files: Mapping[str, bytes]
    digest: str
    shipped: frozenset[str] = frozenset()


@cache
def shipped(name: str) -> Path:
    """The folder ``config`` or ``templates`` that came with the program: in a wheel, or in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "shipped" / name, here.parent / name):
        if folder.is_dir():
            return folder
    raise WrongUse(f"the program's own {name} folder is missing: install reminders again")


def read_snapshot(config: Path) -> Snapshot:
    """Read everything staff keep, as it is now. Own mail templates lie in ``templates/mail/`` beside the folder.

    Hidden files, such as editors make while one types, are passed over. Raises `BadInput` when a file cannot be read or
    the folder is not there.
    """
    try:
        return _read(config)
    except OSError as error:
        where, why = str(error.filename or config), error.strerror
        raise BadInput([Problem(where, 0, 0, f"this cannot be read ({why})", "let this user read it")]) from error


def _read(config: Path) -> Snapshot:
    if not config.is_dir():
        raise BadInput([_no_folder(config)])
    if not (config / "events").exists():
        raise BadInput([_no_folder(config / "events")])  # one level too high or too low would be an empty service
    for _ in os.walk(config / "events", onerror=_raise):
        pass  # a folder that cannot be listed would look like one without files
    paths = {name: shipped("config") / name for name in SHIPPED_TOO}
    own = [config / name for name in CONFIG if (config / name).is_file()]
    for pattern in ("*.csv", "events/**/*.yaml", "events/**/*.yml"):
        own += [path for path in config.glob(pattern) if path.is_file() and not path.name.startswith(".")]
    paths |= {path.relative_to(config).as_posix(): path for path in own}
    for folder in template_folders(config, "mail", shipped_first=True):
        paths |= {f"templates/mail/{path.name}": path for path in folder.glob("*.j2") if not path.name.startswith(".")}
    files: dict[str, bytes] = {}
    problems = list(_misnamed(config))
    for name, path in sorted(paths.items()):
        try:
            if path.stat().st_size > strict.MAX_BYTES:
                problems.append(
                    Problem(name, 0, 0, f"the file is larger than {strict.MAX_BYTES // 1_000_000} MB", "split it")
                )
            elif path.suffix == ".yml":
                problems.append(Problem(name, 0, 0, "a file of events must end in .yaml", f"call it {path.stem}.yaml"))
            else:
                files[name] = path.read_bytes()
        except OSError as error:
            problems.append(Problem(name, 0, 0, f"the file cannot be read ({error.strerror})", "let this user read it"))
    if problems:
        raise BadInput(problems)
    ours = frozenset(SHIPPED_TOO) - {path.relative_to(config).as_posix() for path in own}
    return Snapshot(files, digest(files), ours)


def _no_folder(config: Path) -> Problem:
    return Problem(str(config), 0, 0, "there is no such folder", "name the one that holds events/ with --config")


def _raise(error: OSError) -> None:
    raise error


def _misnamed(config: Path) -> Iterator[Problem]:
    """Files that somebody meant for this, and that would be passed over in silence."""
    known = (SETTINGS, *CONFIG)
    for path in sorted(config.iterdir()):
        if path.suffix in (".yaml", ".yml") and path.name not in known and not path.name.startswith("."):
            close = get_close_matches(path.stem, [name.removesuffix(".yaml") for name in known], n=1, cutoff=0.7)
            write = f"call it {close[0]}.yaml" if close else "put a file of events into the folder events/"
            yield Problem(path.name, 0, 0, "a file of this name is not read", write)


@cache
def zone_mark(zone: str) -> str:
    """What tells one edition of a time zone's data from another (hex): its file, found where `zoneinfo` finds it.

    Read once, as `zoneinfo` does: a process goes on with the data that it began with.
    """
    places = [path for folder in zoneinfo.TZPATH if (path := Path(folder, zone)).is_file()]
    *package, name = zone.split("/")
    data = places[0] if places else resources.files(".".join(["tzdata", "zoneinfo", *package])).joinpath(name)
    return hashlib.sha256(data.read_bytes()).hexdigest()[:16]


def template_folders(config: Path, name: str, *, shipped_first: bool = False) -> list[Path]:
    """The folders of templates called `name`: the user's own beside the config folder if there is one, the shipped."""
    own = config.resolve().parent / "templates" / name
    folders = [own] if own.is_dir() else []
    ours = shipped("templates") / name
    return [ours, *folders] if shipped_first else [*folders, ours]


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
    if not config.is_dir():
        raise BadInput([_no_folder(config)])
    path = config / SETTINGS
    document = strict.load(SETTINGS, path.read_bytes() if path.is_file() else b"")
    written: dict[str, Any] = dict(document.value) if isinstance(document.value, dict) else {}
    problems = [
        document.problem((name,), f"{name} is a secret, and this file is shared", f"set {variable} instead", key=True)
        for name in sorted(secrets() & written.keys())
        for variable in (f"{ENVIRONMENT}{name.upper()}_FILE",)
    ]
    retired = sorted(RETIRED.keys() & written.keys())
    problems += [document.problem((name,), *RETIRED[name], key=True) for name in retired]
    known = {name: value for name, value in written.items() if name not in secrets() and name not in RETIRED}
    problems += _wrong(document, known)
    overrides, strange = _from_environment(environment)
    problems += strange
    for name, value in overrides.items():
        source = strict.Document(f"{ENVIRONMENT}{name.upper()}", {}, {}, {})
        problems += (replace(problem, line=0, column=0) for problem in _wrong(source, {name: value}))
    if problems:
        raise BadInput(problems)
    settings = Settings.model_validate(written | overrides)
    if found := list(contradictions(settings)):
        raise BadInput(
            Problem(f"{ENVIRONMENT}{name.upper()}", 0, 0, what, write)
            if name in overrides
            else document.problem((name,), what, write, key=True)
            for name, what, write in found
        )
    return settings


def _wrong(document: strict.Document, values: Mapping[str, Any]) -> tuple[Problem, ...]:
    held = document.value if isinstance(document.value, list | str) else values
    try:
        shape.read(strict.Document(document.name, held, document.places, document.keys), Settings)
    except BadInput as error:
        return error.problems
    return ()


def _from_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """The settings that variables give, and what is wrong with the variables. An empty one counts as not set."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith(ENVIRONMENT) or variable in OTHER_VARIABLES or not value:
            continue
        name = variable.removeprefix(ENVIRONMENT).lower()
        if name.endswith("_file") and name.removesuffix("_file") in secrets():
            name = name.removesuffix("_file")
            try:
                value = Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                what = f"the file {value} cannot be read ({error.strerror if isinstance(error, OSError) else error})"
                problems.append(Problem(variable, 0, 0, what, "name a file that this user may read"))
                continue
        if name in RETIRED:
            problems.append(Problem(variable, 0, 0, *RETIRED[name]))
            continue
        if name not in Settings.model_fields:
            close = get_close_matches(name, Settings.model_fields, n=1)
            write = f"write {ENVIRONMENT}{close[0].upper()}" if close else "`reminders config` lists the settings"
            problems.append(Problem(variable, 0, 0, "there is no such setting", write))
            continue
        found[name] = value
    return found, problems
