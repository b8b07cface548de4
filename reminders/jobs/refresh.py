"""Files to feed: read what staff keep, decide what changed, publish it.

    files -> configuration -> changes -> guards -> one transaction: events, entries, feeds, people, notices

A file that cannot be used, or that looks like an accident, changes nothing; the last good files stay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reminders.catalogue import changes as changing
from reminders.catalogue.changes import Change, ChangeKind, Changes
from reminders.catalogue.events import PublishedEvent, Status
from reminders.errors import BadInput, Held
from reminders.feed import entry
from reminders.feed.personal import ALL
from reminders.files import Snapshot, read_finished, zone_mark
from reminders.jobs import braking, ruling
from reminders.jobs.braking import Braked, Stopped
from reminders.jobs.drawing import EPOCH, draw, stamp_feeds
from reminders.jobs.service import Book, Service, check_letters, read_book
from reminders.planning import plan
from reminders.planning.guard import guard as guard_people
from reminders.planning.subscribers import Subscriber
from reminders.store import events, outbox, people, state
from reminders.store.declared import Declared, declare
from reminders.store.forecast import Surplus

if TYPE_CHECKING:
    from sqlalchemy import Connection

REFUSED = "refused"
LOOK = "look"
REMINDED_UNTIL = "reminded_until"
MISSING_DATES = "missing_dates"
ZONES = "zones"
"""What the store remembers under a name: files not accepted, how entries are drawn, until when reminders were owed,
which dates the files no longer hold, and the time zones by whose data everything was published."""
ABSENCES = (ChangeKind.EVENT_MISSING, ChangeKind.DATE_MISSING)
RECENTLY = timedelta(days=31)
"""How long after a change somebody whose mail was under way meanwhile can still be owed a correction."""
FURTHEST = timedelta(days=1)
"""By how much an instant may move when a time zone's data change."""
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a look at the files came to: `changes` is None when they are as they were.

    `withdrawn` are absences that were released, and are no `changes`: a sentence each without a stop. `owed` counts the
    mails the changes cause, `entries` the calendar entries drawn anew; `feeds` are the names of the feeds that changed;
    `left_out` says which dates are not in them, because their entry would not be right. `stopped` are mails about the
    changes that are held, `surplus` days of the plan that bring more mails than is usual.
    """

    changes: Changes | None = None
    withdrawn: tuple[str, ...] = ()
    owed: int = 0
    entries: int = 0
    feeds: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    stopped: tuple[Stopped, ...] = ()
    surplus: Surplus | None = None

    @property
    def held(self) -> int:
        """How many mails about the changes are held."""
        return sum(batch.mails for batch in self.stopped)


def refresh(service: Service, now: datetime, *, release: bool = False) -> Refreshed:
    """Publish what the files say.

    Raises `BadInput` when they cannot be used and `Held` when they look like an accident; both leave everything as
    it was, are remembered for `/readyz`, and are raised again at each look until the files are mended. `release`
    accepts what would be held. When that is because events or dates are missing, those are withdrawn; what went missing
    earlier, or is not held, stays as it is.
    """
    with service.store.reading() as tx:
        known, refused = events.snapshot_digest(tx) or "", refusal(tx)
        same_look = state.get(tx, LOOK) == _look(service) and _same_zones(tx)
    seen = ""
    try:
        snapshot = read_finished(
            service.config, known=refused.digest if refused else known, settle=service.settings.settle
        )
        if snapshot.digest == known and same_look:
            _remember(service, None)
            return Refreshed()
        seen = snapshot.digest
        book = read_book(snapshot.files, service.settings.zone, shipped=snapshot.shipped)
        check_letters(service.settings, book)
        return _publish(service, snapshot, book, now, release)
    except BadInput as error:
        _remember(service, Refusal(seen, now, tuple(str(problem) for problem in error.problems)))
        raise
    except Held as error:
        _remember(service, Refusal(seen, now, (str(error),)))
        raise


def _publish(service: Service, snapshot: Snapshot, book: Book, now: datetime, release: bool) -> Refreshed:
    """Everything the new files cause, in one transaction: a moved date and its corrections are never apart.

    What becomes known here must be later than the last pass that owed reminders, on whichever machine that ran: the
    next one looks only at what happened since. It is dated later than the last publication, which calendars may have
    seen; nobody is told of it later for that.
    """
    audiences = book.configuration.audiences
    with service.store.writing(alone=events.TURN) as tx:
        last = events.published_at(tx) or BEFORE_ALL
        now = max(now, reminded_until(tx) + timedelta(microseconds=1))
        dated = max(now, last + timedelta(microseconds=1))
        before = events.published(tx)
        found = changing.diff(before, book.configuration.catalogue)
        missing = _missing_dates(tx)
        changes = Changes(tuple(each for each in found if _date_missing(each) not in missing))
        invites = {people.address_key(member.address) for audience in audiences for member in audience.members}
        absences = changing.guard_absence(changes, before)
        known = {name for name, stamp in events.feed_stamps(tx).items() if not stamp.forgotten}
        lost = sorted(known - {feed.name for feed in book.configuration.feeds} - {ALL})
        reasons = absences + changing.guard(changes, before) + guard_people(people.invited(tx), invites)
        if lost:
            names = ", ".join(f"{name}.ics" for name in lost)
            reasons.append(f"Calendars that people may have subscribed to would be gone: {names}.")
        if reasons and not release:
            raise Held(_held(reasons, withdraws=bool(absences)))
        if state.get(tx, EPOCH) is None:
            state.put(tx, EPOCH, now)
        withdrawn = _write_events(tx, before, book, changes if absences else Changes(), now, dated)
        people.sync(tx, audiences, service.token, now)
        events.save_snapshot(tx, snapshot.files)
        state.put(tx, events.SNAPSHOT, snapshot.digest)
        state.put(tx, LOOK, _look(service))
        if not _same_zones(tx) and (until := reminded_until(tx)) != BEFORE_ALL:
            state.put(tx, REMINDED_UNTIL, until - FURTHEST)  # what is due earlier now than it was has not been missed
        declare(tx, declarations(book))
        ruling.mark(tx, book, service.settings.nation, now)
        events.forget_feeds(tx, lost)
        state.put(tx, MISSING_DATES, json.dumps([key for each in found if (key := _date_missing(each))]))
        after = events.published(tx)
        named = {date.date.when.zone for event in after.values() for date in event.dates}
        state.put(tx, ZONES, json.dumps({zone: zone_mark(zone) for zone in sorted(named)}))
        drawn = draw(tx, service, book, after, dated)
        feeds = stamp_feeds(tx, service, book, after, dated)
        members = people.subscribers(tx, audiences)
        surplus = braking.foresee(tx, service, book, after.values(), members.values(), now)
        done = owe_changes(tx, service, book, after, members.values(), changes, now)
        state.put(tx, REFUSED, None)
        events.count_publication(tx, dated)
    service.accept(book)
    if withdrawn:
        changes = Changes(tuple(each for each in changes if each.kind not in ABSENCES))
    return Refreshed(
        changes,
        tuple(withdrawn),
        len(done.owed.new),
        drawn.changed,
        tuple(feeds),
        drawn.left_out,
        done.stopped,
        surplus,
    )


def _same_zones(tx: Connection) -> bool:
    """Whether the time zones' data are those by which everything was published."""
    known: dict[str, str] = json.loads(str(state.get(tx, ZONES) or "{}"))
    return all(zone_mark(zone) == mark for zone, mark in known.items())


