"""Who is owed which notice, and which notice is still wanted. Everything here is derived; nothing is remembered.

**Reminders.** The rules about a date whose precision is met make its *rungs*, each due at an instant. Only planned
dates have any. A date that the files no longer hold keeps its rungs: absence is never a cancellation. For one person
the rungs whose audience fits are a chain. A rung is of use from when it is due until the next one of the chain is, and
before or on the day never beyond the date itself: a deadline's last moment, else the instant at which it begins, else
the end of its first day. A rung that looks back is of use for a week. One that is due when it is of no use any more is
no rung.

A rung is *ready* once it is due, the date is published as it is, and the person follows it. The pass in which that
happens owes it, or records why not:

- its use ended before the person, the date or this store was there: nothing is recorded, nobody missed anything;
- the person joined after the date was known and the rung due: ``before-joined``, unless the rule sends the latest;
- it was due, of a date known, when the store began: ``before-epoch``;
- its use ended meanwhile, because nothing ran: ``superseded`` by the next rung, or ``expired``;
- it is late because the date moved, and a change notice tells this person so: ``superseded``;
- it is late because several occurrences of a series are new to this person at once, it is not of the first of them, and
  another rung of its own is to come: ``superseded``. Who hears of a weekly course gets one mail about it, not one for
  each week of the month.

Of a date that repeats each occurrence is a date. At an instant set for ever nobody is reminded of one: it would be
that of all of them.

**Change notices.** Who follows a date is told when it firms up. Who was told otherwise than what is now published, by
the last mail about it, is owed a correction; a date that only became closer is not otherwise. To whom both are owed,
the correction goes. They are of use until the date is over, both as it was told and as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminders.catalogue import zones
from reminders.catalogue.changes import Change, ChangeKind, Changes
from reminders.catalogue.dates import When, narrows
from reminders.catalogue.events import Event, EventDate, Kind, PublishedDate, PublishedEvent, Status, read_fact
from reminders.catalogue.series import (
    coming,
    day_of,
    find,
    is_occurrence,
    occurrence,
    series_of,
)
from reminders.planning import reach
from reminders.planning.notices import Notice, NoticeKind, Reason, Told
from reminders.planning.reach import AFTERWARDS, NEVER
from reminders.planning.rules import OnJoin, Rule, rules_about
from reminders.planning.selections import followed_since, follows
from reminders.planning.send import due_at
from reminders.planning.subscribers import Subscriber

AHEAD = 5
"""Of how many occurrences of a series it is told what is to come."""
OFF = (Status.CANCELLED, Status.WITHDRAWN)

Addressee = tuple[int, str, str, str]
"""Who is told of which date: subscriber, event, date kind, occurrence."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A rule met by a date. It is of no use from `useless_at` on, whatever other rungs there are."""

    rule: Rule
    due_at: datetime
    useless_at: datetime


def rungs(event: Event, date: EventDate, kind: Kind, rules: tuple[Rule, ...], nation: str) -> tuple[Rung, ...]:
    """The rungs of a date in the order in which they are due."""
    if date.status is not Status.PLANNED:
        return ()
    found = []
    for rule in rules_about(event, date.kind, rules):
        if rule.send.day is not None and is_occurrence(date):
            continue
        due = due_at(rule.send, date.when, nation) if date.when.precision >= rule.needs else None
        if due is not None and due < (useless := _useless_at(rule, due, date.when, kind)):
            found.append(Rung(rule, due, useless))
    return tuple(sorted(found, key=lambda rung: (rung.due_at, rung.rule.id)))


def due(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    subscribers: Iterable[Subscriber],
    *,
    since: datetime,
    now: datetime,
    epoch: datetime,
    nation: str,
    announced: Collection[Addressee] = frozenset(),
) -> list[Notice]:
    """The reminders that became ready after `since` and until `now`; those with `dropped` are only to be recorded.

    `epoch` is when this store began. `announced` are those owed a change notice about a date since it is as it is.
    """
    people = sorted(subscribers, key=lambda each: each.id)
    joined = [each for each in people if any(since < at <= now for at in each.joined or (each.joined_at,))]
    notices: list[Notice] = []
    for published in sorted(events, key=lambda each: each.event.id):
        caught_up: set[tuple[int, str, datetime]] = set()
        for dated in reach.within_reach(published, rules, max(since, epoch), now):
            ladder = _ladder(published.event, dated.date, rules, kinds, nation)
            if not ladder or ladder[0].due_at > now:
                continue
            everybody = dated.known_at > since or any(since < rung.due_at <= now for rung in ladder)
            for person in people if everybody else joined:
                followed = followed_since(person, published.event, dated.date.kind)
                if followed is None:
                    continue
                there = max(dated.known_at, followed)
                turn = (person.id, series_of(dated.date), there)
                found = _ready(
                    published.event,
                    dated,
                    ladder,
                    person,
                    followed,
                    since,
                    now,
                    epoch,
                    announced,
                    waits=turn in caught_up,
                )
                for notice in found:
                    notices.append(notice)
                    if is_occurrence(dated.date) and not notice.dropped and notice.due_at < there:
                        caught_up.add(turn)
    return notices


