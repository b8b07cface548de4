"""What keeps all mail from going out at present: written by whoever sends, read by whoever only looks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from reminders.errors import DeliveryError, Verdict
from reminders.store import state
from reminders.telemetry import discreet

TRANSPORT = "transport"
WORDS = 300
"""Characters of a relay's words that are kept."""


class FaultKind(StrEnum):
    """What stands between the outbox and the relay."""

    REFUSED = "refused"  # no message until an operator has mended something
    SILENT = "silent"  # nobody answers
    BUSY = "busy"  # the relay wants fewer for now


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no mail goes out, since when (UTC), and what the relay said, without anybody's address."""

    kind: FaultKind
    words: str
    since: datetime


def kind_of(error: DeliveryError) -> FaultKind:
    """What an error that stops all mail means. Who does not answer counts as not there, however far a message got."""
    if error.verdict is Verdict.FAULT or (error.phase == "connect" and error.code >= 500):
        return FaultKind.REFUSED
    return FaultKind.BUSY if error.code else FaultKind.SILENT


def put_fault(tx: Connection, kind: FaultKind, words: str, now: datetime) -> None:
    """Remember that no mail goes out. Since when is kept of a fault that is there already, whatever its kind."""
    known = fault(tx)
    facts = {"kind": kind, "words": discreet(words)[:WORDS], "since": (known.since if known else now).isoformat()}
    state.put(tx, TRANSPORT, json.dumps(facts))


def clear_fault(tx: Connection) -> None:
    """Mail goes out."""
    state.put(tx, TRANSPORT, None)


def fault(tx: Connection) -> Fault | None:
    """What keeps all mail from going out, if anything does."""
    stored = state.get(tx, TRANSPORT)
    if stored is None:
        return None
    facts = json.loads(str(stored))
    return Fault(FaultKind(facts["kind"]), facts["words"], datetime.fromisoformat(facts["since"]))
