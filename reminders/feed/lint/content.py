"""From bytes to content lines and components (RFC 5545, 3.1 and 3.4), with every fault of octets, folds and nesting.

It reads on after a fault as most programs would, so that one mistake is told once and the rest is still looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

OCTETS = 75
"""The longest line, its CRLF not counted."""
_BOM = b"\xef\xbb\xbf"
_BREAK = re.compile(rb"\r\n|\r|\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_NAME = r"[A-Za-z0-9-]+"
_GIVEN = r'(?:"[^"]*"|[^";:,]*)'
_PARAMETER = rf";({_NAME})=({_GIVEN}(?:,{_GIVEN})*)"
_PARAMETERS = re.compile(_PARAMETER)
_LINE = re.compile(rf"({_NAME})((?:;{_NAME}={_GIVEN}(?:,{_GIVEN})*)*):(.*)", re.DOTALL)
_INSIDE = {
    "VCALENDAR": {"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VAVAILABILITY"},
    "VEVENT": {"VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"},
    "VTODO": {"VALARM", "PARTICIPANT", "VLOCATION", "VRESOURCE"},
    "VTIMEZONE": {"STANDARD", "DAYLIGHT"},
    "VALARM": {"VLOCATION"},
    "STANDARD": set(),
    "DAYLIGHT": set(),
}
"""What may stand in what; of other components nothing is said."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the physical line, counted from 1, and in words what is wrong and what to write."""

    line: int
    what: str


