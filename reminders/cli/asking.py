"""The commands that only look: check, simulate, preview, subscribers, config."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reminders.cli.options import clock_time, config_option, counted, json_option, now, opened, show

if TYPE_CHECKING:
    from reminders.jobs.foretelling import Foretold
    from reminders.jobs.service import Book
    from reminders.settings import Settings

LAST = 2200
"""No date is later than this year."""


class _Day(click.DateTime):
    """A day of a year in which there can be dates."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not 1980 <= day.year < LAST:
            self.fail(f"the year {day.year} is out of range: write one from 1980 to {LAST - 1}", param, ctx)
        return day


DAY = _Day()


def _read(config: Path) -> tuple[Settings, Book]:
    """Settings and files, checked; nothing is stored. Raises `BadInput`."""
    from reminders.files import read_settings, read_snapshot
    from reminders.jobs.service import read_book

    settings = read_settings(config, os.environ)
    snapshot = read_snapshot(config)
    return settings, read_book(snapshot.files, settings.zone, shipped=snapshot.shipped)


@click.command()
@click.option("--every", is_flag=True, help="Fill in every mail for every date, not only for every shape of date.")
@config_option
@json_option
@click.pass_context
def check(context: click.Context, every: bool, config: Path, as_json: bool) -> None:
    """Read all files and templates and tell every mistake. Changes nothing. Exit 2 when there is one.

    Also warns of reminders to more people than the relay's rate can carry in time.
    """
    from reminders.errors import BadInput
    from reminders.jobs.foresight import warnings
    from reminders.jobs.service import check_letters

    try:
        settings, book = _read(config)
        check_letters(settings, book, every=every)
    except BadInput as error:
        if not as_json:
            raise
        names = ("file", "line", "column", "what", "write")
        problems = [{name: getattr(problem, name) for name in names} for problem in error.problems]
        show({"problems": problems, "warnings": []}, as_json, lambda: iter(()))
        context.exit(2)
    read = book.configuration
    dates = sum(len(event.dates) for event in read.catalogue.events)
    counts = {
        "events": len(read.catalogue.events),
        "dates": dates,
        "kinds of date": len(read.kinds),
        "rules": len(read.rules),
        "feeds": len(read.feeds),
        "audiences": len(read.audiences),
    }
    foreseen = warnings(book, settings, now())
    verdict = "No mistakes, but see below." if foreseen else "All is well."
    found = f"{verdict} {', '.join(f'{name}: {count}' for name, count in counts.items())}"
    show({"problems": [], "warnings": foreseen, "counts": counts}, as_json, lambda: iter([found, *foreseen]))


@click.command()
@click.option("--from", "first", type=DAY, required=True, help="The first day; the service is taken to begin on it.")
@click.option("--to", "last", type=DAY, required=True, help="The last day.")
@click.option(
    "--mails",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write every mail to this folder, as .eml files that mail programs open.",
)
@config_option
@json_option
def simulate(first: datetime, last: datetime, mails: Path | None, config: Path, as_json: bool) -> None:
    """Every mail of a period, from the files alone: when, to whom, about what, and what is dropped and why."""
    from reminders.catalogue import zones
    from reminders.jobs.foresight import warnings_about
    from reminders.jobs.foretelling import foretell

    settings, book = _read(config)
    start = zones.midnight(first.date(), settings.zone)
    end = zones.midnight(last.date() + timedelta(days=1), settings.zone)
    if end <= start:
        raise click.UsageError("--to is before --from.")
    found = foretell(book, settings.nation, start, end - timedelta(microseconds=1))
    if mails is not None:
        _write_mails(settings, book, found, mails)
    sent = sum(each.notice.dropped is None for each in found)
    foreseen = warnings_about(found, settings, start)

    def words() -> Iterator[str]:
        from reminders.catalogue import wording

        for each in found:
            notice = each.notice
            due = clock_time(notice.due_at, each.date.when.zone)
            dropped = f"  [dropped: {notice.dropped}]" if notice.dropped else ""
            said = f"{each.event.event.title}: {book.configuration.kinds[notice.date_kind].label}"
            said += f" {wording.words(each.date.when)}{dropped}"
            yield f"{due}  {notice.rule:<14} {each.subscriber.address:<26} {said}"
        yield f"{counted(sent, 'mail')}, {len(found) - sent} dropped."
        yield from foreseen

    facts = {"notices": [_foretold_facts(each) for each in found], "mails": sent, "warnings": foreseen}
    show(facts, as_json, words)


def _foretold_facts(each: Foretold) -> dict[str, Any]:
    notice = each.notice
    return {
        "due_at": notice.due_at,
        "to": each.subscriber.address,
        "kind": notice.kind.value,
        "event": notice.event,
        "date": notice.date_kind,
        "occurrence": notice.occurrence,
        "rule": notice.rule,
        "says": notice.fact,
        "expires_at": notice.expires_at,
        "dropped": notice.dropped.value if notice.dropped else "",
    }


def _write_mails(settings: Settings, book: Book, found: list[Foretold], folder: Path) -> None:
    import asyncio

    from reminders.jobs.foretelling import mail
    from reminders.mail.envelope import Envelope
    from reminders.mail.folder import FolderTransport

    async def started() -> bool:
        return True

    async def write() -> None:
        transport = FolderTransport(folder)
        for each in found:
            if each.notice.dropped is None:
                data = mail(settings, each, book)
                await transport.send(data, Envelope("", each.subscriber.address), started, lambda: True)

    asyncio.run(write())