def declarations(book: Book) -> Declared:
    """What the files declare of feeds."""
    read = book.configuration
    return Declared(read.kinds, read.feeds, {each.id: each.follows for each in read.audiences})


def _date_missing(change: Change) -> tuple[str, ...]:
    """Which date the change says is missing: event, kind and occurrence; () for any other change."""
    return (change.event_id, *(change.date or ())) if change.kind is ChangeKind.DATE_MISSING else ()


def _missing_dates(tx: Connection) -> set[tuple[str, ...]]:
    """The dates that were missing at the last publication: they were reported then, and are no news."""
    return {tuple(key) for key in json.loads(str(state.get(tx, MISSING_DATES) or "[]"))}


def _write_events(
    tx: Connection,
    before: Mapping[str, PublishedEvent],
    book: Book,
    released: Changes,
    now: datetime,
    dated: datetime,
) -> list[str]:
    """Store the events that differ from what is published; what is absent by the changes `released` is withdrawn.

    They are known since `now`, and `dated` as the publication is. Returns what was withdrawn, a sentence each.
    """
    dates = {(change.event_id, change.date) for change in released.of(ChangeKind.DATE_MISSING)}
    for event in book.configuration.catalogue.events:
        old = before.get(event.id)
        gone = {key for id, key in dates if id == event.id and key is not None}
        merged = changing.merge(old, event, withdraw=gone)
        if old is None or old.missing or old.event != merged:
            events.publish(tx, merged, dated, known_at=now)
    for change in released.of(ChangeKind.EVENT_MISSING):
        withdrawn = replace(before[change.event_id].event, status=Status.WITHDRAWN)
        events.publish(tx, changing.effective(withdrawn), dated, known_at=now)
    absent = before.keys() - {event.id for event in book.configuration.catalogue.events}
    events.mark_missing(tx, sorted(absent), dated)
    return [
        f"{change.event_id} is withdrawn"
        if change.date is None
        else f"{change.event_id}: {change.date[0]} is withdrawn"
        for change in released.of(*ABSENCES)
    ]


