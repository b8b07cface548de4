"""Since when the rules read as they do: what was ready before, other rules may have decided."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from reminders import __version__
from reminders.jobs.service import Book
from reminders.store import state

if TYPE_CHECKING:
    from sqlalchemy import Connection

RULED = "ruled"


def mark(tx: Connection, book: Book, nation: str, now: datetime) -> datetime:
    """Remember the rules at hand, unless they are known already. Returns since when (UTC) they are."""
    since = ruled_since(tx, book, nation)
    if since is None:
        since = now
        state.put(tx, RULED, json.dumps({"digest": _digest(book, nation), "since": since.isoformat()}))
    return since


def ruled_since(tx: Connection, book: Book, nation: str) -> datetime | None:
    """Since when the rules are those at hand; None when others were marked last, or none were."""
    stored = state.get(tx, RULED)
    facts = json.loads(str(stored)) if stored is not None else {}
    return datetime.fromisoformat(facts["since"]) if facts.get("digest") == _digest(book, nation) else None


def _digest(book: Book, nation: str) -> str:
    """Names what decides about rungs beside events and people: rules, kinds, who follows what, and this program."""
    read = book.configuration
    follows = [(each.id, each.follows) for each in read.audiences]
    ruling = (read.rules, sorted(read.kinds.items()), follows, nation, __version__)
    return hashlib.sha256(repr(ruling).encode()).hexdigest()
