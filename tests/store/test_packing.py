"""Frozen messages come back as the same bytes, and what they have in common is kept for as long as one needs it."""

from __future__ import annotations

import zlib
from hashlib import sha256

import pytest

from reminders.store import claiming, ledger, packing, sending
from reminders.store.engine import Store
from reminders.store.rows import Row
from reminders.store.sending import Message
from tests.store.builders import LEASE, NOW, WALL, claim_many, invite, owe, reminder, settle

COMMON = b"".join(sha256(bytes([each])).hexdigest().encode() + b"\r\n" for each in range(250))
MESSAGE = b"Dear Amina,\r\n" + COMMON[1000:9000] + b"Unsubscribe: here\r\n" + COMMON[9000:]


def freeze(store: Store, common: bytes, *people: int) -> list[Row]:
    """Owe, claim and begin a message to each of these people, as a worker does; the rows as they were claimed."""
    invite(store, 2)
    owe(store, *(reminder(each) for each in people))
    with store.writing() as tx:
        rows = [row for (row,) in claiming.claim(tx, "w1", now=NOW, wall_now=WALL, lease=LEASE, most=len(people))]
        body = packing.pack(MESSAGE, common)
        messages = [Message(row.id, f"<{row.id}@example.org>", body, NOW, common) for row in rows]
        assert len(sending.begin(tx, messages, "w1", now=NOW, wall_now=WALL, lease=LEASE)) == len(people)
    return rows


def presets(store: Store) -> int:
    with store.reading() as tx:
        return len(tx.exec_driver_sql("SELECT id FROM preset").all())


@pytest.mark.parametrize("common", [b"", COMMON, COMMON * 8, MESSAGE], ids=["none", "much", "too much", "all"])
def test_what_was_packed_comes_back(common: bytes) -> None:
    assert packing.unpack(packing.pack(MESSAGE, common), common) == MESSAGE


def test_a_message_is_a_tenth_of_its_size_beside_what_it_has_in_common() -> None:
    assert len(packing.pack(MESSAGE, COMMON)) < len(packing.pack(MESSAGE)) / 10


def test_nothing_comes_back_against_something_else() -> None:
    with pytest.raises(zlib.error):
        packing.unpack(packing.pack(MESSAGE, COMMON), COMMON[1:])


def test_whoever_takes_over_has_the_same_bytes(store: Store) -> None:
    freeze(store, COMMON, 1, 2)
    assert presets(store) == 1
    with store.writing() as tx:
        sending.recover(tx, dead=["w1"], now=NOW, wall_now=WALL, max_attempts=3)
    assert [row.body for row in claim_many(store, "w2", 2)] == [MESSAGE, MESSAGE]


def test_a_row_that_is_shown_has_the_same_bytes(store: Store) -> None:
    freeze(store, COMMON, 1)
    with store.reading() as tx:
        record = ledger.show(tx, 1)
    assert record is not None
    assert record.row.body == MESSAGE


def test_what_messages_have_in_common_is_kept_until_none_needs_it(store: Store) -> None:
    (one,), (other,) = freeze(store, COMMON, 1), freeze(store, MESSAGE, 2)
    with store.writing() as tx:
        assert packing.tidy(tx) == 0
    settle(store, one, "sent")
    settle(store, other, "uncertain")
    with store.writing() as tx:
        assert packing.tidy(tx) == 1
    with store.reading() as tx:
        record = ledger.show(tx, 2)
    assert record is not None
    assert record.row.body == MESSAGE


def test_what_was_forgotten_is_kept_again_with_the_next_that_needs_it(store: Store) -> None:
    (one,) = freeze(store, COMMON, 1)
    settle(store, one, "sent")
    with store.writing() as tx:
        assert packing.tidy(tx) == 1
    freeze(store, COMMON, 2)
    with store.writing() as tx:
        sending.recover(tx, dead=["w1"], now=NOW, wall_now=WALL, max_attempts=3)
    assert [row.body for row in claim_many(store, "w2", 1)] == [MESSAGE]
