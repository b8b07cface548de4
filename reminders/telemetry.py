"""The log: one line an event on standard error, with the time; the service manager keeps it."""

from __future__ import annotations

import logging
import re

_PATH = re.compile(r"(https?://[^/\s]+/)[^\s<>\"']+")
"""What a filter quotes of a mail may be the link by which its reader unsubscribes."""
_ADDRESS = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


class Discreet(logging.Formatter):
    """Lines without anybody's address, whoever said it: mail servers like to repeat it in their replies."""

    def format(self, record: logging.LogRecord) -> str:
        return discreet(super().format(record))


def discreet(text: str) -> str:
    """The text without anybody's address."""
    return _ADDRESS.sub("<address>", text)


def legible(text: str) -> str:
    """What a relay says, fit to be shown: without addresses, links to a person's pages and control characters."""
    return "".join(each if each.isprintable() else " " for each in _PATH.sub(r"\1…", discreet(text)))


def start_logging() -> None:
    """Send the log of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for talkative in ("apscheduler", "uvicorn", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
