"""The program with one part of its promise taken out, for the harnesses to notice.

python -m tests.harness.broken FORM run --config DIR
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, event, select

from reminders import cli
from reminders.jobs import braking, deliver, taking
from reminders.jobs import refresh as refreshing
from reminders.jobs.refresh import REMINDED_UNTIL
from reminders.store import claiming, journal, packing, schema, sending, state
from reminders.store.sending import Ending, Message
from reminders.store.tables import outbox

TOGETHER = 5


def unfenced() -> None:
    """nothing is recorded before the message goes out, all of it only afterwards"""
    _begin_late(lambda tx, messages: {each.row for each in messages})


def unfenced_again() -> None:
    """a message that was tried before is recorded only after it went out again"""

    def tried(tx: Connection, messages: Sequence[Message]) -> set[int]:
        rows = outbox.c.id.in_([each.row for each in messages])
        return set(tx.execute(select(outbox.c.id).where(rows, outbox.c.attempts > 0)).scalars())

    _begin_late(tried)


def _begin_late(which: Callable[[Connection, Sequence[Message]], set[int]]) -> None:
    """Have the fence of these rows committed with what became of them."""
    begin, settle = sending.begin, sending.settle
    begun: dict[int, tuple[Message, dict[str, Any]]] = {}

    def begin_later(tx: Any, messages: Any, owner: str, **facts: Any) -> set[int]:
        late = which(tx, messages)
        begun.update({each.row: (each, facts) for each in messages if each.row in late})
        return late | begin(tx, [each for each in messages if each.row not in late], owner, **facts)

    def settle_all(tx: Any, endings: Any, owner: str, **facts: Any) -> set[int]:
        for each in endings:
            if each.row in begun:
                message, then = begun.pop(each.row)
                begin(tx, [message], owner, **then)
        return settle(tx, endings, owner, **facts)

    sending.begin, sending.settle = begin_later, settle_all


def renamed() -> None:
    """each time a message is tried it is composed anew, under another Message-ID"""
    prepare = taking.prepare

    def prepare_anew(service: Any, claimed: Any, now: Any) -> Any:
        return prepare(service, tuple(replace(each, row=replace(each.row, body=None)) for each in claimed), now)

    taking.prepare = prepare_anew
    vars(taking)["message_id_of"] = lambda settings, notice, attempts=0: f"<{secrets.token_hex(20)}@example.org>"


def settled_first() -> None:
    """a message is recorded as sent before it goes out"""
    begin, settle = sending.begin, sending.settle

    def begin_and_end(tx: Any, messages: Any, owner: str, **facts: Any) -> set[int]:
        done = begin(tx, messages, owner, **facts)
        settle(tx, [Ending(row, 1, "sent", "surely", "dot", 250) for row in done], owner, now=facts["now"])
        return done

    sending.begin = begin_and_end
    sending.settle = lambda tx, endings, owner, **facts: {each.row for each in endings}


def together() -> None:
    """messages are recorded as sent five at a time"""
    claim, settle = claiming.claim, sending.settle
    waiting: list[tuple[Any, str, dict[str, Any]]] = []

    def flush(tx: Any) -> None:
        for endings, owner, facts in waiting:
            settle(tx, endings, owner, **facts)
        waiting.clear()

    def settle_later(tx: Any, endings: Any, owner: str, **facts: Any) -> set[int]:
        if endings:
            waiting.append((endings, owner, facts))
        if len(waiting) == TOGETHER:
            flush(tx)
        return {each.row for each in endings}

    def claim_or_flush(tx: Any, owner: str, **facts: Any) -> Any:
        rows = claim(tx, owner, **facts)
        if not rows:
            flush(tx)
        return rows

    claiming.claim, sending.settle = claim_or_flush, settle_later


def unrecovered() -> None:
    """what a dead worker had in hand is left alone until its lease runs out"""
    recover = sending.recover
    sending.recover = lambda tx, *, dead, **facts: recover(tx, dead=[], **facts)


def uncapped() -> None:
    """a message in doubt is begun again and again, without end"""
    recover = sending.recover
    sending.recover = lambda tx, *, max_attempts, **facts: recover(tx, max_attempts=1_000_000, **facts)


def undying() -> None:
    """a mail that workers die of is claimed again and again, without end"""
    sending.DEATHS = 1_000_000


def crowded() -> None:
    """a mail that a worker died of is claimed together with others, like any"""

    def candidates(tx: Any, now: Any, wall_now: Any, most: int, per_domain: int, *, alone: bool) -> Any:
        return list(tx.execute(claiming._DUE, {"now": now, "wall_now": wall_now, "full": [], "most": most}))

    claiming._candidates = candidates


def unsynced() -> None:
    """SQLite has synchronous=NORMAL, PostgreSQL synchronous_commit=off: a commit is not on the disk when it returns"""

    @event.listens_for(Engine, "begin")
    def loosen(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    @event.listens_for(Engine, "connect")
    def loosen_all(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous=NORMAL")


def unfolded() -> None:
    """SQLite's write-ahead log is never folded into the file"""

    @event.listens_for(Engine, "connect")
    def keep(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA wal_autocheckpoint=0")


def short_lease() -> None:
    """a claim lasts for 20 ms, and a message takes longer"""
    short = timedelta(milliseconds=20)
    vars(taking)["lease"] = vars(deliver)["lease"] = lambda service: short


def ownerless() -> None:
    """the fence asks for nobody's leave: whoever had a message claimed once may begin it"""
    begin = sending.begin

    def begin_anyway(tx: Any, messages: Any, owner: str, **facts: Any) -> set[int]:
        begin(tx, messages, owner, **facts)
        return {each.row for each in messages}

    sending.begin = begin_anyway


def heedless() -> None:
    """a commit that fails is taken for one that did not"""
    from reminders.jobs.scribe import _Committed as committed

    scribe = vars(deliver)["Scribe"]
    commit = scribe._commit

    def commit_anyway(self: Any, group: Any) -> Any:
        try:
            return commit(self, group)
        except Exception:
            for taken, waiting in ((group.begun, self._begun), (group.ended, self._ended)):
                taken.extend(waiting)
                waiting.clear()
            until = self._clock.now() + self._lease
            started = {row.row: until for each in group.begun for row in each.messages}
            return committed(started, set(), "", 0)

    scribe._commit = commit_anyway


def journal_last() -> None:
    """what was accepted is in the journal only after the commit that settles it"""
    scribe = vars(deliver)["Scribe"]
    commit = scribe._commit

    async def append_later(self: Any, ended: Any) -> None:
        self._ended.extend(ended)

    def commit_first(self: Any, group: Any) -> Any:
        done = commit(self, group)
        if late := [line for each in group.ended for line in each.accepted]:
            self._journal.append(late)
        return done

    scribe._append, scribe._commit = append_later, commit_first


def journal_early() -> None:
    """the journal says that a message was accepted before it goes out"""
    passing = vars(deliver)["_Pass"]
    send = passing._send

    async def send_known(self: Any, ready: Any) -> None:
        self._service.journal.append([self._line(each, ready) for each in ready.claimed])
        await send(self, ready)

    passing._send = send_known


def journal_unsynced() -> None:
    """what is written to the journal is not on the disk when it is relied on"""
    vars(journal)["_write"] = os.write


def unkept() -> None:
    """what frozen messages have in common is not kept"""
    packing.save = lambda tx, commons: None


def unparted() -> None:
    """the journal goes on in the midst of a line that was cut off"""

    def append(self: Any, entries: Any) -> tuple[str, int, int]:
        body = "".join(f"{json.dumps(journal._written(each))}\n" for each in entries).encode()
        with self._open(os.O_RDWR | os.O_APPEND | os.O_CREAT, fcntl.LOCK_EX) as file:
            identity, start = self._begin(file), os.fstat(file).st_size
            journal._write(file, body)
            return identity, start, start + len(body)

    vars(journal)["Journal"].append = append


def forgetful() -> None:
    """the mark that all was owed until now is committed before the reminders"""
    owe = braking.owe

    def owe_later(tx: Any, service: Any, book: Any, notices: Any, *, changes: bool = False, **facts: Any) -> Any:
        if not changes:
            state.put(tx, REMINDED_UNTIL, facts["now"])
            _commit(tx)
        return owe(tx, service, book, notices, changes=changes, **facts)

    braking.owe = owe_later


def halved() -> None:
    """a publication is committed in two halves: the files and their events, then the entries and the mails"""
    draw = vars(refreshing)["draw"]

    def draw_later(tx: Any, *facts: Any) -> Any:
        _commit(tx)
        return draw(tx, *facts)

    vars(refreshing)["draw"] = draw_later


def piecemeal() -> None:
    """each statement of a migration is committed by itself"""
    migrate = schema._migrate

    def commit_before(tx: Connection, *facts: Any) -> None:
        driver: Any = tx.connection.dbapi_connection
        if driver.in_transaction:
            _commit(tx)

    def migrate_piecemeal(engine: Engine, *, new: bool) -> bool:
        event.listen(engine, "before_cursor_execute", commit_before)
        return migrate(engine, new=new)

    schema._migrate = migrate_piecemeal


def _commit(tx: Connection) -> None:
    """Commit what a transaction of SQLite's has done, and have it go on as another."""
    driver: Any = tx.connection.dbapi_connection
    driver.execute("COMMIT")
    driver.execute("BEGIN IMMEDIATE")


FORMS: dict[str, Callable[[], None]] = {
    "unfenced": unfenced,
    "unfenced-again": unfenced_again,
    "renamed": renamed,
    "settled-first": settled_first,
    "together": together,
    "unrecovered": unrecovered,
    "uncapped": uncapped,
    "undying": undying,
    "crowded": crowded,
    "unsynced": unsynced,
    "unfolded": unfolded,
    "short-lease": short_lease,
    "ownerless": ownerless,
    "heedless": heedless,
    "journal-last": journal_last,
    "journal-early": journal_early,
    "journal-unsynced": journal_unsynced,
    "unkept": unkept,
    "unparted": unparted,
    "forgetful": forgetful,
    "halved": halved,
    "piecemeal": piecemeal,
}


def program(form: str) -> tuple[str, ...]:
    """What runs that form in place of the command line."""
    return ("-m", "tests.harness.broken", form)


if __name__ == "__main__":
    FORMS[sys.argv.pop(1)]()
    cli.main()
