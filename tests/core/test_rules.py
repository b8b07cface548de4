"""When reminders are sent, as people write it, and rules.yaml."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.dates import Precision, parse_when
from reminders.planning.rules import OnJoin, Rule, Uncertain, overridden, parse_rules, rules_about
from reminders.planning.send import SendError, due_at, parse_send
from reminders.planning.subscribers import Selection
from tests.builders import LONDON, event, utc

SHIPPED = Path(__file__).parents[2] / "config" / "rules.yaml"
ORIEL = "2018-12-14T10:00"
COURSE = "2019-03-13/2019-03-15"


@pytest.mark.parametrize(
    ("send", "when", "due"),
    [
        ("4 weeks before at 09:00", ORIEL, "2018-11-16T09:00"),
        ("1 week before at 09:00", ORIEL, "2018-12-07T09:00"),
        ("3 working days before at 09:00", ORIEL, "2018-12-11T09:00"),
        ("2 hours before", ORIEL, "2018-12-14T08:00"),
        ("90 minutes before", ORIEL, "2018-12-14T08:30"),
        ("on the day at 08:00", ORIEL, "2018-12-14T08:00"),
        ("1 hour after", "2019-03-13T09:00/2019-03-13T17:00", "2019-03-13T18:00"),
        ("1 hour before", "2019-03-13T09:00/2019-03-13T17:00", "2019-03-13T08:00"),
        ("2 weeks before at 09:00", COURSE, "2019-02-27T09:00"),
        ("2 days after at 10:00", COURSE, "2019-03-17T10:00"),
        ("1 month before at 09:00", "2019-03-31", "2019-02-28T09:00"),
        ("1 month after at 09:00", "2019-12-31", "2020-01-31T09:00+00:00"),
        # Months end on different days, and a day that a month does not have is its last
        ("1 month before at 09:00", "2019-03-29", "2019-02-28T09:00"),
        ("1 month before at 09:00", "2020-03-31", "2020-02-29T09:00"),
        ("1 month before at 09:00", "2020-03-29", "2020-02-29T09:00"),
        ("1 month before at 09:00", "2019-05-31", "2019-04-30T09:00+01:00"),
        ("1 month before at 09:00", "2019-02-28", "2019-01-28T09:00"),
        ("1 month before at 09:00", "2019-01-31", "2018-12-31T09:00"),
        ("2 months before at 09:00", "2019-01-31", "2018-11-30T09:00"),
        ("1 month after at 09:00", "2019-01-31", "2019-02-28T09:00"),
        ("1 month after at 09:00", "2020-01-31", "2020-02-29T09:00"),
        ("1 month after at 09:00", "2020-02-29", "2020-03-29T09:00+01:00"),
        ("12 months before at 09:00", "2020-02-29", "2019-02-28T09:00"),
        ("12 months after at 09:00", "2020-02-29", "2021-02-28T09:00"),
        ("12 months before at 09:00", "2021-02-28", "2020-02-28T09:00"),
        ("24 months after at 09:00", "2018-12-31", "2020-12-31T09:00"),
        ("1 month before at 09:00", "2100-03-31", "2100-02-28T09:00"),
        # Leap days and the ends of years count as any other day
        ("1 day before at 09:00", "2020-03-01", "2020-02-29T09:00"),
        ("1 day before at 09:00", "2019-03-01", "2019-02-28T09:00"),
        ("1 day after at 09:00", "2020-02-28", "2020-02-29T09:00"),
        ("1 day before at 09:00", "2100-03-01", "2100-02-28T09:00"),
        ("366 days before at 09:00", "2020-12-31", "2019-12-31T09:00"),
        ("365 days after at 09:00", "2019-02-28", "2020-02-28T09:00"),
        ("1 day before at 09:00", "2019-01-01", "2018-12-31T09:00"),
        ("24 hours before", "2020-03-01T10:00", "2020-02-29T10:00"),
        ("1 hour after", "2018-12-31T23:00/2018-12-31T23:30", "2019-01-01T00:30"),
        # 2020 has a week 53, from 28 December to 3 January: weeks are of seven days, whatever their number
        ("1 week before at 09:00", "2021-01-04", "2020-12-28T09:00"),
        ("1 week after at 09:00", "2020-12-31", "2021-01-07T09:00"),
        ("52 weeks before at 09:00", "2021-01-01", "2020-01-03T09:00"),
        ("53 weeks before at 09:00", "2021-01-03", "2019-12-29T09:00"),
        ("1 working day before at 09:00", "2021-01-04", "2020-12-31T09:00"),
        ("2 weeks before at 09:00", "2019-22", "2019-05-18T09:00+01:00"),
        ("1 day after at 09:00", "2019-03", "2019-04-01T09:00+01:00"),
        ("2018-12-01T09:00", ORIEL, "2018-12-01T09:00"),
        # 31 March 2019: clocks skip 01:00 to 02:00; 28 October 2018: they show it twice
        ("1 day before at 01:30", "2019-04-01", "2019-03-31T01:30+00:00"),
        ("1 day before at 01:30", "2018-10-29", "2018-10-28T01:30+01:00"),
        ("2 hours before", "2019-03-31T02:30", "2019-03-30T23:30+00:00"),
        ("1 week before at 10:00", "2019-04-03T10:00", "2019-03-27T10:00+00:00"),
    ],
)
def test_a_time_to_send_is_counted_from_the_date(send: str, when: str, due: str) -> None:
    assert due_at(parse_send(send), parse_when(when, LONDON), "ENG") == utc(due)


@pytest.mark.parametrize(
    ("send", "when"),
    [
        ("2 hours before", "2018-12-14"),
        ("2 hours before", "2018-12"),
        ("1 week before at 09:00", "tba"),
        ("2018-12-01T09:00", "open"),
    ],
)
def test_what_cannot_be_counted_is_not_guessed(send: str, when: str) -> None:
    assert due_at(parse_send(send), parse_when(when, LONDON), "ENG") is None


@given(
    day=st.dates(datetime(2018, 1, 1).date(), datetime(2038, 12, 31).date()),
    minutes=st.integers(0, 24 * 60 - 1),
    amount=st.integers(1, 104),
    unit=st.sampled_from(["day", "week"]),
    side=st.sampled_from(["before", "after"]),
    zone=st.sampled_from([LONDON, "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_days_and_weeks_keep_the_clock_of_the_zone(
    day: datetime, minutes: int, amount: int, unit: str, side: str, zone: str
) -> None:
    clock = f"{minutes // 60:02}:{minutes % 60:02}"
    due = due_at(parse_send(f"{amount} {unit}s {side} at {clock}"), parse_when(day.isoformat(), zone), "ENG")
    assert due is not None
    days = amount * (7 if unit == "week" else 1) * (-1 if side == "before" else 1)
    wanted = datetime.combine(day + timedelta(days=days), datetime.strptime(clock, "%H:%M").time())  # noqa: DTZ007  # a wall clock
    shown = due.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    # the oracle: brute force over the instants of that day, by what clocks show
    around = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
    instants = (around + timedelta(minutes=30 * step) for step in range(60))
    showing = [each for each in instants if each.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wanted]
    if showing:
        assert due == showing[0]
    else:
        assert shown - wanted in (timedelta(hours=1), timedelta(minutes=30))


@given(st.text(max_size=40))
def test_any_text_is_a_time_to_send_or_a_problem_with_advice(text: str) -> None:
    try:
        send = parse_send(text)
    except SendError as error:
        assert error.what and error.write
    else:
        assert parse_send(send.text) == send


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("4 weeks before 09:00", "'4 weeks before at 09:00'"),
        ("a month before at 8am", "'1 month before at 08:00'"),
        ("2h", "'2 hours before'"),
        ("30 min before", "'30 minutes before'"),
        ("same day at 7:30pm", "'on the day at 19:30'"),
        ("2 Days After At 10:00", "'2 days after at 10:00'"),
        ("3 working days before", "'3 working days before at 09:00'"),
    ],
)
def test_what_people_write_otherwise_is_answered_with_the_right_spelling(written: str, advice: str) -> None:
    with pytest.raises(SendError) as refused:
        parse_send(written)
    assert refused.value.write == f"write {advice}"


def test_a_rule_says_what_it_leaves_out_by_usual_values() -> None:
    written = """
