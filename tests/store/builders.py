"""What the store's tests begin with: people, notices, and a worker's steps in one call each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.subscribers import Audience, Member, Selection
from reminders.store import claiming, ledger, outbox, packing, people, sending
from reminders.store.engine import Store
from reminders.store.outbox import Owed
from reminders.store.rows import Row
from reminders.store.sending import Ending, Message, Outcome
from tests.builders import EPOCH

NOW = EPOCH + timedelta(days=1)
WALL = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""Another time than NOW on purpose: the two axes must not be mixed."""
LEASE = timedelta(minutes=4)
OLD = "2019-02-12 Europe/London planned"
NEW = "2019-02-19 Europe/London planned"


def audience(*addresses: str, id: str = "all", follows: Selection = Selection()) -> Audience:
    return Audience(id, id.title(), follows, tuple(Member(address) for address in addresses))


def token_for(id: int) -> str:
    return f"token-of-{id}"


def invite(store: Store, count: int = 1) -> list[int]:
    """So many people, in one audience; their ids."""
    everybody = audience(*(f"person{number:05}@example.org" for number in range(count)))
    with store.writing() as tx:
        people.sync(tx, [everybody], token_for, EPOCH)
        return sorted(people.subscribers(tx, [everybody]))


def reminder(subscriber: int = 1, **facts: object) -> Notice:
    notice = Notice(
        kind=NoticeKind.REMINDER,
        event="talking-2019",
        date_kind="course",
        occurrence="",
        subscriber=subscriber,
        fact=OLD,
        due_at=NOW,
        expires_at=NOW + timedelta(days=7),
        rule="course-2w",
    )
    return replace(notice, **facts)  # type: ignore[arg-type]  # test sugar


def moved(subscriber: int = 1, **facts: object) -> Notice:
    notice = reminder(subscriber, kind=NoticeKind.MOVED, rule="", fact=NEW, before=OLD, revision=2)
    return replace(notice, **facts)  # type: ignore[arg-type]  # test sugar


def owe(store: Store, *notices: Notice, now: datetime = NOW, limit: int | None = None, **more: object) -> Owed:
    with store.writing() as tx:
        return outbox.owe(tx, notices, now, limit=limit, **more)  # type: ignore[arg-type]  # test sugar


def claim(store: Store, owner: str = "w1", *, now: datetime = NOW, wall: datetime = WALL) -> Row | None:
    with store.writing() as tx:
        messages = claiming.claim(tx, owner, now=now, wall_now=wall, lease=LEASE)
    return messages[0][0] if messages else None


def claim_many(store: Store, owner: str, most: int, *, per_domain: int = 0) -> list[Row]:
    with store.writing() as tx:
        messages = claiming.claim(tx, owner, now=NOW, wall_now=WALL, lease=LEASE, most=most, per_domain=per_domain)
    return [row for (row,) in messages]


def begin(
    store: Store, row: Row | None, owner: str = "w1", *, body: bytes = b"the mail", wall: datetime = WALL
) -> bool:
    assert row is not None
    with store.writing() as tx:
        return begin_in(tx, row, owner, body=body, wall=wall)


def begin_in(tx: Connection, row: Row, owner: str = "w1", *, body: bytes = b"the mail", wall: datetime = WALL) -> bool:
    message = Message(row.id, f"<{row.notice.key[:20]}@example.org>", packing.pack(body), NOW)
    return sending.begin(tx, [message], owner, now=NOW, wall_now=wall, lease=LEASE) == {row.id}


def settle(
    store: Store, row: Row | None, outcome: Outcome, owner: str = "w1", *, next_at: datetime | None = None
) -> bool:
    assert row is not None
    replies = {
        "sent": ("dot", 250, "2.0.0 Ok"),
        "again": ("rcpt", 450, "4.2.0 greylisted"),
        "released": ("", 0, "connection refused"),
    }
    phase, code, reply = replies.get(outcome, ("dot", 0, "connection lost"))
    number = look(store, row.id).attempts if outcome != "released" else 0
    number = 0 if number == row.attempts else row.attempts + 1  # refused before it was begun, or after
    with store.writing() as tx:
        return sending.settle(tx, [Ending(row.id, number, outcome, reply, phase, code, next_at)], owner, now=NOW) == {
            row.id
        }


def send(store: Store, notice: Notice, outcome: Outcome = "sent") -> int:
    """Owe a notice and send it; the id of its row."""
    owe(store, notice)
    row = claim(store)
    assert row is not None
    assert row.notice.key == notice.key
    assert begin(store, row)
    settle(store, row, outcome)
    return row.id


def recover(store: Store, *dead: str, wall: datetime = WALL, max_attempts: int = 3) -> int:
    with store.writing() as tx:
        return sending.recover(tx, dead=dead, now=NOW, wall_now=wall, max_attempts=max_attempts)


def look(store: Store, id: int) -> Row:
    """The row as it is in the database."""
    with store.reading() as tx:
        record = ledger.show(tx, id)
    assert record is not None
    return record.row


def story(store: Store, id: int) -> list[tuple[str, str]]:
    """The states a row went through, and why."""
    with store.reading() as tx:
        record = ledger.show(tx, id)
    assert record is not None
    return [(line.state, line.reason) for line in record.history]
