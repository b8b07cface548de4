"""What must be in the outbox by now, derived from the facts as they stand, over days at once and not pass by pass.

It knows nothing of passes, and claims only what no edit can explain away. Files say what is so, not what was; so a rung
is expected only if since it was ready neither the event, nor the rules, nor the person's audiences changed. From an
audience people also leave, which nothing records: what would have been of use under every chain of rules is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from reminders.catalogue.events import EventDate, Kind, PublishedEvent
from reminders.catalogue.series import find
from reminders.planning.notices import Notice, NoticeKind
from reminders.planning.plan import Rung, fits, rungs
from reminders.planning.reach import within_reach
from reminders.planning.rules import Rule
from reminders.planning.selections import followed_since
from reminders.planning.subscribers import Subscriber


def expected(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    subscribers: Iterable[Subscriber],
    *,
    since: datetime,
    until: datetime,
    epoch: datetime,
    nation: str,
    settled: Mapping[str, datetime],
) -> list[Notice]:
    """The reminders that became ready after `since` and until `until`: of each there must be a row, in whatever state.

    `epoch` is when the store began; `settled` says of each event (id) since when it and the rules are as they are.
    """
    if until <= since:
        return []
    people = list(subscribers)
    lately = [each for each in people if max(_joined(each)) > since]
    notices = []
    for published in events:
        steady = settled[published.event.id]
        for dated in within_reach(published, rules, max(since, epoch), until):
            kind = kinds.get(dated.date.kind)
            ladder = rungs(published.event, dated.date, kind, rules, nation) if kind else ()
            if not ladder or ladder[0].due_at > until:
                continue
            everybody = dated.known_at > since or any(since < rung.due_at <= until for rung in ladder)
            for person in people if everybody else lately:
                followed = followed_since(person, published.event, dated.date.kind)
                if followed is None:
                    continue
                there = max(dated.known_at, followed)
                for rung, expires in _chain(ladder):
                    ready = max(rung.due_at, there)
                    if not since < ready <= until or ready < steady or not _settled(person, ready):
                        continue
                    if expires > max(epoch, there) and fits(rung.rule, person):
                        notices.append(_notice(published, dated.date, person, rung, expires))
    return notices


def founded(
    notice: Notice, event: PublishedEvent, rules: tuple[Rule, ...], kinds: Mapping[str, Kind], nation: str
) -> bool:
    """Whether a rung of the event, as it stands, is what this reminder is about."""
    dated = find(event, (notice.date_kind, notice.occurrence))
    kind = kinds.get(notice.date_kind)
    if dated is None or kind is None or dated.date.fact != notice.fact:
        return False
    ladder = rungs(event.event, dated.date, kind, rules, nation)
    return any((rung.rule.id, rung.due_at) == (notice.rule, notice.due_at) for rung in ladder)


def _chain(ladder: tuple[Rung, ...]) -> Iterator[tuple[Rung, datetime]]:
    """Each rung with the earliest end of its use: the next one of the ladder, whomever that is for."""
    for number, rung in enumerate(ladder):
        yield rung, min(rung.useless_at, ladder[number + 1].due_at) if number + 1 < len(ladder) else rung.useless_at


def _settled(person: Subscriber, ready: datetime) -> bool:
    """Whether the person's audiences were then what they are: it was after the last joining, or that was the first."""
    joined = _joined(person)
    return ready > max(joined) or all(at == person.joined_at for at in joined)


def _joined(person: Subscriber) -> tuple[datetime, ...]:
    return person.joined or (person.joined_at,)


def _notice(event: PublishedEvent, date: EventDate, person: Subscriber, rung: Rung, expires: datetime) -> Notice:
    about = (event.event.id, *date.key, person.id, date.fact)
    return Notice(NoticeKind.REMINDER, *about, rung.due_at, expires, rule=rung.rule.id)
