"""How long a relay that takes no mail is left alone.

Spread by chance, because all daemons of one relay meet its fault in the same moment, and would come back in the same.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

QUIET, QUIET_MOST = timedelta(seconds=30), timedelta(minutes=5)
"""After what passes by itself: doubled each time, up to the second, which is little beside a reminder of two hours."""
REFUSED, REFUSED_MOST = timedelta(minutes=5), timedelta(hours=1)
"""After what an operator has to mend. Few tries, far apart, because wrong passwords are counted: often so many within
15 or 30 minutes of each other lock an account."""
SPREAD = 0.2


class Respite:
    """Begun by what keeps all mail back, and longer each time; ended by the first mail that the relay takes."""

    def __init__(self) -> None:
        self._length = timedelta()
        self._until = float("-inf")

    @property
    def lasts(self) -> bool:
        """Whether the relay is to be left alone now."""
        return asyncio.get_running_loop().time() < self._until

    def begin(self, *, refused: bool) -> timedelta:
        """Leave the relay alone for as long as is returned. `refused`: something has to be mended first."""
        least, most = (REFUSED, REFUSED_MOST) if refused else (QUIET, QUIET_MOST)
        self._length = min(max(least, 2 * self._length), most)
        seconds = round(self._length.total_seconds() * random.uniform(1 - SPREAD, 1 + SPREAD))  # noqa: S311  # no secret
        self._until = asyncio.get_running_loop().time() + seconds
        return timedelta(seconds=seconds)

    def end(self) -> None:
        """The relay takes mail: it is asked at once, and the next respite is a short one again."""
        self._length, self._until = timedelta(), float("-inf")
