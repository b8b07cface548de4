"""The yearly rule by which the clocks of a zone go forward and back, where there is one.

Calendar files carry times that repeat as local times with such a rule (RFC 5545, 3.6.5), and the program that reads
them may trust the rule more than the zone's name. So it is derived from the time zone database and holds for every
change of the clocks in the years it is asked for, or it is not given at all.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from zoneinfo import ZoneInfo

EARLIEST, HORIZON = 1970, 2037
"""No rule is followed back before the first year; one that holds through the second is the zone's present one."""


@dataclass(frozen=True, slots=True, order=True)
class Turn:
    """A change of the clocks once a year: on the `week`-th `weekday` (0: Monday) of `month`, -1 being the last.

    `clock` is the time of day that clocks show just before it; `before` and `after` are the offsets from UTC.
    """

    month: int
    week: int
    weekday: int
    clock: timedelta
    before: timedelta
    after: timedelta

    def onset(self, year: int) -> datetime:
        """When it is in a year, by the clocks before it (a naive time)."""
        first, length = monthrange(year, self.month)
        day = 1 + (self.weekday - first) % 7 + 7 * (self.week - 1)
        if self.week < 0:
            day = length - (first + length - 1 - self.weekday) % 7
        return datetime(year, self.month, day) + self.clock


@dataclass(frozen=True, slots=True)
class Clocks:
    """What clocks in `zone` do in every year from `since` to `through`: go `forward` and `back`, or (None) neither.

    `offset` from UTC and `name` are those of the standard time, `summer` is the name of the other ("": none).
    """

    zone: str
    since: int
    through: int
    offset: timedelta
    name: str
    summer: str = ""
    forward: Turn | None = None
    back: Turn | None = None

    @property
    def present(self) -> bool:
        """Whether it is the rule the zone follows from now on, as far as anybody knows."""
        return self.through >= HORIZON


@lru_cache(maxsize=1024)
def clocks(zone: str, first: int, last: int) -> Clocks | None:
    """The rule that holds in all years from `first` to `last`, with all others it holds in; None when none does.

    Years of one rule give equal answers.
    """
    choices = [set(product(*_turns(zone, year))) for year in range(first, last + 1)]
    found = [
        _extended(zone, first, last, turns) for turns in sorted(set.intersection(*choices)) if len(turns) in (0, 2)
    ]
    whole = [each for each in found if each is not None]
    return max(whole, key=lambda each: (each.through - each.since, each.since), default=None)


def _extended(zone: str, first: int, last: int, turns: tuple[Turn, ...]) -> Clocks | None:
    since, through, offset = first, last, _offset(zone, _january(last))

    def holds(year: int) -> bool:
        return turns in product(*_turns(zone, year)) and (bool(turns) or _offset(zone, _january(year)) == offset)

    if not all(holds(year) for year in range(first, last + 1)):
        return None
    while since > EARLIEST and holds(since - 1):
        since -= 1
    while through < HORIZON and holds(through + 1):
        through += 1
    january, july = _january(through), _january(through) + timedelta(days=182)
    names = {_offset(zone, instant): _name(zone, instant) for instant in (july, january)}
    if not turns:
        return Clocks(zone, since, through, offset, names[offset])
    back, forward = sorted(turns, key=lambda turn: turn.after - turn.before)
    if forward.before != back.after or forward.after != back.before or forward.after <= forward.before:
        return None
    name, summer = names.get(back.after, zone), names.get(forward.after, zone)
    return Clocks(zone, since, through, back.after, name, summer, forward, back)


@lru_cache(maxsize=16_384)
def _turns(zone: str, year: int) -> tuple[tuple[Turn, ...], ...]:
    """The changes of the clocks whose local day is in a year, each as all the yearly rules it may follow."""
    found = []
    day = timedelta(days=1)
    instant = _january(year) - 2 * day
    before = _offset(zone, instant)
    while instant < _january(year + 1) + 2 * day:
        after = _offset(zone, instant + day)
        if before != after:
            onset, readings = _read(zone, instant, instant + day, before)
            if onset.year == year:
                found.append(readings)
        instant, before = instant + day, after
    return tuple(found)


def _read(zone: str, low: datetime, high: datetime, before: timedelta) -> tuple[datetime, tuple[Turn, ...]]:
    """The change of the clocks between two instants, of which only the first has the offset `before`.

    Of the month's fourth Sunday nobody can tell from one year whether the fourth is meant or the last.
    """
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    onset = (high + before).replace(tzinfo=None)
    clock = onset - onset.replace(hour=0, minute=0, second=0)
    nth = (onset.day - 1) // 7 + 1
    weeks = [nth] if nth < 5 else []
    if onset.day + 7 > monthrange(onset.year, onset.month)[1]:
        weeks.append(-1)
    after = _offset(zone, high)
    return onset, tuple(Turn(onset.month, week, onset.weekday(), clock, before, after) for week in weeks)


def _january(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


def _offset(zone: str, instant: datetime) -> timedelta:
    offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
    if offset is None:
        raise AssertionError("a zone has an offset")
    return offset


def _name(zone: str, instant: datetime) -> str:
    return instant.astimezone(ZoneInfo(zone)).tzname() or zone
