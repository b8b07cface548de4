"""Look at the clock before anything is done by it; `planning/clockwatch.py` says when it is believed.

What is known of a machine's clock is kept in the store under the machine's name, so that a daemon that is started
anew, and commands that run once, know what went before.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reminders.clock import Clock
from reminders.errors import Held
from reminders.jobs.drawing import EPOCH
from reminders.jobs.refresh import BEFORE_ALL, REMINDED_UNTIL, reminded_until
from reminders.jobs.service import Service
from reminders.planning.clockwatch import Doubt, Reading, Watch, judge, words
from reminders.store import events, ledger, people, state

if TYPE_CHECKING:
    from sqlalchemy import Connection

CLOCK = "clock"
LONGEST = timedelta(hours=1)
"""Nothing in the outbox waits for longer: neither a lease nor the time before another try."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look at the clock came to: what it shows `now`, and why that is not believed ("" when it is).

    `believed` is the reading by which it was judged: another one when the clock was moved.
    """

    now: datetime
    doubt: str = ""
    believed: Reading | None = None


def observe(service: Service, clock: Clock) -> Watched:
    """Judge the clock as it stands, and remember that for the next look.

    When it was put back and is believed, reminders count from there at once, before anything is published: what is
    published is dated after the last pass, and would be known only once the clock has caught up with that.
    """
    now = read(clock)
    if now is None:
        return Watched(clock.now())
    with service.store.reading() as tx:
        known = _watch(tx)
        found = judge(known, now, _mark(tx))
        if found == known:
            return Watched(now.wall, _words(tx), known.believed)
    with service.store.writing(alone=events.TURN) as tx:
        mark = _mark(tx)
        found = judge(_watch(tx), now, mark)
        _put(tx, found, words(found, mark))
        if found.doubt is None:
            if mark is not None and now.wall < mark:
                state.put(tx, REMINDED_UNTIL, now.wall)
            ledger.shorten_waits(tx, now.wall, LONGEST)  # set by a clock that ran ahead, they would last for ever
        return Watched(now.wall, words(found, mark), found.believed)


def present(service: Service, clock: Clock) -> datetime:
    """What the clock shows, for what is done once, by command. Raises `Held` when that is not believed."""
    watched = observe(service, clock)
    if watched.doubt:
        raise Held(watched.doubt)
    return watched.now


def hold(tx: Connection, clock: Clock) -> str:
    """Why no mail may be begun at this moment by the clock; "" when one may."""
    now = read(clock)
    if now is None:
        return ""
    mark = _mark(tx)
    return words(judge(_watch(tx), now, mark), mark)


def fault(tx: Connection) -> str:
    """Why nothing is done by this machine's clock, as it was last looked at; "" when it is believed."""
    return _words(tx)


def confirm(service: Service, clock: Clock) -> None:
    """Believe the clock as it stands, because a person says so. What is owed from now on counts from there.

    What was owed already is not owed again; what was given up by a clock that ran ahead is owed when it is due.
    """
    now = read(clock)
    if now is None:
        return
    with service.store.writing(alone=events.TURN) as tx:
        for name in (REMINDED_UNTIL, EPOCH):
            at = state.get(tx, name)
            if isinstance(at, datetime) and at > now.wall:
                state.put(tx, name, now.wall)
        events.known_by(tx, now.wall)
        people.joined_by(tx, now.wall)
        ledger.shorten_waits(tx, now.wall, LONGEST)
        _put(tx, Watch(now), "")


def read(clock: Clock) -> Reading | None:
    """A reading of the clock; None of one that cannot be wrong."""
    uptime = clock.uptime()
    return None if uptime is None else Reading(clock.now(), uptime.since, uptime.boot)


def _mark(tx: Connection) -> datetime | None:
    until = reminded_until(tx)
    return None if until == BEFORE_ALL else until


def _name() -> str:
    return f"{CLOCK} {socket.gethostname()}"


def _stored(tx: Connection) -> dict[str, str | list[str] | None]:
    text = state.get(tx, _name())
    found: dict[str, str | list[str] | None] = json.loads(str(text)) if text else {}
    return found


def _watch(tx: Connection) -> Watch:
    stored = _stored(tx)
    doubt = stored.get("doubt")
    return Watch(_unpack(stored.get("believed")), _unpack(stored.get("doubted")), Doubt(str(doubt)) if doubt else None)


def _words(tx: Connection) -> str:
    return str(_stored(tx).get("words") or "")


def _put(tx: Connection, watch: Watch, said: str) -> None:
    facts = {"believed": _pack(watch.believed), "doubted": _pack(watch.doubted), "doubt": watch.doubt, "words": said}
    state.put(tx, _name(), json.dumps(facts))


def _pack(reading: Reading | None) -> list[str] | None:
    if reading is None:
        return None
    return [reading.wall.isoformat(), str(reading.up / timedelta(seconds=1)), reading.boot]


def _unpack(stored: str | list[str] | None) -> Reading | None:
    if not isinstance(stored, list):
        return None
    wall, up, boot = stored
    return Reading(datetime.fromisoformat(wall), timedelta(seconds=float(up)), boot)
