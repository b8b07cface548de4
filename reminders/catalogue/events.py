"""Events and their dates: the facts staff announce.

These are plain frozen facts. They carry no place in a file (so that re-formatting a file changes nothing) and
compare by value; `parse` knows where each was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from reminders.catalogue.dates import When, recall_when
from reminders.catalogue.recurrence import Recurrence


class Status(StrEnum):
    """What staff say about an event or one of its dates."""

    PLANNED = "planned"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of date, such as ``applications-close``: its words, and whether it is a deadline."""

    id: str
    label: str
    deadline: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where an event was found: the page, its own words, and the day somebody looked."""

    page: str
    checked: date
    quote: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """What is different about the occurrence that was to be on the local day `on`; None and "": as in the series."""

    on: date
    when: When | None = None
    status: Status = Status.PLANNED
    note: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How a date repeats: its rule, local days on which it does not take place, and what is different on others.

    Both are days on which the rule would have it, sorted, and no day is in both.
    """

    rule: Recurrence
    excepted: tuple[date, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def fact(self) -> str:
        """What a reader is told of it, as comparable text."""
        said = [f"-{day}" for day in self.excepted]
        said += [f"{each.on}={each.when.edtf if each.when else ''},{each.status}" for each in self.overrides]
        return " ".join((self.rule.text, *said))


@dataclass(frozen=True, slots=True)
class EventDate:
    """One dated line of an event. `occurrence` tells several dates of one kind apart ("" for the only one).

    `inferred` is why the date is not the source's own words but follows from them ("" when it is). A date that
    `repeats` is a *series*, and `when` the first of its occurrences; what people are told are occurrences, which are
    plain dates (see `series`).
    """

    kind: str
    when: When
    occurrence: str = ""
    status: Status = Status.PLANNED
    note: str = ""
    location: str = ""
    inferred: str = ""
    repeats: Repeats | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the date within its event: (kind, occurrence)."""
        return (self.kind, self.occurrence)

    @property
    def fact(self) -> str:
        """What a reader is told, as comparable text ``<edtf> <zone> <status>``; `read_fact` reads it back.

        That of a series goes on with how it repeats, and is only there to be compared.
        """
        plain = f"{self.when.edtf} {self.when.zone} {self.status}"
        return plain if self.repeats is None else f"{plain} {self.repeats.fact}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something announced: a programme, course, post or visit.

    `id` is for ever. `rules` overrides reminder rules for this event alone: rule id -> "off" or another `send` text.
    An event's own `status` other than planned holds for all its dates.
    """

    id: str
    title: str
    dates: tuple[EventDate, ...] = ()
    level: int | None = None
    provider: str = ""
    categories: tuple[str, ...] = ()
    description: str = ""
    link: str = ""
    contact: str = ""
    source: Source | None = None
    status: Status = Status.PLANNED
    rules: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All events of one reading, by id in order, and the zone their local times are written in."""

    events: tuple[Event, ...]
    zone: str = "Europe/London"


@dataclass(frozen=True, slots=True)
class PublishedDate:
    """A date as the world last saw it: how often it changed, and since when it says what it says.

    `known_at` is the UTC instant at which the present `date.fact` was published. `earlier` is what it said before, and
    since when, oldest first: only of dates that repeat or once did, because each occurrence has a past of its own.
    """

    date: EventDate
    revision: int
    known_at: datetime
    earlier: tuple[tuple[datetime, EventDate], ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event as published. `revision` counts its changes from 1; `missing` says the files no longer hold it."""

    event: Event
    revision: int
    missing: bool = False
    dates: tuple[PublishedDate, ...] = ()


def worse(*statuses: Status) -> Status:
    """The one of several statuses that takes most away."""
    return max(statuses, key=list(Status).index)


@dataclass(frozen=True, slots=True)
class Amendment:
    """One version of an event as it was published at an instant (UTC), and the version it took the place of, if any."""

    event: Event
    revision: int
    at: datetime
    before: Event | None = None


def read_fact(text: str) -> tuple[When, Status]:
    """The date and status that `EventDate.fact` was made from. Raises ValueError for any other text."""
    edtf, zone, status = text.split(" ")
    return recall_when(edtf, zone), Status(status)
