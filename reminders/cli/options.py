"""What the commands have in common: the config folder, JSON output, and how the service is opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reminders.jobs.service import Service

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("config"),
    show_default=True,
    envvar="REMINDERS_CONFIG",
    help="The folder of the files.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")


@contextmanager
def opened(config: Path) -> Iterator[Service]:
    """The service of a config folder, its store open. Raises `BadInput` and `WrongUse`."""
    import os

    from reminders.files import read_settings
    from reminders.jobs.service import Service, data_folder, database_url, read_key
    from reminders.store.schema import open_store

    settings = read_settings(config, os.environ)
    store = open_store(database_url(settings, config))
    try:
        yield Service(settings, config, store, read_key(settings, data_folder(settings, config)))
    finally:
        store.close()


def now() -> datetime:
    """The present, once per command."""
    from reminders.clock import SystemClock

    return SystemClock().now()


def show(facts: Any, as_json: bool, words: Callable[[], Iterator[str]]) -> None:
    """Print the facts as JSON, or their words a line each."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2, default=_plain))
        return
    for line in words():
        click.echo(line)


def _plain(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def clock_time(instant: datetime, zone: str) -> str:
    """An instant as clocks in the zone show it, to the minute."""
    from reminders.catalogue import zones

    return f"{zones.local(instant, zone):%Y-%m-%d %H:%M}"


def counted(number: int, noun: str) -> str:
    """A number with its noun, whose plural is regular: "1 mail", "2,000 mails"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
