"""The outbox, as the jobs use it: owe, claim, begin, settle; and what people were told.

    owed -> claimed -> sending -> sent | failed | uncertain          held: waits for an operator
      ^________|__________|  (again; a lease that ran out)           dropped: not sent, and why

A claim is one worker's (`owner`) until its lease runs out, and a worker has one at a time. `begin` is the fence: it
is committed before the first byte of the message, so that a claim without it is provably unsent, and one with it is
in doubt until it is settled. Every change names the state it starts from; whoever lost the race changes nothing.

Two axes of time: `now` is event time, `wall_now` (leases and waiting) the real one.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.store import state, tables
from reminders.store.engine import take_turns
from reminders.store.rows import Row, change, log, read_row
from reminders.store.tables import IN_HAND, OWED, attempt, insert, outbox

OVER_LIMIT = "over-limit"
IN_DOUBT = "in-doubt"
LOST = "lost"
"""The phase of an attempt whose worker was not heard of again."""
KEYS_AT_ONCE = 5_000
"""How many keys one query asks for: databases limit its parameters."""
KNOWN_SENT = ("sent", "uncertain")
"""Outcomes after which a person may have read the message."""

Outcome = Literal["sent", "again", "failed", "uncertain"]

# What each message needs is built once: building it costs more than running it.
_DUE = (
    select(outbox)
    .where(OWED, outbox.c.due_at <= bindparam("now"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("wall_now")))
    .order_by(outbox.c.expires_at, outbox.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_LOCKED = select(outbox).where(outbox.c.id == bindparam("row")).with_for_update()
# Locked against leaving until the fence is committed: no message is begun after an unsubscribe was confirmed.
_STANDS = (
    select(tables.subscriber.c.left_at, tables.subscriber.c.suspended_at)
    .where(tables.subscriber.c.id == bindparam("person"))
    .with_for_update(read=True)
)
_BEGUN = attempt.insert()
_LAST = select(func.max(attempt.c.id)).where(attempt.c.outbox == bindparam("row"), attempt.c.owner == bindparam("by"))
_ENDED = (
    attempt.update()
    .where(attempt.c.id == _LAST.scalar_subquery())
    .where(or_(attempt.c.outcome == "", attempt.c.phase == bindparam("lost")))
)


@dataclass(frozen=True, slots=True)
class Owed:
    """The ids of rows that a call of `owe` made, or made wanted again: to be sent, held over the limit, dropped."""

    new: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()


def owe(
    tx: Connection,
    notices: Iterable[Notice],
    now: datetime,
    *,
    limit: int,
    policies: Mapping[str, str] = MappingProxyType({}),
) -> Owed:
    """Put notices into the outbox, in their order; one whose key is there already is left as it is.

    Except that a row that was dropped, and never begun at a server, is owed again when it is wanted again, unless an
    operator discarded it. A notice that comes as `dropped` is only recorded. What exceeds `limit` mails in one call is
    held for an operator. `policies` says of a rule's id what happens to its messages in doubt ("resend" or "hold").
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
    held = set(sorted(mails, key=lambda key: wanted[key].expires_at)[limit:])  # what is urgent goes
    if not fresh and not again:
        return Owed()
    batch = state.count(tx, "batch")
    standing = {key: _standing(notice, key in held, now) | {"batch": batch} for key, notice in wanted.items()}
    if fresh:
        rows = [_columns(key, fresh[key], policies) | standing[key] for key in fresh]
        tx.execute(insert(tx, outbox).on_conflict_do_nothing(index_elements=["key"]), rows)
    for key, notice in again.items():
        fresh_facts = {"due_at": notice.due_at, "expires_at": notice.expires_at, "before": notice.before}
        change(tx, known[key].id, fresh_facts | standing[key])
    ids = {key: row.id for key, row in _known(tx, [*fresh, *again]).items()}
    owed = Owed(
        new=tuple(ids[key] for key in mails if key not in held),
        held=tuple(ids[key] for key in mails if key in held),
        dropped=tuple(ids[key] for key, notice in fresh.items() if notice.dropped),
    )
    log(tx, owed.new, "owed", "", now)
    log(tx, owed.held, "held", OVER_LIMIT, now)
    for reason in Reason:
        alike = [ids[key] for key, notice in fresh.items() if notice.dropped is reason]
        log(tx, alike, "dropped", reason.value, now)
    return owed


