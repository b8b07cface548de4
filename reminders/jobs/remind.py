"""Date to mail, first half: owe what has become due since the last pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reminders.jobs import braking
from reminders.jobs.braking import Stopped
from reminders.jobs.drawing import EPOCH
from reminders.jobs.refresh import REMINDED_UNTIL, changed, reminded_until
from reminders.jobs.service import Service
from reminders.planning import plan
from reminders.planning.clockwatch import LARGE
from reminders.store import events, outbox, pauses, people, state


@dataclass(frozen=True, slots=True)
class Reminded:
    """What a pass owed: mails to send, what was recorded as dropped with its reason, and the batches that are held."""

    owed: int = 0
    dropped: int = 0
    stopped: tuple[Stopped, ...] = ()

    @property
    def held(self) -> int:
        """How many mails are held."""
        return sum(batch.mails for batch in self.stopped)


def remind(service: Service, now: datetime) -> Reminded:
    """Owe every reminder that became due since the last pass, and corrections to those whose mail crossed a change.

    Running it again owes nothing: each notice has its own key. So when the clock went back, by a day at most, the next
    pass owes what becomes due from there; what was owed already is not owed again. Further back nothing is owed. Nor
    is anything during a pause; that is caught up with afterwards, as after any outage. Corrections are a batch of their
    own: they are urgent, and not to be held with reminders.
    """
    with service.store.writing(alone=events.TURN) as tx:
        if pauses.paused(tx):
            return Reminded()
        since = reminded_until(tx)
        book = service.book(tx)
        epoch = state.get(tx, EPOCH)
        if book is None or not isinstance(epoch, datetime):
            return Reminded()
        if now <= since:
            if since - now <= LARGE:
                state.put(tx, REMINDED_UNTIL, now)
            return Reminded()
        configuration = book.configuration
        published = events.published(tx)
        members = people.subscribers(tx, configuration.audiences).values()
        left = {member.id for member in members if member.left_at or member.suspended_at}
        recent = changed(published.values(), now)
        told = outbox.told(tx, events=recent)
        corrections = plan.corrections(told, published, configuration.kinds, now, left=left)
        announced = outbox.open_change_notices(tx, recent)
        announced |= {(each.subscriber, each.event, each.date_kind, each.occurrence) for each in corrections}
        due = plan.due(
            published.values(),
            configuration.rules,
            configuration.kinds,
            members,
            since=since,
            now=now,
            epoch=epoch,
            nation=service.settings.nation,
            announced=announced,
        )
        corrected = braking.owe(tx, service, book, corrections, since=since, now=now, changes=True)
        reminded = braking.owe(tx, service, book, due, since=since, now=now)
        state.put(tx, REMINDED_UNTIL, now)
    both = (corrected, reminded)
    return Reminded(
        sum(len(each.owed.new) for each in both),
        sum(len(each.owed.dropped) for each in both),
        tuple(batch for each in both for batch in each.stopped),
    )


def next_due(service: Service, now: datetime) -> datetime | None:
    """The next instant at which a reminder becomes due, as the published dates stand."""
    with service.store.reading() as tx:
        book = service.book(tx)
        if book is None:
            return None
        return plan.next_due(
            events.published(tx).values(),
            book.configuration.rules,
            book.configuration.kinds,
            after=now,
            nation=service.settings.nation,
        )
