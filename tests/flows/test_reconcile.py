"""The nightly reconciliation finds what is missing, stuck or wrongly sent, and never cries wolf."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reminders.clock import SystemClock
from reminders.jobs.health import health
from reminders.jobs.reconcile import Reconciled, nightly, reconcile, report
from reminders.store import pauses
from reminders.store.tables import attempt, history, outbox, subscriber
from tests.builders import utc
from tests.flows.walk import RULES, Walk

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
    assert lines == [
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

GROUPS = """\
audiences:
  all: {label: All, members: [%s]}
  two: {label: Two, follows: {kinds: [%s]}, members: [%s]}
"""
RULEBOOKS = (
    RULES,
    RULES.replace("2 weeks before at 09:00", "10 days before at 09:00"),
    RULES.replace("3 days before at 09:00", "2 weeks before at 10:00"),
    RULES.replace("send: 3 days", "audiences: [two], send: 3 days"),
    RULES.replace("send: 2 weeks", "on_join: latest, send: 2 weeks"),
    RULES.replace("  - {id: course-3d, about: course, send: 3 days before at 09:00}\n", ""),
)
EVENTS = "  - id: talking\n    title: Talking\n    level: %d\n%s    dates: {course: {when: %s%s}}\n"
names = st.lists(st.sampled_from(["amina", "bao", "chloe", "dev"]), unique=True)
deeds = st.one_of(
    st.tuples(
        st.just("event"),
        st.sampled_from(["2019-02-12", "2019-02-05T10:00", "2019-01-30", "2019-02"]),
        st.sampled_from(["", ", status: cancelled", ", status: postponed", ', repeats: "FREQ=WEEKLY;COUNT=4"']),
        st.sampled_from(["", "    rules: {course-2w: off}\n", "    rules: {course-2w: 1 week before at 09:00}\n"]),
        st.sampled_from([1, 2]),
    ),
    st.tuples(st.just("none")),
    st.tuples(st.just("rules"), st.sampled_from(RULEBOOKS)),
    st.tuples(st.just("people"), names, names, st.sampled_from(["course", "applications-close"])),
    st.tuples(st.just("leave"), st.sampled_from(["amina", "bao", "chloe", "dev"])),
    st.tuples(st.just("pass")),
    st.tuples(st.just("refresh")),
    st.tuples(st.just("remind")),
)
steps = st.lists(st.tuples(st.integers(1, 4 * 24 * 60), deeds), min_size=4, max_size=14)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_whatever_staff_people_and_outages_do_there_is_no_false_alarm(
    steps: list[tuple[int, tuple[object, ...]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, Walk(Path(folder)) as walk:
        walk.course("2019-02-12")
        walk.at("2019-01-10T09:00")
        now = utc("2019-01-10T09:00")
        for minutes, deed in steps:
            now += timedelta(minutes=minutes)
            do(walk, deed, now)
            assert found(walk, now.isoformat()) == [], deed


def do(walk: Walk, deed: tuple[object, ...], now: datetime) -> None:
    """What staff, people and the service do."""
    at = now.isoformat()
    match deed:
        case ("event", when, more, rules, level):
            walk.events(EVENTS % (level, rules, when, more))
        case ("none",):
            walk.events("  - {id: other, title: Other}\n")
        case ("rules", str(text)):
            walk.write("rules.yaml", text)
        case ("people", list(first), list(second), kind):
            listed = [", ".join(f"{name}@example.org" for name in group) for group in (first, second)]
            walk.write("audiences.yaml", GROUPS % (listed[0], kind, listed[1]))
        case ("leave", str(name)):
            with walk.store.reading() as tx:
                known = {row.address for row in tx.execute(subscriber.select())}
            if f"{name}@example.org" in known:
                walk.leave(name, at)
        case ("refresh",):
            publish(walk, at)
        case ("remind",):
            walk.remind(at)
        case _:
            publish(walk, at)
            walk.remind(at)
            walk.deliver(at)


def publish(walk: Walk, at: str) -> None:
    """Publish what the files say, unless they do not fit together."""
    from reminders.errors import BadInput

    try:
        walk.refresh(at, release=True)
    except BadInput as error:
        assert "audience" in str(error) or "repeats" in str(error) or "status" in str(error), error
