"""The daemon with one part of its promise taken out, for `tests.flows.kills` to notice.

python -m tests.flows.broken FORM run --config DIR
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from typing import Any

from reminders import cli
from reminders.jobs import deliver
from reminders.store import outbox

TOGETHER = 5


def unfenced() -> None:
    """nothing is recorded before the message goes out, all of it only afterwards"""
    begin, settle = outbox.begin, outbox.settle
    begun: dict[int, dict[str, Any]] = {}

    def begin_later(tx: Any, id: int, owner: str, **facts: Any) -> bool:
        begun[id] = facts
        return True

    def settle_all(tx: Any, id: int, owner: str, outcome: Any, **facts: Any) -> bool:
        if id in begun:
            begin(tx, id, owner, **begun.pop(id))
        return settle(tx, id, owner, outcome, **facts)

    outbox.begin, outbox.settle = begin_later, settle_all


def renamed() -> None:
    """unfenced, and each time a message is composed it gets another Message-ID"""
    unfenced()
    vars(deliver)["message_id_of"] = lambda settings, notice: f"<{secrets.token_hex(20)}@example.org>"


def settled_first() -> None:
    """a message is recorded as sent before it goes out"""
    begin, settle = outbox.begin, outbox.settle

    def begin_and_end(tx: Any, id: int, owner: str, **facts: Any) -> bool:
        done = begin(tx, id, owner, **facts)
        settle(tx, id, owner, "sent", reply="surely", phase="dot", code=250, now=facts["composed_at"])
        return done

    outbox.begin, outbox.settle = begin_and_end, lambda *given, **facts: True


def together() -> None:
    """messages are recorded as sent five at a time"""
    claim, settle = outbox.claim, outbox.settle
    waiting: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def flush(tx: Any) -> None:
        for given, facts in waiting:
            settle(tx, *given, **facts)
        waiting.clear()

    def settle_later(tx: Any, *given: Any, **facts: Any) -> bool:
        waiting.append((given, facts))
        if len(waiting) == TOGETHER:
            flush(tx)
        return True

    def claim_or_flush(tx: Any, owner: str, **facts: Any) -> Any:
        row = claim(tx, owner, **facts)
        if row is None:
            flush(tx)
        return row

    outbox.claim, outbox.settle = claim_or_flush, settle_later


def unrecovered() -> None:
    """what a dead worker had in hand is left alone until its lease runs out"""
    recover = outbox.recover
    outbox.recover = lambda tx, *, dead, **facts: recover(tx, dead=[], **facts)


FORMS: dict[str, Callable[[], None]] = {
    "unfenced": unfenced,
    "renamed": renamed,
    "settled-first": settled_first,
    "together": together,
    "unrecovered": unrecovered,
}


def program(form: str) -> tuple[str, ...]:
    """What runs that form in place of the command line."""
    return ("-m", "tests.flows.broken", form)


if __name__ == "__main__":
    FORMS[sys.argv.pop(1)]()
    cli.main()