class Line(NamedTuple):  # a frozen dataclass takes three times as long to make, and a large feed has 150,000
    """A content line, unfolded: where it begins, name in capitals, parameters as written (";A=b"), value."""

    number: int
    name: str
    parameters: str
    value: str


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END: `number` is the line of BEGIN, `lines` are its own properties."""

    name: str
    number: int
    lines: list[Line] = field(default_factory=list)
    inside: list[Component] = field(default_factory=list)

    def first(self, name: str) -> Line | None:
        """Its first property of that name."""
        return next((line for line in self.lines if line.name == name), None)


def read(data: bytes, faults: list[Fault]) -> Iterator[Line]:
    """The content lines of a file. What is wrong is added to `faults`; a line that cannot be read is left out."""
    if data.startswith(_BOM):
        faults.append(Fault(1, "the file begins with a byte order mark; it must begin with BEGIN:VCALENDAR"))
        data = data[len(_BOM) :]
    rows = _rows(data, faults)
    if _CONTROL.search(data):
        faults += _controls(rows)
    if rows and max(map(len, rows)) > OCTETS:
        faults += _too_long(rows)
    for number, whole, folds in _unfolded(rows, faults):
        text = _decoded(number, whole, folds, faults)
        found = _LINE.fullmatch(text)
        if found:
            yield Line(number, found[1].upper(), found[2], found[3])
        else:
            faults.append(Fault(number, _why_not(text)))


def _rows(data: bytes, faults: list[Fault]) -> list[bytes]:
    ends = data.count(b"\r\n")
    if data.count(b"\n") == ends == data.count(b"\r"):
        rows = data.split(b"\r\n")
    else:
        rows = _BREAK.split(data)
        breaks = _BREAK.findall(data)
        for bare, name in ((b"\n", "LF"), (b"\r", "CR")):
            if bare in breaks:
                said = f"{_times(breaks.count(bare))} in {name} alone, first here; every line must end in CR LF"
                faults.append(Fault(breaks.index(bare) + 1, said))
    if rows[-1]:
        faults.append(Fault(len(rows), "the file ends in the middle of a line; its last line must end in CR LF too"))
    else:
        rows.pop()
    return rows


def _times(number: int) -> str:
    return "a line ends" if number == 1 else f"{number} lines end"


def _controls(rows: Iterable[bytes]) -> Iterator[Fault]:
    for number, row in enumerate(rows, 1):
        found = _CONTROL.search(row)
        if found:
            yield Fault(number, f"a control character, U+{found[0][-1]:04X}; leave it out")


def _too_long(rows: Iterable[bytes]) -> Iterator[Fault]:
    for number, row in enumerate(rows, 1):
        if len(row) > OCTETS:
            yield Fault(number, f"a line of {len(row)} octets; {OCTETS} are allowed, what is longer must be folded")


def _unfolded(rows: list[bytes], faults: list[Fault]) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """Each line with its number, and with the rows it was folded into if there are several."""
    begun, whole = 0, b""
    folds: list[bytes] = []
    for number, row in enumerate(rows, 1):
        if row[:1] in (b" ", b"\t") and not begun:
            faults.append(Fault(number, "the first line begins with a space, which would continue a line before"))
            begun, whole = number, row.lstrip()
        elif row[:1] in (b" ", b"\t"):
            if len(row) == 1:
                faults.append(Fault(number, "a folded line with nothing in it but the space; leave it out"))
            if not folds:
                folds = [whole]
            folds.append(row[1:])
        elif row:
            if begun:
                yield begun, b"".join(folds) or whole, folds
            begun, whole, folds = number, row, []
        else:
            faults.append(Fault(number, "an empty line; leave it out"))
    if begun:
        yield begun, b"".join(folds) or whole, folds


def _decoded(number: int, whole: bytes, folds: list[bytes], faults: list[Fault]) -> str:
    for place, row in enumerate(folds):
        if place and row and row[0] & 0xC0 == 0x80:
            faults.append(Fault(number + place, "the fold before cuts a character in two; fold between characters"))
    try:
        return whole.decode()
    except UnicodeDecodeError as error:
        place, left = 0, error.start
        while place < len(folds) - 1 and left >= len(folds[place]):
            left -= len(folds[place])
            place += 1
        faults.append(Fault(number + place, f"the octet {whole[error.start]:02X} is not UTF-8; save the file as UTF-8"))
        return whole.decode(errors="replace")


def _why_not(text: str) -> str:
    """What keeps a line from being NAME;PARAMETER=value:value."""
    name = re.match(_NAME, text)
    if ":" not in text:
        return f"no ':' in the line {shown(text)}; write NAME:value, or begin the line with a space to continue a line"
    if not name or text[name.end()] not in ";:":
        wrong = shown(text.partition(":")[0])
        return f"{wrong} is no name of letters, digits and '-'; if it continues a line, begin it with a space"
    if '"' in text.partition(":")[0]:
        return f'{name[0]}: a quotation mark in a parameter that begins or ends nothing; write PARAMETER="value"'
    good = re.match(rf"{_NAME}(?:{_PARAMETER})*", text) or name
    rest = text[good.end() :]
    return f"{name[0]}: the parameter {shown(rest.partition(':')[0])} cannot be read; write ;PARAMETER=value"


def read_parameters(written: str) -> dict[str, str]:
    """The parameters of a line, names in capitals, quotation marks taken off. Of two of one name the first counts."""
    found: dict[str, str] = {}
    for name, value in _PARAMETERS.findall(written):
        found.setdefault(name.upper(), value.strip('"'))
    return found


def twice(written: str) -> str | None:
    """A parameter that is given twice, or None."""
    counted = Counter(name.upper() for name, _ in _PARAMETERS.findall(written))
    return next((name for name, times in counted.items() if times > 1), None)


def nest(lines: Iterable[Line], faults: list[Fault]) -> list[Component]:
    """The components of a file that stand in no other. Lines outside of all, and BEGIN without END, are told."""
    roots: list[Component] = []
    stack: list[Component] = []
    unended: Counter[str] = Counter()
    for line in lines:
        if line.name == "BEGIN":
            made = Component(line.value.strip().upper(), line.number)
            if stack:
                stack[-1].inside.append(made)
                allowed = _INSIDE.get(stack[-1].name)
                if allowed is not None and made.name not in allowed and not made.name.startswith("X-"):
                    faults.append(Fault(line.number, f"a {named(made.name)} cannot stand in a {stack[-1].name}"))
            else:
                roots.append(made)
            stack.append(made)
            unended[made.name] += 1
        elif line.name == "END":
            name = line.value.strip().upper()
            if not unended[name]:
                faults.append(Fault(line.number, f"END:{named(name)} ends nothing that was begun"))
                continue
            while (ended := stack.pop()).name != name:
                unended[ended.name] -= 1
                faults.append(_endless(ended))
            unended[name] -= 1
        elif stack:
            stack[-1].lines.append(line)
        else:
            faults.append(Fault(line.number, f"{line.name} stands outside of the calendar, where nothing may stand"))
    faults += map(_endless, stack)
    return roots


def _endless(component: Component) -> Fault:
    name = named(component.name)
    return Fault(component.number, f"BEGIN:{name} has no END:{name}")


def shown(text: str) -> str:
    """A value as a message quotes it: short, and nothing in it that a screen would obey."""
    short = text if len(text) <= 40 else text[:39] + "…"
    return "'" + "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in short) + "'"


def named(name: str) -> str:
    """A component's name as it is, or quoted when it is no name."""
    return name if re.fullmatch(_NAME, name) else shown(name)
