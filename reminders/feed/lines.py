"""Content lines of iCalendar (RFC 5545, 3.1), made by the library `icalendar` and kept right where it errs.

Four things the library leaves to its callers: text is cleaned of characters that some reader would take for the end of
a line, and keeps its backslashes; addresses are made legal or left out; and REFRESH-INTERVAL and SOURCE carry the VALUE
that RFC 7986 demands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import quote, urlsplit

import idna
from icalendar import (
    Calendar,
    Component,
    Event,
    vCategory,
    vDate,
    vDatetime,
    vDDDLists,
    vDuration,
    vRecur,
    vText,
    vUri,
)
from icalendar.parser import Contentline

CRLF = "\r\n"
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_COMPONENTS: Mapping[str, type[Component]] = {"VCALENDAR": Calendar, "VEVENT": Event}
_LEGAL = "%:/?@!$&'()*+,;=-._~"
"""What the parts of a URI may hold beside letters and digits (RFC 3986, 3.3 to 3.5)."""


class Value(str):
    """A value that is written as it stands: a word of the standard, such as a STATUS."""

    __slots__ = ()


class Address(str):
    """A value that is a URI."""

    __slots__ = ()


class Rule(str):
    """A value that is a recurrence rule."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Local:
    """A time that clocks show (naive), in a zone that the calendar describes under the name `tzid`."""

    clock: datetime
    tzid: str


Given = str | Value | Address | Rule | date | datetime | Local | timedelta | tuple["str | Local | date", ...]
"""What a property can be made of: text unless it says otherwise, a rule, days, UTC instants, local times, durations,
categories, or several days or times."""


def component(name: str, properties: Mapping[str, Given | None]) -> str:
    """One component as folded lines, each ended by CRLF. Properties that say nothing (None, "", ()) are left out."""
    made = _COMPONENTS[name]()
    for key, given in properties.items():
        value = _cleaned(given)
        if value is not None and value != "" and value != ():
            made.add(key, _typed(key, value))
    rendered: bytes = made.to_ical(sorted=False)
    return rendered.decode("utf-8")


def alarm(uid: str, escaped_title: str, early: timedelta, *, end: bool = False) -> str:
    """A VALARM that shows the title (as it stands in a SUMMARY) so long before the start (RFC 5545, 3.6.6; RFC 9074).

    `early` may be negative: then it rings after the start. `end` counts from the end or due date instead.
    """
    described = fold(f"DESCRIPTION:{escaped_title}")
    trigger: bytes = vDuration(-early).to_ical()  # type: ignore[no-untyped-call]  # the library has no types here
    return (
        f"BEGIN:VALARM\r\nUID:{uid}\r\nACTION:DISPLAY\r\n{described}"
        f"TRIGGER;RELATED={'END' if end else 'START'}:{trigger.decode()}\r\nEND:VALARM\r\n"
    )


def fold(line: str) -> str:
    """A content line, with or without its end, as lines of 75 octets at most."""
    folded: bytes = Contentline(line.removesuffix(CRLF)).to_ical()  # type: ignore[no-untyped-call]  # the library has no types here
    return f"{folded.decode()}{CRLF}"


def clean(text: str) -> str:
    """Text that no reader can take for more than one property: only line feeds are left of all control characters."""
    return _UNSEEN.sub(" ", text.replace(CRLF, "\n")).strip()


def address(text: str) -> Address | None:
    """A link as a URI that every parser accepts, or None when none can be made of it.

    One bad URI makes some programs refuse the whole calendar. A host's name is written in its ASCII form (IDNA 2008);
    whatever else a URI may not hold (RFC 3986) is percent-encoded. A user name is left out.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode("ascii")
    except ValueError:  # as are the errors of idna
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    place = f"[{host}]" if ":" in host else _encoded(host)
    whole = parts._replace(
        netloc=f"{place}:{port}" if port else place,
        path=_encoded(parts.path),
        query=_encoded(parts.query),
        fragment=_encoded(parts.fragment),
    )
    return Address(whole.geturl())


def _encoded(text: str) -> str:
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(text, safe=_LEGAL, errors="replace"))


def _cleaned(value: Given | None) -> Given | None:
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(each for each in map(_cleaned_one, value) if each))
    return clean(value) if isinstance(value, str) and not isinstance(value, Value | Address | Rule) else value


def _cleaned_one(value: str | Local | date) -> str | Local | date:
    return clean(value) if isinstance(value, str) else value


def _several(values: tuple[str | Local | date, ...]) -> object:
    times = [each for each in values if not isinstance(each, str)]
    if not times:
        categories = vCategory([])
        categories.cats = [_Text(each) for each in values if isinstance(each, str)]
        return categories
    made = vDDDLists([each.clock if isinstance(each, Local) else each for each in times])
    for each in times:
        if isinstance(each, Local):
            made.params["TZID"] = each.tzid
        elif not isinstance(each, datetime):
            made.params["VALUE"] = "DATE"
    return made


def _typed(key: str, value: Given) -> object:
    match value:
        case Address():
            made = vUri(value)
            if key == "SOURCE":
                made.params["VALUE"] = "URI"
            return made
        case Rule():
            return vRecur.from_ical(value)
        case Local():
            clock = vDatetime(value.clock)
            clock.params["TZID"] = value.tzid
            return clock
        case tuple():
            return _several(value)
        case timedelta():
            duration = vDuration(value)
            if key == "REFRESH-INTERVAL":
                duration.params["VALUE"] = "DURATION"
            return duration
        case datetime():
            return vDatetime(value)
        case date():
            day = vDate(value)
            day.params["VALUE"] = "DATE"
            return day
        case Value():
            return vText(value)
        case _:
            return _Text(value)


class _Text(vText):
    """Text that comes back as it is. The library takes a backslash before a capital N for a line break."""

    def to_ical(self) -> bytes:
        escaped = re.sub(r"[\\;,]", r"\\\g<0>", self).replace("\n", r"\n")
        return escaped.encode()
