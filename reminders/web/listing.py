"""What a page lists: dates to come by month, dates still unknown, dates gone by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from reminders.catalogue import wording
from reminders.catalogue.dates import Precision
from reminders.catalogue.events import Event, EventDate, Kind, PublishedDate, PublishedEvent, Status
from reminders.catalogue.spellings import MONTHS
from reminders.planning.subscribers import Selection, matches

NO_DATE = "no date given"


@dataclass(frozen=True, slots=True)
class Line:
    """One date as a page shows it. `kind` is None for an event of which no date is given at all.

    `changed` is the day it was last changed, None when it is as first announced.
    """

    event: Event
    kind: Kind | None
    date: EventDate | None
    words: str
    changed: date | None = None
    begins: datetime | None = None
    over: datetime | None = None

    @property
    def status(self) -> Status:
        """Of the date; of the event where there is no date."""
        return self.date.status if self.date else self.event.status

    @property
    def firm(self) -> bool:
        """Whether the day is known and certain."""
        when = self.date.when if self.date else None
        return when is not None and when.precision >= Precision.DAY and not when.qualifier

    @property
    def heading(self) -> str:
        """The month it begins in, or the season or year it is known to."""
        when = self.date.when if self.date else None
        if when is None or when.first is None:
            return ""
        if when.precision >= Precision.MONTH:
            return f"{MONTHS[when.first.month - 1]} {when.first.year}"
        said = self.words.partition(" (")[0]
        return said[:1].upper() + said[1:]

    @property
    def order(self) -> tuple[int, int, int, str, str, str]:
        """Sorts by month; within one by day, then what is known only to the month, the season, the year."""
        when = self.date.when if self.date else None
        if when is None or when.first is None:
            return (0, 0, 0, "", self.event.title.casefold(), self.kind.label if self.kind else "")
        coarse = max(0, Precision.MONTH - when.precision)
        instant = self.begins.isoformat() if self.begins else ""
        month = when.first.year * 12 + when.first.month
        day = when.first.day if when.precision >= Precision.DAY else 99
        return (month, coarse, day, instant, self.event.title.casefold(), self.words)


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that fits a selection: dates to come and gone by (latest month first) in groups, and the unknown."""

    coming: tuple[Group, ...]
    undated: tuple[Line, ...]
    past: tuple[Group, ...]


def arrange(
    published: Mapping[str, PublishedEvent], kinds: Mapping[str, Kind], selection: Selection, now: datetime
) -> Listing:
    """What fits the selection, sorted by when it is. What was withdrawn is not listed."""
    lines = sorted(
        (
            line
            for each in published.values()
            for line in lines_of(each, kinds)
            if line.status is not Status.WITHDRAWN and matches(selection, line.event, line.kind.id if line.kind else "")
        ),
        key=lambda line: line.order,
    )
    coming = [line for line in lines if line.over is not None and now < line.over]
    past = [line for line in lines if line.over is not None and line.over <= now]
    undated = tuple(line for line in lines if line.over is None)
    return Listing(_groups(coming), undated, tuple(reversed(_groups(past))))


def lines_of(published: PublishedEvent, kinds: Mapping[str, Kind]) -> list[Line]:
    """The dates of one event as lines in order; one line without a date when it has none."""
    event = published.event
    if not event.dates:
        return [Line(event, None, None, NO_DATE)]
    stands = {each.date.key: each for each in published.dates}
    lines = []
    for each in event.dates:
        kind = kinds.get(each.kind) or Kind(each.kind, each.kind.replace("-", " ").capitalize())
        changed = _changed(stands.get(each.key))
        when = each.when
        lines.append(Line(event, kind, each, wording.words(when), changed, when.begins, when.over))
    return sorted(lines, key=lambda line: (line.over is None, line.order))


def _changed(stand: PublishedDate | None) -> date | None:
    return stand.known_at.date() if stand is not None and stand.revision > 1 else None


def _groups(lines: Iterable[Line]) -> tuple[Group, ...]:
    return tuple(Group(heading, tuple(each)) for heading, each in groupby(lines, key=lambda line: line.heading))
