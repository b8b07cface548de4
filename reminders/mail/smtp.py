"""Messages over SMTP (RFC 5321), one recipient each, over several sessions side by side.

What an error means depends on how far the message had got, not on the error: `session` takes every step on its own,
and `replies` says what a reply means at that step.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from contextlib import nullcontext
from typing import Literal

from aiosmtplib.errors import SMTPException, SMTPResponseException

from reminders.errors import DeliveryError, Verdict, WrongUse
from reminders.mail.envelope import Accepted, Envelope, NotStarted, Started, Still, ascii_domain
from reminders.mail.replies import verdict
from reminders.mail.session import Relay, Session
from reminders.mail.tokens import Tokens

IDLE = 30.0
"""Seconds after which a connection nobody needs is closed: sooner than servers and firewalls do it without a word."""
MESSAGES = 1000
"""How many messages one connection carries."""
_OUT_OF_STEP = (0, 421, 503)  # no reply, the server hangs up, or the two disagree on where they are


class SmtpTransport:
    """Sessions with one mail server, kept open between messages and replaced when they went stale.

    `security` is "starttls", "tls" (from the first byte) or "none". The server's certificate is always verified
    (against `ca_file` if given) and nothing is ever sent in clear because TLS was not to be had. `user` logs in with
    `password`, or with XOAUTH2 if there are `tokens`. `timeout` is the number of seconds one message may take in all,
    from the first command to the last reply, apart from `started`. `connections` is how many messages go side by side.
    Raises WrongUse for settings that would give a password away, and for a `ca_file` that cannot be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"] = "starttls",
        user: str = "",
        password: str = "",
        tokens: Tokens | None = None,
        timeout: float = 60.0,
        ca_file: str = "",
        connections: int = 1,
        idle: float = IDLE,
        messages: int = MESSAGES,
    ) -> None:
        if user and security == "none" and not _is_loopback(host):
            raise WrongUse(f"a password would go to {host} in clear: set the security to starttls or tls")
        context = None
        if security != "none":
            try:
                context = ssl.create_default_context(cafile=ca_file or None)
            except OSError as error:
                raise WrongUse(f"the certificate file {ca_file} cannot be used: {error}") from error
        self.width = connections
        self._relay = Relay(host, port, security, context, user, password, tokens)
        self._timeout = timeout
        self._idle_for = idle
        self._messages = messages
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Session] = []  # the one used last at the end: it goes first, and the others may rest
        self._sweeping: asyncio.Task[None] | None = None
        self._first = asyncio.Lock()
        self._proved = False
        self._failure: DeliveryError | None = None

    async def open(self) -> None:
        """Connect, secure and log in, unless that has been done. Raises DeliveryError("connect")."""
        async with self._free:
            if any(session.is_open for session in self._idle):
                return
            session = Session(self._relay)
            try:
                async with asyncio.timeout(self._timeout):
                    await self._connect(session)
            except (SMTPException, OSError) as error:
                raise self._failed(session, error) from error
            finally:
                if session.is_open:
                    self._rest(session)
                else:
                    session.cut()

    async def send(self, data: bytes, envelope: Envelope, started: Started, still: Still) -> Accepted:
        """Hand over one message. `data` is the whole message with CRLF line ends.

        `started` is awaited after the recipient was accepted and before DATA; when it returns False, or raises,
        nothing has been handed over (NotStarted, or what it raised). `still` is asked before the final dot: when it
        says False the connection is cut, and the server has to throw away what it has (NotStarted).
        May be called `width` times at once; beyond that a call waits for another to end. Raises DeliveryError.
        """
        try:
            envelope = Envelope(ascii_domain(envelope.sender), ascii_domain(envelope.recipient), envelope.id)
        except ValueError as error:
            raise DeliveryError("rcpt", 0, str(error), Verdict.FINAL) from error
        async with self._free:
            session = self._idle.pop() if self._idle else Session(self._relay)
            clean = False
            try:
                left = await self._address(session, envelope, len(data))
                if not await started():
                    await session.reset()
                    clean = True
                    raise NotStarted(f"the message to be sent through {self._relay} was stopped")
                reply = await self._hand_over(session, data, still, left)
                clean = True
                return Accepted(reply)
            except DeliveryError as error:
                orderly = error.code not in _OUT_OF_STEP or error.verdict is Verdict.FINAL  # without a code: never said
                if orderly and session.is_open:
                    await session.reset()
                    clean = True
                raise
            finally:
                if clean and session.is_open:
                    self._rest(session)
                else:
                    session.cut()

    async def close(self) -> None:
        """Let what is under way end, and say QUIT, if there is anybody to say it to."""
        for _ in range(self.width):
            await self._free.acquire()
        try:
            if self._sweeping is not None:
                self._sweeping.cancel()
                self._sweeping = None
            self._proved = False
            leaving, self._idle = self._idle, []
            await asyncio.gather(*(session.leave() for session in leaving))
        finally:
            for _ in range(self.width):
                self._free.release()

    async def _address(self, session: Session, envelope: Envelope, size: int) -> float:
        """Get the envelope accepted; the seconds that are left for the rest."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                if session.served >= self._messages:
                    await session.leave()
                stale = session.is_open
                if not stale:
                    await self._connect(session)
                try:
                    await session.address(envelope, size)
                except (SMTPException, OSError) as error:
                    if not stale or _code(error) not in _OUT_OF_STEP:
                        raise
                    # The server hung up while the connection lay idle. Nothing was started, so a new one may be tried.
                    await self._connect(session)
                    await session.address(envelope, size)
        except (SMTPException, OSError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            raise self._failed(session, error) from error
        return deadline - asyncio.get_running_loop().time()

    async def _hand_over(self, session: Session, data: bytes, still: Still, left: float) -> str:
        try:
            async with asyncio.timeout(left):
                return await session.hand_over(data, still)
        except (SMTPException, OSError) as error:
            raise self._failed(session, error) from error

    async def _connect(self, session: Session) -> None:
        """Open a session. While none has been had, one tries for all who wait: a wrong password is sent once."""
        session.phase = "connect"
        failure = self._failure
        async with nullcontext() if self._proved else self._first:
            if self._failure is not None and self._failure is not failure:
                raise _again(self._failure)
            try:
                await session.open()
            except (SMTPException, OSError, DeliveryError) as error:
                self._proved = False
                self._failure = error if isinstance(error, DeliveryError) else self._failed(session, error)
                raise
            self._proved = True

    def _rest(self, session: Session) -> None:
        session.rested = asyncio.get_running_loop().time()
        self._idle.append(session)
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        """Say goodbye to sessions that nobody has needed for a while, until there are none."""
        loop = asyncio.get_running_loop()
        while self._idle:
            await asyncio.sleep(max(0.0, self._idle[0].rested + self._idle_for - loop.time()))
            while self._idle and self._idle[0].rested + self._idle_for <= loop.time():
                await self._idle.pop(0).leave()

    def _failed(self, session: Session, error: Exception) -> DeliveryError:
        """Any failure as a DeliveryError of the phase it happened in."""
        code = _code(error)
        words = self._words(error)
        meaning = verdict(session.phase, code, words)
        if session.phase == "connect" and code == 0 and _is_set_up_wrongly(error):
            meaning = Verdict.FAULT
        return DeliveryError(session.phase, code, words, meaning)

    def _words(self, error: Exception) -> str:
        for cause in (error, error.__cause__):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"the certificate of {self._relay} is not to be trusted: {cause.verify_message}"
        if isinstance(error, SMTPResponseException):
            return error.message[:500]
        if isinstance(error, TimeoutError):
            return f"{self._relay} did not answer within {self._timeout:g} seconds"
        return str(error)[:500] or f"the connection to {self._relay} broke"


def _code(error: Exception) -> int:
    """The reply code; 0 where there was none, or one that says neither "later" nor "no"."""
    return error.code if isinstance(error, SMTPResponseException) and 400 <= error.code <= 599 else 0


def _again(failure: DeliveryError) -> DeliveryError:
    return DeliveryError(failure.phase, failure.code, failure.reply, failure.verdict)


def _is_set_up_wrongly(error: Exception) -> bool:
    """Whether TLS failed for another reason than a connection that broke: a certificate, a port that speaks none."""
    broke = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    causes = [cause for cause in (error, error.__cause__) if isinstance(cause, ssl.SSLError)]
    return any(not isinstance(cause, broke) for cause in causes)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
