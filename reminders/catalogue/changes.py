"""What new files change in what is published, and when that looks like an accident.

Absence is never a cancellation: what the files no longer hold stays published, and is reported as missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from reminders.catalogue.dates import narrows
from reminders.catalogue.events import Catalogue, Event, EventDate, Override, PublishedEvent, Repeats, Status, worse
from reminders.catalogue.wording import repeated, words

FEW = 3
"""So many missing, cancelled or moved at a time are everyday work, whatever part of the catalogue they are."""
SHARE = 10
"""Above `FEW`, more than one in so many going missing or being called off is suspicious."""


class ChangeKind(StrEnum):
    """What happened to an event, or to one of its dates."""

    EVENT_ADDED = "event-added"
    EVENT_CHANGED = "event-changed"  # its text
    EVENT_MISSING = "event-missing"
    EVENT_RETURNED = "event-returned"
    DATE_ADDED = "date-added"
    DATE_MOVED = "date-moved"
    DATE_FIRMED_UP = "date-firmed-up"  # as told before, only closer
    DATE_CANCELLED = "date-cancelled"  # or withdrawn
    DATE_POSTPONED = "date-postponed"
    DATE_REINSTATED = "date-reinstated"
    DATE_MISSING = "date-missing"
    DATE_CHANGED = "date-changed"  # its note, location or the like


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `date` is the key of the date (None: it is about the event); `words` is a sentence without a stop.

    `before` and `after` are the date as it was and will be, where there was or will be one.
    """

    kind: ChangeKind
    event_id: str
    words: str
    date: tuple[str, str] | None = None
    before: EventDate | None = None
    after: EventDate | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of one reading, by event id; within an event its own first, then its dates' in their order."""

    items: tuple[Change, ...] = ()

    def __iter__(self) -> Iterator[Change]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def of(self, *kinds: ChangeKind) -> tuple[Change, ...]:
        """The changes of the given kinds."""
        return tuple(change for change in self.items if change.kind in kinds)


_OFF = (Status.CANCELLED, Status.WITHDRAWN)


def effective(event: Event) -> Event:
    """The event with its own status pushed down to its dates; a date that is worse off keeps its own."""
    if event.status is Status.PLANNED:
        return event
    dates = (replace(date, status=worse(date.status, event.status)) for date in event.dates)
    return replace(event, dates=tuple(dates))


def merge(published: PublishedEvent | None, new: Event, *, withdraw: Collection[tuple[str, str]] = ()) -> Event:
    """The event to publish: `new`, and the published dates that the files no longer hold; dates in order of their keys.

    Those of the keys `withdraw` (somebody released their absence) are withdrawn.
    """
    if published is None:
        return effective(new)
    held = {date.key for date in new.dates}
    absent = [date for date in published.event.dates if date.key not in held]
    absent = [
        replace(date, status=Status.WITHDRAWN) if date.key in withdraw and date.status not in _OFF else date
        for date in absent
    ]
    return effective(replace(new, dates=tuple(sorted((*new.dates, *absent), key=lambda date: date.key))))


def diff(published: Mapping[str, PublishedEvent], new: Catalogue) -> Changes:
    """What publishing `new` would change. What is missing already, or was called off before it left, is no change."""
    found = {event.id: event for event in new.events}
    changes: list[Change] = []
    for id in sorted(found.keys() | published.keys()):
        changes += _event_changes(id, published.get(id), found.get(id))
    titles = {event.title: event.id for event in new.events if event.id not in published}
    return Changes(tuple(_renamed(change, published, titles) for change in changes))


def _renamed(change: Change, published: Mapping[str, PublishedEvent], titles: Mapping[str, str]) -> Change:
    """The change, with a question where an event went missing just as a new one came with its title."""
    if change.kind is not ChangeKind.EVENT_MISSING:
        return change
    renamed = titles.get(published[change.event_id].event.title)
    if renamed is None:
        return change
    return replace(change, words=f"{change.words}; if {renamed} is the same event, give it this id again")


def guard_absence(changes: Changes, published: Mapping[str, PublishedEvent]) -> list[str]:
    """Why so much being absent from the files looks like an accident: a sentence, or none when it does not."""
    present, dates = _present(published)
    gone = changes.of(ChangeKind.EVENT_MISSING)
    absent = {change.event_id for change in gone}
    lost = sum(
        date.status not in _OFF for each in present if each.event.id in absent for date in each.event.dates
    ) + len(changes.of(ChangeKind.DATE_MISSING))
    if present and len(gone) == len(present) and (len(gone) > 1 or not _kept(changes)):
        return [f"The files hold none of the {len(present)} published events any more."]
    if _many(len(gone), len(present)) or _half(len(gone), len(present)):
        return [f"{len(gone)} of {len(present)} published events are missing from the files: {_ids(gone)}."]
    if _many(lost, dates) or _half(lost, dates):
        missing = changes.of(ChangeKind.DATE_MISSING, ChangeKind.EVENT_MISSING)
        return [f"{lost} of {dates} published dates are missing from the files: {_ids(missing)}."]
    return []


def guard(changes: Changes, published: Mapping[str, PublishedEvent]) -> list[str]:
    """Why what the files say anew looks like an accident: a sentence for each reason, none when it may be published."""
    _, dates = _present(published)
    off = changes.of(ChangeKind.DATE_CANCELLED)
    moved = changes.of(ChangeKind.DATE_MOVED, ChangeKind.DATE_POSTPONED)
    reasons = []
    if _many(len(off), dates):
        reasons.append(f"{len(off)} of {dates} published dates would be cancelled at once: {_ids(off)}.")
    if len(moved) > FEW and len(moved) * 2 > dates:
        reasons.append(f"{len(moved)} of {dates} published dates would move at once: {_ids(moved)}.")
    return reasons


