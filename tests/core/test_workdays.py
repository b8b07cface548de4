"""Working days of the UK nations."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.planning.workdays import NATIONS, step, works


@pytest.mark.parametrize(
    ("day", "count", "nation", "expected"),
    [
        ("2018-12-14", -3, "ENG", "2018-12-11"),  # within a week
        ("2018-12-17", -3, "ENG", "2018-12-12"),  # over a weekend
        ("2018-12-16", -1, "ENG", "2018-12-14"),  # from a Sunday
        ("2018-12-28", -3, "ENG", "2018-12-21"),  # over Christmas and Boxing Day
        ("2019-01-03", -1, "ENG", "2019-01-02"),
        ("2019-01-03", -1, "SCT", "2018-12-31"),  # 2 January is a holiday in Scotland alone
        ("2018-12-03", -1, "SCT", "2018-11-29"),  # St Andrew's Day is a bank holiday in Scotland
        ("2019-03-19", -1, "NIR", "2019-03-15"),  # St Patrick's Day, observed on the Monday
        ("2019-03-19", -1, "WLS", "2019-03-18"),
        ("2019-04-24", -2, "ENG", "2019-04-18"),  # over Easter
        ("2019-04-24", -2, "SCT", "2019-04-22"),  # Easter Monday is none in Scotland
        ("2022-06-06", -1, "ENG", "2022-06-01"),  # the Jubilee
        ("2019-03-15", 1, "ENG", "2019-03-18"),
        ("2019-03-15", 0, "ENG", "2019-03-15"),
    ],
)
def test_working_days_leave_out_weekends_and_bank_holidays(day: str, count: int, nation: str, expected: str) -> None:
    assert step(date.fromisoformat(day), count, nation) == date.fromisoformat(expected)


@given(st.dates(date(2018, 1, 1), date(2038, 12, 31)), st.integers(-30, 30), st.sampled_from(NATIONS))
def test_so_many_working_days_lie_between(day: date, count: int, nation: str) -> None:
    found = step(day, count, nation)
    days = range(1, abs((found - day).days) + 1)
    passed = [day + timedelta(days=number if count > 0 else -number) for number in days]
    assert sum(works(each, nation) for each in passed) == abs(count)
    assert count == 0 or works(found, nation)


def test_there_are_four_nations() -> None:
    with pytest.raises(ValueError, match="no nation of the UK: FRA"):
        works(date(2019, 3, 14), "FRA")
