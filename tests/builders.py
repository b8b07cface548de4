"""Facts with valid defaults, so that a test says only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from reminders.catalogue.dates import parse_when
from reminders.catalogue.events import Event, EventDate, Kind, PublishedDate, PublishedEvent, Status
from reminders.planning.notices import Told
from reminders.planning.rules import Rule
from reminders.planning.send import parse_send
from reminders.planning.subscribers import Selection, Subscriber

LONDON = "Europe/London"
EPOCH = datetime(2018, 11, 23, 9, 0, tzinfo=UTC)

CLOSING = Kind("applications-close", "Applications close", deadline=True)
COURSE = Kind("course", "Course")
KINDS: Mapping[str, Kind] = {kind.id: kind for kind in (CLOSING, COURSE)}


def utc(text: str) -> datetime:
    """An instant from ISO text; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def date(when: str = "2019-02-12", kind: str = "course", *, zone: str = LONDON, **fields: object) -> EventDate:
    status = Status(str(fields.pop("status", "planned")))
    return EventDate(kind=kind, when=parse_when(when, zone), status=status, **fields)  # type: ignore[arg-type]  # test sugar


def event(id: str = "talking-2019", *dates: EventDate, **fields: object) -> Event:
    facts: dict[str, object] = {"title": "Having Difficult Conversations", "level": 2, "provider": "HEE"}
    return Event(id=id, dates=dates or (date(),), **(facts | fields))  # type: ignore[arg-type]  # test sugar


def published(event: Event, *, known_at: datetime = EPOCH, revision: int = 1) -> PublishedEvent:
    dates = tuple(PublishedDate(date, revision, known_at) for date in event.dates)
    return PublishedEvent(event, revision, dates=dates)


def subscriber(id: int = 1, address: str = "amina@example.org", **fields: object) -> Subscriber:
    facts: dict[str, object] = {"name": "Amina", "joined_at": EPOCH, "audiences": ("all",), "follows": (Selection(),)}
    return Subscriber(id, address, **(facts | fields))  # type: ignore[arg-type]  # test sugar


def rule(id: str, send: str, about: str = "course", **fields: object) -> Rule:
    """A rule as rules.yaml has it; it waits for the usual precision unless `needs` says otherwise."""
    sent = parse_send(send)
    return Rule(id, (about,), sent, **({"needs": sent.usual} | fields))  # type: ignore[arg-type]  # test sugar


def told(event: Event, when: str, *, subscriber: int = 1, status: str = "planned", zone: str = LONDON) -> Told:
    """What the last mail about the event's first date said."""
    said = event.dates[0]
    return Told(subscriber, event.id, *said.key, f"{when} {zone} {status}", "<told@example.org>")
