"""What a calendar must show of event files, worked out from their text alone: nothing of the product is asked.

The files are well-formed here; what they may not hold is tested elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from dateutil.rrule import rrulestr

BLOCK = timedelta(minutes=30)
MONTH_OF_SEASON = {21: 3, 22: 6, 23: 9, 24: 12}
WORSE = ("planned", "postponed", "cancelled", "withdrawn")
PREFIX = {"postponed": "POSTPONED: ", "cancelled": "CANCELLED: "}


@dataclass(frozen=True, order=True)
class Shown:
    """An entry as a reader has it. Days are days, with the day after the last; instants are UTC.

    `status`, `place` and `text` are None where the reader does not tell them.
    """

    title: str
    starts: date | datetime
    ends: date | datetime
    status: str | None = None
    place: str | None = None
    text: str | None = None

    @property
    def all_day(self) -> bool:
        """Whether it takes whole days."""
        return not isinstance(self.starts, datetime)


@dataclass(frozen=True)
class Announced:
    """A date as a file has it: of which event and kind, what a calendar shows, and all facts that it shows.

    Of a date that repeats, `shown` is the first, and `alone` are those that are written by themselves.
    """

    event: str
    kind: str
    occurrence: str
    shown: Shown | None
    said: tuple[str, ...]
    facts: tuple[Any, ...]
    alone: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Written:
    """A date as it is written, with what its event says of it."""

    event: Mapping[str, Any]
    kind: str
    one: Mapping[str, Any]
    zone: str
    label: str
    deadline: bool


def announced(files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]]) -> list[Announced]:
    """The dates of the files; `kinds` gives each kind its label, and whether it is a deadline."""
    return [_announced(each) for each in _written(files, kinds)]


def shown(files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]]) -> list[Shown]:
    """What a calendar shows of the files, in order; of a date that repeats the first, and what is written alone."""
    found = announced(files, kinds)
    return sorted([one for each in found if each.shown for one in (each.shown, *each.alone)], key=str)


def occurrences(
    files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]], since: datetime, until: datetime
) -> list[Shown]:
    """The same with every time that a date repeats, of those that start from `since` on and before `until`."""
    found = []
    for each in _written(files, kinds):
        if "repeats" in each.one:
            found += [one for _, one, _ in _repeated(each, until.year) if one and since <= _begins(one) < until]
        elif (one := _announced(each).shown) and since <= _begins(one) < until:
            found.append(one)
    return sorted(found, key=str)


def _begins(one: Shown) -> datetime:
    return one.starts if isinstance(one.starts, datetime) else datetime.combine(one.starts, time(), UTC)


def _written(files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]]) -> Iterator[Written]:
    for data in files.values():
        text = unicodedata.normalize("NFC", data.decode())  # letters are composed when a file is read
        file = yaml.load(text, yaml.CBaseLoader)  # noqa: S506  # text, lists and mappings alone
        for event in file["events"]:
            for kind, given in event.get("dates", {}).items():
                for one in given if isinstance(given, list) else [given]:
                    written = {"when": one} if isinstance(one, str) else one
                    zone = written.get("zone", file.get("zone", "Europe/London"))
                    yield Written(event, kind, written, zone, *kinds[kind])


def _announced(written: Written) -> Announced:
    event, one = written.event, written.one
    when, status = one["when"], _worse(one, event)
    said = [one.get("note", ""), event.get("description", ""), one.get("inferred", "")]
    said += [event.get(key, "") for key in ("provider", "link", "contact")]
    seen = None
    if when not in ("tba", "open") and status != "withdrawn":
        seen = _seen(written, *_extent(when, written.zone, written.deadline), when, status, one.get("location", ""))
    alone = tuple(each for _, each, own in _repeated(written) if each and own) if seen and "repeats" in one else ()
    facts = (
        *(str(event.get(key)) for key in ("title", "level", "provider", "categories", "description", "link")),
        *(event.get("contact"), event.get("source", {}).get("page"), event.get("source", {}).get("checked")),
        *(re.sub("[?~%]", "", when), _qualifier(when), written.zone if "T" in when else "", status),
        *(one.get("note"), one.get("location"), one.get("inferred")),
    )
    told = tuple(text.strip() for text in said if text.strip())
    return Announced(event["id"], written.kind, one.get("id", ""), seen, told, facts, alone)


def _seen(
    written: Written, starts: date | datetime, ends: date | datetime, when: str, status: str, place: str
) -> Shown:
    hour = f" {_clock(ends, written.zone)}" if isinstance(ends, datetime) and written.deadline else ""
    return Shown(
        title=f"{PREFIX.get(status, '')}{written.label}{hour}: {written.event['title'].strip()}{_doubt(when)}",
        starts=starts,
        ends=ends,
        status=_status(when, status),
        place=place.strip(),
    )


def _worse(*said: Mapping[str, Any]) -> str:
    return str(max((each.get("status", "planned") for each in said), key=WORSE.index))


# Dates that repeat


def _repeated(written: Written, last: int = 9999) -> Iterator[tuple[date, Shown | None, bool]]:
    """Each day of the rule until a year, what a calendar shows (None: nothing), and whether it is written alone.

    Alone stands what is changed, and what begins or ends when clocks in the first eleven years change; what a series
    without an end does later is left to its rule.
    """
    one, zone = written.one, written.zone
    first = date.fromisoformat(one["when"][:10])
    left_out = {date.fromisoformat(day) for day in one.get("except", ())}
    changes = {date.fromisoformat(each["on"]): each for each in one.get("changes", ())}
    endless = "COUNT" not in one["repeats"] and "UNTIL" not in one["repeats"]
    template = _extent(one["when"], zone, written.deadline)
    for day in _days(one["repeats"], first, min(last, first.year + 10 if endless else 2199)):
        change = changes.get(day, {})
        status = _worse(one, written.event, change)
        if day in left_out or status == "withdrawn":
            yield day, None, False
            continue
        if "when" in change:
            starts, ends = _extent(change["when"], zone, written.deadline)
        else:
            starts, ends = _later(one["when"], day - first, zone, written.deadline)
        seen = _seen(written, starts, ends, "2000-01-01", status, change.get("location") or one.get("location", ""))
        yield day, seen, day in changes or not _follows(template, (starts, ends), day - first, zone)


def _days(rule: str, first: date, last: int) -> Iterator[date]:
    text = re.sub(r"UNTIL=(\d{4})-(\d\d)-(\d\d)", r"UNTIL=\1\2\3", rule)
    for each in rrulestr(text, dtstart=datetime.combine(first, time())):
        if each.year > last:
            return
        yield each.date()


def _later(when: str, by: timedelta, zone: str, deadline: bool) -> tuple[date, date] | tuple[datetime, datetime]:
    """The same by the clock some days later: a time that is skipped is later, and one shown twice is the first."""
    if "T" not in when:
        first, after = _extent(when, zone, deadline)
        return first + by, after + by
    parts = when.split("/")
    walls = [datetime.fromisoformat(part) + by for part in parts]
    starts, ends = (walls[at].replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for at in (0, -1))
    if len(parts) == 1:
        return (ends - BLOCK, ends) if deadline else (starts, starts + BLOCK)
    return starts, ends


def _follows(template: tuple[date, date], times: tuple[date, date], by: timedelta, zone: str) -> bool:
    """Whether times are just those that clocks show which are as many days later, and as long."""
    if not isinstance(template[0], datetime):
        return True
    there = ZoneInfo(zone)
    length: timedelta = template[1] - template[0]
    wall = template[0].astimezone(there).replace(tzinfo=None) + by
    for clock, instant in ((wall, times[0]), (wall + length, times[1])):
        readings = {clock.replace(tzinfo=there, fold=fold).astimezone(UTC) for fold in (0, 1)}
        if readings != {instant}:
            return False
    return times[1] - times[0] == length


def _extent(when: str, zone: str, deadline: bool) -> tuple[date, date] | tuple[datetime, datetime]:
    parts = when.split("/")
    if "T" in when:
        starts, ends = _instant(parts[0], zone), _instant(parts[-1], zone)
        if len(parts) == 2:
            return starts, ends
        return (ends - BLOCK, ends) if deadline else (starts, starts + BLOCK)
    return _first(parts[0].strip("?~%")), _after(parts[-1].strip("?~%"))


def _instant(text: str, zone: str) -> datetime:
    written = datetime.fromisoformat(text)
    return (written if written.tzinfo else written.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _first(text: str) -> date:
    year, month, day = (*map(int, text.split("-")), 1, 1)[:3]
    return date(year, MONTH_OF_SEASON.get(month, month), day)


def _after(text: str) -> date:
    """The first day that the day, month, season or year does not cover."""
    first, parts = _first(text), text.count("-")
    if parts == 2:
        return first + timedelta(days=1)
    months = 12 if parts == 0 else 3 if int(text[5:]) in MONTH_OF_SEASON else 1
    months += first.month - 1
    return date(first.year + months // 12, months % 12 + 1, 1)


def _clock(instant: date | datetime, zone: str) -> str:
    assert isinstance(instant, datetime)
    place = zone.rpartition("/")[2].replace("_", " ")
    named = {"Europe/London": "UK time", "UTC": "UTC"}.get(zone, f"{place} time ({zone})")
    return f"{instant.astimezone(ZoneInfo(zone)):%H:%M} {named}"


def _doubt(when: str) -> str:
    if not any(_to_the_day(part) for part in when.split("/")):
        return " (date to be confirmed)"
    return " (not yet certain)" if _qualifier(when) else ""


def _qualifier(when: str) -> str:
    """How uncertain a date is; a span as much as both its ends together."""
    found = {*when} & {*"?~%"}
    return found.pop() if len(found) == 1 else "%" if found else ""


def _status(when: str, status: str) -> str:
    if status == "cancelled":
        return "CANCELLED"
    return "CONFIRMED" if status == "planned" and not _doubt(when) else "TENTATIVE"


def _to_the_day(text: str) -> bool:
    return text.count("-") >= 2
