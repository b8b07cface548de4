"""What the last good files declare of feeds, kept beside what is published: who shows feeds need not read the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic import TypeAdapter
from sqlalchemy import Connection

from reminders.catalogue.events import Kind
from reminders.feed.selection import Feed
from reminders.planning.subscribers import Audience, Selection
from reminders.store import state

DECLARED = "declared"
"""The state that holds it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Kinds of date by id, feeds in the order of their file, and what each audience follows, by its id."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    feeds: tuple[Feed, ...] = ()
    follows: Mapping[str, Selection] = field(default_factory=dict)

    @property
    def audiences(self) -> list[Audience]:
        """The audiences as far as they are known here: without labels and members."""
        return [Audience(id, "", follows) for id, follows in self.follows.items()]


def declare(tx: Connection, declared: Declared) -> None:
    """Keep this in place of what was declared."""
    plain = Declared(dict(declared.kinds), declared.feeds, dict(declared.follows))
    state.put(tx, DECLARED, _adapter().dump_json(plain).decode())


def declared(tx: Connection) -> Declared | None:
    """What was declared last; None before the first publication, or the first by a program that declares."""
    text = state.get(tx, DECLARED)
    return _adapter().validate_json(str(text)) if text is not None else None


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Declared]:
    return TypeAdapter(Declared)
