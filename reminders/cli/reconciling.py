"""`reminders reconcile`: the nightly question, asked now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from reminders.cli.options import config_option, counted, json_option, now, opened, show


@click.command()
@config_option
@json_option
@click.pass_context
def reconcile(context: click.Context, config: Path, as_json: bool) -> None:
    """What differs between what should have gone in the last days, from the files, and the outbox. Exit 1 if anything.

    Also what failed or came to be in doubt within a day, and which reminders will be late. `run` asks it every night.
    """
    from reminders.jobs.reconcile import reconcile as reconcile_once
    from reminders.jobs.reconcile import report

    at = now()
    with opened(config) as service:
        found = reconcile_once(service, at)

    def words() -> Iterator[str]:
        told = report(found, at)
        yield from told[1] if told else [f"No differences; {counted(found.expected, 'reminder')} looked for."]

    show(asdict(found), as_json, words)
    context.exit(1 if found.number else 0)