@click.command()
@click.argument("event")
@click.argument("kind", required=False)
@click.option(
    "--notice",
    type=click.Choice(["reminder", "moved", "announced", "cancelled"]),
    default="reminder",
    show_default=True,
    help="What is told.",
)
@click.option("--html", is_flag=True, help="The HTML part instead of the text.")
@config_option
def preview(event: str, kind: str | None, notice: str, html: bool, config: Path) -> None:
    """The mail about one date of EVENT (its KIND may be left out if there is one), as its reader sees it."""
    from reminders.errors import WrongUse
    from reminders.jobs.service import sender
    from reminders.mail.compose import render
    from reminders.mail.samples import letters, samples
    from reminders.planning.rules import nearest

    settings, book = _read(config)
    events = {each.id: each for each in book.configuration.catalogue.events}
    if event not in events:
        raise WrongUse(f"there is no event '{event}': {nearest(event, events, 'events')}")
    dates = {date.kind: date for date in events[event].dates}
    if not dates:
        raise WrongUse(f"the event '{event}' has no dates, so no mail is ever sent about it")
    if kind is not None and kind not in dates:
        raise WrongUse(f"the event has no date of the kind '{kind}': {nearest(kind, dates, 'kinds')}")
    date = dates[kind] if kind is not None else next(iter(dates.values()))
    date = next(samples(date, every=False), replace(date, repeats=None))
    found = letters(events[event], date, book.configuration.kinds[date.kind], sender(settings))
    read = render(book.templates, next(each for each in found if each.notice.kind.value == notice))
    click.echo(read.html if html else f"Subject: {read.subject}\n\n{read.text}", nl=html)


@click.group()
def subscribers() -> None:
    """The people who are or were invited."""


@subscribers.command("list")
@config_option
@json_option
def list_people(config: Path, as_json: bool) -> None:
    """Everybody the store knows, with their audiences; who left or is suspended says so."""
    from reminders.store import people

    with opened(config) as service, service.store.reading() as tx:
        book = service.book(tx)
        known = people.subscribers(tx, book.configuration.audiences if book else ())
        zone = service.settings.zone

    def words() -> Iterator[str]:
        for each in known.values():
            stands = (
                f"left {clock_time(each.left_at, zone)}"
                if each.left_at
                else f"suspended {clock_time(each.suspended_at, zone)}: {each.suspended_why}"
                if each.suspended_at
                else ", ".join(each.audiences) or "in no audience"
            )
            yield f"{each.id:>6}  {each.address:<40}  {stands}"
        yield f"People: {len(known)}, of whom left: {sum(each.left_at is not None for each in known.values())}."

    facts = [
        {
            "number": each.id,
            "address": each.address,
            "name": each.name,
            "audiences": list(each.audiences),
            "joined_at": each.joined_at,
            "left_at": each.left_at,
            "suspended_at": each.suspended_at,
            "suspended_why": each.suspended_why,
        }
        for each in known.values()
    ]
    show(facts, as_json, words)


@subscribers.command()
@click.argument("person")
@config_option
def leave(person: str, config: Path) -> None:
    """Unsubscribe PERSON (an address) for good, as they could have done by the link in a mail."""
    from reminders.errors import WrongUse
    from reminders.jobs import leaving
    from reminders.store import people

    with opened(config) as service:
        with service.store.reading() as tx:
            found = people.by_address(tx, person)
        if found is None:
            raise WrongUse(f"nobody in the store has the address {person}")
        done = leaving.leave(service, found.id, "operator", now())
    click.echo(f"{person} gets no more mail." if done else f"{person} had left already.")


@click.command()
@click.option(
    "--schemas",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the JSON Schemas of all files to this folder, for editors.",
)
@config_option
@json_option
def config(schemas: Path | None, config: Path, as_json: bool) -> None:
    """Every setting: its value, its variable, and what it is. Secrets are not shown."""
    from reminders.configuration import SCHEMAS
    from reminders.files import read_settings
    from reminders.settings import described, schema, written

    if schemas is not None:
        from reminders.catalogue.shape import schema as schema_of

        made = {name: schema_of(shape, title) for name, (title, shape) in SCHEMAS.items()} | {"reminders": schema()}
        schemas.mkdir(parents=True, exist_ok=True)
        for name, body in made.items():
            text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
            (schemas / f"{name}.schema.json").write_text(text, encoding="utf-8")
        click.echo(f"Wrote {len(made)} schemas to {schemas}.")
        return
    settings = read_settings(config, os.environ)
    facts = [
        {**each, "value": _value(settings, each["name"], secret=each["secret"], written=written)}
        for each in described()
    ]

    def words() -> Iterator[str]:
        for each in facts:
            yield f"{each['name']}: {each['value']}"
            yield f"    {each['help']}"
            yield f"    {each['variable']}" + ("" if each["secret"] else f", by default {each['default'] or 'empty'}")

    show(facts, as_json, words)


def _value(settings: Settings, name: str, *, secret: bool, written: Any) -> str:
    value = getattr(settings, name)
    if secret:
        return "(set)" if value.get_secret_value() else "(not set)"
    if name == "database" and value:
        from reminders.store.connections import named

        return named(value)
    return str(written(name, value))
