"""The outbox, as the planner uses it: owe, and what people were told. `sending` is how a worker uses it.

owed -> claimed -> sending -> sent | failed | uncertain          held: waits for an operator
  ^________|__________|  (again; a lease that ran out)           dropped: not sent, and why
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.store import state, tables
from reminders.store.engine import take_turns
from reminders.store.rows import change, log
from reminders.store.tables import attempt, insert, outbox

OVER_LIMIT = "over-limit"
IN_DOUBT = "in-doubt"
LOST = "lost"
"""The phase of an attempt whose worker was not heard of again."""
KEYS_AT_ONCE = 5_000
"""How many keys one query asks for: databases limit its parameters."""
KNOWN_SENT = ("sent", "uncertain")
"""Outcomes after which a person may have read the message."""


@dataclass(frozen=True, slots=True)
class Owed:
    """The ids of rows that a call of `owe` made, or made wanted again: to be sent, held over the limit, dropped.

    All of one call are of one `batch` (0: nothing was done).
    """

    new: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    batch: int = 0


def owe(
    tx: Connection,
    notices: Iterable[Notice],
    now: datetime,
    *,
    limit: int | None = None,
    policies: Mapping[str, str] = MappingProxyType({}),
) -> Owed:
    """Put notices into the outbox, in their order; one whose key is there already is left as it is.

    Except that a row that was dropped, and never begun at a server, is owed again when it is wanted again, unless an
    operator discarded or recalled it. A notice that comes as `dropped` is only recorded. More than `limit` mails in one
    call are held for an operator, all of them (None: none ever). `policies` says of a rule's id what happens to its
    messages in doubt ("resend" or "hold").
    """
    wanted: dict[str, Notice] = {}
    for notice in notices:
        if notice.key not in wanted or wanted[notice.key].dropped:
            wanted[notice.key] = notice
    if not wanted:
        return Owed()
    take_turns(tx, "outbox")
    known = _known(tx, wanted)
    fresh = {key: notice for key, notice in wanted.items() if key not in known}
    again = {key: notice for key, notice in wanted.items() if key in known and _revives(known[key], notice)}
    mails = [key for key, notice in wanted.items() if key in again or (key in fresh and not notice.dropped)]
    held = set(mails) if limit is not None and len(mails) > limit else set()
    if not fresh and not again:
        return Owed()
    batch = state.count(tx, "batch")
    standing = {key: _standing(notice, key in held, now) | {"batch": batch} for key, notice in wanted.items()}
    if fresh:
        rows = [_columns(key, fresh[key], policies) | standing[key] for key in fresh]
        tx.execute(insert(tx, outbox).on_conflict_do_nothing(index_elements=["key"]), rows)
    for key, notice in again.items():
        fresh_facts = {"due_at": notice.due_at, "expires_at": notice.expires_at, "before": notice.before}
        change(tx, known[key].id, fresh_facts | standing[key] | {"bundle": None, "deaths": 0})
    ids = {key: row.id for key, row in _known(tx, [*fresh, *again]).items()}
    owed = Owed(
        new=tuple(ids[key] for key in mails if key not in held),
        held=tuple(ids[key] for key in mails if key in held),
        dropped=tuple(ids[key] for key, notice in fresh.items() if notice.dropped),
        batch=batch,
    )
    log(tx, owed.new, "owed", "", now)
    log(tx, owed.held, "held", OVER_LIMIT, now)
    for reason in Reason:
        alike = [ids[key] for key, notice in fresh.items() if notice.dropped is reason]
        log(tx, alike, "dropped", reason.value, now)
    return owed


def told(tx: Connection, *, events: Collection[str] | None = None) -> list[Told]:
    """What the last mail about each date told each person, sent or in doubt; of these events, or of all."""
    where = [] if events is None else [outbox.c.event.in_(sorted(events))]
    last = {(each.subscriber, each.event, each.date_kind, each.occurrence): each for _, each in _told(tx, *where)}
    return [each for _, each in sorted(last.items())]


def told_before(tx: Connection, notices: Collection[Notice]) -> dict[str, tuple[Told, ...]]:
    """The mails about the date of each notice that its person got, oldest first and without its own; by its key."""
    people, ids = {each.subscriber for each in notices}, {each.event for each in notices}
    found: dict[tuple[object, ...], list[tuple[str, Told]]] = {}
    for key, mail in _told(tx, outbox.c.event.in_(sorted(ids)), outbox.c.subscriber.in_(sorted(people))):
        found.setdefault((mail.subscriber, mail.event, mail.date_kind, mail.occurrence), []).append((key, mail))
    return {
        each.key: tuple(
            mail
            for key, mail in found.get((each.subscriber, each.event, each.date_kind, each.occurrence), ())
            if key != each.key
        )
        for each in notices
    }


def open_change_notices(tx: Connection, events: Collection[str]) -> set[tuple[int, str, str, str]]:
    """Who is or was owed a change notice about a date since it says what it says, dropped ones apart.

    Each as (subscriber, event, date kind, occurrence).
    """
    date = tables.event_date.c
    same = (date.event == outbox.c.event) & (date.kind == outbox.c.date_kind) & (date.occurrence == outbox.c.occurrence)
    found = (
        select(outbox.c.subscriber, outbox.c.event, outbox.c.date_kind, outbox.c.occurrence)
        .join_from(outbox, tables.event_date, same)
        .where(outbox.c.event.in_(sorted(events)), outbox.c.kind != NoticeKind.REMINDER.value)
        .where(outbox.c.state != "dropped", outbox.c.owed_at >= date.known_at)
    )
    return {
        (subscriber, event, kind, occurrence) for subscriber, event, kind, occurrence in tx.execute(found.distinct())
    }


def _known(tx: Connection, keys: Iterable[str]) -> dict[str, StoredRow[str, int, str, str, int]]:
    """The rows of the outbox with these keys, by key, as far as there are any."""
    columns = select(outbox.c.key, outbox.c.id, outbox.c.state, outbox.c.reason, outbox.c.attempts)
    ordered = list(keys)
    parts = [ordered[start : start + KEYS_AT_ONCE] for start in range(0, len(ordered), KEYS_AT_ONCE)]
    found = {row.key: row for part in parts for row in tx.execute(columns.where(outbox.c.key.in_(part)))}
    return {key: found[key] for key in ordered if key in found}


def _revives(row: StoredRow[str, int, str, str, int], notice: Notice) -> bool:
    by_hand = row.reason in (Reason.DISCARDED.value, Reason.RECALLED.value)
    return notice.dropped is None and row.state == "dropped" and row.attempts == 0 and not by_hand


def _standing(notice: Notice, held: bool, now: datetime) -> dict[str, Any]:
    """The columns that say how a row stands when it is owed, or recorded as dropped."""
    name, reason = ("held", OVER_LIMIT) if held else ("owed", "")
    if notice.dropped:
        name, reason = "dropped", notice.dropped.value
    settled = now if notice.dropped else None
    return {"state": name, "reason": reason, "owed_at": now, "settled_at": settled, "next_at": None, "tries": 0}


def _columns(key: str, notice: Notice, policies: Mapping[str, str]) -> dict[str, Any]:
    return {
        "key": key,
        "kind": notice.kind.value,
        "event": notice.event,
        "date_kind": notice.date_kind,
        "occurrence": notice.occurrence,
        "rule": notice.rule,
        "subscriber": notice.subscriber,
        "fact": notice.fact,
        "before": notice.before,
        "revision": notice.revision,
        "due_at": notice.due_at,
        "expires_at": notice.expires_at,
        "uncertain_policy": policies.get(notice.rule, "resend"),
        "attempts": 0,
        "owner": "",
        "message_id": "",
        "reply": "",
    }


def _told(tx: Connection, *where: ColumnElement[bool]) -> Iterator[tuple[str, Told]]:
    """Every message that may have been read, with the key of its notice, in the order of sending."""
    columns = (outbox.c.subscriber, outbox.c.event, outbox.c.date_kind, outbox.c.occurrence, outbox.c.fact)
    mails = select(outbox.c.key, *columns, attempt.c.message_id).join_from(attempt, outbox)
    for key, *told in tx.execute(mails.where(attempt.c.outcome.in_(KNOWN_SENT), *where).order_by(attempt.c.id)):
        yield key, Told(*told)
