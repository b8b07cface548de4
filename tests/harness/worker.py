"""One life of a sending process: it takes back what dead ones left, sends all that is owed and due, and ends.

    python -m tests.harness.worker CONFIG [--break FORM] [--again]

For thousands of lives it is forked from a process that has everything imported. Exit 0: nothing is left to be done;
1: no more could be sent; 2: the store could not be written.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reminders.clock import Clock, SystemClock
from reminders.errors import RemindersError
from reminders.jobs import scribe, workers
from reminders.jobs.deliver import Delivered, deliver, recover, transport_of
from reminders.jobs.service import Service
from reminders.mail import smtp
from reminders.store.engine import TROUBLE
from tests.harness import broken
from tests.harness.scene import Scene

PR_SET_PTRACER = 0x59616D61
IMPORTED = (smtp,)
"""What a life would import at its first message: here it is, before it is forked."""
EXPECTED: tuple[type[Exception], ...] = (RemindersError, *TROUBLE)
"""What a store or a relay that is ill makes a worker end with, in good order."""
AGAIN = 0.1
"""Seconds after which a worker that goes on for ever tries again."""


class Inline(ThreadPoolExecutor):
    """Does at once, in the thread that asks, what it is given to do."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


def inline() -> None:
    """Have the whole process work in one thread from now on."""
    vars(scribe)["ThreadPoolExecutor"] = Inline


def send_all(service: Service, clock: Clock | None = None) -> int:
    """Send what is owed and due; the exit code."""
    clock = clock or SystemClock()

    async def deliver_all() -> Delivered:
        if vars(scribe)["ThreadPoolExecutor"] is Inline:
            asyncio.get_running_loop().set_default_executor(Inline())
        return await deliver(service, transport_of(service), clock, owner)

    with workers.working(service.data) as owner:
        recover(service, clock.now())
        done = asyncio.run(deliver_all())
    if done.fault:
        print(f"no mail can be sent at present: {done.fault}", flush=True)
    return 1 if done.fault else 0


def live(scene: Scene) -> int:
    """One life in this process."""
    try:
        with scene.service() as service:
            return send_all(service)
    except EXPECTED as error:
        print(f"the store: {error}", flush=True)
        return 2


def fork(work: Callable[[], int], log: Path, *, wait: bool = False) -> tuple[int, int]:
    """Start `work` in a forked process, whose exit code it is; what it prints is added to `log`.

    Returns its number, and a descriptor: with `wait` it does nothing until a byte is written there.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reading)
        return pid, writing
    code = 70
    try:
        os.close(writing)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if wait:
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(2**64 - 1), 0, 0, 0)  # whoever traces may
            os.read(reading, 1)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def lives(pid: int) -> bool:
    """Whether a forked process has not ended yet."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def ended(pid: int, writing: int) -> int:
    """Wait for a forked process; its exit code, or minus the signal that ended it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(writing)


def kill(pid: int, writing: int) -> int:
    """End a forked process as a power cut would; its exit code if it had ended by itself."""
    os.kill(pid, signal.SIGKILL)
    return ended(pid, writing)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--break", dest="form", choices=broken.FORMS)
    parser.add_argument("--again", action="store_true", help="go on for ever, whatever happens")
    given = parser.parse_args()
    if given.form:
        broken.FORMS[given.form]()
    scene = Scene(given.config.parent)
    if not given.again:
        sys.exit(live(scene))
    scribe.PAUSE = AGAIN
    while True:
        try:
            live(scene)
        except Exception as error:  # a database that is stopped: the next try may find it
            print(f"{type(error).__name__}: {error}", flush=True)
        time.sleep(AGAIN)


if __name__ == "__main__":
    main()
