"""A real SMTP server whose faults are chosen, on a port of its own at 127.0.0.1.

In a test: ``async with serving(faults={"RCPT": ["451 4.7.1 later"]}) as server``. Each fault happens once, in order;
then the server behaves. A fault is a reply, ``LOSE`` (the connection is cut), ``SILENCE`` (no answer, ever),
``wait 1.5`` (the usual answer, after so many seconds), ``stall 1.5`` (the usual answer at once, and nothing is read
for so many seconds), ``ENDLESS`` (lines of an answer without end) or ``drip 0.05`` (one line of it without end, a
letter each so many seconds), and belongs to a step: CONNECT, EHLO, MAIL, RCPT, DATA (before the message), DOT (after
the message was kept), RSET, QUIT.

As a process: ``python -m tests.edges.smtpd FILE [PORT]`` prints its port and appends each message it accepts to FILE,
one line of JSON with `sender`, `recipients` and `data`, on the disk before it is acknowledged. ``--help`` lists more.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import ssl
import warnings
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    import trustme

LOSE = "lose"
SILENCE = "silence"
WAIT = "wait "
STALL = "stall "
ENDLESS = "endless"
DRIP = "drip "
SLOW_STEPS = ("MAIL", "RCPT", "DATA", "DOT")


@dataclass(slots=True)
class Received:
    """One message the server kept, as it was handed over (dots unstuffed)."""

    sender: str
    recipients: list[str]
    data: bytes
    options: list[str]


@dataclass(slots=True)
class Server:
    """What the server was told and what it saw. `connections` counts those made.

    `slow` is the number of seconds that answers at the `slow_steps` take at most, each time anew by chance. Each step
    that is reached is a line in `steps`, if that is given. `log_ins` are the mechanisms that were tried, `login` and
    `token` what they accept, which may be changed. `together` has for each message the recipients of all that were
    handed over and not answered when it came, its own last.
    """

    port: int = 0
    slow: float = 0.0
    slow_steps: Sequence[str] = SLOW_STEPS
    login: tuple[str, str] | None = None
    token: tuple[str, str] | None = None
    in_hand: list[str] = field(default_factory=list)
    together: list[tuple[str, ...]] = field(default_factory=list)
    faults: dict[str, deque[str]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    log_ins: list[str] = field(default_factory=list)
    connections: int = 0
    keep: Path | None = None
    steps: Path | None = None
    kept: asyncio.Event = field(default_factory=asyncio.Event)
    peers: list[_Peer] = field(default_factory=list)

    def fail(self, step: str, *faults: str) -> None:
        self.faults.setdefault(step, deque()).extend(faults)

    def fault(self, step: str) -> str:
        waiting = self.faults.get(step)
        return waiting.popleft() if waiting else ""


class _Peer(SMTP):
    def __init__(self, server: Server, **settings: Any) -> None:
        super().__init__(_Handler(server), hostname="mail.example.org", **settings)
        self.record = server

    def connection_made(self, transport: Any) -> None:
        if self.transport is None:  # not once more, for the TLS of STARTTLS
            self.record.connections += 1
            self.record.peers.append(self)
        super().connection_made(transport)

    async def push(self, status: Any) -> None:
        if str(status).startswith("220 mail.example.org"):  # the greeting
            fault = self.record.fault("CONNECT")
            if fault and not await self._cut(fault):
                status = fault
        await super().push(status)

    async def _cut(self, fault: str) -> bool:
        """Do what is more than a reply; False when it is a reply, True when the server behaves after all."""
        if fault == LOSE:
            transport: Any = self.transport
            transport.abort()
            raise ConnectionResetError("as chosen")
        if fault == SILENCE:
            await asyncio.sleep(3600)
        if fault.startswith(WAIT):
            await asyncio.sleep(float(fault.removeprefix(WAIT)))
            return True
        if fault.startswith(STALL):
            reading: Any = self.transport
            reading.pause_reading()
            self.loop.call_later(float(fault.removeprefix(STALL)), reading.resume_reading)
            return True
        if fault == ENDLESS:
            while True:
                await self._babble(b"250-and another thing\r\n" * 2000)
        if fault.startswith(DRIP):
            await self._babble(b"250-")
            while True:
                await self._babble(b"x")
                await asyncio.sleep(float(fault.removeprefix(DRIP)))
        return False

    async def _babble(self, said: bytes) -> None:
        """Say this, as far as the other side still listens."""
        writer: Any = self._writer
        writer.write(said)
        await writer.drain()

    async def reach(self, step: str) -> None:
        """Note the step, and take as long to answer as this server does."""
        if self.record.steps is not None:
            with self.record.steps.open("a", encoding="ascii") as file:
                file.write(f"{step}\n")
        if step in self.record.slow_steps:
            await asyncio.sleep(random.uniform(0, self.record.slow))

    async def _call_handler_hook(self, command: str, *args: Any) -> Any:
        self.record.commands.append(command)
        return await super()._call_handler_hook(command, *args)

    async def _step(self, step: str) -> bool:
        """Whether the command of this step was dealt with by a fault."""
        await self.reach(step)
        fault = self.record.fault(step)
        if not fault or await self._cut(fault):
            return False
        await super().push(fault)
        if fault.startswith("421"):
            transport: Any = self.transport
            transport.close()
        return True

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self._step("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg: str) -> None:
        self.record.commands.append(f"MAIL {arg}")
        if not await self._step("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:
        self.record.commands.append(f"RCPT {arg}")
        if not await self._step("RCPT"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        if not await self._step("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:
        if not await self._step("RSET"):
            await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:
        if not await self._step("QUIT"):
            await super().smtp_QUIT(arg)


class _Handler:
    def __init__(self, record: Server) -> None:
        self.record = record

    async def handle_AUTH(self, server: _Peer, session: Session, envelope: Envelope, args: list[str]) -> Any:
        self.record.log_ins.append(args[0])
        return MISSING

    async def auth_XOAUTH2(self, server: _Peer, args: list[str]) -> AuthResult:
        """As Google and Microsoft have it: a wrong token is told by a challenge, and refused once that is answered."""
        said = base64.b64decode(args[1]) if len(args) > 1 else b""
        user, token = self.record.token or ("", "")
        if self.record.token and said == f"user={user}\1auth=Bearer {token}\1\1".encode():
            return AuthResult(success=True)
        await server.challenge_auth('{"status":"400","schemes":"Bearer"}')
        return AuthResult(success=False, handled=False)

    async def handle_DATA(self, server: _Peer, session: Session, envelope: Envelope) -> str:
        data = envelope.content
        assert isinstance(data, bytes)
        got = Received(str(envelope.mail_from), list(envelope.rcpt_tos), data, list(envelope.mail_options))
        if self.record.keep is not None:
            line = {"sender": got.sender, "recipients": got.recipients, "data": data.decode("utf-8", "surrogateescape")}
            with self.record.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.record.received.append(got)
        self.record.kept.set()
        self.record.in_hand += got.recipients
        self.record.together.append(tuple(self.record.in_hand))
        try:
            await server.reach("DOT")
            fault = self.record.fault("DOT")
            behaves = not fault or await server._cut(fault)
        finally:
            for each in got.recipients:
                self.record.in_hand.remove(each)
        return "250 2.0.0 OK kept" if behaves else fault


def certificate(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """What a server shows who calls it by one of these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@asynccontextmanager
async def serving(
    *,
    faults: Mapping[str, Sequence[str]] | None = None,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    login: tuple[str, str] | None = None,
    token: tuple[str, str] | None = None,
    mechanisms: Sequence[str] = ("LOGIN", "PLAIN"),
    smtputf8: bool = True,
    keep: Path | None = None,
    steps: Path | None = None,
    port: int = 0,
    slow: float = 0.0,
    slow_steps: Sequence[str] = SLOW_STEPS,
) -> AsyncIterator[Server]:
    """A server for as long as the block runs. `tls` offers STARTTLS, or with `implicit` TLS from the first byte.

    `login` is the account and password that `mechanisms` accept, `token` the account and token that XOAUTH2 accepts.
    """
    record = Server(keep=keep, steps=steps, slow=slow, slow_steps=slow_steps, login=login, token=token)
    offered = {*mechanisms, "XOAUTH2"} if token else {*mechanisms}
    for step, chosen in (faults or {}).items():
        record.fail(step, *chosen)

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        good = record.login is not None and (given.login.decode(), given.password.decode()) == record.login
        return AuthResult(success=good, handled=False)

    loop = asyncio.get_running_loop()

    def peer() -> _Peer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # aiosmtpd does not know that the listener itself speaks TLS
            return _Peer(
                record,
                tls_context=None if implicit else tls,
                require_starttls=tls is not None and not implicit,
                auth_require_tls=tls is not None and not implicit,
                auth_required=login is not None or token is not None,
                auth_exclude_mechanism={"LOGIN", "PLAIN", "XOAUTH2"} - offered,
                authenticator=authenticate if login else None,
                enable_SMTPUTF8=smtputf8,
                loop=loop,
            )

    listening = await loop.create_server(peer, "127.0.0.1", port, ssl=tls if implicit else None)
    record.port = listening.sockets[0].getsockname()[1]
    try:
        yield record
    finally:
        listening.close()
        handlers = [each._handler_coroutine for each in record.peers if each._handler_coroutine is not None]
        for each in record.peers:
            transport: Any = each.transport
            if transport is not None and not transport.is_closing():  # of TLS, once closed, 3.11.2 would raise
                transport.abort()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.sleep(0)


