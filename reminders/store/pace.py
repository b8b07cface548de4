"""How fast mail goes to the relay, for all workers and machines together, and across restarts.

A leaky bucket as a meter (GCRA): of each allowance the instant is kept at which it will be whole again. A burst of a
fifth of a minute's allowance may go at once, so that no minute whatever sees more than six fifths of it: with 25 a
minute never more than the 30 that Exchange Online grants. All instants are wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from reminders.store.tables import bucket, insert, upsert

RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many messages may go now, and when the next may if that is none."""

    messages: int
    next_at: datetime


def allowance(tx: Connection, rate: int, wall_now: datetime) -> Allowance:
    """What is left at a `rate` of messages per minute. Nobody else takes of it until the end of the transaction."""
    each, burst = _terms(rate)
    free_at = _free_at(tx, wall_now, burst)
    early = free_at - burst + each  # one more fits from then on
    return Allowance(max(0, (wall_now - early) // each + 1), early)


def spend(tx: Connection, rate: int, messages: int, wall_now: datetime) -> None:
    """Count messages as gone; fewer than none gives back what was not needed after all."""
    each, burst = _terms(rate)
    upsert(tx, bucket, [{"name": RELAY, "free_at": _free_at(tx, wall_now, burst) + messages * each}])


def _terms(rate: int) -> tuple[timedelta, timedelta]:
    each = timedelta(minutes=1) / rate
    return each, max(1, rate // 5) * each


def _free_at(tx: Connection, wall_now: datetime, burst: timedelta) -> datetime:
    """When the allowance is whole, never in the past; nor later than possible, as after a clock that went back."""
    tx.execute(insert(tx, bucket).values(name=RELAY, free_at=wall_now).on_conflict_do_nothing())
    found: datetime = tx.execute(select(bucket.c.free_at).where(bucket.c.name == RELAY).with_for_update()).scalar_one()
    return min(max(found, wall_now), wall_now + burst)
