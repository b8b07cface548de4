"""A service of its own for a benchmark: a new store in a new folder, and no variable of the surroundings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reminders.files import read_settings
from reminders.jobs.service import Service, data_folder, database_url, make_key, read_key
from reminders.store.schema import create


@contextmanager
def service(config: Path, settings: str) -> Iterator[Service]:
    """The service of a config folder with these lines of settings, for as long as the block runs."""
    (config / "reminders.yaml").write_text(settings, encoding="utf-8")
    chosen = read_settings(config, {})
    data = data_folder(chosen, config)
    make_key(data)
    store = create(database_url(chosen, config))
    try:
        yield Service(chosen, config, store, read_key(chosen, data))
    finally:
        store.close()
