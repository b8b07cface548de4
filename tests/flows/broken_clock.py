"""The daemon with its mistrust of clocks taken out, for `clock_set` to notice.

python -m tests.flows.broken_clock FORM run --config DIR
"""

from __future__ import annotations

import sys
from typing import Any

from apscheduler.triggers.interval import IntervalTrigger

from reminders import cli, daemon
from reminders.jobs import clockwatch
from reminders.planning.clockwatch import Watch

HOUR = 3600


def credulous() -> None:
    """whatever the clock shows is believed"""
    vars(clockwatch)["judge"] = lambda watch, now, mark: Watch(now)


def walled() -> None:
    """ticks are waited for on the clock"""
    run = daemon.Daemon.run

    async def run_by_the_clock(self: daemon.Daemon) -> None:
        tick = IntervalTrigger(seconds=self.service.settings.tick)
        self._scheduler.add_job(self._job, tick, args=[self._tick], id="tick")
        self.service.settings = self.service.settings.model_copy(update={"tick": HOUR})
        await run(self)

    vars_of: Any = daemon.Daemon
    vars_of.run = run_by_the_clock


FORMS = {each.__name__: each for each in (credulous, walled)}

if __name__ == "__main__":
    FORMS[sys.argv.pop(1)]()
    cli.main()
