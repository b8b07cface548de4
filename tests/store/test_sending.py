"""Claim, fence, settle; leases and what is taken back; told. One worker after the other: see test_crowds for many."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminders.planning.notices import Notice, Reason, Told
from reminders.store import claiming, events, ledger, outbox, packing, people, sending
from reminders.store.engine import Store
from reminders.store.rows import Row
from reminders.store.sending import Ending, Message
from tests.builders import date, event
from tests.store.builders import (
    LEASE,
    NEW,
    NOW,
    OLD,
    WALL,
    audience,
    begin,
    claim,
    claim_many,
    invite,
    look,
    moved,
    owe,
    recover,
    reminder,
    send,
    settle,
    story,
    token_for,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def _leave(store: Store, person: int) -> bool:
    with store.writing() as tx:
        return people.leave(tx, person, "page", NOW)


def _told(store: Store, *ids: str) -> list[Told]:
    with store.reading() as tx:
        return outbox.told(tx, events=ids or None)


def test_what_expires_first_is_claimed_first(store: Store) -> None:
    invite(store)
    late, soon = reminder(rule="late", expires_at=NOW + 9 * MINUTE), reminder(rule="soon", expires_at=NOW + MINUTE)
    owe(store, late, reminder(rule="later", expires_at=NOW + 90 * MINUTE), soon)
    order = []
    while row := claim(store):
        order.append(row.notice.rule)
        assert begin(store, row)
        assert settle(store, row, "sent")
    assert order == ["soon", "late", "later"]


def test_one_person_has_one_mail_in_hand_at_a_time(store: Store) -> None:
    """What the first told is known when the second is asked whether it is still wanted."""
    invite(store, 2)
    owe(store, *(reminder(person, rule=rule) for person in (1, 2) for rule in ("first", "second")))
    rows = claim_many(store, "w1", 10)
    assert [(row.notice.subscriber, row.notice.rule) for row in rows] == [(1, "first"), (2, "first")]
    assert claim(store, "w2") is None
    assert begin(store, rows[1])
    assert claim(store, "w2") is None
    assert settle(store, rows[1], "sent")
    following = claim(store, "w2")
    assert following is not None
    assert (following.notice.subscriber, following.notice.rule) == (2, "second")


def test_a_mail_domain_has_no_more_in_hand_than_it_may(store: Store) -> None:
    everybody = audience("1@a.org", "2@A.org", "3@a.org", "4@b.org", "5@b.org")
    with store.writing() as tx:
        people.sync(tx, [everybody], token_for, NOW)
    owe(store, *(reminder(person) for person in range(1, 6)))

    def claimed(owner: str, per_domain: int) -> list[int]:
        return [row.notice.subscriber for row in claim_many(store, owner, 10, per_domain=per_domain)]

    assert claimed("w1", 1) == [1, 4]
    assert claimed("w2", 1) == []
    assert claimed("w2", 2) == [2, 5]
    assert claimed("w3", 0) == [3]


def test_a_row_that_workers_died_of_is_claimed_alone_and_given_up_in_the_end(store: Store) -> None:
    """What kills its worker before it is begun costs the others nothing."""
    people = invite(store, 5)
    owe(store, *(reminder(person) for person in people))
    poison = 3
    for death in range(1, sending.DEATHS + 1):
        while rows := claim_many(store, "w1", 10):
            if any(row.id == poison for row in rows):
                assert death == 1 or len(rows) == 1
                recover(store, "w1")
                break
            for row in rows:
                assert begin(store, row)
                assert settle(store, row, "sent")
    kept = look(store, poison)
    assert (kept.state, kept.attempts, kept.deaths) == ("failed", 0, sending.DEATHS)
    assert "10 times" in kept.reply
    while left := claim(store):
        assert begin(store, left)
        assert settle(store, left, "sent")
    assert {look(store, id).state for id in (1, 2, 4, 5)} == {"sent"}


def test_a_renewed_claim_is_kept_and_what_was_begun_is_not_renewed(store: Store) -> None:
    invite(store, 2)
    owe(store, reminder(1), reminder(2))
    waiting, begun = claim_many(store, "w1", 2)
    assert begin(store, begun)
    later = WALL + LEASE - MINUTE
    with store.writing() as tx:
        sending.renew(tx, "w1", wall_now=later, lease=LEASE)
    assert recover(store, wall=WALL + LEASE) == 1
    assert (look(store, waiting.id).state, look(store, begun.id).reason) == ("claimed", "in-doubt")


def test_only_what_is_due_in_event_time_is_claimed(store: Store) -> None:
    invite(store)
    owe(store, reminder(due_at=NOW + MINUTE))
    assert claim(store, now=NOW) is None
    assert claim(store, now=NOW + MINUTE) is not None


def test_what_waits_for_another_try_is_claimed_when_wall_time_has_come(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert settle(store, row, "again", next_at=WALL + MINUTE)  # refused before DATA: nothing was begun
    assert claim(store, wall=WALL) is None
    again = claim(store, wall=WALL + MINUTE)
    assert again is not None
    assert (again.attempts, again.tries, again.reply) == (0, 1, "4.2.0 greylisted")


def test_a_mail_goes_from_owed_to_sent_and_every_step_is_kept(store: Store) -> None:
    invite(store)
    id = send(store, reminder())
    row = look(store, id)
    assert (row.state, row.attempts, row.owner, row.lease_until, row.settled_at) == ("sent", 1, "", None, NOW)
    assert (row.reply, row.body, row.composed_at) == ("2.0.0 Ok", None, NOW)
    assert story(store, id) == [("owed", ""), ("sent", "sent dot 250 2.0.0 Ok")]
    with store.reading() as tx:
        record = ledger.show(tx, id)
    assert record is not None
    (attempt,) = record.attempts
    assert (attempt.number, attempt.owner, attempt.outcome, attempt.code) == (1, "w1", "sent", 250)
    assert attempt.message_id == row.message_id != ""
    assert claim(store) is None


def test_message_id_and_bytes_are_those_of_the_last_attempt(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert row is not None
    assert (row.body, row.message_id) == (None, "")
    assert begin(store, row, body=b"first\r\n" * 1_000)
    assert settle(store, row, "again")
    second = claim(store)
    assert second is not None
    assert (second.body, second.attempts) == (b"first\r\n" * 1_000, 1)
    with store.writing() as tx:
        other = Message(second.id, "<other@example.org>", packing.pack(b"other"), NOW + MINUTE)
        assert sending.begin(tx, [other], "w1", now=NOW, wall_now=WALL, lease=LEASE) == {second.id}
    kept = look(store, second.id)
    assert (kept.body, kept.message_id, kept.composed_at) == (b"other", "<other@example.org>", NOW + MINUTE)
    with store.reading() as tx:
        record = ledger.show(tx, second.id)
    assert record is not None
    assert [each.message_id for each in record.attempts] == [second.message_id, "<other@example.org>"]


def test_the_fence_stands_only_for_whoever_has_the_claim(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store, "w1")
    assert not begin(store, row, "w2")
    assert begin(store, row, "w1")
    assert not begin(store, row, "w1")  # nor twice


def test_nothing_is_begun_for_whoever_left(store: Store) -> None:
    (person,) = invite(store)
    owe(store, reminder(person))
    row = claim(store)
    assert row is not None
    assert _leave(store, person)
    assert not begin(store, row)
    assert story(store, row.id) == [("owed", ""), ("dropped", "unsubscribed")]
    assert (look(store, row.id).attempts, claim(store)) == (0, None)


def test_a_claim_is_given_back_without_an_attempt_when_nobody_answers(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    assert claim(store) is not None
    row = look(store, id)
    assert not settle(store, row, "released", "w2", next_at=WALL)
    assert settle(store, row, "released", "w1", next_at=WALL + MINUTE)
    row = look(store, id)
    assert (row.state, row.attempts, row.owner, row.reply) == ("owed", 0, "", "connection refused")
    assert claim(store) is None
    assert claim(store, wall=WALL + MINUTE) is not None


def test_a_mail_that_cannot_be_composed_fails_alone_and_without_an_attempt(store: Store) -> None:
    people = invite(store, 2)
    owe(store, *(reminder(person) for person in people))
    first, second = claim(store, "w1"), claim(store, "w2")
    assert settle(store, first, "failed", "w1")
    assert begin(store, second, "w2")
    assert first is not None
    assert (look(store, first.id).state, look(store, first.id).attempts) == ("failed", 0)


def test_what_was_never_begun_cannot_have_been_sent(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    with pytest.raises(ValueError, match="never begun"):
        settle(store, row, "sent")


def test_a_claim_whose_lease_ran_out_is_owed_again(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    claim(store)
    assert recover(store, wall=WALL + LEASE - MINUTE) == 0
    assert recover(store, wall=WALL + LEASE) == 1
    assert (look(store, id).state, look(store, id).attempts) == ("owed", 0)
    assert story(store, id) == [("owed", "")]


def test_a_worker_that_slept_through_its_lease_may_begin_nothing(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    sleeper = claim(store, "w1")
    recover(store, wall=WALL + LEASE)
    other = claim(store, "w2")
    assert not begin(store, sleeper, "w1")
    assert begin(store, other, "w2")


def test_the_fence_starts_the_lease_anew(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert begin(store, row, wall=WALL + LEASE - MINUTE)
    assert recover(store, wall=WALL + LEASE) == 0


def test_claims_of_a_dead_worker_are_taken_back_at_once_and_no_others(store: Store) -> None:
    invite(store, 3)
    owe(store, *(reminder(person) for person in (1, 2, 3)))
    for owner in ("host:1:aa", "host:1:ab", "host:2:aa"):
        claim(store, owner)
    with store.reading() as tx:
        assert sending.owners(tx) == ["host:1:aa", "host:1:ab", "host:2:aa"]
    assert recover(store, "host:1:aa", "host:2:aa") == 2
    with store.reading() as tx:
        assert sending.owners(tx) == ["host:1:ab"]


def _crash_after_the_fence(store: Store, **policies: str) -> Row:
    owe(store, reminder(), policies=policies)
    row = claim(store)
    assert begin(store, row)
    recover(store, "w1")
    assert row is not None
    return row


def test_what_was_being_sent_at_a_crash_is_sent_again_as_the_same_bytes(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    again = claim(store, "w2")
    assert again is not None
    assert (again.body, again.reason, again.attempts) == (b"the mail", "in-doubt", 1)
    assert story(store, row.id) == [("owed", ""), ("owed", "in-doubt")]
    assert begin(store, again, "w2")
    assert settle(store, again, "sent", "w2")
    assert (look(store, row.id).state, look(store, row.id).reason) == ("sent", "")


def test_a_rule_may_hold_what_is_in_doubt(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store, **{"course-2w": "hold"})
    assert (look(store, row.id).state, look(store, row.id).body) == ("uncertain", b"the mail")
    assert claim(store) is None


def test_a_message_that_kills_its_worker_each_time_rests_after_its_attempts(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    for _ in range(2):
        assert begin(store, claim(store))
        recover(store, "w1")
    assert (look(store, row.id).state, look(store, row.id).attempts) == ("uncertain", 3)
    assert claim(store) is None


def test_a_lost_answer_is_sent_again_later_or_rests(store: Store) -> None:
    people = invite(store, 2)
    owe(store, *(reminder(person) for person in people))
    first, second = claim(store, "w1"), claim(store, "w2")
    assert begin(store, first, "w1")
    assert begin(store, second, "w2")
    assert settle(store, first, "uncertain", "w1", next_at=WALL + MINUTE)
    assert settle(store, second, "uncertain", "w2")
    assert first is not None
    assert second is not None
    assert (look(store, first.id).state, look(store, second.id).state) == ("owed", "uncertain")
    assert {(each.subscriber, each.fact) for each in _told(store)} == {(person, OLD) for person in people}


def test_a_message_known_to_be_sent_is_recorded_whoever_has_the_row(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    other = claim(store, "w2")
    assert settle(store, row, "sent", "w1") is False  # not its row any more, but a fact
    assert look(store, row.id).state == "sent"
    assert not begin(store, other, "w2")
    assert claim(store) is None


@pytest.mark.parametrize("end", ["again", "failed", "uncertain"])
def test_a_worker_that_lost_its_row_settles_nothing_else(store: Store, end: str) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    assert not settle(store, row, end, "w1")  # type: ignore[arg-type]  # the parameter holds outcomes
    assert look(store, row.id).state == "owed"


def test_what_a_late_worker_knows_replaces_the_doubt_about_its_attempt(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    assert len(_told(store)) == 1
    settle(store, row, "failed", "w1")
    assert _told(store) == []


def test_a_sent_message_stays_sent_when_its_second_copy_fails(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    other = claim(store, "w2")
    assert begin(store, other, "w2")
    settle(store, row, "sent", "w1")
    assert not settle(store, other, "failed", "w2")
    assert look(store, row.id).state == "sent"


def test_a_refusal_does_not_undo_the_doubt_about_an_earlier_attempt(store: Store) -> None:
    invite(store)
    row = _crash_after_the_fence(store)
    again = claim(store, "w1")
    assert settle(store, again, "failed", "w1")  # refused before DATA
    assert look(store, row.id).state == "failed"
    assert [told.fact for told in _told(store)] == [OLD]


def test_a_worker_drops_only_what_it_has_and_nobody_what_is_being_sent(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    row = claim(store, "w1")
    with store.writing() as tx:
        assert not sending.drop(tx, id, Reason.MOVED, NOW, owner="w2")
    assert begin(store, row, "w1")
    with store.writing() as tx:
        assert not sending.drop(tx, id, Reason.MOVED, NOW)
        assert not sending.drop(tx, id, Reason.MOVED, NOW, owner="w1")
    settle(store, row, "sent")
    with store.writing() as tx:
        assert not sending.drop(tx, id, Reason.MOVED, NOW)


def test_what_was_told_is_what_the_last_mail_said(store: Store) -> None:
    invite(store)
    send(store, reminder())
    id = send(store, moved())
    assert _told(store) == [Told(1, "talking-2019", "course", "", NEW, look(store, id).message_id)]


def test_the_last_mail_is_the_one_sent_last_not_the_one_owed_last(store: Store) -> None:
    invite(store)
    (first,) = owe(store, reminder()).new
    with store.writing() as tx:
        sending.drop(tx, first, Reason.MOVED, NOW)
    send(store, moved())
    send(store, reminder())  # moved back: the old row is owed again
    assert [told.fact for told in _told(store)] == [OLD]


def test_nothing_is_told_by_what_did_not_arrive(store: Store) -> None:
    invite(store)
    send(store, reminder(), "failed")
    owe(store, moved())
    row = claim(store)
    assert begin(store, row)  # and is under way
    assert _told(store) == []


def test_what_was_told_is_asked_for_by_event_and_by_person_and_date(store: Store) -> None:
    people = invite(store, 2)
    for person in people:
        send(store, reminder(person))
    send(store, reminder(event="other-2019"))
    send(store, reminder(occurrence="second"))
    assert {(each.subscriber, each.occurrence) for each in _told(store, "talking-2019")} == {
        (1, ""),
        (1, "second"),
        (2, ""),
    }
    assert _told(store, "none-2019") == []
    with store.reading() as tx:
        mine, other = moved(2), moved(2, occurrence="second")
        told = outbox.told_before(tx, [mine, other])
    assert [(each.subscriber, each.fact) for each in told[mine.key]] == [(2, OLD)]
    assert told[other.key] == ()


def test_the_mails_before_a_notice_are_those_about_its_date(store: Store) -> None:
    invite(store)
    ids = [send(store, reminder()), send(store, reminder(rule="course-3d"))]
    owe(store, moved())
    with store.reading() as tx:
        (before,) = outbox.told_before(tx, [moved()]).values()
    assert [each.message_id for each in before] == [look(store, id).message_id for id in ids]


def test_change_notices_are_open_from_the_change_until_the_next_unless_dropped(store: Store) -> None:
    invite(store, 3)
    with store.writing() as tx:
        events.publish(tx, event("talking-2019", date("2019-02-12")), NOW - 2 * MINUTE)
        events.publish(tx, event("talking-2019", date("2019-02-19")), NOW)
    owe(store, moved(1), moved(2), moved(3), reminder(1, fact=NEW))
    owe(store, moved(2, fact="2019-02-13 Europe/London planned", occurrence="second"), now=NOW)
    settle_all = claim(store)
    assert begin(store, settle_all)
    settle(store, settle_all, "sent")
    with store.writing() as tx:
        (third,) = [row.id for row in ledger.listing(tx) if row.notice == moved(3)]
        sending.drop(tx, third, Reason.EXPIRED, NOW)
        found = outbox.open_change_notices(tx, ["talking-2019"])
        assert found == {(1, "talking-2019", "course", ""), (2, "talking-2019", "course", "")}
        assert outbox.open_change_notices(tx, ["other-2019"]) == set()
        events.publish(tx, event("talking-2019", date("2019-02-26")), NOW + MINUTE)
        assert outbox.open_change_notices(tx, ["talking-2019"]) == set()


def test_leaving_stops_what_is_owed_even_after_a_return_to_the_files(store: Store) -> None:
    (person,) = invite(store)
    _leave(store, person)
    with store.writing() as tx:
        people.sync(tx, [audience("PERSON00000@example.org")], token_for, NOW)
    owe(store, reminder(person))
    assert not begin(store, claim(store))


def _late(person: int, *rules: str, **facts: object) -> list[Notice]:
    return [
        reminder(person, rule=rule, due_at=NOW - 2 * HOUR, expires_at=NOW + (1 + nth) * HOUR, **facts)
        for nth, rule in enumerate(rules)
    ]


def _claim_messages(store: Store, owner: str = "w1", *, most: int = 10, per_person: int = 0) -> list[list[int]]:
    with store.writing() as tx:
        found = claiming.claim(tx, owner, now=NOW, wall_now=WALL, lease=LEASE, most=most, per_person=per_person)
    return [[row.id for row in message] for message in found]


def test_more_than_three_late_reminders_to_one_person_are_one_message(store: Store) -> None:
    invite(store, 2)
    owe(store, *_late(1, "a", "b", "c", "d"), *_late(2, "a", "b", "c"))
    assert _claim_messages(store) == [[1, 2, 3, 4], [5]]


def test_what_is_in_time_or_was_tried_before_or_is_news_goes_by_itself(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c"), reminder(rule="in-time"), moved(due_at=NOW - 2 * HOUR, event="other"))
    assert _claim_messages(store) == [[1]]


def test_a_message_of_several_rows_is_begun_and_ends_as_one(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c", "d"))
    (message,) = _claim_messages(store)
    messages = [Message(id, "<digest@example.org>", packing.pack(b"all"), NOW) for id in message]
    with store.writing() as tx:
        assert sending.begin(tx, messages, "w1", now=NOW, wall_now=WALL, lease=LEASE) == {1, 2, 3, 4}
    recover(store, "w1")
    assert {look(store, id).reason for id in message} == {"in-doubt"}
    assert _claim_messages(store, "w2") == [[1, 2, 3, 4]], "the same bytes, for the same rows"
    with store.writing() as tx:
        sending.begin(tx, messages, "w2", now=NOW, wall_now=WALL, lease=LEASE)
        sending.settle(tx, [Ending(id, 2, "sent", "ok", "dot", 250) for id in message], "w2", now=NOW)
    assert {look(store, id).state for id in message} == {"sent"}
    assert [each.message_id for each in _told(store)] == ["<digest@example.org>"]


def test_a_message_of_several_rows_is_not_begun_if_one_is_gone(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c", "d"))
    (message,) = _claim_messages(store)
    with store.writing() as tx:
        assert sending.drop(tx, 3, Reason.CANCELLED, NOW)
        messages = [Message(id, "<digest@example.org>", packing.pack(b"all"), NOW) for id in message]
        assert sending.begin(tx, messages, "w1", now=NOW, wall_now=WALL, lease=LEASE) == set()
    assert {look(store, id).state for id in (1, 2, 4)} == {"claimed"}


def test_forty_late_reminders_go_as_one_message_and_the_rest_as_the_next(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, *(f"rule-{number}" for number in range(50))))
    (message,) = _claim_messages(store)
    assert message == list(range(1, 41))


def test_what_one_person_may_not_get_today_waits_until_there_is_room(store: Store) -> None:
    invite(store, 2)
    for rule in ("a", "b"):
        send(store, reminder(1, rule=rule))
    owe(store, reminder(1, rule="c"), reminder(2, rule="c"))
    assert _claim_messages(store, per_person=2) == [[4]], "nobody else waits"
    waiting = look(store, 3)
    assert (waiting.state, waiting.next_at) == ("owed", WALL + timedelta(days=1))
    assert waiting.reply == "waits: this person got 2 mails in a day"
    with store.writing() as tx:
        later = {"now": NOW + timedelta(days=1), "wall_now": WALL + timedelta(days=1)}
        ((row,),) = claiming.claim(tx, "w2", **later, lease=LEASE, most=10, per_person=2)  # type: ignore[arg-type]  # test sugar
    assert row.id == 3


def test_rows_that_went_as_one_message_count_as_one_for_the_day(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c", "d"))
    (message,) = _claim_messages(store, per_person=2)
    with store.writing() as tx:
        messages = [Message(id, "<digest@example.org>", packing.pack(b"all"), NOW) for id in message]
        sending.begin(tx, messages, "w1", now=NOW, wall_now=WALL, lease=LEASE)
        sending.settle(tx, [Ending(id, 1, "sent", "ok", "dot", 250) for id in message], "w1", now=NOW)
    owe(store, reminder(1, rule="more"))
    assert _claim_messages(store, per_person=2) == [[5]]


def test_a_row_that_workers_died_of_waits_until_nothing_else_is_in_hand_and_then_has_the_worker_to_itself(
    store: Store,
) -> None:
    invite(store, 3)
    (first,) = owe(store, reminder(1, expires_at=NOW + MINUTE)).new
    claim(store)
    recover(store, "w1")
    owe(store, reminder(2), reminder(3))
    (other,) = owe(store, reminder(2, rule="sooner", expires_at=NOW + timedelta(seconds=30))).new
    assert [row.id for row in claim_many(store, "w1", 1)] == [other]
    assert claim_many(store, "w1", 10) == [], "something is in hand"
    assert [row.id for row in claim_many(store, "w2", 10)] == [first]
    assert claim_many(store, "w2", 10) == [], "nothing beside it"


def test_rows_with_different_policies_for_doubt_do_not_go_as_one_message(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c", "d", "e"), policies={"b": "hold"})
    assert _claim_messages(store) == [[1, 3, 4, 5]]


def test_what_a_digest_was_to_hold_goes_by_itself_after_a_worker_died_of_it(store: Store) -> None:
    invite(store)
    owe(store, *_late(1, "a", "b", "c", "d"))
    assert _claim_messages(store) == [[1, 2, 3, 4]]
    recover(store, "w1")
    assert _claim_messages(store, "w2") == [[1]]


def test_what_was_begun_is_not_given_back(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert begin(store, row)
    assert not settle(store, row, "released")
    assert look(store, 1).state == "sending"
