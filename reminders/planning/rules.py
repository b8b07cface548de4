"""Rules: when to remind about which dates, and whom; and ``rules.yaml``, which holds them and the kinds of date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from reminders.catalogue.dates import Precision
from reminders.catalogue.events import Event, Kind
from reminders.catalogue.shape import Flag, Id, Ids, Shape, Text, read, wrong
from reminders.catalogue.strict import Document, Path, load
from reminders.errors import BadInput, Problem
from reminders.planning.selections import SelectionField, matches
from reminders.planning.send import PATTERN, Send, SendError, parse_send
from reminders.planning.subscribers import Selection

OFF = "off"
"""What an event writes for a rule that is not to be used for it."""


class OnJoin(StrEnum):
    """What a person who joins late gets of a reminder that was due before: none, or the one that is still of use."""

    WAIT = "wait"
    LATEST = "latest"


class Uncertain(StrEnum):
    """What happens to a message of which nobody knows whether the server took it."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Rule:
    """When to remind about dates of some kinds.

    It waits until a date is known as closely as `needs`. `selection` narrows the events; `audiences` the people (ids;
    none: everybody who follows the date).
    """

    id: str
    about: tuple[str, ...]
    send: Send
    needs: Precision
    selection: Selection = Selection()
    audiences: tuple[str, ...] = ()
    on_join: OnJoin = OnJoin.WAIT
    uncertain: Uncertain = Uncertain.RESEND


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What ``rules.yaml`` says: kinds of date by id, and the rules in the order of the file."""

    kinds: Mapping[str, Kind] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()


def rules_about(event: Event, kind: str, rules: tuple[Rule, ...]) -> Iterator[Rule]:
    """The rules for dates of this kind of the event, as the event itself alters them."""
    for rule in rules:
        if kind in rule.about and matches(rule.selection, event, kind):
            own = event.rules.get(rule.id)
            if own is None:
                yield rule
            elif own != OFF:
                yield overridden(rule, own)


def overridden(rule: Rule, own: str) -> Rule:
    """The rule with an event's own time to send; how closely it must know the date follows. Raises `SendError`."""
    send = parse_send(own)
    usual = rule.needs is rule.send.usual  # so that hours may become days, which need no time of day
    return replace(rule, send=send, needs=send.usual if usual else max(rule.needs, send.least))


def _written(value: Any, example: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong("this is not one line of text" if value else "nothing is written here", f"write one like {example}")
    return value.strip()


def _send(value: Any) -> Send:
    try:
        return parse_send(_written(value, "'4 weeks before at 09:00'"))
    except SendError as error:
        raise wrong(error.what, error.write) from None


def _needs(value: Any) -> Precision:
    said = _written(value, "'day'")
    if said not in _PRECISIONS:
        what = f"'{said[:80]}' does not say how closely a date is known"
        raise wrong(what, nearest(said.casefold(), _PRECISIONS, "words"))
    return _PRECISIONS[said]


def nearest(name: str, known: Mapping[str, object], noun: str) -> str:
    """Advice to somebody who named what is not there: the one most likely meant, or all there are."""
    close = get_close_matches(name, known, n=1)
    return f"write '{close[0]}'" if close else f"the {noun} are {', '.join(known)}"


_PRECISIONS = {each.name.lower(): each for each in Precision if each is not Precision.NONE}
SendText = Annotated[Send, BeforeValidator(_send), WithJsonSchema({"type": "string", "pattern": PATTERN})]
Needs = Annotated[Precision, BeforeValidator(_needs), WithJsonSchema({"enum": list(_PRECISIONS)})]


class KindShape(Shape):
    """A kind of date."""

    label: Text
    """What readers call it, such as 'Applications close'."""
    deadline: Flag = False
    """Whether it is a deadline: reminders of it are of use up to its very end, not only until it begins."""


class RuleShape(Shape):
    """When to remind, about what, and whom."""

    id: Id
    """The rule's name for ever: what was sent is remembered under it."""
    about: Ids
    """The kinds of date it is about."""
    send: SendText
    """When: '4 weeks before at 09:00', '3 working days before at 09:00', '2 hours before', 'on the day at 08:00' …"""
    needs: Needs | None = None
    """How closely the date must be known; until then the rule waits. The day, unless hours are counted."""
    only: SelectionField
    """Which events, when not all."""
    audiences: Ids = ()
    """Which audiences, when not everybody who follows the date."""
    on_join: OnJoin = OnJoin.WAIT
    """For people who join when it was already due: wait for the next one, or send the latest that is still of use."""
    uncertain: Uncertain = Uncertain.RESEND
    """When nobody knows whether the server took the message: resend the same bytes, or hold for the operator."""


class RulesFile(Shape):
    """Kinds of date, and the rules by which people are reminded of them."""

    kinds: Annotated[dict[Id, KindShape], Field(min_length=1)]
    """The kinds of date by id."""
    rules: tuple[RuleShape, ...]
    """The rules, in any order."""


def parse_rules(name: str, data: bytes) -> tuple[Rulebook, list[Problem], Document | None]:
    """What the file says, every problem with it, and the document (None if unreadable), whose places other files need.

    The rule at position n is at the path ``("rules", n)``. A file with problems gives an empty rulebook.
    """
    document = None
    try:
        document = load(name, data)
        shaped = read(document, RulesFile)
    except BadInput as error:
        return Rulebook(), list(error.problems), document
    problems = [document.problem(path, what, write) for path, what, write in _contradictions(shaped)]
    if problems:
        return Rulebook(), problems, document
    kinds = {id: Kind(id, kind.label, kind.deadline) for id, kind in shaped.kinds.items()}
    return Rulebook(MappingProxyType(kinds), tuple(_rule(rule) for rule in shaped.rules)), [], document


def _contradictions(shaped: RulesFile) -> Iterator[tuple[Path, str, str]]:
    """What each entry alone cannot show."""
    seen: set[str] = set()
    for number, rule in enumerate(shaped.rules):
        where: Path = ("rules", number)
        if rule.id in seen:
            yield (*where, "id"), f"two rules have the id '{rule.id}'", "give each its own"
        seen.add(rule.id)
        if not rule.about:
            yield (*where, "about"), "the rule is about nothing", "write a kind of date"
        for path, kinds in ((("about",), rule.about), (("only", "kinds"), rule.only.kinds)):
            for kind in kinds:
                if kind not in shaped.kinds:
                    write = nearest(kind, shaped.kinds, "kinds of date")
                    yield (*where, *path), f"there is no kind of date '{kind}'", write
        if rule.needs is not None and rule.needs < rule.send.least:
            what = f"'{rule.send.text}' cannot be counted from less than a time of day"
            yield (*where, "needs"), what, "write 'instant', or leave it out"


def _rule(shape: RuleShape) -> Rule:
    return Rule(
        id=shape.id,
        about=shape.about,
        send=shape.send,
        needs=shape.send.usual if shape.needs is None else shape.needs,
        selection=shape.only.selection(),
        audiences=shape.audiences,
        on_join=shape.on_join,
        uncertain=shape.uncertain,
    )
