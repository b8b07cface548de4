"""Time zones: which exist, and what their clocks show. Zones are IANA names such as ``Europe/London``.

Conversions go through UTC, because adding to a local time loses which of two it was when clocks go back.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_NAME = re.compile(r"(?!(?:posix|right|SystemV)/)[A-Za-z]+(?:/[A-Za-z0-9_+-]+){1,2}|UTC", re.ASCII)


@lru_cache(maxsize=64)
def known(zone: str) -> bool:
    """Whether `zone` is the full name of a time zone (a place, not an abbreviation)."""
    try:
        return bool(_NAME.fullmatch(zone)) and ZoneInfo(zone) is not None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def nearest(name: str) -> str:
    """The zone somebody who wrote `name` most likely meant; the catalogue's usual one when nothing is near."""
    # Etc/GMT+1 is an hour behind Greenwich, of all things: whoever counts from GMT or UTC is told a place.
    if re.match(r"(GMT|UTC|Z|BST)\b", name.strip().upper()):
        return "Europe/London"
    if re.fullmatch("[A-Z]{2,5}", name.strip()):  # EST, CET, IST: each means several places
        return "a place, such as Europe/London"
    zones = sorted(zone for zone in available_timezones() if _NAME.fullmatch(zone) and not zone.startswith("Etc/"))
    folded = {zone.rpartition("/")[2].casefold(): zone for zone in zones} | {zone.casefold(): zone for zone in zones}
    close = get_close_matches(name.strip().replace(" ", "_").casefold(), folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else "Europe/London"


def midnight(day: date, zone: str) -> datetime:
    """The UTC instant at which the local `day` begins; where clocks skip midnight, the first instant of the day."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def instants(clock: datetime, zone: str) -> tuple[datetime, ...]:
    """The UTC instants at which clocks in `zone` show the naive time `clock`: none in a gap, two where they go back."""
    there = clock.replace(tzinfo=ZoneInfo(zone))
    first, second = (there.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    return tuple(instant for instant in sorted((first, second)) if local(instant, zone) == clock)


def first(clock: datetime, zone: str) -> datetime:
    """The first UTC instant at which clocks in `zone` show a naive time; of one they skip, later by the gap."""
    return clock.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def after_gap(clock: datetime, zone: str) -> datetime:
    """What clocks show instead of a naive time they skip: the time later by the length of the gap."""
    return local(first(clock, zone), zone)


def local(instant: datetime, zone: str) -> datetime:
    """What clocks in `zone` show at an aware instant, as a naive time."""
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def offset(instant: datetime, zone: str) -> str:
    """How far `zone` is from UTC at an aware instant, as ``+01:00``."""
    return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")[16:]
