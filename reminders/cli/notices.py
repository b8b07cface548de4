"""Notices of the outbox in words and as facts, and what keeps them from going: held batches, a pause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reminders.cli.options import clock_time, counted
from reminders.telemetry import legible

if TYPE_CHECKING:
    from reminders.store.ledger import Batch, Record
    from reminders.store.pauses import Pause
    from reminders.store.rows import Row

_TWICE = re.compile(r"\b(connect|mail|rcpt|data|dot)(?: \d{3})? (?=\1: )")
"""The phase and code that a line of the history has before a reply that begins with them itself."""


def facts(row: Row) -> dict[str, Any]:
    """A row of the outbox for other programs."""
    notice = row.notice
    return {
        "number": row.id,
        "state": row.state,
        "reason": row.reason,
        "kind": notice.kind.value,
        "event": notice.event,
        "date": notice.date_kind,
        "occurrence": notice.occurrence,
        "rule": notice.rule,
        "subscriber": notice.subscriber,
        "says": notice.fact,
        "before": notice.before,
        "due_at": notice.due_at,
        "expires_at": notice.expires_at,
        "owed_at": row.owed_at,
        "settled_at": row.settled_at,
        "attempts": row.attempts,
        "message_id": row.message_id,
        "reply": legible(row.reply),
        "batch": row.batch,
    }


def record_facts(record: Record) -> dict[str, Any]:
    """A row with its history and attempts."""
    return facts(record.row) | {
        "history": [{"at": each.at, "state": each.state, "reason": _said(each.reason)} for each in record.history],
        "attempted": [
            {"number": each.number, "at": each.started_at, "outcome": each.outcome, "reply": legible(each.reply)}
            for each in record.attempts
        ],
    }


def record_words(record: Record, zone: str) -> Iterator[str]:
    """The same in words."""
    row = record.row
    yield line(row, zone)
    yield f"    says {row.notice.fact}" + (f", was {row.notice.before}" if row.notice.before else "")
    yield f"    of use until {clock_time(row.notice.expires_at, zone)}, batch {row.batch}"
    for each in record.history:
        yield f"    {clock_time(each.at, zone)}  {each.state}" + (f": {_said(each.reason)}" if each.reason else "")
    for begun in record.attempts:
        at = clock_time(begun.started_at, zone)
        yield f"    attempt {begun.number} {at}: {begun.outcome or 'under way'} {legible(begun.reply)}"
    if row.message_id:
        yield f"    Message-ID {row.message_id}"


def line(row: Row, zone: str) -> str:
    """A row in one line."""
    notice = row.notice
    state = row.state + (f" ({row.reason})" if row.reason else "")
    reply = f"  {legible(row.reply)}" if row.reply and row.state != "sent" else ""
    return (
        f"{row.id:>6}  {clock_time(notice.due_at, zone)}  {state:<24}  {notice.words}"
        f"  to subscriber {notice.subscriber}{reply}"
    )


def kept_back_facts(held: Sequence[Batch], pause: Pause | None) -> dict[str, Any]:
    """The batches that are held and the pause, for other programs."""
    return {
        "held": [
            {"batch": batch.number, "mails": batch.mails, "first": [facts(row) for row in batch.first]}
            for batch in held
        ],
        "paused": None if pause is None else {"since": pause.since, "why": pause.why},
    }


def kept_back_words(held: Sequence[Batch], pause: Pause | None, zone: str) -> Iterator[str]:
    """The same in words."""
    for batch in held:
        yield f"Held in batch {batch.number}: {counted(batch.mails, 'mail')}, the first of them:"
        for row in batch.first:
            yield line(row, zone)
    if pause is not None:
        yield paused_words(pause, zone)


def paused_words(pause: Pause, zone: str) -> str:
    """The pause as a sentence."""
    why = f" ({pause.why})" if pause.why else ""
    return f"Paused since {clock_time(pause.since, zone)}{why}: nothing is mailed until `reminders resume`."


def _said(reason: str) -> str:
    """What a line of the history says of it."""
    return legible(_TWICE.sub("", reason))
