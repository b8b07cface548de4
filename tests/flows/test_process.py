"""Daemon and web server in one process: when one of them fails, the other still ends in good order."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from reminders.errors import WrongUse
from reminders.process import run


class Sending:
    """A daemon that is in the middle of something when it is told to stop."""

    started = True

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.finished = False

    async def run(self) -> None:
        await self.stopping.wait()
        await asyncio.sleep(0.2)
        self.finished = True

    def stop(self) -> None:
        self.stopping.set()

    def stalled(self) -> str:
        return ""


async def cannot_start(scope: Any, receive: Any, send: Any) -> None:
    """An application whose beginning fails."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


async def test_a_web_server_that_cannot_start_lets_the_daemon_finish_what_it_is_at() -> None:
    daemon = Sending()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        with pytest.raises(WrongUse, match="the web server could not start"):
            await run(daemon, cannot_start, listening)
    assert daemon.finished
