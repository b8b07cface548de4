"""S16: the network between us and the mail server breaks, without a word or with a reset, at every step.

The packets are lost in a real network of our own, by rules of nftables.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.errors import DeliveryError, Verdict
from reminders.mail.smtp import SmtpTransport
from tests.edges.mailservers import PORT, MailServer, isolated, started
from tests.edges.peers import post
from tests.edges.smtpd import Server, serving

GONE, RESET, DEAF = "tcp dport {} drop", "tcp dport {} reject with tcp reset", "tcp sport {} drop"
"""What is lost: all that goes to the server, the same with a reset, all that comes from it."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    isolated("NFT")
    if shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        if os.environ.get("REQUIRE_NFT") == "1":
            pytest.fail("REQUIRE_NFT=1, but there is no nft")
        pytest.skip("nft, of nftables, is not installed")
    with started(tmp_path_factory.mktemp("network"), ["exec sleep 600"], []) as network:
        yield network


def rules(text: str) -> None:
    """Put these rules into force, and no others, in the network of this thread, which must not be the machine's."""
    assert Path("/proc/thread-self/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    program = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin") or "nft"
    subprocess.run([program, "-f", "-"], input=f"flush ruleset\n{text}\n", text=True, check=True)


def breaks(how: str) -> None:
    rules("table inet f { chain i { type filter hook input priority 0; " + how.format(PORT) + "; }; }")


async def outcome(by: SmtpTransport, at: str, how: str, server: Server) -> tuple[str, int, Verdict, int]:
    """Phase, code and verdict of a message during which the network breaks, and how many messages the server kept."""

    async def started() -> bool:
        if at == "DATA":
            breaks(how)
        return True

    def still() -> bool:
        if at == "DOT":
            breaks(how)
        return True

    with pytest.raises(DeliveryError) as failure:
        await post(by, started=started, still=still)
    await asyncio.sleep(0.05)
    return failure.value.phase, failure.value.code, failure.value.verdict, len(server.received)


async def scene(at: str, how: str) -> tuple[tuple[str, int, Verdict, int], int]:
    """A break, and a message after it: what became of the first, and how many more the server kept."""
    rules("")
    async with serving(port=PORT) as server:
        by = SmtpTransport("127.0.0.1", PORT, security="none", timeout=0.8 if how != RESET else 5)
        if at != "CONNECT":
            await by.open()
        if at in ("CONNECT", "MAIL"):
            breaks(how)
        found = await outcome(by, at, how, server)
        rules("")
        by._timeout = 10  # a busy machine may take a while; what is to be seen is that it goes through
        await post(by)
        await by.close()
        return found, len(server.received) - found[3]


@pytest.mark.parametrize(
    ("at", "how", "told"),
    [
        ("CONNECT", GONE, ("connect", 0, Verdict.PAUSE, 0)),
        ("CONNECT", RESET, ("connect", 0, Verdict.PAUSE, 0)),
        ("CONNECT", DEAF, ("connect", 0, Verdict.PAUSE, 0)),
        ("MAIL", GONE, ("mail", 0, Verdict.PAUSE, 0)),
        ("MAIL", RESET, ("connect", 0, Verdict.PAUSE, 0)),  # the connection was lost, and no other is to be had
        ("DATA", GONE, ("data", 0, Verdict.RETRY, 0)),
        ("DATA", RESET, ("data", 0, Verdict.RETRY, 0)),
        ("DATA", DEAF, ("data", 0, Verdict.RETRY, 0)),
        ("DOT", GONE, ("dot", 0, Verdict.DOUBT, 0)),
        ("DOT", RESET, ("dot", 0, Verdict.DOUBT, 0)),
        ("DOT", DEAF, ("dot", 0, Verdict.DOUBT, 1)),  # the message was taken, and only the answer is lost
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_s16_a_break_is_told_by_its_step_and_the_next_message_goes_through(
    network: MailServer, at: str, how: str, told: tuple[str, int, Verdict, int]
) -> None:
    found, later = network.within(scene(at, how))
    assert found == told
    assert later == 1
