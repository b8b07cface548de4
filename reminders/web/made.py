"""Answers that were made when they were asked for, kept as long as there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from reminders.web.ready import Ready

MOST, MOST_BYTES = 2_000, 64_000_000
"""How many are kept, and how many bytes of them: anybody can ask for anything."""


class Made:
    """Those asked for last, by key. Threads may share it; each answer is made once."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, Ready] = OrderedDict()
        self._bytes = 0
        self._making = Lock()

    def get(self, key: str, make: Callable[[], Ready]) -> Ready:
        """The answer of this key, made if it is not there."""
        with self._making:
            ready = self._made.get(key)
            if ready is None:
                ready = self._made[key] = make()
                self._bytes += ready.size
                while (self._bytes > MOST_BYTES or len(self._made) > MOST) and len(self._made) > 1:
                    self._bytes -= self._made.popitem(last=False)[1].size
            self._made.move_to_end(key)
        return ready
