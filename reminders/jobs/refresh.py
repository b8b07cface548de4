"""Files to feed: read what staff keep, decide what changed, publish it.

    files -> configuration -> changes -> guards -> one transaction: events, entries, feeds, people, notices

A file that cannot be used, or that looks like an accident, changes nothing; the last good files stay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue import changes as changing
from reminders.catalogue.changes import Changes
from reminders.catalogue.events import PublishedEvent, Status
from reminders.errors import BadInput, Held
from reminders.feed import entry
from reminders.files import Snapshot, read_finished
from reminders.jobs.drawing import draw, stamp_feeds
from reminders.jobs.service import Book, Service, read_book
from reminders.mail import compose
from reminders.planning import plan
from reminders.store import events, outbox, people, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

EPOCH = "epoch"
SNAPSHOT = "snapshot"
REFUSED = "refused"
LOOK = "look"
PUBLICATION = "publication"
RECENTLY = timedelta(days=31)
"""How long after a change somebody whose mail was under way meanwhile can still be owed a correction."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a look at the files came to: `changes` is None when they are as they were.

    `owed` and `held` count the mails the changes cause, `entries` the calendar entries drawn anew.
    """

    changes: Changes | None = None
    owed: int = 0
    held: int = 0
    entries: int = 0


def refresh(service: Service, now: datetime, *, release: bool = False) -> Refreshed:
    """Publish what the files say.

    Raises `BadInput` when they cannot be used and `Held` when they look like an accident; both leave everything as
    it was, are remembered for `/healthz`, and are raised again at each look until the files are mended. `release`
    accepts what would be held, absences too: an event that the files no longer hold is then withdrawn.
    """
    with service.store.reading() as tx:
        known, refused = str(state.get(tx, SNAPSHOT) or ""), refusal(tx)
        same_look = state.get(tx, LOOK) == _look(service)
    try:
        snapshot = read_finished(
            service.config, known=refused.digest if refused else known, settle=service.settings.settle
        )
        if snapshot.digest == known and same_look and not release:
            _remember(service, None)
            return Refreshed()
        digest = snapshot.digest
    except BadInput as error:
        _remember(service, Refusal("", now, tuple(str(problem) for problem in error.problems)))
        raise
    try:
        book = read_book(snapshot.files, service.settings)
        compose.check(book.templates, book.configuration.catalogue, book.configuration.kinds, service.sender())
        return _publish(service, snapshot, book, now, release)
    except BadInput as error:
        _remember(service, Refusal(digest, now, tuple(str(problem) for problem in error.problems)))
        raise
    except Held as error:
        _remember(service, Refusal(digest, now, (str(error),)))
        raise


def _publish(service: Service, snapshot: Snapshot, book: Book, now: datetime, release: bool) -> Refreshed:
    """Everything the new files cause, in one transaction: a moved date and its corrections are never apart."""
    with service.store.writing() as tx:
        before = events.published(tx)
        changes = changing.diff(before, book.configuration.catalogue)
        reasons = changing.guard(changes, before)
        if reasons and not release:
            raise Held(_held(reasons))
        if state.get(tx, EPOCH) is None:
            state.put(tx, EPOCH, now)
        touched = _write_events(tx, before, book, now, withdraw=release)
        people.sync(tx, book.configuration.audiences, service.token, now)
        events.save_snapshot(tx, snapshot.files)
        state.put(tx, SNAPSHOT, snapshot.digest)
        if state.get(tx, LOOK) != _look(service):
            state.put(tx, LOOK, _look(service))
            touched = set(events.published(tx))
        after = events.published(tx)
        drawn = draw(tx, service, book, {event: after[event] for event in touched}, now)
        stamp_feeds(tx, book, after, now)
        owed = owe_changes(tx, service, book, after, changes, now)
        state.put(tx, REFUSED, None)
        state.put(tx, PUBLICATION, int(state.get(tx, PUBLICATION) or 0) + 1)
    return Refreshed(changes, len(owed.new), len(owed.held), drawn)


def _write_events(
    tx: Connection, before: Mapping[str, PublishedEvent], book: Book, now: datetime, *, withdraw: bool
) -> set[str]:
    """Store the events that differ from what is published; the ids of those whose entries must be drawn again."""
    touched: set[str] = set()
    for event in book.configuration.catalogue.events:
        old = before.get(event.id)
        merged = changing.merge(old, event)
        if old is None or old.missing or old.event != merged:
            events.publish(tx, merged, now)
            touched.add(event.id)
    absent = before.keys() - {event.id for event in book.configuration.catalogue.events}
    if withdraw:
        for id in sorted(absent):
            gone = tuple(replace(date, status=Status.WITHDRAWN) for date in before[id].event.dates)
            events.publish(tx, replace(before[id].event, status=Status.WITHDRAWN, dates=gone), now)
            touched.add(id)
    events.mark_missing(tx, sorted(absent), now)
    return touched


def owe_changes(
    tx: Connection,
    service: Service,
    book: Book,
    after: Mapping[str, PublishedEvent],
    changes: Changes,
    now: datetime,
) -> outbox.Owed:
    """Owe what the changes make people want to know: dates firmed up, and corrections to those told otherwise."""
    configuration = book.configuration
    members = people.subscribers(tx, configuration.audiences)
    announced = plan.announcements(changes, after, members.values(), configuration.kinds, now)
    told = outbox.told(tx, events=changed(after.values(), now))
    corrections = plan.corrections(told, after, configuration.kinds, now)
    return outbox.owe(tx, [*announced, *corrections], now, limit=service.settings.pass_limit)


def changed(published: Iterable[PublishedEvent], now: datetime) -> list[str]:
    """The ids of events of which a date changed recently enough for somebody to need a correction."""
    return sorted(
        each.event.id
        for each in published
        if any(date.revision > 1 and now - date.known_at < RECENTLY for date in each.dates)
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files that were not accepted: their digest ("" when they could not even be read), since when, and why."""

    digest: str
    since: datetime
    lines: tuple[str, ...]


def refusal(tx: Connection) -> Refusal | None:
    """The files that wait to be mended or released, if there are any."""
    stored = state.get(tx, REFUSED)
    if stored is None:
        return None
    facts = json.loads(str(stored))
    return Refusal(facts["digest"], datetime.fromisoformat(facts["since"]), tuple(facts["lines"]))


def _remember(service: Service, refused: Refusal | None) -> None:
    with service.store.reading() as tx:
        known = refusal(tx)
    if known == refused or (known and refused and known.lines == refused.lines and known.digest == refused.digest):
        return
    with service.store.writing() as tx:
        text = None
        if refused:
            text = json.dumps({"digest": refused.digest, "since": refused.since.isoformat(), "lines": refused.lines})
        state.put(tx, REFUSED, text)


def _look(service: Service) -> str:
    return f"{entry.LOOK} {service.settings.public_url}"


def _held(reasons: Collection[str]) -> str:
    return (
        f"{' '.join(reasons)} Nothing was changed. If this is an accident, mend the files. If it is meant, "
        "`reminders refresh --release` publishes it; events that the files no longer hold are then withdrawn, and "
        "whoever was told of them gets a cancellation."
    )