def owe_changes(
    tx: Connection,
    service: Service,
    book: Book,
    after: Mapping[str, PublishedEvent],
    members: Collection[Subscriber],
    changes: Changes,
    now: datetime,
) -> Braked:
    """Owe what the changes make people want to know: dates firmed up, and corrections to those told otherwise.

    During a pause too: a change comes once, and nothing is sent before the pause is over.
    """
    configuration = book.configuration
    announced = plan.announcements(changes, after, members, configuration.kinds, now)
    left = {member.id for member in members if member.left_at or member.suspended_at}
    told = outbox.told(tx, events=changed(after.values(), now))
    corrections = plan.corrections(told, after, configuration.kinds, now, left=left)
    notices = [*announced, *corrections]
    return braking.owe(tx, service, book, notices, since=reminded_until(tx), now=now, changes=True)


def changed(published: Iterable[PublishedEvent], now: datetime) -> list[str]:
    """The ids of events of which a date changed recently enough for somebody to need a correction."""
    return sorted(
        each.event.id
        for each in published
        if any(date.revision > 1 and now - date.known_at < RECENTLY for date in each.dates)
    )


def reminded_until(tx: Connection) -> datetime:
    """The instant up to which reminders were owed; the beginning of time before the first pass."""
    until = state.get(tx, REMINDED_UNTIL)
    return until if isinstance(until, datetime) else BEFORE_ALL


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
    if known and refused:  # also of files that were edited meanwhile and are not right yet
        refused = replace(refused, since=known.since)
    if known == refused:
        return
    with service.store.writing() as tx:
        text = None
        if refused:
            facts = {"digest": refused.digest, "since": refused.since.isoformat(), "lines": refused.lines}
            text = json.dumps(facts)
        state.put(tx, REFUSED, text)


def _look(service: Service) -> str:
    """What publishing depends on beside the files: how entries are drawn, and the links in them and in mails."""
    chosen = service.settings
    return f"{entry.LOOK} {chosen.public_url} {chosen.zone} {service.key_mark} {chosen.service_name}"


def _held(reasons: Collection[str], *, withdraws: bool) -> str:
    then = "; what is missing is then withdrawn, and whoever was told of it gets a cancellation" if withdraws else ""
    return (
        f"{' '.join(reasons)} Nothing was changed. If this is an accident, mend the files. If it is meant, "
        f"`reminders refresh --release` publishes it{then}."
    )
