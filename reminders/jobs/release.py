"""An operator's word that held mails may go, and that the plan is right as it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date as Day
from datetime import datetime

from reminders.jobs import braking
from reminders.jobs.service import Service
from reminders.store import events, ledger, people
from reminders.store.rows import Row


@dataclass(frozen=True, slots=True)
class Released:
    """What goes: the numbers of the notices, and the first of them. `plan` is what was accepted by day, if it was."""

    ids: tuple[int, ...]
    first: tuple[Row, ...]
    plan: Mapping[Day, int] | None = None


def release(
    service: Service, now: datetime, *, batches: Collection[int] = (), notices: Collection[int] = ()
) -> Released:
    """Let these batches and single notices go, or everything that the brake holds when none is named.

    But for single notices the plan is accepted with them: what it foresees now is held no more.
    """
    with service.store.writing(alone=events.TURN) as tx:
        if batches or notices:
            ids = ledger.release(tx, notices, batches=batches, now=now)
        else:
            ids = ledger.release_all(tx, now)
        first = [record.row for id in ids[: ledger.FIRST] if (record := ledger.show(tx, id))]
        book = service.book(tx)
        plan = None
        if book is not None and (batches or not notices):
            members = people.subscribers(tx, book.configuration.audiences).values()
            plan = braking.accept(tx, service, book, events.published(tx).values(), members, now)
    return Released(tuple(ids), tuple(first), plan)
