"""The command that prints a feed, or tells what is wrong with one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from reminders.cli.options import config_option, opened


@click.command()
@click.argument("name")
@click.option(
    "--lint", "linted", is_flag=True, help="Tell what is wrong with it instead, line by line. Exit 1 if anything."
)
@config_option
@click.pass_context
def feed(context: click.Context, name: str, linted: bool, config: Path) -> None:
    """The feed NAME as it is published, such as courses or 'all?level=2'. With --lint also a file: ./dates.ics."""
    from reminders.errors import WrongUse

    is_file = bool({"/", ".", os.sep} & set(name.partition("?")[0]))  # no name of a feed has any of these
    if is_file and not linted:
        raise WrongUse(f"{name} is no name of a feed; add --lint if you want this file to be checked")
    if not is_file:
        data, called = _published(name, config), f"{name}.ics"
    else:
        try:
            data, called = Path(name).read_bytes(), name
        except OSError as error:
            raise WrongUse(f"{name}: it cannot be read: {error.strerror}") from None
    if not linted:
        click.echo(data, nl=False)
        return
    from reminders.feed.lint import lint

    faults = lint(data)
    for fault in faults:
        click.echo(f"{called}:{fault.line}: {fault.what}")
    if faults:
        context.exit(1)
    click.echo(f"{called}: nothing is wrong.")


def _published(name: str, config: Path) -> bytes:
    from reminders.clock import SystemClock
    from reminders.errors import WrongUse
    from reminders.serving import StoreReader
    from reminders.web.site import Shown

    with opened(config) as service:
        shelf = StoreReader(service, SystemClock()).shelf()
        shown = Shown(shelf, service.settings.public_url, service.settings.service_name)
    base, _, asked = name.partition("?")
    ready = asyncio.run(shown.feed(base, asked.encode()))
    if ready is None or not shelf.published:
        feeds = list(shown.feeds) if shelf.published else []
        raise WrongUse(f"there is no feed '{name}': the feeds are {', '.join(feeds) or 'none yet'}")
    return ready.plain.body
