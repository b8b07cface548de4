"""The loop that everything runs in."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from reminders import daemon


def test_the_service_runs_on_uvloop() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)

    daemon.start(work())
    assert seen == ["uvloop"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_either_signal_ends_it_in_good_order_and_leaves_the_handlers_as_they_were(sent: signal.Signals) -> None:
    before = signal.getsignal(sent)

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), sent)
        await daemon.run(None, None, None)

    daemon.start(work())
    assert signal.getsignal(sent) == before
