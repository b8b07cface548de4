"""What was published when: every version of every event, each with the one before it."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from reminders.catalogue.events import Amendment
from reminders.catalogue.facts import unpack
from reminders.store import tables


def span(tx: Connection) -> tuple[datetime, datetime] | None:
    """When (UTC) anything was first published, and when last; None while nothing is."""
    first, last = tx.execute(select(func.min(tables.revision.c.at), func.max(tables.revision.c.at))).one()
    return None if first is None else (first, last)


def amendments(tx: Connection) -> Generator[Amendment]:
    """What was published after the first publication of all, newest first; of one publication by id.

    Read while it is asked for: whoever needs only the newest stops early (and closes the generator).
    """
    known = span(tx)
    if known is None:
        return
    now, was = tables.revision, tables.revision.alias()
    statement = (
        select(now.c.facts, now.c.revision, now.c.at, was.c.facts.label("before"))
        .outerjoin(was, and_(was.c.event == now.c.event, was.c.revision == now.c.revision - 1))
        .where(now.c.at > known[0])
        .order_by(now.c.at.desc(), now.c.event, now.c.revision.desc())
        .execution_options(yield_per=100)
    )
    with tx.execute(statement) as rows:
        for row in rows:
            before = None if row.before is None else unpack(row.before)
            yield Amendment(unpack(row.facts), row.revision, row.at, before)
