"""Letters that might have to be written about a date, so that templates are tried before anybody is mailed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from reminders.catalogue.dates import parse_when
from reminders.catalogue.events import Event, EventDate, Kind, Source, Status
from reminders.catalogue.series import occurrences
from reminders.mail.letter import Letter, Service
from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.subscribers import Subscriber

_THEN = datetime(2018, 11, 23, 9, tzinfo=UTC)
_FULL = EventDate(
    kind="applications-close",
    when=parse_when("2018-12-14T10:00", "Europe/London"),
    note="A note",
    location="Newcastle",
    inferred="A reason",
)
SEVERAL = 60
"""Of how many occurrences of a series the letters are tried when all are to be: every weekday, month and length."""
INVENTED = (
    (
        Event(
            id="invented",
            title="An event with everything",
            dates=(_FULL,),
            level=2,
            provider="Provider",
            description="Description",
            link="https://example.org/apply",
            contact="ask@example.org",
            source=Source("Page", date(2018, 11, 23), "its words", "https://example.org/page"),
        ),
        _FULL,
        Kind("applications-close", "Applications close", deadline=True),
    ),
    (
        Event(id="bare", title="An event with nothing"),
        EventDate(kind="visit", when=parse_when("2019", "Europe/London")),
        Kind("visit", "Visit"),
    ),
)
"""So that the templates are checked even while the catalogue is empty."""


def invented(address: str, service: Service, message_id: str, now: datetime) -> Letter:
    """A reminder of something that there is not, to try whether mail arrives."""
    event, date, kind = INVENTED[0]
    event = replace(event, title="A test: this mail is about nothing", link="", contact="", source=None, description="")
    letter = next(
        letters(event, replace(date, note="", location="", inferred=""), kind, replace(service, public_url=""))
    )
    return replace(
        letter,
        subscriber=Subscriber(0, address, "", now),
        message_id=message_id,
        composed_at=now,
        lists=(),
    )


def samples(date: EventDate, *, every: bool) -> Iterator[EventDate]:
    """Of a series those of its occurrences that are different, and the first that is not; a plain date as it is.

    With `every`, the first few dozen, which show every weekday and month.
    """
    if date.repeats is None:
        yield date
    else:
        yield from islice(occurrences(date), len(date.repeats.overrides) + (SEVERAL if every else 1))


def shape_of(event: Event, date: EventDate, kind: Kind) -> tuple[object, ...]:
    """What decides which branches of a template are taken: equal shapes can be filled in alike."""
    when, source = date.when, event.source
    return (
        *(kind.deadline, when.precision, when.qualifier, when.first == when.last, when.starts == when.ends),
        *(date.status, bool(date.note), bool(date.location), bool(date.inferred)),
        *(event.level is None, bool(event.provider), bool(event.description), bool(event.link), bool(event.contact)),
        *(source is None, bool(source and source.quote)),
    )


def letters(event: Event, date: EventDate, kind: Kind, service: Service) -> Iterator[Letter]:
    """What people may be told about a date: all that can be said of one of its shape."""
    planned = replace(date, status=Status.PLANNED)
    other = replace(planned, when=parse_when("2018-11-01", date.when.zone))
    unknown = replace(planned, when=parse_when("tba", date.when.zone))
    called_off = replace(planned, status=Status.CANCELLED)
    told: tuple[tuple[NoticeKind, EventDate | None, EventDate], ...] = (
        (NoticeKind.REMINDER, None, date),
        (NoticeKind.MOVED, other, planned),
        (NoticeKind.MOVED, planned, other),
        (NoticeKind.MOVED, planned, unknown),
        (NoticeKind.MOVED, planned, replace(date, status=Status.POSTPONED)),
        (NoticeKind.MOVED, other, replace(date, status=Status.POSTPONED)),
        (NoticeKind.MOVED, called_off, planned),
        (NoticeKind.ANNOUNCED, unknown, planned),
        (NoticeKind.CANCELLED, planned, called_off),
        (NoticeKind.CANCELLED, planned, replace(date, status=Status.WITHDRAWN)),
    )
    base = service.public_url
    for late in (False, True):
        for notice_kind, before, now in told:
            if late and notice_kind is not NoticeKind.REMINDER:
                continue
            notice = Notice(
                kind=notice_kind,
                event=event.id,
                date_kind=date.kind,
                occurrence=date.occurrence,
                subscriber=1,
                fact=now.fact,
                due_at=_THEN,
                expires_at=_THEN + timedelta(days=1),
                before=before.fact if before else "",
            )
            letter = Letter(
                notice=notice,
                subscriber=Subscriber(1, "someone@example.org", "" if late else "Someone", _THEN),
                event=event,
                date=now,
                kind=kind,
                service=service,
                unsubscribe_url=f"{base}/unsubscribe/token" if base else "",
                calendars_url=f"{base}/you/token" if base else "",
                event_url=f"{base}/events/{event.id}" if base else "",
                message_id="<check@example.org>",
                composed_at=_THEN,
                meant_at=_THEN if late else None,
                lists=() if late else ("All doctors in training",),
            )
            yield letter
            if notice_kind is NoticeKind.REMINDER:
                yield replace(letter, others=(letter,) * 3)
