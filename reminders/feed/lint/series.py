"""Entries of one UID (RFC 5545, 3.8.4, 3.8.5): alone, or repeating, with those that replace one occurrence."""

from __future__ import annotations

from collections.abc import Iterable

from reminders.feed.lint import recurrence
from reminders.feed.lint.content import Component, Fault, Line
from reminders.feed.lint.times import Moment, moment_of, moments

First = dict[str, Line]
"""The first property of each name in a component."""
Entry = tuple[Component, First]


def check_series(entries: Iterable[Entry], faults: list[Fault]) -> None:
    """UIDs are unique; what repeats falls where it says; what replaces an occurrence finds it."""
    masters: dict[str, Entry] = {}
    replacing: dict[str, list[Line]] = {}
    seen: dict[tuple[str, Moment], int] = {}
    for component, first in entries:
        uid = first.get("UID")
        if uid is None:
            continue
        replaced = first.get("RECURRENCE-ID")
        if replaced is None:
            other = masters.setdefault(uid.value, (component, first))
            if other[0] is not component:
                what = f"UID: the entry at line {other[0].number} has the same; every entry needs its own"
                faults.append(Fault(uid.number, what))
                continue
        else:
            replacing.setdefault(uid.value, []).append(replaced)
            instead = moment_of(replaced)
            if instead and seen.setdefault((uid.value, instead), component.number) != component.number:
                what = f"RECURRENCE-ID: the entry at line {seen[uid.value, instead]} replaces the same occurrence"
                faults.append(Fault(replaced.number, what))
    for uid_, (component, first) in masters.items():
        lines = replacing.pop(uid_, [])
        if lines or "RRULE" in first or "EXDATE" in first:
            _check_repeating(component, first, lines, faults)
    for lines in replacing.values():
        for line in lines:
            faults.append(Fault(line.number, "RECURRENCE-ID: the file has no entry of this UID that repeats"))


def _check_repeating(component: Component, first: First, replaced: list[Line], faults: list[Fault]) -> None:
    begins, rule = first.get("DTSTART"), first.get("RRULE")
    start = moment_of(begins)
    if rule and "DTSTART" not in first and component.name == "VTODO":
        faults.append(Fault(rule.number, "RRULE: there is no DTSTART it could begin at"))
    if start is None or begins is None:
        return
    wanted: list[tuple[Line, Moment]] = []
    for line in (*(line for line in component.lines if line.name == "EXDATE"), *replaced):
        for each in moments(line):
            if each.form == start.form:
                wanted.append((line, each))
            else:
                what = f"{line.name} is {each.form}, but DTSTART is {start.form}; write it in the same form"
                faults.append(Fault(line.number, what))
    falls = {start.clock}
    for line in component.lines:
        if line.name == "RDATE":
            falls |= {each.clock for each in moments(line) if each.form == start.form}
    last = max((each.clock for _, each in wanted), default=start.clock)
    if rule:
        parts = recurrence.parts(rule.value)
        if isinstance(parts, str) or recurrence.rule(rule.value, {}):
            return
        wrong = recurrence.start_fault(parts, start)
        if wrong:
            faults.append(Fault(rule.number, f"RRULE: {wrong}"))
            return
        if not recurrence.expandable(parts):
            return
        found = list(recurrence.occurrences(parts, start, max(last, start.clock)))
        if start.clock not in found[:1]:
            faults.append(Fault(begins.number, "DTSTART is not a date of its own RRULE; begin on the first that is"))
        falls.update(found)
        if len(found) == recurrence.MOST:
            last = found[-1]
    for line, each in wanted:
        if each.clock not in falls and each.clock <= last:
            faults.append(Fault(line.number, f"{line.name}: {each.clock} is not when the entry takes place"))
