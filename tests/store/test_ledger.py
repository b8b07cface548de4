"""Looking at the outbox and putting it right."""

from __future__ import annotations

from datetime import timedelta

from reminders.planning.notices import Reason
from reminders.store import claiming, ledger
from reminders.store.backups import check
from reminders.store.engine import Store
from reminders.store.ledger import PutOff
from reminders.store.tables import STATES, outbox
from tests.store.builders import (
    LEASE,
    NOW,
    WALL,
    begin,
    claim,
    invite,
    look,
    owe,
    recover,
    reminder,
    send,
    settle,
    story,
)


def test_every_state_is_counted(store: Store) -> None:
    people = invite(store, 3)
    send(store, reminder(people[0]))
    owe(store, reminder(people[1]), reminder(1, rule="old", dropped=Reason.EXPIRED))
    owe(store, reminder(people[2]), limit=0)
    with store.reading() as tx:
        counts = ledger.counts(tx)
    assert counts == dict.fromkeys(STATES, 0) | {"sent": 1, "owed": 1, "held": 1, "dropped": 1}


def test_every_state_is_counted_by_its_reasons(store: Store) -> None:
    with store.reading() as tx:
        assert ledger.tally(tx) == {}
    people = invite(store, 9)
    for person in people[:2]:
        send(store, reminder(person))
    send(store, reminder(people[2]), "failed")
    send(store, reminder(people[3]), "uncertain")
    owe(store, reminder(people[4]))
    assert begin(store, claim(store))
    recover(store, "w1")
    for person, reason in zip(people[5:8], (Reason.SUPERSEDED, Reason.EXPIRED, Reason.EXPIRED), strict=True):
        owe(store, reminder(person, dropped=reason))
    owe(store, reminder(people[8]), limit=0)
    with store.reading() as tx:
        tally = ledger.tally(tx)
        assert list(tally.items()) == [
            (("owed", "in-doubt"), 1),
            (("sent", ""), 2),
            (("failed", ""), 1),
            (("uncertain", "in-doubt"), 1),
            (("dropped", "expired"), 2),
            (("dropped", "superseded"), 1),
            (("held", "over-limit"), 1),
        ]
    row = claim(store)
    assert row is not None
    with store.reading() as tx:
        assert ledger.tally(tx) == {("claimed", "in-doubt"): 1} | {key: tally[key] for key in list(tally)[1:]}


def test_the_newest_rows_are_listed_first_without_their_bytes(store: Store) -> None:
    people = invite(store, 4)
    ids = owe(store, *(reminder(person) for person in people)).new
    assert begin(store, claim(store))
    with store.reading() as tx:
        assert [row.id for row in ledger.listing(tx)] == list(ids[::-1])
        assert [row.id for row in ledger.listing(tx, ["owed"], limit=2)] == [ids[3], ids[2]]
        assert [(row.id, row.body) for row in ledger.listing(tx, ["sending"])] == [(ids[0], None)]
    assert look(store, ids[0]).body == b"the mail"


def test_why_tells_everything_about_an_event_and_a_person_in_order(store: Store) -> None:
    people = invite(store, 2)
    earlier = reminder(rule="course-4w", due_at=NOW - timedelta(days=14), dropped=Reason.BEFORE_EPOCH)
    send(store, reminder(people[0]))
    owe(store, earlier, reminder(people[1]), reminder(people[0], event="other-2019"))
    with store.reading() as tx:
        records = ledger.why(tx, "talking-2019", people[0])
    assert [(each.row.notice.rule, each.row.state, each.row.reason) for each in records] == [
        ("course-4w", "dropped", "before-epoch"),
        ("course-2w", "sent", ""),
    ]
    assert [len(each.attempts) for each in records] == [0, 1]


def test_a_row_that_is_not_there_is_none(store: Store) -> None:
    with store.reading() as tx:
        assert ledger.show(tx, 7) is None


def test_an_operator_holds_releases_and_discards_what_is_not_sent(store: Store) -> None:
    people = invite(store, 3)
    first, second, third = owe(store, *(reminder(person) for person in people)).new
    row = claim(store)
    assert row is not None
    assert row.id == first
    with store.writing() as tx:
        assert ledger.hold(tx, [first, second, third], now=NOW) == [second, third]
        assert ledger.hold(tx, [second], now=NOW) == []
        assert ledger.release(tx, [first, second], now=NOW) == [second]
        assert ledger.discard(tx, [first, third], now=NOW) == [third]
        assert ledger.release(tx, [third], now=NOW) == []
    assert story(store, second) == [("owed", ""), ("held", "by-hand"), ("owed", "by-hand")]
    assert story(store, third) == [("owed", ""), ("held", "by-hand"), ("dropped", "discarded")]
    assert look(store, third).notice.dropped is Reason.DISCARDED


def test_an_operator_retries_what_failed_or_is_in_doubt_as_the_same_bytes(store: Store) -> None:
    people = invite(store, 2)
    failed = send(store, reminder(people[0]), "failed")
    doubtful = send(store, reminder(people[1]), "uncertain")
    sent = send(store, reminder(people[0], rule="other"))
    with store.writing() as tx:
        assert ledger.retry(tx, [failed, doubtful, sent], now=NOW) == [failed, doubtful]
    for _ in range(2):
        row = claim(store)
        assert row is not None
        assert (row.body, row.settled_at) == (b"the mail", None)
        assert begin(store, row, body=b"another mail")
        assert settle(store, row, "sent")


