"""The journal beside the database compared with it; what a crash left unsaid, and what a restored backup forgot.

How far a journal is known is remembered by the journal's name, in the transaction that settles what it says. A line
beyond that of an attempt which the database has begun is what a crash leaves. One of an attempt that the database has
never heard of shows that the database is older than the journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, delete, select
from sqlalchemy import Row as StoredRow

from reminders.planning.notices import Notice
from reminders.store import people, sending, state, tables
from reminders.store.engine import take_turns
from reminders.store.journal import Entry, Left, Line, Sent
from reminders.store.outbox import LOST
from reminders.store.rows import change, log
from reminders.store.sending import Ending
from reminders.store.tables import attempt, outbox

FROM_JOURNAL = "known from the journal"
REPAIRED = "repaired from the journal"
AT_ONCE = 500
"""How many lines are looked up together."""
_BEHIND = "behind"
_PREFIX = "journal "
_JOURNALS = tables.state.c.name.startswith(_PREFIX)

Mark = Callable[[str], str]
"""The keyed hash of an address key."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a database stands to a journal that goes on after what was known of it.

    `known_to` is the position up to which the database has everything. `lost` are rows that a worker which is gone was
    sending, with the line that says they were accepted. `behind`: the journal knows of mails or of people who left that
    the database does not.
    """

    known_to: int
    lost: tuple[tuple[int, Sent], ...] = ()
    behind: bool = False


@dataclass(frozen=True, slots=True)
class Repaired:
    """How many notices became sent, how many were put in as sent, and how many people left.

    Of mails (`unmatched`) and leavings (`unmatched_left`) of people whom the database does not know nothing can be
    kept; `unreadable` lines were passed over.
    """

    settled: int = 0
    added: int = 0
    left: int = 0
    unmatched: int = 0
    unmatched_left: int = 0
    unreadable: int = 0


def position(tx: Connection, journal: str) -> int:
    """Up to where everything in the journal of this name is in the database; 0 for one never seen."""
    return int(str(state.get(tx, _name(journal)) or 0))


def put_position(tx: Connection, journal: str, position: int) -> None:
    """Everything up to here is in the database."""
    state.put(tx, _name(journal), position)


def advance(tx: Connection, journal: str, spans: Sequence[tuple[int, int]]) -> int:
    """Go on from the known position over spans of the journal that are in the database. Where one is missing, stop."""
    before = at = position(tx, journal)
    following = dict(spans)
    while at in following:
        at = following[at]
    if at != before:
        put_position(tx, journal, at)
    return at


def remembers(tx: Connection) -> bool:
    """Whether a SQLite database remembers any journal. One that several machines use remembers those of all."""
    return tx.dialect.name == "sqlite" and tx.execute(select(tables.state.c.name).where(_JOURNALS)).first() is not None


def forget(tx: Connection) -> None:
    """Remember no journal."""
    tx.execute(delete(tables.state).where(_JOURNALS))


def behind(tx: Connection) -> bool:
    """Whether somebody found the database older than a journal, and has not repaired it."""
    return bool(json.loads(str(state.get(tx, _BEHIND) or "[]")))


def put_behind(tx: Connection, journal: str, found: bool) -> None:
    """Remember whether the database is older than the journal of this name."""
    known = set(json.loads(str(state.get(tx, _BEHIND) or "[]")))
    after = known | {journal} if found else known - {journal}
    if after != known:
        state.put(tx, _BEHIND, json.dumps(sorted(after)) if after else None)


def compare(
    tx: Connection, lines: Iterable[Line], known_to: int, mark: Mark, *, dead: Iterable[str], wall_now: datetime
) -> Standing:
    """Look at the lines after `known_to` until one shows that the database is older. `dead` workers are gone.

    What a worker that is alive has in hand is left to it; what comes after is not called known before it is settled.
    """
    finder = _Finder(tx, mark)
    gone, open_line = set(dead), False
    lost: list[tuple[int, Sent]] = []
    for batch in _batches(lines):
        ids = finder.people(batch)
        rows, attempts = _rows(tx, batch, ids)
        for line in batch:
            entry = line.entry
            if isinstance(entry, Left) and (entry.person not in ids or not finder.left(ids[entry.person])):
                return Standing(known_to, tuple(lost), behind=True)
            if isinstance(entry, Sent):
                row = rows.get(_key(entry, ids))
                if row is None:
                    return Standing(known_to, tuple(lost), behind=True)
                begun = attempts.get((row.id, entry.number))
                if row.state == "sent" or _is(begun, entry, "sent"):
                    pass
                elif not _is(begun, entry, ""):
                    return Standing(known_to, tuple(lost), behind=True)
                elif (
                    _in_hand(row, attempts[row.id, entry.number])
                    and row.owner not in gone
                    and row.lease_until > wall_now
                ):
                    open_line = True
                else:
                    lost.append((row.id, entry))
            if not open_line:
                known_to = line.end
    return Standing(known_to, tuple(lost))


def settle_lost(tx: Connection, lost: Iterable[tuple[int, Sent]]) -> None:
    """Record as sent what a worker that is gone could not: the relay had accepted it."""
    for row, entry in lost:
        owner = tx.execute(
            select(attempt.c.owner).where(attempt.c.outbox == row, attempt.c.number == entry.number)
        ).scalar_one()
        sending.settle(tx, [Ending(row, entry.number, "sent", FROM_JOURNAL, "dot", 250)], owner, now=entry.at)


def repair(tx: Connection, lines: Iterable[Line], mark: Mark) -> Repaired:
    """Put into the database what the journal knows better: sent is sent, and who left has left.

    A person is found by their address, whatever number they had. Running it again changes nothing.
    """
    take_turns(tx, "outbox")
    finder = _Finder(tx, mark)
    done = _Count()
    for batch in _batches(lines):
        ids = finder.people(batch)
        rows, attempts = _rows(tx, batch, ids)
        for line in batch:
            match line.entry:
                case None:
                    done.unreadable += 1
                case Left() as left if left.person in ids:
                    done.left += people.leave(tx, ids[left.person], left.how, left.at)
                case Left():
                    done.unmatched_left += 1
                case Sent() as sent if sent.person in ids:
                    key = _key(sent, ids)
                    row = rows.get(key)
                    if row is None:
                        batch_number = done.batch = done.batch or state.count(tx, "batch")
                        rows[key] = _add(tx, replace(sent.notice, subscriber=ids[sent.person]), sent, batch_number)
                        done.added += 1
                    elif row.state != "sent":
                        _settle(tx, row, attempts.get((row.id, sent.number)), sent)
                        rows[key] = _look(tx, row.id)
                        done.settled += 1
                case Sent():
                    done.unmatched += 1
    return Repaired(done.settled, done.added, done.left, done.unmatched, done.unmatched_left, done.unreadable)


@dataclass
class _Count:
    settled: int = 0
    added: int = 0
    left: int = 0
    unmatched: int = 0
    unmatched_left: int = 0
    unreadable: int = 0
    batch: int = 0


@dataclass
class _Finder:
    """Who is meant by the hashes in lines; `index` is made when a number belongs to somebody else by now."""

    tx: Connection
    mark: Mark
    index: dict[str, int] | None = field(default=None)

    def people(self, lines: Sequence[Line]) -> dict[str, int]:
        """The ids of the people whom these lines name, by hash, of those who are known."""
        named = {line.entry.person: _number(line.entry) for line in lines if line.entry is not None}
        if self.index is None:
            person = tables.subscriber.c
            found = self.tx.execute(
                select(person.id, person.address_key).where(person.id.in_(sorted(set(named.values()))))
            )
            ids = {self.mark(key): id for id, key in found}
            if all(hash in ids for hash in named):
                return {hash: ids[hash] for hash in named}
            self.index = {self.mark(key): id for id, key in self.tx.execute(select(person.id, person.address_key))}
        return {hash: self.index[hash] for hash in named if hash in self.index}

    def left(self, id: int) -> bool:
        person = tables.subscriber.c
        return self.tx.execute(select(person.left_at).where(person.id == id)).scalar_one() is not None


def _number(entry: Entry) -> int:
    return entry.subscriber if isinstance(entry, Left) else entry.notice.subscriber


def _key(entry: Sent, ids: dict[str, int]) -> str:
    """The key of the notice in this database; "" when its person is not known here."""
    id = ids.get(entry.person)
    return "" if id is None else replace(entry.notice, subscriber=id).key


def _rows(
    tx: Connection, lines: Sequence[Line], ids: dict[str, int]
) -> tuple[dict[str, StoredRow[Any]], dict[tuple[int, int], StoredRow[Any]]]:
    """The rows of the outbox that lines speak of, by key, and their attempts by row and number."""
    keys = {_key(line.entry, ids) for line in lines if isinstance(line.entry, Sent)}
    rows: dict[str, StoredRow[Any]] = {row.key: row for row in tx.execute(_ROW.where(outbox.c.key.in_(sorted(keys))))}
    own = select(attempt).where(attempt.c.outbox.in_(sorted(row.id for row in rows.values())))
    return rows, {(each.outbox, each.number): each for each in tx.execute(own)}


_ROW: Select[Any] = select(
    *(outbox.c.id, outbox.c.key, outbox.c.state, outbox.c.owner, outbox.c.lease_until, outbox.c.attempts)
)


def _look(tx: Connection, row: int) -> StoredRow[Any]:
    found: StoredRow[Any] = tx.execute(_ROW.where(outbox.c.id == row)).one()
    return found


def _is(begun: StoredRow[Any] | None, entry: Sent, outcome: str) -> bool:
    """Whether the database has this very attempt, with this outcome; "" also for one that was given up."""
    if begun is None or begun.message_id != entry.message_id:
        return False
    return begun.outcome == outcome or (outcome == "" and begun.phase == LOST)


def _in_hand(row: StoredRow[Any], begun: StoredRow[Any]) -> bool:
    """Whether the worker that began this attempt still has the row by it."""
    return bool(begun.outcome == "" and row.owner == begun.owner and row.attempts == begun.number)


def _settle(tx: Connection, row: StoredRow[Any], begun: StoredRow[Any] | None, sent: Sent) -> None:
    number = row.attempts
    if _is(begun, sent, ""):
        ended = {"ended_at": sent.at, "phase": "dot", "code": 250, "reply": FROM_JOURNAL, "outcome": "sent"}
        tx.execute(attempt.update().where(attempt.c.outbox == row.id, attempt.c.number == sent.number).values(ended))
    elif not _is(begun, sent, "sent"):
        number += 1
        _add_attempt(tx, row.id, number, sent)
    rest = {"state": "sent", "reason": "", "owner": "", "lease_until": None, "next_at": None, "body": None}
    told = {"attempts": number, "message_id": sent.message_id, "reply": FROM_JOURNAL, "settled_at": sent.at}
    change(tx, row.id, rest | told)
    log(tx, [row.id], "sent", REPAIRED, sent.at)


def _add(tx: Connection, notice: Notice, sent: Sent, batch: int) -> StoredRow[Any]:
    facts = {
        "key": notice.key,
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
    }
    stand = {"state": "sent", "reason": "", "uncertain_policy": "resend", "attempts": 1, "tries": 0, "owner": ""}
    told = {"message_id": sent.message_id, "reply": FROM_JOURNAL, "owed_at": sent.at, "settled_at": sent.at}
    id = tx.execute(outbox.insert().values(facts | stand | told | {"batch": batch}).returning(outbox.c.id)).scalar_one()
    _add_attempt(tx, id, 1, sent)
    log(tx, [id], "sent", REPAIRED, sent.at)
    return _look(tx, id)


def _add_attempt(tx: Connection, row: int, number: int, sent: Sent) -> None:
    facts = {"outbox": row, "number": number, "owner": "", "started_at": sent.at, "ended_at": sent.at}
    facts |= {"phase": "dot", "code": 250, "reply": FROM_JOURNAL, "message_id": sent.message_id, "outcome": "sent"}
    tx.execute(attempt.insert().values(facts))


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _name(journal: str) -> str:
    return f"{_PREFIX}{journal}"
