"""Every mail of a period, foretold from the files alone: what a service that began then would send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reminders.catalogue.events import EventDate, PublishedDate, PublishedEvent
from reminders.catalogue.series import find
from reminders.jobs.service import Book, event_url, message_id_of, sender
from reminders.mail import compose
from reminders.mail.compose import Letter
from reminders.planning.notices import Notice
from reminders.planning.selections import lists
from reminders.planning.simulate import simulate
from reminders.planning.subscribers import Selection, Subscriber
from reminders.settings import Settings


@dataclass(frozen=True, slots=True)
class Foretold:
    """One notice of the future, whom it is for, and what it is about."""

    notice: Notice
    subscriber: Subscriber
    event: PublishedEvent
    date: EventDate


def foretell(book: Book, nation: str, start: datetime, end: datetime) -> list[Foretold]:
    """The notices that a service with these files, begun at `start` (UTC), owes until `end`, in their order.

    Those with `notice.dropped` would only be recorded, for that reason.
    """
    configuration = book.configuration
    published = as_published(book, start)
    people = invited(book, start)
    notices = simulate(
        published.values(),
        configuration.rules,
        configuration.kinds,
        people.values(),
        start=start,
        end=end,
        nation=nation,
    )
    found = []
    for notice in notices:
        event = published[notice.event]
        dated = find(event, (notice.date_kind, notice.occurrence))
        if dated is not None:
            found.append(Foretold(notice, people[notice.subscriber], event, dated.date))
    return found


def as_published(book: Book, at: datetime) -> dict[str, PublishedEvent]:
    """The events of the files as they would stand had they been published at `at` (UTC), by id."""
    return {
        event.id: PublishedEvent(event, 1, dates=tuple(PublishedDate(date, 1, at) for date in event.dates))
        for event in book.configuration.catalogue.events
    }


def invited(book: Book, joined_at: datetime) -> dict[int, Subscriber]:
    """The people of the files as the store would know them had all joined at `joined_at`, by an id of their own."""
    audiences: dict[str, dict[str, Selection]] = {}
    named: dict[str, tuple[str, str]] = {}
    for audience in book.configuration.audiences:
        for member in audience.members:
            key = member.address.casefold()
            address, name = named.get(key, (member.address, ""))
            named[key] = (address, name or member.name)
            audiences.setdefault(key, {})[audience.id] = audience.follows
    return {
        number: Subscriber(
            id=number,
            address=address,
            name=name,
            joined_at=joined_at,
            audiences=tuple(audiences[key]),
            follows=tuple(audiences[key].values()),
        )
        for number, (key, (address, name)) in enumerate(named.items(), start=1)
    }


def letter(settings: Settings, foretold: Foretold, book: Book) -> Letter:
    """The letter that would tell it, written at the instant it is due; its link to unsubscribe leads nowhere."""
    notice, base = foretold.notice, settings.public_url
    service = sender(settings)
    return Letter(
        notice=notice,
        subscriber=foretold.subscriber,
        event=foretold.event.event,
        date=foretold.date,
        kind=book.configuration.kinds[notice.date_kind],
        service=service,
        unsubscribe_url=f"{base}/unsubscribe/example" if base else "",
        calendars_url=f"{base}/you/example" if base else "",
        event_url=event_url(settings, notice.event),
        message_id=message_id_of(settings, notice),
        composed_at=notice.due_at,
        lists=lists(book.configuration.audiences, foretold.subscriber, foretold.event.event, notice.date_kind),
    )


def mail(settings: Settings, foretold: Foretold, book: Book) -> bytes:
    """The same as the bytes of a message."""
    return compose.compose(book.templates, letter(settings, foretold, book))