def test_health_knows_since_when_mail_is_waiting(store: Store) -> None:
    people = invite(store, 3)
    with store.reading() as tx:
        assert ledger.oldest_due(tx, NOW, WALL) is None
    early = NOW - timedelta(hours=4)
    owe(store, *(reminder(person, due_at=NOW - timedelta(hours=person)) for person in people), now=early)
    owe(store, reminder(rule="later", due_at=NOW + timedelta(hours=1)))
    with store.reading() as tx:
        assert ledger.oldest_due(tx, NOW, WALL) == NOW - timedelta(hours=3)
    owners = ["w1", "w2", "w3"]
    rows = [claim(store, owner) for owner in owners]
    with store.reading() as tx:
        assert ledger.oldest_due(tx, NOW, WALL) == NOW - timedelta(hours=3)  # in hand is not sent
    for row, owner in zip(rows, owners, strict=True):
        assert begin(store, row, owner)
        settle(store, row, "sent", owner)
    with store.reading() as tx:
        assert ledger.oldest_due(tx, NOW, WALL) is None
        assert ledger.oldest_due(tx, NOW + timedelta(hours=1), WALL) == NOW + timedelta(hours=1)
    owe(store, reminder(rule="published-late", due_at=NOW - timedelta(days=9)))
    with store.reading() as tx:
        assert ledger.oldest_due(tx, NOW, WALL) == NOW


def test_the_mail_that_waits_longest_is_known(store: Store) -> None:
    people = invite(store, 3)
    with store.reading() as tx:
        assert ledger.longest_wait(tx, NOW, WALL) is None
    early = NOW - timedelta(hours=4)
    ids = owe(store, *(reminder(person, due_at=NOW - timedelta(hours=person)) for person in people), now=early).new
    for state in ("owed", "claimed"):
        with store.reading() as tx:
            found = ledger.longest_wait(tx, NOW, WALL)
        assert found is not None
        since, row = found
        assert (since, row.id, row.body) == (NOW - timedelta(hours=3), ids[2], None)
        assert row.state == state
        with store.writing() as tx:
            assert ledger.hold(tx, ids[:2], now=NOW) == (list(ids[:2]) if state == "owed" else [])
        claim(store)


def test_what_waits_for_its_time_is_counted_apart_from_what_waits_for_its_turn(store: Store) -> None:
    first, second, third = invite(store, 3)
    with store.reading() as tx:
        assert ledger.put_off(tx, WALL) == []
    owe(store, reminder(first), reminder(second))
    for minutes in (5, 3):
        settle(store, claim(store), "again", next_at=WALL + timedelta(minutes=minutes))
    send(store, reminder(third))
    owe(store, reminder(third, rule="another"))
    with store.writing() as tx:
        assert claiming.claim(tx, "w1", now=NOW, wall_now=WALL, lease=LEASE, per_person=1) == []
    with store.reading() as tx:
        assert ledger.longest_wait(tx, NOW, WALL) is None
        assert ledger.put_off(tx, WALL) == [
            PutOff(True, 2, WALL + timedelta(minutes=3)),
            PutOff(False, 1, WALL + timedelta(days=1)),
        ]
        assert ledger.put_off(tx, WALL + timedelta(minutes=3))[0] == PutOff(True, 1, WALL + timedelta(minutes=5))
        assert ledger.put_off(tx, WALL + timedelta(days=1)) == []


def test_a_ledger_that_contradicts_itself_is_reported(store: Store, url: str) -> None:
    invite(store)
    id = send(store, reminder())
    assert check(url) == []
    with store.writing() as tx:
        tx.execute(outbox.update().values(attempts=0))
    assert check(url) == [
        f"outbox row {id} counts 0 attempts, but 1 are recorded",
        f"outbox row {id} is called sent, but no attempt is recorded",
    ]


def test_rows_in_hand_can_be_taken_back_after_the_daemon_is_gone(store: Store) -> None:
    invite(store)
    (id,) = owe(store, reminder()).new
    claim(store, "gone")
    assert recover(store, "gone") == 1
    with store.writing() as tx:
        assert ledger.discard(tx, [id], now=NOW) == [id]


def test_what_is_to_be_sent_is_counted_by_the_instant_it_expires(store: Store) -> None:
    people = invite(store, 4)
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    owe(store, *(reminder(person, expires_at=soon) for person in people[:2]))
    owe(store, reminder(people[2], expires_at=later), reminder(people[3], due_at=soon, expires_at=later))
    claim(store, "w1")  # in hand is not sent
    with store.reading() as tx:
        assert ledger.queue(tx, NOW, WALL) == [(soon, 1), (soon, 1), (later, 1)]
        assert ledger.queue(tx, soon, WALL) == [(later, 2)]
    with store.writing() as tx:
        tx.execute(outbox.update().values(next_at=WALL + timedelta(seconds=1)))
        assert ledger.queue(tx, NOW, WALL) == []
        assert len(ledger.queue(tx, NOW, WALL + timedelta(seconds=1))) == 3


def test_when_the_last_attempts_began_is_known(store: Store) -> None:
    for person in invite(store, 2):
        send(store, reminder(person))
    with store.reading() as tx:
        assert ledger.begun_since(tx, 2) == NOW
        assert ledger.begun_since(tx, 3) is None
