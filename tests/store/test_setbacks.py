"""What went wrong with mails of late is read from their history, and from nothing that names a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.planning.notices import Reason
from reminders.store import claiming, ledger, sending
from reminders.store import setbacks as setbacks_module
from reminders.store.engine import Store
from reminders.store.sending import Ending
from reminders.store.setbacks import Setback, setbacks
from tests.store.builders import LEASE, NOW, WALL, begin, claim, invite, owe, recover, reminder, send, settle


def last(store: Store, most: int = 5) -> list[Setback]:
    with store.reading() as tx:
        return setbacks(tx, most)


def told(store: Store, most: int = 5) -> list[tuple[int, str, int, str, str]]:
    return [(each.row.id, each.phase, each.code, each.reply, each.row.state) for each in last(store, most)]


def end(store: Store, reply: str, phase: str = "", code: int = 0) -> None:
    """One person's mail is claimed and fails with this."""
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert row is not None
    with store.writing() as tx:
        assert sending.settle(tx, [Ending(row.id, 0, "failed", reply, phase, code)], "w1", now=NOW)


def test_a_refusal_before_the_message_was_begun_is_known_though_it_is_no_attempt(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    assert settle(store, claim(store), "again", next_at=WALL + timedelta(minutes=1))
    (found,) = last(store)
    assert (found.at, found.phase, found.code, found.reply) == (NOW, "rcpt", 450, "4.2.0 greylisted")
    assert (found.row.state, found.row.attempts, found.row.body) == ("owed", 0, None)
    assert found.row.next_at == WALL + timedelta(minutes=1)


@pytest.mark.parametrize("phase", ["connect", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(("code", "reply"), [(450, "4.2.0 250 of 250 in use"), (0, "relay.example.org did not answer")])
def test_phase_code_and_reply_of_an_error_are_told_apart(store: Store, phase: str, code: int, reply: str) -> None:
    end(store, str(DeliveryError(phase, code, reply, Verdict.FINAL)), phase, code)
    assert told(store) == [(1, phase, code, reply, "failed")]


def test_a_mail_that_could_not_be_composed_has_no_code(store: Store) -> None:
    end(store, "mail/reminder.txt.j2: line 3: 'evnt' is undefined", "compose")
    assert told(store) == [(1, "compose", 0, "mail/reminder.txt.j2: line 3: 'evnt' is undefined", "failed")]


def test_a_worker_that_was_not_heard_of_again_leaves_its_mail_lost(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    assert begin(store, claim(store))
    recover(store, "w1")
    assert told(store) == [(1, "lost", 0, "", "owed")]
    assert last(store)[0].row.reason == "in-doubt"


def test_a_mail_that_workers_died_of_is_told(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    for _ in range(sending.DEATHS):
        assert claim(store) is not None
        recover(store, "w1")
    why = "workers ended 10 times with this mail in hand, before it was begun"
    assert told(store) == [(1, "", 0, why, "failed")]


def test_the_newest_come_first_each_mail_once_and_as_it_is_by_now(store: Store) -> None:
    people = invite(store, 3)
    for person in people:
        owe(store, reminder(person))
        settle(store, claim(store), "again", next_at=WALL + timedelta(hours=1))
    later = WALL + timedelta(hours=1)
    settle(store, claim(store, wall=later), "again")  # the first person's once more
    row = claim(store, wall=later)
    assert begin(store, row)
    assert settle(store, row, "sent")
    ids = [each.row.id for each in last(store)]
    assert sorted(ids) == [1, 2, 3]
    assert {each.row.state for each in last(store)} == {"owed", "sent"}
    assert [each.row.id for each in last(store, 2)] == ids[:2]
    assert ids[0] == 1


def test_notices_that_went_as_one_message_are_told_once(store: Store) -> None:
    invite(store, 2)
    owe(store, *(reminder(1, rule=f"rule-{number}") for number in range(4)), reminder(2))
    late = NOW + timedelta(hours=2)
    with store.writing() as tx:
        messages = claiming.claim(tx, "w1", now=late, wall_now=WALL, lease=LEASE, most=2)
        assert sorted(len(message) for message in messages) == [1, 4]
        endings = [Ending(row.id, 0, "again", "4.2.0 full", "rcpt", 452) for message in messages for row in message]
        sending.settle(tx, endings, "w1", now=late)
    assert sorted(each.row.notice.subscriber for each in last(store)) == [1, 2]


def test_what_went_well_or_was_meant_is_no_setback(store: Store) -> None:
    people = invite(store, 5)
    send(store, reminder(people[0]))
    owe(store, reminder(people[1], dropped=Reason.EXPIRED))
    (held,) = owe(store, reminder(people[2]), limit=0).held
    with store.writing() as tx:
        ledger.release(tx, [held], now=NOW)
    row = claim(store)
    settle(store, row, "released")
    assert last(store) == []


def test_an_operator_who_tries_once_more_is_no_setback(store: Store) -> None:
    invite(store)
    id = send(store, reminder(), "failed")
    before = last(store)
    with store.writing() as tx:
        assert ledger.retry(tx, [id], now=NOW + timedelta(hours=1)) == [id]
    assert [each.at for each in last(store)] == [each.at for each in before] == [NOW]


def test_nobodys_address_or_link_is_told_and_nothing_that_moves_a_terminal(store: Store) -> None:
    end(
        store,
        "rcpt: 550 5.7.1 <amina@example.org>: https://dates.example.org/unsubscribe/dG9rZW4\x1b[2J is listed",
        "rcpt",
        550,
    )
    assert last(store)[0].reply == "5.7.1 <<address>>: https://dates.example.org/… is listed"


def test_only_the_last_lines_of_the_history_are_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people = invite(store, 2)
    send(store, reminder(people[0]), "failed")
    assert len(last(store)) == 1
    send(store, reminder(people[1]))  # two lines more
    monkeypatch.setattr(setbacks_module, "LOOKED_AT", 3)
    assert len(last(store)) == 1
    monkeypatch.setattr(setbacks_module, "LOOKED_AT", 2)
    assert last(store) == []
