"""How a feed shows its entries, where it differs from the usual: the same entries, rewritten line by line.

An entry is drawn once and kept; what a feed wants otherwise (deadlines as days, cancelled dates that Google does not
hide, alarms, tasks instead of events) is worked into its lines when the feed is joined. Those lines are our own, so
their form is known. Of a date that repeats, how its occurrences are called goes with the shape of the whole series, and
when each is with its own: one of a series of blocks may be put to a day, or from one time to another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from reminders.catalogue import zones
from reminders.catalogue.neighbours import neighbour
from reminders.catalogue.recurrence import parse_recurrence
from reminders.feed.entry import Entry, stamps
from reminders.feed.repeating import BLOCK, latest
from reminders.feed.timezone import zone_of

MORNING = timedelta(hours=9)
"""From when on alarms about a whole day are counted: midnight would wake people."""
MOST_ALARMS = 5

_TASKS = UUID("8f0a4f0e-52d0-4a3c-9f0a-2f3c1b7a9d55")
_ALARMS = UUID("c1f4b0de-6a2e-4d0b-8f53-90c2f5b1a7e3")
_PROPERTY = re.compile(r"(?P<name>[A-Z-]+)[;:](?:[^\r]|\r\n[ \t])*\r\n")
_FOLD = re.compile(r"\r\n[ \t]")
_UNTIL = re.compile(r";UNTIL=(\d{8}T\d{6}Z)")
_REWRITTEN = ("DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE", "RRULE")
_LONGEST = 77
"""A content line of 75 octets and its end."""
_AMOUNT = re.compile(r"(?P<amount>[1-9]\d{0,2})(?P<unit>[wdhm])", re.ASCII)
_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
}


class Shape(StrEnum):
    """How a deadline with an hour is shown: as a block that ends then, as its whole day, or as a moment.

    A moment has no length (RFC 5545, 3.6.1 lets it be so), and some programs give it an hour or do not show it.
    """

    BLOCK = "block"
    ALL_DAY = "all-day"
    INSTANT = "instant"


class Cancelled(StrEnum):
    """How a cancelled date is marked: by status and title, or by its title alone, because Google hides the first."""

    MARK = "mark"
    KEEP_CONFIRMED = "keep-confirmed"


@dataclass(frozen=True, slots=True)
class Style:
    """What a feed may want otherwise. `alarms` are how long before, the longest first; `tasks` makes deadlines VTODOs.

    Alarms about a whole day count from nine in the morning, and only those of whole days and weeks are set.
    """

    shape: Shape = Shape.BLOCK
    cancelled: Cancelled = Cancelled.MARK
    alarms: tuple[timedelta, ...] = ()
    tasks: bool = False


USUAL = Style()


@dataclass(frozen=True, slots=True)
class Restyle:
    """How often the style of a feed was changed, and when last (UTC): entries must seem as new as that."""

    count: int = 0
    at: datetime | None = None


NEVER_RESTYLED = Restyle()


def read_alarm(text: str) -> timedelta | None:
    """How long before: ``1w``, ``2d``, ``3h``, ``30m``; None for anything else."""
    match = _AMOUNT.fullmatch(text.strip())
    return int(match["amount"]) * _UNITS[match["unit"]] if match else None


def write_alarm(before: timedelta) -> str:
    """The text that `read_alarm` reads, in the largest unit that fits."""
    unit = next(unit for unit, length in _UNITS.items() if not before % length)
    return f"{before // _UNITS[unit]}{unit}"


def restyled(entry: Entry, style: Style, restyle: Restyle) -> str:
    """The entry's components in this style, with stamps no older than the style itself."""
    if style == USUAL and not restyle.count:
        return entry.text
    components = list(_components(entry.text))
    first = components[0]
    zone = (zone_of(_read(first["DTSTART"])[0]) or "UTC") if "RRULE" in first else ""
    shape = style.shape
    if style.tasks and shape is Shape.INSTANT:  # a task is due at a moment, however it is shown
        shape = Shape.BLOCK
    block = _is_block(first, entry)
    return "".join(_component(lines, entry, style, restyle, shape, block, zone) for lines in components)


