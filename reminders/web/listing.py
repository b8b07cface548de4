"""What a page lists: dates to come by month, dates still unknown, dates gone by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime, timedelta
from itertools import groupby

from reminders.catalogue import wording, zones
from reminders.catalogue.dates import Precision
from reminders.catalogue.events import Event, EventDate, Kind, PublishedDate, PublishedEvent, Status
from reminders.catalogue.series import coming, find, occurrences
from reminders.catalogue.spellings import MONTHS
from reminders.planning.selections import matches
from reminders.planning.subscribers import Selection

NO_DATE = "No date given"
NEVER_CONFIRMED = "day never announced"
"""What is said of a month, season or year that went by."""
FEW, WEEKS, YEAR = 5, timedelta(weeks=6), timedelta(days=366)
"""So many occurrences of a series are listed of those to come and of those gone by, if such a time holds them."""
UNKNOWN = ("open", "tba", "")
"""In which order dates are listed that are none; "" is an event without any."""


@dataclass(frozen=True, slots=True)
class Line:
    """One date as a page shows it. `kind` and `date` are None for an event of which no date is given at all.

    `words` say when, with a capital. `changed` is the local day it was last changed, None when it is as first
    announced. `begins` and `over` are UTC instants, None while the date is not known. `repeats` says of an occurrence
    how its series repeats, with a capital ("" of any other date).
    """

    event: Event
    kind: Kind | None
    date: EventDate | None
    words: str
    changed: Day | None = None
    begins: datetime | None = None
    over: datetime | None = None
    repeats: str = ""

    @property
    def status(self) -> Status:
        """Of the date; of the event where there is no date."""
        return self.date.status if self.date else self.event.status

    @property
    def off(self) -> bool:
        """Whether it will not take place on this date."""
        return self.status is not Status.PLANNED

    @property
    def heading(self) -> str:
        """The month it begins in, or the season or year it is known to."""
        when = self.date.when if self.date else None
        if when is None or when.first is None:
            return ""
        if when.precision >= Precision.MONTH:
            return f"{MONTHS[when.first.month - 1]} {when.first.year}"
        return self.words.partition(" (")[0]

    @property
    def order(self) -> tuple[int, int, str, int, str, str, str]:
        """Sorts by month, within one by day; what is known less closely comes later.

        So a season follows its first month, in which it may already be, and a year its December, when all that is
        known better has been said. Of what has no date, what is open comes first, then what is to be announced.
        """
        when = self.date.when if self.date else None
        title, label = self.event.title.casefold(), self.kind.label if self.kind else ""
        if when is None or when.first is None:
            return (UNKNOWN.index(when.edtf if when else ""), 0, "", 0, "", title, label)
        coarse = max(0, Precision.MONTH - when.precision)
        month = when.first.year * 12 + (12 if coarse == 2 else when.first.month)
        day = when.first.day if when.precision >= Precision.DAY else 99
        instant = self.begins.isoformat() if self.begins else ""
        return (month, coarse, self.heading, day, instant, title, label)


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under one heading."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that fits a selection: dates to come (soonest first), unknown, and gone by (latest first)."""

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
            for line in lines_of(each, kinds, now)
            if line.status is not Status.WITHDRAWN and matches(selection, line.event, line.kind.id if line.kind else "")
        ),
        key=lambda line: line.order,
    )
    coming = [line for line in lines if line.over is not None and now < line.over]
    past = [line for line in lines if line.over is not None and line.over <= now]
    undated = tuple(line for line in lines if line.over is None)
    return Listing(_groups(coming), undated, _groups(reversed(past)))


def lines_of(published: PublishedEvent, kinds: Mapping[str, Kind], now: datetime) -> list[Line]:
    """The dates of one event as lines in order; one line without a date when it has none.

    Of a date that repeats, the next few occurrences and the last few.
    """
    event = published.event
    if not event.dates:
        return [Line(event, None, None, NO_DATE)]
    dates = list(_shown(published, now))
    if not dates:
        return [Line(event, None, None, NO_DATE)]
    lines = []
    for stand, repeats in dates:
        each = stand.date
        kind, when = kind_of(each.kind, kinds), each.when
        changed = _changed(stand, when.zone)
        words = wording.words(when)
        words = words[:1].upper() + words[1:]
        if when.over is not None and when.over <= now:
            words = words.replace(wording.UNCONFIRMED, NEVER_CONFIRMED)
        lines.append(Line(event, kind, each, words, changed, when.begins, when.over, repeats))
    return sorted(lines, key=lambda line: (line.over is None, line.order))


def kind_of(id: str, kinds: Mapping[str, Kind]) -> Kind:
    """A kind of date by its id; one that the files no longer know has the id's own words."""
    return kinds.get(id) or Kind(id, id.replace("-", " ").capitalize())


def time_left(line: Line, now: datetime) -> str:
    """How long a deadline that is known to the day leaves, such as "3 weeks left"; "" for anything else."""
    when = line.date.when if line.date else None
    if line.off or line.kind is None or not line.kind.deadline or when is None or when.last is None:
        return ""
    if line.over is None or line.over <= now or when.precision < Precision.DAY:
        return ""
    days = (when.last - zones.local(now, when.zone).date()).days
    if days < 2:
        return ("closes today", "closes tomorrow")[max(days, 0)]
    return f"{days // 7} weeks left" if days % 7 == 0 and days > 7 else f"{days} days left"


def _shown(published: PublishedEvent, now: datetime) -> Iterator[tuple[PublishedDate, str]]:
    """The dates to list, each with how its series repeats."""
    for dated in published.dates:
        date = dated.date
        if date.repeats is None or date.when.first is None:
            yield dated, ""
            continue
        said = wording.repeated(date.repeats.rule, date.when.first)
        for each in (*_last(date, now), *_next(date, now)):
            if (stand := find(published, each.key)) is not None:
                yield stand, said[:1].upper() + said[1:]


def _next(series: EventDate, now: datetime) -> list[EventDate]:
    """The next few occurrences, none of them more than a year ahead unless it is the very next."""
    today = zones.local(now, series.when.zone).date()
    found = [each for each in coming(series, today, FEW + 2) if each.when.over and each.when.over > now]
    return [each for each in found[:FEW] if each is found[0] or (each.when.first or today) <= today + YEAR]


def _last(series: EventDate, now: datetime) -> list[EventDate]:
    """The last few occurrences that are over, those of the last weeks or year if there are any."""
    today = zones.local(now, series.when.zone).date()
    found: list[EventDate] = []
    for since in (today - WEEKS, today - YEAR, None):
        past = (each for each in occurrences(series, since, today) if each.when.over and each.when.over <= now)
        found = sorted(past, key=lambda each: each.when.begins or now)[-FEW:]
        if len(found) == FEW or (found and since == today - YEAR):
            break
    return found


def _changed(stand: PublishedDate, zone: str) -> Day | None:
    return zones.local(stand.known_at, zone).date() if stand.revision > 1 else None


def _groups(lines: Iterable[Line]) -> tuple[Group, ...]:
    return tuple(Group(heading, tuple(each)) for heading, each in groupby(lines, key=lambda line: line.heading))
