"""`reminders outbox`: see what was mailed, waits or was dropped, and put right what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reminders.cli.options import clock_time, config_option, counted, json_option, now, opened, show

if TYPE_CHECKING:
    from reminders.store.ledger import Record
    from reminders.store.rows import Row

STATES = ("owed", "claimed", "sending", "sent", "failed", "uncertain", "dropped", "held")

NUMBER = click.IntRange(1, 2**31 - 1)


@click.group()
def outbox() -> None:
    """Every notice: what was mailed, what waits, what was dropped and why."""


@outbox.command("list")
@click.argument("states", nargs=-1, type=click.Choice(STATES))
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@config_option
@json_option
def listing(states: tuple[str, ...], limit: int, config: Path, as_json: bool) -> None:
    """The newest notices in these STATES (in any, when none is named), and how many there are of each."""
    from reminders.store import ledger

    with opened(config) as service, service.store.reading() as tx:
        counts, rows = ledger.counts(tx), ledger.listing(tx, states, limit)
        zone = service.settings.zone

    def words() -> Iterator[str]:
        for row in rows:
            yield _line(row, zone)
        yield ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "The outbox is empty."

    show({"counts": counts, "rows": [facts(row) for row in rows]}, as_json, words)


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


Move = Callable[..., list[int]]


def _moving(name: str, help: str, states: str) -> click.Command:
    @click.command(name, help=help)
    @click.argument("numbers", nargs=-1, type=NUMBER)
    @click.option("--batch", type=NUMBER, help="All that one pass owed; `outbox show` prints the batch.")
    @config_option
    @click.pass_context
    def command(context: click.Context, numbers: tuple[int, ...], batch: int | None, config: Path) -> None:
        from reminders.store import ledger

        if not numbers and batch is None:
            raise click.UsageError(f"Name the notices to {name} by their numbers, or a --batch.")
        move: Move = getattr(ledger, name)
        with opened(config) as service, service.store.writing() as tx:
            moved = move(tx, numbers, batch=batch, now=now())
        click.echo(f"{counted(len(moved), 'notice')}: {_listed(moved)}")
        untouched = sorted(set(numbers) - set(moved))
        if untouched:
            click.echo(f"Not {states}, and left alone: {_listed(untouched)}", err=True)
        context.exit(1 if untouched or not moved else 0)

    return command


outbox.add_command(_moving("hold", "Keep owed notices back until they are released.", "owed"))
outbox.add_command(
    _moving("release", "Let held notices go; each is still asked whether it is wanted before it is sent.", "held")
)
outbox.add_command(
    _moving(
        "discard", "Drop notices for good that are owed, held, failed or uncertain.", "owed, held, failed or uncertain"
    )
)
outbox.add_command(
    _moving("retry", "Owe failed or uncertain notices once more; the same bytes are sent.", "failed or uncertain")
)


def facts(row: Row) -> dict[str, Any]:
    """A row of the outbox for other programs."""
    notice = row.notice
    return {
        "number": row.id,
        "state": row.state,
        "reason": row.reason,
        "kind": notice.kind.value,
        "event": notice.event,
        "date": notice.date_kind,
        "occurrence": notice.occurrence,
        "rule": notice.rule,
        "subscriber": notice.subscriber,
        "says": notice.fact,
        "before": notice.before,
        "due_at": notice.due_at,
        "expires_at": notice.expires_at,
        "owed_at": row.owed_at,
        "settled_at": row.settled_at,
        "attempts": row.attempts,
        "message_id": row.message_id,
        "reply": row.reply,
        "batch": row.batch,
    }


def record_facts(record: Record) -> dict[str, Any]:
    """A row with its history and attempts."""
    return facts(record.row) | {
        "history": [{"at": line.at, "state": line.state, "reason": line.reason} for line in record.history],
        "attempted": [
            {"number": each.number, "at": each.started_at, "outcome": each.outcome, "reply": each.reply}
            for each in record.attempts
        ],
    }


def record_words(record: Record, zone: str) -> Iterator[str]:
    """The same in words."""
    row = record.row
    yield _line(row, zone)
    yield f"    says {row.notice.fact}" + (f", was {row.notice.before}" if row.notice.before else "")
    yield f"    of use until {clock_time(row.notice.expires_at, zone)}, batch {row.batch}"
    for line in record.history:
        yield f"    {clock_time(line.at, zone)}  {line.state}" + (f": {line.reason}" if line.reason else "")
    for each in record.attempts:
        begun = clock_time(each.started_at, zone)
        yield f"    attempt {each.number} {begun}: {each.outcome or 'under way'} {each.reply}"
    if row.message_id:
        yield f"    Message-ID {row.message_id}"


def _line(row: Row, zone: str) -> str:
    notice = row.notice
    what = notice.rule or notice.kind.value
    state = row.state + (f" ({row.reason})" if row.reason else "")
    return (
        f"{row.id:>6}  {clock_time(notice.due_at, zone)}  {state:<24}  {notice.event} {notice.date_kind} {what}"
        f"  to subscriber {notice.subscriber}" + (f"  {row.reply}" if row.reply and row.state != "sent" else "")
    )


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
