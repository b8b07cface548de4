"""How a feed shows its entries, where it differs from the usual: the same entries, rewritten line by line.

An entry is drawn once and kept; what a feed wants otherwise (deadlines as days, cancelled dates that Google does not
hide, alarms, tasks instead of events) is worked into its lines when the feed is joined. Those lines are our own, so
their form is known: what is rewritten here is never folded, but for the title that an alarm repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from reminders.catalogue import zones
from reminders.feed.entry import BLOCK, Entry, stamps
from reminders.feed.timezone import zone_of

MORNING = timedelta(hours=9)
"""From when on alarms about a whole day are counted: midnight would wake people."""
MOST_ALARMS = 5

_TASKS = UUID("8f0a4f0e-52d0-4a3c-9f0a-2f3c1b7a9d55")
_ALARMS = UUID("c1f4b0de-6a2e-4d0b-8f53-90c2f5b1a7e3")
_PROPERTY = re.compile(r"(?P<name>[A-Z-]+)[;:](?:[^\r]|\r\n[ \t])*\r\n")
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
    return "".join(_component(text, entry, style, restyle) for text in _components(entry.text))


def _components(text: str) -> Iterator[str]:
    for part in re.split(r"(?m)^BEGIN:VEVENT\r\n", text)[1:]:
        yield part.removesuffix("END:VEVENT\r\n")


def _component(text: str, entry: Entry, style: Style, restyle: Restyle) -> str:
    lines = {match["name"]: match[0] for match in _PROPERTY.finditer(text)}
    if restyle.count:
        _stamp(lines, entry, restyle)
    confirmed = lines["STATUS"] == "STATUS:CONFIRMED\r\n"
    if entry.deadline and "VALUE=DATE" not in lines["DTSTART"]:
        if style.shape is Shape.ALL_DAY:
            _as_day(lines, entry)
        elif style.shape is Shape.INSTANT:
            _as_instant(lines)
    alarms = "".join(_alarms(lines, entry, style)) if confirmed else ""
    if style.tasks:
        _as_task(lines)
        return f"BEGIN:VTODO\r\n{''.join(lines.values())}{alarms}END:VTODO\r\n"
    if style.cancelled is Cancelled.KEEP_CONFIRMED and lines["STATUS"] == "STATUS:CANCELLED\r\n":
        lines["STATUS"] = "STATUS:CONFIRMED\r\n"
    return f"BEGIN:VEVENT\r\n{''.join(lines.values())}{alarms}END:VEVENT\r\n"


def _stamp(lines: dict[str, str], entry: Entry, restyle: Restyle) -> None:
    moment = max(entry.last_modified, restyle.at or entry.last_modified).astimezone(UTC)
    for line in stamps(entry.sequence + restyle.count, moment).splitlines(keepends=True):
        lines[line.partition(":")[0]] = line


_TIMES = ("DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE")


def _as_day(lines: dict[str, str], entry: Entry) -> None:
    """A deadline as the day on which its block begins: for one at midnight the day before, the last to act on."""
    day = date.fromisoformat(entry.deadline)
    zone, written = _read(lines["DTSTART"])
    if zone:  # a date that repeats is written in local times
        day = written[0].date()
    if "RRULE" in lines:
        lines["RRULE"] = _until_day(lines["RRULE"], zone)
    lines["DTSTART"] = f"DTSTART;VALUE=DATE:{day:%Y%m%d}\r\n"
    lines["DTEND"] = f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}\r\n"
    for name in ("RECURRENCE-ID", "EXDATE"):
        if name in lines:
            days = ",".join(f"{each:%Y%m%d}" for each in _read(lines[name])[1])
            lines[name] = f"{name};VALUE=DATE:{days}\r\n"


def _as_instant(lines: dict[str, str]) -> None:
    """A deadline as the moment at which its block ends."""
    for name in ("DTSTART", "RECURRENCE-ID", "EXDATE"):
        if name in lines:
            zone, times = _read(lines[name])
            mark = "" if zone else "Z"
            head = f"{name};TZID={zone}" if zone else name
            lines[name] = f"{head}:{','.join(f'{each + BLOCK:%Y%m%dT%H%M%S}{mark}' for each in times)}\r\n"
    del lines["DTEND"]


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
        if repeats:
            return  # a due day on the day of the start is not legal, and another would be wrong
        last = _day(end) - timedelta(days=1) if end else _day(start)
        due = f"DUE;VALUE=DATE:{last:%Y%m%d}\r\n"
    else:
        due = (end or start).replace("DTEND" if end else "DTSTART", "DUE", 1)
    if not repeats or end is None:
        lines["DTSTART"] = due
    else:
        lines["DTSTART"] = start + due


def _alarms(lines: dict[str, str], entry: Entry, style: Style) -> Iterator[str]:
    """Alarms counted from the start, as Outlook knows no other: of a block that ends at a deadline, from its end."""
    from reminders.feed.lines import alarm  # takes long to import; few feeds have alarms

    title = re.sub(r"\r\n[ \t]", "", lines["SUMMARY"]).strip().removeprefix("SUMMARY:")
    whole_day = "VALUE=DATE" in lines["DTSTART"]
    for before in style.alarms:
        if whole_day and before % timedelta(days=1):
            continue
        early = before
        if whole_day:
            early = before - MORNING
        elif entry.deadline and style.shape is Shape.BLOCK:
            early = before - BLOCK
        uid = uuid5(_ALARMS, f"{lines['UID']}{lines.get('RECURRENCE-ID', '')}{write_alarm(before)}")
        yield alarm(str(uid), title, early)


def _read(line: str) -> tuple[str, list[datetime]]:
    """The zone ("" for UTC) and the wall-clock times of a line that holds times."""
    head, _, values = line.strip().partition(":")
    zone = head.partition("TZID=")[2]
    return zone, [datetime.strptime(each.rstrip("Z"), "%Y%m%dT%H%M%S") for each in values.split(",")]  # noqa: DTZ007  # wall clock


def _day(line: str) -> date:
    return datetime.strptime(line.strip().rpartition(":")[2], "%Y%m%d").date()  # noqa: DTZ007  # a day


def _until_day(line: str, zone: str) -> str:
    """The end of a rule as a day, as it must be where the start is one."""

    def local(match: re.Match[str]) -> str:
        instant = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return f"UNTIL={zones.local(instant, zone_of(zone) or 'UTC'):%Y%m%d}"

    return re.sub(r"UNTIL=(\d{8}T\d{6})Z", local, line)
