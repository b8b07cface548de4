"""The one place that knows what time it is.

Everything else takes `now` as an argument: an aware datetime in UTC, read once per job.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


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


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

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
