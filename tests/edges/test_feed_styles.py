"""Dates that repeat in every style of a feed: whatever the shape, readers see the occurrences that are planned."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path

import icalendar
import pytest
import recurring_ical_events

from reminders.catalogue import zones
from reminders.catalogue.events import Kind, Status
from reminders.catalogue.series import occurrences
from reminders.feed.lint import lint
from reminders.feed.repeating import BLOCK
from reminders.feed.selection import Feed
from reminders.feed.style import Cancelled, Shape, Style
from tests import corpus
from tests.builders import EPOCH
from tests.edges.readers import Occurrence, occurrences_by_ical_js, occurrences_by_recurring_ical_events
from tests.publishing import publish, read

FROM, TO = datetime(2018, 11, 1, tzinfo=UTC), datetime(2021, 4, 1, tzinfo=UTC)
KINDS = {id: Kind(id, *kind) for id, kind in corpus.KINDS.items()}
MIXED = b"""
events:
  - id: fellows-2019
    title: Fellows
    dates:
      applications-close:
        - id: blocks
          when: 2019-03-04T10:00
          repeats: FREQ=WEEKLY;COUNT=20
          except: [2019-03-11, 2019-03-18, 2019-04-08, 2019-04-15, 2019-05-06]
          changes:
            - {on: 2019-03-25, when: 2019-03-26T09:00/2019-03-26T17:00}
            - {on: 2019-04-01, when: 2019-04-02T23:45}
            - {on: 2019-04-22, when: 2019-04-23T00:00}
            - {on: 2019-04-29, status: cancelled}
        - id: windows
          when: 2019-03-05T09:00/2019-03-05T17:00
          repeats: FREQ=WEEKLY;BYDAY=TU;UNTIL=2019-07-30
          changes: [{on: 2019-03-19, when: 2019-03-20T12:00}]
        - {id: days, when: 2019-01-07/2019-01-09, repeats: FREQ=MONTHLY;BYDAY=1MO;COUNT=12}
        - {id: day, when: 2019-01-31, repeats: FREQ=MONTHLY;UNTIL=2019-12-31}
      course: {when: 2019-03-31T17:00, repeats: FREQ=MONTHLY}
"""
FILES = {"mixed": MIXED} | {
    name: corpus.SOURCES[f"repeats-{name}"].read_bytes()
    for name in ("after-midnight-deadline", "midnight-deadline", "last-friday", "yearly-deadline", "new-york",
                 "lord-howe", "sundays-0030", "sundays-0100", "sundays-0130", "sundays-0200")
}  # fmt: skip
Times = tuple[date | datetime, date | datetime]


def feeds(style: Style) -> dict[str, bytes]:
    """Each file's feed in a style."""
    feed = Feed(name="styled", title="Dates", style=style)
    return {
        name: publish(read({f"{name}.yaml": data}), KINDS, [feed], EPOCH).feeds["styled"]
        for name, data in FILES.items()
    }


def planned(name: str, shape: Shape, *, deadlines: bool = False) -> list[Times]:
    """What readers must see of the occurrences that the planner has."""
    found: list[Times] = []
    for series in (each for event in read({"file.yaml": FILES[name]}) for each in event.dates):
        if deadlines and not KINDS[series.kind].deadline:
            continue
        for each in occurrences(series, FROM.date() - timedelta(days=3), TO.date() + timedelta(days=3)):
            when = each.when
            assert when.first and when.last and each.status is not Status.WITHDRAWN
            if when.starts is None or when.ends is None:
                found.append((when.first, when.last + timedelta(days=1)))
            elif when.starts != when.ends:
                found.append((when.starts, when.ends))
            elif not KINDS[series.kind].deadline:
                found.append((when.starts, when.starts + BLOCK))
            elif shape is Shape.ALL_DAY:
                day = zones.local(when.ends - BLOCK, when.zone).date()
                found.append((day, day + timedelta(days=1)))
            else:
                found.append((when.ends - (BLOCK if shape is Shape.BLOCK else timedelta()), when.ends))
    return sorted((each for each in found if FROM <= instant(each[0]) < TO), key=str)


def instant(moment: date | datetime) -> datetime:
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def times(found: list[Occurrence]) -> list[Times]:
    return sorted((each[1:] for each in found), key=str)


@pytest.mark.parametrize("shape", Shape)
def test_in_every_shape_readers_see_what_is_planned(shape: Shape, tmp_path: Path) -> None:
    made = feeds(Style(shape))
    by_one, by_other = (
        occurrences_by_ical_js(made, tmp_path, FROM, TO),
        occurrences_by_recurring_ical_events(made, FROM, TO),
    )
    for name in FILES:
        assert times(by_one[name]) == planned(name, shape), name
        assert times(by_other[name]) == planned(name, shape), name


ALARMS = ((), (timedelta(days=1), timedelta(hours=2)))
STYLES = [Style(*each) for each in product(Shape, Cancelled, ALARMS, (False, True))]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_the_lint_finds_no_fault_in_any_style(style: Style) -> None:
    assert {name: lint(feed) for name, feed in feeds(style).items()} == {name: [] for name in FILES}


@pytest.mark.parametrize("shape", Shape)
def test_tasks_repeat_and_are_due_when_they_close(shape: Shape) -> None:
    for name, feed in feeds(Style(shape, tasks=True)).items():
        made = icalendar.Calendar.from_ical(feed)
        assert not made.events
        found: list[Times] = []
        for each in recurring_ical_events.of(made, components=["VTODO"]).between(FROM, TO):
            due = each["DUE"].dt if "DUE" in each else each["DTSTART"].dt
            found.append((each["DTSTART"].dt, due))
        # a moment is due all the same; of days the last is the one to act on, not the one after
        wanted = planned(name, Shape.BLOCK if shape is Shape.INSTANT else shape, deadlines=True)
        assert sorted(utc(found), key=str) == sorted(
            ((start, end) if isinstance(end, datetime) else (start, end - timedelta(days=1)) for start, end in wanted),
            key=str,
        )


def utc(found: list[Times]) -> list[Times]:
    return [
        tuple(each.astimezone(UTC) if isinstance(each, datetime) else each for each in one)  # type: ignore[misc]  # a pair
        for one in found
        if FROM <= instant(one[0]) < TO
    ]


def test_an_alarm_rings_as_long_before_each_deadline() -> None:
    feed = feeds(Style(alarms=(timedelta(hours=2),)))["sundays-0130"].decode()
    deadlines = [each for each in feed.split("BEGIN:VEVENT\r\n") if "SUMMARY:Applications close" in each]
    assert len(deadlines) > 2
    assert all(each.count("TRIGGER;RELATED=START:-PT1H30M\r\n") == 1 for each in deadlines)
    uids = re.findall(r"BEGIN:VALARM\r\nUID:(.+)\r\n", feed)
    assert len(set(uids)) == len(uids)


def test_a_series_in_another_style_seems_as_new_as_the_style() -> None:
    events = read({"mixed.yaml": MIXED})
    feed = Feed(name="styled", title="Dates")
    first = publish(events, KINDS, [feed], EPOCH)
    other = Feed(name="styled", title="Dates", style=Style(Shape.ALL_DAY))
    later = publish(events, KINDS, [other], EPOCH + timedelta(days=1), first).feeds["styled"].decode()
    entries = later.count("BEGIN:VEVENT")
    assert later.count("SEQUENCE:1\r\n") == later.count("DTSTAMP:20181124T090000Z\r\n") == entries == 10