def next_due(
    events: Iterable[PublishedEvent],
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    *,
    after: datetime,
    nation: str,
) -> datetime | None:
    """The earliest instant later than `after` at which a rung is due; None when there is no more."""
    instants = (
        rung.due_at
        for published in events
        for dated in published.dates
        for date in reach.following(published.event, dated.date, rules, after)
        for rung in _ladder(published.event, date, rules, kinds, nation)
    )
    return min((instant for instant in instants if instant > after), default=None)


def announcements(
    changes: Changes,
    events: Mapping[str, PublishedEvent],
    subscribers: Iterable[Subscriber],
    kinds: Mapping[str, Kind],
    now: datetime,
) -> list[Notice]:
    """What the followers of dates that firmed up are told: of a series, the occurrence that is next.

    `events` are as published after the changes.
    """
    people = sorted(subscribers, key=lambda each: each.id)
    notices = []
    for change in changes.of(ChangeKind.DATE_FIRMED_UP):
        published = events[change.event_id]
        dated, before = _announced(published, change, now)
        if before is None or dated is None or dated.date.kind not in kinds:
            continue
        until = _news_until(dated.date.when)
        if until <= now or not before.status is dated.date.status is Status.PLANNED:
            continue  # what is postponed or on again is told, as a correction, to those who heard of it
        for person in people:
            if follows(person, published.event, dated.date.kind):
                addressee = (person.id, published.event.id, *dated.date.key)
                notices.append(_news(NoticeKind.ANNOUNCED, addressee, dated, before.fact, now, until))
    return notices


def corrections(
    told: Iterable[Told],
    events: Mapping[str, PublishedEvent],
    kinds: Mapping[str, Kind],
    now: datetime,
    *,
    left: Collection[int] = frozenset(),
) -> list[Notice]:
    """What must be put right: for each last mail that says otherwise than what is published now, a notice.

    Also to people who no longer follow the date, but not to those who `left` or are suspended (ids). A kind of date
    that the files do not name any more has no words, and is passed over.
    """
    notices = []
    found: dict[tuple[str, ...], PublishedDate | None] = {}
    for mail in sorted(told, key=_addressee):
        key = (mail.event, mail.date_kind, mail.occurrence)
        if key not in found:
            published = events.get(mail.event)
            found[key] = find(published, key[1:]) if published else None
        dated = found[key]
        if dated is None or mail.subscriber in left or mail.date_kind not in kinds:
            continue
        if _agrees(mail.fact, dated.date):
            continue
        until = max(_news_until(dated.date.when), _news_until(read_fact(mail.fact)[0]))
        if until > now:
            kind = NoticeKind.CANCELLED if dated.date.status in OFF else NoticeKind.MOVED
            notices.append(_news(kind, _addressee(mail), dated, mail.fact, now, until))
    return notices


def still_wanted(
    notice: Notice,
    event: PublishedEvent | None,
    subscriber: Subscriber | None,
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    told: Told | None,
    now: datetime,
) -> Reason | None:
    """Why an owed notice must not be sent after all, on the facts as they are now; None when it must.

    `told` is the last mail about the date that this person got.
    """
    dated = find(event, (notice.date_kind, notice.occurrence)) if event else None
    if subscriber is None or event is None or dated is None or notice.date_kind not in kinds:
        return Reason.NOT_FOLLOWING
    if subscriber.left_at is not None:
        return Reason.UNSUBSCRIBED
    if subscriber.suspended_at is not None:
        return Reason.SUSPENDED
    if dated.date.fact != notice.fact:
        return Reason.CANCELLED if dated.date.status in OFF else Reason.MOVED
    match notice.kind:
        case NoticeKind.REMINDER:
            about = rules_about(event.event, notice.date_kind, rules)
            rule = next((each for each in about if each.id == notice.rule), None)
            if rule is None or not fits(rule, subscriber) or not follows(subscriber, event.event, notice.date_kind):
                return Reason.NOT_FOLLOWING
            if now >= notice.expires_at:
                useless = _useless_at(rule, notice.due_at, dated.date.when, kinds[notice.date_kind])
                return Reason.SUPERSEDED if notice.expires_at < useless else Reason.EXPIRED
        case NoticeKind.ANNOUNCED:
            if not follows(subscriber, event.event, notice.date_kind):
                return Reason.NOT_FOLLOWING
            if told is not None and told.fact == notice.fact:
                return Reason.TOLD
            if told is not None and not _agrees(told.fact, dated.date):
                return Reason.SUPERSEDED  # a correction is owed too, and says what was wrong
        case NoticeKind.MOVED | NoticeKind.CANCELLED:
            if told is None or _agrees(told.fact, dated.date):
                return Reason.TOLD
    return Reason.EXPIRED if now >= notice.expires_at else None


