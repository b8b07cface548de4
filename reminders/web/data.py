"""Everything published as JSON for other programs: the document's shape, its schema, its bytes. Pure.

Within one version keys may be added, and nothing else changes: no key goes, none means something else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date as Day
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from reminders.catalogue.events import Event, Kind, PublishedDate, PublishedEvent, Repeats, Source, Status
from reminders.catalogue.wording import repeated, words
from reminders.web.listing import kind_of
from reminders.web.reading import Shelf

PATH = "/events.json"
SCHEMA_PATH = "/events.schema.json"
TYPE = "application/json"
Precision = Literal["none", "year", "season", "month", "day", "instant"]


class _Data(BaseModel):
    """An object with known keys, all of which are always there. A docstring under a key is its description."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class SourceData(_Data):
    """Where the event was found."""

    page: str
    """The page's name."""
    link: str
    """The page's address, or ""."""
    checked: Day
    """The day on which somebody last looked."""
    quote: str
    """The page's own words, or ""."""


class OverrideData(_Data):
    """What is different about one occurrence of a date that repeats."""

    on: Day
    """The local day on which it was to be."""
    when: str | None
    """When it is instead, as EDTF; null if it stays."""
    status: Status
    """Its own status; if that of the series is worse, that holds."""
    note: str
    """What else there is to know about it, or "" for that of the series."""
    location: str
    """Where it is, or "" for that of the series."""


class RepeatsData(_Data):
    """How a date repeats."""

    rule: str
    """The rule as in RFC 5545, but UNTIL is a local day."""
    words: str
    """The rule in British English."""
    excepted: list[Day]
    """Local days of the rule on which it does not take place."""
    changes: list[OverrideData]
    """What is different on other days of the rule."""


class DateData(_Data):
    """One date of an event."""

    kind: str
    """What the date is, such as `applications-close`. With `occurrence` it names the date within its event for ever."""
    label: str
    """The kind in words, such as "Applications close"."""
    deadline: bool
    """Whether something has to be done by then."""
    occurrence: str
    """Tells several dates of one kind apart; "" for the only one."""
    when: str
    """The date as it is known and no closer: EDTF (ISO 8601-2) local to `zone`, `tba` (to be announced), or `open`."""
    zone: str
    """The time zone of `when`, by its IANA name."""
    precision: Precision
    """How closely the date is known; `none` for `tba` and `open`."""
    first: Day | None
    """The first local day it can be; null while nothing is known."""
    last: Day | None
    """The last local day it can be (included); null while nothing is known."""
    starts: datetime | None
    """The instant in UTC, or the start of a span of instants; null unless `precision` is `instant`."""
    ends: datetime | None
    """The end of a span of instants, or the same as `starts`; null unless `precision` is `instant`."""
    status: Status
    """What is not `planned` does not take place on this date; what is `withdrawn` was announced by mistake."""
    note: str
    """What else there is to know, or ""."""
    location: str
    """Where it is, or ""."""
    inferred: str
    """Why the date follows from the source although the source does not state it; "" when it does."""
    repeats: RepeatsData | None
    """How it repeats, `when` being the first; null for a date that does not."""
    words: str
    """`when` in British English."""
    revision: int
    """Counts the changes of `when`, `zone`, `status` and `repeats` from 1."""
    changed_at: datetime
    """Since when, in UTC, these are as they are."""


class EventData(_Data):
    """Something announced."""

    id: str
    """Names the event for ever."""
    title: str
    """What it is called."""
    level: int | None
    """The level of leadership it is for, or null."""
    provider: str
    """Who offers it, or ""."""
    categories: list[str]
    """How it is filed."""
    description: str
    """What it is, or ""."""
    link: str
    """Where to read more or apply (http, https or mailto), or ""."""
    contact: str
    """The e-mail address for questions, or ""."""
    source: SourceData | None
    """Where it was found, or null."""
    status: Status
    """The status of the event as a whole. Its dates have it too, or a worse one of their own."""
    page: str
    """The address of its page. Relative to this document while the service has no public address."""
    calendar: str
    """The address of its dates as iCalendar. A calendar waits for the first one while there is none."""
    revision: int
    """Counts the changes of any of its facts from 1."""
    dates: list[DateData]
    """Its dates by `kind` and `occurrence`; there may be none."""