kinds:
  applications-close: {label: Applications close, deadline: true}
  course: {label: Course}
rules:
  - {id: close-2h, about: applications-close, send: 2 hours before}
  - id: course-2w
    about: [course]
    send: 2 weeks before at 09:00
    needs: month
    only: {levels: [1, 2], categories: course}
    audiences: everyone
    on_join: latest
    uncertain: hold
"""
    rulebook, problems, _ = parse_rules("rules.yaml", written.encode())
    assert not problems
    assert rulebook.kinds["applications-close"].deadline and not rulebook.kinds["course"].deadline
    assert rulebook.rules == (
        Rule("close-2h", ("applications-close",), parse_send("2 hours before"), Precision.INSTANT),
        Rule(
            "course-2w",
            ("course",),
            parse_send("2 weeks before at 09:00"),
            Precision.MONTH,
            Selection(levels=(1, 2), categories=("course",)),
            ("everyone",),
            OnJoin.LATEST,
            Uncertain.HOLD,
        ),
    )


def test_an_event_can_alter_a_rule_or_switch_it_off() -> None:
    early = Rule("course-2w", ("course",), parse_send("2 weeks before at 09:00"), Precision.DAY)
    late = Rule("course-3d", ("course",), parse_send("3 days before at 09:00"), Precision.DAY)
    altered = event(rules={"course-2w": "3 weeks before at 08:00", "course-3d": "off"})
    assert list(rules_about(altered, "course", (early, late))) == [overridden(early, "3 weeks before at 08:00")]
    assert list(rules_about(event(), "course", (early, late))) == [early, late]
    assert list(rules_about(event(), "visit", (early, late))) == []


@pytest.mark.parametrize(
    ("send", "needs", "own", "then"),
    [
        ("2 weeks before at 09:00", Precision.DAY, "2 hours before", Precision.INSTANT),
        ("2 hours before", Precision.INSTANT, "1 day before at 09:00", Precision.DAY),
        ("2 weeks before at 09:00", Precision.SEASON, "3 weeks before at 09:00", Precision.SEASON),
        ("2 weeks before at 09:00", Precision.SEASON, "2 hours before", Precision.INSTANT),
        ("2 weeks before at 09:00", Precision.INSTANT, "3 weeks before at 09:00", Precision.INSTANT),
    ],
)
def test_how_closely_an_altered_rule_must_know_the_date_follows(
    send: str, needs: Precision, own: str, then: Precision
) -> None:
    assert overridden(Rule("r", ("course",), parse_send(send), needs), own).needs is then


def test_the_shipped_rules_are_read_without_a_problem() -> None:
    rulebook, problems, _ = parse_rules("rules.yaml", SHIPPED.read_bytes())
    assert not problems
    assert {kind for rule in rulebook.rules for kind in rule.about} <= set(rulebook.kinds)
    assert rulebook.kinds["applications-close"].deadline
