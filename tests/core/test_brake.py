"""What the plan foresees for each day, what of it is accepted, and how much a day may bring."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from datetime import date as Day

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.catalogue.events import PublishedEvent
from reminders.planning.brake import HORIZON, TIMES, Brake, accept, brake, foresee
from reminders.planning.rules import Rule
from reminders.planning.simulate import simulate
from reminders.planning.subscribers import Selection, Subscriber
from tests.builders import CLOSING, KINDS, date, event, published, rule, subscriber, utc
from tests.core.test_simulate import rulebooks

START = utc("2019-01-01")
TODAY = Day(2019, 1, 1)
BRAKE = Brake(50)


def crowd(
    size: int,
    audience: str = "all",
    first: int = 1,
    follows: Selection = Selection(),
    left_at: datetime | None = None,
) -> list[Subscriber]:
    facts = {"joined_at": START, "audiences": (audience,), "follows": (follows,), "left_at": left_at}
    return [subscriber(first + number, "amina@example.org", **facts) for number in range(size)]


def foreseen(
    events: list[PublishedEvent], rules: tuple[Rule, ...], people: list[Subscriber], after: datetime = START
) -> dict[Day, int]:
    return foresee(events, rules, KINDS, people, after=after, until=after + HORIZON, nation="ENG")


def days(**mails: int) -> dict[Day, int]:
    """Days of January 2019, ``d3=20`` being the third with 20 mails."""
    return {Day(2019, 1, int(day[1:])): count for day, count in mails.items()}


class TestForeseeing:
    def test_each_rung_counts_the_people_who_follow_the_date(self) -> None:
        rules = (rule("2w", "2 weeks before at 09:00"), rule("3d", "3 days before at 09:00", audiences=("few",)))
        people = crowd(20) + crowd(3, "few", first=100) + crowd(5, follows=Selection(levels=(7,)), first=200)
        plan = foreseen([published(event("a", date("2019-02-12")))], rules, people)
        assert plan == {Day(2019, 1, 29): 23, Day(2019, 2, 9): 3}

    def test_a_day_is_one_of_utc(self) -> None:
        dated = published(event("a", date("2019-06-12T00:30")))
        assert foreseen([dated], (rule("2h", "2 hours before"),), crowd(2)) == {Day(2019, 6, 11): 2}
        assert foreseen([dated], (rule("day", "on the day at 00:15"),), crowd(2)) == {Day(2019, 6, 11): 2}

    def test_who_left_is_not_counted(self) -> None:
        people = [*crowd(2), *crowd(3, first=10, left_at=START)]
        plan = foreseen([published(event("a"))], (rule("2w", "2 weeks before at 09:00"),), people)
        assert plan == {Day(2019, 1, 29): 2}

    def test_what_is_due_now_or_before_is_not_foreseen(self) -> None:
        """It would be owed because the date is published now: a wrong year must not foresee itself."""
        rules = (rule("2w", "2 weeks before at 09:00"), rule("3d", "3 days before at 09:00"))
        dated = published(event("a", date("2019-02-12")))
        assert foreseen([dated], rules, crowd(2), after=utc("2019-01-29T08:59")) == {
            Day(2019, 1, 29): 2,
            Day(2019, 2, 9): 2,
        }
        assert foreseen([dated], rules, crowd(2), after=utc("2019-01-29T09:00")) == {Day(2019, 2, 9): 2}

    def test_only_so_far_ahead(self) -> None:
        far = START + HORIZON + timedelta(days=2)
        near = START + HORIZON - timedelta(days=2)
        events = [published(event(when, date(f"{at:%Y-%m-%d}"))) for when, at in (("far", far), ("near", near))]
        assert foreseen(events, (rule("day", "on the day at 08:00"),), crowd(1)) == {near.date(): 1}

    def test_no_event_no_rule_or_nobody_is_no_mail(self) -> None:
        dated, rules = [published(event("a"))], (rule("2w", "2 weeks before at 09:00"),)
        assert foreseen([], rules, crowd(1)) == foreseen(dated, (), crowd(1)) == foreseen(dated, rules, []) == {}

    @settings(deadline=None)  # the first example that counts working days loads the bank holidays
    @given(
        rules=rulebooks(),
        when=st.sampled_from(["2019-02-12", "2019-02-12T09:30", "2019-03-31T02:30", "2019-02-12/2019-02-14"]),
        kinds=st.sampled_from([("course",), (CLOSING.id,)]),
        people=st.lists(st.sampled_from([(), ("a",), ("b",), ("a", "b")]), max_size=6),
    )
    def test_it_is_what_a_simulation_mails_day_by_day(
        self, rules: tuple[Rule, ...], when: str, kinds: tuple[str, ...], people: list[tuple[str, ...]]
    ) -> None:
        dated = published(event("e", *(date(when, kind) for kind in kinds)), known_at=START)
        members = [subscriber(number, joined_at=START, audiences=each) for number, each in enumerate(people, start=1)]
        end = START + timedelta(days=120)
        mailed = simulate([dated], rules, KINDS, members, start=START, end=end, nation="ENG")
        told = Counter(each.due_at.astimezone(UTC).date() for each in mailed if not each.dropped)
        assert foresee([dated], rules, KINDS, members, after=START, until=end, nation="ENG") == told


@pytest.mark.parametrize(
    ("what", "plan", "before", "busiest", "accepted", "surplus"),
    [
        ("a small service never notices", {"d5": 50, "d9": 3}, {}, 0, {"d5": 50, "d9": 3}, {}),
        ("a large one begins: nothing is on record", {"d5": 300, "d9": 20}, {}, 0, {"d9": 20}, {"d5": 300}),
        ("an ordinary event more", {"d5": 600}, {"d5": 300}, 300, {"d5": 600}, {}),
        ("an audience of 10 is one of 1,000", {"d5": 1000}, {"d5": 10}, 10, {"d5": 10}, {"d5": 1000}),
        ("growth to three times the record", {"d5": 900}, {"d5": 300}, 300, {"d5": 900}, {}),
        ("and not beyond", {"d5": 901}, {}, 300, {}, {"d5": 901}),
        ("what exceeds keeps what was accepted", {"d5": 901}, {"d5": 290}, 300, {"d5": 290}, {"d5": 901}),
        ("which may still carry it", {"d5": 1000}, {"d5": 400}, 300, {"d5": 400}, {}),
        ("one bad day does not hold the others", {"d5": 9000, "d6": 100}, {}, 100, {"d6": 100}, {"d5": 9000}),
        ("fewer are accepted", {"d5": 10}, {"d5": 300}, 300, {"d5": 10}, {}),
        ("a day that brings nothing any more is forgotten", {}, {"d5": 300}, 300, {}, {}),
        ("today keeps what it was to bring", {"d5": 10}, {"d1": 300, "d5": 10}, 300, {"d1": 300, "d5": 10}, {}),
        ("today may bring more than it was to", {"d1": 400}, {"d1": 300}, 300, {"d1": 400}, {}),
        ("today too only what is usual", {"d1": 901}, {"d1": 100}, 300, {"d1": 100}, {"d1": 901}),
        ("a plan does not lift its own bound", {"d5": 150, "d6": 400}, {"d7": 150}, 50, {"d5": 150}, {"d6": 400}),
    ],
)  # fmt: skip
def test_what_is_usual_of_a_plan_is_accepted_day_by_day(
    what: str,
    plan: dict[str, int],
    before: dict[str, int],
    busiest: int,
    accepted: dict[str, int],
    surplus: dict[str, int],
) -> None:
    assert accept(days(**plan), days(**before), busiest, BRAKE, TODAY) == (days(**accepted), days(**surplus)), what


def test_a_plan_looked_at_again_is_accepted_no_further() -> None:
    """Else days of 50, 150, 450 … mails would be a ladder on which a wrong plan climbs, one look after the other."""
    plan = days(d2=50, d3=150, d4=450, d5=1350)
    accepted, surplus = accept(plan, {}, 0, BRAKE, TODAY)
    for _ in range(5):
        accepted, surplus = accept(plan, accepted, 0, BRAKE, TODAY)
    assert (accepted, surplus) == (days(d2=50), days(d3=150, d4=450, d5=1350))


@pytest.mark.parametrize(
    ("foreseen", "usual", "share", "limit"),
    [
        (0, 0, 0, 50),
        (16, 0, 0, 50),
        (17, 0, 0, 51),
        (300, 0, 0, 900),
        (0, 300, 0, 900),  # a correction on a quiet day, where 300 mails a day are known
        (300, 20, 0, 900),
        (0, 300, 40, 400),
        (300, 0, 40, 400),
        (400, 0, 40, 400),
        (401, 0, 40, 1203),  # more than the share is accepted: that was an operator's word
        (0, 0, 1, 50),  # a share below what is never held
    ],
)
def test_how_many_mails_a_day_may_bring(foreseen: int, usual: int, share: int, limit: int) -> None:
    assert brake(50, share, people=1000).limit(foreseen, usual) == limit


def test_a_day_that_mails_more_than_the_share_of_all_is_not_accepted_however_usual_it_is() -> None:
    plan = days(d5=300, d6=1000)
    assert accept(plan, {}, 1000, brake(50, 40, people=1000), TODAY) == (days(d5=300), days(d6=1000))
    assert accept(plan, {}, 1000, brake(50, 0, people=1000), TODAY) == (plan, {})


@given(
    plan=st.dictionaries(st.integers(1, 28).map(lambda day: Day(2019, 1, day)), st.integers(1, 5000)),
    before=st.dictionaries(st.integers(1, 28).map(lambda day: Day(2019, 1, day)), st.integers(1, 5000)),
    busiest=st.integers(0, 2000),
    share=st.integers(0, 100),
)
def test_nothing_is_accepted_beyond_the_bound_that_was_not_accepted_before(
    plan: dict[Day, int], before: dict[Day, int], busiest: int, share: int
) -> None:
    bound = brake(50, share, people=1000)
    accepted, surplus = accept(plan, before, busiest, bound, TODAY)
    for day, mails in accepted.items():
        assert mails <= max(50, TIMES * busiest) or mails == before.get(day)
    for day, mails in plan.items():
        assert (day in surplus) == (mails > bound.limit(accepted.get(day, 0)))
    assert accept(plan, accepted, busiest, bound, TODAY) == (accepted, surplus)


def test_a_thousand_events_for_a_thousand_people_are_foreseen_in_a_moment() -> None:
    rules = tuple(rule(f"w{weeks}", f"{weeks} weeks before at 09:00") for weeks in (1, 2, 4, 8))
    first = date("2019-03-01").when.first
    assert first is not None
    events = [published(event(f"e{n}", date(f"{first + timedelta(days=n % 300)}"))) for n in range(1_000)]
    people = crowd(500) + crowd(500, "few", first=501)
    start = time.perf_counter()
    plan = foreseen(events, rules, people)
    assert sum(plan.values()) == 4_000_000
    assert time.perf_counter() - start < 1.5  # 0.1 s when nothing else runs
