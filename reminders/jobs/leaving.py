"""Leaving: for ever, also when an older database is put back."""

from __future__ import annotations

import logging
from datetime import datetime

from reminders.errors import RemindersError
from reminders.jobs.service import Service
from reminders.planning.subscribers import Subscriber
from reminders.store import people
from reminders.store.journal import Left

LOG = logging.getLogger(__name__)


def leave(service: Service, person: Subscriber, how: str, now: datetime) -> bool:
    """Unsubscribe a person in a transaction of its own, and note it in the journal. `how` is as in `people.leave`.

    True when this did it. A journal that cannot be written is told in the log: they have left all the same.
    """
    with service.store.writing() as tx:
        done = people.leave(tx, person.id, how, now)
    if done:
        try:
            service.journal.append([Left(person.id, service.mark(people.address_key(person.address)), how, now)])
        except RemindersError as error:
            LOG.error("%s: a backup that is restored would bring subscriber %d back", error, person.id)
    return done
