"""Calendar entries: drawing them once, and joining them into a feed whenever it changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from icalendar import Calendar, Event

from benchmarks.figure import Figure, Scale, Series, in_turns, milliseconds
from benchmarks.invented import write_events
from reminders.catalogue.events import Catalogue, Kind
from reminders.catalogue.parse import parse_events
from reminders.feed import calendar, entry
from reminders.feed.entry import Entry
from reminders.feed.selection import Feed

NOW = datetime(2029, 11, 23, 9, tzinfo=UTC)
FEED = Feed("all", "All dates", "Every date there is.")

Properties = list[tuple[str, Any]]


def figures(scale: Scale) -> Iterator[Figure]:
    """Drawing and stamping, then joining; the library makes the same calendar from the same values."""
    dates = _catalogue(scale.events)
    entries = _draw(dates, scale.events)
    ours = _join(entries)
    head, bodies = _values(ours)
    assert _values(_library(head, bodies)) == (head, bodies), "the yardstick makes another calendar"
    drawing, joining, library = in_turns(
        scale.rounds,
        lambda: milliseconds(lambda: _draw(dates, scale.events)),
        lambda: milliseconds(lambda: _join(entries)),
        lambda: milliseconds(lambda: _library(head, bodies)),
    )
    yardstick = Series("icalendar building the same calendar and to_ical()", "ms", library)
    yield Figure(Series(f"drawing and stamping {len(entries):,} entries", "ms", drawing), yardstick)
    what = f"joining them into a feed of {len(ours) / 1000:,.0f} kB"
    yield Figure(Series(what, "ms", joining), yardstick, below=5.0)


def _catalogue(events: int) -> Catalogue:
    with TemporaryDirectory(prefix="reminders-") as folder:
        files = {path.name: path.read_bytes() for path in write_events(Path(folder) / "config", events)}
    catalogue, problems, _ = parse_events(files, "Europe/London")
    assert not problems, problems
    return catalogue


def _draw(catalogue: Catalogue, most: int) -> list[Entry]:
    """The entries of the first dates that have any."""
    drawn: list[Entry] = []
    for event in catalogue.events:
        for date in event.dates:
            kind = Kind(date.kind, date.kind.capitalize(), deadline=date.kind == "applications-close")
            draft = entry.draw(event, date, kind, event_url=f"https://dates.example.org/events/{event.id}")
            if draft is not None:
                drawn.append(entry.stamp(draft, None, NOW))
                if len(drawn) == most:
                    return drawn
    return drawn


def _join(entries: list[Entry]) -> bytes:
    return calendar.join(
        FEED,
        entries,
        last_modified=NOW,
        checked=NOW.date(),
        source_url="https://dates.example.org/feeds/all.ics",
        page_url=None,
    )


def _values(data: bytes) -> tuple[Properties, list[Properties]]:
    """What a calendar says, as plain values: of itself, and of each entry."""
    read = Calendar.from_ical(data)
    assert isinstance(read, Calendar)
    return _plain(read), [_plain(each) for each in read.subcomponents]


def _plain(component: Any) -> Properties:
    return [(name, _value(component[name])) for name in component]


def _value(value: Any) -> Any:
    if hasattr(value, "cats"):
        return [str(each) for each in value.cats]
    for attribute in ("dt", "td"):
        if hasattr(value, attribute):
            return getattr(value, attribute)
    return value if isinstance(value, int) else str(value)


def _library(head: Properties, bodies: list[Properties]) -> bytes:
    """The calendar as anybody makes it with the library."""
    made = Calendar()
    for name, value in head:
        made.add(name, value)
    for body in bodies:
        event = Event()
        for name, value in body:
            event.add(name, value)
        made.add_component(event)
    rendered: bytes = made.to_ical(sorted=False)
    return rendered
