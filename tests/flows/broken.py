"""The daemon with one part of its promise taken out, for `tests.flows.kills` to notice.

python -m tests.flows.broken FORM run --config DIR
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from typing import Any

from reminders import cli
from reminders.jobs import taking
from reminders.store import sending
from reminders.store.sending import Ending, Message

TOGETHER = 5


def unfenced() -> None:
    """nothing is recorded before the message goes out, all of it only afterwards"""
    begin, settle = sending.begin, sending.settle
    begun: dict[int, tuple[Message, dict[str, Any]]] = {}

    def begin_later(tx: Any, messages: Any, owner: str, **facts: Any) -> set[int]:
        begun.update({each.row: (each, facts) for each in messages})
        return {each.row for each in messages}

    def settle_all(tx: Any, endings: Any, owner: str, **facts: Any) -> set[int]:
        for each in endings:
            if each.row in begun:
                message, then = begun.pop(each.row)
                begin(tx, [message], owner, **then)
        return settle(tx, endings, owner, **facts)

    sending.begin, sending.settle = begin_later, settle_all


def renamed() -> None:
    """unfenced, and each time a message is composed it gets another Message-ID"""
    unfenced()
    vars(taking)["message_id_of"] = lambda settings, notice, attempts=0: f"<{secrets.token_hex(20)}@example.org>"


def settled_first() -> None:
    """a message is recorded as sent before it goes out"""
    begin, settle = sending.begin, sending.settle

    def begin_and_end(tx: Any, messages: Any, owner: str, **facts: Any) -> set[int]:
        done = begin(tx, messages, owner, **facts)
        settle(tx, [Ending(row, 1, "sent", "surely", "dot", 250) for row in done], owner, now=facts["now"])
        return done

    sending.begin = begin_and_end
    sending.settle = lambda tx, endings, owner, **facts: {each.row for each in endings}


def together() -> None:
    """messages are recorded as sent five at a time"""
    claim, settle = sending.claim, sending.settle
    waiting: list[tuple[Any, str, dict[str, Any]]] = []

    def flush(tx: Any) -> None:
        for endings, owner, facts in waiting:
            settle(tx, endings, owner, **facts)
        waiting.clear()

    def settle_later(tx: Any, endings: Any, owner: str, **facts: Any) -> set[int]:
        if endings:
            waiting.append((endings, owner, facts))
        if len(waiting) == TOGETHER:
            flush(tx)
        return {each.row for each in endings}

    def claim_or_flush(tx: Any, owner: str, **facts: Any) -> Any:
        rows = claim(tx, owner, **facts)
        if not rows:
            flush(tx)
        return rows

    sending.claim, sending.settle = claim_or_flush, settle_later


def unrecovered() -> None:
    """what a dead worker had in hand is left alone until its lease runs out"""
    recover = sending.recover
    sending.recover = lambda tx, *, dead, **facts: recover(tx, dead=[], **facts)


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
