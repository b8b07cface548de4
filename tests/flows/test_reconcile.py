"""The nightly reconciliation finds what is missing, stuck or wrongly sent, and never cries wolf."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from reminders.clock import SystemClock
from reminders.errors import BadInput
from reminders.jobs.health import health
from reminders.jobs.reconcile import Reconciled, nightly, reconcile, report
from reminders.store import pauses
from reminders.store.tables import attempt, history, outbox, subscriber
from tests.builders import utc
from tests.flows.walk import Walk

DUE = "2019-01-29T09:00"
LATER = "2019-01-30T04:30"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A service that told two people of a course."""
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        walk.at(DUE)
        walk.at(LATER)
        yield walk


def found(walk: Walk, at: str = LATER) -> list[str]:
    """Every difference, as "what: line"."""
    done = reconcile(walk.service, utc(at))
    return [f"{each.what}: {line}" for each in done.differences for line in each.lines]


def change(walk: Walk, **columns: object) -> None:
    """Change the first row of the outbox by hand."""
    with walk.store.writing() as tx:
        tx.execute(outbox.update().where(outbox.c.id == 1).values(columns))


def delete(walk: Walk, *ids: int) -> None:
    """Delete rows by hand."""
    with walk.store.writing() as tx:
        for table, column in ((history, history.c.outbox), (attempt, attempt.c.outbox), (outbox, outbox.c.id)):
            tx.execute(table.delete().where(column.in_(ids)))


def test_what_went_as_it_should_is_no_difference(walk: Walk) -> None:
    done = reconcile(walk.service, utc(LATER))
    assert (done.expected, done.number, done.failed) == (2, 0, 0)
    assert report(done, utc(LATER)) is None


def test_rows_that_were_deleted_by_hand_are_reported_by_event_rule_and_number(walk: Walk) -> None:
    delete(walk, 2)
    assert found(walk) == [
        "owed by the files, and in no state in the outbox: "
        "talking course course-2w to subscriber 2, due 2019-01-29 09:00 UTC"
    ]
    delete(walk, 1)
    assert len(found(walk)) == 2


def test_what_a_planner_left_out_is_reported(walk: Walk) -> None:
    """As if a pass had gone by without seeing what became due in it."""
    walk.events("  - {id: lead, title: Leading, dates: {course: 2019-02-14}}\n")
    walk.refresh("2019-01-30T09:00", release=True)
    walk.remind("2019-01-30T09:01")
    from reminders.jobs.refresh import REMINDED_UNTIL
    from reminders.store import state

    with walk.store.writing() as tx:
        state.put(tx, REMINDED_UNTIL, utc("2019-01-31T10:00"))
    lines = found(walk, "2019-01-31T10:00")
    assert [line.partition(": ")[2] for line in lines] == [
        f"lead course course-2w to subscriber {number}, due 2019-01-31 09:00 UTC" for number in (1, 2)
    ]


def test_what_should_have_gone_longer_than_a_week_ago_is_history(walk: Walk) -> None:
    delete(walk, 1, 2)
    walk.remind("2019-02-07T08:00")
    assert found(walk, "2019-02-07T08:00") == []


def test_what_waits_for_more_than_an_hour_is_reported_unless_the_service_is_paused(walk: Walk) -> None:
    change(walk, state="owed", owed_at=utc("2019-01-30T03:31"))
    assert found(walk) == []
    change(walk, owed_at=utc("2019-01-30T03:29"))
    assert found(walk) == [
        "owed for more than an hour, and not sent: "
        "notice 1: talking course course-2w to subscriber 1, due 2019-01-29 09:00 UTC"
    ]
    change(walk, next_at=SystemClock().now() + timedelta(minutes=5))
    assert found(walk) == [], "one full mailbox"
    change(walk, next_at=None)
    with walk.store.writing() as tx:
        pauses.pause(tx, "", utc(LATER))
    assert found(walk) == []


def test_a_row_in_hand_beyond_its_lease_and_a_try_without_end_are_reported(walk: Walk) -> None:
    change(walk, state="sending", lease_until=SystemClock().now() - timedelta(minutes=11), owner="gone")
    assert [line.partition(":")[0] for line in found(walk)] == ["in hand of a worker that is gone"]
    change(walk, state="sent", lease_until=None, owner="")
    assert found(walk) == []
    with walk.store.writing() as tx:
        tx.execute(attempt.update().where(attempt.c.outbox == 1).values(outcome="", ended_at=None))
    assert [line.partition(":")[0] for line in found(walk)] == ["at rest, with a try that has no end"]


