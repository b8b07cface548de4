"""`reminders why`: everything about one event and one person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reminders.cli.options import clock_time, config_option, json_option, now, opened, show

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reminders.catalogue.events import Event, PublishedEvent
    from reminders.jobs.service import Book, Service
    from reminders.planning.subscribers import Subscriber
    from reminders.planning.unowed import Unowed
    from reminders.store.ledger import Record


@click.command()
@click.argument("event")
@click.argument("person")
@config_option
@json_option
def why(event: str, person: str, config: Path, as_json: bool) -> None:
    """Every notice about EVENT to PERSON (an address): what was mailed, what was not and why, and what is to come."""
    from reminders.cli.notices import record_facts, record_words
    from reminders.errors import WrongUse
    from reminders.store import events, ledger, people

    with opened(config) as service, service.store.reading() as tx:
        book = service.book(tx)
        found = people.by_address(tx, person)
        published = events.published_event(tx, event)
        if published is None:
            raise WrongUse(f"there is no event '{event}' in the store")
        if found is None or book is None:
            raise WrongUse(f"nobody in the store has the address {person}")
        subscriber = people.subscribers(tx, book.configuration.audiences, ids=[found.id])[found.id]
        records = ledger.why(tx, event, subscriber.id)
        zone = service.settings.zone
        coming = _coming(book, published.event, subscriber, service.settings.nation)
        missing = list(_unowed(tx, service, book, published, subscriber, records))

    def words() -> Iterator[str]:
        if subscriber.left_at is not None:
            yield f"{person} left on {clock_time(subscriber.left_at, zone)} and gets no more mail."
        elif subscriber.suspended_at is not None:
            since = clock_time(subscriber.suspended_at, zone)
            yield f"Mail to {person} came back, and none is sent since {since}: {subscriber.suspended_why}"
            yield f"Once that is mended: reminders reports resume {person}"
        elif not subscriber.audiences:
            yield f"{person} is in no audience at present."
        for record in records:
            yield from record_words(record, zone)
        for due, rule, kind in coming:
            yield f"    to come  {clock_time(due, zone)}  {kind} {rule}"
        for each in missing:
            due_then = clock_time(each.due_at, zone) if each.due_at else "no time yet"
            named = f"{each.date.kind} {each.rule}".rstrip()
            yield f"    never owed  {due_then}  {named}: {each.why}"
        if not records and not coming and not missing:
            yield "Nothing was owed, and nothing is to come."

    facts = {
        "subscriber": subscriber.id,
        "left_at": subscriber.left_at,
        "suspended_at": subscriber.suspended_at,
        "suspended_why": subscriber.suspended_why,
        "notices": [record_facts(record) for record in records],
        "to_come": [{"due_at": due, "rule": rule, "date": kind} for due, rule, kind in coming],
        "never_owed": [
            {"date": each.date.kind, "occurrence": each.date.occurrence, "rule": each.rule, "due_at": each.due_at}
            | {"why": each.why}
            for each in missing
        ],
    }
    show(facts, as_json, words)


def _unowed(
    tx: Connection,
    service: Service,
    book: Book,
    published: PublishedEvent,
    subscriber: Subscriber,
    records: Sequence[Record],
) -> Iterator[Unowed]:
    from reminders.jobs.drawing import EPOCH
    from reminders.planning.unowed import unowed
    from reminders.store import state

    owed = {(each.row.notice.date_kind, each.row.notice.occurrence, each.row.notice.rule) for each in records}
    epoch, at = state.get(tx, EPOCH), now()
    read = book.configuration
    return unowed(
        published,
        subscriber,
        read.rules,
        read.kinds,
        owed,
        epoch=epoch if isinstance(epoch, datetime) else at,
        now=at,
        nation=service.settings.nation,
    )


def _coming(book: Book, event: Event, subscriber: Subscriber, nation: str) -> list[tuple[datetime, str, str]]:
    from reminders.planning import plan

    read = book.configuration
    found = plan.to_come(event, subscriber, read.rules, read.kinds, after=now(), nation=nation)
    named = ((date, rung, f" ({date.occurrence})" if date.occurrence else "") for date, rung in found)
    return [(rung.due_at, rung.rule.id, f"{date.kind}{occurrence}") for date, rung, occurrence in named]
