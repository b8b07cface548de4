"""Owe once, by key; what is dropped and was never sent may be wanted again."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reminders.planning.notices import Reason
from reminders.store import ledger, sending
from reminders.store.engine import Store
from reminders.store.outbox import Owed
from reminders.store.rows import Row
from reminders.store.sending import Ending
from tests.store.builders import (
    NOW,
    begin,
    begin_in,
    claim,
    invite,
    look,
    moved,
    owe,
    recover,
    reminder,
    settle,
    story,
)


def test_owing_the_same_twice_owes_it_once(store: Store) -> None:
    invite(store)
    first = owe(store, reminder(), reminder())
    assert len(first.new) == 1
    assert owe(store, reminder()) == Owed()
    assert story(store, first.new[0]) == [("owed", "")]


def test_what_is_owed_comes_back_as_it_was_decided(store: Store) -> None:
    invite(store)
    notices = [reminder(), moved(), reminder(rule="course-3d", occurrence="second")]
    owed = owe(store, *notices)
    assert [look(store, id).notice for id in owed.new] == notices


def test_rows_are_made_in_the_order_they_are_given(store: Store) -> None:
    people = invite(store, 30)
    owed = owe(store, *(reminder(person) for person in reversed(people)))
    assert list(owed.new) == sorted(owed.new)
    assert [look(store, id).notice.subscriber for id in owed.new] == people[::-1]


def test_a_notice_dropped_by_the_plan_is_recorded_with_its_reason(store: Store) -> None:
    invite(store)
    owed = owe(store, reminder(dropped=Reason.BEFORE_EPOCH))
    assert (owed.new, len(owed.dropped)) == ((), 1)
    assert look(store, owed.dropped[0]).notice.dropped is Reason.BEFORE_EPOCH
    assert story(store, owed.dropped[0]) == [("dropped", "before-epoch")]
    assert claim(store) is None


def test_recording_a_drop_never_overwrites_what_is_owed(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    assert owe(store, reminder(dropped=Reason.SUPERSEDED)) == Owed()
    assert look(store, id).state == "owed"


def test_what_was_dropped_unsent_is_owed_again_when_it_is_wanted_again(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    with store.writing() as tx:
        assert sending.drop(tx, id, Reason.MOVED, NOW)
    later = NOW + timedelta(days=1)
    again = owe(store, reminder(expires_at=NOW + timedelta(days=3)), now=later)
    assert again.new == (id,)
    row = look(store, id)
    assert (row.state, row.reason, row.settled_at, row.owed_at) == ("owed", "", None, later)
    assert row.notice == reminder(expires_at=NOW + timedelta(days=3))
    assert story(store, id) == [("owed", ""), ("dropped", "moved"), ("owed", "")]


def test_what_was_recorded_as_dropped_is_owed_when_it_is_wanted_after_all(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder(dropped=Reason.SUPERSEDED)).dropped
    assert owe(store, reminder()).new == (id,)


def test_what_was_begun_once_is_not_owed_again(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    row = claim(store)
    assert begin(store, row)
    assert settle(store, row, "again")
    with store.writing() as tx:
        assert sending.drop(tx, id, Reason.MOVED, NOW)
    assert owe(store, reminder()) == Owed()
    assert look(store, id).state == "dropped"


def test_what_an_operator_discarded_or_recalled_is_never_owed_again(store: Store) -> None:
    invite(store)
    (first,) = owe(store, reminder()).new
    (second,) = owe(store, reminder(event="other-2019")).new
    with store.writing() as tx:
        assert ledger.discard(tx, [first], now=NOW) == [first]
        assert ledger.recall(tx, events=["other-2019"], now=NOW).ids == (second,)
    assert owe(store, reminder(), reminder(event="other-2019")) == Owed()


@pytest.mark.parametrize("state", ["claimed", "sent", "failed", "held", "uncertain"])
def test_owing_again_leaves_every_other_state_alone(store: Store, state: str) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    if state == "held":
        with store.writing() as tx:
            ledger.hold(tx, [id], now=NOW)
    else:
        row = claim(store)
        if state != "claimed":
            assert begin(store, row)
            settle(store, row, state)  # type: ignore[arg-type]  # the table holds outcomes too
    assert owe(store, reminder()) == Owed()
    assert look(store, id).state == state


def test_more_mails_than_the_limit_are_all_held_for_an_operator(store: Store) -> None:
    people = invite(store, 5)
    dropped = [reminder(person, rule="old", dropped=Reason.EXPIRED) for person in people]  # these are no mails
    owed = owe(store, *dropped, *(reminder(person) for person in people), limit=4)
    assert (len(owed.new), len(owed.held), len(owed.dropped)) == (0, 5, 5)
    assert [(look(store, id).state, look(store, id).reason) for id in owed.held] == [("held", "over-limit")] * 5
    assert owe(store, *(reminder(person) for person in people), limit=5) == Owed()  # nor released by asking again


def test_as_many_mails_as_the_limit_are_owed(store: Store) -> None:
    owed = owe(store, *(reminder(person) for person in invite(store, 5)), limit=5)
    assert (len(owed.new), owed.held) == (5, ())


def test_only_mails_that_are_new_or_owed_again_count_against_the_limit(store: Store) -> None:
    people = invite(store, 4)
    again = owe(store, *(reminder(person, dropped=Reason.SUPERSEDED) for person in people[:2])).dropped
    owe(store, reminder(people[2]))
    owed = owe(store, *(reminder(person) for person in people), limit=3)
    assert (len(owed.new), owed.new[0] in again, owed.held) == (3, True, ())


def test_mails_owed_again_are_held_over_the_limit_too(store: Store) -> None:
    people = invite(store, 3)
    ids = owe(store, *(reminder(person, dropped=Reason.SUPERSEDED) for person in people)).dropped
    owed = owe(store, *(reminder(person) for person in people), limit=1)
    assert (owed.new, owed.held) == ((), ids)


def test_each_call_is_a_batch_that_can_be_released_as_one(store: Store) -> None:
    people = invite(store, 4)
    first = owe(store, *(reminder(person) for person in people), limit=0)
    second = owe(store, *(moved(person) for person in people), limit=0)
    assert look(store, first.held[0]).batch == first.batch != second.batch
    with store.writing() as tx:
        assert ledger.release(tx, batches=[first.batch], now=NOW) == list(first.held)
    assert {look(store, id).state for id in second.held} == {"held"}


def test_the_policy_for_doubt_is_that_of_the_rule(store: Store) -> None:
    invite(store)
    owed = owe(store, reminder(rule="a"), reminder(rule="b"), moved(), policies={"a": "hold"})
    assert [look(store, id).uncertain_policy for id in owed.new] == ["hold", "resend", "resend"]


def test_two_machines_that_owe_the_same_hold_it_once(store: Store) -> None:
    notices = [reminder(person) for person in invite(store, 50)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: owe(store, *notices, limit=30), range(4)))
    assert sorted((len(owed.new), len(owed.held)) for owed in results) == [(0, 0), (0, 0), (0, 0), (0, 50)]


def test_a_thousand_notices_are_owed_in_a_moment(store: Store) -> None:
    notices = [reminder(person) for person in invite(store, 1_000)]
    start = time.perf_counter()
    assert len(owe(store, *notices).new) == 1_000
    first = time.perf_counter() - start
    assert owe(store, *notices) == Owed()
    assert first < 1.5  # 0.05 to 0.2 s when nothing else runs
    with store.reading() as tx:
        assert ledger.counts(tx)["owed"] == 1_000


STEP = st.sampled_from(["owe", "record", "claim", "begin", "sent", "again", "drop", "give back", "crash"])
EXAMPLE = itertools.count(1)
"""The database outlives an example, so each has a rule of its own."""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25))
def test_whatever_happens_a_notice_is_one_row_and_never_begun_after_it_was_sent(store: Store, steps: list[str]) -> None:
    (person,) = invite(store)
    notice = reminder(person, rule=f"rule-{next(EXAMPLE)}")
    row: Row | None = None
    begun, sent, copies = False, False, 0
    for step in steps:
        if step == "owe":
            owe(store, notice)
        elif step == "record":
            owe(store, replace(notice, dropped=Reason.SUPERSEDED))
        elif step == "crash":
            recover(store, "w1", max_attempts=1_000)
            row, begun = None, False
        elif step == "claim" and row is None:
            row = claim(store)
            assert row is None or (row.notice.key == notice.key and not sent)
        elif row is not None and not begun:
            with store.writing() as tx:
                if step == "begin":
                    begun = begin_in(tx, row)
                    assert begun
                    copies += 1
                elif step == "drop":
                    assert sending.drop(tx, row.id, Reason.MOVED, NOW, owner="w1")
                    row = None
                elif step == "give back":
                    ending = Ending(row.id, 0, "released", "nobody there", "", 0)
                    assert sending.settle(tx, [ending], "w1", now=NOW) == {row.id}
                    row = None
        elif row is not None and step in ("sent", "again"):
            assert settle(store, row, "sent" if step == "sent" else "again")
            sent |= step == "sent"
            row, begun = None, False
    recover(store, "w1")
    with store.writing() as tx:
        found = [each for each in ledger.why(tx, notice.event, person) if each.row.notice.rule == notice.rule]
        ledger.discard(tx, [each.row.id for each in found], now=NOW)  # leaves nothing to the next example
    assert len(found) <= 1
    for record in found:
        assert record.row.attempts == copies == len(record.attempts)
        assert (record.row.state == "sent") == sent
        assert len({each.message_id for each in record.attempts}) <= 1
