"""How a feed may show its entries otherwise: shapes of deadlines, cancelled dates, alarms, tasks; and their stamps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reminders.catalogue.events import Kind
from reminders.feed import calendar
from reminders.feed.entry import Entry, draw, stamp
from reminders.feed.lint import lint_component
from reminders.feed.selection import Feed
from reminders.feed.style import NEVER_RESTYLED, Cancelled, Restyle, Shape, Style, read_alarm, restyled, write_alarm
from tests.builders import CLOSING, COURSE, EPOCH, date, event
from tests.contentlines import unfold

LONG = "Leadership, management; and \\ a title that is far too long to stand in one line of an iCalendar text, né"


def entry(when: str, kind: Kind = CLOSING, *, title: str = "Fellows", status: str = "planned") -> Entry:
    line = date(when, kind.id, status=status)
    draft = draw(event("fellows", line, title=title), line, kind, event_url=None)
    assert draft is not None
    return stamp(draft, None, EPOCH)


def lines(entry: Entry, style: Style, restyle: Restyle = NEVER_RESTYLED) -> list[str]:
    return unfold(restyled(entry, style, restyle))


def times(entry: Entry, style: Style) -> list[str]:
    return [line for line in lines(entry, style) if line.startswith(("DTSTART", "DTEND", "DUE"))]


@pytest.mark.parametrize(
    ("when", "shape", "expected"),
    [
        ("2018-12-14T10:00", Shape.BLOCK, ["DTSTART:20181214T093000Z", "DTEND:20181214T100000Z"]),
        ("2018-12-14T10:00", Shape.INSTANT, ["DTSTART:20181214T100000Z"]),
        ("2018-12-14T10:00", Shape.ALL_DAY, ["DTSTART;VALUE=DATE:20181214", "DTEND;VALUE=DATE:20181215"]),
        # Half past midnight in summer is the day before in UTC, and still the day that the clock shows.
        ("2019-07-01T00:30", Shape.ALL_DAY, ["DTSTART;VALUE=DATE:20190701", "DTEND;VALUE=DATE:20190702"]),
        # At midnight the day before is the last one to act on.
        ("2019-07-01T00:00", Shape.ALL_DAY, ["DTSTART;VALUE=DATE:20190630", "DTEND;VALUE=DATE:20190701"]),
        ("2018-12-14", Shape.INSTANT, ["DTSTART;VALUE=DATE:20181214", "DTEND;VALUE=DATE:20181215"]),
        ("2018-12", Shape.ALL_DAY, ["DTSTART;VALUE=DATE:20181201", "DTEND;VALUE=DATE:20190101"]),
    ],
)
def test_a_deadline_takes_the_shape_of_the_feed(when: str, shape: Shape, expected: list[str]) -> None:
    assert times(entry(when), Style(shape)) == expected


@pytest.mark.parametrize("shape", Shape)
def test_a_deadline_from_one_time_to_another_keeps_both_and_its_alarms_ring_before_its_end(shape: Shape) -> None:
    window = entry("2019-01-07T09:00/2019-01-25T16:00")
    assert times(window, Style(shape)) == ["DTSTART:20190107T090000Z", "DTEND:20190125T160000Z"]
    shown = lines(window, Style(shape, alarms=(timedelta(days=1),)))
    assert "TRIGGER;RELATED=START:P17DT7H" in shown


def test_text_that_looks_like_the_beginning_of_an_entry_is_text_wherever_it_is_folded() -> None:
    for padding in range(75):
        title = f"{'a' * padding}BEGIN:VEVENT{'b' * 20}"
        drawn = lines(entry("2018-12-14T10:00", title=title), Style(Shape.ALL_DAY, alarms=(timedelta(days=1),)))
        assert len([line for line in drawn if line == "BEGIN:VEVENT"]) == 1
        assert len([line for line in drawn if line.startswith("DTSTAMP")]) == 1
        assert f"SUMMARY:Applications close 10:00 UK time: {title}" in drawn


@pytest.mark.parametrize("shape", Shape)
def test_what_is_no_deadline_keeps_its_shape(shape: Shape) -> None:
    course = entry("2019-02-12T14:00/2019-02-12T17:00", COURSE)
    assert restyled(course, Style(shape), Restyle()) == course.text


def test_another_shape_changes_nothing_but_the_times() -> None:
    whole = unfold(entry("2018-12-14T10:00", title=LONG).text)
    for shape in Shape:
        shown = lines(entry("2018-12-14T10:00", title=LONG), Style(shape))
        assert [each for each in shown if not each.startswith("DT")] == [
            each for each in whole if not each.startswith("DT")
        ]


def test_a_cancelled_date_may_be_kept_for_google_and_is_marked_by_its_title() -> None:
    shown = lines(entry("2018-12-14T10:00", status="cancelled"), Style(cancelled=Cancelled.KEEP_CONFIRMED))
    assert "STATUS:CONFIRMED" in shown
    assert any(line.startswith("SUMMARY:CANCELLED: ") for line in shown)
    postponed = entry("2018-12-14T10:00", status="postponed")
    assert "STATUS:TENTATIVE" in lines(postponed, Style(cancelled=Cancelled.KEEP_CONFIRMED))


@pytest.mark.parametrize(
    ("when", "kind", "alarms", "shape", "triggers"),
    [
        ("2018-12-14T10:00", CLOSING, ("1d", "2h"), Shape.BLOCK, ["-PT23H30M", "-PT1H30M"]),
        ("2018-12-14T10:00", CLOSING, ("1d", "2h"), Shape.INSTANT, ["-P1D", "-PT2H"]),
        ("2018-12-14T10:00", CLOSING, ("1d", "2h"), Shape.ALL_DAY, ["-PT15H"]),
        ("2018-12-14T10:00", CLOSING, ("10m",), Shape.BLOCK, ["PT20M"]),
        ("2019-02-12T14:00/2019-02-12T17:00", COURSE, ("1w", "30m"), Shape.BLOCK, ["-P7D", "-PT30M"]),
        ("2019-02-12", COURSE, ("2d", "1d", "2h"), Shape.BLOCK, ["-P1DT15H", "-PT15H"]),
        ("2019-02", COURSE, ("1d",), Shape.BLOCK, []),
        ("2019-02-12?", COURSE, ("1d",), Shape.BLOCK, []),
    ],
)
def test_alarms_ring_before_the_deadline_or_the_start_and_for_days_in_the_morning(
    when: str, kind: Kind, alarms: tuple[str, ...], shape: Shape, triggers: list[str]
) -> None:
    style = Style(shape, alarms=tuple(each for text in alarms if (each := read_alarm(text))))
    shown = lines(entry(when, kind, title=LONG), style)
    found = [line.removeprefix("TRIGGER;RELATED=START:") for line in shown if line.startswith("TRIGGER")]
    assert found == triggers
    title = next(line for line in shown if line.startswith("SUMMARY:")).removeprefix("SUMMARY:")
    assert [line for line in shown if line.startswith("DESCRIPTION:")][1:] == [f"DESCRIPTION:{title}"] * len(triggers)
    uids = [line for line in shown if line.startswith("UID:")]
    assert len(set(uids)) == len(uids) == 1 + len(triggers)


@pytest.mark.parametrize(
    ("when", "triggers"),
    [("2018-12-14T10:00", ["-P1D", "-PT2H"]), ("2018-12-14", ["-PT15H"]), ("2018-12-12/2018-12-14", ["-PT15H"])],
)
@pytest.mark.parametrize("shape", Shape)
def test_alarms_of_a_task_count_from_when_it_is_due(when: str, triggers: list[str], shape: Shape) -> None:
    style = Style(shape, alarms=(timedelta(days=1), timedelta(hours=2)), tasks=True)
    if shape is Shape.ALL_DAY and "T" in when:
        triggers = ["-PT15H"]
    text = restyled(entry(when), style, NEVER_RESTYLED)
    shown = unfold(text)
    assert [line for line in shown if line.startswith("TRIGGER")] == [
        f"TRIGGER;RELATED=END:{each}" for each in triggers
    ]
    assert lint_component(text) == []


@pytest.mark.parametrize("status", ["cancelled", "postponed"])
@pytest.mark.parametrize("cancelled", Cancelled)
def test_what_is_off_rings_no_alarm(status: str, cancelled: Cancelled) -> None:
    style = Style(cancelled=cancelled, alarms=(timedelta(days=1),))
    assert "BEGIN:VALARM" not in lines(entry("2018-12-14T10:00", status=status), style)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2018-12-14T10:00", ["DUE:20181214T100000Z"]),
        ("2018-12-14", ["DUE;VALUE=DATE:20181214"]),
        ("2018-12-12/2018-12-14", ["DUE;VALUE=DATE:20181214"]),
    ],
)
def test_a_deadline_as_a_task_is_due_when_it_closes(when: str, expected: list[str]) -> None:
    shown = lines(entry(when), Style(tasks=True))
    assert (shown[0], shown[-1]) == ("BEGIN:VTODO", "END:VTODO")
    assert times(entry(when), Style(tasks=True)) == expected
    assert "STATUS:NEEDS-ACTION" in shown
    assert not any(line.startswith(("TRANSP", "X-MICROSOFT")) for line in shown)


def test_a_cancelled_task_is_cancelled_and_no_task_shares_a_uid_with_its_event() -> None:
    off = entry("2018-12-14T10:00", status="cancelled")
    shown = lines(off, Style(cancelled=Cancelled.KEEP_CONFIRMED, tasks=True))
    assert "STATUS:CANCELLED" in shown
    assert f"UID:{off.uid}" not in shown


def test_a_feed_of_tasks_holds_deadlines_only() -> None:
    entries = [entry("2018-12-14T10:00"), entry("2019-02-12", COURSE), entry("2019-02")]
    shown = calendar.select(Feed("tasks", "Tasks", style=Style(tasks=True)), entries)
    assert [each.begins for each in shown] == ["2018-12-14T10:00:00+00:00"]


@pytest.mark.parametrize("text", ["1w", "2d", "25h", "3h", "90m", "10m"])
def test_an_alarm_reads_as_it_is_written(text: str) -> None:
    before = read_alarm(text)
    assert before is not None
    assert read_alarm(write_alarm(before)) == before


@pytest.mark.parametrize("text", ["", "0d", "1", "d", "1y", "-1d", "1.5h", "1000d", "1d 2h", "\u0661d"])
def test_anything_else_is_no_alarm(text: str) -> None:
    assert read_alarm(text) is None


# Stamps


def feed_stamps(feed: Feed, entries: list[Entry], old: calendar.FeedStamp | None, now: datetime) -> calendar.FeedStamp:
    return calendar.stamp(feed, entries, old, now, checked=EPOCH.date(), site="")


def test_a_change_of_style_makes_every_entry_seem_new_once() -> None:
    feed, one = Feed("deadlines", "Deadlines"), entry("2018-12-14T10:00")
    first = feed_stamps(feed, [one], None, EPOCH)
    later = EPOCH + timedelta(days=3)
    other = replace(feed, style=Style(Shape.ALL_DAY))
    second = feed_stamps(other, [one], first, later)
    assert (second.restyle, second.last_modified) == (Restyle(1, later), later)
    assert feed_stamps(other, [one], second, later + timedelta(days=1)) == second
    shown = lines(one, other.style, second.restyle)
    assert "SEQUENCE:1" in shown
    assert f"LAST-MODIFIED:{later:%Y%m%dT%H%M%SZ}" in shown
    assert f"DTSTAMP:{later:%Y%m%dT%H%M%SZ}" in shown
    back = feed_stamps(feed, [one], second, later + timedelta(days=2))
    assert "SEQUENCE:2" in lines(one, feed.style, back.restyle)


def test_an_entry_never_seems_older_than_the_style_it_is_shown_in() -> None:
    """The clock went back between the change of style and that of the entry."""
    one = entry("2018-12-14T10:00")
    restyle = Restyle(1, datetime(2018, 12, 1, tzinfo=UTC))
    newer = replace(one, sequence=one.sequence + 1, last_modified=datetime(2018, 12, 2, tzinfo=UTC))
    before, after = lines(one, Style(Shape.ALL_DAY), restyle), lines(newer, Style(Shape.ALL_DAY), restyle)
    assert "LAST-MODIFIED:20181201T000000Z" in before
    assert "LAST-MODIFIED:20181202T000000Z" in after
    assert "SEQUENCE:2" in after


def test_without_another_style_the_bytes_are_those_that_were_drawn() -> None:
    one = entry("2018-12-14T10:00", title=LONG)
    assert restyled(one, Style(), Restyle()) is one.text
    assert unfold(restyled(one, Style(), Restyle(1, one.last_modified)))[4:] == unfold(one.text)[4:]
