"""What was published when, told from the newest back to the first publication of all."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta

from reminders.catalogue.events import Amendment, Event
from reminders.store import events, history
from reminders.store.engine import Store
from tests.builders import EPOCH, date, event


def publish(store: Store, at: datetime, version: Event) -> None:
    with store.writing() as tx:
        events.publish(tx, version, at)


def test_what_was_published_first_of_all_is_no_amendment(store: Store) -> None:
    with store.reading() as tx:
        assert (history.span(tx), list(history.amendments(tx))) == (None, [])
    publish(store, EPOCH, event("a-2019"))
    publish(store, EPOCH, event("b-2019"))
    with store.reading() as tx:
        assert (history.span(tx), list(history.amendments(tx))) == ((EPOCH, EPOCH), [])


def test_amendments_are_told_with_what_they_took_the_place_of_newest_first(store: Store) -> None:
    days = [EPOCH + timedelta(days=number) for number in range(4)]
    old, moved = event("b-2019"), event("b-2019", date("2019-02-19"))
    called_off = event("b-2019", date(status="cancelled"))
    publish(store, days[0], old)
    publish(store, days[1], event("c-2019"))
    publish(store, days[1], moved)
    publish(store, days[2], event("a-2019"))
    publish(store, days[3], called_off)
    with store.reading() as tx:
        assert list(history.amendments(tx)) == [
            Amendment(called_off, 3, days[3], moved),
            Amendment(event("a-2019"), 1, days[2]),
            Amendment(moved, 2, days[1], old),
            Amendment(event("c-2019"), 1, days[1]),
        ]
        assert history.span(tx) == (days[0], days[3])


def test_of_many_amendments_the_first_can_be_taken_and_the_rest_left(store: Store) -> None:
    publish(store, EPOCH, event())
    with store.writing() as tx:
        for number in range(300):
            events.publish(tx, event(level=number + 10), EPOCH + timedelta(minutes=number + 1))
    with store.reading() as tx:
        with closing(history.amendments(tx)) as amendments:
            assert next(amendments).event.level == 309
        assert events.published_event(tx, "talking-2019") is not None  # the transaction can go on
        assert [each.event.level for each in history.amendments(tx)] == list(range(309, 9, -1))
