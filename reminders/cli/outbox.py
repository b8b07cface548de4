"""`reminders outbox`, `pause`, `resume` and `recall`: see what was mailed, waits or was dropped, and put it right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from reminders.cli.notices import (
    facts,
    kept_back_facts,
    kept_back_words,
    line,
    paused_words,
    record_facts,
    record_words,
)
from reminders.cli.options import clock_time, config_option, counted, json_option, now, opened, show

STATES = ("owed", "claimed", "sending", "sent", "failed", "uncertain", "dropped", "held")

LISTED = 20
"""So many numbers are printed of what was moved."""
NUMBER = click.IntRange(1, 2**31 - 1)


class _Group(click.Group):
    """A group that also does something by itself; options before a subcommand are handed on to it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        given: list[str] = []
        if ctx.get_parameter_source("config") is click.core.ParameterSource.COMMANDLINE:
            given += ["--config", str(ctx.params["config"])]
        if ctx.params["as_json"]:
            given.append("--json")
        return name, command, [*given, *rest]


@click.group(cls=_Group, invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def outbox(context: click.Context, config: Path, as_json: bool) -> None:
    """Every notice: what was mailed, what waits, what was dropped and why.

    Without a COMMAND: how many there are, what waits longest, what keeps mails back, and what went wrong last.
    """
    from reminders.cli.overview import overview

    if context.invoked_subcommand is None:
        overview(config, as_json)


@outbox.command("list")
@click.argument("states", nargs=-1, type=click.Choice(STATES))
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@config_option
@json_option
def listing(states: tuple[str, ...], limit: int, config: Path, as_json: bool) -> None:
    """The newest notices in these STATES (in any, when none is named), the batches held, and how many there are."""
    from reminders.store import ledger, pauses

    with opened(config) as service, service.store.reading() as tx:
        counts, rows = ledger.counts(tx), ledger.listing(tx, states, limit)
        held, pause = ledger.batches(tx), pauses.paused(tx)
        zone = service.settings.zone

    def words() -> Iterator[str]:
        for row in rows:
            yield line(row, zone)
        yield from kept_back_words(held, pause, zone)
        yield ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "The outbox is empty."

    show({"counts": counts, "rows": [facts(row) for row in rows]} | kept_back_facts(held, pause), as_json, words)


@outbox.command("show")
@click.argument("number", type=NUMBER)
@config_option
@json_option
@click.pass_context
def show_one(context: click.Context, number: int, config: Path, as_json: bool) -> None:
    """One notice by its NUMBER: its whole history and every attempt. Exit 1 when there is none."""
    from reminders.store import ledger

    with opened(config) as service, service.store.reading() as tx:
        record = ledger.show(tx, number)
        zone = service.settings.zone
    if record is None:
        click.echo(f"There is no notice {number}.", err=True)
        context.exit(1)
    show(record_facts(record), as_json, lambda: record_words(record, zone))


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments by which notices are meant: batches, and single ones."""
    command = click.option("--notice", "notices", type=NUMBER, multiple=True, help="A single one; may be repeated.")(
        command
    )
    return click.argument("batches", nargs=-1, type=NUMBER, metavar="[BATCH]...")(command)


def _moving(name: str, help: str, states: str) -> click.Command:
    @click.command(name, help=help)
    @_chosen
    @config_option
    @click.pass_context
    def command(context: click.Context, batches: tuple[int, ...], notices: tuple[int, ...], config: Path) -> None:
        from reminders.store import ledger

        if not batches and not notices:
            raise click.UsageError(f"Name the batches to {name} by their numbers, or each --notice.")
        move: Callable[..., list[int]] = getattr(ledger, name)
        with opened(config) as service, service.store.writing() as tx:
            moved = move(tx, notices, batches=batches, now=now())
        context.exit(_told(moved, notices, states))

    return command


outbox.add_command(_moving("hold", "Keep what is owed of each BATCH back until it is released.", "owed"))
outbox.add_command(
    _moving(
        "discard",
        "Drop for good what is owed, held, failed or uncertain of each BATCH.",
        "owed, held, failed or uncertain",
    )
)
outbox.add_command(
    _moving(
        "retry",
        "Owe once more what is failed or uncertain of each BATCH; the same bytes are sent.",
        "failed or uncertain",
    )
)


@outbox.command()
@_chosen
@config_option
@click.pass_context
def release(context: click.Context, batches: tuple[int, ...], notices: tuple[int, ...], config: Path) -> None:
    """Let what is held of each BATCH go, and accept the plan as it stands.

    Without any BATCH: everything that the brake holds. Each is still asked whether it is wanted before it is sent. Of
    single notices nothing is said about the plan.
    """
    from reminders.jobs.release import release as release_now

    with opened(config) as service:
        done = release_now(service, now(), batches=batches, notices=notices)
        zone = service.settings.zone
    status = 0
    if done.ids or batches or notices:
        status = _told(list(done.ids), notices, "held")
    else:
        click.echo("Nothing is held." if done.plan is not None else "Nothing is held, and no plan is published yet.")
    for row in done.first:
        click.echo(line(row, zone))
    if done.plan is not None:
        mails, day = max(((mails, day) for day, mails in done.plan.items()), default=(0, None))
        busiest = f": at most {counted(mails, 'mail')} a day, on {day:%d %B %Y}" if day else ""
        click.echo(f"The plan is accepted as it stands{busiest}.")
    context.exit(status)


@click.command()
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@click.option("--batch", "batches", type=NUMBER, multiple=True, help="All that one pass owed; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Everything that is not sent.")
@config_option
@click.pass_context
def recall(
    context: click.Context, events: tuple[str, ...], batches: tuple[int, ...], everything: bool, config: Path
) -> None:
    """Take back for good what is not sent yet about each EVENT. Exit 1 when there was nothing to take back."""
    from reminders.errors import WrongUse
    from reminders.store import ledger
    from reminders.store.events import published_event

    if not events and not batches and not everything:
        raise click.UsageError("Name the events to recall, a --batch, or --all.")
    with opened(config) as service, service.store.writing() as tx:
        for event in events:
            if published_event(tx, event) is None:
                raise WrongUse(f"there is no event '{event}' in the store")
        done = ledger.recall(tx, events=None if everything else events, batches=batches, now=now())
    click.echo(f"Taken back: {counted(len(done.ids), 'notice')}.")
    if done.told:
        click.echo(f"Sent before, so that a correction may be needed: {counted(done.told, 'notice')}.")
    if done.sending:
        click.echo(f"In hand at this moment, and sent: {counted(done.sending, 'notice')}.", err=True)
    context.exit(0 if done.ids else 1)


@click.command()
@click.option("--why", default="", help="The reason, for whoever finds nothing mailed.")
@config_option
def pause(why: str, config: Path) -> None:
    """Mail nothing until `resume`: nothing is owed and nothing is sent, and the feeds go on being published."""
    from reminders.store import pauses

    with opened(config) as service, service.store.writing() as tx:
        begun = pauses.pause(tx, why, now())
        known = pauses.paused(tx)
        zone = service.settings.zone
    if not begun:
        click.echo("That is so already.")
    if known is not None:
        click.echo(paused_words(known, zone))


@click.command()
@config_option
def resume(config: Path) -> None:
    """Mail again. What became due meanwhile is caught up with, as after an outage: the latest that is still of use."""
    from reminders.store import pauses

    with opened(config) as service, service.store.writing() as tx:
        over = pauses.resume(tx)
        zone = service.settings.zone
    click.echo("Nothing was paused." if over is None else f"Resumed; paused since {clock_time(over.since, zone)}.")


def _told(moved: list[int], notices: tuple[int, ...], states: str) -> int:
    """Say which notices were moved, and which of those named were not; the exit code."""
    click.echo(f"{counted(len(moved), 'notice')}: {_listed(moved)}")
    untouched = sorted(set(notices) - set(moved))
    if untouched:
        click.echo(f"Not {states}, and left alone: {_listed(untouched)}", err=True)
    return 1 if untouched or not moved else 0


def _listed(numbers: list[int]) -> str:
    first = ", ".join(map(str, numbers[:LISTED]))
    return f"{first} …" if len(numbers) > LISTED else first or "none"
