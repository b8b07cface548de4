"""What sending stands on: a sound database that knows of everything that was sent.

Asked at the beginning of each pass, which costs a look at the journal's length and one small query, unless something is
the matter.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from reminders.clock import SystemClock
from reminders.errors import RemindersError
from reminders.jobs import workers
from reminders.jobs.refresh import refresh
from reminders.jobs.service import Service
from reminders.store import replay, sending
from reminders.store.connections import RESTORE
from reminders.store.engine import TROUBLE, words
from reminders.store.journal import Place
from reminders.store.replay import Repaired, Standing

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)
ROOM = 2_000_000
"""Bytes that must be free where the data folder is: what is accepted has to be written down."""
BEHIND = (
    "Mails were sent, or people left, of which the database does not know: it was restored from an older backup, or "
    "made anew. Nothing is mailed before `reminders db repair`."
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why nothing may be sent. `mend` is true when it does not pass by itself."""

    words: str
    mend: bool = False


def doubt(service: Service, owner: str = "") -> Doubt | None:
    """Why nothing may be sent by what is remembered; None when all is well. The service keeps the words for its health.

    `owner` is a worker that has nothing in hand: what it could not record in an earlier pass is recorded before.
    A database that was not looked at since it was opened, or since it was last in trouble, is read through first.
    """
    found = _doubt(service, owner)
    service.doubt = found.words if found else ""
    return found


def _doubt(service: Service, owner: str) -> Doubt | None:
    try:
        if (free := shutil.disk_usage(service.data).free) < ROOM:
            return Doubt(f"The disk of {service.data} is full: {free // 1000} kB are free, and nothing is mailed.")
        if damage := service.store.damage():
            return Doubt(f"The database is damaged ({damage[0]}). Nothing is mailed: {RESTORE}.", mend=True)
        if reconcile(service, owner):
            return Doubt(BEHIND, mend=True)
    except TROUBLE as error:
        return Doubt(words(error))
    except (OSError, RemindersError) as error:
        return Doubt(str(error), mend=True)
    return None


def reconcile(service: Service, owner: str = "") -> bool:
    """Compare journal and database; what a worker that is gone, or `owner`, did not record as sent is recorded now.

    True when the database is older than the journal. Raises what the store and the journal raise.
    """
    journal = service.journal
    place = journal.place()
    with service.store.reading() as tx:
        known = replay.position(tx, place.identity) if place else 0
        flagged = replay.behind(tx)
        remembered = place is None and replay.remembers(tx)
    if place is None:
        if remembered:
            LOG.warning(
                "%s is gone, and a new one begins: after a backup is restored, mails may go twice", journal.path
            )
        place = journal.begin()
        with service.store.writing() as tx:
            if remembered:
                replay.forget(tx)
            replay.put_position(tx, place.identity, place.size)
        return False
    if place.size < known:  # another worker may have gone on between the two looks
        place = journal.place() or place
    if place.size == known and not flagged:
        return False
    if place.size < known:
        LOG.warning("%s is shorter than it was: after a backup is restored, mails may go twice", journal.path)
    with service.store.writing() as tx:
        found = _compare(service, tx, place, owner)
        replay.settle_lost(tx, found.lost)
        if found.known_to != known:
            replay.put_position(tx, place.identity, found.known_to)
        replay.put_behind(tx, place.identity, found.behind)
    if found.lost:
        LOG.info("the journal says that mails a crash left in doubt were accepted: %d", len(found.lost))
    return found.behind


def behind(service: Service) -> bool:
    """Whether the database is older than the journal. Writes nothing; raises as `reconcile` does."""
    place = service.journal.place()
    with service.store.reading() as tx:
        return place is not None and _compare(service, tx, place).behind


def _compare(service: Service, tx: Connection, place: Place, owner: str = "") -> Standing:
    known = min(replay.position(tx, place.identity), place.size)
    gone = [*workers.dead(sending.owners(tx), service.data), owner]
    lines = service.journal.lines(place, known)
    return replay.compare(tx, lines, known, service.mark, dead=gone, wall_now=SystemClock().now())


def repair(service: Service, now: datetime) -> Repaired | None:
    """Make the database know what the journal of this data folder knows; None when it does.

    Files are published first, so that people and dates which are newer than the database are known. Nothing is sent.
    Raises `BadInput` and `Held` while the files are not accepted, and what the store and the journal raise.
    """
    if not reconcile(service):
        return None
    refresh(service, now)
    place = service.journal.place()
    if place is None:
        return None
    with service.store.writing() as tx:
        known = min(replay.position(tx, place.identity), place.size)
        done = replay.repair(tx, service.journal.lines(place, known), service.mark)
        replay.put_position(tx, place.identity, place.size)
        replay.put_behind(tx, place.identity, found=False)
    service.doubt = ""
    return done
