"""A service with faults that stop it."""

from __future__ import annotations

TICKS = 2 * 1.0 + 2.0
"""Two ticks of a second, and a moment for the machine."""
BLOCKED = (
    "-c",
    """
import signal, time
from pathlib import Path
from reminders import daemon

work = daemon.remind

def remind(*facts):
    while Path("clockwork-held").exists():
        time.sleep(0.05)
    return work(*facts)

daemon.remind = remind
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1_000_000))  # in the thread of the loop

from reminders.cli import main
main()
""",
)
"""The service with two faults: a file that holds its clockwork up, and a signal that blocks its loop."""
