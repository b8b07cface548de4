"""The occurrences of dates that repeat: plain dates, each with a name and a past of its own.

An occurrence is called after its series and the local day on which it was to be, such as ``@2019-05-06``;
it keeps the name when it is put on another day (RFC 5545 calls that day its RECURRENCE-ID). Whatever people are told is
about occurrences, so all that holds for dates holds for each of them: it moves, is cancelled and comes back by itself.
A change of the series is a change only of those occurrences that are not as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from reminders.catalogue import zones
from reminders.catalogue.dates import Precision, When, between, parse_when
from reminders.catalogue.events import EventDate, Override, PublishedDate, PublishedEvent, Status, worse
from reminders.catalogue.recurrence import LAST_DAY, Recurrence, days, last_day, takes_place

MARK = "@"
"""What stands between the name of a series and the day of an occurrence; no name of a date holds it."""
AHEAD = 10
"""For so many years the clocks must be known to follow one rule for a series without an end."""
_OFF = (Status.CANCELLED, Status.WITHDRAWN)
_NEVER = datetime.max.replace(tzinfo=UTC)


def occurrence(date: EventDate, day: date) -> EventDate | None:
    """What a date has on the local day `day`: the occurrence that was to be then, as it is now, or None.

    A plain date has one on its first day, if it is known to the day.
    """
    if date.repeats is None:
        known = date.when.precision >= Precision.DAY and date.when.first == day
        return replace(date, occurrence=_name(date, day)) if known else None
    override = next((each for each in date.repeats.overrides if each.on == day), None)
    if override is None and (
        day in date.repeats.excepted or not takes_place(date.repeats.rule, _first(date.when), day)
    ):
        return None
    return _occurrence(date, day, override)


def occurrences(date: EventDate, first: date | None = None, last: date | None = None) -> Iterator[EventDate]:
    """The occurrences of a series of which some part lies within local days; without an end perhaps endlessly many.

    Those that are different come first, then the others in their order. A plain date is given as it is.
    """
    if date.repeats is None:
        yield date
        return
    begins, ends = _first(date.when), date.when.last or _first(date.when)
    overrides = {each.on: each for each in date.repeats.overrides}
    since = first - (ends - begins) if first is not None else None
    for override in overrides.values():
        found = _occurrence(date, override.on, override)
        when = found.when
        if when.first is None or when.last is None:
            continue
        if (first is None or first <= when.last) and (last is None or when.first <= last):
            yield found
    for day in days(date.repeats.rule, begins, since=since):
        if last is not None and day > last:
            break
        if day not in overrides and day not in date.repeats.excepted:
            yield _occurrence(date, day, None)


def coming(date: EventDate, first: date, most: int) -> list[EventDate]:
    """The earliest occurrences that are not over before the local day `first`, at most so many, in their order."""
    different = len(date.repeats.overrides) if date.repeats else 0
    found = islice(occurrences(date, first), different + most)
    return sorted(found, key=lambda each: each.when.begins or _NEVER)[:most]


def published_occurrences(dated: PublishedDate, first: date, last: date) -> Iterator[PublishedDate]:
    """The same of a date as published: each with the number of its own changes and when it came to be as it is.

    A plain date is given as it is; one that was a series is as old as the occurrence on its day.
    """
    if dated.date.repeats is None and dated.earlier:
        own = _stand(dated, _first(dated.date.when)) if dated.date.when.precision >= Precision.DAY else None
        yield dated if own is None else replace(own, date=dated.date, revision=dated.revision)
        return
    for each in occurrences(dated.date, first, last):
        if dated.date.repeats is None or not dated.earlier:
            yield dated if each is dated.date else replace(dated, date=each)
        elif (stand := _stand(dated, day_of(each))) is not None:
            yield stand


def find(event: PublishedEvent, key: tuple[str, str]) -> PublishedDate | None:
    """The date or occurrence of this kind and name, however long ago or far ahead.

    One that the series no longer has is cancelled: as it last was. The name of a series itself, under which people may
    have been told of the plain date it once was, means its occurrence on that day, else its first.
    """
    kind, name = key
    base, mark, day = name.rpartition(MARK)
    dated = next((each for each in event.dates if each.date.key == (kind, base if mark else name)), None)
    if dated is None:
        return None
    if mark:
        return _stand(dated, date.fromisoformat(day))
    if dated.date.repeats is None:
        return next(published_occurrences(dated, date.min, date.max))
    was = next((each.when.first for _, each in reversed(dated.earlier) if each.repeats is None), None)
    found = _stand(dated, was) if was else None
    if found is None or found.date.status in _OFF:
        found = _stand(dated, _first(dated.date.when)) or found
    return found and replace(found, date=replace(found.date, occurrence=name))


def is_occurrence(date: EventDate) -> bool:
    """Whether a date is one of a series."""
    return MARK in date.occurrence


def _first(when: When) -> date:
    if when.first is None:
        raise ValueError("what is not known to the day has no occurrences")
    return when.first


def _instant(instant: datetime | None) -> datetime:
    if instant is None:
        raise ValueError("a day has no instants")
    return instant


def _name(series: EventDate, day: date) -> str:
    return f"{series.occurrence}{MARK}{day.isoformat()}"


def years(rule: Recurrence, when: When) -> tuple[int, int]:
    """The first and last year of a series whose first is `when`; of one without an end those that are looked ahead."""
    first = _first(when)
    last = last_day(rule, first)
    if last is None:
        return first.year, min(first.year + AHEAD, LAST_DAY.year)
    return first.year, (last + ((when.last or first) - first)).year


def series_of(occurrence: EventDate) -> str:
    """The name of the series that an occurrence is of."""
    return occurrence.occurrence.partition(MARK)[0]


def day_of(occurrence: EventDate) -> date:
    """The local day on which an occurrence was to be."""
    return date.fromisoformat(occurrence.occurrence.rpartition(MARK)[2])


def _occurrence(series: EventDate, day: date, override: Override | None) -> EventDate:
    when = override.when if override and override.when else when_on(series.when, day)
    return EventDate(
        kind=series.kind,
        when=when,
        occurrence=_name(series, day),
        status=worse(series.status, override.status) if override else series.status,
        note=(override.note if override else "") or series.note,
        location=(override.location if override else "") or series.location,
        inferred=series.inferred,
    )


@lru_cache(maxsize=65_536)
def when_on(first: When, day: date) -> When:
    """When the occurrence on a local day is, if `first` is the first of the series.

    Each begins and ends when clocks show what they showed at the first. A time that clocks skip that day is later by
    the length of the gap, and of one they show twice it is the first (RFC 5545, 3.3.5).
    """
    shift = day - _first(first)
    if first.precision is Precision.DAY:
        last = (first.last or day) + shift
        return parse_when(day.isoformat() if last == day else f"{day}/{last}", first.zone)
    starts, ends = (
        (zones.local(_instant(instant), first.zone) + shift).replace(tzinfo=ZoneInfo(first.zone)).astimezone(UTC)
        for instant in (first.starts, first.ends)
    )
    length = _instant(first.ends) - _instant(first.starts)
    if length and ends <= starts:  # only its beginning was moved by a gap
        ends = starts + length
    return between(starts, ends if length else starts, first.zone)


def _stand(dated: PublishedDate, day: date) -> PublishedDate | None:
    """The occurrence that was or is to be on a day: what it says, and since when, by all that was ever published."""
    found: PublishedDate | None = None
    for at, version in (*dated.earlier, (dated.known_at, dated.date)):
        now = occurrence(version, day)
        if now is None:
            if found is None or found.date.status in _OFF:
                continue
            now = replace(found.date, status=Status.CANCELLED)
        if found is None or now.fact != found.date.fact:
            found = PublishedDate(now, found.revision + 1 if found else 1, at)
        else:
            found = replace(found, date=now)
    return found if dated.earlier or found is None else replace(found, revision=dated.revision)
