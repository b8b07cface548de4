"""Journal and database compared: what a crash left, what a restored backup forgot, and what is put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.store import ledger, outbox, people, replay
from reminders.store.engine import Store
from reminders.store.journal import Entry, Left, Line, Sent
from reminders.store.replay import Repaired, Standing
from tests.builders import EPOCH
from tests.store.builders import (
    LEASE,
    NOW,
    WALL,
    audience,
    begin,
    claim,
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

MINUTE = timedelta(minutes=1)


def mark(key: str) -> str:
    return f"hash of {key}"


def sent(number: int = 1, attempt: int = 1, **facts: object) -> Sent:
    """A line about the reminder of the person with this number, as the builders send it."""
    notice = reminder(number, **facts)
    return Sent(notice, mark(f"person{number - 1:05}@example.org"), f"<{notice.key[:20]}@example.org>", attempt, NOW)


def left(number: int = 1) -> Left:
    return Left(number, mark(f"person{number - 1:05}@example.org"), "page", NOW)


def lines(*entries: Entry | None) -> list[Line]:
    return [Line(each, 10 * number) for number, each in enumerate(entries, start=1)]


def compared(store: Store, *entries: Entry | None, dead: Sequence[str] = ()) -> Standing:
    with store.reading() as tx:
        return replay.compare(tx, lines(*entries), 0, mark, dead=dead, wall_now=WALL + MINUTE)


def repaired(store: Store, *entries: Entry | None) -> Repaired:
    with store.writing() as tx:
        return replay.repair(tx, lines(*entries), mark)


def settled(store: Store, found: Standing) -> None:
    with store.writing() as tx:
        replay.settle_lost(tx, found.lost)


def begun(store: Store, number: int = 1) -> int:
    """A row that worker w1 is sending."""
    owe(store, reminder(number))
    row = claim(store)
    assert begin(store, row)
    assert row is not None
    return row.id


def leave(store: Store, number: int) -> None:
    with store.writing() as tx:
        people.leave(tx, number, "page", NOW)


def test_what_was_recorded_on_both_sides_is_known(store: Store) -> None:
    invite(store)
    send(store, reminder())
    leave(store, 1)
    assert compared(store, sent(), None, left()) == Standing(30)


def test_a_mail_that_a_live_worker_is_about_to_record_is_left_to_it(store: Store) -> None:
    """What comes after it is not called known yet, so that it is looked at again."""
    invite(store, 2)
    begun(store, 1)
    send(store, reminder(2))
    assert compared(store, sent(2), sent(1), sent(2)) == Standing(10)


def test_a_mail_whose_worker_died_before_it_was_recorded_becomes_sent(store: Store) -> None:
    invite(store)
    row = begun(store)
    found = compared(store, sent(), dead=["w1"])
    assert found == Standing(10, ((row, sent()),))
    settled(store, found)
    assert look(store, row).state == "sent"
    assert story(store, row)[-1] == ("sent", f"sent dot 250 {replay.FROM_JOURNAL}")
    assert compared(store, sent()) == Standing(10)
    assert recover(store, "w1") == 0


def test_it_becomes_sent_also_when_its_claim_was_taken_back_before(store: Store) -> None:
    invite(store)
    row = begun(store)
    recover(store, "w1")
    assert look(store, row).state == "owed"
    settled(store, compared(store, sent()))
    assert (look(store, row).state, look(store, row).attempts) == ("sent", 1)
    assert claim(store) is None


def test_a_worker_that_has_it_again_may_not_begin_it(store: Store) -> None:
    invite(store)
    row = begun(store)
    recover(store, "w1")
    again = claim(store, "w2")
    settled(store, compared(store, sent()))
    assert not begin(store, again, "w2")
    assert look(store, row).state == "sent"


def test_a_worker_that_was_only_slow_finds_it_recorded(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert begin(store, row)
    settled(store, compared(store, sent(), dead=["w1"]))
    assert row is not None
    assert not settle(store, row, "sent")
    assert [each.outcome for each in _attempts(store, row.id)] == ["sent"]


def _attempts(store: Store, row: int) -> tuple[ledger.Attempt, ...]:
    with store.reading() as tx:
        record = ledger.show(tx, row)
    assert record is not None
    return record.attempts


@pytest.mark.parametrize(
    "entry",
    [
        sent(rule="another"),  # owed by nobody
        sent(1, attempt=2),  # owed, and refused once; of the second attempt nothing is known
        replace(sent(1), message_id="<composed-anew@example.org>"),
        sent(9),  # a person who is not known
        left(2),
        left(9),
    ],
)
def test_a_line_that_the_database_has_never_heard_of_shows_that_it_is_older(store: Store, entry: Entry) -> None:
    invite(store, 2)
    send(store, reminder(2))
    send(store, reminder(1), "again")
    assert compared(store, sent(2), entry, sent(2)) == Standing(10, behind=True)


def test_a_repair_puts_in_what_is_not_there(store: Store) -> None:
    invite(store, 2)
    correction = replace(sent(2), notice=moved(2), message_id="<moved@example.org>")
    assert repaired(store, sent(1), correction) == Repaired(added=2)
    with store.reading() as tx:
        rows = sorted(ledger.listing(tx), key=lambda row: row.id)
        assert [row.notice for row in rows] == [reminder(1), moved(2)]
        assert {(row.state, row.attempts, row.settled_at) for row in rows} == {("sent", 1, NOW)}
        assert [told.message_id for told in outbox.told(tx)] == [sent(1).message_id, "<moved@example.org>"]
    assert story(store, rows[0].id) == [("sent", replay.REPAIRED)]
    assert owe(store, reminder(1), moved(2)).new == ()


@pytest.mark.parametrize("standing", ["owed", "claimed", "sending", "failed", "uncertain", "dropped", "held"])
def test_a_repair_makes_sent_what_is_there_in_any_state(store: Store, standing: str) -> None:
    invite(store)
    owe(store, reminder(), limit=0 if standing == "held" else 10)
    with store.reading() as tx:
        (row,) = ledger.listing(tx)
    if standing not in ("owed", "held", "dropped"):
        claimed = claim(store)
        if standing != "claimed":
            assert begin(store, claimed)
            if standing != "sending":
                settle(store, claimed, "failed" if standing == "failed" else "uncertain")
    if standing == "dropped":
        with store.writing() as tx:
            ledger.discard(tx, [row.id], now=NOW)
    assert look(store, row.id).state == standing
    assert repaired(store, sent()) == Repaired(settled=1)
    after = look(store, row.id)
    assert (after.state, after.owner, after.body, after.message_id) == ("sent", "", None, sent().message_id)
    assert after.attempts == len(_attempts(store, row.id))
    assert _attempts(store, row.id)[-1].outcome == "sent"
    assert story(store, row.id)[-1] == ("sent", replay.REPAIRED)
    assert repaired(store, sent()) == Repaired(), "running it again changes nothing"


def test_a_repair_finds_a_person_whose_number_is_another_one_now(store: Store) -> None:
    """After a restore, numbers are given again: here to whoever came first."""
    with store.writing() as tx:
        people.sync(tx, [audience("new@example.org", "person00000@example.org")], token_for, EPOCH)
    assert repaired(store, sent(1), left(1)) == Repaired(added=1, left=1)
    with store.reading() as tx:
        (row,) = ledger.listing(tx)
        assert row.notice.subscriber == 2
        gone = people.by_address(tx, "person00000@example.org")
        stays = people.by_address(tx, "new@example.org")
    assert gone is not None
    assert stays is not None
    assert (gone.left_at, stays.left_at) == (NOW, None)
    assert compared(store, sent(1), left(1)) == Standing(20)


def test_what_cannot_be_matched_is_counted(store: Store) -> None:
    invite(store)
    found = repaired(store, sent(8), left(9), sent(1), None, sent(8), left(1))
    assert found == Repaired(added=1, left=1, unmatched=2, unmatched_left=1, unreadable=1)


def test_many_lines_are_repaired_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "AT_ONCE", 3)
    invite(store, 10)
    everything = [sent(number) for number in range(1, 11)]
    assert repaired(store, *everything, *everything) == Repaired(added=10)
    assert compared(store, *everything) == Standing(100)


def test_a_position_goes_on_over_what_follows_it_and_no_further(store: Store) -> None:
    with store.writing() as tx:
        assert replay.advance(tx, "j", [(0, 30), (30, 50), (70, 90)]) == 50
        assert replay.advance(tx, "j", [(30, 60)]) == 50
        assert replay.advance(tx, "other", [(50, 60)]) == 0
        assert (replay.position(tx, "j"), replay.position(tx, "other")) == (50, 0)


def test_each_journal_that_is_ahead_is_remembered_until_it_is_repaired(store: Store) -> None:
    with store.writing() as tx:
        assert not replay.behind(tx)
        replay.put_behind(tx, "one", found=True)
        replay.put_behind(tx, "other", found=True)
        replay.put_behind(tx, "one", found=False)
        assert replay.behind(tx)
        replay.put_behind(tx, "other", found=False)
        assert not replay.behind(tx)


def test_only_a_database_of_one_machine_knows_that_a_journal_is_gone(store: Store, kind: str) -> None:
    with store.writing() as tx:
        replay.put_position(tx, "j", 50)
        assert replay.remembers(tx) == (kind == "sqlite")
        replay.forget(tx)
        assert (replay.remembers(tx), replay.position(tx, "j")) == (False, 0)


def test_a_lease_that_ran_out_makes_a_worker_a_lost_one(store: Store) -> None:
    invite(store)
    row = begun(store)
    with store.reading() as tx:
        found = replay.compare(tx, lines(sent()), 0, mark, dead=(), wall_now=WALL + LEASE)
    assert found.lost == ((row, sent()),)
