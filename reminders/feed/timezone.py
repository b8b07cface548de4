"""A zone's clocks as a VTIMEZONE (RFC 5545, 3.6.5): one STANDARD and, if the clocks change, one DAYLIGHT.

Some programs go by the zone's name and some by these lines, so both must say the same. The lines hold the rule of
`catalogue.summertime`, which agrees with the time zone database in every year it is asked for, and begin as early as
that rule: two series by one rule need the same lines, and a calendar holds them once.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from reminders.catalogue.summertime import Clocks, Turn

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MARK = "@"


def tzid(clocks: Clocks) -> str:
    """The name of the lines: that of the zone, and for a rule it no longer follows also the year that began in."""
    return clocks.zone if clocks.present else f"{clocks.zone}{_MARK}{clocks.since}"


def zone_of(tzid: str) -> str:
    """The zone that `tzid` named."""
    return tzid.partition(_MARK)[0]


def timezone(clocks: Clocks) -> str:
    """The component, its lines ended by CRLF."""
    lines = ["BEGIN:VTIMEZONE", f"TZID:{tzid(clocks)}"]
    if clocks.forward is None or clocks.back is None:
        began = datetime.combine(date(clocks.since, 1, 1), time())
        lines += _part("STANDARD", began, clocks.offset, clocks.offset, clocks.name)
    else:
        later = max((clocks.forward, clocks.back), key=lambda turn: turn.onset(clocks.since))
        for part, turn, name in (("DAYLIGHT", clocks.forward, clocks.summer), ("STANDARD", clocks.back, clocks.name)):
            # What holds at the beginning of the first year began in the year before.
            onset = turn.onset(clocks.since - (turn is later))
            lines += _part(part, onset, turn.before, turn.after, name, _rule(turn))
    return "".join(f"{line}\r\n" for line in (*lines, "END:VTIMEZONE"))


def _part(part: str, onset: datetime, before: timedelta, after: timedelta, name: str, rule: str = "") -> list[str]:
    offsets = [f"TZOFFSETFROM:{_offset(before)}", f"TZOFFSETTO:{_offset(after)}"]
    rules = [f"RRULE:{rule}"] if rule else []
    return [f"BEGIN:{part}", f"DTSTART:{onset:%Y%m%dT%H%M%S}", *offsets, *rules, f"TZNAME:{name}", f"END:{part}"]


def _rule(turn: Turn) -> str:
    return f"FREQ=YEARLY;BYMONTH={turn.month};BYDAY={turn.week}{_DAYS[turn.weekday]}"


def _offset(offset: timedelta) -> str:
    minutes, seconds = divmod(abs(int(offset.total_seconds())), 60)
    sign = "-" if offset < timedelta() else "+"
    return f"{sign}{minutes // 60:02}{minutes % 60:02}" + (f"{seconds:02}" if seconds else "")
