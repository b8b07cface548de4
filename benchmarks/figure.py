"""A figure with its yardstick, taken in turns so that whatever else the machine does meets both alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: rounds of each benchmark, events in the catalogue, mails that are sent."""

    rounds: int = 5
    events: int = 1_000
    mails: int = 200
    messages: int = 10_000
    """Sent as fast as can be."""
    idle: float = 3.0
    """Seconds for which a daemon does nothing before its memory is read."""
    entries: int = 10_000
    """Of a store that is large."""
    seconds: int = 1
    """For which a server is asked at a stretch."""


SMALL = Scale(rounds=1, events=60, mails=3, messages=20, idle=0.1, entries=200)
"""Shows that a benchmark works; its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Series:
    """What was measured, one value a round, in a `unit`: such as s, MB or messages/s."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    def words(self) -> str:
        least, most = _number(min(self.values)), _number(max(self.values))
        return f"{_number(self.median)} {self.unit} [{least} to {most}]"


@dataclass(frozen=True, slots=True)
class Figure:
    """A series, the yardstick measured in the same rounds, and the target.

    The target is `below`, in the unit of the series, or `ratio_at_least`, in yardsticks; not both.
    """

    series: Series
    yardstick: Series | None = None
    below: float | None = None
    ratio_at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """The series over its yardstick: the median of the rounds' ratios, which a busy machine moves least."""
        if self.yardstick is None:
            return None
        return median(mine / theirs for mine, theirs in zip(self.series.values, self.yardstick.values, strict=True))

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.below is not None:
            return self.series.median < self.below
        return None if self.ratio_at_least is None or self.ratio is None else self.ratio >= self.ratio_at_least

    def words(self) -> Iterator[str]:
        """The figure for people, in two or three lines."""
        yield f"  {self.series.what}"
        met = "met" if self.met else "MISSED"
        target = f"  target below {self.below:g} {self.series.unit}: {met}" if self.below is not None else ""
        yield f"    {self.series.words()}{target}"
        if self.yardstick is not None:
            target = f"  target at least {self.ratio_at_least:g} x: {met}" if self.ratio_at_least is not None else ""
            yield f"    {self.ratio:,.2f} x {self.yardstick.what}: {self.yardstick.words()}{target}"

    def facts(self) -> dict[str, Any]:
        """The figure for programs."""
        facts: dict[str, Any] = {"what": self.series.what, "unit": self.series.unit, "values": self.series.values}
        facts |= {"median": self.series.median, "below": self.below, "met": self.met, "ratio": self.ratio}
        facts["ratio_at_least"] = self.ratio_at_least
        if self.yardstick is not None:
            facts["yardstick"] = {"what": self.yardstick.what, "values": self.yardstick.values}
        return facts


@dataclass(frozen=True, slots=True)
class Missing:
    """A tool that is not here, and how one gets it: what needs it was not measured."""

    tool: str
    install: str
    met: None = None

    def words(self) -> Iterator[str]:
        """The same for people."""
        yield f"  not measured: what needs {self.tool}, which is not here: {self.install}"

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {"missing": self.tool, "install": self.install}


def in_turns(rounds: int, *measures: Callable[[], float]) -> list[tuple[float, ...]]:
    """Take every measure once a round; the values of each. A round goes first that does not count: caches are cold."""
    for measure in measures:
        measure()
    taken = [[measure() for measure in measures] for _ in range(rounds)]
    return list(zip(*taken, strict=True))


def milliseconds(work: Callable[[], object], *, before: Callable[[], object] = lambda: None) -> float:
    """How long `work` takes, once `before` is done."""
    before()
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def _number(value: float) -> str:
    """Three figures that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
