"""The one place that knows what time it is.

Everything else takes `now` as an argument: an aware datetime in UTC, read once per job.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Uptime:
    """Since when the machine is up, sleep included, in which of its starts: whatever its clock is set to."""

    boot: str
    since: timedelta


class Clock(Protocol):
    """A source of event time, and its relation to the time a timer can wait for."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    def wall(self, instant: datetime | None) -> datetime | None:
        """The real instant (UTC) for which to set a timer when `instant` is what is waited for; None: no timer.

        `instant` None: nothing is waited for. A clock that has something of its own to show first may answer for that.
        """

    def reach(self, instant: datetime | None) -> None:
        """Told by the daemon that the timer set for `instant` has fired."""

    def uptime(self) -> Uptime | None:
        """What `now` can be held against; None: this clock is none that could be set wrongly."""


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def uptime(self) -> Uptime | None:
        # Linux alone has a count that goes on while the machine sleeps, and that all processes share.
        count = getattr(time, "CLOCK_BOOTTIME", None)
        seconds = time.monotonic() if count is None else time.clock_gettime(count)
        return Uptime(_boot(), timedelta(seconds=seconds))

    def wall(self, instant: datetime | None) -> datetime | None:
        return instant

    def reach(self, instant: datetime | None) -> None:
        """Real time needs no telling."""


class FixedClock:
    """A clock that stands still: one pass "as if it were" some instant, and tests."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def wall(self, instant: datetime | None) -> datetime | None:
        return None

    def reach(self, instant: datetime | None) -> None:
        """It never moves."""

    def uptime(self) -> Uptime | None:
        return None


@cache
def _boot() -> str:
    """The name of this start of the machine; where there is none, of this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
