"""Leaving: for ever, also when an older database is put back."""

from __future__ import annotations

import logging
from datetime import datetime

from reminders.jobs.service import Service
from reminders.store import people
from reminders.store.journal import Left, Unwritable

LOG = logging.getLogger(__name__)


def leave(service: Service, id: int, how: str, now: datetime) -> bool:
    """Unsubscribe a person in a transaction of its own, and note it in the journal. As `people.leave` otherwise."""
    with service.store.writing() as tx:
        key = people.key_of(tx, id)
        done = people.leave(tx, id, how, now)
    if done:
        note(service, id, key, how, now)
    return done


def note(service: Service, id: int, key: str, how: str, now: datetime) -> None:
    """Have it in the journal that a person has left, once that is committed. `key` is their address key.

    A journal that cannot be written is told in the log: they have left all the same.
    """
    try:
        service.journal.append([Left(id, service.mark(key), how, now)])
    except Unwritable as error:
        LOG.error("%s: a backup that is restored would bring subscriber %d back", error, id)
