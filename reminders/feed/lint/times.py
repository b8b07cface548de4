"""Days, times, lengths of time and zones (RFC 5545, 3.3): whether a value is one, and which.

A check takes the value as written and the parameters of its line, and returns what is wrong, or None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from reminders.catalogue import zones
from reminders.feed.lint.content import Line, read_parameters, shown
from reminders.feed.lint.values import Parameters
from reminders.feed.timezone import zone_of


class Moment(NamedTuple):
    """A day or a time as written: naive, midnight for a day. `zone` is an IANA name, or "" for a day or no zone."""

    clock: datetime
    zone: str
    day: bool

    @property
    def form(self) -> str:
        """In words, what kind of value it is; two values that must be of one kind have the same."""
        return "a date" if self.day else f"a time in {self.zone}" if self.zone else "a time without a zone"

    @property
    def instant(self) -> datetime:
        """The naive time in UTC, for comparing; the first of two where clocks go back."""
        return to_utc(self.clock, self.zone)


NAMING = ("RECURRENCE-ID", "EXDATE")
"""The properties that only say which occurrence is meant."""
_MOMENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?")


def to_utc(clock: datetime, zone: str) -> datetime:
    """A naive local time as a naive time in UTC. The first and last days that can be written stay as they are."""
    if zone in ("", "UTC") or not 1 < clock.year < 9999:
        return clock
    return clock.replace(tzinfo=ZoneInfo(zone_of(zone))).astimezone(UTC).replace(tzinfo=None)


def from_utc(clock: datetime, zone: str) -> datetime:
    """The reverse of `to_utc`."""
    return (
        clock
        if zone in ("", "UTC") or not 1 < clock.year < 9999
        else zones.local(clock.replace(tzinfo=UTC), zone_of(zone))
    )


def moved(clock: datetime, by: timedelta) -> datetime:
    """A time some time later; the first or last that can be written where it would be beyond."""
    try:
        return clock + by
    except OverflowError:
        return datetime.max if by > timedelta() else datetime.min


def moment(value: str, parameters: Parameters, *, name: bool = False) -> Moment | str:
    """A day or a time, or what is wrong with it. As the `name` of an occurrence it may be one that clocks skip."""
    return _moment(value, parameters.get("VALUE", "").upper(), parameters.get("TZID"), name)


@lru_cache(maxsize=1024)  # an entry bears the same stamp twice, and its ends are read again to be compared
def _moment(value: str, declared: str, zone: str | None, name: bool) -> Moment | str:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return f"{shown(value)} is no date or time; write 20190212 with ;VALUE=DATE, or 20190212T093000Z"
    year, month, date, hour, minute, second, utc = found.groups()
    day = hour is None
    if day and declared != "DATE":
        return f"{shown(value)} is a date without a time, which needs ;VALUE=DATE"
    if not day and declared == "DATE":
        return f"{shown(value)} has a time, but VALUE=DATE promises a date; leave one of them out"
    try:
        # A leap second is legal and nowhere known: it is taken for the second before.
        time = (0, 0, 0) if day else (int(hour), int(minute), 59 if second == "60" else int(second))
        clock = datetime(int(year), int(month), int(date), *time)
    except ValueError:
        return f"{shown(value)} does not exist: there is no such {'day' if day else 'day or hour'}"
    if utc or day:
        if zone is not None:
            return f"{'a time in UTC (Z)' if utc else 'a date'} has no TZID; leave TZID={shown(zone)} out"
        return Moment(clock, "UTC" if utc else "", day)
    if zone is None:
        return Moment(clock, "", day)
    if not zones.known(zone_of(zone)):
        return f"TZID={shown(zone)} is no time zone; write {zones.nearest(zone)}"
    if not name and 1 < clock.year < 9999 and not zones.instants(clock, zone_of(zone)):
        return f"{shown(value)} does not exist in {zone}: clocks go forward over it"
    return Moment(clock, zone, day)


def moment_of(line: Line | None) -> Moment | None:
    """The day or time on a line, or None: there is no line, or it is wrong and told already."""
    if line is None:
        return None
    parameters = read_parameters(line.parameters) if line.parameters else {}
    found = moment(line.value, parameters, name=line.name in NAMING)
    return found if isinstance(found, Moment) else None


def moments(line: Line) -> Iterator[Moment]:
    """The days or times on a line; of periods, their beginnings."""
    parameters = read_parameters(line.parameters)
    if parameters.get("VALUE", "").upper() == "PERIOD":
        parameters["VALUE"] = "DATE-TIME"
    for value in line.value.split(","):
        found = moment(value.partition("/")[0], parameters, name=line.name in NAMING)
        if isinstance(found, Moment):
            yield found


def dated(value: str, parameters: Parameters) -> str | None:
    """A day, or a time that is the same for every reader."""
    return _dated(value, parameters, name=False)


def name(value: str, parameters: Parameters) -> str | None:
    """What an occurrence is called: the day or the time at which its rule has it, whether clocks show it or not."""
    return _dated(value, parameters, name=True)


def names(value: str, parameters: Parameters) -> str | None:
    """Names of occurrences with commas between."""
    return next((wrong for each in value.split(",") if (wrong := name(each, parameters))), None)


def _dated(value: str, parameters: Parameters, *, name: bool) -> str | None:
    found = moment(value, parameters, name=name)
    if isinstance(found, str):
        return found
    if not found.day and not found.zone:
        return f"{shown(value)} is another instant for every reader; write it in UTC with a Z, or with ;TZID="
    return None


def dates(value: str, parameters: Parameters) -> str | None:
    """Days or times with commas between, or periods where VALUE=PERIOD says so."""
    return next((wrong for each in value.split(",") if (wrong := _date(each, parameters))), None)


def _date(value: str, parameters: Parameters) -> str | None:
    if parameters.get("VALUE", "").upper() != "PERIOD":
        return dated(value, parameters)
    begins, _, ends = value.partition("/")
    return dated(begins, parameters) or (length(ends, {}) if ends[:1] in ("P", "+") else dated(ends, parameters))


def utc(value: str, parameters: Parameters) -> str | None:
    """A time in UTC."""
    found = moment(value, parameters)
    if isinstance(found, str):
        return found
    return None if found.zone == "UTC" else f"{shown(value)} must be in UTC: a date and time that ends in Z"


def local(value: str, parameters: Parameters) -> str | None:
    """A time without a zone, as it stands in a VTIMEZONE."""
    found = moment(value, parameters)
    if isinstance(found, str):
        return found
    return None if found.form == "a time without a zone" else f"{shown(value)} must be a local time, without Z or TZID"


_LENGTH = re.compile(
    r"([+-]?)P(?=[0-9T])(?:([0-9]{1,7})W|(?:([0-9]{1,8})D)?"
    r"(?:T(?=[0-9])(?![0-9]+H[0-9]+S)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})S)?)?)"
)


def duration(value: str) -> timedelta | None:
    """A length of time (ISO 8601 as RFC 5545, 3.3.6, narrows it), or None if it is none."""
    found = _LENGTH.fullmatch(value)
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(each or 0) for each in found.groups()[1:])
    made = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -made if found[1] == "-" else made


def length(value: str, parameters: Parameters) -> str | None:
    """A length of time that is more than none."""
    found = duration(value)
    if found is None:
        return f"{shown(value)} is no duration; write it as PT6H, P1D, P1DT12H or P2W"
    return None if found > timedelta() else f"{shown(value)} is not longer than nothing"


def trigger(value: str, parameters: Parameters) -> str | None:
    """When an alarm goes off: a duration, or a time in UTC where VALUE=DATE-TIME says so."""
    related = parameters.get("RELATED", "START").upper()
    if related not in ("START", "END"):
        return f"RELATED={shown(related)} must be START or END"
    if parameters.get("VALUE", "").upper() == "DATE-TIME":
        return utc(value, parameters)
    return None if duration(value) is not None else f"{shown(value)} is no duration; write it as -PT2H or -P1D"


def offset(value: str, parameters: Parameters) -> str | None:
    """How far a zone is from UTC."""
    if read_offset(value) is None:
        return f"{shown(value)} is no distance from UTC; write it as +0100 or -0330"
    return None


def read_offset(value: str) -> timedelta | None:
    """How far a zone is from UTC, or None where it is not said in the right form."""
    found = re.fullmatch(r"([+-])([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])?", value)
    if found is None or value in ("-0000", "-000000"):
        return None
    made = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))
    return -made if found[1] == "-" else made


def zone(value: str, parameters: Parameters) -> str | None:
    """The name of a time zone."""
    return None if zones.known(zone_of(value)) else f"{shown(value)} is no time zone; write {zones.nearest(value)}"
