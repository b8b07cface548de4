"""The rule of the days before those of another: by name, and that its days are just those."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice, takewhile

import pytest
from hypothesis import assume, given, settings

from reminders.catalogue.neighbours import neighbour
from reminders.catalogue.recurrence import days, parse_recurrence
from tests.series import begun, first_days, rules

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("first", "rule", "before"),
    [
        ("2019-03-04", "FREQ=DAILY;COUNT=9", "FREQ=DAILY;COUNT=9"),
        ("2019-03-04", "FREQ=DAILY;BYDAY=MO,TU", "FREQ=DAILY;BYDAY=MO,SU"),
        ("2019-03-04", "FREQ=WEEKLY;UNTIL=2019-12-31", "FREQ=WEEKLY;UNTIL=20191230"),
        ("2019-03-04", "FREQ=WEEKLY;BYDAY=MO", "FREQ=WEEKLY;BYDAY=SU"),
        # a week that begins on Sunday now, or the Sunday would be of another week than its Tuesday
        ("2019-03-04", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU"),
        ("2019-03-04", "FREQ=MONTHLY;BYDAY=1MO", "FREQ=MONTHLY;BYMONTHDAY=-1,1,2,3,4,5,6;BYDAY=SU"),
        ("2019-03-29", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYMONTHDAY=-8,-7,-6,-5,-4,-3,-2;BYDAY=TH"),
        ("2019-03-15", "FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=14"),
        ("2019-03-01", "FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("2019-03-31", "FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTH=1,3,5,7,8,10,12;BYMONTHDAY=30"),
        ("2019-03-31", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-2"),
        ("2020-01-01", "FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=-1"),
        ("2020-03-01", "FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
        ("2019-09-13", "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "FREQ=MONTHLY;BYMONTHDAY=12;BYDAY=TH"),
    ],
)
def test_a_rule_has_a_neighbour(first: str, rule: str, before: str) -> None:
    found = neighbour(parse_recurrence(rule), date.fromisoformat(first), -1)
    assert found is not None
    assert found.text == before


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        ("2020-02-29", "FREQ=YEARLY"),  # 28 February, but only of leap years
        ("2019-01-29", "FREQ=MONTHLY"),
        ("2019-03-29", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),  # may be Friday after a Sunday
        ("2019-03-04", "FREQ=MONTHLY;BYDAY=1MO,2TU"),
        ("2019-03-01", "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1,15"),  # of this month, and of the month before
        ("2019-03-04", "FREQ=WEEKLY;BYMONTH=3,4"),
        ("2019-03-01", "FREQ=DAILY;BYMONTH=3"),
        ("2019-01-07", "FREQ=YEARLY;INTERVAL=2;BYDAY=MO"),
    ],
)
def test_a_rule_has_none_when_no_rule_has_its_days(first: str, rule: str) -> None:
    parsed = parse_recurrence(rule)
    assert next(days(parsed, date.fromisoformat(first))) == date.fromisoformat(first)
    assert neighbour(parsed, date.fromisoformat(first), -1) is None


@settings(deadline=None, max_examples=200)
@given(rules(), first_days)
def test_a_neighbour_has_the_days_one_before_and_the_way_back(text: str, start: date) -> None:
    rule, first = begun(text, start)
    before = neighbour(rule, first, -1)
    assume(before is not None)
    assert before is not None
    theirs = some(days(rule, first))
    assert [day + DAY for day in some(days(before, first - DAY), DAY)] == theirs
    back = neighbour(before, first - DAY, 1)
    assert back is not None
    assert some(days(back, first)) == theirs


def some(found: Iterator[date], earlier: timedelta = timedelta()) -> list[date]:
    return list(takewhile(lambda day: day < date(2150, 1, 1) - earlier, islice(found, 60)))