def test_a_mail_to_somebody_who_had_left_or_after_its_use_is_reported(walk: Walk) -> None:
    with walk.store.writing() as tx:
        tx.execute(subscriber.update().where(subscriber.c.id == 1).values(left_at=utc("2019-01-29T08:30")))
    assert [line.partition(":")[0] for line in found(walk)] == ["sent to somebody who had left"]
    with walk.store.writing() as tx:
        tx.execute(subscriber.update().values(left_at=None))
        tx.execute(attempt.update().where(attempt.c.outbox == 2).values(started_at=utc("2019-02-09T09:11")))
    assert [line.partition(":")[0] for line in found(walk)] == ["sent when they were of no use any more"]


def test_a_mail_that_no_rule_and_no_date_is_behind_is_reported(walk: Walk) -> None:
    change(walk, rule="course-3w")
    lines = found(walk)
    assert (
        [line.partition(":")[0] for line in lines]
        == [
            "owed by the files, and in no state in the outbox",  # no: its key tells the rule it was owed for
            "sent, and nothing in the files says so",
        ][1:]
    )
    change(walk, rule="course-2w", due_at=utc("2019-01-28T09:00"))
    assert [line.partition(":")[0] for line in found(walk)] == ["sent, and nothing in the files says so"]


# What the operator is told


def test_failures_since_the_last_night_belong_to_the_report_and_name_no_address(walk: Walk) -> None:
    change(walk, state="failed", reply="550 5.1.1 amina@example.org unknown", settled_at=utc("2019-01-29T12:00"))
    done = reconcile(walk.service, utc(LATER))
    told = report(done, utc(LATER))
    assert told is not None
    subject, lines = told
    assert subject == "reconciliation: 1 x mail not sent or in doubt"
    assert list(lines) == [
        "Looked at on 30 January 2019 04:30 UTC; reminders looked for: 2.",
        "",
        "1 failed: `reminders outbox list failed` prints why:",
        "- notice 1: talking course course-2w to subscriber 1, due 2019-01-29 09:00 UTC",
    ]
    assert reconcile(walk.service, utc(LATER), failed_since=utc("2019-01-29T12:00")).failed == 0


def test_a_night_is_looked_at_once_and_what_differed_is_remembered(walk: Walk) -> None:
    delete(walk, 1)
    done = nightly(walk.service, utc(LATER))
    assert done is not None
    assert done.number == 1
    (warning,) = health(walk.service, utc(LATER)).warnings
    assert warning == "Differences found last night: 1. `reminders reconcile` lists them."
    assert nightly(walk.service, utc("2019-01-30T23:59")) is None
    assert nightly(walk.service, utc("2019-01-31T03:59")) is None
    walk.remind("2019-02-07T04:00")
    again = nightly(walk.service, utc("2019-02-07T04:00"))
    assert again == Reconciled()
    assert health(walk.service, utc("2019-02-07T04:00")).warnings == ()


# It never cries wolf

MORE = ("", ", audiences: [one]", ", audiences: [two]", ", on_join: latest")
SENDS = ("12 days", "10 days", "1 week", "4 days", "2 days")
GROUPS = """\
audiences:
  one: {label: One, follows: {%s}, members: [%s]}
  two: {label: Two, follows: {kinds: [course]}, members: [%s]}
"""
EVENT = "  - id: talking\n    title: Talking\n    level: %d\n%s    dates: {course: {when: %s%s}}\n"
NOTHING = "  - {id: other, title: Other}\n"
BEGUN = "2019-01-24T09:00"


def rulebook(*rules: tuple[str, str]) -> str:
    """Rules for courses: how long before each is sent, at 09:00, and what else stands in it."""
    line = "  - {id: before-%s, about: course, send: %s before at 09:00%s}\n"
    lines = (line % (send.replace(" ", "-"), send, more) for send, more in rules)
    return "kinds:\n  course: {label: Course}\nrules:\n" + "".join(lines)


