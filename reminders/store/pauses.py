"""The pause: an operator's word that nothing is to be mailed for now. It outlives restarts and upgrades."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from reminders.store import state

PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when (UTC) nothing is mailed, and why ("" when nobody said)."""

    since: datetime
    why: str = ""


def paused(tx: Connection) -> Pause | None:
    """The pause, while there is one. Whoever owes reminders or takes mail in hand asks in its own transaction."""
    text = state.get(tx, PAUSED)
    if text is None:
        return None
    since, why = json.loads(str(text))
    return Pause(datetime.fromisoformat(since), why)


def pause(tx: Connection, why: str, now: datetime) -> bool:
    """Mail nothing from now on. False when that is so already; a new reason is then kept in place of the old one."""
    known = paused(tx)
    if known is None or why:
        state.put(tx, PAUSED, json.dumps(((known.since if known else now).isoformat(), why)))
    return known is None


def resume(tx: Connection) -> Pause | None:
    """Mail again; the pause that is over, None when there was none."""
    known = paused(tx)
    state.put(tx, PAUSED, None)
    return known