def _present(published: Mapping[str, PublishedEvent]) -> tuple[list[PublishedEvent], int]:
    """The events that the files held last time and nobody called off, and how many of their dates stand."""
    present = [each for each in published.values() if not each.missing and not _called_off(each.event)]
    return present, sum(date.status not in _OFF for each in present for date in each.event.dates)


def _many(count: int, total: int) -> bool:
    return count > FEW and count * SHARE > total


def _half(count: int, total: int) -> bool:
    return count > 1 and count * 2 >= total


def _kept(changes: Changes) -> bool:
    return bool(changes.of(ChangeKind.EVENT_ADDED, ChangeKind.EVENT_RETURNED))


def _ids(changes: Collection[Change], most: int = 5) -> str:
    ids = sorted({change.event_id for change in changes})
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _called_off(event: Event) -> bool:
    return event.status in _OFF


def _event_changes(id: str, published: PublishedEvent | None, new: Event | None) -> Iterator[Change]:
    if published is None and new is not None:
        said = ", ".join(f"{_name(date)} {words(date.when)}" for date in new.dates)
        yield Change(ChangeKind.EVENT_ADDED, id, f"{id} is new: {new.title}" + (f" ({said})" if said else ""))
    elif published is not None and new is None:
        if not published.missing and not _called_off(published.event):
            yield Change(ChangeKind.EVENT_MISSING, id, f"{id} is missing from the files and stays published as it is")
    elif published is not None and new is not None:
        yield from _changes(published, new)


def _changes(published: PublishedEvent, new: Event) -> Iterator[Change]:
    id, old, merged = new.id, published.event, merge(published, new)
    if published.missing:
        yield Change(ChangeKind.EVENT_RETURNED, id, f"{id} is in the files again")
    names = (each.name for each in fields(Event) if each.name not in ("id", "dates"))
    if differing := [name for name in names if getattr(old, name) != getattr(merged, name)]:
        yield Change(ChangeKind.EVENT_CHANGED, id, f"{id}: {', '.join(differing)} changed")
    before = {date.key: date for date in old.dates}
    held = {date.key for date in new.dates}
    for date in merged.dates:
        was = before.get(date.key)
        if was is None:
            said = f"{id}: {_name(date)} is new: {words(date.when)}"
            yield Change(ChangeKind.DATE_ADDED, id, said, date.key, None, date)
            continue
        if date.key not in held and was.status not in _OFF:
            said = f"{id}: {_name(date)} is missing from the files and stays published as it is"
            yield Change(ChangeKind.DATE_MISSING, id, said, date.key, was, date)
        yield from _date_changes(id, was, date)


def _date_changes(id: str, was: EventDate, date: EventDate) -> Iterator[Change]:
    name = f"{id}: {_name(date)}"
    if was.status is not date.status:
        kind, said = {
            Status.PLANNED: (ChangeKind.DATE_REINSTATED, "is on again"),
            Status.POSTPONED: (ChangeKind.DATE_POSTPONED, "is postponed"),
            Status.CANCELLED: (ChangeKind.DATE_CANCELLED, "is cancelled"),
            Status.WITHDRAWN: (ChangeKind.DATE_CANCELLED, "is withdrawn"),
        }[date.status]
        yield Change(kind, id, f"{name} {said} ({words(date.when)})", date.key, was, date)
    if was.when != date.when:
        firmer = narrows(date.when, was.when)
        known = was.when.dated or date.when.dated
        kind = ChangeKind.DATE_FIRMED_UP if firmer else ChangeKind.DATE_MOVED if known else ChangeKind.DATE_CHANGED
        said = {ChangeKind.DATE_FIRMED_UP: "is firmer", ChangeKind.DATE_MOVED: "moves"}.get(kind, "changes")
        yield Change(kind, id, f"{name} {said}: {words(date.when)}, was {words(was.when)}", date.key, was, date)
    if was.repeats != date.repeats:
        yield from _repeats_changes(name, id, was, date)
    differing = [each for each in ("note", "location", "inferred") if getattr(was, each) != getattr(date, each)]
    if differing:
        yield Change(ChangeKind.DATE_CHANGED, id, f"{name}: {', '.join(differing)} changed", date.key, was, date)


def _repeats_changes(name: str, id: str, was: EventDate, date: EventDate) -> Iterator[Change]:
    before, after = was.repeats, date.repeats
    said, told = (_repeated(each) for each in (date, was))
    if after is None or before is None or before.rule != after.rule:
        words = f"{name} repeats differently: {said}, was {told}"
        yield Change(ChangeKind.DATE_MOVED, id, words, date.key, was, date)
        return
    days = {each.on for repeats in (before, after) for each in repeats.overrides if each not in _common(before, after)}
    days |= {*before.excepted} ^ {*after.excepted}
    words = f"{name} changes on {', '.join(map(str, sorted(days)))}"
    yield Change(ChangeKind.DATE_CHANGED, id, words, date.key, was, date)


def _common(before: Repeats, after: Repeats) -> set[Override]:
    return {*before.overrides} & {*after.overrides}


def _repeated(date: EventDate) -> str:
    return repeated(date.repeats.rule, date.when.first) if date.repeats and date.when.first else "once"


def _name(date: EventDate) -> str:
    return f"{date.kind} ({date.occurrence})" if date.occurrence else date.kind
