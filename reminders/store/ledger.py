"""The outbox, as people look at it and put it right: what is there, and why; hold, release, discard, retry, recall."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, or_, select, true, update

from reminders.planning.notices import Reason
from reminders.store import packing
from reminders.store.outbox import IN_DOUBT, OVER_LIMIT
from reminders.store.rows import Row, log, read_row
from reminders.store.tables import AT_REST, IN_HAND, OWED, STATES, attempt, history, outbox

BY_HAND = "by-hand"
"""The reason of whatever an operator held, released or retried."""
FIRST = 5
"""So many mails of a batch are shown to whoever is to decide about it."""

PARTS = (OWED, IN_HAND, AT_REST)
LISTED = [column for column in outbox.c if column.name != "body"]
"""The columns of a row without its bytes."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a row's history: when (event time) it came into a state, and why."""

    at: datetime
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time a message was begun at a server. `outcome` is sent, again, failed, uncertain, or "" while under way."""

    number: int
    owner: str
    started_at: datetime
    ended_at: datetime | None
    phase: str
    code: int
    reply: str
    message_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Mails that one pass owed and that are held: the batch's number, how many, and the first of them."""

    number: int
    mails: int
    first: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class PutOff:
    """Owed mails that wait for their time: how many, and when (wall time) the first may go.

    `tried`: they were refused for now. The others wait because their people got as many mails as one gets in a day.
    """

    tried: bool
    mails: int
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a recall came to: the ids of what was taken back, how many somebody may have read, how many are being sent.

    Of everything, those are counted that were owed in the same passes.
    """

    ids: tuple[int, ...]
    told: int
    sending: int


@dataclass(frozen=True, slots=True)
class Record:
    """Everything known about one notice."""

    row: Row
    history: tuple[Line, ...]
    attempts: tuple[Attempt, ...]


def counts(tx: Connection) -> dict[str, int]:
    """How many rows are in each state, every state named."""
    numbers = dict.fromkeys(STATES, 0)
    for part in PARTS:
        found = tx.execute(select(outbox.c.state, func.count()).where(part).group_by(outbox.c.state))
        numbers |= {name: count for name, count in found}
    return numbers


def tally(tx: Connection) -> dict[tuple[str, str], int]:
    """How many rows are in each state for each reason, in the order of the states and by reason; none that is nought.

    What was sent needs no reason. It is most of all rows, and its index alone counts it.
    """
    numbers: dict[tuple[str, str], int] = {}
    sent = select(func.count()).where(AT_REST, outbox.c.state == "sent")
    if number := tx.execute(sent).scalar_one():
        numbers["sent", ""] = number
    rest = outbox.c.state.in_(("failed", "uncertain", "dropped", "held"))
    for where in ((OWED,), (IN_HAND,), (AT_REST, rest)):
        alike = select(outbox.c.state, outbox.c.reason, func.count()).where(*where)
        for name, reason, number in tx.execute(alike.group_by(outbox.c.state, outbox.c.reason)):
            numbers[name, reason] = number
    return dict(sorted(numbers.items(), key=lambda each: (STATES.index(each[0][0]), each[0][1])))


def listing(tx: Connection, states: Collection[str] = (), limit: int = 100) -> list[Row]:
    """The rows in these states (any when none is named) that came last, newest first, without their bytes."""
    newest = select(*LISTED).order_by(outbox.c.id.desc()).limit(limit)
    queries = [newest.where(part, outbox.c.state.in_(sorted(states))) for part in PARTS] if states else [newest]
    rows = [read_row(row._mapping) for query in queries for row in tx.execute(query)]
    return sorted(rows, key=lambda row: row.id, reverse=True)[:limit]


def show(tx: Connection, id: int) -> Record | None:
    """One row with its history, its attempts and its bytes."""
    found = tx.execute(select(outbox).where(outbox.c.id == id)).one_or_none()
    if found is None:
        return None
    presets = packing.load(tx, {found.preset} if found.preset else set())
    return _record(tx, read_row(found._mapping, presets))


def why(tx: Connection, event: str, subscriber: int) -> list[Record]:
    """Every notice about an event to a person, in the order they were due: what was sent, what was not, and why."""
    query = select(*LISTED).where(outbox.c.event == event, outbox.c.subscriber == subscriber)
    rows = tx.execute(query.order_by(outbox.c.due_at, outbox.c.id)).all()
    return [_record(tx, read_row(row._mapping)) for row in rows]


def batches(tx: Connection, limit: int = 20) -> list[Batch]:
    """The batches of which mails are held, the newest first, with the first five mails of each."""
    held = (AT_REST, outbox.c.state == "held")
    counted = select(outbox.c.batch, func.count()).where(*held).group_by(outbox.c.batch)
    found = tx.execute(counted.order_by(outbox.c.batch.desc()).limit(limit)).all()
    return [Batch(number, mails, first_of(tx, number)) for number, mails in found]


def first_of(tx: Connection, batch: int, state: str = "held") -> tuple[Row, ...]:
    """The first five rows of a batch that are in this state, without their bytes."""
    where = (outbox.c.batch == batch, outbox.c.state == state)
    rows = tx.execute(select(*LISTED).where(*where).order_by(outbox.c.id).limit(FIRST))
    return tuple(read_row(row._mapping) for row in rows)


def hold(tx: Connection, ids: Collection[int] = (), *, batches: Collection[int] = (), now: datetime) -> list[int]:
    """Keep owed rows back until they are released. Returns the ids of those it concerned, like all of these.

    Those with these ids and those of these batches are meant.
    """
    return _move(tx, _chosen(ids, batches), ["owed"], "held", BY_HAND, now)


def release(tx: Connection, ids: Collection[int] = (), *, batches: Collection[int] = (), now: datetime) -> list[int]:
    """Let held rows go; each is still asked whether it is wanted before it is sent."""
    return _move(tx, _chosen(ids, batches), ["held"], "owed", BY_HAND, now)


def release_all(tx: Connection, now: datetime) -> list[int]:
    """Let everything go that the brake holds; what somebody held by hand stays."""
    return _move(tx, outbox.c.reason == OVER_LIMIT, ["held"], "owed", BY_HAND, now)


def discard(tx: Connection, ids: Collection[int] = (), *, batches: Collection[int] = (), now: datetime) -> list[int]:
    """Drop rows for good that are owed, held, failed or uncertain: they are never owed again."""
    states = ["owed", "held", "failed", "uncertain"]
    return _move(tx, _chosen(ids, batches), states, "dropped", Reason.DISCARDED.value, now)


def expire(tx: Connection, now: datetime) -> list[int]:
    """Drop held rows that are of no use any more. Returns their ids."""
    return _move(tx, outbox.c.expires_at <= now, ["held"], "dropped", Reason.EXPIRED.value, now)


def retry(tx: Connection, ids: Collection[int] = (), *, batches: Collection[int] = (), now: datetime) -> list[int]:
    """Owe failed and uncertain rows once more. One that was begun before is sent as the same bytes."""
    return _move(tx, _chosen(ids, batches), ["failed", "uncertain"], "owed", BY_HAND, now)


def recall(
    tx: Connection, *, events: Collection[str] | None = (), batches: Collection[int] = (), now: datetime
) -> Recalled:
    """Take back what is owed, held or claimed about these events (None: any) and in these batches.

    It is never owed again. What is being sent cannot be taken back; what was sent needs a correction.
    """
    about = true() if events is None else outbox.c.event.in_(sorted(events))
    chosen = or_(about, outbox.c.batch.in_(sorted(batches)))
    found = _move(tx, chosen, ["owed", "held", "claimed"], "dropped", Reason.RECALLED.value, now)
    sending = select(func.count()).where(IN_HAND, outbox.c.state == "sending", chosen)
    if events is None:
        taken = (AT_REST, outbox.c.reason == Reason.RECALLED.value, outbox.c.settled_at == now)
        chosen = outbox.c.batch.in_(select(outbox.c.batch).where(*taken))
    read = select(attempt.c.outbox).where(attempt.c.outcome.in_(("sent", "uncertain")))
    told = select(func.count()).where(chosen, outbox.c.id.in_(read))
    return Recalled(tuple(found), tx.execute(told).scalar_one(), tx.execute(sending).scalar_one())


def oldest_due(tx: Connection, now: datetime, wall_now: datetime) -> datetime | None:
    """Since when the row that waits longest has been due and owed, of those to be sent; None when nothing waits.

    A row that was refused for now and waits for its next try is left out: one full mailbox is no fault of the service.
    """
    found = longest_wait(tx, now, wall_now)
    return None if found is None else found[0]


def longest_wait(tx: Connection, now: datetime, wall_now: datetime) -> tuple[datetime, Row] | None:
    """The row that `oldest_due` is about, without its bytes, and since when it waits."""
    since = case((outbox.c.owed_at > outbox.c.due_at, outbox.c.owed_at), else_=outbox.c.due_at).label("since")
    oldest = select(since, *LISTED).where(outbox.c.due_at <= now, _free(wall_now)).order_by(since, outbox.c.id).limit(1)
    found = [(row.since, read_row(row._mapping)) for part in (OWED, IN_HAND) for row in tx.execute(oldest.where(part))]
    return min(found, key=lambda each: (each[0], each[1].id), default=None)


def put_off(tx: Connection, wall_now: datetime) -> list[PutOff]:
    """What is owed and left out of `oldest_due`; what was tried first."""
    tried = outbox.c.tries > 0
    alike = select(tried, func.count(), func.min(outbox.c.next_at)).where(OWED, ~_free(wall_now)).group_by(tried)
    found = [PutOff(bool(again), mails, next_at) for again, mails, next_at in tx.execute(alike)]
    return sorted(found, key=lambda each: not each.tried)


def queue(tx: Connection, now: datetime, wall_now: datetime) -> list[tuple[datetime, int]]:
    """What is to be sent and still of use: until when, and how many mails, in that order.

    As with `oldest_due`, what waits for its next try is left out.
    """
    due = (outbox.c.due_at <= now, outbox.c.expires_at > now)
    alike = select(outbox.c.expires_at, func.count()).where(*due, _free(wall_now)).group_by(outbox.c.expires_at)
    return sorted((at, number) for part in (OWED, IN_HAND) for at, number in tx.execute(alike.where(part)))


def begun_since(tx: Connection, number: int) -> datetime | None:
    """When the first of the last `number` (from 1) attempts was begun; None when there were not so many."""
    begun = select(attempt.c.started_at).order_by(attempt.c.id.desc()).limit(1).offset(number - 1)
    return tx.execute(begun).scalar_one_or_none()


def shorten_waits(tx: Connection, wall_now: datetime, longest: timedelta) -> None:
    """End what waits for longer than anything does: a lease or a wait that was set by a clock that ran ahead."""
    too_late = wall_now + longest
    tx.execute(update(outbox).where(OWED, outbox.c.next_at > too_late).values(next_at=wall_now))
    tx.execute(update(outbox).where(IN_HAND, outbox.c.lease_until > too_late).values(lease_until=too_late))


def _free(wall_now: datetime) -> ColumnElement[bool]:
    """Whether a row need not wait for its next try."""
    return or_(outbox.c.next_at.is_(None), outbox.c.next_at <= wall_now)


def _chosen(ids: Collection[int], batches: Collection[int]) -> ColumnElement[bool]:
    return or_(outbox.c.id.in_(sorted(ids)), outbox.c.batch.in_(sorted(batches)))


def _move(
    tx: Connection, chosen: ColumnElement[bool], states: list[str], after: str, reason: str, now: datetime
) -> list[int]:
    found: list[int] = []
    for part in PARTS:  # each has its own index
        where = (part, outbox.c.state.in_(states), chosen)
        found += tx.execute(select(outbox.c.id).where(*where).order_by(outbox.c.id).with_for_update()).scalars()
    found.sort()
    moved: dict[str, Any] = {"state": after, "reason": "" if after == "owed" else reason, "next_at": None}
    moved |= {"settled_at": now, "body": None} if after == "dropped" else {"settled_at": None, "tries": 0}
    moved |= {"owner": "", "lease_until": None, "deaths": 0}
    if found:
        tx.execute(update(outbox).where(outbox.c.id == bindparam("row")), [moved | {"row": id} for id in found])
    if found and after == "owed":  # what may have arrived is sent as it was, or not at all
        doubtful = exists().where(attempt.c.outbox == outbox.c.id, attempt.c.outcome == "uncertain")
        tx.execute(update(outbox).where(outbox.c.id.in_(found), doubtful).values(reason=IN_DOUBT))
    log(tx, found, after, reason, now)
    return found


def _record(tx: Connection, row: Row) -> Record:
    lines = tx.execute(select(history).where(history.c.outbox == row.id).order_by(history.c.id))
    begun = tx.execute(select(attempt).where(attempt.c.outbox == row.id).order_by(attempt.c.id))
    names = Attempt.__dataclass_fields__
    return Record(
        row,
        tuple(Line(line.at, line.state, line.reason) for line in lines),
        tuple(Attempt(**{name: each._mapping[name] for name in names}) for each in begun),
    )
