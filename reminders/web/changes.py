"""What changed in what is published, told to readers: one entry for each version of an event that says something new.

Told is what matters to somebody who wants to come or apply. Who checked a source when, how an event is filed and when
mails about it go out is none of that, and makes no entry. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from uuid import UUID, uuid5

from reminders.catalogue.changes import Change, ChangeKind, diff
from reminders.catalogue.events import Amendment, Catalogue, Event, EventDate, Kind, PublishedEvent, Status
from reminders.catalogue.wording import day_words, repeated, short, words
from reminders.web.listing import NO_DATE, kind_of

MOST = 50
"""So many entries are told, the newest."""
_NAMESPACE = UUID("b1f0a4f3-6d0e-4a53-9b0b-7a5c1f1f5e0d")
_OFF = (Status.CANCELLED, Status.WITHDRAWN)


class What(StrEnum):
    """What happened, what matters most first."""

    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"
    POSTPONED = "postponed"
    MOVED = "moved"
    ON_AGAIN = "on-again"
    ANNOUNCED = "announced"
    FIRMED_UP = "firmed-up"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One publication of one event: `id` is a URN for ever, `lines` are sentences, `at` is UTC.

    Of several changes the title names the one that matters most, and `what` is its kind.
    """

    id: str
    event: str
    title: str
    what: What
    lines: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Changelog:
    """What changed, newest first. `span` (UTC) is when anything was first and last published, None while nothing is."""

    span: tuple[datetime, datetime] | None = None
    entries: tuple[Entry, ...] = ()

    @property
    def began(self) -> datetime | None:
        """The first publication."""
        return self.span and self.span[0]

    @property
    def latest(self) -> datetime | None:
        """The last publication of any fact."""
        return self.span and self.span[1]

    @property
    def id(self) -> str:
        """A URN of its own for each store, wherever it is served: it follows from the instant it began."""
        return f"urn:uuid:{uuid5(_NAMESPACE, self.began.isoformat() if self.began else 'nothing yet')}"


NOTHING = Changelog()
"""While nothing is published."""


def tell(
    amendments: Iterable[Amendment], kinds: Mapping[str, Kind], span: tuple[datetime, datetime] | None
) -> Changelog:
    """The newest `MOST` entries of what was published, newest first, taking no more amendments than that needs.

    What was published first of all is no change, and should not be among the amendments: nobody knew anything else.
    `span` is when anything was first and last published, None while nothing is.
    """
    told = (entry for each in amendments if (entry := _entry(each, kinds)) is not None)
    return Changelog(span, tuple(islice(told, MOST)))


@dataclass(frozen=True, slots=True)
class _News:
    """One change: a few words for a title, and a sentence."""

    what: What
    head: str
    line: str


def _entry(amendment: Amendment, kinds: Mapping[str, Kind]) -> Entry | None:
    event = amendment.event
    if amendment.before is None:
        if event.status is Status.WITHDRAWN:
            return None
        lines = tuple(_stand(date, kinds) for date in event.dates if date.status is not Status.WITHDRAWN)
        news = [_News(What.ANNOUNCED, "New", "\n".join(lines) or f"{NO_DATE}.")]
    else:
        news = list(_news(amendment.before, event, kinds))
    if not news:
        return None
    first = min(news, key=lambda each: list(What).index(each.what))
    others = len(news) - 1
    more = f" and {others} more change{'s' * (others > 1)}" if others else ""
    id = uuid5(_NAMESPACE, f"{event.id}|{amendment.revision}|{amendment.at.isoformat()}")
    title = f"{first.head}{more}: {event.title}"
    return Entry(f"urn:uuid:{id}", event.id, title, first.what, tuple(each.line for each in news), amendment.at)


def _news(before: Event, event: Event, kinds: Mapping[str, Kind]) -> Iterator[_News]:
    """What is new about an event, its dates first."""
    grouped: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in diff({event.id: PublishedEvent(before, 0)}, Catalogue((event,))):
        if change.date is not None:
            grouped[change.date].append(change)
    for changes in grouped.values():
        was, date = changes[0].before, changes[0].after
        if date is not None:
            yield from _date_news({change.kind for change in changes}, was, date, kinds)
    if event.status is not before.status and not event.dates:
        what, said = _STATUS[event.status]
        yield _News(what, said, f"{said}.")
    for name, now, then in (
        ("title", event.title, before.title),
        ("level", _level(event), _level(before)),
        ("provider", event.provider, before.provider),
        ("link", event.link, before.link),
        ("contact", event.contact, before.contact),
    ):
        if now != then:
            yield _News(What.CHANGED, "New details", _detail(name.capitalize(), now, then))
    if event.description != before.description:
        yield _News(What.CHANGED, "New details", "The description has changed.")


