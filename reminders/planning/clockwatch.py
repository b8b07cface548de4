"""Whether a computer's clock can be believed: whoever mails by a wrong clock mails too early, or never.

A clock may be set to anything. How long the machine has been up only counts, so two readings taken in one start of the
machine show how far the clock was moved between them. From one start to the next there is only the *mark*, the
instant up to which reminders were owed:

- back by up to a day, ahead by up to an hour: believed;
- ahead by up to a day: doubted for five minutes, in which it may be put right, and believed after that;
- ahead by more than a day: doubted until it is put right or a person says that it is right;
- more than a day before the mark, or from before this program was written: likewise;
- after a new start of the machine more than 31 days past the mark: likewise. That is either a clock that was wrongly
  set or a service that was off for a month, and nothing can tell which.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

STEP = timedelta(seconds=1)
"""What a clock is moved by less than this is how clocks are."""
SMALL, LARGE = timedelta(hours=1), timedelta(days=1)
SETTLING = timedelta(minutes=5)
LONG = timedelta(days=31)
UNSET = datetime(2018, 1, 1, tzinfo=UTC)
"""A clock that shows less has never been set: machines without a battery begin at 1970, or when they were made."""


class Doubt(StrEnum):
    """Why a clock is not believed."""

    UNSET = "unset"  # it shows a time before this program was written
    BACK = "back"  # it shows a time long before the mark
    JUMPED = "jumped"  # it was moved ahead, perhaps for a moment only
    AHEAD = "ahead"  # it was moved far ahead
    LATE = "late"  # the machine was started anew, long after the mark


@dataclass(frozen=True, slots=True)
class Reading:
    """What the clock shows (aware, UTC), and for how long the machine is up in which of its starts."""

    wall: datetime
    up: timedelta
    boot: str

    def moved(self, later: Reading) -> timedelta | None:
        """By how much the clock was moved until a `later` reading; None when the machine was started in between."""
        return None if later.boot != self.boot else (later.wall - self.wall) - (later.up - self.up)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a clock: the reading by which later ones are judged, and what is doubted since which reading."""

    believed: Reading | None = None
    doubted: Reading | None = None
    doubt: Doubt | None = None


def judge(watch: Watch, now: Reading, mark: datetime | None) -> Watch:
    """What is known of the clock after another reading.

    `mark` is the instant up to which reminders were owed, None before there were any. A clock that was not moved leaves
    `watch` as it is.
    """
    doubt = _doubt(watch, now, mark)
    if doubt is not None:
        return watch if doubt is watch.doubt else Watch(watch.believed, now, doubt)
    moved = watch.believed.moved(now) if watch.believed else None
    return Watch(watch.believed if moved is not None and abs(moved) < STEP else now)


def _doubt(watch: Watch, now: Reading, mark: datetime | None) -> Doubt | None:
    if now.wall < UNSET:
        return Doubt.UNSET
    if mark is not None and now.wall < mark - LARGE:
        return Doubt.BACK
    moved = watch.believed.moved(now) if watch.believed else None
    if moved is None:
        if watch.doubt is Doubt.AHEAD and watch.doubted and now.wall >= watch.doubted.wall:
            return Doubt.AHEAD  # to start the machine anew does not put its clock right
        return Doubt.LATE if mark is not None and now.wall > mark + LONG else None
    if moved > LARGE + STEP:
        return Doubt.AHEAD
    if moved > SMALL + STEP and not (watch.doubt is Doubt.JUMPED and watch.doubted and _waited(watch.doubted, now)):
        return Doubt.JUMPED
    return None


def _waited(since: Reading, now: Reading) -> bool:
    return now.up - since.up >= SETTLING


def words(watch: Watch, mark: datetime | None) -> str:
    """Why nothing is done by the clock, in a sentence or two for the operator; "" while it is believed."""
    if watch.doubt is None or watch.doubted is None:
        return ""
    shows = f"{watch.doubted.wall:%d %B %Y %H:%M} UTC"
    last = f"{mark:%d %B %Y %H:%M} UTC" if mark else "never"
    waits = "Nothing is published and no mail is sent until it is put right"
    unless = f"{waits}, or `reminders confirm-clock` says that it is right."
    match watch.doubt:
        case Doubt.UNSET:
            return f"The clock shows {shows}, as one that was never set. {waits}."
        case Doubt.BACK:
            return f"The clock shows {shows}, but reminders were looked for until {last}. {unless}"
        case Doubt.JUMPED:
            return f"The clock jumped ahead to {shows}. If it stays there for five minutes, it is believed."
        case Doubt.AHEAD:
            return f"The clock jumped far ahead, to {shows}. {unless}"
        case Doubt.LATE:
            return f"The clock shows {shows}, long after reminders were last looked for ({last}). {unless}"
