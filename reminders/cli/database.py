"""`reminders db`: make the store, bring it up to date, look whether it is sound, back it up, repair it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reminders.cli.options import config_option, counted, opened
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
    from reminders.store.connections import named
    from reminders.store.schema import create

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
    _tell_journal(config)


@db.command()
@config_option
def upgrade(config: Path) -> None:
    """Bring an older store to this version. Make a backup first."""
    from reminders.files import read_settings
    from reminders.jobs.service import database_url
    from reminders.store import schema

    done = schema.upgrade(database_url(read_settings(config, os.environ), config))
    click.echo("The store is upgraded." if done else "The store is up to date; nothing was done.")


@db.command()
@config_option
@click.pass_context
def check(context: click.Context, config: Path) -> None:
    """Read everything in the store and say what is damaged. Exit 1 when something is."""
    from reminders.files import read_settings
    from reminders.jobs.service import database_url
    from reminders.store import backups

    found = backups.check(database_url(read_settings(config, os.environ), config))
    for line in found or ["The store is sound."]:
        click.echo(line)
    context.exit(1 if _tell_journal(config, sound=not found) or found else 0)


def _tell_journal(config: Path, *, sound: bool = True) -> bool:
    """Say when the journal knows what the store does not; whether it does."""
    from reminders.jobs.footing import BEHIND, behind

    if not sound:
        return False
    with opened(config) as service:
        found = behind(service)
    if found:
        click.echo(BEHIND)
    return found


@db.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@config_option
def backup(file: Path, force: bool, config: Path) -> None:
    """Copy the SQLite store to FILE as it stands now, while the service runs; the copy is read through once."""
    from reminders.files import read_settings
    from reminders.jobs.service import database_url
    from reminders.store import backups

    backups.back_up(database_url(read_settings(config, os.environ), config), file.absolute(), replace=force)
    click.echo(f"Wrote {file} ({file.stat().st_size:,} bytes), and found it sound. Keep secret.key with it.")


@db.command()
@config_option
def repair(config: Path) -> None:
    """Tell a restored or new store what the journal beside it knows: what was sent, who left. Sends nothing."""
    from reminders.clock import SystemClock
    from reminders.jobs.clockwatch import present
    from reminders.jobs.footing import repair as repair_once

    with opened(config) as service:
        done = repair_once(service, present(service, SystemClock()))
    if not done:
        click.echo("The store knows all that the journal knows; nothing was done.")
        return
    click.echo(f"Now known as sent: {counted(done.settled + done.added, 'mail')}. Left again: {done.left}.")
    if done.unmatched or done.unmatched_left:
        click.echo(
            f"Of people who are not in the store: {counted(done.unmatched, 'mail')}, and {done.unmatched_left} who "
            "left. Whoever of them is invited again is new to it. If that is everybody, secret.key is another one."
        )
    if done.unreadable:
        click.echo(f"Lines that cannot be read: {done.unreadable}.")
