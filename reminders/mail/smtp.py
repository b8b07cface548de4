"""Messages over SMTP (RFC 5321), one recipient each, driven command by command.

What an error means depends on how far the message had got, not on the error: so every step is taken on its own
and a failure names its phase.

    phase    failed at                      the message
    connect  greeting, STARTTLS, login      not started; the server is at fault, no message is
    mail     the sender                     not started
    rcpt     the recipient                  not started
    data     asking to hand it over         not accepted
    dot      code 4xx/5xx: refused;  code 0: no reply came, so nobody can say (RFC 1047)
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPResponseException, SMTPServerDisconnected

from reminders.errors import DeliveryError, Verdict, WrongUse
from reminders.mail.envelope import Accepted, Envelope, NotStarted, Started, Still, ascii_domain

_LINE_STARTS_WITH_DOT = re.compile(rb"(?m)^\.")
_GOODBYE = 5.0  # seconds to wait for the answer to QUIT or RSET; nothing depends on it
_OF_THE_MESSAGE = (552, 555)  # MAIL refused for the size or a parameter; any other refusal is about the sender


class SmtpTransport:
    """One connection to a mail server, kept open between messages and re-opened when it went stale.

    `security` is "starttls", "tls" (from the first byte) or "none". The server's certificate is always verified
    (against `ca_file` if given) and nothing is ever sent in clear because TLS was not to be had. `timeout` is the
    number of seconds one message may take in all, from the first command to the last reply, apart from `started`.
    Raises WrongUse for settings that would give a password away, and for a `ca_file` that cannot be read.
    """

    width = 1

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"] = "starttls",
        user: str = "",
        password: str = "",
        timeout: float = 60.0,
        ca_file: str = "",
    ) -> None:
        if user and security == "none" and not _is_loopback(host):
            raise WrongUse(f"a password would go to {host} in clear: set the security to starttls or tls")
        context = None
        if security != "none":
            try:
                context = ssl.create_default_context(cafile=ca_file or None)
            except OSError as error:
                raise WrongUse(f"the certificate file {ca_file} cannot be used: {error}") from error
        self._server = f"{host}:{port}"
        self._timeout = timeout
        self._turn = asyncio.Lock()  # two messages at once on one connection would mix up their recipients
        self._client = SMTP(
            hostname=host,
            port=port,
            username=user or None,
            password=password if user else None,
            timeout=timeout,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=context,
        )

    async def open(self) -> None:
        """Connect, secure and log in, unless that has been done. Raises DeliveryError("connect")."""
        async with self._turn:
            if not self._client.is_connected:
                await self._connect(self._deadline())

    async def send(self, data: bytes, envelope: Envelope, started: Started, still: Still) -> Accepted:
        """Hand over one message. `data` is the whole message with CRLF line ends.

        `started` is awaited after the recipient was accepted and before DATA; when it returns False, or raises,
        nothing has been handed over (NotStarted, or what it raised). `still` is asked before the final dot: when it
        says False the connection is cut, and the server has to throw away what it has (NotStarted).
        Raises DeliveryError.
        """
        try:
            sender, recipient = ascii_domain(envelope.sender), ascii_domain(envelope.recipient)
        except ValueError as error:
            raise DeliveryError("rcpt", 0, str(error), Verdict.FINAL) from error
        async with self._turn:
            clean = False
            try:
                deadline = await self._envelope(data, sender, recipient)
                asked = asyncio.get_running_loop().time()
                if not await started():
                    await self._reset()
                    clean = True
                    raise NotStarted(f"the message to be sent through {self._server} was stopped")
                deadline += asyncio.get_running_loop().time() - asked
                reply = await self._hand_over(data, deadline, still)
                clean = True
                return Accepted(reply)
            except DeliveryError as error:
                if error.code not in (0, 421):  # an orderly "no": the connection is good for the next message
                    await self._reset()
                    clean = True
                raise
            finally:
                if not clean:
                    self._client.close()

    async def close(self) -> None:
        """Say QUIT, if there is anybody to say it to. What was accepted stays accepted."""
        async with self._turn:
            try:
                async with asyncio.timeout(_GOODBYE):
                    await self._client.quit()
            except (SMTPException, OSError):
                self._client.close()  # the answer to QUIT changes nothing

    async def _connect(self, deadline: float) -> None:
        self._client.close()
        async with self._phase("connect", deadline):
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._client.ehlo()

    async def _envelope(self, data: bytes, sender: str, recipient: str) -> float:
        """Get sender and recipient accepted; the deadline (loop time) that is left for the rest."""
        deadline = self._deadline()
        reused = self._client.is_connected
        if not reused:
            await self._connect(deadline)
        try:
            await self._mail_and_rcpt(data, sender, recipient, deadline)
        except DeliveryError as error:
            if not reused or error.code not in (0, 421):
                raise
            # The server hung up while the connection lay idle. Nothing was started, so a new one may be tried.
            deadline = self._deadline()
            await self._connect(deadline)
            await self._mail_and_rcpt(data, sender, recipient, deadline)
        return deadline

    async def _mail_and_rcpt(self, data: bytes, sender: str, recipient: str, deadline: float) -> None:
        client, options = self._client, []
        if client.supports_extension("size"):
            options.append(f"SIZE={len(data)}")
        encoding = "ascii"
        if not (sender.isascii() and recipient.isascii()):
            if not client.supports_extension("smtputf8"):
                raise DeliveryError("rcpt", 0, "needs SMTPUTF8, which the mail server does not offer", Verdict.FINAL)
            options += ["SMTPUTF8", "BODY=8BITMIME"]
            encoding = "utf-8"
        async with self._phase("mail", deadline):
            await client.mail(sender, options=options, encoding=encoding)
        async with self._phase("rcpt", deadline):
            await client.rcpt(recipient, encoding=encoding)

    async def _hand_over(self, data: bytes, deadline: float, still: Still) -> str:
        """DATA, the message, the dot. aiosmtplib's own `data` would not tell which of them failed."""
        async with self._phase("data", deadline):
            reply = await self._client.execute_command(b"DATA")
            if reply.code != 354:
                raise SMTPDataError(reply.code, reply.message)
            protocol = self._client.protocol
            if protocol is None:
                raise SMTPServerDisconnected("Connection lost")
        body = _LINE_STARTS_WITH_DOT.sub(b"..", data)
        if not body.endswith(b"\r\n"):
            body += b"\r\n"
        async with self._phase("dot", deadline):
            if not still():
                raise NotStarted(f"the message to be sent through {self._server} was broken off before its end")
            protocol.write(body + b".\r\n")
            reply = await protocol.read_response()
            if reply.code != 250:
                raise SMTPDataError(reply.code, reply.message)
        return reply.message

    async def _reset(self) -> None:
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._client.rset()
        except (SMTPException, OSError):
            self._client.close()  # the message has its answer already; the next one gets a new connection

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    @asynccontextmanager
    async def _phase(self, name: str, deadline: float) -> AsyncIterator[None]:
        """Tell any failure inside as a DeliveryError of this phase, and end what outlasts the deadline."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except (SMTPException, OSError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            code = error.code if isinstance(error, SMTPResponseException) else 0
            code = code if 400 <= code <= 599 else 0
            raise DeliveryError(name, code, self._words(error), _verdict(name, code)) from error

    def _words(self, error: Exception) -> str:
        for cause in (error, error.__cause__):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"the certificate of {self._server} is not to be trusted: {cause.verify_message}"
        if isinstance(error, SMTPResponseException):
            return error.message[:500]
        if isinstance(error, TimeoutError):
            return f"{self._server} did not answer within {self._timeout:g} seconds"
        return str(error)[:500] or f"the connection to {self._server} broke"


def _verdict(phase: str, code: int) -> Verdict:
    """A refused log-in or sender is a setting to be mended, not a message to give up."""
    if phase == "dot" and code == 0:
        return Verdict.DOUBT
    if phase == "connect" or (phase == "mail" and code not in _OF_THE_MESSAGE):
        return Verdict.PAUSE
    if code == 421 and phase == "rcpt":
        return Verdict.PAUSE
    return Verdict.RETRY if code < 500 else Verdict.FINAL


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
