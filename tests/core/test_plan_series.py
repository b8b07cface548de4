"""Reminders of dates that repeat: each occurrence by itself, once, in time, and whatever happens to the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import date as day
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.catalogue.changes import ChangeKind, diff
from reminders.catalogue.events import Catalogue, EventDate, PublishedDate, PublishedEvent, Status
from reminders.catalogue.series import occurrences
from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.planning.plan import announcements, corrections, due, next_due, rungs, still_wanted, to_come
from reminders.planning.rules import OnJoin, Rule
from reminders.planning.simulate import simulate
from reminders.planning.subscribers import Subscriber
from tests.builders import COURSE, EPOCH, KINDS, date, event, published, rule, subscriber, utc
from tests.series import override, series, series_of

BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
TWO_WEEKS, THREE_DAYS = rule("2w", "2 weeks before at 09:00"), rule("3d", "3 days before at 09:00")
RULES = (TWO_WEEKS, THREE_DAYS)
AMINA = subscriber()
WEEKLY = series("2019-03-04", "FREQ=WEEKLY")
LATE = utc("2019-03-06T12:00")


def known(*said: EventDate, at: tuple[str, ...] = ("2018-12-01",)) -> PublishedEvent:
    """An event whose one date said these things from these instants on."""
    instants = [utc(each) for each in at]
    *earlier, (since, now) = zip(instants, said, strict=True)
    return PublishedEvent(event("e", now), len(said), dates=(PublishedDate(now, len(said), since, tuple(earlier)),))


def passes(
    *instants: str,
    by: PublishedEvent,
    since: datetime = BEFORE_ALL,
    people: tuple[Subscriber, ...] = (AMINA,),
    rules: tuple[Rule, ...] = RULES,
) -> list[str]:
    """What is owed at these instants, as "occurrence rule" or "occurrence rule reason"."""
    found = []
    for instant in map(utc, instants):
        notices = due([by], rules, KINDS, people, since=since, now=instant, epoch=EPOCH, nation="ENG")
        found += [f"{each.occurrence} {each.rule} {each.dropped or ''}".strip() for each in notices]
        since = instant
    return found


def told(day: str, fact: str = "") -> Told:
    return Told(1, "e", "course", f"@{day}", f"{fact or day} Europe/London planned", "<told@example.org>")


# Each occurrence by itself


def test_each_occurrence_has_its_own_reminders_once() -> None:
    by = known(WEEKLY)
    found = passes("2019-02-18T09:00", "2019-02-25T09:00", "2019-03-01T09:00", "2019-03-04T09:00", by=by)
    assert found == ["@2019-03-04 2w", "@2019-03-11 2w", "@2019-03-04 3d", "@2019-03-18 2w"]


def test_an_old_series_without_an_end_goes_on_for_ever() -> None:
    by = known(series("1999-01-04", "FREQ=WEEKLY"), at=("2018-12-01",))
    assert passes("2150-03-01T09:00", by=by, since=utc("2150-03-01T08:00")) == []
    assert passes("2150-03-02T09:00", by=by, since=utc("2150-03-02T08:00")) == ["@2150-03-16 2w"]
    assert next_due([by], RULES, KINDS, after=utc("2150-03-02T10:00"), nation="ENG") == utc("2150-03-06T09:00")


def test_after_an_outage_each_occurrence_gets_what_is_still_of_use() -> None:
    by = known(WEEKLY)
    assert passes("2019-02-20T09:00", "2019-03-08T12:00", by=by)[1:] == [
        "@2019-03-04 3d expired",
        "@2019-03-11 2w superseded",
        "@2019-03-11 3d",
        "@2019-03-18 2w",
    ]


def test_one_that_is_moved_is_reminded_of_on_its_new_day_and_the_others_are_not_touched() -> None:
    moved = series("2019-03-04", "FREQ=WEEKLY", override("2019-03-18", "2019-03-20"))
    by = known(WEEKLY, moved, at=("2018-12-01", "2019-03-06T11:00"))
    since = utc("2019-03-06T10:00")
    # of the two weeks before 20 March that have just begun, this pass sends the reminder; nothing else is owed again
    assert passes("2019-03-06T12:00", by=by, since=since) == ["@2019-03-18 2w"]
    assert passes("2019-03-15T09:00", "2019-03-17T09:00", by=by, since=utc("2019-03-11T10:00")) == ["@2019-03-18 3d"]


def test_a_change_of_one_owes_nothing_again_that_was_recorded_for_another() -> None:
    late = subscriber(2, "bao@example.org", joined_at=utc("2019-03-05T12:00"))
    moved = series("2019-03-04", "FREQ=WEEKLY", override("2019-04-29", "2019-05-01"))
    before, after = known(WEEKLY), known(WEEKLY, moved, at=("2018-12-01", "2019-03-06T11:00"))
    recorded = passes("2019-03-05T13:00", by=before, since=utc("2019-03-05T11:00"), people=(late,))
    assert recorded == ["@2019-03-11 2w before-joined", "@2019-03-18 2w before-joined"]
    assert passes("2019-03-06T12:00", by=after, since=utc("2019-03-05T13:00"), people=(late,)) == []


def test_a_longer_series_owes_only_what_is_new() -> None:
    short, long = (series("2019-03-04", f"FREQ=WEEKLY;COUNT={count}") for count in (2, 3))
    by = known(short, long, at=("2018-12-01", "2019-03-06T11:00"))
    assert passes("2019-03-06T12:00", by=by, since=utc("2019-03-06T10:00")) == ["@2019-03-18 2w"]


def test_who_hears_late_of_a_series_gets_one_mail_and_the_rest_in_time() -> None:
    by = known(WEEKLY, at=("2019-02-27T12:00",))
    now = passes("2019-02-27T12:00", by=by, since=utc("2019-02-27T11:00"))
    assert now == ["@2019-03-04 2w", "@2019-03-11 2w superseded"]
    later = passes("2019-03-01T09:00", "2019-03-04T09:00", "2019-03-08T09:00", by=by, since=utc("2019-02-27T12:00"))
    assert later == ["@2019-03-04 3d", "@2019-03-18 2w", "@2019-03-11 3d"]


def test_who_joins_late_and_asks_for_the_latest_gets_one_mail_too() -> None:
    rules = tuple(replace(each, on_join=OnJoin.LATEST) for each in RULES)
    late = subscriber(2, "bao@example.org", joined_at=utc("2019-02-27T12:00"))
    found = passes("2019-02-27T12:00", by=known(WEEKLY), since=utc("2019-02-27T11:00"), people=(late,), rules=rules)
    assert found == ["@2019-03-04 2w", "@2019-03-11 2w superseded"]


def test_the_last_reminder_of_an_occurrence_waits_for_none() -> None:
    found = passes(
        "2019-02-27T12:00",
        by=known(WEEKLY, at=("2019-02-27T12:00",)),
        since=utc("2019-02-27T11:00"),
        rules=(TWO_WEEKS,),
    )
    assert found == ["@2019-03-04 2w", "@2019-03-11 2w"]


def test_at_an_instant_set_for_ever_nobody_is_reminded_of_all_occurrences() -> None:
    fixed = rule("fixed", "2019-02-20T09:00")
    assert passes("2019-02-21", by=known(WEEKLY), rules=(fixed,)) == []
    assert passes("2019-02-21", by=known(date("2019-03-04", occurrence="one")), rules=(fixed,)) == ["one fixed"]


def test_what_is_cancelled_or_left_out_has_no_reminders() -> None:
    some = series(
        "2019-03-04", "FREQ=WEEKLY", override("2019-03-11", status=Status.CANCELLED), excepted=("2019-03-18",)
    )
    assert passes("2019-02-18T09:00", "2019-03-10T09:00", by=known(some)) == [
        "@2019-03-04 2w",
        "@2019-03-04 3d expired",
    ]


# Changes


@pytest.mark.parametrize(
    ("after", "kind", "fact"),
    [
        (series("2019-03-04", "FREQ=WEEKLY", excepted=("2019-03-18",)), NoticeKind.CANCELLED, "2019-03-18 cancelled"),
        (series("2019-03-04", "FREQ=WEEKLY;UNTIL=2019-03-12"), NoticeKind.CANCELLED, "2019-03-18 cancelled"),
        (series("2019-03-05", "FREQ=WEEKLY"), NoticeKind.CANCELLED, "2019-03-18 cancelled"),
        (
            series("2019-03-04", "FREQ=WEEKLY", override("2019-03-18", "2019-03-20")),
            NoticeKind.MOVED,
            "2019-03-20 planned",
        ),
        (
            series("2019-03-04", "FREQ=WEEKLY", override("2019-03-18", status=Status.POSTPONED)),
            NoticeKind.MOVED,
            "2019-03-18 postponed",
        ),
        (series("2019-03-04", "FREQ=WEEKLY", status="cancelled"), NoticeKind.CANCELLED, "2019-03-18 cancelled"),
        (series("2019-03-04", "FREQ=WEEKLY", note="Bring a pen"), None, ""),
        (series("2019-03-04T10:00", "FREQ=WEEKLY"), None, ""),
        (series("2019-03-04", "FREQ=WEEKLY", excepted=("2019-03-11",)), None, ""),
        (series("2019-03-04", "FREQ=WEEKLY;COUNT=9"), None, ""),
    ],
)
def test_who_was_told_of_an_occurrence_is_corrected_if_that_one_changed(
    after: EventDate, kind: NoticeKind | None, fact: str
) -> None:
    by = known(WEEKLY, after, at=("2018-12-01", "2019-03-06T11:00"))
    owed = corrections([told("2019-03-18")], {"e": by}, KINDS, LATE)
    assert [(each.kind, each.fact.replace("Europe/London ", "")) for each in owed] == ([(kind, fact)] if kind else [])


def test_a_correction_that_was_sent_is_not_owed_again_and_coming_back_is_told() -> None:
    off = series("2019-03-04", "FREQ=WEEKLY", excepted=("2019-03-18",))
    by = known(WEEKLY, off, at=("2018-12-01", "2019-03-06T11:00"))
    (owed,) = corrections([told("2019-03-18")], {"e": by}, KINDS, LATE)
    sent = Told(1, "e", "course", "@2019-03-18", owed.fact, "<off@example.org>")
    assert corrections([sent], {"e": by}, KINDS, LATE) == []
    back = known(WEEKLY, off, WEEKLY, at=("2018-12-01", "2019-03-06T11:00", "2019-03-07"))
    (again,) = corrections([sent], {"e": back}, KINDS, utc("2019-03-08"))
    assert (again.kind, again.before, again.revision) == (NoticeKind.MOVED, owed.fact, 3)


def test_nobody_is_told_of_an_occurrence_that_is_over_that_it_changed() -> None:
    by = known(WEEKLY, series("2019-03-05", "FREQ=WEEKLY"), at=("2018-12-01", "2019-03-12T11:00"))
    assert corrections([told("2019-03-04"), told("2019-03-11")], {"e": by}, KINDS, utc("2019-03-12T12:00")) == []


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (series("2019-03-04", "FREQ=WEEKLY", excepted=("2019-03-18",)), Reason.CANCELLED),
        (series("2019-03-04", "FREQ=WEEKLY", override("2019-03-18", "2019-03-20")), Reason.MOVED),
        (series("2019-03-04", "FREQ=WEEKLY", override("2019-03-25", "2019-03-27")), None),
    ],
)
def test_a_reminder_that_is_owed_is_still_wanted_if_its_own_occurrence_stands(
    after: EventDate, reason: Reason | None
) -> None:
    now = utc("2019-03-04T09:00")
    (notice,) = due(
        [known(WEEKLY)], RULES, KINDS, [AMINA], since=utc("2019-03-04T08:00"), now=now, epoch=EPOCH, nation="ENG"
    )
    by = known(WEEKLY, after, at=("2018-12-01", "2019-03-04T09:10"))
    assert still_wanted(notice, by, AMINA, RULES, KINDS, None, LATE) is reason


def test_a_date_that_comes_to_repeat_reminds_nobody_of_it_again() -> None:
    by = known(date("2019-03-18"), WEEKLY, at=("2018-12-01", "2019-03-06T11:00"))
    since = utc("2019-03-06T10:00")
    # of 11 March nobody was told in time: the two weeks before are over, three days before are to come
    assert passes("2019-03-06T12:00", by=by, since=since) == ["@2019-03-11 2w"]
    assert (
        corrections([Told(1, "e", "course", "", "2019-03-18 Europe/London planned", "")], {"e": by}, KINDS, LATE) == []
    )


@pytest.mark.parametrize(
    ("before", "fact"),
    [
        (date("tba"), "tba Europe/London planned"),
        (date("2019-03"), "2019-03 Europe/London planned"),
        (WEEKLY, "2019-03-11 Europe/London planned"),
    ],
)
def test_when_a_series_firms_up_its_followers_are_told_once_of_the_next(before: EventDate, fact: str) -> None:
    after = series("2019-03-04T10:00", "FREQ=WEEKLY")
    by = known(before, after, at=("2018-12-01", "2019-03-06T11:00"))
    changes = diff({"e": known(before)}, Catalogue((by.event,)))
    (owed,) = announcements(changes, {"e": by}, [AMINA], KINDS, LATE)
    assert (owed.occurrence, owed.fact, owed.before) == ("@2019-03-11", "2019-03-11T10:00 Europe/London planned", fact)


@pytest.mark.parametrize(
    ("after", "kind", "words"),
    [
        (
            series("2019-03-04", "FREQ=WEEKLY;COUNT=3"),
            ChangeKind.DATE_MOVED,
            "e: course repeats differently: every week on Monday, 3 times, was every week on Monday",
        ),
        (
            series("2019-03-04", "FREQ=WEEKLY", override("2019-03-11", "2019-03-12"), excepted=("2019-03-18",)),
            ChangeKind.DATE_CHANGED,
            "e: course changes on 2019-03-11, 2019-03-18",
        ),
        (date("2019-03-04"), ChangeKind.DATE_MOVED, "e: course repeats differently: once, was every week on Monday"),
    ],
)
def test_a_change_of_a_series_is_told_in_words(after: EventDate, kind: ChangeKind, words: str) -> None:
    (change,) = diff({"e": known(WEEKLY)}, Catalogue((event("e", after),)))
    assert (change.kind, change.words) == (kind, words)


# What is to come


def test_of_a_series_it_is_told_what_is_to_come_of_the_next_few() -> None:
    found = to_come(known(WEEKLY).event, AMINA, RULES, KINDS, after=LATE, nation="ENG")
    assert [(each.occurrence, rung.rule.id) for each, rung in found][:4] == [
        ("@2019-03-11", "3d"),
        ("@2019-03-18", "3d"),
        ("@2019-03-25", "2w"),
        ("@2019-03-25", "3d"),
    ]
    assert len({each.occurrence for each, _ in found}) <= 5


offsets = st.integers(0, 900 * 24 * 4).map(lambda count: utc("2018-12-01") + timedelta(minutes=15 * count))
drawn_series = st.booleans().flatmap(lambda timed: series_of(timed=timed))
ladders = st.lists(
    st.sampled_from(
        [
            "3 weeks before at 09:00",
            "4 working days before at 09:00",
            "1 month before at 10:00",
            "2 hours before",
            "on the day at 08:00",
            "5 days after at 10:00",
            "90 minutes after",
        ]
    ),
    min_size=1,
    max_size=4,
    unique=True,
).map(lambda sends: tuple(rule(f"r{number}", send) for number, send in enumerate(sends)))


LAST = day(2022, 6, 1)


def instances(drawn: EventDate) -> tuple[EventDate, ...]:
    """All occurrences until well after any instant that is asked for."""
    return tuple(occurrences(drawn, None, LAST))


def spelt_out(drawn: EventDate) -> PublishedEvent:
    """The same event with every occurrence as a date of its own."""
    return published(replace(event("e"), dates=instances(drawn)), known_at=utc("2018-12-01"))


def owed_of(notices: list[Notice]) -> set[tuple[object, ...]]:
    return {(each.occurrence, each.rule, each.due_at, each.expires_at, each.dropped, each.fact) for each in notices}


@settings(deadline=None)
@given(drawn_series, ladders, offsets, st.integers(1, 60))
def test_a_series_owes_what_its_occurrences_would_owe_as_plain_dates(
    drawn: EventDate, rules: tuple[Rule, ...], start: datetime, length: int
) -> None:
    end = start + timedelta(days=length)
    by, others = known(drawn), spelt_out(drawn)
    ready = [
        owed_of(due([each], rules, KINDS, [AMINA], since=start, now=end, epoch=EPOCH, nation="ENG"))
        for each in (by, others)
    ]
    assert ready[0] == ready[1]


@settings(deadline=None)
@given(drawn_series, ladders, offsets)
def test_the_next_instant_is_that_of_the_occurrence_that_is_due_first(
    drawn: EventDate, rules: tuple[Rule, ...], after: datetime
) -> None:
    found = next_due([known(drawn)], rules, KINDS, after=after, nation="ENG")
    expected = next_due([spelt_out(drawn)], rules, KINDS, after=after, nation="ENG")
    early = utc("2022-01-01")
    assert found == expected or ((found or early) >= early and (expected or early) >= early)


def test_a_changed_occurrence_may_be_the_only_one_with_a_rung() -> None:
    """What begins at midnight has none at eight o'clock; what was moved to noon has."""
    nightly = series("2018-12-03T00:00", "FREQ=DAILY;BYDAY=MO", override("2018-12-17", "2018-12-17T12:00"))
    eight = (rule("on-the-day", "on the day at 08:00"),)
    found = next_due([known(nightly)], eight, KINDS, after=utc("2018-12-01"), nation="ENG")
    assert found == utc("2018-12-17T08:00")


@settings(deadline=None)
@given(drawn_series, ladders, st.integers(1, 50))
def test_a_period_foretold_is_the_period_as_it_happens(drawn: EventDate, rules: tuple[Rule, ...], step: int) -> None:
    start, end = utc("2019-02-01"), utc("2019-04-10")
    by = published(event("e", drawn), known_at=start)
    person = subscriber(joined_at=start)
    told = simulate([by], rules, KINDS, [person], start=start, end=end, nation="ENG")
    edges = {start - timedelta(days=1), start, end} | {each.due_at for each in told if start < each.due_at <= end}
    edges |= {start + timedelta(days=each) for each in range(0, 60, step)}
    happened: list[Notice] = []
    for since, now in pairwise(sorted(edges)):
        happened += due([by], rules, KINDS, [person], since=since, now=now, epoch=start, nation="ENG")
    assert owed_of(told) == owed_of(happened)


def test_each_rung_of_an_occurrence_is_that_of_the_same_plain_date() -> None:
    one = next(occurrences(WEEKLY))
    assert [each.due_at for each in rungs(event("e"), one, COURSE, RULES, "ENG")] == [
        each.due_at for each in rungs(event("e"), date("2019-03-04"), COURSE, RULES, "ENG")
    ]