def groups(one: list[str], two: list[str], follows: str = "kinds: [course]") -> str:
    """The members of two audiences, of which the first follows what is said. Zoe is where nobody else is."""
    listed = [", ".join(f"{name}@example.org" for name in names or ["zoe"]) for names in (one, two)]
    return GROUPS % (follows, *listed)


def begin(walk: Walk, rules: str, people: str, event: str = EVENT % (1, "", "2019-02-06", "")) -> None:
    """A service at its beginning, with a course on 6 February: two weeks before it is 23 January."""
    walk.write("rules.yaml", rules)
    walk.write("audiences.yaml", people)
    walk.events(event)
    walk.at(BEGUN)


def owed(walk: Walk, person: int) -> list[str]:
    """The rules by which somebody was owed something."""
    return [row.notice.rule for row in walk.rows() if row.notice.subscriber == person]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path) as walk:
        yield walk


def test_a_rule_whose_new_time_has_passed_owes_nothing_by_design(fresh: Walk) -> None:
    begin(fresh, rulebook(("2 days", "")), groups(["amina"], []))
    fresh.at("2019-01-29T10:00")
    fresh.write("rules.yaml", rulebook(("10 days", ""), ("2 days", "")))  # 27 January
    fresh.at("2019-01-29T11:00")
    assert owed(fresh, 1) == []
    assert found(fresh, "2019-01-29T12:00") == []


def test_a_rule_that_an_event_alters_for_itself_owes_nothing_for_the_time_before(fresh: Walk) -> None:
    begin(fresh, rulebook(("2 days", "")), groups(["amina"], []))
    fresh.at("2019-01-29T10:00")
    fresh.events(EVENT % (1, "    rules: {before-2-days: 10 days before at 09:00}\n", "2019-02-06", ""))
    fresh.at("2019-01-29T11:00")
    assert found(fresh, "2019-01-29T12:00") == []


def test_what_an_audience_comes_to_follow_is_not_owed_for_the_time_before(fresh: Walk) -> None:
    begin(fresh, rulebook(("10 days", "")), groups(["amina"], [], follows="levels: [2]"))
    fresh.at("2019-01-29T10:00")
    fresh.write("audiences.yaml", groups(["amina"], [], follows="levels: [1]"))
    fresh.at("2019-01-29T11:00")
    assert found(fresh, "2019-01-29T12:00") == []


def test_who_comes_into_another_audience_is_not_owed_what_its_rules_sent_before(fresh: Walk) -> None:
    begin(fresh, rulebook(("10 days", ", audiences: [two]")), groups(["amina"], ["bao"]))
    fresh.at("2019-01-29T10:00")
    fresh.write("audiences.yaml", groups(["amina"], ["amina", "bao"]))
    fresh.at("2019-01-29T11:00")
    fresh.write("audiences.yaml", groups([], ["amina", "bao"]))
    fresh.at("2019-01-29T12:00")
    assert (owed(fresh, 1), owed(fresh, 2)) == ([], ["before-10-days"])
    assert found(fresh, "2019-01-29T13:00") == []


def test_who_leaves_an_audience_is_not_owed_what_its_rules_had_made_useless(fresh: Walk) -> None:
    """Ten days before was of no use when the date became known, as one week before was due, and is for audience two."""
    begin(fresh, rulebook(("10 days", ""), ("1 week", ", audiences: [two]")), groups(["amina"], ["amina"]), NOTHING)
    fresh.events(EVENT % (1, "", "2019-02-06", ""))
    fresh.at("2019-01-30T10:00")
    assert owed(fresh, 1) == ["before-1-week"]
    fresh.write("audiences.yaml", groups(["amina"], []))
    fresh.at("2019-01-30T11:00")
    assert found(fresh, "2019-01-30T12:00") == []


def test_what_was_of_no_use_when_the_person_came_is_not_owed(fresh: Walk) -> None:
    begin(fresh, rulebook(("10 days", ""), ("1 week", "")), groups(["amina"], []))
    fresh.at("2019-01-30T09:00")
    fresh.write("audiences.yaml", groups(["amina", "bao"], []))
    fresh.at("2019-01-30T10:00")
    assert owed(fresh, 1) == ["before-10-days", "before-1-week"]
    assert owed(fresh, 3) == ["before-1-week"], "and to her it is told why it is not sent"
    assert found(fresh, "2019-01-30T12:00") == []


