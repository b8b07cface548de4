"""Everything that is wrong with a calendar or with one rendered entry. See `lint` and `lint_component`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reminders.feed.lint.content import Component, Fault, named, nest, read, read_parameters, shown
from reminders.feed.lint.series import Entry, First, check_series
from reminders.feed.lint.times import Moment, duration, moment_of, moments
from reminders.feed.lint.vocabulary import NAMES, OTHERS, PROPERTIES
from reminders.feed.lint.vtimezone import clock_fault, shape_faults

LONGEST_UID = 255
"""In octets; some servers refuse more."""
_HEAD = {"VERSION": "VERSION:2.0", "PRODID": "PRODID:-//who made it//what//EN"}
"""What a calendar must begin with, in either order."""
_ENTRIES = ("VEVENT", "VTODO")
_PLACED = ("DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE")
_ALARMS = {"DISPLAY": ("DESCRIPTION",), "EMAIL": ("DESCRIPTION", "SUMMARY", "ATTENDEE")}
"""What an alarm needs beside ACTION and TRIGGER."""

Uses = dict[str, list[tuple[int, datetime]]]
"""Which zones are used, in which lines, for which naive UTC instants."""


def lint(data: bytes) -> list[Fault]:
    """What is wrong with a feed, in the order of its lines; nothing for one that every calendar program can show.

    Any bytes can be given. It is stricter than RFC 5545 where programs are: a VTIMEZONE has one STANDARD and one
    DAYLIGHT at most, zones are places, times have zones, and a feed has no METHOD and is never empty.
    """
    faults: list[Fault] = []
    roots = nest(read(data, faults), faults)
    calendars = [each for each in roots if each.name == "VCALENDAR"]
    for each in roots:
        if each.name != "VCALENDAR":
            faults.append(Fault(each.number, f"a {named(each.name)} outside of the calendar, where nothing may stand"))
    if not calendars:
        faults.append(Fault(1, "there is no calendar; the file must begin with BEGIN:VCALENDAR"))
    for each in calendars[1:]:
        faults.append(Fault(each.number, "a second calendar; a feed is one, so put all entries into the first"))
    for each in calendars:
        _check_calendar(each, faults)
    return _in_order(faults)


def lint_component(text: str) -> list[Fault]:
    """What is wrong with a rendered entry: a VEVENT or VTODO, or several of one repeating date.

    Lines are counted in the text. That the zones it names have a VTIMEZONE is for `lint` to say.
    """
    faults: list[Fault] = []
    roots = nest(read(text.encode("utf-8", "surrogatepass"), faults), faults)
    for each in roots:
        if each.name not in _ENTRIES:
            faults.append(Fault(each.number, f"a {named(each.name)} is no entry; write BEGIN:VEVENT or BEGIN:VTODO"))
    if not roots:
        faults.append(Fault(1, "there is no entry; write BEGIN:VEVENT or BEGIN:VTODO"))
    _check_entries([each for each in roots if each.name in _ENTRIES], faults)
    return _in_order(faults)


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    return sorted(dict.fromkeys(faults), key=lambda fault: (fault.line, fault.what))


# The calendar


def _check_calendar(calendar: Component, faults: list[Fault]) -> None:
    first = _check_lines(calendar, faults)
    for needed, example in _HEAD.items():
        if needed not in first:
            faults.append(Fault(calendar.number, f"no {needed}; write {example} after BEGIN:VCALENDAR"))
    for line in calendar.lines[2:]:
        if line.name in _HEAD and line is first.get(line.name):
            faults.append(Fault(line.number, f"{line.name} comes late; VERSION and PRODID must come first"))
    if calendar.inside and calendar.lines and calendar.lines[-1].number > calendar.inside[0].number:
        late = next(line for line in calendar.lines if line.number > calendar.inside[0].number)
        faults.append(
            Fault(late.number, f"{late.name} of the calendar comes after an entry; write it before all of them")
        )
    name, shorter = first.get("NAME"), first.get("X-WR-CALNAME")
    if name and shorter and name.value != shorter.value:
        faults.append(Fault(shorter.number, "X-WR-CALNAME is another name than NAME says; write the same"))
    found = [each for each in calendar.inside if each.name in _ENTRIES]
    if not found:
        faults.append(Fault(calendar.number, "the calendar is empty; some programs keep showing what was in it before"))
    entries, uses = _check_entries(found, faults)
    _check_age(first, entries, faults)
    _check_zones([each for each in calendar.inside if each.name == "VTIMEZONE"], uses, faults)


def _check_age(first: First, entries: Iterable[Entry], faults: list[Fault]) -> None:
    stands = moment_of(first.get("LAST-MODIFIED"))
    if stands is None:
        return
    for _, said in entries:
        line = said.get("LAST-MODIFIED")
        newer = moment_of(line)
        if line and newer and newer.clock > stands.clock:
            what = (
                f"LAST-MODIFIED of the calendar is older than that of an entry (line {line.number}); write the newest"
            )
            faults.append(Fault(first["LAST-MODIFIED"].number, what))
            return


def _check_zones(zones: Iterable[Component], uses: Uses, faults: list[Fault]) -> None:
    known = set()
    for each in zones:
        before = len(faults)
        tzid = _check_lines(each, faults).get("TZID")
        for part in each.inside:
            _check_lines(part, faults)
        faults += shape_faults(each)
        name = tzid.value if tzid else ""
        if tzid and name in known:
            faults.append(Fault(tzid.number, f"a second VTIMEZONE for {shown(name)}; leave it out"))
        known.add(name)
        if len(faults) == before and name in uses:
            wrong = clock_fault(each, name, {instant for _, instant in uses[name]})
            faults += [wrong] if wrong else []
    for name, used in uses.items():
        if name not in known:
            faults.append(Fault(used[0][0], f"TZID={shown(name)} needs a VTIMEZONE in the same file"))


# What every component has


def _check_lines(component: Component, faults: list[Fault]) -> First:
    """Check each line by itself; of a component that is not known, none."""
    first: First = {}
    properties = PROPERTIES.get(component.name)
    if properties is None:
        return first
    for line in component.lines:
        number, name, written, value = line
        known = properties.get(name)
        if known is None:
            if not name.startswith("X-") and name not in OTHERS:
                belongs = "does not belong in a" if name in NAMES else "is no property of iCalendar; found in a"
                faults.append(Fault(number, f"{name} {belongs} {component.name}"))
            continue
        if name not in first:
            first[name] = line
        elif known.once:
            faults.append(Fault(number, f"{name} stands in this {component.name} twice; write it once"))
        wrong = known.wrong(value, written)
        if wrong is not None:
            faults.append(Fault(number, f"{name}: {wrong}"))
    return first


# Entries


def _check_entries(components: Iterable[Component], faults: list[Fault]) -> tuple[list[Entry], Uses]:
    entries: list[Entry] = []
    uses: Uses = {}
    for component in components:
        first = _check_lines(component, faults)
        _check_entry(component, first, faults)
        for line in component.lines:
            if line.parameters and line.name in _PLACED:
                for each in moments(line):
                    if each.zone not in ("", "UTC"):
                        uses.setdefault(each.zone, []).append((line.number, each.instant))
        for inside in component.inside:
            if inside.name == "VALARM":
                _check_alarm(inside, component.name, first, faults)
        entries.append((component, first))
    check_series(entries, faults)
    return entries, uses


def _check_entry(component: Component, first: First, faults: list[Fault]) -> None:
    for name in ("UID", "DTSTAMP", "DTSTART") if component.name == "VEVENT" else ("UID", "DTSTAMP"):
        if name not in first:
            faults.append(Fault(component.number, f"the {component.name} has no {name}"))
    uid = first.get("UID")
    if uid and not uid.value.strip():
        faults.append(Fault(uid.number, "UID: it is empty; write one that no other entry has and that never changes"))
    elif uid and len(uid.value) > LONGEST_UID // 4 and len(uid.value.encode()) > LONGEST_UID:
        faults.append(Fault(uid.number, f"UID: it is longer than {LONGEST_UID} octets; write a shorter one"))
    end = first.get("DTEND") or first.get("DUE")
    length = first.get("DURATION")
    if end and length:
        faults.append(Fault(length.number, f"DURATION: there is a {end.name} too; leave one of them out"))
    if length and "DTSTART" not in first and component.name == "VTODO":
        faults.append(Fault(length.number, "DURATION: there is no DTSTART it could count from"))
    start, ends = moment_of(first.get("DTSTART")), moment_of(end)
    if start and end and ends:
        if start.day != ends.day:
            faults.append(
                Fault(end.number, f"{end.name} is {_kind(ends)}, but DTSTART is {_kind(start)}; write two alike")
            )
        elif ends.instant <= start.instant:
            least = "the day after the last" if start.day else "a later time"
            faults.append(Fault(end.number, f"{end.name} is not after DTSTART; write {least}"))
    if start and start.day and length and "T" in length.value and duration(length.value):
        faults.append(Fault(length.number, "DURATION: it has hours, but DTSTART is a date; write days, such as P1D"))


def _kind(moment: Moment) -> str:
    return "a date" if moment.day else "a time"


def _check_alarm(alarm: Component, alarm_of: str, about: First, faults: list[Fault]) -> None:
    """One alarm of a component of this name that has the properties `about` (RFC 5545, 3.8.6.3)."""
    first = _check_lines(alarm, faults)
    trigger = first.get("TRIGGER")
    related = read_parameters(trigger.parameters).get("RELATED", "START").upper() if trigger else ""
    if trigger and related in ("START", "END") and not trigger.value.endswith("Z"):
        needed = ("DTEND", "DUE", "DURATION") if related == "END" else ("DTSTART",)
        told = alarm_of == "VEVENT" and related == "START"  # that an event has no start is said of the event
        if not told and not any(name in about for name in needed):
            what = f"TRIGGER: it counts from the {related.lower()}, but the entry has no {' or '.join(needed)}"
            faults.append(Fault(trigger.number, what))
    action = first["ACTION"].value.upper() if "ACTION" in first else ""
    for name in ("ACTION", "TRIGGER", *_ALARMS.get(action, ())):
        if name not in first:
            said = f" with ACTION:{action}" if name in _ALARMS.get(action, ()) else ""
            faults.append(Fault(alarm.number, f"the VALARM{said} has no {name}"))
    if ("REPEAT" in first) != ("DURATION" in first):
        faults.append(Fault(alarm.number, "the VALARM has one of REPEAT and DURATION; write both or none"))
