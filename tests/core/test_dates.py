"""When: what can be written, what it covers, what is refused and with which advice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import edtf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue import zones
from reminders.catalogue.dates import DateError, Precision, When, narrows, parse_when
from reminders.catalogue.events import EventDate, Status, read_fact

LONDON = "Europe/London"


def london(text: str) -> When:
    return parse_when(text, LONDON)


@pytest.mark.parametrize(
    ("text", "precision", "first", "last"),
    [
        ("2018-12-14T10:00", Precision.INSTANT, "2018-12-14", "2018-12-14"),
        ("2019-03-13T09:00/2019-03-15T17:00", Precision.INSTANT, "2019-03-13", "2019-03-15"),
        ("2019-02-12", Precision.DAY, "2019-02-12", "2019-02-12"),
        ("2020-02-29", Precision.DAY, "2020-02-29", "2020-02-29"),
        ("2019-03-13/2019-03-15", Precision.DAY, "2019-03-13", "2019-03-15"),
        ("2019-03", Precision.MONTH, "2019-03-01", "2019-03-31"),
        ("2019-03/2019-05", Precision.MONTH, "2019-03-01", "2019-05-31"),
        ("2019-21", Precision.SEASON, "2019-03-01", "2019-05-31"),
        ("2019-22", Precision.SEASON, "2019-06-01", "2019-08-31"),
        ("2019-23", Precision.SEASON, "2019-09-01", "2019-11-30"),
        ("2019-24", Precision.SEASON, "2019-12-01", "2020-02-29"),
        ("2019-22/2019-23", Precision.SEASON, "2019-06-01", "2019-11-30"),
        ("2019", Precision.YEAR, "2019-01-01", "2019-12-31"),
        ("2019/2020", Precision.YEAR, "2019-01-01", "2020-12-31"),
    ],
)
def test_a_date_covers_whole_local_days(text: str, precision: Precision, first: str, last: str) -> None:
    when = london(text)
    assert (when.edtf, when.precision) == (text, precision)
    assert (when.first, when.last) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("text", "zone", "begins", "over"),
    [
        ("2018-12-14T10:00", LONDON, "2018-12-14T10:00", "2018-12-14T10:00"),
        ("2019-07-01T10:00", LONDON, "2019-07-01T09:00", "2019-07-01T09:00"),
        ("2018-12-14T10:00", "Europe/Berlin", "2018-12-14T09:00", "2018-12-14T09:00"),
        ("2019-03-13T09:00/2019-03-13T17:00", LONDON, "2019-03-13T09:00", "2019-03-13T17:00"),
        ("2019-02-12", LONDON, "2019-02-12T00:00", "2019-02-13T00:00"),
        ("2019-07-01", LONDON, "2019-06-30T23:00", "2019-07-01T23:00"),
        ("2019-03-31", LONDON, "2019-03-31T00:00", "2019-03-31T23:00"),  # a day of 23 hours
        ("2018-10-28", LONDON, "2018-10-27T23:00", "2018-10-29T00:00"),  # a day of 25 hours
        ("2019-03", LONDON, "2019-03-01T00:00", "2019-03-31T23:00"),
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00"),  # clocks skip midnight
        ("2018-10-28T01:30+01:00", LONDON, "2018-10-28T00:30", "2018-10-28T00:30"),
        ("2018-10-28T01:30+00:00", LONDON, "2018-10-28T01:30", "2018-10-28T01:30"),
        ("2018-10-28T01:30Z", LONDON, "2018-10-28T01:30", "2018-10-28T01:30"),
    ],
)
def test_a_date_begins_and_is_over_at_instants_of_its_zone(text: str, zone: str, begins: str, over: str) -> None:
    when = parse_when(text, zone)
    assert when.begins == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert when.over == datetime.fromisoformat(over).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["tba", "open"])
def test_what_is_not_dated_begins_never(text: str) -> None:
    when = london(text)
    assert (when.dated, when.begins, when.over, when.precision) == (False, None, None, Precision.NONE)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2018-12-14T10:00+00:00", "2018-12-14T10:00"),
        ("2019-07-01T10:00Z", "2019-07-01T11:00"),
        ("2018-10-28T00:30Z", "2018-10-28T01:30+01:00"),
        (" 2019-02-12 ", "2019-02-12"),
    ],
)
def test_texts_that_say_the_same_are_equal(text: str, canonical: str) -> None:
    assert london(text) == london(canonical)
    assert london(text).edtf == canonical


@pytest.mark.parametrize(
    ("text", "qualifier"),
    [("2019-03?", "?"), ("2019-02-12~", "~"), ("2019%", "%"), ("2019-03-13?/2019-03-15", "?"), ("2019?/2020~", "%")],
)
def test_a_qualifier_is_kept(text: str, qualifier: str) -> None:
    assert london(text).qualifier == qualifier


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("14/12/2018", "write 2018-12-14"),
        ("13/03/19", "write 2019-03-13"),
        ("12/02/19", "write 2019-02-12 for 12 February or 2019-12-02 for 2 December"),
        ("12/02/19 10am", "write 2019-02-12T10:00 for 12 February or 2019-12-02T10:00 for 2 December"),
        ("12/12/19", "write 2019-12-12"),
        ("14.12.2018", "write 2018-12-14"),
        ("March 2019", "write 2019-03"),
        ("Sept 2019", "write 2019-09"),
        ("03/2019", "write 2019-03"),
        ("2019-3", "write 2019-03"),
        ("Summer 2019", "write 2019-22 (summer)"),
        ("winter 2019", "write 2019-24 (winter)"),
        ("10am", "write the day as well, like 2018-12-14T10:00"),
        ("TBC", "write tba"),
        ("To be announced", "write tba"),
        ("Now open!", "write open"),
        ("2018-12-14 10:00", "write 2018-12-14T10:00"),
        ("2018-12-14T10:00:00", "write 2018-12-14T10:00"),
        ("2018-12-14T10:00:00Z", "write 2018-12-14T10:00Z"),
        ("2018-12-14 10.30pm", "write 2018-12-14T22:30"),
        ("2018-12-14 12am", "write 2018-12-14T00:00"),
        ("10am (UK time) on Friday 14 December 2018", "write 2018-12-14T10:00"),
        ("Friday 14th December 2018 at 10am", "write 2018-12-14T10:00"),
        ("December 14, 2018", "write 2018-12-14"),
        ("20181214", "write 2018-12-14"),
        ("2019-3-1", "write 2019-03-01"),
        ("2019/03/15", "write 2019-03-15"),
        ("13/03/19 until 15/03/19", "write 2019-03-13/2019-03-15"),
        ("2019-03-13 - 2019-03-15", "write 2019-03-13/2019-03-15"),
        ("13-15 March 2019", "write 2019-03-13/2019-03-15"),
        ("2019-03-13T09:00/17:00", "write 2019-03-13T09:00/2019-03-13T17:00"),
        ("2019-03-13/..", "write the end that is known, 2019-03-13"),
        ("2019-0２-12", "write 2019-02-12"),  # noqa: RUF001  # a full-width digit is the case
        ("2019-02-30", "write a day from 2019-02-01 to 2019-02-28"),
        ("2019-02-29", "write a day from 2019-02-01 to 2019-02-28"),
        ("2019-04-31", "write a day from 2019-04-01 to 2019-04-30"),
        ("2019-13", "write a month from 01 to 12, or 21 for spring, 22 for summer, 23 for autumn, 24 for winter"),
        ("2019-13-01", "write a month from 01 to 12"),
        ("0219-01-01", "write a year from 1980 to 2199"),
        ("2018-12-14T24:00", "write 2018-12-15T00:00 (the day after) or 2018-12-14T23:59"),
        ("2018-12-14T10:60", "write hours from 00 to 23 and minutes from 00 to 59"),
        ("2018-12-14T10:00?", "write the day alone, 2018-12-14?"),
        ("2019-03-15/2019-03-13", "write 2019-03-13/2019-03-15"),
        ("2019-03-13/2019-03-13", "write 2019-03-13"),
        ("2019-03/2019-03-15", "write both as days, or both as months, years or times"),
        ("2019-03-31T01:30", "write the time that clocks show then, perhaps 2019-03-31T02:30"),
        ("2018-10-28T01:30", "write 2018-10-28T01:30+01:00 for the first or 2018-10-28T01:30+00:00 for the second"),
        ("2018-12-14T10:00+01:00", "write 2018-12-14T10:00, without an offset"),
        ("2018-10-28T01:30+05:00", "write 2018-10-28T01:30+01:00 or 2018-10-28T01:30+00:00"),
    ],
)
def test_what_is_not_a_date_gets_advice_that_helps(text: str, advice: str) -> None:
    with pytest.raises(DateError) as refusal:
        london(text)
    assert refusal.value.write == advice


@pytest.mark.parametrize("text", ["", "soon", "2019-02-12 or later", "x" * 200, "1/2/3/4", "TBA?"])
def test_what_nobody_can_read_gets_examples(text: str) -> None:
    with pytest.raises(DateError) as refusal:
        london(text)
    assert "2018-12-14T10:00" in refusal.value.write


@pytest.mark.parametrize(
    ("zone", "nearest"),
    [
        ("London", LONDON),
        ("GMT", LONDON),
        ("BST", LONDON),
        ("GMT+1", LONDON),
        ("UTC+1", LONDON),
        ("CET", "a place, such as Europe/London"),
        ("EST", "a place, such as Europe/London"),
        ("europe/london", LONDON),
        ("Europe/Lundon", LONDON),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("../../etc/passwd", LONDON),
        ("", LONDON),
    ],
)
def test_an_unknown_zone_is_told_with_the_nearest_known_one(zone: str, nearest: str) -> None:
    with pytest.raises(DateError) as refusal:
        parse_when("2019-02-12", zone)
    assert refusal.value.write == f"write {nearest}"


@pytest.mark.parametrize(
    ("old", "new", "firmer"),
    [
        ("tba", "2019-03", True),
        ("open", "2019-03-05", True),
        ("tba", "open", False),
        ("2019-03", "tba", False),
        ("2019-03", "2019-03-05", True),
        ("2019-03", "2019-03-05T09:00", True),
        ("2019-03", "2019-04-05", False),
        ("2019-22", "2019-07", True),
        ("2019", "2019-22", True),
        ("2019-03/2019-05", "2019-04", True),
        ("2019-03-05", "2019-03-05T09:00", True),
        ("2019-03-05", "2019-03-06", False),
        ("2019-03-13/2019-03-15", "2019-03-13T09:00/2019-03-15T16:00", True),
        ("2019-03-13/2019-03-15", "2019-03-13T09:00", True),
        ("2019-03-13/2019-03-15", "2019-03-14T09:00", False),
        ("2019-03-13/2019-03-15", "2019-03-13/2019-03-14", False),  # whoever kept the 15th free was told wrong
        ("2019-03-05T09:00", "2019-03-05", False),
        ("2019-03-05", "2019-03", False),
        ("2019-03?", "2019-03", True),
        ("2019-03", "2019-03?", False),
        ("2019-03", "2019-03", False),
        ("2019-02-28/2019-03-02", "2019-02-28", False),
    ],
)
def test_firming_up_is_becoming_closer_without_contradiction(old: str, new: str, firmer: bool) -> None:
    assert narrows(london(new), london(old)) is firmer


@pytest.mark.parametrize("text", ["2018-12-14T10:00", "tba", "2019-03-13?/2019-03-15", "2018-10-28T01:30+01:00"])
def test_a_fact_is_read_back_as_it_was(text: str) -> None:
    date = EventDate("course", london(text), status=Status.POSTPONED)
    assert read_fact(date.fact) == (london(text), Status.POSTPONED)


days = st.dates(date(1980, 1, 1), date(2199, 12, 31))
edtf_texts = st.one_of(
    days.map(str),
    days.map(lambda day: f"{day:%Y-%m}"),
    days.map(lambda day: f"{day:%Y}"),
    st.builds(lambda day, season: f"{day:%Y}-{season}", days, st.sampled_from([21, 22, 23])),
    st.tuples(days, days).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: "/".join(map(str, sorted(pair)))),
)


@given(edtf_texts)
def test_days_agree_with_the_edtf_library(text: str) -> None:
    """Winter is left out: that library lets it end with its year, people do not."""
    when, oracle = london(text), edtf.parse_edtf(text)
    lower, upper = oracle.lower_strict(), oracle.upper_strict()
    assert when.first == date(*lower[:3])
    assert when.last == date(*upper[:3])


@given(edtf_texts, st.sampled_from([LONDON, "Asia/Tokyo", "America/Sao_Paulo"]))
def test_the_canonical_text_reads_back_equal(text: str, zone: str) -> None:
    when = parse_when(text, zone)
    assert parse_when(when.edtf, zone) == when
    assert when.begins is not None
    assert when.over is not None
    assert when.begins < when.over


hours = st.integers(0, 20 * 366 * 24 * 4).map(lambda n: datetime(2018, 1, 1) + timedelta(minutes=15 * n))


@given(hours, st.sampled_from([LONDON, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]))
def test_every_local_time_is_refused_in_a_gap_asked_about_when_doubled_and_else_exact(
    clock: datetime, zone: str
) -> None:
    text = clock.isoformat(timespec="minutes")
    instants = zones.instants(clock, zone)
    if len(instants) != 1:
        with pytest.raises(DateError):
            parse_when(text, zone)
    for instant in instants:
        assert instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == clock
        assert parse_when(f"{text}{zones.offset(instant, zone)}", zone).starts == instant
        assert parse_when(f"{instant:%Y-%m-%dT%H:%M}Z", zone).starts == instant
    if len(instants) == 1:
        assert parse_when(text, zone).edtf == text


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_gets_advice(text: str) -> None:
    try:
        assert london(text).zone == LONDON
    except DateError as refusal:
        assert refusal.what
        assert refusal.write.startswith("write ")
