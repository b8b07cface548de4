"""What cannot all be sent in time at a rate, against an oracle that sends one message after the other."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reminders.planning.pace import Crowd, Squeeze, crowds, squeezes
from reminders.planning.subscribers import Selection
from tests.builders import KINDS, date, event, published, rule, subscriber, utc

NOW = utc("2019-01-29T09:00")
NOON = utc("2019-01-29T12:00")


def crowd(due: str, expires: str, mails: int, rule: str = "r") -> Crowd:
    day = "2019-01-29T"
    return Crowd(utc(day + expires), utc(day + due), mails, "e", "course", "", rule)


def late(*found: Crowd, rate: int = 25, now: datetime = NOW) -> list[tuple[str, int]]:
    return [(each.crowd.rule, each.late) for each in squeezes(found, rate, now)]


def test_what_fits_into_its_time_is_no_squeeze() -> None:
    assert late(crowd("10:00", "10:36", 900)) == []
    assert late(crowd("10:00", "10:01", 1, "one"), rate=1) == []


def test_of_what_does_not_fit_it_is_told_how_many_are_late() -> None:
    assert late(crowd("10:00", "10:35", 900)) == [("r", 25)]


def test_it_is_told_by_when_the_first_would_have_to_go() -> None:
    assert crowd("10:00", "12:00", 900).start_by(25) == NOON - timedelta(minutes=36)


def test_without_a_rate_nothing_is_late() -> None:
    assert late(crowd("10:00", "10:01", 100_000), rate=0) == []


def test_what_was_due_before_begins_now_and_what_has_expired_is_late_altogether() -> None:
    assert late(crowd("08:00", "09:02", 51)) == [("r", 1)]
    assert late(crowd("08:00", "09:00", 3)) == [("r", 3)]


def test_what_expires_first_goes_first_and_the_rest_has_what_is_left() -> None:
    urgent, other = crowd("10:10", "10:20", 250, "urgent"), crowd("10:00", "10:30", 600, "other")
    assert late(other, urgent) == [("other", 100)]
    assert late(other) == late(urgent) == []


def test_what_has_expired_takes_no_turn_from_the_others() -> None:
    assert late(crowd("10:00", "10:01", 500, "lost"), crowd("10:00", "10:11", 250, "next")) == [("lost", 475)]


@st.composite
def days(draw: st.DrawFn) -> list[Crowd]:
    """Some crowds of one morning, by the minute."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        due = draw(st.integers(-30, 60))
        last = due + draw(st.integers(1, 60))
        at = [NOW + timedelta(minutes=minutes) for minutes in (last, due)]
        made.append(Crowd(at[0], at[1], draw(st.integers(1, 40)), rule=str(number)))
    return made


@given(found=days(), rate=st.integers(1, 4))
def test_the_reckoning_agrees_with_sending_one_message_after_the_other(found: list[Crowd], rate: int) -> None:
    """The oracle has a turn each 60/rate seconds, which a whole number of seconds is for these rates."""
    left = {each: each.mails for each in found}
    at = NOW
    for _ in range(200 * rate):
        due = [each for each in sorted(left) if left[each] and each.due_at <= at < each.expires_at]
        if due:
            left[due[0]] -= 1
            at += timedelta(minutes=1) / rate
        else:  # the next turn is as soon as something comes, however odd that instant is
            at = min((each.due_at for each in found if each.due_at > at), default=at)
    expected = [Squeeze(each, number) for each, number in sorted(left.items()) if number]
    assert squeezes(found, rate, NOW) == expected


def test_a_crowd_is_everybody_whom_a_rung_is_for() -> None:
    rules = (rule("early", "2 weeks before at 09:00"), rule("late", "1 week before at 09:00", audiences=("a",)))
    people = [
        subscriber(1, audiences=("a",)),
        subscriber(2, audiences=("b",)),
        subscriber(3, audiences=("b",)),
        subscriber(4, audiences=("b",), left_at=NOW),
        subscriber(5, audiences=("b",), follows=(Selection(levels=(9,)),)),
    ]
    dated = published(event("e", date("2019-02-12")))
    found = crowds([dated], rules, KINDS, people, after=utc("2019-01-01"), until=utc("2019-12-31"), nation="ENG")
    assert [(each.rule, each.mails, f"{each.due_at:%d %b}", f"{each.expires_at:%d %b}") for each in found] == [
        ("early", 1, "29 Jan", "05 Feb"),
        ("early", 2, "29 Jan", "13 Feb"),
        ("late", 1, "05 Feb", "13 Feb"),
    ]
    after = crowds([dated], rules, KINDS, people, after=NOW, until=utc("2019-12-31"), nation="ENG")
    assert [each.rule for each in after] == ["late"]
    until = crowds([dated], rules, KINDS, people, after=utc("2019-01-01"), until=NOW, nation="ENG")
    assert {each.rule for each in until} == {"early"}
