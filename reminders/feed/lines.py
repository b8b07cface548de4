"""Content lines of iCalendar (RFC 5545, 3.1), made by the library `icalendar` and kept right where it errs.

Three things the library leaves to its callers: text is cleaned of characters that some reader would take for the end
of a line; addresses are made legal or left out; and REFRESH-INTERVAL and SOURCE carry the VALUE that RFC 7986 demands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from urllib.parse import quote, urlsplit

from icalendar import Calendar, Component, Event, vCategory, vDate, vDatetime, vDuration, vText, vUri

CRLF = "\r\n"
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_COMPONENTS: Mapping[str, type[Component]] = {"VCALENDAR": Calendar, "VEVENT": Event}
_LEGAL = "%:/?#[]@!$&'()*+,;=-._~"
"""What an address may hold beside letters and digits (RFC 3986)."""


class Value(str):
    """A value that is written as it stands: a word of the standard, such as a STATUS."""

    __slots__ = ()


class Address(str):
    """A value that is a URI."""

    __slots__ = ()


Given = str | Value | Address | date | datetime | timedelta | int | tuple[str, ...]
"""What a property can be made of: text unless it says otherwise, days, UTC instants, durations, numbers, categories."""


def component(name: str, properties: Mapping[str, Given | None]) -> str:
    """One component as folded lines, each ended by CRLF. Properties that are None, "" or () are left out."""
    made = _COMPONENTS[name]()
    for key, value in properties.items():
        if value is not None and value != "" and value != ():
            made.add(key, _typed(key, value))
    rendered: bytes = made.to_ical(sorted=False)
    return rendered.decode("utf-8")


def clean(text: str) -> str:
    """Text that no reader can take for more than one property: only line feeds are left of all control characters."""
    return _UNSEEN.sub(" ", text.replace(CRLF, "\n")).strip()


def address(text: str) -> Address | None:
    """A link as a URI that every parser accepts, or None when none can be made of it."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if ":" in host:
        host = f"[{host}]"
    made = parts._replace(netloc=host + port).geturl()
    return Address(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quote(made, safe=_LEGAL, errors="replace")))


def names(lines: str) -> list[str]:
    """The names of all properties in order, as any reader of the standard sees them."""
    return [re.split("[;:]", line, maxsplit=1)[0] for line in unfold(lines)]


def unfold(lines: str) -> list[str]:
    """The content lines with their folds undone."""
    return lines.replace(f"{CRLF} ", "").removesuffix(CRLF).split(CRLF)


def _typed(key: str, value: Given) -> object:
    match value:
        case Value():
            return vText(value)
        case Address():
            made = vUri(value)
            if key == "SOURCE":
                made.params["VALUE"] = "URI"
            return made
        case tuple():
            return vCategory([clean(each) for each in _once(value)])
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
        case int():
            return value
        case _:
            return vText(clean(value))


def _once(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
