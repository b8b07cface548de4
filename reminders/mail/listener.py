"""A server on loopback to which a mail server beside it hands delivery reports: LMTP (RFC 2033), SMTP (RFC 5321).

It has no queue: a report is acknowledged when it is recorded, and until then is the other server's to keep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from reminders.errors import WrongUse
from reminders.mail.reports import SIZE

try:
    from aiosmtpd.smtp import SMTP, Envelope, Session, syntax
except ModuleNotFoundError as error:
    raise WrongUse("reports_port needs aiosmtpd: install reminders[reports]") from error

LOG = logging.getLogger(__name__)
PATIENCE = 60.0
"""Seconds without a word after which a connection is closed."""

Ours = Callable[[str], bool]
"""Whether a recipient is an address to which reports come."""
Take = Callable[[bytes, str], Awaitable[None]]
"""Record one message, as it came and to whom. Whatever it raises means: not recorded, try again later."""


class Listener:
    """A listener on a port of 127.0.0.1, from `open` to `close`; port 0 takes a free one."""

    def __init__(self, port: int, ours: Ours, take: Take) -> None:
        self.port = port
        self._ours = ours
        self._take = take
        self._server: asyncio.Server | None = None
        self._peers: set[_Peer] = set()

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def open(self) -> None:
        """Listen. Raises OSError when the port is not to be had."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, which names every recipient
        self._server = await asyncio.get_running_loop().create_server(self._peer, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take no more connections, and end those there are; a report in hand is not acknowledged."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for peer in self._peers:
            peer.cut()
        await asyncio.sleep(0)

    def _peer(self) -> _Peer:
        peer = _Peer(
            _Handler(self._ours, self._take),
            data_size_limit=SIZE,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="reports",
            timeout=PATIENCE,
            loop=asyncio.get_running_loop(),
        )
        self._peers = {each for each in self._peers if each.transport is not None} | {peer}
        return peer


class _Peer(SMTP):
    """One connection; LMTP and SMTP differ only in the greeting, as one message has one recipient here.

    Lines may be longer than RFC 5321 has it: what a refusal would bring back is a report, not its author.
    """

    line_length_limit = 64 * 1024

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, hostname: str) -> None:
        await self.smtp_EHLO(hostname)

    def cut(self) -> None:
        """End the connection."""
        transport: Any = self.transport
        if transport is not None:
            transport.abort()


class _Handler:
    def __init__(self, ours: Ours, take: Take) -> None:
        self._ours = ours
        self._take = take

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._ours(address):
            return "550 5.1.1 no such address; only delivery reports are taken here"
        if envelope.rcpt_tos:
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        try:
            await self._take(content if isinstance(content, bytes) else b"", envelope.rcpt_tos[0])
        except Exception:
            LOG.exception("a delivery report could not be recorded; the mail server keeps it and tries again")
            return "451 4.3.0 cannot be recorded at present"
        return "250 2.0.0 OK recorded"
