"""Event files: what they may hold, and the catalogue made from them.

    bytes -> strict.Document -> EventFile -> Event

Every problem of every file is found in one go; a file that has any contributes no event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from reminders.catalogue import zones
from reminders.catalogue.changes import effective
from reminders.catalogue.dates import DateError, Precision, When, parse_when
from reminders.catalogue.events import Catalogue, Event, EventDate, Override, Repeats, Source, Status
from reminders.catalogue.recurrence import EXAMPLE, Recurrence, parse_recurrence
from reminders.catalogue.repeats import check_day, check_series
from reminders.catalogue.shape import (
    AS_LIST,
    AS_MAPPING,
    AS_TEXT,
    DAY_SCHEMA,
    Address,
    Day,
    Id,
    Ids,
    Link,
    Prose,
    Shape,
    Text,
    Whole,
    Zone,
    as_list,
    by_form,
    one_or_list,
    read,
    wrong,
)
from reminders.catalogue.strict import Document, Path, load
from reminders.errors import BadInput, Problem

Key = str | tuple[str, str] | tuple[str, str, str]
Places = Mapping[Key, tuple[str, int, int]]
"""File, line and column of an event (by its id), of a date (event id, kind, occurrence), of an override (id, rule)."""


def _when(value: Any, info: ValidationInfo) -> When:
    if value is None or value == "":
        raise wrong("no date is written here", "write tba if it is not announced yet, or leave the key out")
    if not isinstance(value, str):
        raise wrong("this is not a date", "write a date like 2019-02-12, or {when: 2019-02-12, note: …}")
    try:
        return parse_when(value, (info.data or {}).get("zone") or (info.context or {}).get("zone", "Europe/London"))
    except DateError as error:
        raise wrong(error.what, error.write) from None


_ONE = r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d(Z|[+-]\d\d:\d\d)?)?)?)?[?~%]?"
WhenText = Annotated[
    When,
    BeforeValidator(_when),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": f"^(tba|open|{_ONE}(/{_ONE})?)$",
            "examples": [
                "2019-02-12",
                "2018-12-14T10:00",
                "2019-03-13/2019-03-15",
                "2019-03",
                "2019-22",
                "tba",
                "open",
            ],
            "description": "A day, a time, a span, a month, a season (21 spring … 24 winter), a year, tba or open.",
        }
    ),
]


RULE_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "pattern": "FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)",
        "examples": [EXAMPLE, "FREQ=MONTHLY;BYDAY=1TU;UNTIL=2019-12-31", "FREQ=YEARLY"],
    }
)


def _repeats(value: Any, info: ValidationInfo) -> Recurrence:
    if not isinstance(value, str) or not value.strip():
        raise wrong("this is not a rule for repeating", f"write one like {EXAMPLE}")
    try:
        rule = parse_recurrence(value)
        if "when" in info.data:
            check_series(rule, info.data["when"])
    except DateError as error:
        raise wrong(error.what, error.write) from None
    return rule


def _series(info: ValidationInfo) -> tuple[Recurrence, When] | None:
    """What was read of the series so far; None when there are problems with it."""
    if "repeats" in info.data and info.data["repeats"] is None:
        raise wrong("this date does not repeat", f"write 'repeats: {EXAMPLE}' beside it, or delete this")
    return (info.data["repeats"], info.data["when"]) if "repeats" in info.data and "when" in info.data else None


def _of_series(day: date, series: tuple[Recurrence, When] | None) -> None:
    try:
        if series:
            check_day(*series, day)
    except DateError as error:
        raise wrong(error.what, error.write) from None


def _excepted(day: date, info: ValidationInfo) -> date:
    _of_series(day, _series(info))
    return day


def _on(day: date, info: ValidationInfo) -> date:
    context = info.context or {}
    _of_series(day, context.get("series"))
    if day in context.get("excepted", ()):
        raise wrong(f"{day} is under 'except' too", "write it in one of the two")
    return day


def _instead(when: When) -> When:
    if when.precision < Precision.DAY:
        raise wrong(f"'{when.edtf}' is not a day", "write a day or a time, or 'status: postponed' until it is known")
    return when


def _change(value: Any, info: ValidationInfo) -> Any:
    series = _series(info)
    if not isinstance(value, dict):
        return value
    zone = info.data.get("zone") or (info.context or {}).get("zone", "Europe/London")
    context = {"zone": zone, "series": series, "excepted": info.data.get("excepted", ())}
    return ChangeShape.model_validate(value, context=context)


def _once(changes: tuple[ChangeShape, ...]) -> tuple[ChangeShape, ...]:
    days = [change.on for change in changes]
    if twice := next((day for number, day in enumerate(days) if day in days[:number]), None):
        raise wrong(f"two changes are about {twice}", "write both in one")
    return changes


class ChangeShape(Shape):
    """What is different about one occurrence of a date that repeats."""

    on: Annotated[Day, AfterValidator(_on)]
    """The day on which it was to be, by the rule."""
    when: Annotated[WhenText, AfterValidator(_instead)] | None = None
    """When it is instead; left out, it stays."""
    status: Status = Status.PLANNED
    """planned, postponed, cancelled or withdrawn."""
    note: Text = ""
    """What a reader should know about this one."""
    location: Text = ""
    """Where this one takes place."""


class DateShape(Shape):
    """A date that needs more than its when."""

    zone: Zone | None = None
    """The time zone of this date, when it is not the file's."""
    when: WhenText
    """The date itself."""
    status: Status = Status.PLANNED
    """planned, postponed, cancelled or withdrawn."""
    note: Text = ""
    """What a reader should know about this date."""
    location: Text = ""
    """Where it takes place."""
    inferred: Text = ""
    """Why the date follows from the source, when it is not the source's own words."""
    repeats: Annotated[Recurrence | None, BeforeValidator(_repeats), RULE_SCHEMA] = None
    """How it repeats, by a rule of calendars (RFC 5545). 'when' is then the first."""
    excepted: Annotated[
        tuple[Annotated[Day, AfterValidator(_excepted)], ...], as_list, WithJsonSchema(one_or_list(DAY_SCHEMA))
    ] = Field(default=(), alias="except")
    """Days of the rule on which it does not take place."""
    changes: Annotated[tuple[Annotated[ChangeShape, BeforeValidator(_change)], ...], AfterValidator(_once)] = ()
    """What is different on single days of the rule."""


