"""A date that repeats as one entry of several components: the series, and each occurrence that is different.

The series is written once, with its rule (RFC 5545, 3.8.5.3), as local times in a zone that the calendar describes:
in UTC it would be an hour off for half of the year. What is different refers to it by RECURRENCE-ID, under one UID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from reminders.catalogue import zones
from reminders.catalogue.dates import Precision
from reminders.catalogue.events import EventDate, Repeats, Status
from reminders.catalogue.neighbours import neighbour
from reminders.catalogue.recurrence import Frequency, Recurrence, days, last_day
from reminders.catalogue.series import occurrence, when_on, years
from reminders.catalogue.summertime import Clocks, clocks
from reminders.feed import timezone

if TYPE_CHECKING:
    from reminders.feed.lines import Given, Local

BLOCK = timedelta(minutes=30)
"""How long an instant is shown: no calendar program shows an entry without length where it belongs."""
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a series without an end is over."""

Properties = dict[str, "Given | None"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The components as text, the VTIMEZONE they need ("" for none), and the UTC instant when the last one is over."""

    text: str
    timezone: str
    over: datetime


def draw_series(date: EventDate, shown: Callable[[EventDate], Properties]) -> Drawn:
    """Draw a series; `shown` gives the properties of any one date, with the times in UTC or the days it is shown at.

    An occurrence that begins or ends when clocks change is written by itself, because programs do not agree what a time
    means that clocks skip or show twice: all of a series that ends, of another those of its first years (see `years`).
    What is written by itself is in UTC, unless local times say as much.

    Raises ValueError for a series that cannot be written, of which files are told (`neighbour_missing`, and
    `check_series` in `catalogue.repeats`).
    """
    from reminders.feed.lines import Rule, component  # the library takes long to import; few commands draw

    if date.repeats is None or date.when.first is None:
        raise ValueError("a date that does not repeat is no series")
    there = _clocks(date, date.repeats)
    master = shown(date)
    frame = _frame(date, date.repeats, master, there)
    overrides = {each.on: each for each in date.repeats.overrides}
    withdrawn = [day for day, each in overrides.items() if each.status is Status.WITHDRAWN]
    alone = {day: found for day in overrides if day not in withdrawn and (found := occurrence(date, day))}
    alone |= {day: found for day, found in _at_changes(date, frame, shown) if day not in overrides}
    master |= frame.local(master, always=True)
    master["RRULE"] = Rule(frame.rule.written(frame.until))
    master["EXDATE"] = tuple(frame.name(day) for day in sorted((*date.repeats.excepted, *withdrawn))) or None
    texts = [component("VEVENT", master)]
    for day, found in sorted(alone.items()):
        one = shown(found)
        one |= frame.local(one, always=False)
        one["RECURRENCE-ID"] = frame.name(day)
        texts.append(component("VEVENT", one))
    return Drawn("".join(texts), timezone.timezone(there) if there else "", _over(date, date.repeats))


def neighbour_missing(date: EventDate) -> bool:
    """Whether a deadline repeats so early in the day that it is shown the day before, and no rule has such days."""
    repeats, when = date.repeats, date.when
    if repeats is None or when.first is None or when.starts is None or when.starts != when.ends:
        return False
    eve = zones.local(when.starts - BLOCK, when.zone).date() != when.first
    return eve and neighbour(repeats.rule, when.first, -1) is None


@dataclass(frozen=True, slots=True)
class _Frame:
    """How the days of a series are written: by which rule, from which time of day to when on the clock.

    A deadline soon after midnight is shown the day before: then all is `moved` by a day. `start` is None for days.
    """

    rule: Recurrence
    start: time | None
    length: timedelta
    moved: timedelta
    zone: str
    clocks: Clocks | None

    def clock(self, day: date) -> datetime:
        """What clocks show when the occurrence of a day begins, if the clocks do not change just then."""
        return datetime.combine(day + self.moved, self.start or time())

    def name(self, day: date) -> Local | date:
        """How an occurrence is called in the calendar (RFC 5545, 3.8.4.4: in the form of the first)."""
        from reminders.feed.lines import Local

        clock = self.clock(day)
        if self.start is None:
            return clock.date()
        return clock.replace(tzinfo=UTC) if self.clocks is None else Local(clock, timezone.tzid(self.clocks))

    def local(self, properties: Properties, *, always: bool) -> Properties:
        """The beginning and the end as clocks there show them; if not `always`, only where that says enough."""
        from reminders.feed.lines import Local

        begins, ends = properties["DTSTART"], properties["DTEND"]
        if self.clocks is None or not isinstance(begins, datetime) or not isinstance(ends, datetime):
            return {}
        shown = {instant: zones.local(instant, self.zone) for instant in (begins, ends)}
        enough = shown[ends] - shown[begins] == ends - begins and all(
            self.clocks.since <= clock.year <= self.clocks.through and zones.instants(clock, self.zone) == (instant,)
            for instant, clock in shown.items()
        )
        name = timezone.tzid(self.clocks)
        return {"DTSTART": Local(shown[begins], name), "DTEND": Local(shown[ends], name)} if enough or always else {}

    @property
    def until(self) -> str:
        """The end of the rule as it must be written: for instants the latest that the last can be taken for."""
        if self.rule.until is None:
            return ""
        if self.start is None:
            return f"{self.rule.until:%Y%m%d}"
        return f"{latest(datetime.combine(self.rule.until, self.start), self.zone):%Y%m%dT%H%M%SZ}"


def latest(clock: datetime, zone: str) -> datetime:
    """The last UTC instant that a program may take a naive time for: clocks may show it twice, or skip it."""
    return max(clock.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))


def _frame(series: EventDate, repeats: Repeats, master: Properties, there: Clocks | None) -> _Frame:
    begins, ends, first = master["DTSTART"], master["DTEND"], series.when.first
    if not isinstance(begins, datetime) or not isinstance(ends, datetime) or first is None:
        return _Frame(_spelt(repeats.rule, first or NEVER.date()), None, timedelta(), timedelta(), "", None)
    clock = zones.local(begins, series.when.zone)
    moved = clock.date() - first
    rule = repeats.rule if not moved else neighbour(repeats.rule, first, -1)
    if rule is None:
        raise ValueError(f"no rule has the days before those of {repeats.rule.text} from {first}")
    return _Frame(_spelt(rule, clock.date()), clock.time(), ends - begins, moved, series.when.zone, there)


def _spelt(rule: Recurrence, first: date) -> Recurrence:
    """The same days in words that every program understands: ical.js, and Thunderbird with it, errs on some others.

    A leap day that only the start says becomes 1 March there, days of all the months of a year are those of one, and a
    day counted from the end of a month is looked for endlessly in a rule of days; of some months days come twice.
    """
    yearly = rule.frequency is Frequency.YEARLY
    if yearly and not rule.weekdays and not rule.month_days and (first.month, first.day) == (2, 29):
        return replace(rule, months=rule.months or (2,), month_days=(29,))
    plain = rule.interval == 1 and not rule.positions and not any(nth for _, nth in rule.weekdays)
    if plain and rule.month_days and not (yearly and rule.months):
        counted = rule.months and min(rule.month_days) > 0
        return replace(rule, frequency=Frequency.YEARLY if counted else Frequency.MONTHLY)
    return rule


def _at_changes(
    series: EventDate, frame: _Frame, shown: Callable[[EventDate], Properties]
) -> Iterator[tuple[date, EventDate]]:
    """The occurrences that are not just what clocks show, by the days on which they are."""
    repeats, first = series.repeats, series.when.first
    if repeats is None or first is None or frame.clocks is None:
        return
    since, through = years(repeats.rule, series.when)
    turns = [turn for turn in (frame.clocks.forward, frame.clocks.back) if turn]
    seen = set(repeats.excepted)
    for change in (turn.onset(year).date() for year in range(since, through + 1) for turn in turns):
        ahead = days(repeats.rule, first, since=max(first, change - frame.length - timedelta(days=2)))
        for day in ahead:
            if day > change + timedelta(days=2):
                break
            found = None if day in seen else occurrence(series, day)
            seen.add(day)
            if found is not None and not _plain(frame, day, shown(found)):
                yield day, found


def _plain(frame: _Frame, day: date, properties: Properties) -> bool:
    """Whether an occurrence begins and ends when clocks show it, each just once, and is as long as the others."""
    begins, ends = properties["DTSTART"], properties["DTEND"]
    if not isinstance(begins, datetime) or not isinstance(ends, datetime):
        raise AssertionError("clocks are of series of instants")
    clock = frame.clock(day)
    return (
        zones.instants(clock, frame.zone) == (begins,)
        and zones.instants(clock + frame.length, frame.zone) == (ends,)
        and ends - begins == frame.length
    )


def _clocks(date: EventDate, repeats: Repeats) -> Clocks | None:
    """What clocks do in the years of a series of instants; None for one of days, or in UTC, which needs no zone."""
    if date.when.precision is not Precision.INSTANT or date.when.zone == "UTC":
        return None
    since, through = years(repeats.rule, date.when)
    found = clocks(date.when.zone, since, through)
    if found is None:
        raise ValueError(f"clocks in {date.when.zone} follow no yearly rule from {since} to {through}")
    return found


def _over(date: EventDate, repeats: Repeats) -> datetime:
    first, last = date.when.first, last_day(repeats.rule, date.when.first or NEVER.date())
    if last is None or first is None:
        return NEVER
    whens = (when_on(date.when, last), *(each.when for each in repeats.overrides if each.when))
    return max(when.over for when in whens if when.over)