def claim(tx: Connection, owner: str, *, now: datetime, wall_now: datetime, lease: timedelta) -> Row | None:
    """Take the most urgent row that is due and need not wait, for `owner` alone and until the lease runs out.

    Urgent is what expires first. None when there is nothing to do. Rows that others are claiming are passed over.
    """
    found = tx.execute(_DUE, {"now": now, "wall_now": wall_now}).one_or_none()
    if found is None:
        return None
    taken = {"state": "claimed", "owner": owner, "lease_until": wall_now + lease}
    change(tx, found.id, taken)
    row = read_row({**found._mapping, **taken})
    return replace(row, parents=() if row.notice.kind is NoticeKind.REMINDER else _parents(tx, row.notice))


def begin(
    tx: Connection,
    id: int,
    owner: str,
    *,
    message_id: str,
    body: bytes,
    composed_at: datetime,
    wall_now: datetime,
    lease: timedelta,
) -> bool:
    """The fence: commit this, then send. True when the message may be started now.

    Counts the attempt and starts a new lease. The first attempt freezes `message_id`, `body` and `composed_at` (event
    time): later ones send the same bytes, as `Row.body` has them. False when the row is not this owner's any more,
    or when the person has left or was suspended meanwhile; the row is dropped then.
    """
    row = tx.execute(_LOCKED, {"row": id}).one()
    if row.owner != owner or row.state != "claimed":
        return False
    left_at, suspended_at = tx.execute(_STANDS, {"person": row.subscriber}).one()
    if left_at is not None or suspended_at is not None:
        drop(tx, id, Reason.UNSUBSCRIBED if left_at else Reason.SUSPENDED, composed_at, owner=owner)
        return False
    number = row.attempts + 1
    sending = {"state": "sending", "attempts": number, "lease_until": wall_now + lease}
    if row.body is None:
        sending |= {"message_id": message_id, "composed_at": composed_at, "body": zlib.compress(body)}
    change(tx, id, sending)
    begun = {"outbox": id, "number": number, "owner": owner, "started_at": composed_at, "phase": "", "code": 0}
    begun |= {"reply": "", "message_id": row.message_id or message_id, "outcome": ""}
    tx.execute(_BEGUN, begun)
    return True


def settle(
    tx: Connection,
    id: int,
    owner: str,
    outcome: Outcome,
    *,
    reply: str,
    phase: str,
    code: int,
    now: datetime,
    next_at: datetime | None = None,
) -> bool:
    """Record what became of a row. True when it was still this owner's.

    "again" owes it again at `next_at` (wall time). "uncertain" does so too when `next_at` is given, and the same bytes
    may then arrive twice; without it the row rests, uncertain. "failed" and "again" may also end a claim that was
    never begun, which charges no attempt. A message known to be sent is recorded as sent whoever has the row by now.
    """
    row = tx.execute(_LOCKED, {"row": id}).one()
    own = row.owner == owner and row.state in ("claimed", "sending")
    if not (own and row.state == "claimed"):
        _end_attempt(tx, id, owner, outcome, reply=reply, phase=phase, code=code, now=now)
    if not own and (outcome != "sent" or row.state == "sent"):
        return False
    if row.state == "claimed" and own and outcome in KNOWN_SENT:
        raise ValueError(f"outbox row {id} was never begun, so it cannot be {outcome}")
    after = "owed" if outcome == "again" or (outcome == "uncertain" and next_at) else outcome
    settled: dict[str, Any] = {"state": after, "owner": "", "lease_until": None, "next_at": next_at, "reply": reply}
    settled |= {"reason": IN_DOUBT if outcome == "uncertain" else ""}
    settled |= {"tries": row.tries + 1} if after == "owed" else {"settled_at": now}
    if after == "sent":
        settled |= {"body": None}
    change(tx, id, settled)
    log(tx, [id], after, _words(outcome, phase, code, reply), now)
    return own


def release_claim(tx: Connection, id: int, owner: str, next_at: datetime | None, *, reply: str = "") -> bool:
    """Give a claim back that was never begun, because nobody could be reached: no attempt is charged.

    It is claimed again at `next_at` (wall time) at the earliest; None when the row was not at fault. `reply` says why.
    False when it was lost meanwhile.
    """
    row = tx.execute(_LOCKED, {"row": id}).one()
    if row.owner != owner or row.state != "claimed":
        return False
    freed = {"state": "owed", "owner": "", "lease_until": None, "next_at": next_at, "reply": reply}
    change(tx, id, {**freed, "tries": row.tries + (next_at is not None)})
    return True


