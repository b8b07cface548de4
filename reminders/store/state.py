"""Small values by name that outlive a process, such as the instant up to which reminders were owed."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import BigInteger, Connection, Text, bindparam, cast, delete, select

from reminders.store.tables import insert, state, upsert

Value = str | int | datetime
# Built once: one of these is asked for with every few mails.
_GET = select(state.c.value).where(state.c.name == bindparam("name"))


def get(tx: Connection, name: str) -> Value | None:
    """The value put last, as the type it was put as; None when there is none."""
    stored = tx.execute(_GET, {"name": name}).scalar_one_or_none()
    if stored is None:
        return None
    value: str | int | dict[str, str] = json.loads(stored)
    return datetime.fromisoformat(value["instant"]) if isinstance(value, dict) else value


def put(tx: Connection, name: str, value: Value | None) -> None:
    """Keep a value under a name; None forgets it. A `datetime` must be aware, and comes back in its own offset."""
    if value is None:
        tx.execute(delete(state).where(state.c.name == name))
        return
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"an instant without a time zone cannot be stored: {value}")
        text = json.dumps({"instant": value.isoformat()})
    else:
        text = json.dumps(value)
    upsert(tx, state, [{"name": name, "value": text}])


def count(tx: Connection, name: str) -> int:
    """The next number under a name, from 1. Two transactions never get the same one."""
    first = insert(tx, state).values(name=name, value="1")
    following = cast(cast(state.c.value, BigInteger) + 1, Text)
    statement = first.on_conflict_do_update(index_elements=["name"], set_={"value": following})
    return int(tx.execute(statement.returning(state.c.value)).scalar_one())
