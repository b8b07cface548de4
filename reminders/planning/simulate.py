"""Every notice of a period, foretold from the facts as they stand: what a service that never stops would owe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.planning.notices import Notice
from reminders.planning.plan import due, rungs
from reminders.planning.reach import within_reach
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

    In the order in which they are owed; those with `dropped` would not be mailed, for that reason. Nothing changes
    meanwhile, so each is still wanted when it is owed, and there is nothing to announce or to correct.
    """
    people = list(subscribers)
    known = {each.event.id: each for each in events}
    steps = {start: set(known)}
    for id, instant in _instants(known.values(), rules, kinds, nation, start, end):
        if start < instant <= end:
            steps.setdefault(instant, set()).add(id)
    for person in people:
        for at in person.joined or (person.joined_at,):
            if start < at <= end:
                steps.setdefault(at, set()).update(known)
    notices: list[Notice] = []
    since = datetime.min.replace(tzinfo=UTC)
    for now in sorted(steps):
        ready = (known[id] for id in steps[now])
        notices += due(ready, rules, kinds, people, since=since, now=now, epoch=start, nation=nation)
        since = now
    return notices


def _instants(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    nation: str,
    start: datetime,
    end: datetime,
) -> Iterator[tuple[str, datetime]]:
    """When something can become ready, and of which event."""
    for published in events:
        for dated in within_reach(published, rules, start, end):
            yield published.event.id, dated.known_at
            if kind := kinds.get(dated.date.kind):
                for rung in rungs(published.event, dated.date, kind, rules, nation):
                    yield published.event.id, rung.due_at