def drop(tx: Connection, id: int, reason: Reason, now: datetime, *, owner: str | None = None) -> bool:
    """Record that a row is not to be sent, and why. False when it is being sent, or at its end.

    With `owner`, only if that worker has the claim; without, whoever has: its `begin` will then fail.
    """
    row = tx.execute(_LOCKED, {"row": id}).one()
    if row.state not in ("owed", "held", "claimed") or (owner is not None and row.owner != owner):
        return False
    gone = {"state": "dropped", "reason": reason.value, "owner": "", "lease_until": None, "next_at": None, "body": None}
    change(tx, id, {**gone, "settled_at": now})
    log(tx, [id], "dropped", reason.value, now)
    return True


def owners(tx: Connection) -> list[str]:
    """The workers that hold claims, dead or alive."""
    return sorted(tx.execute(select(outbox.c.owner).where(IN_HAND).distinct()).scalars())


def recover(
    tx: Connection, *, dead: Collection[str], wall_now: datetime, max_attempts: int, now: datetime | None = None
) -> int:
    """Take back the rows of workers known to be `dead`, and all whose lease ran out. Returns how many.

    What was only claimed is owed again. What was being sent is in doubt: owed again with the same bytes while its
    policy is "resend" and it has attempts left, otherwise `uncertain`. `now` dates it (`wall_now` when not given).
    """
    lost = or_(outbox.c.lease_until <= wall_now, outbox.c.owner.in_(sorted(dead)))
    rows = tx.execute(select(outbox).where(IN_HAND, lost).with_for_update(skip_locked=True)).all()
    at = now or wall_now
    for row in rows:
        freed: dict[str, Any] = {"state": "owed", "owner": "", "lease_until": None, "next_at": None}
        if row.state == "sending":
            _end_attempt(tx, row.id, row.owner, "uncertain", reply="", phase=LOST, code=0, now=at)
            if row.uncertain_policy == "hold" or row.attempts >= max_attempts:
                freed |= {"state": "uncertain", "settled_at": at}
            freed |= {"reason": IN_DOUBT}
            log(tx, [row.id], str(freed["state"]), IN_DOUBT, at)
        change(tx, row.id, freed)
    return len(rows)


def told(tx: Connection, *, events: Collection[str] | None = None) -> list[Told]:
    """What the last mail about each date told each person, sent or in doubt; of these events, or of all."""
    where = [] if events is None else [outbox.c.event.in_(sorted(events))]
    last = {(each.subscriber, each.event, each.date_kind, each.occurrence): each for each in _told(tx, *where)}
    return [each for _, each in sorted(last.items())]


def told_one(tx: Connection, notice: Notice) -> Told | None:
    """What the last mail about its date told the person this notice is for; copies of its own are not counted."""
    mails = _told(tx, *_about(notice), outbox.c.key != notice.key)
    return mails[-1] if mails else None


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
    by_hand = row.reason == Reason.DISCARDED.value
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


def _told(tx: Connection, *where: ColumnElement[bool]) -> list[Told]:
    """Every message that may have been read, in the order of sending."""
    columns = (outbox.c.subscriber, outbox.c.event, outbox.c.date_kind, outbox.c.occurrence, outbox.c.fact)
    mails = select(*columns, attempt.c.message_id).join_from(attempt, outbox)
    rows = tx.execute(mails.where(attempt.c.outcome.in_(KNOWN_SENT), *where).order_by(attempt.c.id))
    return [Told(*row) for row in rows]


def _parents(tx: Connection, notice: Notice) -> tuple[str, ...]:
    """The Message-IDs of what the person already has about the date, oldest first."""
    own = outbox.c.key != notice.key
    return tuple(dict.fromkeys(each.message_id for each in _told(tx, *_about(notice), own)))


def _about(notice: Notice) -> tuple[ColumnElement[bool], ...]:
    return (
        outbox.c.event == notice.event,
        outbox.c.subscriber == notice.subscriber,
        outbox.c.date_kind == notice.date_kind,
        outbox.c.occurrence == notice.occurrence,
    )


def _end_attempt(
    tx: Connection, id: int, owner: str, outcome: Outcome, *, reply: str, phase: str, code: int, now: datetime
) -> None:
    """Write how the owner's last attempt at a row ended. Only one that `recover` gave up is written again."""
    ended = {"ended_at": now, "phase": phase, "code": code, "reply": reply, "outcome": outcome}
    tx.execute(_ENDED, {"row": id, "by": owner, "lost": LOST, **ended})


def _words(outcome: Outcome, phase: str, code: int, reply: str) -> str:
    words = " ".join(part for part in (outcome, phase, str(code or ""), reply) if part)
    return words[:500]
