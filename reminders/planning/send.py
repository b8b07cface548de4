"""When a reminder is sent, counted from the date it speaks of.

Written as people say it::

    4 weeks before at 09:00       days, weeks and months keep the clock of the date's zone, whatever summer time does
    3 working days before at 09:00    Saturdays, Sundays and the nation's bank holidays are not counted
    2 days after at 10:00
    on the day at 08:00
    2 hours before                hours and minutes are exact, and need a date with a time
    2018-12-01T09:00              then, by the clock of the date's zone

"Before" counts from the first day, "after" from the last; of a month or a season those are its own first and last.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from reminders.catalogue.dates import DateError, Precision, When, parse_when
from reminders.planning import workdays


class Unit(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WORKING_DAY = "working day"
    WEEK = "week"
    MONTH = "month"


EXACT = {Unit.MINUTE: timedelta(minutes=1), Unit.HOUR: timedelta(hours=1)}
MOST = {Unit.MINUTE: 600, Unit.HOUR: 240, Unit.DAY: 731, Unit.WORKING_DAY: 250, Unit.WEEK: 104, Unit.MONTH: 24}
"""Two years are plenty; more is a slip of the finger."""


class SendError(ValueError):
    """A time to send that cannot be used: `what` is wrong, and what to `write` instead."""

    def __init__(self, what: str, write: str) -> None:
        self.what = what
        self.write = write
        super().__init__(f"{what}: {write}")


@dataclass(frozen=True, slots=True)
class Send:
    """A time to send: `steps` of a `unit` from the date (negative: before; 0: on the day), or a `day` of its own.

    `at` is the local time of day, None for hours and minutes. `text` is the canonical spelling of all that.
    """

    text: str
    steps: int = 0
    unit: Unit = Unit.DAY
    at: time | None = None
    day: date | None = None

    @property
    def after(self) -> bool:
        """Whether it looks back on the date."""
        return self.steps > 0

    @property
    def least(self) -> Precision:
        """The precision below which it cannot be counted."""
        return Precision.INSTANT if self.unit in EXACT else Precision.YEAR

    @property
    def usual(self) -> Precision:
        """The precision a rule waits for unless it says otherwise."""
        return Precision.INSTANT if self.unit in EXACT else Precision.DAY


@lru_cache(maxsize=1024)
def parse_send(text: str) -> Send:
    """Read a time to send. Raises `SendError`."""
    said = " ".join(text.split())
    if match := _COUNTED.fullmatch(said):
        return _counted(said, match)
    if match := _ON_THE_DAY.fullmatch(said):
        return Send(said, at=_time(match["at"]))
    if _ABSOLUTE.fullmatch(said):
        return _absolute(said)
    raise SendError(f"'{said[:80]}' is not a time to send", f"write {_suggest(said.casefold()) or EXAMPLES}")


@lru_cache(maxsize=65_536)
def due_at(send: Send, when: When, nation: str) -> datetime | None:
    """The UTC instant at which to send about a date; None while the date is not precise enough to count from.

    A local time that clocks skip is later by the length of the gap; of one they show twice it is the first.
    `nation` is that of `workdays`.
    """
    if when.precision < send.least or when.first is None or when.last is None:
        return None
    if send.at is None:
        anchor = when.ends if send.after else when.starts
        return None if anchor is None else anchor + send.steps * EXACT[send.unit]
    day = send.day or _counted_day(send, when.last if send.after else when.first, nation)
    return datetime.combine(day, send.at, ZoneInfo(when.zone)).astimezone(UTC)


def reach(send: Send) -> timedelta:
    """How far from a date it is sent at most, whatever the time of day, zone and bank holidays."""
    if send.unit in EXACT:
        return abs(send.steps) * EXACT[send.unit]
    sizes = {Unit.WORKING_DAY: 2, Unit.WEEK: 7, Unit.MONTH: 31}  # two weeks hold at least seven working days
    return timedelta(days=abs(send.steps) * sizes.get(send.unit, 1) + 7)


EXAMPLES = "'4 weeks before at 09:00', '2 hours before', 'on the day at 08:00' or '2018-12-01T09:00'"
PATTERN = (
    r"^(\d+ (working days?|days?|weeks?|months?) (before|after) at \d\d:\d\d|\d+ (hours?|minutes?) (before|after)"
    r"|on the day at \d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d)$"
)
"""For editors: the shape of a time to send."""

_COUNTED = re.compile(
    r"(?P<amount>\d{1,6}) (?P<unit>working day|day|week|month|hour|minute)s? (?P<side>before|after)"
    r"(?: at (?P<at>\d\d:\d\d))?",
    re.ASCII,
)
_ON_THE_DAY = re.compile(r"on the day at (?P<at>\d\d:\d\d)", re.ASCII)
_ABSOLUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


def _counted(said: str, match: re.Match[str]) -> Send:
    unit, amount, side = Unit(match["unit"]), int(match["amount"]), match["side"]
    if amount == 0:
        raise SendError(f"'{said}' counts nothing", "write 'on the day at 09:00'")
    if amount > MOST[unit]:
        raise SendError(f"{_amount(amount, unit)} are too many", f"write at most {_amount(MOST[unit], unit)}")
    spelt = f"{_amount(amount, unit)} {side}"
    if unit in EXACT and match["at"]:
        raise SendError(f"{unit}s are counted from the time of the date itself", f"write '{spelt}'")
    if unit not in EXACT and not match["at"]:
        raise SendError(f"'{said}' does not say at what time", f"write '{spelt} at 09:00'")
    steps = amount if side == "after" else -amount
    if unit in EXACT:
        return Send(spelt, steps, unit)
    return Send(f"{spelt} at {match['at']}", steps, unit, _time(match["at"]))


def _absolute(said: str) -> Send:
    try:
        clock = parse_when(said, "UTC").starts
    except DateError as error:
        raise SendError(error.what, error.write) from None
    if clock is None:
        raise AssertionError("a day with a time is an instant")
    return Send(said, at=clock.time(), day=clock.date())


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        what = f"there is no time {text}"
        raise SendError(what, "write hours from 00 to 23 and minutes from 00 to 59") from None


def _counted_day(send: Send, anchor: date, nation: str) -> date:
    match send.unit:
        case Unit.WORKING_DAY:
            return workdays.step(anchor, send.steps, nation)
        case Unit.MONTH:
            years, month = divmod(anchor.year * 12 + anchor.month - 1 + send.steps, 12)
            return date(years, month + 1, min(anchor.day, monthrange(years, month + 1)[1]))
        case Unit.WEEK:
            return anchor + timedelta(weeks=send.steps)
        case _:
            return anchor + timedelta(days=send.steps)


def _amount(amount: int, unit: Unit) -> str:
    return f"{amount} {unit}" + ("" if amount == 1 else "s")


_LOOSE = re.compile(
    r"(?P<on>on the day|same day|the day)?(?:(?P<amount>\d{1,3}|an?|one|two|three|four|five|six) ?-?"
    r"(?P<working>working |business |work)?"
    r"(?P<unit>minute|min|hour|hr|h|day|d|week|wk|w|month)s?)? ?(?P<side>before|prior|earlier|ahead|after|later|-)?"
    r"[ ,]*(?:at|@)? ?(?:(?P<hour>[012]?\d)(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>am|pm)?)?",
    re.ASCII,
)
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_UNITS = {"m": Unit.MINUTE, "h": Unit.HOUR, "d": Unit.DAY, "w": Unit.WEEK, "month": Unit.MONTH}


def _suggest(said: str) -> str:
    """The right spelling of what somebody most likely meant, in quotes; "" when that is not clear."""
    match = _LOOSE.fullmatch(said)
    if match is None or not (match["on"] or match["unit"]) or (match["on"] and match["unit"]):
        return ""
    hour = int(match["hour"] or 9)
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    clock = f" at {hour:02}:{match['minute'] or '00'}"
    if match["on"]:
        return f"'on the day{clock}'"
    unit = Unit.WORKING_DAY if match["working"] else _UNITS.get(match["unit"]) or _UNITS[match["unit"][0]]
    amount = _NUMBERS.get(match["amount"]) or int(match["amount"])
    side = "after" if match["side"] in ("after", "later") else "before"
    spelt = f"'{_amount(amount, unit)} {side}{'' if unit in EXACT else clock}'"
    try:
        parse_send(spelt.strip("'"))
    except SendError:
        return ""
    return spelt