_STATUS = {
    Status.PLANNED: (What.ON_AGAIN, "On again"),
    Status.POSTPONED: (What.POSTPONED, "Postponed"),
    Status.CANCELLED: (What.CANCELLED, "Cancelled"),
    Status.WITHDRAWN: (What.WITHDRAWN, "Withdrawn"),
}


def _date_news(
    found: set[ChangeKind], was: EventDate | None, date: EventDate, kinds: Mapping[str, Kind]
) -> Iterator[_News]:
    """What is new about one date. `found` is everything that happened to it."""
    label, name = _midsentence(kind_of(date.kind, kinds).label), _name(date, kinds)
    if was is None:
        if date.status is not Status.WITHDRAWN:
            yield _News(What.ANNOUNCED, f"New date, {short(date.when)} ({label})", _stand(date, kinds))
        return
    now, then = words(date.when), words(was.when)
    fresh = date.when != was.when
    if date.status is not was.status:
        what, said = _STATUS[date.status]
        if date.status in _OFF:
            old = f" {short(was.when)}" if was.when.dated else ""
            line = f"{name}: {said.lower()}" + (f"; was {then}." if old else ".")
            yield _News(what, f"{said} ({label}{old})", line)
        elif date.status is Status.PLANNED:
            line = f"{name}: on again, {now}" + (f"; was {then}." if fresh else ".")
            yield _News(what, f"{said}, {short(date.when)} ({label})", line)
        elif fresh and date.when.dated:
            yield _News(what, f"{said} to {short(date.when)} ({label})", f"{name}: postponed to {now}; was {then}.")
        else:
            line = f"{name}: postponed; was {then}. The new date is not known yet."
            yield _News(what, f"{said} ({label})", line)
    elif fresh and date.status not in _OFF:  # of what is off, the date does not matter
        if ChangeKind.DATE_FIRMED_UP in found:
            yield _News(
                What.FIRMED_UP, f"Announced for {short(date.when)} ({label})", f"{name}: now {now}; was {then}."
            )
        elif date.when.dated:
            yield _News(What.MOVED, f"Moved to {short(date.when)} ({label})", f"{name}: now {now}; was {then}.")
        elif was.when.dated:
            yield _News(What.MOVED, f"No date any more ({label})", f"{name}: now {now}; was {then}.")
        else:
            yield _News(What.CHANGED, f"Now {short(date.when)} ({label})", f"{name}: now {now}; was {then}.")
    if date.repeats != was.repeats and date.status not in _OFF:
        yield _News(What.CHANGED, f"Other days ({label})", f"{name}: {_days(date)}; before: {_days(was)}.")
    for each, new, old in (("place", date.location, was.location), ("note", date.note, was.note)):
        if new != old:
            yield _News(What.CHANGED, f"New details ({label})", _detail(f"{name}: {each}", new, old))


def _days(date: EventDate) -> str:
    """On which days a date is, in words."""
    if date.repeats is None or date.when.first is None:
        return "once"
    said = [repeated(date.repeats.rule, date.when.first)]
    said += [f"not on {day_words(day)}" for day in date.repeats.excepted]
    for each in date.repeats.overrides:
        now = f"instead on {words(each.when)}" if each.when else each.status.value
        said.append(f"{day_words(each.on)} {now}")
    return ", ".join(said)


def _stand(date: EventDate, kinds: Mapping[str, Kind]) -> str:
    """A date as a sentence, with its status where that is not as planned."""
    status = "" if date.status is Status.PLANNED else f", {date.status}"
    days = f", {_days(date)}" if date.repeats else ""
    return f"{_name(date, kinds)}: {words(date.when)}{days}{status}."


def _detail(name: str, now: str, then: str) -> str:
    """What became of one field; a stop ends it only where no text of others does, which may be a link."""
    return f"{name} now: {now or 'not given'}" + (f"\n(was: {then})" if then else "")


def _level(event: Event) -> str:
    return "" if event.level is None else str(event.level)


def _name(date: EventDate, kinds: Mapping[str, Kind]) -> str:
    label = kind_of(date.kind, kinds).label
    return f"{label} ({date.occurrence})" if date.occurrence else label


def _midsentence(label: str) -> str:
    """A label within a sentence, as in the subjects of mails; an abbreviation stays as it is."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]
