"""The loop that everything runs in."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from reminders import process


def test_the_service_runs_on_uvloop() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)

    process.start(work())
    assert seen == ["uvloop"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_ends_it_in_good_order_and_leaves_the_handlers_as_they_were(sent: signal.Signals) -> None:
    before = signal.getsignal(sent)

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), sent)
        await process.run(None, None, None)

    process.start(work())
    assert signal.getsignal(sent) == before
