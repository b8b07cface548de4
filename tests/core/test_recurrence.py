"""Rules by which dates repeat: what may be written, how it is spelt, and which days it means."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.catalogue.dates import DateError
from reminders.catalogue.recurrence import days, parse_recurrence
from tests.series import begun, first_days, rules

MONDAY = date(2019, 3, 4)


@pytest.mark.parametrize(
    ("rule", "first", "expected"),
    [
        ("FREQ=WEEKLY;COUNT=3", MONDAY, "2019-03-04 2019-03-11 2019-03-18"),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4", MONDAY, "2019-03-04 2019-03-06 2019-03-11 2019-03-13"),
        ("FREQ=WEEKLY;INTERVAL=2;UNTIL=2019-04-01", MONDAY, "2019-03-04 2019-03-18 2019-04-01"),
        ("FREQ=WEEKLY;UNTIL=20190317", MONDAY, "2019-03-04 2019-03-11"),
        # 2020 has a week 53, from 28 December to 3 January
        ("FREQ=WEEKLY;INTERVAL=2", date(2020, 12, 14), "2020-12-14 2020-12-28 2021-01-11"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,SU", date(2020, 12, 31), "2020-12-31 2021-01-03 2021-01-14"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH,SU;WKST=SU", date(2020, 12, 31), "2020-12-31 2021-01-10 2021-01-14"),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=6", date(2019, 3, 7), "2019-03-07 2019-03-08 2019-03-11 2019-03-12"),
        ("FREQ=DAILY;BYMONTHDAY=-1", date(2019, 1, 31), "2019-01-31 2019-02-28 2019-03-31"),
        ("FREQ=MONTHLY", date(2019, 1, 31), "2019-01-31 2019-03-31 2019-05-31 2019-07-31"),
        ("FREQ=MONTHLY;BYDAY=1TU", date(2019, 1, 1), "2019-01-01 2019-02-05 2019-03-05"),
        ("FREQ=MONTHLY;BYDAY=-1FR", date(2019, 1, 25), "2019-01-25 2019-02-22 2019-03-29"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", date(2019, 3, 29), "2019-03-29 2019-04-30 2019-05-31"),
        ("FREQ=YEARLY", date(2016, 2, 29), "2016-02-29 2020-02-29 2024-02-29"),
        ("FREQ=YEARLY", date(2096, 2, 29), "2096-02-29 2104-02-29"),
        ("FREQ=YEARLY", date(2019, 12, 31), "2019-12-31 2020-12-31 2021-12-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", date(2020, 1, 31), "2020-01-31 2020-02-29 2020-03-31"),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO", date(2019, 5, 27), "2019-05-27 2020-05-25 2021-05-31"),
        ("FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1", date(2019, 1, 1), "2019-01-01 2019-07-01 2020-01-01"),
        ("freq=weekly; byday=mo", MONDAY, "2019-03-04 2019-03-11"),
    ],
)
def test_a_rule_means_these_days(rule: str, first: date, expected: str) -> None:
    found = islice(days(parse_recurrence(rule), first), len(expected.split()))
    assert " ".join(map(str, found)) == expected


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("FREQ=WEEKLY", "FREQ=WEEKLY"),
        ("RRULE:BYDAY=WE,MO,MO;FREQ=WEEKLY;INTERVAL=1;WKST=MO;", "FREQ=WEEKLY;BYDAY=MO,WE"),
        ("UNTIL=2019-12-31;FREQ=MONTHLY;BYDAY=+1TU,-1FR", "FREQ=MONTHLY;UNTIL=20191231;BYDAY=1TU,-1FR"),
        ("freq=yearly;bymonthday=02;bymonth=05,1", "FREQ=YEARLY;BYMONTH=1,5;BYMONTHDAY=2"),
    ],
)
def test_two_that_say_the_same_are_written_alike(written: str, text: str) -> None:
    assert parse_recurrence(written).text == text
    assert parse_recurrence(text) == parse_recurrence(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("weekly", "'weekly' is not a rule for repeating: write FREQ=WEEKLY"),
        ("every other month", "'every other month' is not a rule for repeating: write FREQ=MONTHLY"),
        ("daily", "'daily' is not a rule for repeating: write FREQ=DAILY"),
        ("often", "'often' is not a rule for repeating: write one like FREQ=WEEKLY;BYDAY=MO;COUNT=10"),
        ("FREQ=WEEKLY;MO", "'MO' is not a part of a rule: write parts like FREQ=WEEKLY;BYDAY=MO;COUNT=10"),
        ("BYDAY=MO", "the rule does not say FREQ: write it first, as in FREQ=WEEKLY;BYDAY=MO;COUNT=10"),
        ("FREQ=HOURLY", "FREQ=HOURLY repeats within a day: write DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=WEEKLI", "'WEEKLI' is no frequency: write WEEKLY"),
        ("FREQ=1", "'1' is no frequency: write DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=DAILY;BYHOUR=9", "a rule here has no BYHOUR: write the time of day in 'when'"),
        ("FREQ=YEARLY;BYWEEKNO=20", "a rule here has no BYWEEKNO: write BYMONTH with BYMONTHDAY or BYDAY"),
        ("FREQ=WEEKLY;BYDAYS=MO", "'BYDAYS' is not known in a rule: write BYDAY"),
        ("FREQ=WEEKLY;FREQ=DAILY", "the rule says FREQ twice: delete one"),
        ("FREQ=WEEKLY;COUNT=3;UNTIL=2019-12-31", "the rule has both COUNT and UNTIL: write one of them"),
        ("FREQ=WEEKLY;COUNT=0", "COUNT=0 is no number that fits: write one from 1 to 1000"),
        ("FREQ=WEEKLY;COUNT=1001", "COUNT=1001 is no number that fits: write one from 1 to 1000"),
        ("FREQ=WEEKLY;INTERVAL=two", "INTERVAL=TWO is no number that fits: write one from 1 to 1000"),
        ("FREQ=WEEKLY;UNTIL=20191231T235959Z", "UNTIL=20191231T235959Z has a time of day: write the last day alone"),
        ("FREQ=WEEKLY;UNTIL=2019-12", "UNTIL=2019-12 is not one day: write the last day, like UNTIL=2019-12-31"),
        ("FREQ=WEEKLY;UNTIL=2019-02-30", "February 2019 has no day 30: write a day from 2019-02-01 to 2019-02-28"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "'MONDAY' is no day of the week: write MO"),
        ("FREQ=WEEKLY;BYDAY=1MO", "1MO counts within a month or a year: write MO, or FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "there is no 6MO: write 1 to 5, or -1 for the last, before MO"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH=13 is no number that fits: write one from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=32 is no number that fits: write one from 1 to 31"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "a week has no days of a month: write BYDAY, or FREQ=MONTHLY"),
        (
            "FREQ=MONTHLY;BYSETPOS=1",
            "BYSETPOS chooses from the weekdays of a month, and in some calendars",
        ),
        ("FREQ=WEEKLY;BYDAY=MO;BYSETPOS=1", "BYSETPOS chooses from the weekdays of a month"),
        ("FREQ=YEARLY;BYMONTH=3,9;BYDAY=MO;BYSETPOS=1", "BYSETPOS chooses from the weekdays of a month"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,2;BYSETPOS=1", "BYSETPOS chooses from the weekdays of a month"),
        ("FREQ=YEARLY;BYDAY=1MO", "some calendars do not count weekdays within a year: write BYMONTH too"),
        (
            "FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=15",
            "some calendars take only the days of one month of the year: write BYM",
        ),
        ("FREQ=MONTHLY;BYDAY=FR,3FR", "calendars do not agree about BYDAY with and without numbers: write all or none"),
        ("FREQ=DAILY;INTERVAL=2;BYMONTHDAY=-1", "some calendars never find such a day: leave INTERVAL out"),
        ("FREQ=WEEKLY;WKST=XX", "'XX' is no day of the week: write MO, TU, WE, TH, FR, SA, SU"),
    ],
)
def test_what_is_no_rule_says_what_to_write(written: str, message: str) -> None:
    with pytest.raises(DateError) as refused:
        parse_recurrence(written)
    assert str(refused.value).startswith(message)


@settings(deadline=None)
@given(rules(), first_days)
def test_a_rule_means_the_days_that_dateutil_reads_from_its_text(text: str, start: date) -> None:
    rule, first = begun(text, start)
    end = datetime(2060, 1, 1)
    theirs = rrulestr(rule.text, dtstart=datetime.combine(first, datetime.min.time()))
    expected = [each.date() for each in islice(theirs.xafter(datetime(2018, 1, 1), inc=True), 60) if each < end]
    assert [day for day in islice(days(rule, first), 60) if day < end.date()] == expected


@settings(deadline=None)
@given(rules(), first_days, st.integers(-40, 9000))
def test_a_series_taken_up_late_is_the_same(text: str, start: date, later: int) -> None:
    rule, first = begun(text, start)
    since = first + timedelta(days=later)
    end = since + timedelta(days=1200)

    def until(found: date) -> bool:
        return found < end

    whole = [day for day in days(rule, first) if since <= day < end]
    late = []
    for day in days(rule, first, since=since):
        if day >= end:
            break
        late.append(day)
    assert late == whole


def test_what_never_happens_is_found_out_soon() -> None:
    for rule in ("FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31", "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1", "FREQ=YEARLY;INTERVAL=7"):
        assert next(days(parse_recurrence(f"{rule};UNTIL=2019-01-01"), date(2020, 2, 29)), None) is None
