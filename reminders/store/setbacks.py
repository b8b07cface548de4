"""What went wrong with single mails of late, read from the history: whoever was refused, and what is in doubt.

A refusal before the message was begun is no attempt, so the history alone knows of all. Nothing in it is found by what
it says, only by its end: no more than the last lines are looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reminders.store.ledger import BY_HAND, LISTED
from reminders.store.outbox import IN_DOUBT, LOST
from reminders.store.rows import Row, read_row
from reminders.store.tables import history, outbox
from reminders.telemetry import legible

LOOKED_AT = 100_000
"""So many lines of the history, the last ones, are looked at; of a million it takes a tenth of the time."""
WORDS = 300
"""Characters of a relay's words that are told."""

_SAID = re.compile(
    r"(?:again|failed|uncertain)(?: (?P<phase>connect|mail|rcpt|data|dot|compose)\b)?"
    r"(?: (?P<code>\d{3})\b)? ?(?P<reply>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Setback:
    """Why a message did not go when it was tried, and its row as it is by now.

    `phase` and `code` are as in `DeliveryError`, besides "compose", "lost" (its worker was not heard of again) and "".
    `reply` is what the relay said, without anybody's address or link; or what else was the matter.
    """

    at: datetime
    phase: str
    code: int
    reply: str
    row: Row


def setbacks(tx: Connection, most: int) -> list[Setback]:
    """The last of them, newest first, one of each message."""
    newest = select(func.max(history.c.id)).scalar_subquery()
    lately = history.c.id > newest - LOOKED_AT
    amiss = (history.c.state.in_(("owed", "failed", "uncertain")), history.c.reason.not_in(("", BY_HAND)))
    message = func.coalesce(outbox.c.bundle, outbox.c.id)
    last = (
        select(func.max(history.c.id).label("line"))
        .join_from(history, outbox)
        .where(lately, *amiss)
        .group_by(message)
        .order_by(func.max(history.c.id).desc())
        .limit(most)
        .subquery()
    )
    at, said = history.c.at.label("at"), history.c.reason.label("said")
    found = select(at, said, *LISTED).join_from(history, outbox).where(history.c.id.in_(select(last.c.line)))
    return [
        Setback(row.at, *_read(row.said), read_row(row._mapping))
        for row in tx.execute(found.order_by(history.c.id.desc()))
    ]


def _read(said: str) -> tuple[str, int, str]:
    """Phase, code and reply of a line as `sending` and `recover` write them."""
    if said == IN_DOUBT:
        return LOST, 0, ""
    found = _SAID.fullmatch(said)
    if found is None:
        return "", 0, _told(said)
    phase, code = found["phase"] or "", int(found["code"] or 0)
    return (
        phase,
        code,
        _told(found["reply"].removeprefix(f"{phase}: {code or 'no reply'} ")),
    )  # as `DeliveryError` has it


def _told(words: str) -> str:
    return legible(words)[:WORDS].strip()
