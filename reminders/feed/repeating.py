"""A date that repeats as one entry of several components: the series, and each occurrence that is different.

The series is written once, with its rule (RFC 5545, 3.8.5.3), as local times in a zone that the calendar describes:
in UTC it would be an hour off for half of the year. What is different refers to it by RECURRENCE-ID, under one UID.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from reminders.catalogue import zones
from reminders.catalogue.dates import Precision
from reminders.catalogue.events import EventDate, Repeats, Status
from reminders.catalogue.recurrence import last_day
from reminders.catalogue.series import occurrence, when_on, years
from reminders.catalogue.summertime import Clocks, clocks
from reminders.feed import timezone

if TYPE_CHECKING:
    from reminders.feed.lines import Given, Local

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

    An instant that clocks do not show there, or show for the second time, is left in UTC where one occurrence is
    written by itself.
    """
    from reminders.feed.lines import Rule, component  # the library takes long to import; few commands draw

    repeats = date.repeats
    if repeats is None:
        raise ValueError("a date that does not repeat is no series")
    there = _clocks(date, repeats)
    master = shown(date)
    begins = master["DTSTART"]
    start = zones.local(begins, date.when.zone).time() if isinstance(begins, datetime) else None
    out = [*repeats.excepted, *(each.on for each in repeats.overrides if each.status is Status.WITHDRAWN)]
    until = repeats.rule.until
    master |= _local(master, there, whole=True)
    master["RRULE"] = Rule(repeats.rule.written(_until(until, start, date.when.zone) if until else ""))
    master["EXDATE"] = tuple(_original(day, start, there) for day in sorted(out)) or None
    texts = [component("VEVENT", master)]
    for each in repeats.overrides:
        found = occurrence(date, each.on)
        if found is not None and each.status is not Status.WITHDRAWN:
            one = shown(found)
            one |= _local(one, there, whole=False)
            one["RECURRENCE-ID"] = _original(each.on, start, there)
            texts.append(component("VEVENT", one))
    return Drawn("".join(texts), timezone.timezone(there) if there else "", _over(date, repeats))


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


def _original(day: date, start: time | None, there: Clocks | None) -> Local | date:
    """How a day of the rule is called in the calendar."""
    from reminders.feed.lines import Local

    if start is None:
        return day
    clock = datetime.combine(day, start)
    return clock.replace(tzinfo=UTC) if there is None else Local(clock, timezone.tzid(there))


def _local(properties: Properties, there: Clocks | None, *, whole: bool) -> Properties:
    """The beginning and the end as clocks there show them; unless of the `whole` series, only if that says enough."""
    from reminders.feed.lines import Local

    found: Properties = {}
    for name in ("DTSTART", "DTEND"):
        instant = properties[name]
        if there is not None and isinstance(instant, datetime):
            clock = zones.local(instant, there.zone)
            shown = zones.instants(clock, there.zone)
            if whole or (shown[0] == instant and there.since <= clock.year <= there.through):
                found[name] = Local(clock, timezone.tzid(there))
    return found


def _until(until: date, start: time | None, zone: str) -> str:
    if start is None:
        return f"{until:%Y%m%d}"
    instant = datetime.combine(until, start, ZoneInfo(zone)).astimezone(UTC)
    return f"{instant:%Y%m%dT%H%M%SZ}"