async def _main(given: argparse.Namespace) -> None:
    faults: dict[str, list[str]] = {}
    for step, fault in given.fault:
        faults.setdefault(step, []).append(fault)
    tls = None
    if given.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given.certificate)
    async with serving(
        faults=faults,
        tls=tls,
        login=given.login,
        keep=given.file,
        steps=given.steps,
        port=given.port,
        slow=given.slow,
        slow_steps=given.slow_at,
    ) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where accepted messages are kept")
    parser.add_argument("port", type=int, nargs="?", default=0, help="0, the default, takes a free one")
    parser.add_argument("--steps", type=Path, help="where each step that is reached is noted, a line each")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that answers take at most")
    parser.add_argument(
        "--slow-at", nargs="+", choices=SLOW_STEPS, default=SLOW_STEPS, help="which answers; all of these"
    )
    parser.add_argument(
        "--certificate", type=Path, help="a PEM file with key and chain: STARTTLS is offered and required"
    )
    parser.add_argument("--login", nargs=2, metavar=("USER", "PASSWORD"), type=str, help="required before any mail")
    parser.add_argument("--fault", nargs=2, metavar=("STEP", "FAULT"), action="append", default=[])
    given = parser.parse_args()
    given.login = tuple(given.login) if given.login else None
    return given


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
