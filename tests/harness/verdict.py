"""What a harness found, and the promise that the outbox and the receiving end are held to."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from reminders.store.ledger import Record
from reminders.store.outbox import LOST
from tests.harness.peer import Kept

AT_REST = ("sent", "failed", "uncertain", "dropped")
UNREST = ("owed", "claimed", "sending")
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it: figures by name, and each breach of the promise in words."""

    figures: dict[str, object]
    breaches: list[str]

    def words(self) -> str:
        width = max(map(len, self.figures))
        lines = [f"{name:<{width}}  {value}" for name, value in self.figures.items()]
        more = len(self.breaches) - SHOWN
        shown = [*self.breaches[:SHOWN], *([f"… {more} more"] if more > 0 else [])]
        return "\n".join([*lines, *(f"BROKEN: {each}" for each in shown)])


def finish(findings: Findings) -> NoReturn:
    """Print what was found, and end with 1 when the promise was broken."""
    print(findings.words(), flush=True)
    sys.exit(1 if findings.breaches else 0)


def judge(
    records: Sequence[Record], kept: Sequence[Kept], *, mails: int, kills: int, window: int, attempts: int
) -> Iterator[str]:
    """Every breach that the outbox and what was accepted show, a sentence each.

    `window` is how many messages a worker may leave in doubt, `attempts` how often one may be begun. The receiving end
    refused nothing.
    """
    if len(records) != mails:
        yield f"{mails} mails were owed, and the outbox has {len(records)}"
    copies = by_id(kept)
    for record in records:
        yield from judge_one(record, copies.get(record.row.message_id, ()), attempts)
    known = {record.row.message_id for record in records}
    yield from (f"{id} was mailed, and the outbox has never heard of it" for id in copies if id not in known)
    for id, same in copies.items():
        if len({each.digest for each in same}) > 1:
            yield f"{id} was mailed with different bytes"
    for (to, about), messages in by_reminder(kept).items():
        if len(ids := {each.message_id for each in messages}) > 1:
            yield f"{to} got '{about}' under {len(ids)} Message-IDs"
    yield from (f"one message went to {len(each.recipients)}" for each in kept if len(each.recipients) != 1)
    for owner, count in doubts(records).items():
        if count > window:
            yield f"{count} messages were in doubt at once when {owner} died; the window is {window}"
    if (extra := extra_copies(kept)) > kills * window:
        yield f"{kills} kills, and {extra} extra copies"


def judge_one(record: Record, copies: Sequence[Kept], attempts: int) -> Iterator[str]:
    """What is wrong with one notice, of which these copies were accepted."""
    row = record.row
    died = row.state == "failed" and "workers ended" in row.reply
    if row.state not in AT_REST:
        yield f"notice {row.id} never came to rest: it is {row.state}"
    if row.state == "sent" and not copies:
        yield f"notice {row.id} is lost: it is called sent, and was never accepted"
    if row.state in ("failed", "dropped") and not died:
        yield f"notice {row.id} is {row.state} ({row.reason} {row.reply}) for no reason"
    if row.state == "uncertain" and any(each.phase != LOST for each in record.attempts):
        yield f"notice {row.id} is uncertain, and not because of a kill"
    if len(copies) > len(record.attempts):
        yield f"notice {row.id} was mailed {len(copies)} times, with {len(record.attempts)} attempts recorded"
    if len(record.attempts) > attempts:
        yield f"notice {row.id} was begun {len(record.attempts)} times; it may be {attempts} times"


def doubts(records: Sequence[Record]) -> Counter[str]:
    """How many messages each worker left in doubt."""
    return Counter(each.owner for record in records for each in record.attempts if each.phase == LOST)


def by_id(kept: Sequence[Kept]) -> dict[str, list[Kept]]:
    found = defaultdict(list)
    for each in kept:
        found[each.message_id].append(each)
    return dict(found)


def by_reminder(kept: Sequence[Kept]) -> dict[tuple[str, str], list[Kept]]:
    """The messages by what they are about, whatever they are called: recipient and subject are one reminder's own."""
    found = defaultdict(list)
    for each in kept:
        found[each.recipients[0], each.subject].append(each)
    return dict(found)


def extra_copies(kept: Sequence[Kept]) -> int:
    return len(kept) - len(by_reminder(kept))


def summary(records: Sequence[Record], kept: Sequence[Kept]) -> dict[str, object]:
    """The figures that every harness shows."""
    states = Counter(record.row.state for record in records)
    left = doubts(records)
    copies = by_reminder(kept)
    return dict[str, object](
        {f"notices {state}": states[state] for state in sorted(states)}
        | {"messages accepted": len(kept), "extra copies": len(kept) - len(copies)}
        | {"most copies of one": max(map(len, copies.values()), default=0)}
        | {"most in doubt by one death": max(left.values(), default=0)}
    )


def add(totals: dict[str, object], more: dict[str, object]) -> None:
    """Add figures of another round: numbers are summed, what is the most of something is the most of all."""
    for name, value in more.items():
        before = totals.get(name, 0)
        if isinstance(value, int) and isinstance(before, int):
            totals[name] = max(before, value) if name.startswith("most") else before + value
        else:
            totals[name] = value
