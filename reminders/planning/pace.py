"""How long mail takes at a rate, and what would go out too late by it.

Mail goes as the outbox sends it: what is due, of that first what expires first, one message after the other at equal
distances. What has expired when its turn comes is not sent, and takes no turn.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminders.catalogue.events import Kind, PublishedEvent
from reminders.planning.plan import fits, rungs
from reminders.planning.reach import within_reach
from reminders.planning.rules import Rule
from reminders.planning.selections import follows
from reminders.planning.subscribers import Subscriber


@dataclass(frozen=True, slots=True, order=True)
class Crowd:
    """Mails that are sent together, at or after `due_at` and before `expires_at` (UTC): one rung's, to many people."""

    expires_at: datetime
    due_at: datetime
    mails: int
    event: str = ""
    date_kind: str = ""
    occurrence: str = ""
    rule: str = ""

    def start_by(self, rate: int) -> datetime:
        """When the first must go for the last to be in time, at so many a minute and with nothing else to be sent."""
        return self.expires_at - self.mails * _apart(rate)


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A crowd of which so many mails would expire before their turn."""

    crowd: Crowd
    late: int


def squeezes(crowds: Iterable[Crowd], rate: int, now: datetime) -> list[Squeeze]:
    """What cannot all be sent in time at `rate` messages a minute (0: any number), if sending begins at `now`.

    In the order in which the crowds expire.
    """
    if not rate:
        return []
    apart = _apart(rate)
    coming = sorted((each for each in crowds if each.mails), key=lambda each: each.due_at, reverse=True)
    waiting: list[tuple[Crowd, int]] = []
    found = []
    at = now
    while coming or waiting:
        if not waiting:
            at = max(at, coming[-1].due_at)
        while coming and coming[-1].due_at <= at:
            arrived = coming.pop()
            heapq.heappush(waiting, (arrived, arrived.mails))
        crowd, left = heapq.heappop(waiting)
        until = min(crowd.expires_at, coming[-1].due_at) if coming else crowd.expires_at
        turns = min(left, -((at - until) // apart)) if at < until else 0
        at += turns * apart
        if turns == left:
            continue
        if at >= crowd.expires_at:
            found.append(Squeeze(crowd, left - turns))
        else:
            heapq.heappush(waiting, (crowd, left - turns))
    return sorted(found, key=lambda each: each.crowd)


def crowds(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    subscribers: Iterable[Subscriber],
    *,
    after: datetime,
    until: datetime,
    nation: str,
) -> list[Crowd]:
    """The reminders that are due after `after` and until `until`, and to how many people each goes, as things stand."""
    alike = Counter((each.audiences, each.follows) for each in subscribers if each.left_at is None)
    groups = [(Subscriber(0, "", "", after, *group), number) for group, number in alike.items()]
    found: Counter[tuple[str, str, str, str, datetime, datetime]] = Counter()
    for published in events:
        for dated in within_reach(published, rules, after, until):
            kind = kinds.get(dated.date.kind)
            ladder = rungs(published.event, dated.date, kind, rules, nation) if kind else ()
            if not any(after < rung.due_at <= until for rung in ladder):
                continue
            for person, number in groups:
                if not follows(person, published.event, dated.date.kind):
                    continue
                chain = [rung for rung in ladder if fits(rung.rule, person)]
                for rung, following in zip(chain, [*chain[1:], None], strict=False):
                    expires = min(rung.useless_at, following.due_at) if following else rung.useless_at
                    if after < rung.due_at <= until and rung.due_at < expires:
                        key = (published.event.id, *dated.date.key, rung.rule.id, rung.due_at, expires)
                        found[key] += number
    return sorted(
        Crowd(expires, due, number, event, date_kind, occurrence, rule)
        for (event, date_kind, occurrence, rule, due, expires), number in found.items()
    )


def _apart(rate: int) -> timedelta:
    return timedelta(minutes=1) / rate
