"""The end of `reminders run` as calendars see it: what was asked is answered whole, what comes later is refused."""

from __future__ import annotations

import errno
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.flows.service import Place, Running, wait_for

FEED = "/feeds/all.ics"
WHOLE, REFUSED, CLOSED = "answered whole", "refused", "closed between answers"
"""What may become of a request. The last only of one sent on a connection that had its answer before: any client sends
it again (RFC 9110, 9.2.2), and only the client knows that it did."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.settings(25)
    place.people(["amina@example.org"])
    events = "".join(
        f"  - {{id: talk-{number}, title: Talk {number} {'on and on ' * 20}, dates: {{course: 2099-06-01}}}}\n"
        for number in range(300)
    )
    place.begin()
    place.write("events/talks.yaml", f"events:\n{events}")
    place.command("refresh")
    return place


class Client(threading.Thread):
    """Asks for the feed until it is refused; `kept` asks again on the same connection. `told` counts the ends."""

    def __init__(self, daemon: Running, *, kept: bool) -> None:
        super().__init__()
        self.netloc = urlsplit(daemon.address).netloc
        self.kept = kept
        self.told: Counter[str] = Counter()
        self.start()

    def run(self) -> None:
        connection, asked = self._connection(), False
        end = time.monotonic() + 30
        while time.monotonic() < end and not self.told[REFUSED]:
            came = _ask(connection, again=asked)
            self.told[came] += 1
            asked = self.kept and came == WHOLE and connection.sock is not None
            if not asked:
                connection.close()
                connection = self._connection()
        connection.close()

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(self.netloc, timeout=20)


def _ask(connection: HTTPConnection, *, again: bool) -> str:
    try:
        connection.request("GET", FEED)
        answer = connection.getresponse()
        body = answer.read()
    except ConnectionRefusedError:
        return REFUSED
    except (OSError, HTTPException) as error:
        return CLOSED if again and isinstance(error, ConnectionError) else repr(error)
    calendar = body.startswith(b"BEGIN:VCALENDAR") and body.endswith(b"END:VCALENDAR\r\n")
    return WHOLE if answer.status == 200 and calendar else f"{answer.status} with {len(body)} bytes"


def all_served(clients: list[Client]) -> bool:
    return all(each.told[WHOLE] for each in clients)


def test_every_request_is_answered_whole_or_refused_while_the_service_ends(place: Place) -> None:
    for _ in range(3):
        with place.running() as daemon:
            clients = [Client(daemon, kept=number % 2 == 0) for number in range(8)]
            wait_for(partial(all_served, clients))
            daemon.process.send_signal(signal.SIGTERM)
            for each in clients:
                each.join(40)
            assert daemon.process.wait(30) == 0
        for each in clients:
            allowed = {WHOLE, REFUSED, CLOSED} if each.kept else {WHOLE, REFUSED}
            assert +each.told == Counter({name: each.told[name] for name in allowed if each.told[name]}), each.told
            assert each.told[REFUSED] == 1, "once refused, always refused: the port is free"


@pytest.fixture
def daemon(place: Place) -> Iterator[Running]:
    with place.running() as daemon:
        yield daemon


def connected(daemon: Running) -> socket.socket:
    parts = urlsplit(daemon.address)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def received(client: socket.socket) -> tuple[HTTPResponse, bytes]:
    answer = HTTPResponse(client)
    answer.begin()
    return answer, answer.read()


def refused(daemon: Running) -> bool:
    try:
        connected(daemon).close()
    except ConnectionRefusedError as error:
        return error.errno == errno.ECONNREFUSED
    return False


REQUEST = f"GET {FEED} HTTP/1.1\r\nHost: dates.example.org\r\n\r\n".encode()


def test_what_was_begun_is_answered_after_the_door_is_shut(daemon: Running) -> None:
    half, silent, kept, slow = (connected(daemon) for _ in range(4))
    with half, silent, kept, slow:
        half.sendall(REQUEST[:20])
        kept.sendall(REQUEST)
        _, body = received(kept)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(REQUEST)
        time.sleep(0.3)  # until all of it has come to the server
        daemon.process.send_signal(signal.SIGTERM)
        wait_for(lambda: refused(daemon), 5)
        half.sendall(REQUEST[20:])
        silent.sendall(REQUEST)
        kept.sendall(REQUEST)
        for client in (half, silent, kept):
            answer, again = received(client)
            assert (answer.status, again == body) == (200, True)
            assert answer.headers["Connection"] == "close", "who is told so asks on another connection"
            assert client.recv(1) == b""
        answer, again = received(slow)
        assert (answer.status, again == body) == (200, True)
        assert refused(daemon)
    assert daemon.process.wait(10) == 0


def test_connections_that_ask_nothing_do_not_keep_it_from_ending(daemon: Running) -> None:
    clients = [connected(daemon) for _ in range(20)]
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 5
    for client in clients:
        with client:
            assert client.recv(1) == b"", "closed in good order, not reset"
