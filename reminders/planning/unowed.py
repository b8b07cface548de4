"""Why nothing was owed: for one event and one person, what the rules say of every reminder that has no row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from reminders.catalogue.events import EventDate, Kind, PublishedDate, PublishedEvent, Status
from reminders.planning import plan, reach
from reminders.planning.rules import OnJoin, Rule, rules_about
from reminders.planning.selections import followed_since
from reminders.planning.send import due_at
from reminders.planning.subscribers import Subscriber


@dataclass(frozen=True, slots=True)
class Unowed:
    """A reminder that is not owed. `rule` is "" when no rule speaks of the date, `due_at` None while it has no time."""

    date: EventDate
    rule: str
    due_at: datetime | None
    why: str


def unowed(
    event: PublishedEvent,
    person: Subscriber,
    rules: tuple[Rule, ...],
    kinds: Mapping[str, Kind],
    owed: Collection[tuple[str, str, str]],
    *,
    epoch: datetime,
    now: datetime,
    nation: str,
) -> Iterator[Unowed]:
    """Every reminder that this person might expect about the event and that has no row, with the reason in words.

    `owed` are those that have one: date kind, occurrence, rule. Of a series those of the occurrences around `now`.
    `epoch` is when this store began. What is still to come is left out.
    """
    for dated in reach.within_reach(event, rules, now, now):
        date = dated.date
        reason = _of_the_date(event, date, rules, kinds)
        if reason:
            yield Unowed(date, "", None, reason)
            continue
        for rule in rules_about(event.event, date.kind, rules):
            if (date.kind, date.occurrence, rule.id) in owed:
                continue
            due = due_at(rule.send, date.when, nation) if date.when.precision >= rule.needs else None
            if due is None or due <= now:
                rungs = plan.rungs(event.event, date, kinds[date.kind], rules, nation)
                yield Unowed(date, rule.id, due, _of_the_rule(event, dated, rule, person, rungs, due, epoch))


def _of_the_date(event: PublishedEvent, date: EventDate, rules: tuple[Rule, ...], kinds: Mapping[str, Kind]) -> str:
    if date.status is not Status.PLANNED:
        return f"the date is {date.status.value}"
    if date.kind not in kinds:
        return f"rules.yaml does not name the kind {date.kind}"
    if not any(rules_about(event.event, date.kind, rules)):
        return f"no rule is about {date.kind}"
    return ""


def _of_the_rule(
    event: PublishedEvent,
    dated: PublishedDate,
    rule: Rule,
    person: Subscriber,
    rungs: tuple[plan.Rung, ...],
    due: datetime | None,
    epoch: datetime,
) -> str:
    followed = followed_since(person, event.event, dated.date.kind)
    if person.left_at is not None:
        return "the person left"
    if followed is None:
        return "none of the person's audiences follows the date"
    if not _is_for(rule, person):
        return f"the rule is only for {' and '.join(rule.audiences)}"
    if due is None:
        return f"the rule needs the date to be known to the {rule.needs.name.lower()}"
    chain = [rung for rung in rungs if _is_for(rung.rule, person)]
    names = [rung.rule.id for rung in chain]
    if rule.id not in names:
        return "the rule's time lies after the date itself"
    own, following = chain[names.index(rule.id)], chain[names.index(rule.id) + 1 :]
    ends = min([own.useless_at, *(rung.due_at for rung in following)])
    for since, what in (
        (epoch, "this database began"),
        (dated.known_at, "the date became known as it is"),
        (followed, "the person came to follow it"),
    ):
        if ends <= since:
            return f"it was of no use any more when {what}"
    if followed > due and rule.on_join is OnJoin.WAIT:
        return "it was due before the person came to follow the date"
    return "it should have been owed: the rule was changed since, or a row is lost"


def _is_for(rule: Rule, person: Subscriber) -> bool:
    return not rule.audiences or not set(rule.audiences).isdisjoint(person.audiences)