class Occurrence(DateShape):
    """One of several dates of the same kind."""

    id: Id
    """What tells this date from the others of its kind; it stays the same when the date moves."""


def _named(value: Any) -> Any:
    if not isinstance(value, dict | Occurrence):
        raise wrong("each of several dates of one kind needs an id", "write '{id: …, when: 2019-02-12}'")
    return value


def _distinct(occurrences: tuple[Occurrence, ...]) -> tuple[Occurrence, ...]:
    if not occurrences:
        raise wrong("no date is in the list", "write one, or leave the key out")
    ids = [occurrence.id for occurrence in occurrences]
    if twice := next((id for number, id in enumerate(ids) if id in ids[:number]), None):
        raise wrong(f"two dates here have the id '{twice}'", "give each its own")
    return occurrences


_Occurrences = Annotated[tuple[Annotated[Occurrence, BeforeValidator(_named)], ...], AfterValidator(_distinct)]
Dates = Annotated[
    Annotated[WhenText, AS_TEXT] | Annotated[DateShape, AS_MAPPING] | Annotated[_Occurrences, AS_LIST], by_form
]


class SourceShape(Shape):
    """Where the event was found."""

    page: Text
    """The name of the page or document."""
    checked: Day
    """The day somebody looked."""
    quote: Prose = ""
    """The source's own words."""
    link: Link = ""
    """The address of the page."""


class EventShape(Shape):
    """One event and its dates."""

    id: Id
    """The event's name for ever: calendars and mails know it by this."""
    title: Text
    """What readers call it."""
    level: Annotated[Whole, Field(ge=1, le=9)] | None = None
    """The level it is meant for, where it has one."""
    provider: Text = ""
    """Who offers it."""
    categories: Ids = ()
    """What it is: course, fellowship, visit, programme …"""
    description: Prose = ""
    """A few sentences about it."""
    link: Link = ""
    """Where to read more or to apply."""
    contact: Address = ""
    """Whom to ask. It is shown; no mail is ever sent there."""
    source: SourceShape | None = None
    """Where the facts are from."""
    status: Status = Status.PLANNED
    """planned, postponed, cancelled or withdrawn; holds for all its dates."""
    rules: dict[Id, Text] = Field(default_factory=dict)
    """For this event alone: a rule's id, and 'off' or another time to send, such as '2 weeks before at 09:00'."""
    dates: dict[Id, Dates] = Field(default_factory=dict)
    """Its dates by kind, such as 'course: 2019-02-12'."""


class EventFile(Shape):
    """A file of events."""

    zone: Zone | None = None
    """The time zone of the local times in this file, when it is not the service's."""
    events: tuple[EventShape, ...]
    """The events, in any order."""
    end: Literal["events"] | None = None
    """The last line 'end: events' proves that the file is whole."""


