"""The log: one line an event on standard error, with the time; the service manager keeps it."""

from __future__ import annotations

import logging


def start_logging() -> None:
    """Send the log of this process to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for talkative in ("apscheduler", "uvicorn", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
