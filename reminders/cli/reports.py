"""`reminders reports`: what came back about mails, and mailing an address again that was taken for dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reminders.cli.options import clock_time, config_option, counted, json_option, now, opened, show

if TYPE_CHECKING:
    from reminders.store.reports import Recorded


@click.group()
def reports() -> None:
    """What came back about mails: bounces, delays, complaints."""


@reports.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@config_option
@json_option
def listing(limit: int, config: Path, as_json: bool) -> None:
    """The newest reports, and how many addresses are suspended."""
    from reminders.store import reports

    with opened(config) as service, service.store.reading() as tx:
        lines, suspended = reports.listing(tx, limit), reports.count_suspended(tx)
        zone = service.settings.zone

    def words() -> Iterator[str]:
        for each in lines:
            state = "  [suspended]" if each.suspended_at else ""
            at = clock_time(each.at, zone)
            yield f"{each.outbox:>6}  {at}  {each.kind:<9}  {each.status:<7} {each.address}{state}  {each.words}"
        yield f"{counted(len(lines), 'report')}. Suspended addresses: {suspended}."

    names = ("at", "kind", "status", "words", "subscriber", "address", "suspended_at")
    facts = [{"notice": each.outbox} | {name: getattr(each, name) for name in names} for each in lines]
    show({"suspended": suspended, "reports": facts}, as_json, words)


@reports.command()
@config_option
def collect(config: Path) -> None:
    """Read what is new in `reports_maildir`, as `run` does at each tick. Exit 1 when a file cannot be read."""
    from reminders.errors import WrongUse
    from reminders.jobs.reports import collect as collect_once

    with opened(config) as service:
        if not service.settings.reports_maildir:
            raise WrongUse("reports_maildir is not set: there is no Maildir to read")
        collected = collect_once(service, now())
    for each in collected.recorded:
        click.echo(reported(each))
    click.echo(f"{counted(len(collected.recorded), 'new report')}, {counted(collected.others, 'other message')}.")
    for line in collected.amiss:
        click.echo(f"Cannot be dealt with: {line}", err=True)
    click.get_current_context().exit(1 if collected.amiss else 0)


@reports.command()
@click.argument("person")
@config_option
@click.pass_context
def resume(context: click.Context, person: str, config: Path) -> None:
    """Mail PERSON (an address) again. Exit 1 when they are not suspended."""
    from reminders.errors import WrongUse
    from reminders.store import people, reports

    with opened(config) as service, service.store.writing() as tx:
        found = people.by_address(tx, person)
        if found is None:
            raise WrongUse(f"nobody in the store has the address {person}")
        done = reports.resume(tx, found.id)
    click.echo(f"{person} is mailed again; what was dropped stays so." if done else f"{person} is not suspended.")
    context.exit(0 if done else 1)


def reported(what: Recorded) -> str:
    """A report that was new, without anybody's address."""
    status = f" {what.status}" if what.status else ""
    done = f": {what.done}" if what.done else ""
    return f"came back, {what.kind.value}{status}: notice {what.outbox} to subscriber {what.subscriber}{done}"