def test_a_store_of_an_earlier_version_is_judged_from_the_next_night_on(fresh: Walk) -> None:
    from reminders.jobs.ruling import RULED
    from reminders.store import state

    begin(fresh, rulebook(("10 days", ""), ("1 week", "")), groups(["amina"], []))
    fresh.at("2019-01-28T09:00")
    with fresh.store.writing() as tx:
        state.put(tx, RULED, None)
    delete(fresh, 1)
    assert found(fresh, "2019-01-28T10:00") == []
    assert nightly(fresh.service, utc("2019-01-29T04:00")) == Reconciled()
    fresh.at("2019-01-30T09:00")
    delete(fresh, *(row.id for row in fresh.rows()))
    assert [line.partition(": ")[2] for line in found(fresh, "2019-01-30T10:00")] == [
        f"talking course before-1-week to subscriber {number}, due 2019-01-30 09:00 UTC" for number in (1, 2)
    ]


names = st.lists(st.sampled_from(["amina", "bao"]), unique=True)
rulebooks = st.lists(
    st.tuples(st.sampled_from(SENDS), st.sampled_from(MORE)), unique_by=lambda rule: rule[0], max_size=3
).flatmap(lambda rules: st.sampled_from(MORE).map(lambda more: rulebook(("2 weeks", more), *rules)))
people = st.builds(groups, names, names, st.sampled_from(["kinds: [course]", "levels: [1]", "levels: [2]"]))
happenings = st.builds(
    lambda *facts: EVENT % facts,
    st.sampled_from([1, 2]),
    st.sampled_from(
        ["", "    rules: {before-2-weeks: off}\n", "    rules: {before-2-weeks: 9 days before at 09:00}\n"]
    ),
    st.sampled_from(["2019-02-06", "2019-02-09T10:00", "2019-02-02", "2019-02"]),
    st.sampled_from(["", ", status: cancelled", ', repeats: "FREQ=WEEKLY;COUNT=3"']),
)
deeds = st.one_of(
    st.tuples(st.just("events"), st.one_of(happenings, st.just(NOTHING))),
    st.tuples(st.just("rules"), rulebooks),
    st.tuples(st.just("people"), people),
    st.tuples(st.just("leave"), st.sampled_from(["amina", "bao"])),
    st.tuples(st.just("refresh"), st.just("")),
    st.tuples(st.just("remind"), st.just("")),
)
steps = st.lists(st.tuples(st.integers(1, 3 * 24 * 60), deeds, st.booleans()), min_size=3, max_size=9)


@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(rules=rulebooks, listed=people, steps=steps)
def test_whatever_staff_people_and_outages_do_there_is_no_false_alarm(
    rules: str, listed: str, steps: list[tuple[int, tuple[str, str], bool]]
) -> None:
    """After each deed there may be a pass at once, or an outage until the next one."""
    with tempfile.TemporaryDirectory() as folder, Walk(Path(folder)) as walk:
        begin(walk, rules, listed)
        now = utc(BEGUN)
        for minutes, deed, passes in [*steps, (60, ("remind", ""), True)]:
            now += timedelta(minutes=minutes)
            do(walk, deed, now)
            if passes:
                publish(walk, now)
                walk.remind(now.isoformat())
                walk.deliver(now.isoformat())
            assert found(walk, now.isoformat()) == [], deed


def do(walk: Walk, deed: tuple[str, str], now: datetime) -> None:
    """What staff, people and the service do."""
    match deed:
        case ("events", text):
            walk.events(text)
        case ("rules", text):
            walk.write("rules.yaml", text)
        case ("people", text):
            walk.write("audiences.yaml", text)
        case ("leave", name):
            with walk.store.reading() as tx:
                known = set(tx.execute(select(subscriber.c.address)).scalars())
            if f"{name}@example.org" in known:
                walk.leave(name, now.isoformat())
        case ("refresh", _):
            publish(walk, now)
        case _:
            walk.remind(now.isoformat())


def publish(walk: Walk, now: datetime) -> None:
    """Publish what the files say. What does not fit together changes nothing, as anywhere."""
    with suppress(BadInput):
        walk.refresh(now.isoformat(), release=True)
