"""A store looked through from end to end, and copied while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from reminders.errors import WrongUse
from reminders.store import connections, tables
from reminders.store.connections import RESTORE, Damaged, connect, name_of, parse
from reminders.store.engine import plain
from reminders.store.schema import known, open_store


def check(url: str) -> list[str]:
    """Read everything and say what is damaged, a sentence each; [] when all is well. Takes about a second per GB."""
    parsed = parse(url)
    try:
        store = open_store(url)
    except WrongUse as error:
        return [str(error)]
    try:
        with store.reading() as tx:
            found: list[str] = []
            if parsed.get_backend_name() == "sqlite":
                found += [str(row[0]) for row in tx.exec_driver_sql("PRAGMA integrity_check") if row[0] != "ok"]
                found += [
                    f"table {row[0]}, row {row[1]} refers to a {row[2]} that is not there"
                    for row in tx.exec_driver_sql("PRAGMA foreign_key_check")
                ]
            return found + _contradictions(tx)
    except DBAPIError as error:
        return [f"the database {name_of(parsed)} cannot be read: {error.orig}"]
    finally:
        store.close()


def _contradictions(tx: Connection) -> list[str]:
    row, attempt = tables.outbox.c, tables.attempt.c
    recorded = select(attempt.outbox, func.count().label("number")).group_by(attempt.outbox).subquery()
    begun = select(row.id, row.attempts, func.coalesce(recorded.c.number, 0)).outerjoin_from(
        tables.outbox, recorded, recorded.c.outbox == row.id
    )
    different = begun.where(row.attempts != func.coalesce(recorded.c.number, 0))
    impossible = begun.where(row.attempts == 0, row.state.in_(["sent", "sending"]))
    return [
        f"outbox row {id} counts {counted} attempts, but {number} are recorded"
        for id, counted, number in tx.execute(different)
    ] + [f"outbox row {id} is called sent, but no attempt is recorded" for id, _, _ in tx.execute(impossible)]


def back_up(url: str, target: Path, *, replace: bool = False) -> None:
    """Copy a SQLite store to a file of its own, as it stands at one moment, while it is in use.

    The copy is readable only by its owner, on the disk, and was found sound. Raises `WrongUse` when there is a file
    already (unless it is to be replaced) or none can be made, and for PostgreSQL; `Damaged` when the copy is not sound.
    """
    parsed = parse(url)
    if parsed.get_backend_name() != "sqlite":
        raise WrongUse(f"the database {name_of(parsed)} is PostgreSQL: `pg_dump` makes its backups")
    source = Path(str(parsed.database))
    engine = connect(parsed)
    try:
        known(engine)
    finally:
        engine.dispose()
    own = [source, *(source.with_name(source.name + end) for end in ("-wal", "-shm"))]
    if target.exists() and any(each.exists() and target.samefile(each) for each in own):
        raise WrongUse(f"{target} is the database itself: name another file")
    if target.exists() and not replace:
        raise WrongUse(f"{target} is there already: name another file, or say --force to replace it")
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as made:  # mode 0600
            copy = Path(made.name)
        try:
            _copy(source, copy)
            copy.replace(target)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
    except (OSError, sqlite3.Error) as error:
        raise WrongUse(f"the backup {target} cannot be written ({error})") from error


def _copy(source: Path, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=connections.PATIENCE)) as old,
        closing(sqlite3.connect(copy, timeout=connections.PATIENCE)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file; whoever opens it as a store sets it right
        (found,) = new.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise Damaged(f"the database {source} is damaged ({plain(found)}), and no backup was made: {RESTORE}")
    for path in (copy, copy.parent):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
