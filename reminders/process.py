"""The process: daemon and web server beside each other in one loop, until a signal ends both in good order."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Protocol

from starlette.types import ASGIApp

from reminders import supervision
from reminders.web.server import WebServer

LOG = logging.getLogger(__name__)
BEGINNING = 0.05
"""Seconds between two looks whether all has begun."""
WATCHING = 30.0
"""Seconds between two looks whether all lives, where no service manager waits for a sign of it."""


def start(work: Coroutine[Any, Any, None]) -> None:
    """Run this, such as `run`, in a loop of its own: uvloop's, which serves twice as fast, where there is one."""
    make = asyncio.new_event_loop
    with suppress(ImportError):  # Windows has none
        from uvloop import new_event_loop as make
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(work)


class Worker(Protocol):
    """What runs beside the web server."""

    async def run(self) -> None:
        """Work until `stop`."""

    def stop(self) -> None:
        """End `run` in good order."""

    @property
    def started(self) -> bool:
        """Whether what it begins with is done."""

    def stalled(self) -> str:
        """What stands still in it; "" while nothing does."""


async def supervise(worker: Worker | None, server: WebServer | None) -> None:
    """Tell the service manager when all has begun, and from then on that loop and clockwork live."""
    while not ((worker is None or worker.started) and (server is None or server.started)):  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(BEGINNING)
    supervision.notify(supervision.READY, supervision.status("working"))
    standing = ""
    while True:
        words = worker.stalled() if worker is not None else ""
        if words != standing:
            standing = words
            LOG.log(logging.ERROR if words else logging.INFO, words or "files and dates are looked at again")
            supervision.notify(supervision.status(words or "working"))
        if not words:
            supervision.notify(supervision.ALIVE)
        await asyncio.sleep(supervision.interval() or WATCHING)


async def run(daemon: Worker | None, application: ASGIApp | None, listening: socket.socket | None) -> None:
    """Run daemon and web server (either may be None) until SIGTERM or SIGINT; then finish what is in hand.

    A web server that cannot start ends the daemon, and the other way round. Raises what they raise.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    server = WebServer(application) if application is not None else None
    tasks = []
    if server is not None and listening is not None:
        tasks.append(asyncio.create_task(server.run_on(listening)))
    if daemon is not None:
        tasks.append(asyncio.create_task(daemon.run()))
    waiting = asyncio.create_task(stopping.wait())
    telling = asyncio.create_task(supervise(daemon, server))
    try:
        await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        supervision.notify(supervision.STOPPING)
        waiting.cancel()
        if daemon is not None:
            daemon.stop()
        if server is not None:
            server.should_exit = True
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
    # Each to its end, even if the other failed: a daemon that is cut off in the middle of a mail leaves it in doubt.
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    telling.cancel()
    for error in ended:
        if isinstance(error, BaseException):
            raise error
