"""What GNOME's libraries make of feeds: `libical`, or Evolution's `libecal`. Run by the system's own Python.

Reads {name: iCalendar text} as JSON from standard input and writes {name: entries} to standard output. A feed that
libical finds a fault with ends the program with the fault.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gi

gi.require_version("ICalGLib", "3.0")
gi.require_version("ECal", "2.0")
from gi.repository import ECal, ICalGLib  # noqa: E402  # which version is chosen before

Shown = Mapping[str, str]


def by_libical(text: str) -> list[Shown]:
    """The entries as the plain parser has them; the rules of RFC 5545 and RFC 5546 are checked too."""
    calendar = ICalGLib.Component.new_from_string(text)
    if calendar is None or calendar.isa() != ICalGLib.ComponentKind.VCALENDAR_COMPONENT:
        raise ValueError("this is no calendar")
    if not calendar.check_restrictions() or calendar.count_errors():
        raise ValueError(calendar.as_ical_string())
    return [
        {
            "title": each.get_summary(),
            "starts": moment(each.get_dtstart()),
            "ends": moment(each.get_dtend()),
            "status": status(each.get_status()),
            "place": each.get_location() or "",
            "text": each.get_description() or "",
        }
        for each in events(calendar)
    ]


def by_libecal(text: str) -> list[Shown]:
    """The entries as Evolution's library hands them to GNOME's calendar."""
    calendar = ECal.util_parse_ics_string(text)
    if calendar is None:
        raise ValueError("this is no calendar")
    found: list[Shown] = []
    for each in events(calendar):
        component = ECal.Component.new_from_icalcomponent(each.clone())
        found.append(
            {
                "title": component.get_summary().get_value(),
                "starts": moment(in_zone(component.get_dtstart(), calendar)),
                "ends": moment(in_zone(component.get_dtend(), calendar)),
                "status": status(component.get_status()),
                "place": component.get_location() or "",
                "text": "\n".join(text.get_value() for text in component.get_descriptions()),
            }
        )
    return found


def events(calendar: Any) -> Iterator[Any]:
    kind = ICalGLib.ComponentKind.VEVENT_COMPONENT
    each = calendar.get_first_component(kind)
    while each is not None:
        yield each
        each = calendar.get_next_component(kind)


def in_zone(written: Any, calendar: Any) -> Any:
    """A time of libecal's, which it keeps apart from its zone."""
    time, tzid = written.get_value(), written.get_tzid()
    if tzid and not time.is_utc():
        time.set_timezone(calendar.get_timezone(tzid))
    return time


def moment(time: Any) -> str:
    """A day or an instant as ISO text; an instant of which the zone is not known lacks the offset, and so is seen."""
    if not time.is_date() and not time.is_utc() and time.get_timezone():
        time = time.convert_to_zone(ICalGLib.Timezone.get_utc_timezone())
    day = f"{time.get_year():04}-{time.get_month():02}-{time.get_day():02}"
    if time.is_date():
        return day
    clock = f"{time.get_hour():02}:{time.get_minute():02}:{time.get_second():02}"
    return f"{day}T{clock}{'Z' if time.is_utc() else ''}"


def status(value: Any) -> str:
    return str(value.value_nick).upper()


READERS: Mapping[str, Callable[[str], list[Shown]]] = {"libical": by_libical, "libecal": by_libecal}

if __name__ == "__main__":
    read = READERS[sys.argv[1]]
    json.dump({name: read(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