def to_come(
    event: Event,
    person: Subscriber,
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    *,
    after: datetime,
    nation: str,
) -> list[tuple[EventDate, Rung]]:
    """The rungs about an event's dates that are due for one person later than `after`, as things stand.

    Of a series those of the next few occurrences.
    """
    return [
        (date, rung)
        for dated in event.dates
        if follows(person, event, dated.kind)
        for date in (
            coming(dated, reach.days(event, dated, rules, after, after)[0], AHEAD) if dated.repeats else (dated,)
        )
        for rung in _ladder(event, date, rules, kinds, nation)
        if rung.due_at > after and fits(rung.rule, person)
    ]


def _announced(event: PublishedEvent, change: Change, now: datetime) -> tuple[PublishedDate | None, EventDate | None]:
    """The date that a change firmed up, and what it was before; of a series the occurrence that is next."""
    dated, before = find(event, change.date or ("", "")), change.before
    after = change.after
    if before is None or after is None or after.repeats is None:
        return dated, before
    today = zones.local(now, after.when.zone).date()
    following = next((each for each in coming(after, today, AHEAD) if _news_until(each.when) > now), None)
    dated = find(event, following.key) if following else None
    if following is None or before.repeats is None:
        return dated, before
    return dated, occurrence(before, day_of(following))


def _ladder(
    event: Event, date: EventDate, rules: tuple[Rule, ...], kinds: Mapping[str, Kind], nation: str
) -> tuple[Rung, ...]:
    kind = kinds.get(date.kind)
    return rungs(event, date, kind, rules, nation) if kind else ()


def _ready(
    event: Event,
    dated: PublishedDate,
    ladder: tuple[Rung, ...],
    person: Subscriber,
    followed: datetime,
    since: datetime,
    now: datetime,
    epoch: datetime,
    announced: Collection[Addressee],
    *,
    waits: bool,
) -> Iterator[Notice]:
    """What becomes of the rungs that are ready for one person, who has followed the date since `followed`.

    What is late of one that `waits`, as something was said of its series at the same time, gives way to what follows.
    """
    chain = [rung for rung in ladder if fits(rung.rule, person)]
    there = max(dated.known_at, followed)
    addressee = (person.id, event.id, *dated.date.key)
    for rung, following in zip(chain, [*chain[1:], None], strict=False):  # of an empty chain nothing
        if not since < max(rung.due_at, there) <= now:
            continue
        expires = min(rung.useless_at, following.due_at) if following else rung.useless_at
        if expires <= max(epoch, there):
            continue
        reason = None
        if followed > max(rung.due_at, dated.known_at, epoch) and rung.rule.on_join is OnJoin.WAIT:
            reason = Reason.BEFORE_JOINED
        elif rung.due_at < epoch and dated.known_at <= epoch and followed <= epoch:
            reason = Reason.BEFORE_EPOCH
        elif expires <= now:
            reason = Reason.SUPERSEDED if expires < rung.useless_at else Reason.EXPIRED
        elif (rung.due_at < dated.known_at and addressee in announced) or (waits and following and rung.due_at < there):
            reason = Reason.SUPERSEDED
        yield Notice(
            NoticeKind.REMINDER,
            event.id,
            *dated.date.key,
            person.id,
            dated.date.fact,
            rung.due_at,
            expires,
            rule=rung.rule.id,
            dropped=reason,
        )


def _news(
    kind: NoticeKind, addressee: Addressee, dated: PublishedDate, before: str, now: datetime, until: datetime
) -> Notice:
    subscriber, event, date_kind, occurrence = addressee
    fact = dated.date.fact
    return Notice(
        kind, event, date_kind, occurrence, subscriber, fact, now, until, before=before, revision=dated.revision
    )


def fits(rule: Rule, subscriber: Subscriber) -> bool:
    """Whether the rule is for one of the person's audiences, or for everybody."""
    return not rule.audiences or not set(rule.audiences).isdisjoint(subscriber.audiences)


def _agrees(fact: str, date: EventDate) -> bool:
    """Whether somebody who was told `fact` was told nothing but what is now so, if less closely."""
    when, status = read_fact(fact)
    if date.status in OFF or status in OFF:
        return date.status in OFF and status in OFF
    return status is date.status and (when == date.when or narrows(date.when, when))


def _useless_at(rule: Rule, due: datetime, when: When, kind: Kind) -> datetime:
    """When a rung loses its use, whatever other rungs there are."""
    if rule.send.after:
        return due + AFTERWARDS
    if when.first is None or when.over is None:
        return NEVER
    if kind.deadline:
        return when.over
    return when.starts or zones.midnight(when.first + timedelta(days=1), when.zone)


def _news_until(when: When) -> datetime:
    """When a change of the date is no news any more: once it is over."""
    return when.over or NEVER


def _addressee(mail: Told) -> Addressee:
    return (mail.subscriber, mail.event, mail.date_kind, mail.occurrence)
