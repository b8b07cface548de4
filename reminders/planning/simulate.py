"""Every notice of a period, foretold from the facts as they stand: what a service that never stops would owe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.planning.notices import Notice, Told
from reminders.planning.plan import due, rungs, still_wanted
from reminders.planning.rules import Rule
from reminders.planning.subscribers import Subscriber


def simulate(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    subscribers: Iterable[Subscriber],
    *,
    start: datetime,
    end: datetime,
    nation: str,
) -> list[Notice]:
    """The notices of a store that begins at `start` (its epoch) and is looked at up to and including `end`.

    In the order in which they are owed; those with `dropped` would not be mailed, for that reason. A mail is taken to
    be accepted as soon as it is owed.
    """
    people = {each.id: each for each in subscribers}
    known = {each.event.id: each for each in events}
    steps = {start: set(known)}
    for id, instant in _instants(known.values(), rules, kinds, nation):
        if start < instant <= end:
            steps.setdefault(instant, set()).add(id)
    for person in people.values():
        if start < person.joined_at <= end:
            steps.setdefault(person.joined_at, set()).update(known)
    notices: list[Notice] = []
    told: dict[tuple[int, str, str, str], Told] = {}
    since = datetime.min.replace(tzinfo=UTC)
    for now in sorted(steps):
        ready = due(
            (known[id] for id in steps[now]),
            rules,
            kinds,
            people.values(),
            since=since,
            now=now,
            epoch=start,
            nation=nation,
        )
        for notice in ready:
            addressee = (notice.subscriber, notice.event, notice.date_kind, notice.occurrence)
            reason = notice.dropped or still_wanted(
                notice, known[notice.event], people[notice.subscriber], rules, kinds, told.get(addressee), now
            )
            notices.append(replace(notice, dropped=reason))
            if reason is None:
                told[addressee] = Told(*addressee, notice.fact, notice.key)
        since = now
    return notices


def _instants(
    events: Iterable[PublishedEvent], rules: tuple[Rule, ...], kinds: Mapping[str, Kind], nation: str
) -> Iterable[tuple[str, datetime]]:
    """When something can become ready, and of which event."""
    for published in events:
        for dated in published.dates:
            yield published.event.id, dated.known_at
            if kind := kinds.get(dated.date.kind):
                for rung in rungs(published.event, dated.date, kind, rules, nation):
                    yield published.event.id, rung.due_at