class OriginData(_Data):
    """Where this document comes from."""

    service: str
    """What the service is called."""
    page: str
    """The address of its first page."""
    changed_at: datetime | None
    """When, in UTC, anything about any event last changed; null while nothing is published."""


class EventsData(_Data):
    """Every event that is published, with what was cancelled or withdrawn."""

    version: Literal[1]
    """The version of this format. Within it keys may be added; none goes or comes to mean something else."""
    generated_from: OriginData
    """Where this document comes from."""
    events: list[EventData]
    """The events by `id`."""


Chosen = Callable[[Event, str], bool]
"""Whether a date of this kind of the event is wanted; the kind is "" for an event that has no dates."""


def everything(event: Event, kind: str) -> bool:
    """Choose all there is."""
    return True


def render(shelf: Shelf, *, name: str, public_url: str, chosen: Chosen = everything) -> bytes:
    """The document as UTF-8. `name` is what the service is called; `public_url` has no slash at its end, or is ""."""
    events = [
        _event(each, dates, shelf, public_url)
        for _, each in sorted(shelf.published.items())
        if (dates := _chosen(each, chosen)) is not None
    ]
    latest = shelf.changes.latest
    origin = OriginData(service=name, page=f"{public_url}/", changed_at=latest and _second(latest))
    document = EventsData(version=1, generated_from=origin, events=events)
    text = json.dumps(document.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def schema() -> bytes:
    """The JSON Schema (2020-12) of the document, as JSON in UTF-8."""
    made: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | EventsData.model_json_schema()
    return json.dumps(made, indent=2, ensure_ascii=False).encode() + b"\n"


def _chosen(published: PublishedEvent, chosen: Chosen) -> list[PublishedDate] | None:
    """The dates that are wanted, in order; None when the event is not."""
    event = published.event
    dates = sorted((each for each in published.dates if chosen(event, each.date.kind)), key=lambda each: each.date.key)
    return dates if dates or (not event.dates and chosen(event, "")) else None


def _event(published: PublishedEvent, dates: list[PublishedDate], shelf: Shelf, public_url: str) -> EventData:
    event, source = published.event, published.event.source
    page = f"{public_url}/events/{event.id}"
    return EventData(
        id=event.id,
        title=event.title,
        level=event.level,
        provider=event.provider,
        categories=list(event.categories),
        description=event.description,
        link=event.link,
        contact=event.contact,
        source=None if source is None else _source(source),
        status=event.status,
        page=page,
        calendar=f"{page}.ics",
        revision=published.revision,
        dates=[_date(each, kind_of(each.date.kind, shelf.kinds)) for each in dates],
    )


def _source(source: Source) -> SourceData:
    return SourceData(page=source.page, link=source.link, checked=source.checked, quote=source.quote)


def _date(published: PublishedDate, kind: Kind) -> DateData:
    date, when = published.date, published.date.when
    return DateData(
        kind=date.kind,
        label=kind.label,
        deadline=kind.deadline,
        occurrence=date.occurrence,
        when=when.edtf,
        zone=when.zone,
        precision=_PRECISIONS[when.precision],
        first=when.first,
        last=when.last,
        starts=when.starts,
        ends=when.ends,
        status=date.status,
        note=date.note,
        location=date.location,
        inferred=date.inferred,
        repeats=None if date.repeats is None or when.first is None else _repeats(date.repeats, when.first),
        words=words(when),
        revision=published.revision,
        changed_at=_second(published.known_at),
    )


def _repeats(repeats: Repeats, first: Day) -> RepeatsData:
    changes = [
        OverrideData(
            on=each.on,
            when=each.when.edtf if each.when else None,
            status=each.status,
            note=each.note,
            location=each.location,
        )
        for each in repeats.overrides
    ]
    said = repeated(repeats.rule, first)
    return RepeatsData(rule=repeats.rule.text, words=said, excepted=list(repeats.excepted), changes=changes)


_PRECISIONS: tuple[Precision, ...] = ("none", "year", "season", "month", "day", "instant")
"""By the value of `catalogue.dates.Precision`."""


def _second(instant: datetime) -> datetime:
    """Instants are told to the second."""
    return instant.replace(microsecond=0)
