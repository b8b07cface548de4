"""`reminders db`: make the store, bring it up to date, look whether it is sound."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reminders.cli.options import config_option
from reminders.errors import WrongUse


@click.group()
def db() -> None:
    """The store: a SQLite file, or PostgreSQL."""


@db.command()
@config_option
def init(config: Path) -> None:
    """Make the store and its secret key. Nothing due before now is ever sent from it."""
    from reminders.files import read_settings
    from reminders.jobs.service import data_folder, database_url, make_key
    from reminders.store.engine import create, named

    settings = read_settings(config, os.environ)
    data = data_folder(settings, config)
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        why = f"the data folder {data} cannot be made ({error.strerror})"
        raise WrongUse(f"{why}: make it for user {os.getuid()}, or set data to another") from error
    url = database_url(settings, config)
    create(url).close()
    if not settings.secret_key.get_secret_value():
        make_key(data)
    click.echo(f"Made {named(url)}. Keep {data / 'secret.key'} with your backups: unsubscribe links depend on it.")


@db.command()
@config_option
def upgrade(config: Path) -> None:
    """Bring an older store to this version. Make a backup first."""
    from reminders.files import read_settings
    from reminders.jobs.service import database_url
    from reminders.store import engine

    done = engine.upgrade(database_url(read_settings(config, os.environ), config))
    click.echo("The store is upgraded." if done else "The store is up to date; nothing was done.")


@db.command()
@config_option
@click.pass_context
def check(context: click.Context, config: Path) -> None:
    """Read everything in the store and say what is damaged. Exit 1 when something is."""
    from reminders.files import read_settings
    from reminders.jobs.service import database_url
    from reminders.store import engine

    found = engine.check(database_url(read_settings(config, os.environ), config))
    for line in found or ["The store is sound."]:
        click.echo(line)
    context.exit(1 if found else 0)