def _components(text: str) -> Iterator[dict[str, str]]:
    """The lines of each component by name, the series first; those that are rewritten are no longer folded."""
    for part in re.split(r"(?m)^BEGIN:VEVENT\r\n", text)[1:]:
        lines = {match["name"]: match[0] for match in _PROPERTY.finditer(part.removesuffix("END:VEVENT\r\n"))}
        yield lines | {name: _FOLD.sub("", lines[name]) for name in _REWRITTEN if name in lines}


def _component(
    lines: dict[str, str], entry: Entry, style: Style, restyle: Restyle, shape: Shape, block: bool, zone: str
) -> str:
    """One component; `block` says that the series is one of blocks, `zone` whose clocks it goes by ("": it is none)."""
    if restyle.count:
        _stamp(lines, entry, restyle)
    confirmed = lines["STATUS"] == "STATUS:CONFIRMED\r\n"
    own = _is_block(lines, entry)
    if zone and block and shape is not Shape.BLOCK:
        _rename(lines, shape, zone)
    if own and shape is Shape.ALL_DAY:
        _as_day(lines, _day_shown(lines["DTSTART"], zone) if zone else date.fromisoformat(entry.deadline))
    elif own and shape is Shape.INSTANT:
        _as_instant(lines)
    if style.tasks:
        _as_task(lines)
    alarms = "".join(_alarms(lines, entry, style)) if confirmed else ""
    if style.tasks:
        return f"BEGIN:VTODO\r\n{_joined(lines)}{alarms}END:VTODO\r\n"
    if style.cancelled is Cancelled.KEEP_CONFIRMED and lines["STATUS"] == "STATUS:CANCELLED\r\n":
        lines["STATUS"] = "STATUS:CONFIRMED\r\n"
    return f"BEGIN:VEVENT\r\n{_joined(lines)}{alarms}END:VEVENT\r\n"


def _joined(lines: dict[str, str]) -> str:
    from reminders.feed.lines import fold  # takes long to import, and other styles rewrite nothing that is so long

    long = {name: lines[name] for name in ("EXDATE", "RRULE") if len(lines.get(name, "")) > _LONGEST}
    return "".join((lines | {name: fold(line) for name, line in long.items()}).values())


def _is_block(lines: dict[str, str], entry: Entry) -> bool:
    """Whether it is a deadline at an instant; one from a time to another would lose its beginning in another shape."""
    return bool(entry.deadline) and _length(lines) == BLOCK


def _stamp(lines: dict[str, str], entry: Entry, restyle: Restyle) -> None:
    moment = max(entry.last_modified, restyle.at or entry.last_modified).astimezone(UTC)
    for line in stamps(entry.sequence + restyle.count, moment).splitlines(keepends=True):
        lines[line.partition(":")[0]] = line


def _rename(lines: dict[str, str], shape: Shape, zone: str) -> None:
    """Call occurrences as fits a series whose blocks take this shape, and let its rule fall on what they are called."""
    if "RRULE" in lines:
        lines["RRULE"] = _rule(lines["RRULE"], lines["DTSTART"], shape, zone)
    for name in ("RECURRENCE-ID", "EXDATE"):
        if name in lines:
            written, times = _read(lines[name])
            if shape is Shape.ALL_DAY:
                lines[name] = f"{name};VALUE=DATE:{','.join(f'{each:%Y%m%d}' for each in times)}\r\n"
            else:
                lines[name] = _written(name, written, [each + BLOCK for each in times])


def _rule(line: str, start: str, shape: Shape, zone: str) -> str:
    """The rule where the start is the day or the end of what is the start now."""
    found = _UNTIL.search(line)
    until = ""
    if found:
        shown = zones.local(datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), zone)
        until = f"{shown:%Y%m%d}" if shape is Shape.ALL_DAY else f"{latest(shown + BLOCK, zone):%Y%m%dT%H%M%SZ}"
        line = line.replace(found[1], until)
    _, (clock,) = _read(start)
    if shape is Shape.INSTANT and (clock + BLOCK).date() != clock.date():  # it was drawn by the days before
        rule = neighbour(parse_recurrence(_UNTIL.sub("", line).strip()), clock.date(), 1)
        if rule is None:
            raise AssertionError("the days after those before are days of a rule")
        line = f"RRULE:{rule.written(until)}\r\n"
    return line


