"""A row of the outbox as a value, and the lines of its history."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, select

from reminders.planning.notices import Notice, NoticeKind, Reason
from reminders.store.packing import unpack
from reminders.store.tables import Instant, history, outbox

_NONE: Mapping[int, bytes] = {}
LONGEST = 500
"""Characters of what the history tells of a reply."""
_CHANGE = outbox.update().where(outbox.c.id == bindparam("row"))
_LOG = history.insert()
_LOG_REPLY = history.insert().from_select(
    ["outbox", "at", "state", "reason"],
    select(
        *(outbox.c.id, bindparam("at", type_=Instant()), bindparam("after", type_=Text())),
        func.substr(func.rtrim(bindparam("words", type_=Text()) + " " + outbox.c.reply), 1, LONGEST),
    )
    .where(outbox.c.id.in_(bindparam("rows", expanding=True)))
    .order_by(outbox.c.id),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One notice in the outbox.

    `state` is one of `tables.STATES`, `reason` why it is there ("" when that needs no saying). `attempts` counts how
    often the message was begun at a server, `tries` how often it was put back, `deaths` how often a worker ended with
    it in hand before that. `next_at` and `lease_until` are wall time, the rest event time. `message_id`, `composed_at`
    and `body` (the very bytes) are those of the last attempt, `body` until the row is sent or dropped; listings leave
    it None. `reply` is what the server said last. Rows of one `bundle` go as one message.
    """

    id: int
    notice: Notice
    state: str
    reason: str
    uncertain_policy: str
    attempts: int
    tries: int
    next_at: datetime | None
    owner: str
    lease_until: datetime | None
    message_id: str
    composed_at: datetime | None
    body: bytes | None
    reply: str
    owed_at: datetime
    settled_at: datetime | None
    batch: int
    deaths: int = 0
    bundle: int | None = None


def read_row(stored: Mapping[Any, Any], presets: Mapping[int, bytes] = _NONE) -> Row:
    """The row that these columns of the outbox are; `body` may be left out, or else needs its preset."""
    reason = stored["reason"]
    notice = Notice(
        kind=NoticeKind(stored["kind"]),
        event=stored["event"],
        date_kind=stored["date_kind"],
        occurrence=stored["occurrence"],
        subscriber=stored["subscriber"],
        fact=stored["fact"],
        due_at=stored["due_at"],
        expires_at=stored["expires_at"],
        rule=stored["rule"],
        before=stored["before"],
        revision=stored["revision"],
        dropped=Reason(reason) if stored["state"] == "dropped" else None,
    )
    body = stored.get("body")
    return Row(
        id=stored["id"],
        notice=notice,
        state=stored["state"],
        reason=reason,
        uncertain_policy=stored["uncertain_policy"],
        attempts=stored["attempts"],
        tries=stored["tries"],
        next_at=stored["next_at"],
        owner=stored["owner"],
        lease_until=stored["lease_until"],
        message_id=stored["message_id"],
        composed_at=stored["composed_at"],
        body=None if body is None else unpack(body, presets[stored["preset"]] if stored["preset"] else b""),
        reply=stored["reply"],
        owed_at=stored["owed_at"],
        settled_at=stored["settled_at"],
        batch=stored["batch"],
        deaths=stored["deaths"],
        bundle=stored["bundle"],
    )


def change(tx: Connection, id: int, columns: Mapping[str, Any]) -> None:
    """Set these columns of a row."""
    tx.execute(_CHANGE, {"row": id, **columns})


def log(tx: Connection, ids: Collection[int], state: str, reason: str, now: datetime) -> None:
    """Add a line to the history of each of these rows."""
    if ids:
        tx.execute(_LOG, [{"outbox": id, "at": now, "state": state, "reason": reason} for id in ids])


def log_reply(tx: Connection, ids: Collection[int], state: str, words: str, now: datetime) -> None:
    """The same, with words and then the reply that is each row's own."""
    tx.execute(_LOG_REPLY, {"rows": sorted(ids), "at": now, "after": state, "words": words})
