"""All that staff keep in files, read and checked together.

Each file is checked by its own room; what one file says about another (a rule about a kind, an event with a kind, an
audience that follows a level) is checked here. Every problem of every file is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reminders.catalogue import shape
from reminders.catalogue.events import Catalogue, Kind
from reminders.feed.selection import Feed
from reminders.planning.rules import Rule
from reminders.planning.subscribers import Audience

SCHEMAS: Mapping[str, tuple[str, Callable[[], type[shape.Shape]]]] = {}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say, checked: events, kinds of date, rules, feeds and audiences."""

    catalogue: Catalogue
    kinds: Mapping[str, Kind]
    rules: tuple[Rule, ...]
    feeds: tuple[Feed, ...]
    audiences: tuple[Audience, ...]
