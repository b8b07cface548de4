"""Dates in words, as mails and pages show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.dates import parse_when
from reminders.catalogue.wording import short, words


@pytest.mark.parametrize(
    ("text", "long", "brief"),
    [
        ("2018-12-14T10:00", "Friday 14 December 2018, 10:00 UK time", "14 Dec 2018, 10:00"),
        ("2019-07-01T09:30", "Monday 1 July 2019, 09:30 UK time", "1 Jul 2019, 09:30"),
        (
            "2019-03-13T09:00/2019-03-13T17:00",
            "Wednesday 13 March 2019, 09:00 to 17:00 UK time",
            "13 Mar 2019, 09:00 to 17:00",
        ),
        (
            "2019-03-13T09:00/2019-03-15T17:00",
            "Wednesday 13 March 2019, 09:00 to Friday 15 March 2019, 17:00 UK time",
            "13 Mar 2019, 09:00 to 15 Mar 2019, 17:00",
        ),
        (
            "2018-10-28T01:30+00:00",
            "Sunday 28 October 2018, 01:30 (UTC+00:00) UK time",
            "28 Oct 2018, 01:30 (UTC+00:00)",
        ),
        ("2019-02-12", "Tuesday 12 February 2019", "12 Feb 2019"),
        ("2019-03-13/2019-03-15", "Wednesday 13 to Friday 15 March 2019", "13 to 15 Mar 2019"),
        ("2019-01-30/2019-02-01", "Wednesday 30 January to Friday 1 February 2019", "30 Jan to 1 Feb 2019"),
        (
            "2018-12-30/2019-01-02",
            "Sunday 30 December 2018 to Wednesday 2 January 2019",
            "30 Dec 2018 to 2 Jan 2019",
        ),
        ("2019-02-13/2019-03-13", "Wednesday 13 February to Wednesday 13 March 2019", "13 Feb to 13 Mar 2019"),
        ("2019-03", "March 2019 (date to be confirmed)", "Mar 2019"),
        ("2019-03/2019-05", "March to May 2019 (date to be confirmed)", "Mar to May 2019"),
        ("2019-12/2020-01", "December 2019 to January 2020 (date to be confirmed)", "Dec 2019 to Jan 2020"),
        ("2019-22", "summer 2019 (date to be confirmed)", "summer 2019"),
        ("2019-24", "winter 2019/20 (date to be confirmed)", "winter 2019/20"),
        ("2019-21/2019-23", "spring to autumn 2019 (date to be confirmed)", "spring to autumn 2019"),
        ("2019-23/2019-24", "autumn 2019 to winter 2019/20 (date to be confirmed)", "autumn 2019 to winter 2019/20"),
        ("2019", "2019 (date to be confirmed)", "2019"),
        ("2019/2020", "2019 to 2020 (date to be confirmed)", "2019 to 2020"),
        ("2019-02-12?", "Tuesday 12 February 2019 (not yet certain)", "12 Feb 2019 (?)"),
        ("2019-02-12~", "Tuesday 12 February 2019 (approximate)", "12 Feb 2019 (?)"),
        ("2019-03%", "March 2019 (date to be confirmed, approximate, not yet certain)", "Mar 2019 (?)"),
        ("tba", "date to be announced", "to be announced"),
        ("open", "open, no date given", "open"),
    ],
)
def test_a_date_reads_as_people_say_it(text: str, long: str, brief: str) -> None:
    when = parse_when(text, "Europe/London")
    assert (words(when), short(when)) == (long, brief)


@pytest.mark.parametrize(
    ("zone", "long"),
    [
        ("Europe/Berlin", "Friday 14 December 2018, 10:00 Berlin time (Europe/Berlin)"),
        ("America/New_York", "Friday 14 December 2018, 10:00 New York time (America/New_York)"),
        ("UTC", "Friday 14 December 2018, 10:00 UTC"),
    ],
)
def test_a_time_elsewhere_names_its_zone(zone: str, long: str) -> None:
    assert words(parse_when("2018-12-14T10:00", zone)) == long


@given(st.dates().filter(lambda day: 1980 <= day.year < 2200))
def test_a_day_in_words_names_its_weekday_in_english(day: object) -> None:
    said = words(parse_when(str(day), "Europe/London"))
    assert f"{day:%A}" in said
    assert said.endswith(f"{day:%B %Y}")
