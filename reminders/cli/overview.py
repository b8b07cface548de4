"""`reminders outbox` by itself: how it stands with the mails, on a page that an operator reads at one glance."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reminders.cli.notices import kept_back_facts, kept_back_words
from reminders.cli.options import clock_time, counted, now, opened, show

if TYPE_CHECKING:
    from reminders.store.faults import Fault
    from reminders.store.ledger import Batch, PutOff
    from reminders.store.pauses import Pause
    from reminders.store.rows import Row
    from reminders.store.setbacks import Setback

LAST = 5
"""So many errors are told."""
WIDTH = 80
"""Columns of a line."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outbox stands at `at`: what `ledger`, `pauses`, `setbacks` and `faults` say of it at one moment."""

    at: datetime
    published: bool
    tally: Mapping[tuple[str, str], int]
    longest: tuple[datetime, Row] | None
    put_off: Sequence[PutOff]
    held: Sequence[Batch]
    pause: Pause | None
    fault: Fault | None
    setbacks: Sequence[Setback]


def overview(config: Path, as_json: bool) -> None:
    """Print it."""
    from reminders.store import faults, ledger, pauses
    from reminders.store.setbacks import setbacks

    at = now()
    with opened(config) as service, service.store.reading() as tx:
        tally = ledger.tally(tx)
        found = Standing(
            at=at,
            published=bool(tally) or service.book(tx) is not None,
            tally=tally,
            longest=ledger.longest_wait(tx, at, at),
            put_off=ledger.put_off(tx, at),
            held=ledger.batches(tx),
            pause=pauses.paused(tx),
            fault=faults.fault(tx),
            setbacks=setbacks(tx, LAST),
        )
        zone = service.settings.zone
    show(_facts(found), as_json, lambda: _words(found, zone))


def _facts(found: Standing) -> dict[str, Any]:
    waiting = None
    if found.longest is not None:
        since, row = found.longest
        waiting = {"notice": row.id, "since": since, "seconds": int((found.at - since).total_seconds())}
    fault = found.fault
    return {
        "tally": [{"state": name, "reason": why, "notices": number} for (name, why), number in found.tally.items()],
        "waiting": waiting,
        "put_off": [{"tried": each.tried, "mails": each.mails, "next_at": each.next_at} for each in found.put_off],
        **kept_back_facts(found.held, found.pause),
        "fault": None if fault is None else {"kind": fault.kind, "since": fault.since, "words": fault.words},
        "errors": [
            {"at": each.at, "notice": each.row.id, "phase": each.phase, "code": each.code, "reply": each.reply}
            | {"state": each.row.state, "reason": each.row.reason, "next_at": each.row.next_at}
            for each in found.setbacks
        ],
    }


def _words(found: Standing, zone: str) -> Iterator[str]:
    blocks = (_counted(found), _waiting(found, zone), _amiss(found, zone))
    filled = [lines for block in blocks if (lines := list(block))]
    for number, lines in enumerate(filled):
        if number:
            yield ""
        for each in lines:
            yield from _folded(each)


def _counted(found: Standing) -> Iterator[str]:
    """How many notices there are, by state and reason."""
    if not found.tally:
        yield "The outbox is empty."
        if not found.published:
            yield "Nothing is published yet: `reminders refresh` reads the files."
        yield "`reminders run` fills it: when a reminder falls due, and when a date moves."
        yield "`reminders simulate` shows which mails are to come."
    width = max((len(f"{number:,}") for number in found.tally.values()), default=0)
    for (name, reason), number in found.tally.items():
        yield f"{number:>{width},}  {_state(name, reason)}"


def _waiting(found: Standing, zone: str) -> Iterator[str]:
    """What waits, and what keeps mails back."""
    if found.longest is not None:
        since, row = found.longest
        waits = f"for {_long(found.at - since)}, since {clock_time(since, zone)}"
        yield f"Waiting longest: notice {row.id}, {waits}: {row.notice.words}."
    for each in found.put_off:
        why = "for another try" if each.tried else "because their people got a day's mails"
        yield f"Waiting {why}: {counted(each.mails, 'mail')}, the next at {clock_time(each.next_at, zone)}."
    yield from kept_back_words(found.held, found.pause, zone)
    if found.fault is not None:
        from reminders.jobs.health import fault_words

        yield fault_words(found.fault)


def _amiss(found: Standing, zone: str) -> Iterator[str]:
    """What went wrong last, and what became of it."""
    if found.setbacks:
        yield "Last errors (`reminders outbox show NUMBER` tells more):"
    for each in found.setbacks:
        yield f"  {clock_time(each.at, zone)}  notice {each.row.id}: {_became(each.row, found.at, zone)}"
        yield f"    {_said(each)}"


def _state(name: str, reason: str) -> str:
    """A state with its reason."""
    if reason == "in-doubt":
        return f"{name}, may have arrived"
    return f"{name} ({reason})" if reason else name


def _became(row: Row, at: datetime, zone: str) -> str:
    """What became of a notice after an error."""
    match row.state:
        case "owed" if row.next_at is not None and row.next_at > at:
            then = f"next try at {clock_time(row.next_at, zone)}"
        case "owed":
            then = "next try when its turn comes"
        case "claimed" | "sending":
            then = "in hand again"
        case "sent":
            then = "sent since"
        case _:
            return _state(row.state, row.reason)
    return f"may have arrived, {then}" if row.reason == "in-doubt" else then


def _said(setback: Setback) -> str:
    """Phase, code and reply of an error, as the log has them."""
    if setback.phase == "lost":
        return "lost: its worker ended while it was handed over"
    smtp = setback.phase not in ("", "compose")
    answer = f"{setback.code or 'no reply'} " if smtp else ""
    return (f"{setback.phase}: " if setback.phase else "") + f"{answer}{setback.reply}"


def _long(span: timedelta) -> str:
    """A length of time in its largest unit, cut."""
    for unit, noun in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if span >= unit:
            return counted(span // unit, noun)
    return "less than a minute"


def _folded(line: str) -> list[str]:
    """A line in several where it is too long, indented further."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
