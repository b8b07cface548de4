"""Which property may stand in which component, how often, and what its value must be.

RFC 5545, 3.8, and what RFC 7986 and RFC 9074 add; names with X- as far as calendar programs agree on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from reminders.feed.lint import colours, times, values
from reminders.feed.lint.content import read_parameters, shown, twice
from reminders.feed.lint.recurrence import rule
from reminders.feed.lint.values import Check, Parameters

_NONE: Parameters = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Property:
    """What a value must be; the types that VALUE may name, the first if it names none (empty: not looked at).

    `once`: it may stand only once in its component. `named`: it has no default type, so VALUE must be there.
    """

    check: Check
    types: tuple[str, ...] = ()
    once: bool = True
    named: bool = False

    def wrong(self, value: str, written: str) -> str | None:
        """What is wrong with a value and its parameters as written, or None."""
        if not written and not self.named:
            return self.check(value, _NONE)
        parameters = read_parameters(written)
        if (again := twice(written)) is not None:
            return f"the parameter {again} stands there twice"
        declared = parameters.get("VALUE", "").upper()
        if self.named and not declared:
            return f"says no VALUE; write ;VALUE={self.types[0]} before the ':'"
        if declared and self.types and declared not in self.types:
            return f"VALUE={shown(declared)} is not its type; write {' or '.join(self.types)}, or leave VALUE out"
        return self.check(value, parameters)


def _no_method(value: str, parameters: Parameters) -> str | None:
    return "a feed has none, as it would have to name an organiser (RFC 5546); leave the line out"


_UTC = Property(times.utc, ("DATE-TIME",))
_TEXT, _NOTES = Property(values.text, ("TEXT",)), Property(values.text, ("TEXT",), once=False)
_LISTS = Property(values.texts, ("TEXT",), once=False)
_DATED = Property(times.dated, ("DATE-TIME", "DATE"))
_URI, _LENGTH = Property(values.uri, ("URI",)), Property(times.length, ("DURATION",))
_COLOUR = Property(colours.colour, ("TEXT",))
_PICTURES = Property(values.uri, ("URI", "BINARY"), once=False, named=True)
_FILES = Property(values.uri, ("URI", "BINARY"), once=False)
_PEOPLE = Property(values.uri, ("CAL-ADDRESS",), once=False)
_RELATIONS = Property(values.text, ("TEXT", "UID", "URI"), once=False)
_OFFSET = Property(times.offset, ("UTC-OFFSET",))

_CALENDAR = {
    "VERSION": Property(values.words("2.0"), ("TEXT",)),
    "PRODID": _TEXT,
    "CALSCALE": Property(values.words("GREGORIAN"), ("TEXT",)),
    "METHOD": Property(_no_method),
    "UID": _TEXT,
    "NAME": _NOTES,
    "DESCRIPTION": _NOTES,
    "CATEGORIES": _LISTS,
    "LAST-MODIFIED": _UTC,
    "URL": _URI,
    "SOURCE": Property(values.uri, ("URI",), named=True),
    "REFRESH-INTERVAL": Property(times.length, ("DURATION",), named=True),
    "COLOR": _COLOUR,
    "IMAGE": _PICTURES,
    "X-APPLE-CALENDAR-COLOR": Property(colours.shade),
    "X-PUBLISHED-TTL": Property(times.length),
    "X-WR-CALDESC": Property(values.text),
    "X-WR-CALNAME": Property(values.text),
    "X-WR-TIMEZONE": Property(times.zone),
}
_ENTRY = {
    "UID": _TEXT,
    "DTSTAMP": _UTC,
    "CREATED": _UTC,
    "LAST-MODIFIED": _UTC,
    "SEQUENCE": Property(values.whole(0, 2**31 - 1), ("INTEGER",)),
    "DTSTART": _DATED,
    "DURATION": _LENGTH,
    "RECURRENCE-ID": Property(times.name, ("DATE-TIME", "DATE")),
    "RRULE": Property(rule, ("RECUR",)),
    "RDATE": Property(times.dates, ("DATE-TIME", "DATE", "PERIOD"), once=False),
    "EXDATE": Property(times.names, ("DATE-TIME", "DATE"), once=False),
    "SUMMARY": _TEXT,
    "DESCRIPTION": _TEXT,
    "LOCATION": _TEXT,
    "COMMENT": _NOTES,
    "CONTACT": _NOTES,
    "CATEGORIES": _LISTS,
    "RESOURCES": _LISTS,
    "RELATED-TO": _RELATIONS,
    "CLASS": Property(values.words("PUBLIC", "PRIVATE", "CONFIDENTIAL", own=True), ("TEXT",)),
    "COLOR": _COLOUR,
    "GEO": Property(values.position, ("FLOAT",)),
    "PRIORITY": Property(values.whole(0, 9), ("INTEGER",)),
    "URL": _URI,
    "IMAGE": _PICTURES,
    "ATTACH": _FILES,
    "CONFERENCE": Property(values.uri, ("URI",), once=False, named=True),
    "ORGANIZER": Property(values.uri, ("CAL-ADDRESS",)),
    "ATTENDEE": _PEOPLE,
}
_ONSET = {
    "DTSTART": Property(times.local, ("DATE-TIME",)),
    "TZOFFSETFROM": _OFFSET,
    "TZOFFSETTO": _OFFSET,
    "RRULE": Property(rule, ("RECUR",)),
    "RDATE": Property(lambda value, parameters: None, once=False),  # told of as a whole, see vtimezone
    "TZNAME": _NOTES,
    "COMMENT": _NOTES,
}

PROPERTIES: Mapping[str, Mapping[str, Property]] = {
    "VCALENDAR": _CALENDAR,
    "VEVENT": _ENTRY
    | {
        "DTEND": _DATED,
        "STATUS": Property(values.words("TENTATIVE", "CONFIRMED", "CANCELLED"), ("TEXT",)),
        "TRANSP": Property(values.words("OPAQUE", "TRANSPARENT"), ("TEXT",)),
    },
    "VTODO": _ENTRY
    | {
        "DUE": _DATED,
        "COMPLETED": _UTC,
        "PERCENT-COMPLETE": Property(values.whole(0, 100), ("INTEGER",)),
        "STATUS": Property(values.words("NEEDS-ACTION", "COMPLETED", "IN-PROCESS", "CANCELLED"), ("TEXT",)),
    },
    "VALARM": {
        "ACTION": Property(values.words("DISPLAY", "AUDIO", "EMAIL", own=True), ("TEXT",)),
        "TRIGGER": Property(times.trigger, ("DURATION", "DATE-TIME")),
        "DURATION": _LENGTH,
        "REPEAT": Property(values.whole(0, 2**31 - 1), ("INTEGER",)),
        "DESCRIPTION": _TEXT,
        "SUMMARY": _TEXT,
        "ATTACH": _FILES,
        "ATTENDEE": _PEOPLE,
        "UID": _TEXT,
        "ACKNOWLEDGED": _UTC,
        "RELATED-TO": _RELATIONS,
    },
    "VTIMEZONE": {"TZID": Property(times.zone, ("TEXT",)), "LAST-MODIFIED": _UTC, "TZURL": _URI},
    "STANDARD": _ONSET,
    "DAYLIGHT": _ONSET,
}
"""By component and name, both in capitals."""

_UNSEEN = "CALENDAR-ADDRESS CONCEPT LINK LOCATION-TYPE PARTICIPANT-TYPE PROXIMITY REFID REQUEST-STATUS RESOURCE-TYPE"
OTHERS = frozenset((*_UNSEEN.split(), "STRUCTURED-DATA", "STYLED-DESCRIPTION", "TZID-ALIAS-OF", "TZUNTIL"))
"""Properties of the standards that are let pass without a look."""
NAMES = frozenset(name for each in PROPERTIES.values() for name in each)
