"""When a computer's clock is believed, as a table of what may happen to one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.planning.clockwatch import SETTLING, STEP, Doubt, Reading, Watch, judge, words
from tests.builders import utc

START = utc("2026-11-24T09:00")
LENGTHS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "y": "years"}


def length(text: str) -> timedelta:
    """``+1h``, ``-50y``: a year is of 365 days here."""
    number, unit = int(text[:-1]), LENGTHS[text[-1]]
    return timedelta(days=365 * number) if unit == "years" else timedelta(**{unit: number})


@dataclass
class Machine:
    """A machine that is looked at after each thing that happens to it; its mark follows while the clock is believed."""

    now: Reading = field(default_factory=lambda: Reading(START, timedelta(hours=7), "first"))
    watch: Watch = field(default_factory=Watch)
    mark: datetime | None = None

    def look(self) -> Doubt | None:
        self.watch = judge(self.watch, self.now, self.mark)
        if self.watch.doubt is None:
            self.mark = self.now.wall
        return self.watch.doubt

    def happens(self, what: str) -> Doubt | None:
        """``pass 5m`` (time passes), ``set +1h`` (the clock is moved), ``boot`` (and ``boot +1h``: moved meanwhile)."""
        verb, _, amount = what.partition(" ")
        by = length(amount) if amount else timedelta()
        self.now = {
            "pass": replace(self.now, wall=self.now.wall + by, up=self.now.up + by),
            "set": replace(self.now, wall=self.now.wall + by),
            "boot": Reading(self.now.wall + by, timedelta(seconds=20), f"after {self.now.boot}"),
        }[verb]
        return self.look()


@pytest.mark.parametrize(
    ("story", "doubts"),
    [
        # time passes, whoever looks
        ("pass 30s, pass 30s", [None, None]),
        ("pass 90d", [None]),  # the machine was up and the service off: the clock is proved
        ("boot +10m", [None]),
        ("boot +31d", [None]),
        # moved a little
        ("set +1h, pass 30s", [None, None]),
        ("set -1h, pass 30s", [None, None]),
        ("set -1d, pass 30s", [None, None]),
        # moved ahead: five minutes in which it may be put right
        ("set +61m, pass 4m, pass 59s, pass 1s", [Doubt.JUMPED] * 3 + [None]),
        ("set +1d, pass 5m, pass 30s", [Doubt.JUMPED, None, None]),
        ("set +2h, pass 2m, set -2h, pass 30s", [Doubt.JUMPED, Doubt.JUMPED, None, None]),
        ("set +2h, boot", [Doubt.JUMPED, None]),
        ("set +2h, pass 5m, set +2h, pass 4m", [Doubt.JUMPED, None, Doubt.JUMPED, Doubt.JUMPED]),
        ("set +2h, set +23h, pass 10m", [Doubt.JUMPED, Doubt.AHEAD, Doubt.AHEAD]),
        # moved far ahead: until it is put right
        ("set +25h, pass 30d", [Doubt.AHEAD, Doubt.AHEAD]),
        ("set +40y, pass 5m, set -40y, pass 30s", [Doubt.AHEAD, Doubt.AHEAD, None, None]),
        ("set +25h, set -25h, set +25h", [Doubt.AHEAD, None, Doubt.AHEAD]),
        ("set +2d, boot, pass 10m, set -2d", [Doubt.AHEAD, Doubt.AHEAD, Doubt.AHEAD, None]),
        ("set +2d, boot -2d", [Doubt.AHEAD, None]),
        # moved far back
        ("set -25h, pass 59m, pass 1m", [Doubt.BACK, Doubt.BACK, None]),  # only what is over a day is doubted
        ("set -5y, pass 30d, set +5y", [Doubt.BACK, Doubt.BACK, None]),
        ("set -50y, set +50y", [Doubt.UNSET, None]),
        # started anew
        ("boot -50y, set +50y", [Doubt.UNSET, None]),
        ("boot -2d, boot +2d", [Doubt.BACK, None]),
        ("boot +32d, pass 30d", [Doubt.LATE, Doubt.LATE]),
        ("boot +32d, boot", [Doubt.LATE, Doubt.LATE]),
        ("boot +40y, set -40y", [Doubt.LATE, None]),
    ],
)
def test_what_happens_to_a_clock_decides_whether_it_is_believed(story: str, doubts: list[Doubt | None]) -> None:
    machine = Machine()
    assert machine.look() is None
    assert [machine.happens(each) for each in story.split(", ")] == doubts


@pytest.mark.parametrize(
    ("wall", "doubt"), [("1970-01-01", Doubt.UNSET), ("2017-12-31", Doubt.UNSET), ("2018-11-23", None)]
)
def test_a_new_service_asks_only_that_the_clock_was_ever_set(wall: str, doubt: Doubt | None) -> None:
    assert Machine(Reading(utc(wall), timedelta(seconds=20), "first")).look() is doubt


@pytest.mark.parametrize("story", ["set +25h", "set -25h", "set -9y", "boot +32d", "set +61m"])
def test_each_doubt_is_told_in_words_that_do_not_change_while_it_lasts(story: str) -> None:
    machine = Machine()
    machine.look()
    machine.happens(story)
    said = words(machine.watch, START)
    assert said.endswith(".")
    assert machine.watch.doubt is not None
    before = machine.watch
    machine.happens("pass 30s")
    assert machine.watch is before, "each look would write"
    assert "confirm-clock" in said or machine.watch.doubt in (Doubt.UNSET, Doubt.JUMPED)


@given(steps=st.lists(st.tuples(st.integers(-7200, 7200), st.integers(1, 600)), max_size=20))
def test_a_clock_that_is_believed_again_is_one_that_stayed_where_it_is_or_was_put_right(
    steps: list[tuple[int, int]],
) -> None:
    machine = Machine()
    machine.look()
    for moved, passed in steps:
        before = machine.watch
        machine.happens(f"set {moved:+}s")
        machine.happens(f"pass {passed}s")
        if machine.watch.doubt is None:
            assert machine.watch.believed is not None
            offset = machine.watch.believed.moved(machine.now)
            assert offset is not None and abs(offset) < STEP
        elif before.doubt is Doubt.JUMPED and before.doubted and machine.watch.doubt is Doubt.JUMPED:
            assert machine.watch.doubted is not before.doubted or machine.now.up - before.doubted.up < SETTLING
