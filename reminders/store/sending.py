"""The outbox, as a worker uses it: claim, begin, settle; and what is taken back from workers that are gone.

    owed -> claimed -> sending -> sent | failed | uncertain
      ^________|__________|  (again; a lease that ran out)

A claim is one worker's (`owner`) until its lease runs out. `begin` is the fence: it is committed before the first byte
of the message, so that a claim without it is provably unsent, and one with it is in doubt until it is settled. How many
rows a worker has between the two is its in-doubt window. Every change names the state it starts from; whoever lost the
race changes nothing. Each function takes many rows, because a commit costs more than a row.

Two axes of time: `now` is event time, `wall_now` (leases and waiting) the real one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, exists, func, literal_column, null, or_, select, update
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import NoticeKind, Reason
from reminders.store import packing
from reminders.store.engine import take_turns
from reminders.store.outbox import IN_DOUBT, KNOWN_SENT, LOST
from reminders.store.rows import Row, log, log_reply, read_row
from reminders.store.tables import IN_HAND, OWED, Instant, attempt, in_hand, outbox, subscriber

LATE = timedelta(hours=1)
"""A reminder sent this long after it was due is late."""
ROUNDS = 20
"""How often one claim looks for somebody else where all it finds have had enough for today."""
DEATHS = 10
"""So many workers may end with a mail in hand that was not begun, before it is taken for what they died of."""
MANY, MOST = 3, 40
"""More than so many late reminders to one person go as one message, and so many as one at most."""

Outcome = Literal["sent", "again", "failed", "uncertain", "released", "shadow"]

# What each message needs is built once: building it costs more than running it.
_other = outbox.alias("other")
_WAITING = (
    select(outbox, subscriber.c.domain)
    .join_from(outbox, subscriber)
    .where(OWED, outbox.c.due_at <= bindparam("now"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("wall_now")))
    .where(~exists().where(_other.c.subscriber == outbox.c.subscriber, in_hand(_other)))
    .where(subscriber.c.domain.not_in(bindparam("full", expanding=True)))
    .order_by(outbox.c.expires_at, outbox.c.id)
    .limit(bindparam("most"))
)
_DUE = _WAITING.with_for_update(of=outbox, skip_locked=True)
_THEIRS = (
    select(outbox)
    .where(OWED, outbox.c.subscriber.in_(bindparam("people", expanding=True)), outbox.c.due_at <= bindparam("now"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at <= bindparam("wall_now")))
    .order_by(outbox.c.id)
    .with_for_update()
)
_OWN = select(func.count(), func.max(outbox.c.deaths)).where(IN_HAND, outbox.c.owner == bindparam("by"))
_BUNDLED = update(outbox).where(outbox.c.id.in_(bindparam("rows", expanding=True))).values(bundle=bindparam("lead"))
_GOT = (
    select(outbox.c.subscriber, outbox.c.message_id, outbox.c.settled_at)
    .where(outbox.c.subscriber.in_(bindparam("people", expanding=True)), outbox.c.settled_at > bindparam("since"))
    .where(outbox.c.state.in_(KNOWN_SENT))
)
_WAIT = (
    update(outbox)
    .where(OWED, outbox.c.subscriber == bindparam("person"))
    .where(or_(outbox.c.next_at.is_(None), outbox.c.next_at < bindparam("until")))
    .values(next_at=bindparam("until"), reply=bindparam("why"))
)
_BUSY = (
    select(subscriber.c.domain, func.count()).join_from(outbox, subscriber).where(IN_HAND).group_by(subscriber.c.domain)
)
_CLAIMED = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("rows", expanding=True)))
    .values(state="claimed", owner=bindparam("by"), lease_until=bindparam("until"))
)
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


def claim(
    tx: Connection,
    owner: str,
    *,
    now: datetime,
    wall_now: datetime,
    lease: timedelta,
    most: int = 1,
    per_domain: int = 0,
    per_person: int = 0,
) -> list[tuple[Row, ...]]:
    """Take the most urgent rows that are due and need not wait, for `owner` alone and until the lease runs out.

    Each of up to `most` tuples is one message: a row, or more than `MANY` late reminders to one person. Urgent is what
    expires first. One person has one message in hand at a time, so that what a mail told is known when the next is
    decided, and gets `per_person` (0: any number) in a day; what exceeds them waits. A mail domain has at most
    `per_domain` (0: any number) in hand. A row that a worker died of comes alone, to whoever has nothing else in hand,
    and nothing beside it. Claims take turns, so that all this holds for all machines together.
    """
    take_turns(tx, "claim")
    own, deaths = tx.execute(_OWN, {"by": owner}).one()
    if deaths:
        return []
    chosen: list[StoredRow[Any]] = []
    for _ in range(ROUNDS):
        found = _candidates(tx, now, wall_now, most, per_domain, alone=not own)
        full = _full(tx, found, now, wall_now, per_person) if per_person else {}
        chosen = [row for row in found if row.subscriber not in full]
        if chosen or not full:
            break
    bundles = _bundles(tx, chosen, now, wall_now)
    ids = [row.id for bundle in bundles for row in bundle]
    if ids:
        tx.execute(_CLAIMED, {"rows": ids, "by": owner, "until": wall_now + lease})
    presets = packing.load(tx, {row.preset for bundle in bundles for row in bundle if row.preset and row.body})
    taken = {"state": "claimed", "owner": owner, "lease_until": wall_now + lease}

    def read(row: StoredRow[Any], bundle: list[StoredRow[Any]]) -> Row:
        lead = row.bundle or (bundle[0].id if len(bundle) > 1 else None)
        return read_row({**row._mapping, **taken, "bundle": lead}, presets)

    return [tuple(read(row, bundle) for row in bundle) for bundle in bundles]


def _candidates(
    tx: Connection, now: datetime, wall_now: datetime, most: int, per_domain: int, *, alone: bool
) -> list[StoredRow[Any]]:
    """The rows to claim as far as domains and persons in hand decide it, one a person. `alone`: nothing is in hand."""
    busy = {domain: count for domain, count in tx.execute(_BUSY)} if per_domain else {}
    full = [domain for domain, count in busy.items() if count >= per_domain]
    found = tx.execute(_DUE, {"now": now, "wall_now": wall_now, "full": full, "most": 4 * most if most > 1 else 1})
    chosen: dict[int, StoredRow[Any]] = {}
    for row in found:
        if len(chosen) == most or (row.deaths and (chosen or not alone)):
            break
        if row.subscriber in chosen or (per_domain and busy.get(row.domain, 0) >= per_domain):
            continue
        busy[row.domain] = busy.get(row.domain, 0) + 1
        chosen[row.subscriber] = row
        if row.deaths:
            break
    return list(chosen.values())


def _full(
    tx: Connection, rows: Sequence[StoredRow[Any]], now: datetime, wall_now: datetime, per_person: int
) -> dict[int, datetime]:
    """Who has got all that one person gets in a day, and when (event time) there is room again. Their rows wait."""
    since = now - timedelta(days=1)
    mails: dict[int, dict[str, datetime]] = {}
    people = [row.subscriber for row in rows]
    for person, message_id, at in tx.execute(_GOT, {"people": people, "since": since}):
        mails.setdefault(person, {})[message_id] = at
    room = {
        person: sorted(got.values())[-per_person] + timedelta(days=1)
        for person, got in mails.items()
        if len(got) >= per_person
    }
    for row in rows:
        if row.subscriber in room:
            wait = wall_now + max(room[row.subscriber] - now, timedelta(minutes=1))
            reply = f"waits: this person got {per_person} mails in a day"
            tx.execute(_WAIT, {"person": row.subscriber, "until": wait, "why": reply})
    return room


def _bundles(
    tx: Connection, rows: Sequence[StoredRow[Any]], now: datetime, wall_now: datetime
) -> list[list[StoredRow[Any]]]:
    """Each row with those that go in the same message, as far as there are any: urgent first, the row itself ahead."""
    leads = {row.subscriber for row in rows if row.bundle is not None or (_late(row, now) and not row.deaths)}
    theirs: dict[int, list[StoredRow[Any]]] = {}
    if leads:
        found = tx.execute(_THEIRS, {"people": sorted(leads), "now": now, "wall_now": wall_now})
        for row in sorted(found, key=lambda each: (each.expires_at, each.id)):
            theirs.setdefault(row.subscriber, []).append(row)
    bundles = []
    for row in rows:
        others = [each for each in theirs.get(row.subscriber, ()) if each.id != row.id]
        if row.deaths and not row.attempts:  # of a message that was never begun: one of its rows may be the cause
            others = []
        elif row.bundle is not None:
            others = [each for each in others if each.bundle == row.bundle]
        else:
            alike = (each for each in others if each.uncertain_policy == row.uncertain_policy)
            others = [each for each in alike if _late(each, now) and not each.deaths][: MOST - 1]
            if not _late(row, now) or len(others) < MANY:
                others = []
        bundle = [row, *others]
        bundles.append(bundle)
        if others and row.bundle is None:
            tx.execute(_BUNDLED, {"rows": [each.id for each in bundle], "lead": row.id})
    return bundles


def _late(row: StoredRow[Any], now: datetime) -> bool:
    """Whether it is a late reminder that nobody can have seen, and so may go together with others."""
    fresh = row.bundle is None and not row.attempts and row.kind == NoticeKind.REMINDER.value
    return fresh and now - row.due_at > LATE


def waiting(tx: Connection, *, now: datetime, wall_now: datetime) -> bool:
    """Whether there is a row that could be claimed."""
    return tx.execute(_WAITING, {"now": now, "wall_now": wall_now, "full": [], "most": 1}).first() is not None


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
