"""A store with people and mails in it, of an older version: the upgrade changes nothing that anybody decided (B9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData

from reminders.store import claiming, connections, ledger, outbox, people, schema, sending, state
from reminders.store.backups import check
from reminders.store.connections import VERSION_TABLE
from reminders.store.engine import Store
from reminders.store.schema import create, open_store, upgrade
from reminders.store.tables import STATES
from tests.builders import EPOCH
from tests.store import postgres
from tests.store.builders import LEASE, NOW, WALL, reminder

LEFT = EPOCH + timedelta(hours=3)

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where nothing is yet."""
    if kind == "sqlite":
        path = tmp_path / "reminders.sqlite"
        path.touch()
        yield f"sqlite:///{path}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield url


def make(url: str, version: str) -> None:
    """A store as the program of that version made it, with everything that people can decide."""
    with reached(url) as store, store.writing() as tx:
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        command.upgrade(config, version)
        fill(tx)


@contextmanager
def reached(url: str) -> Iterator[Store]:
    """A store of whatever version."""
    opened = connections.connect(connections.parse(url))
    try:
        yield Store(opened)
    finally:
        opened.dispose()


def fill(tx: Connection) -> None:
    """Nine people, one of whom has left; of the others each a notice in one of the states."""
    known = MetaData()
    known.reflect(tx)
    person, row, attempt, history = (known.tables[name] for name in ("subscriber", "outbox", "attempt", "history"))
    for id in range(1, len(STATES) + 2):
        left = (
            {"left_at": LEFT, "left_how": "one-click"} if id == len(STATES) + 1 else {"left_at": None, "left_how": ""}
        )
        address = f"Person{id}@Example.org"
        facts = {"id": id, "address": address, "address_key": address.casefold(), "name": f"Person {id}"}
        tx.execute(person.insert().values(facts | {"joined_at": EPOCH} | left))
        tx.execute(known.tables["token"].insert().values(hash=f"hash{id}", subscriber=id))
        tx.execute(known.tables["membership"].insert().values(subscriber=id, audience="all", joined_at=EPOCH))
    for id, standing in enumerate(STATES, start=1):
        notice = reminder(id)
        begun = standing in ("sending", "sent", "failed", "uncertain")
        in_hand = standing in ("claimed", "sending")
        facts = {"id": id, "key": notice.key, "kind": notice.kind.value, "event": notice.event, "rule": notice.rule}
        facts |= {"date_kind": notice.date_kind, "occurrence": "", "subscriber": id, "fact": notice.fact, "before": ""}
        facts |= {"revision": 0, "due_at": notice.due_at, "expires_at": notice.expires_at, "state": standing}
        facts |= {"reason": {"dropped": "discarded", "held": "by-hand", "uncertain": "in-doubt"}.get(standing, "")}
        facts |= {"uncertain_policy": "hold", "attempts": int(begun), "tries": 2, "next_at": None, "reply": "said"}
        facts |= {"owner": "old:1:aa" if in_hand else "", "lease_until": WALL if in_hand else None, "batch": 3}
        facts |= {"message_id": f"<{id}@example.org>", "composed_at": NOW, "owed_at": NOW, "settled_at": None}
        tx.execute(row.insert().values(facts | {"body": b"x" if standing == "uncertain" else None}))
        tx.execute(history.insert().values(outbox=id, at=NOW, state=standing, reason="because"))
        if begun:
            ended = {"sent": "sent", "failed": "failed", "uncertain": "uncertain"}.get(standing, "")
            tried = {"outbox": id, "number": 1, "owner": "old:1:aa", "started_at": NOW, "ended_at": None}
            tried |= {"phase": "dot", "code": 250, "reply": "said", "message_id": f"<{id}@example.org>"}
            tx.execute(attempt.insert().values(tried | {"outcome": ended}))
    state.put(tx, "epoch", EPOCH)
    state.put(tx, "paused", "since Monday")


def everything(url: str) -> Rows:
    """All rows of all tables, whatever tables there are."""
    with reached(url) as store, store.reading() as tx:
        known = MetaData()
        known.reflect(tx)
        return {
            name: [dict(row._mapping) for row in tx.execute(table.select().order_by(*table.primary_key.columns))]
            for name, table in known.tables.items()
            if name != VERSION_TABLE
        }


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_an_upgrade_leaves_every_value_as_it_was(place: str, version: str) -> None:
    make(place, version)
    before = everything(place)
    assert upgrade(place)
    after = everything(place)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]] if rows else after[table]
        assert kept == rows, table
    assert check(place) == []
    assert {row["domain"] for row in after["subscriber"]} == {"example.org"}
    assert {(row["bounced"], row["suspended_at"]) for row in after["subscriber"]} == {(0, None)}


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_what_was_decided_before_an_upgrade_holds_after_it(place: str, version: str) -> None:
    """Who left is not mailed, what was held, dropped, failed or in doubt stays so, and only what was owed is sent."""
    make(place, version)
    upgrade(place)
    store = open_store(place)
    with store.writing() as tx:
        assert state.get(tx, "paused") == "since Monday"
        assert outbox.owe(tx, [reminder(id) for id in range(1, 9)], NOW, limit=100).new == ()
        gone = people.by_address(tx, "person9@example.org")
        assert gone is not None
        assert gone.left_at == LEFT
        sending.recover(tx, dead=[], now=NOW, wall_now=WALL + LEASE, max_attempts=3)
        claims = [
            claiming.claim(tx, worker, now=NOW, wall_now=WALL + LEASE, lease=LEASE, most=10) for worker in ("w1", "w2")
        ]
        taken = [row.notice.subscriber for messages in claims for message in messages for row in message]
        assert taken == [1, 2], "the one that was owed, and the one that its worker died of"
        counts = {name: count for name, count in ledger.counts(tx).items() if count}
        assert counts == {"claimed": 2, "sent": 1, "failed": 1, "uncertain": 2, "dropped": 1, "held": 1}
    store.close()


def test_the_oldest_store_becomes_what_a_new_one_is(place: str, tmp_path: Path) -> None:
    make(place, "0001")
    upgrade(place)
    create(f"sqlite:///{tmp_path / 'new' / 'reminders.sqlite'}").close()
    new = everything(f"sqlite:///{tmp_path / 'new' / 'reminders.sqlite'}")
    assert set(everything(place)) == set(new)
