"""What a calendar must show of event files, worked out from their text alone: nothing of the product is asked.

The files are well-formed here; what they may not hold is tested elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml

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
    """A date as a file has it: of which event and kind, what a calendar shows, and all facts that it shows."""

    event: str
    kind: str
    occurrence: str
    shown: Shown | None
    said: tuple[str, ...]
    facts: tuple[Any, ...]


def announced(files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]]) -> list[Announced]:
    """The dates of the files; `kinds` gives each kind its label, and whether it is a deadline."""
    found = []
    for data in files.values():
        text = unicodedata.normalize("NFC", data.decode())  # letters are composed when a file is read
        file = yaml.load(text, yaml.CBaseLoader)  # noqa: S506  # text, lists and mappings alone
        for event in file["events"]:
            for kind, given in event.get("dates", {}).items():
                for one in given if isinstance(given, list) else [given]:
                    written = {"when": one} if isinstance(one, str) else one
                    zone = written.get("zone", file.get("zone", "Europe/London"))
                    found.append(_announced(event, kind, written, zone, *kinds[kind]))
    return found


def shown(files: Mapping[str, bytes], kinds: Mapping[str, tuple[str, bool]]) -> list[Shown]:
    """What a calendar shows of the files, in order."""
    return sorted((each.shown for each in announced(files, kinds) if each.shown), key=str)


def _announced(
    event: Mapping[str, Any], kind: str, one: Mapping[str, str], zone: str, label: str, deadline: bool
) -> Announced:
    when, status = one["when"], max(one.get("status", "planned"), event.get("status", "planned"), key=WORSE.index)
    timed = "T" in when
    said = [one.get("note", ""), event.get("description", ""), one.get("inferred", "")]
    said += [event.get(key, "") for key in ("provider", "link", "contact")]
    seen = None
    if when not in ("tba", "open") and status != "withdrawn":
        starts, ends = _extent(when, zone, deadline)
        hour = f" {_clock(ends, zone)}" if timed and deadline else ""
        seen = Shown(
            title=f"{PREFIX.get(status, '')}{label}{hour}: {event['title'].strip()}{_doubt(when)}",
            starts=starts,
            ends=ends,
            status=_status(when, status),
            place=one.get("location", "").strip(),
        )
    facts = (
        *(str(event.get(key)) for key in ("title", "level", "provider", "categories", "description", "link")),
        *(event.get("contact"), event.get("source", {}).get("page"), event.get("source", {}).get("checked")),
        *(re.sub("[?~%]", "", when), _qualifier(when), zone if timed else "", status),
        *(one.get("note"), one.get("location"), one.get("inferred")),
    )
    told = tuple(text.strip() for text in said if text.strip())
    return Announced(event["id"], kind, one.get("id", ""), seen, told, facts)


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
