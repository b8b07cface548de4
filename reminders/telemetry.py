"""The log: one line an event on standard error, with the time; the service manager keeps it."""

from __future__ import annotations

import logging
import re

_ADDRESS = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


class Discreet(logging.Formatter):
    """Lines without anybody's address, whoever said it: mail servers like to repeat it in their replies."""

    def format(self, record: logging.LogRecord) -> str:
        return discreet(super().format(record))


def discreet(text: str) -> str:
    """The text without anybody's address."""
    return _ADDRESS.sub("<address>", text)


def start_logging() -> None:
    """Send the log of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for talkative in ("apscheduler", "uvicorn", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
