"""One SMTP session (RFC 5321, 3), step by step, so that a failure tells how far a message had got.

A step raises what aiosmtplib and the operating system raise; `phase` names the step it happened in. Deadlines are the
caller's: whatever is cancelled has to be cut.

    phase    failed at                      the message
    connect  greeting, STARTTLS, log-in     not started; the server is at fault, no message is
    mail     the sender                     not started
    rcpt     the recipient                  not started
    data     asking, and handing over       not accepted
    dot      code 4xx/5xx: refused;  code 0: no reply came, so nobody can say (RFC 1047)
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from reminders.errors import DeliveryError, Verdict
from reminders.mail.envelope import Envelope, NotStarted, Still
from reminders.mail.parameters import mail_and_rcpt
from reminders.mail.tokens import Tokens

GOODBYE = 5.0
"""Seconds to wait for the answer to QUIT or RSET; nothing depends on it."""
AT_ONCE = 64 * 1024
"""Octets of a message that may go in one write with its dot, if the socket holds four times as much."""
_DISCARD = struct.pack("ii", 1, 0)  # closed with a reset: a message given up must not arrive once the network is back
PIECE = 16 * 1024
"""Octets of a larger one in one write."""


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail server and how to speak to it. `tls` is None when the connection is not to be secured.

    With `tokens` the log-in is XOAUTH2, with a `password` PLAIN, LOGIN or CRAM-MD5, without a `user` there is none.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    tls: ssl.SSLContext | None
    user: str = ""
    password: str = field(default="", repr=False)
    tokens: Tokens | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session:
    """One connection to the relay. `served` counts the messages it was used for, `rested` is when it became idle."""

    def __init__(self, relay: Relay) -> None:
        self.phase = "connect"
        self.served = 0
        self.rested = 0.0
        self._relay = relay
        self._client = SMTP(
            hostname=relay.host,
            port=relay.port,
            timeout=None,
            use_tls=relay.security == "tls",
            start_tls=False,  # done here, so that every step has its words
            tls_context=relay.tls,
        )
        self._protocol: SMTPProtocol | None = None
        self._at_once = 0

    @property
    def is_open(self) -> bool:
        """Whether the connection was made and is not known to have ended."""
        return self._protocol is not None and self._protocol.is_connected

    async def open(self) -> None:
        """Connect, secure, log in. Raises DeliveryError where the server cannot do what it must."""
        self.cut()
        self.phase = "connect"
        client = self._client
        await client.connect()
        transport = cast(asyncio.Transport, client.transport)
        # What this socket takes at once, with room for what the kernel counts besides. Of a larger message nothing may
        # wait outside the kernel when its dot is decided on; under STARTTLS neither below the encryption. (A limit is
        # exceeded by more, but that of encryption is reached by as much.)
        kernel = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self._at_once = min(AT_ONCE, kernel // 4)
        transport.set_write_buffer_limits(high=int(self._relay.security == "tls"))
        await self._hello()
        if self._relay.security == "starttls":
            if not client.supports_extension("starttls"):
                raise self._fault("does not offer STARTTLS, and nothing is sent in clear")
            await client.starttls()
            cast(asyncio.Transport, client.transport).set_write_buffer_limits(high=1)
            await self._hello()
        if self._relay.user:
            await self._log_in()
        self._protocol = client.protocol

    async def address(self, envelope: Envelope, size: int) -> None:
        """Get sender and recipient accepted."""
        try:
            mail, rcpt = mail_and_rcpt(envelope, size, self._client.esmtp_extensions)
        except ValueError as error:
            raise DeliveryError("rcpt", 0, str(error), Verdict.FINAL) from error
        self.phase = "mail"
        await self._say(mail)
        self.phase = "rcpt"
        await self._say(rcpt)

    async def hand_over(self, data: bytes, still: Still) -> str:
        """DATA, the message, the dot; the reply that accepts it. Raises NotStarted when `still` said no."""
        self.phase = "data"
        await self._say(b"DATA", first=3)
        protocol = self._in_step()
        body = stuffed(data)
        if len(body) > self._at_once:
            reply = await self._in_two(protocol, body, still)
        else:
            self._ask(still)
            self.phase = "dot"
            protocol.write(body + b".\r\n")
            reply = await protocol.read_response()
        if reply.code // 100 != 2:
            raise SMTPResponseException(reply.code, reply.message)
        self.served += 1
        return reply.message

    async def reset(self) -> None:
        """Make ready for the next message, or end the session. Never raises."""
        try:
            async with asyncio.timeout(GOODBYE):
                await self._say(b"RSET")
        except (SMTPException, OSError):
            self.cut()  # the message has its answer already; the next one gets a new connection

    async def leave(self) -> None:
        """Say QUIT. What was accepted stays accepted, whatever the answer. Never raises."""
        self.phase = "connect"
        try:
            async with asyncio.timeout(GOODBYE):
                await self._client.quit()
        except (SMTPException, OSError):
            pass
        finally:
            self.cut()

    def cut(self) -> None:
        """End the connection at once. What has not arrived yet never will, although the kernel has it already."""
        if self._client.transport is not None:
            transport = cast(asyncio.Transport, self._client.transport)
            with suppress(OSError):  # closed already
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
            transport.abort()
        self._client.close()
        self._protocol, self.served = None, 0

    async def _say(self, command: bytes, first: int = 2) -> None:
        reply = await self._in_step().execute_command(command)
        if reply.code // 100 != first:
            raise SMTPResponseException(reply.code, reply.message)

    def _in_step(self) -> SMTPProtocol:
        """The connection. One that said more than it was asked would answer the next command with the rest of that."""
        if self._protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        if self._protocol._buffer:
            raise SMTPServerDisconnected("the server said more than it was asked")
        return self._protocol

    def _ask(self, still: Still) -> None:
        if not still():
            raise NotStarted(f"the message to be sent through {self._relay} was broken off before its end")

    async def _in_two(self, protocol: SMTPProtocol, body: bytes, still: Still) -> SMTPResponse:
        """Write the dot only once the kernel has all that goes before it, however long the server takes to read that.

        In pieces, because encryption notices no earlier than with the next write that the kernel takes no more: the
        last piece is next to nothing. A reply that comes before the dot refuses the message; the connection, in the
        middle of it, is of no use then.
        """
        answer = asyncio.ensure_future(protocol.read_response())
        await asyncio.sleep(0)  # from now on a reply is expected
        try:
            for piece in pieces(body):
                protocol.write(piece)
                taken = asyncio.ensure_future(protocol._drain_helper())
                try:
                    await asyncio.wait({answer, taken}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    taken.cancel()
                    await asyncio.gather(taken, return_exceptions=True)
                if answer.done():
                    early = answer.result()
                    raise SMTPResponseException(early.code, early.message)
            self._ask(still)
            self.phase = "dot"
            protocol.write(b".\r\n")
            return await answer
        finally:
            if not answer.done():
                answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)
            if self.phase == "data":
                self.cut()

    async def _hello(self) -> None:
        """EHLO; or HELO where that is refused and nothing of EHLO's offers is needed (RFC 5321, 3.2)."""
        try:
            await self._client.ehlo()
        except SMTPHeloError as error:
            needed = "TLS" if self._relay.security == "starttls" else "log-in" if self._relay.user else ""
            if error.code // 100 != 5 or not self._client.is_connected:
                raise
            if needed:
                said = f"{error.code} {error.message[:200]}"
                raise self._fault(f"refused EHLO ({said}), and without it there is no {needed}") from error
            await self._client.helo()

    async def _log_in(self) -> None:
        """One try with one mechanism: a second would count as another wrong password."""
        client, relay = self._client, self._relay
        offered = client.server_auth_methods
        if relay.tokens is not None:
            if "xoauth2" not in offered:
                raise self._fault("does not offer to log in with XOAUTH2")
            token = await relay.tokens("")
            try:
                await client.auth_xoauth2(relay.user, token)
            except SMTPResponseException as error:
                other = await relay.tokens(token) if error.code == 535 and client.is_connected else token
                if other == token:
                    raise
                await client.auth_xoauth2(relay.user, other)
        elif "plain" in offered:
            await client.auth_plain(relay.user, relay.password)
        elif "login" in offered:
            await client.auth_login(relay.user, relay.password)
        elif "cram-md5" in offered:
            await client.auth_crammd5(relay.user, relay.password)
        else:
            raise self._fault("does not offer to log in with a password (PLAIN, LOGIN or CRAM-MD5)")

    def _fault(self, what: str) -> DeliveryError:
        return DeliveryError("connect", 0, f"{self._relay} {what}", Verdict.FAULT)


def pieces(body: bytes) -> Iterator[bytes]:
    """A message in writes of at most `PIECE` octets, the last of which is its last line end."""
    end = len(body) - len(b"\r\n")
    for start in range(0, end, PIECE):
        yield body[start : min(start + PIECE, end)]
    yield body[end:]


def stuffed(data: bytes) -> bytes:
    """A message as DATA takes it (RFC 5321, 4.5.2): a dot more where a line begins with one, and a line end at its end.

    Its line ends have to be CRLF.
    """
    body = data.replace(b"\n.", b"\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body if body.endswith(b"\r\n") else body + b"\r\n"
