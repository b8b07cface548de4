"""Word to the service manager, as sd_notify(3) has it: one datagram to the socket that it names.

Without one nothing is said. Own code, because it is a few lines: the wrapper of libsystemd must be compiled, and the
pure ones are not kept.
"""

from __future__ import annotations

import logging
import os
import socket

LOG = logging.getLogger(__name__)
READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def status(words: str) -> str:
    """What `systemctl status` is to show."""
    return f"STATUS={' '.join(words.split())}"


def notify(*assignments: str) -> None:
    """Tell the service manager. That it cannot be told is logged, and harms nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # of Linux's abstract namespace
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(assignments).encode(), address)
    except OSError as error:
        LOG.warning("the service manager could not be told %s: %s", assignments[0], error)


def interval() -> float | None:
    """Seconds between two signs of life: half of what the service manager waits; None when it waits for none."""
    waits = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(waits) / 2_000_000 if waits.isdecimal() and int(waits) and meant else None
