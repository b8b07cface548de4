"""Whether people are told what they should be told, as `/readyz` and operators ask it.

It names no person and quotes no file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from reminders.clock import SystemClock
from reminders.errors import DeliveryError
from reminders.jobs import clockwatch
from reminders.jobs.drawing import left_out
from reminders.jobs.footing import BEHIND
from reminders.jobs.refresh import Refusal, refusal, reminded_until
from reminders.jobs.service import Service
from reminders.planning.pace import Crowd, squeezes
from reminders.store import audit, faults, forecast, ledger, pauses, replay, reports
from reminders.store.faults import Fault, FaultKind

LATE = timedelta(minutes=10)
"""A mail that waits longer than this is a fault, unless the relay's rate is why."""
FORGOTTEN = timedelta(days=1)
"""A pause longer than this is no longer meant."""
SILENT = timedelta(minutes=3)
"""Several ticks: a daemon that has not looked for so long is not running."""
BROKEN = timedelta(days=1)
"""Files that were not accepted for so long keep what staff wrote since then from everybody."""
MB = 1_000_000
ROOM, ROOM_MOST = 100 * MB, 1_000 * MB
"""A disk is nearly full with less free than the first; or than a twentieth of it, but not with more than the second."""


@dataclass(frozen=True, slots=True)
class Health:
    """`faults` want an operator now, `warnings` soon: a sentence each. `outbox` counts rows by state.

    `paused`: nothing is mailed because an operator said so.
    """

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outbox: Mapping[str, int] = field(default_factory=dict)
    paused: bool = False

    @property
    def ok(self) -> bool:
        """Whether people are told what they should be told."""
        return not self.faults


def health(service: Service, now: datetime) -> Health:
    """How the service stands at `now`. What a database raises that cannot be read is left to the caller."""
    wall_now = SystemClock().now()
    with service.store.reading() as tx:
        counts = ledger.counts(tx)
        oldest = ledger.oldest_due(tx, now, wall_now)
        until = reminded_until(tx)
        refused = refusal(tx)
        missing = left_out(tx)
        pause, surplus = pauses.paused(tx), forecast.surplus(tx)
        doubt = clockwatch.fault(tx)
        published = service.book(tx) is not None
        older = replay.behind(tx)
        fault = faults.fault(tx)
        suspended = reports.count_suspended(tx)
        audited = audit.audited(tx)
        found = list(_late(tx, service.rate, oldest, now, wall_now)) if pause is None else []
    if older or service.doubt:
        found.insert(0, BEHIND if older else f"Nothing can be mailed: {service.doubt}")
    if not published:
        found.insert(0, "Nothing is published yet: `reminders refresh` reads the files.")
    elif doubt:
        found.insert(0, doubt)
    elif until - now > SILENT:
        found.insert(0, "The clock ran ahead earlier: nothing is owed until it has caught up. Is the time right now?")
    elif now - until > SILENT and pause is None:
        found.insert(0, "Nobody has looked for due reminders lately: is `reminders run` running?")
    warnings: list[str] = []
    if pause is not None:
        said = f"Paused since {_said(pause.since)}: nothing is mailed until `reminders resume`."
        (found if now - pause.since > FORGOTTEN else warnings).append(said)
    if fault is not None:
        grave = fault.kind is FaultKind.REFUSED or (fault.kind is FaultKind.SILENT and oldest is not None)
        (found if grave else warnings).append(fault_words(fault))
    if refused:
        (found if now - refused.since > BROKEN else warnings).append(_refused(refused, now))
    if room := scarce(*shutil.disk_usage(_there(service.data))[::2]):
        found.append(room)
    if audited is not None and audited.differences:
        warnings.append(f"Differences found last night: {audited.differences}. `reminders reconcile` lists them.")
    if missing:
        warnings.append(f"Dates that no calendar shows, because of a fault: {len(missing)}. The log says which.")
    if suspended:
        warnings.append(
            f"Addresses to which mail came back, and that get no more: {suspended}. "
            "`reminders reports list`, then `reports resume`."
        )
    if surplus and service.settings.brake == "on":
        warnings.append(f"{surplus.words[:1].upper()}{surplus.words[1:]}.")
    for state, advice in (("held", "release"), ("failed", "retry"), ("uncertain", "retry")):
        if counts[state]:
            list_them = f"`reminders outbox list {state}`, then `outbox {advice}` or `discard`"
            warnings.append(f"Mails that are {state}: {counts[state]}. {list_them}.")
    return Health(tuple(found), tuple(warnings), counts, pause is not None)


def note(service: Service, error: DeliveryError | None, now: datetime) -> None:
    """Remember what stopped all mail, or, with None, that mail goes out; for whoever asks for the health."""
    with service.store.reading() as tx:
        known = faults.fault(tx)
    if error is None:
        if known is not None:
            with service.store.writing() as tx:
                faults.clear_fault(tx)
        return
    with service.store.writing() as tx:
        faults.put_fault(tx, faults.kind_of(error), str(error), now)


def fault_words(fault: Fault) -> str:
    """What keeps all mail from going out, as a sentence."""
    match fault.kind:
        case FaultKind.REFUSED:
            return f"The relay has refused all mail since {_said(fault.since)}: {fault.words}"
        case FaultKind.SILENT:
            return f"The relay has not answered since {_said(fault.since)}: {fault.words}"
        case FaultKind.BUSY:
            return f"The relay has put mail off since {_said(fault.since)}: {fault.words}"


def scarce(total: int, free: int) -> str:
    """What is to be said of a disk with so many bytes; "" while there is room."""
    if free >= max(ROOM, min(total // 20, ROOM_MOST)):
        return ""
    return f"The disk of the data folder is nearly full: {free // MB} MB are free. Nothing is mailed when nothing fits."


def unexplained(tx: Connection, rate: int, oldest: datetime | None, now: datetime) -> bool:
    """Whether the mail that waits longest waits too long, and not because `rate` (0: none) lets no more go.

    It does so when, since then, less than half of what may go was begun.
    """
    if oldest is None or now - oldest <= LATE:
        return False
    expected = int(rate * ((now - oldest) / timedelta(minutes=1)) / 2)
    begun = ledger.begun_since(tx, expected) if expected else None
    return begun is None or begun < oldest


def _late(tx: Connection, rate: int, oldest: datetime | None, now: datetime, wall_now: datetime) -> Iterator[str]:
    if oldest is not None and unexplained(tx, rate, oldest, now):
        yield f"A mail has been waiting since {_said(oldest)}: `reminders outbox list owed` says why."
    waiting = [Crowd(expires_at, now, number) for expires_at, number in ledger.queue(tx, now, wall_now)]
    if late := sum(each.late for each in squeezes(waiting, rate, now)):
        yield f"Owed mails that expire before their turn, at {rate} a minute: {late}. Can the relay take more?"


def _refused(refused: Refusal, now: datetime) -> str:
    long = now - refused.since > BROKEN
    so = "what staff wrote since then reaches nobody, " if long else ""
    return f"Changed files are not accepted since {_said(refused.since)}: {so}`reminders refresh` says why."


def _there(folder: Path) -> Path:
    """The folder, or what it will be made in."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _said(instant: datetime) -> str:
    return f"{instant:%d %B %Y %H:%M} UTC"
