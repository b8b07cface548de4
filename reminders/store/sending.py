"""The outbox, as a worker uses it once it has claimed rows: begin, settle; and what workers that are gone leave.

    owed -> claimed -> sending -> sent | failed | uncertain
      ^________|__________|  (again; a lease that ran out)

A claim (`claiming`) is one worker's (`owner`) until its lease runs out. `begin` is the fence: it is committed before
the first byte of the message, so that a claim without it is provably unsent, and one with it is in doubt until it is
settled. How many rows a worker has between the two is its in-doubt window. Every change names the state it starts from;
whoever lost the race changes nothing. Each function takes many rows, because a commit costs more than a row.

Two axes of time: `now` is event time, `wall_now` (leases and waiting) the real one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, literal_column, null, or_, select, update
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import Reason
from reminders.store import packing
from reminders.store.outbox import IN_DOUBT, KNOWN_SENT, LOST
from reminders.store.rows import log, log_reply
from reminders.store.tables import IN_HAND, Instant, attempt, outbox, subscriber

DEATHS = 10
"""So many workers may end with a mail in hand that was not begun, before it is taken for what they died of."""

Outcome = Literal["sent", "again", "failed", "uncertain", "released", "shadow"]

# What each message needs is built once: building it costs more than running it.
_LOCKED = (
    select(
        *(outbox.c.id, outbox.c.subscriber, outbox.c.state, outbox.c.owner, outbox.c.attempts, outbox.c.tries),
        *(outbox.c.uncertain_policy, outbox.c.reason),
    )
    .where(outbox.c.id.in_(bindparam("rows", expanding=True)))
    .order_by(outbox.c.id)
    .with_for_update()
)
# Locked against leaving until the fence is committed: no message is begun after an unsubscribe was confirmed.
_GONE = (
    select(subscriber.c.id, subscriber.c.left_at)
    .where(subscriber.c.id.in_(bindparam("people", expanding=True)))
    .where(or_(subscriber.c.left_at.is_not(None), subscriber.c.suspended_at.is_not(None)))
)
_PEOPLE = (
    select(subscriber.c.id).where(subscriber.c.id.in_(bindparam("people", expanding=True))).order_by(subscriber.c.id)
)
_CHANGE = outbox.update().where(outbox.c.id == bindparam("row"))
# What is alike in all rows is in the statement itself, because each value of a row costs.
_START = _CHANGE.values(
    state=literal_column("'sending'"),
    attempts=outbox.c.attempts + literal_column("1"),
    lease_until=bindparam("until"),
    message_id=bindparam("message_id"),
    composed_at=bindparam("composed_at"),
    body=bindparam("body"),
    preset=bindparam("preset"),
)
_BEGUN = attempt.insert().from_select(
    ["outbox", "number", "message_id", "owner", "started_at", "phase", "code", "reply", "outcome"],
    select(
        *(outbox.c.id, outbox.c.attempts, outbox.c.message_id, outbox.c.owner, bindparam("now", type_=Instant())),
        *(literal_column(each) for each in ("''", "0", "''", "''")),
    )
    .where(outbox.c.id.in_(bindparam("rows", expanding=True)))
    .order_by(outbox.c.id),
)
_ENDED = (
    attempt.update()
    .where(attempt.c.outbox == bindparam("row"), attempt.c.number == bindparam("nth"))
    .where(attempt.c.owner == bindparam("by"))
    .where(or_(attempt.c.outcome == literal_column("''"), attempt.c.phase == literal_column(f"'{LOST}'")))
    .values({each: bindparam(each) for each in ("ended_at", "phase", "code", "reply", "outcome")})
)
_FREE = _CHANGE.values(
    {each: bindparam(each) for each in ("state", "reason", "next_at", "settled_at", "reply", "tries")}
    | {"owner": literal_column("''"), "lease_until": null()}
)
_OVER = _FREE.values(body=null())

Locked = StoredRow[int, int, str, str, int, int, str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed row's message, ready to be begun: `body` are its very bytes, packed against `common`."""

    row: int
    message_id: str
    body: bytes
    composed_at: datetime
    common: bytes = b""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a claimed row.

    `number` is that of the attempt, 0 when the message was never begun. `phase`, `code` and `reply` are those of a
    `DeliveryError`, or of the acceptance. `next_at` (wall time) is when it may be tried again; None: never, or at once.
    """

    row: int
    number: int
    outcome: Outcome
    reply: str
    phase: str
    code: int
    next_at: datetime | None = None


def renew(tx: Connection, owner: str, *, wall_now: datetime, lease: timedelta) -> None:
    """Start the lease of all that a worker has claimed and not begun anew."""
    own = (outbox.c.owner == owner, IN_HAND, outbox.c.state == "claimed")
    tx.execute(update(outbox).where(*own).values(lease_until=wall_now + lease))


def begin(
    tx: Connection, messages: Sequence[Message], owner: str, *, now: datetime, wall_now: datetime, lease: timedelta
) -> set[int]:
    """The fence: commit this, then send. The rows whose message may be started now.

    Counts the attempt, starts a new lease and freezes the message. A row that is not this owner's any more may not be
    started, nor any that goes in the same message, nor one whose person has left or was suspended meanwhile; that one
    is dropped.
    """
    locked = _locked(tx, [each.row for each in messages])
    others = {
        each.message_id for each in messages if (locked[each.row].owner, locked[each.row].state) != (owner, "claimed")
    }
    own = [each for each in messages if each.message_id not in others]
    gone = _gone(tx, {locked[each.row].subscriber for each in own})
    for each in own:
        if (reason := gone.get(locked[each.row].subscriber)) is not None:
            drop(tx, each.row, reason, now, owner=owner)
    stay = [each for each in own if locked[each.row].subscriber not in gone]
    if stay:
        packing.save(tx, {each.common for each in stay})
        tx.execute(
            _START,
            [
                {"row": each.row, "until": wall_now + lease, "message_id": each.message_id}
                | {"composed_at": each.composed_at, "body": each.body, "preset": packing.number(each.common)}
                for each in stay
            ],
        )
        tx.execute(_BEGUN, {"rows": [each.row for each in stay], "now": now})
    return {each.row for each in stay}


def settle(tx: Connection, endings: Sequence[Ending], owner: str, *, now: datetime) -> set[int]:
    """Record what became of rows; those that were still this owner's are returned.

    "again" owes a row again at its `next_at`. "uncertain" does so too when there is a `next_at`, and the same bytes may
    then arrive twice; without it the row rests, uncertain. "failed", "again" and "released" may also end a claim that
    was never begun, which charges no attempt; "released" gives it back because nobody could be reached, which is no try
    of it. "shadow" ends what was composed only to be looked at. A message known to be sent is recorded as sent whoever
    has the row by now.
    """
    locked = _locked(tx, [each.row for each in endings])
    _end_attempts(tx, [each for each in endings if each.number], owner, now)
    own: set[int] = set()
    free: list[dict[str, Any]] = []
    over: list[dict[str, Any]] = []
    story: dict[tuple[str, str], list[int]] = {}
    for each in endings:
        row = locked[each.row]
        if each.outcome == "released" and row.state != "claimed":
            continue  # what was begun is not given back
        if row.owner == owner and row.state in ("claimed", "sending"):
            own.add(each.row)
            if row.state == "claimed" and each.outcome in KNOWN_SENT:
                raise ValueError(f"outbox row {each.row} was never begun, so it cannot be {each.outcome}")
        elif each.outcome != "sent" or row.state == "sent":
            continue
        rests = each.outcome in ("sent", "failed", "shadow") or (each.outcome == "uncertain" and not each.next_at)
        doubt = each.outcome == "uncertain" or (not rests and row.reason == IN_DOUBT)
        state = "dropped" if each.outcome == "shadow" else each.outcome
        columns: dict[str, Any] = {"row": each.row, "state": state if rests else "owed"}
        columns |= {"next_at": each.next_at, "reply": each.reply, "settled_at": now if rests else None}
        reason = Reason.SHADOW.value if each.outcome == "shadow" else ""
        columns |= {"reason": IN_DOUBT if doubt else reason}
        columns |= {"tries": row.tries + (not rests and (each.outcome != "released" or each.next_at is not None))}
        (over if columns["state"] in ("sent", "dropped") else free).append(columns)
        if each.outcome != "released":
            story.setdefault((columns["state"], _words(each)), []).append(each.row)
    for statement, rows in ((_FREE, free), (_OVER, over)):
        if rows:
            tx.execute(statement, rows)
    for (after, words), ids in story.items():
        log_reply(tx, ids, after, words, now)
    return own


def drop(tx: Connection, id: int, reason: Reason, now: datetime, *, owner: str | None = None) -> bool:
    """Record that a row is not to be sent, and why. False when it is being sent, or at its end.

    With `owner`, only if that worker has the claim; without, whoever has: its `begin` will then fail.
    """
    row = _locked(tx, [id])[id]
    if row.state not in ("owed", "held", "claimed") or (owner is not None and row.owner != owner):
        return False
    gone = {"state": "dropped", "reason": reason.value, "owner": "", "lease_until": None, "next_at": None, "body": None}
    _change(tx, [{"row": id, **gone, "settled_at": now}])
    log(tx, [id], "dropped", reason.value, now)
    return True


def owners(tx: Connection) -> list[str]:
    """The workers that hold claims, dead or alive."""
    return sorted(tx.execute(select(outbox.c.owner).where(IN_HAND).distinct()).scalars())


def recover(tx: Connection, *, dead: Collection[str], now: datetime, wall_now: datetime, max_attempts: int) -> int:
    """Take back the rows of workers known to be `dead`, and all whose lease ran out. Returns how many.

    What was only claimed is owed again, unless workers died with it in hand `DEATHS` times: then it has failed.
    What was being sent is in doubt: owed again with the same bytes while its policy is "resend" and it has attempts
    left, otherwise `uncertain`.
    """
    lost = or_(outbox.c.lease_until <= wall_now, outbox.c.owner.in_(sorted(dead)))
    rows = tx.execute(select(outbox).where(IN_HAND, lost).with_for_update(skip_locked=True)).all()
    doubtful = [
        Ending(row.id, row.attempts, "uncertain", reply="", phase=LOST, code=0)
        for row in rows
        if row.state == "sending"
    ]
    for owner in {row.owner for row in rows}:
        own = {row.id for row in rows if row.owner == owner}
        _end_attempts(tx, [each for each in doubtful if each.row in own], owner, now)
    changed = []
    for row in rows:
        freed: dict[str, Any] = {"row": row.id, "state": "owed", "owner": "", "lease_until": None, "next_at": None}
        freed |= {"reason": row.reason, "deaths": row.deaths, "settled_at": None, "reply": row.reply}
        if row.state == "sending":
            rests = row.uncertain_policy == "hold" or row.attempts >= max_attempts
            freed |= {"reason": IN_DOUBT} | ({"state": "uncertain", "settled_at": now} if rests else {})
            log(tx, [row.id], str(freed["state"]), IN_DOUBT, now)
        else:
            freed["deaths"] = row.deaths + 1
            if freed["deaths"] >= DEATHS:
                why = f"workers ended {freed['deaths']} times with this mail in hand, before it was begun"
                freed |= {"state": "failed", "settled_at": now, "reply": why}
                log(tx, [row.id], "failed", why, now)
        changed.append(freed)
    _change(tx, changed)
    return len(rows)


def _locked(tx: Connection, ids: Iterable[int]) -> dict[int, Locked]:
    return {row.id: row for row in tx.execute(_LOCKED, {"rows": list(ids)})}


def _gone(tx: Connection, people: Collection[int]) -> dict[int, Reason]:
    """Who of these gets no mail, and why; nobody else leaves or is suspended until the end of the transaction."""
    ids = sorted(people)
    if tx.dialect.name == "postgresql":
        tx.execute(_PEOPLE.with_for_update(read=True), {"people": ids})
    found = tx.execute(_GONE, {"people": ids})
    return {id: Reason.SUSPENDED if left_at is None else Reason.UNSUBSCRIBED for id, left_at in found}


def _change(tx: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Set columns of rows, each named by its `row`; all with the same columns."""
    if changed := list(rows):
        tx.execute(_CHANGE, changed)


def _end_attempts(tx: Connection, endings: Sequence[Ending], owner: str, now: datetime) -> None:
    """Write how attempts of this owner ended. Only one that `recover` gave up is written again."""
    if endings:
        tx.execute(
            _ENDED,
            [
                {"row": each.row, "nth": each.number, "by": owner, "ended_at": now}
                | {"phase": each.phase, "code": each.code, "reply": each.reply, "outcome": each.outcome}
                for each in endings
            ],
        )


def _words(ending: Ending) -> str:
    """What its history says of it before the reply."""
    return " ".join(part for part in (ending.outcome, ending.phase, str(ending.code or "")) if part)
