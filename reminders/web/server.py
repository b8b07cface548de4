"""HTTP on a socket: uvicorn, with bounds on what one client can hold, and an end that cuts nobody off."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from reminders.errors import WrongUse
from reminders.web.ready import WHOLE

REQUEST_TIME = 20.0
"""Seconds in which a request must have come whole, counted from its first byte; of a new connection, from its start."""
HEAD_MOST = 64_000
"""Bytes that a head may have when it comes in pieces. One piece is what the loop reads at once, 256 KiB at most."""
STALLED = 60_000
"""Milliseconds after which the system gives up a client that takes nothing of its answer."""
KEPT_ALIVE = 30
"""Seconds for which a connection may do nothing between two requests."""
LAST_REQUEST = 1.0
"""Seconds in which a connection may still ask, once the server is ending."""
LAST_ANSWER = 10
"""Seconds in which the answers then under way must have been taken."""
SO_ATTACH_FILTER = getattr(socket, "SO_ATTACH_FILTER", 26)
"""Linux's number, which Python does not name."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises `WrongUse` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections have it from the socket that accepts them
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
    try:
        listening.bind((host, port))
        listening.listen(128)  # at once: only then is the port ours, and nobody who comes early is refused
    except OSError as error:
        listening.close()
        raise WrongUse(f"the web server cannot listen on {host}:{port} ({error.strerror}): set another port") from error
    listening.set_inheritable(False)
    return listening


class Connection(HttpToolsProtocol):
    """One client's connection. Closed between answers only, unless a request does not come to its end."""

    _taken = 0
    """Bytes of a request that is not whole yet."""
    _limit: asyncio.TimerHandle | None = None
    _ending = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._extensions: dict[str, Any] = {WHOLE: self.send_whole}
        self._arm(REQUEST_TIME)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._taken = 0
        self.scope["extensions"] = self._extensions

    def send_whole(self, scope: Scope, head: bytes, body: bytes) -> bool:
        """Write an answer that was made ready: status line and fields, without ``Date``, ``Connection`` and empty line.

        False when it must go the usual way: others are before it, or the client has not taken what it has got.
        """
        cycle = self.cycle
        if cycle.scope is not scope or cycle.disconnected or self.flow.write_paused:
            return False
        closing = b"" if cycle.keep_alive else b"\r\nconnection: close"
        for name, value in self.server_state.default_headers:  # the date, made once a second
            closing += b"\r\n" + name + b": " + value
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join((head, closing, b"\r\n\r\n")))
        if body:
            self.transport.write(body)
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle = self._cycle()
        in_head = cycle is None or cycle.scope is not self.scope
        if cycle is not None and self._ending:
            cycle.keep_alive = False
        if not in_head and not self.cycle.more_body:
            self._taken = 0
            if self._limit is not None:
                self._disarm()
            return
        self._taken += len(data)
        if in_head and self._taken > HEAD_MOST:
            self.send_400_response("The header fields are too long.")
        elif self._limit is None:
            self._arm(REQUEST_TIME)

    def shutdown(self) -> None:
        """The server is ending: what has been asked is answered, and so is what a moment later still arrives.

        Closing at once, as uvicorn does, would reset connections whose request is on its way.
        """
        self._ending = True
        cycle = self._cycle()
        if cycle is not None and not cycle.response_complete:
            cycle.keep_alive = False
        elif not self._taken:
            self._arm(LAST_REQUEST)

    def _cycle(self) -> RequestResponseCycle | None:
        """The last request whose head is whole; None before the first, whatever uvicorn declares."""
        return self.cycle

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._limit = self.loop.call_later(seconds, self.transport.close)

    def _disarm(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class WebServer(uvicorn.Server):
    """uvicorn in the daemon's loop, which takes the signals itself: uvicorn would raise them again at its end."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=Connection,
                ws="none",
                log_config=None,
                access_log=False,  # addresses of unsubscribe pages would be in it
                server_header=False,
                lifespan="on",
                proxy_headers=False,
                timeout_graceful_shutdown=LAST_ANSWER,
                timeout_keep_alive=KEPT_ALIVE,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_on(self, listening: socket.socket) -> None:
        """Serve until `should_exit` is set. Raises `WrongUse` when it could not start."""
        with suppress(SystemExit):  # with which uvicorn would end the process, and what the daemon has in hand
            await self.serve(sockets=[listening])
        if not self.started:
            raise WrongUse("the web server could not start; the log says why")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, then answer whoever is connected.

        The system resets connections that it has made and nobody has accepted; so they are accepted first, and on
        Linux none is made meanwhile: who tries is silent for a second, tries again, and is refused.
        """
        for each in sockets or []:
            _make_no_more(each)
        waiting = [connection for each in sockets or [] for connection in _accept_all(each)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            with suppress(OSError):  # gone meanwhile
                await loop.connect_accepted_socket(self._connection, connection)
        await super().shutdown(sockets)

    def _connection(self) -> Connection:
        return Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _make_no_more(listening: socket.socket) -> None:
    """Have Linux drop every packet for this socket, by a filter of one instruction: keep nothing (socket(7))."""
    if sys.platform == "linux":
        instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
        program = struct.pack("HP", 1, ctypes.addressof(instruction))
        with suppress(OSError):  # a kernel without filters; then a connection made in this very moment is reset
            listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    listening.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            connection, _ = listening.accept()
            connection.setblocking(False)
            yield connection
