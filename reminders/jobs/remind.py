"""Date to mail, first half: owe what has become due since the last pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reminders.jobs.drawing import EPOCH
from reminders.jobs.refresh import REMINDED_UNTIL, changed, reminded_until
from reminders.jobs.service import Service
from reminders.planning import plan
from reminders.planning.clockwatch import LARGE
from reminders.store import events, outbox, people, state


@dataclass(frozen=True, slots=True)
class Reminded:
    """What a pass owed: mails to send, mails held over the limit, and what was recorded as dropped with its reason."""

    owed: int = 0
    held: int = 0
    dropped: int = 0


def remind(service: Service, now: datetime) -> Reminded:
    """Owe every reminder that became due since the last pass, and corrections to those whose mail crossed a change.

    Running it again owes nothing: each notice has its own key. So when the clock went back, by a day at most, the next
    pass owes what becomes due from there; what was owed already is not owed again. Further back nothing is owed.
    """
    with service.store.writing(alone=events.TURN) as tx:
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
        left = {member.id for member in members if member.left_at is not None}
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
        notices = [*corrections, *due]
        owed = outbox.owe(tx, notices, now, limit=service.settings.pass_limit, policies=book.policies)
        state.put(tx, REMINDED_UNTIL, now)
    return Reminded(len(owed.new), len(owed.held), len(owed.dropped))


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