def parse_events(files: Mapping[str, bytes], zone: str) -> tuple[Catalogue, list[Problem], Places]:
    """The catalogue that the files make together, all their problems, and where everything is written.

    `files` holds the content by name; `zone` is that of local times in files that name none. The events of files
    without problems are in the catalogue even if others have some.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    events: dict[str, Event] = {}
    places: dict[Key, tuple[str, int, int]] = {}
    for name in sorted(files):
        try:
            document = load(name, files[name])
        except BadInput as error:
            problems += error.problems
            continue
        documents.append(document)
        try:
            shaped = read(document, EventFile, {"zone": _zone(document, zone)})
        except BadInput as error:
            problems += error.problems
            continue
        problems += _cut_off(document, files[name])
        for number, each in enumerate(shaped.events):
            event = _event(each)
            if event.id not in events:
                events[event.id] = event
                places.update(_places(document, ("events", number), event))
    problems += _repeated(documents)
    return Catalogue(tuple(events[id] for id in sorted(events)), zone), problems, MappingProxyType(places)


def _zone(document: Document, default: str) -> str:
    """The zone of a file, needed before its shape is known."""
    named = document.value.get("zone") if isinstance(document.value, dict) else None
    return named if isinstance(named, str) and zones.known(named) else default


def _cut_off(document: Document, data: bytes) -> Iterator[Problem]:
    """Signs that the file was not saved whole: its last line may be half a date, which reads as another."""
    if "end" in document.value:
        if list(document.value)[-1] != "end":
            what = "'end: events' is not the last line"
            yield document.problem(("end",), what, "move it to the end of the file", key=True)
    elif not data.endswith((b"\n", b"\r")):
        line = data.count(b"\n") + 1
        what = "the last line has no line break, so the file may be cut off"
        yield Problem(document.name, line, 1, what, "press Enter at its end, or write 'end: events' as the last line")


def _repeated(documents: list[Document]) -> Iterator[Problem]:
    """Events that two entries claim to be, also where the rest of a file could not be read."""
    first: dict[str, str] = {}
    for document in documents:
        found = document.value.get("events") if isinstance(document.value, dict) else None
        for number, event in enumerate(found if isinstance(found, list) else ()):
            id, path = event.get("id") if isinstance(event, dict) else None, ("events", number, "id")
            if not isinstance(id, str):
                continue
            if id in first:
                yield document.problem(path, f"the id '{id}' is taken", f"write another (the first is at {first[id]})")
            else:
                first[id] = ":".join(map(str, (document.name, *document.place(path))))


def _event(shape: EventShape) -> Event:
    dates = (date for kind, given in shape.dates.items() for date in _dates(kind, given))
    return effective(
        Event(
            id=shape.id,
            title=shape.title,
            dates=tuple(sorted(dates, key=lambda date: date.key)),
            level=shape.level,
            provider=shape.provider,
            categories=shape.categories,
            description=shape.description,
            link=shape.link,
            contact=shape.contact,
            source=_source(shape.source) if shape.source else None,
            status=shape.status,
            rules=MappingProxyType(dict(sorted(shape.rules.items()))),
        )
    )


def _source(shape: SourceShape) -> Source:
    return Source(shape.page, shape.checked, shape.quote, shape.link)


def _dates(kind: str, given: When | DateShape | tuple[Occurrence, ...]) -> Iterator[EventDate]:
    if isinstance(given, When):
        yield EventDate(kind, given)
        return
    for each in given if isinstance(given, tuple) else (given,):
        occurrence = each.id if isinstance(each, Occurrence) else ""
        repeats = _repeating(each)
        yield EventDate(kind, each.when, occurrence, each.status, each.note, each.location, each.inferred, repeats)


def _repeating(shape: DateShape) -> Repeats | None:
    if shape.repeats is None:
        return None
    overrides = (Override(each.on, each.when, each.status, each.note, each.location) for each in shape.changes)
    return Repeats(shape.repeats, tuple(sorted(shape.excepted)), tuple(sorted(overrides, key=lambda each: each.on)))


def _places(document: Document, path: Path, event: Event) -> Iterator[tuple[Key, tuple[str, int, int]]]:
    yield event.id, (document.name, *document.place((*path, "id")))
    for kind, given in document.value["events"][path[-1]].get("dates", {}).items():
        for number, each in enumerate(given) if isinstance(given, list) else [(None, {})]:
            where = (*path, "dates", kind) if number is None else (*path, "dates", kind, number)
            yield (event.id, kind, each.get("id", "")), (document.name, *document.place(where, key=True))
    for rule in event.rules:
        yield (event.id, rule), (document.name, *document.place((*path, "rules", rule)))
