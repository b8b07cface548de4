"""Whether all is well, as `/healthz` and operators ask it. It names no person and quotes no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reminders.clock import SystemClock
from reminders.jobs import clockwatch
from reminders.jobs.drawing import left_out
from reminders.jobs.refresh import refusal, reminded_until
from reminders.jobs.service import Service
from reminders.store import forecast, ledger, pauses

LATE = timedelta(minutes=10)
"""A mail that waits longer than this is a fault."""
FORGOTTEN = timedelta(days=1)
"""A pause longer than this is no longer meant."""
SILENT = timedelta(minutes=3)
"""Several ticks: a daemon that has not looked for so long is not running."""


@dataclass(frozen=True, slots=True)
class Health:
    """`faults` want an operator now, `warnings` soon: a sentence each. `outbox` counts rows by state."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outbox: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether people are told what they should be told."""
        return not self.faults


def health(service: Service, now: datetime) -> Health:
    """How the service stands at `now`. What a database raises that cannot be read is left to the caller."""
    with service.store.reading() as tx:
        counts = ledger.counts(tx)
        oldest = ledger.oldest_due(tx, now, SystemClock().now())
        until = reminded_until(tx)
        refused = refusal(tx)
        missing = left_out(tx)
        pause, surplus = pauses.paused(tx), forecast.surplus(tx)
        doubt = clockwatch.fault(tx)
        published = service.book(tx) is not None
    faults: list[str] = []
    if not published:
        faults.append("Nothing is published yet: `reminders refresh` reads the files.")
    elif doubt:
        faults.append(doubt)
    elif until - now > SILENT:
        faults.append("The clock ran ahead earlier: nothing is owed until it has caught up. Is the time right now?")
    elif pause is None and now - until > SILENT:
        faults.append("Nobody has looked for due reminders lately: is `reminders run` running?")
    if pause is None and oldest is not None and now - oldest > LATE:
        faults.append(
            f"A mail has been waiting since {oldest:%d %B %Y %H:%M} UTC: `reminders outbox list owed` says why."
        )
    warnings: list[str] = []
    if pause is not None:
        said = f"Paused since {pause.since:%d %B %Y %H:%M} UTC: nothing is mailed until `reminders resume`."
        (faults if now - pause.since > FORGOTTEN else warnings).append(said)
    if refused:
        when = f"{refused.since:%d %B %Y %H:%M} UTC"
        warnings.append(f"Changed files are not accepted since {when}: `reminders refresh` says why.")
    if missing:
        warnings.append(f"Dates that no calendar shows, because of a fault: {len(missing)}. The log says which.")
    if surplus and service.settings.brake == "on":
        warnings.append(f"{surplus.words[:1].upper()}{surplus.words[1:]}.")
    for state, advice in (("held", "release"), ("failed", "retry"), ("uncertain", "retry")):
        if counts[state]:
            list_them = f"`reminders outbox list {state}`, then `outbox {advice}` or `discard`"
            warnings.append(f"Mails that are {state}: {counts[state]}. {list_them}.")
    return Health(tuple(faults), tuple(warnings), counts)