def _as_day(lines: dict[str, str], day: date) -> None:
    """A deadline as the day on which its block begins: for one at midnight the day before, the last to act on."""
    lines["DTSTART"] = f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\n"
    lines["DTEND"] = f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}\r\n"


def _day_shown(line: str, zone: str) -> date:
    """The day of a time, which is written as clocks in the zone show it or in UTC."""
    written, (clock,) = _read(line)
    return clock.date() if written else zones.local(clock.replace(tzinfo=UTC), zone).date()


def _as_instant(lines: dict[str, str]) -> None:
    """A deadline as the moment at which its block ends."""
    lines["DTSTART"] = lines.pop("DTEND").replace("DTEND", "DTSTART", 1)


def _as_task(lines: dict[str, str]) -> None:
    """A VTODO (RFC 5545, 3.6.2): due when the entry ends. A start is left only for what repeats, which needs one."""
    uid = lines["UID"].strip().removeprefix("UID:")
    lines["UID"] = f"UID:{uuid5(_TASKS, uid)}\r\n"  # the same date as event and task are two things to a program
    lines["STATUS"] = "STATUS:CANCELLED\r\n" if "CANCELLED" in lines["STATUS"] else "STATUS:NEEDS-ACTION\r\n"
    for name in ("TRANSP", "X-MICROSOFT-CDO-BUSYSTATUS"):
        del lines[name]
    start, end = lines["DTSTART"], lines.pop("DTEND", None)
    repeats = "RRULE" in lines or "RECURRENCE-ID" in lines
    if "VALUE=DATE" in start:
        last = _day(end) - timedelta(days=1) if end else _day(start)
        if repeats and last <= _day(start):
            return  # a due day on the day of the start is not legal, and another would be wrong
        due = f"DUE;VALUE=DATE:{last:%Y%m%d}\r\n"
    else:
        due = (end or start).replace("DTEND" if end else "DTSTART", "DUE", 1)
    if not repeats or end is None:
        lines["DTSTART"] = due
    else:
        lines["DTSTART"] = start + due


def _alarms(lines: dict[str, str], entry: Entry, style: Style) -> Iterator[str]:
    """Alarms counted from the start, as Outlook knows no other, but meant from a block's end; of a task, due."""
    from reminders.feed.lines import alarm  # takes long to import; few feeds have alarms

    title = _FOLD.sub("", lines["SUMMARY"]).strip().removeprefix("SUMMARY:")
    whole_day, due = "VALUE=DATE" in lines["DTSTART"], "DUE" in lines["DTSTART"]
    for before in style.alarms:
        if whole_day and before % timedelta(days=1):
            continue
        early = before
        if whole_day:
            early = before - MORNING
        elif entry.deadline and not due:
            early = before - _length(lines)
        uid = uuid5(_ALARMS, f"{lines['UID']}{lines.get('RECURRENCE-ID', '')}{write_alarm(before)}")
        yield alarm(str(uid), title, early, end=due)


def _read(line: str) -> tuple[str, list[datetime]]:
    """The zone ("" for UTC and days) and the wall-clock times, or midnights, of a line that holds times or days."""
    head, _, values = line.strip().partition(":")
    zone = head.partition("TZID=")[2]
    form = "%Y%m%d" if "VALUE=DATE" in head else "%Y%m%dT%H%M%S"
    return zone, [datetime.strptime(each.rstrip("Z"), form) for each in values.split(",")]  # noqa: DTZ007  # wall clock


def _length(lines: dict[str, str]) -> timedelta:
    """From the start of an entry to its end: nothing for a moment, nor for days."""
    if "DTEND" not in lines or "VALUE=DATE" in lines["DTSTART"]:
        return timedelta()
    starts, ends = (_read(lines[name])[1][0] for name in ("DTSTART", "DTEND"))
    return ends - starts


def _written(name: str, zone: str, times: list[datetime]) -> str:
    head = f"{name};TZID={zone}" if zone else name
    return f"{head}:{','.join(f'{each:%Y%m%dT%H%M%S}' + ('' if zone else 'Z') for each in times)}\r\n"


def _day(line: str) -> date:
    return datetime.strptime(line.strip().rpartition(":")[2], "%Y%m%d").date()  # noqa: DTZ007  # a day
