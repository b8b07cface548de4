"""Clients that are slow, silent, greedy or broken: what one of them can hold is bounded, and others are served."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse

import httpx2
import pytest

from reminders.web import server
from tests.builders import date, event
from tests.edges.site import Memory, visit

FEED = "/feeds/leadership.ics"
HALF = f"GET {FEED} HTTP/1.1\r\nHost: dates.example.org\r\n".encode()
POST = b"POST /unsubscribe/x HTTP/1.1\r\nHost: dates.example.org\r\nContent-Length: 100\r\n\r\nList-"


@pytest.fixture(scope="module")
def site() -> Iterator[httpx2.Client]:
    with visit(Memory()) as client:
        yield client


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    """A site that waits half a second for a request."""
    monkeypatch.setattr(server, "REQUEST_TIME", 0.5)
    with visit(Memory()) as client:
        yield client


def connected(site: httpx2.Client) -> socket.socket:
    return socket.create_connection((site.base_url.host, site.base_url.port or 80), timeout=10)


def closes(client: socket.socket) -> bool:
    """Whether the server ends the connection; waits ten seconds for it."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:  # it had sent more than was read
        pass
    return True


def test_a_feed_is_served_at_once_while_two_hundred_others_are_slow() -> None:
    many = [event(f"talk-{number}", date("2019-02-12"), title="Talking " * 30) for number in range(400)]
    with visit(Memory(many)) as site, ExitStack() as stack:
        site.get(FEED)
        for number in range(200):
            client = stack.enter_context(connected(site))
            if number % 4 == 1:
                client.sendall(HALF)
            elif number % 4 == 2:
                client.sendall(POST)
            elif number % 4 == 3:  # asks and takes nothing
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.sendall(HALF + b"\r\n")
        for _ in range(5):
            started = time.monotonic()
            assert site.get(FEED).status_code == 200
            assert time.monotonic() - started < 1


@pytest.mark.parametrize("sent", [b"", b"\r\n", HALF[:3], HALF, POST], ids=["nothing", "line", "word", "head", "body"])
def test_a_request_that_does_not_come_whole_is_given_up(hasty: httpx2.Client, sent: bytes) -> None:
    with connected(hasty) as client:
        client.sendall(sent)
        started = time.monotonic()
        assert closes(client)
        assert 0.3 < time.monotonic() - started < 5


def test_one_byte_now_and_then_does_not_keep_a_request_alive(hasty: httpx2.Client) -> None:
    with connected(hasty) as client, pytest.raises(ConnectionError):
        client.sendall(HALF)
        for _ in range(100):
            client.sendall(b"X")
            time.sleep(0.1)


def test_a_second_request_has_as_long_as_the_first(hasty: httpx2.Client) -> None:
    with connected(hasty) as client:
        for pause in (0.3, 0.3, 0.3):
            client.sendall(HALF)
            time.sleep(pause)
            client.sendall(b"\r\n")
            answer = HTTPResponse(client)
            answer.begin()
            assert answer.status == 200
            answer.read()
            time.sleep(0.6)  # longer than a request may take: between two of them there is more time


def test_a_long_body_counts_nothing_towards_the_next_head(site: httpx2.Client) -> None:
    long = f"PUT {FEED} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n".encode()
    with connected(site) as client:
        client.sendall(long)
        for status, more in ((405, bytes(200_000)), (200, b"")):
            answer = HTTPResponse(client)
            answer.begin()
            assert answer.status == status
            answer.read()
            if more:
                client.sendall(more)
                time.sleep(0.2)
                client.sendall(HALF)
                time.sleep(0.2)
                client.sendall(b"\r\n")


@pytest.mark.parametrize("line", [b"X-Long: " + b"x" * 1000 + b"\r\n", b"x" * 1000], ids=["many fields", "one field"])
def test_a_head_without_end_is_refused(site: httpx2.Client, line: bytes) -> None:
    sent = 0
    with connected(site) as client:
        client.sendall(HALF + b"X-")
        with pytest.raises(ConnectionError):
            while sent < 10_000_000:
                client.sendall(line)
                sent += len(line)
    assert sent < 10_000_000
    assert site.get(FEED).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),  # https to a port that speaks http
        b"GET\r\n\r\n",
        b"GET /feeds/leadership.ics HTTP/9.9\r\n\r\n",
        b"GET /feeds/leadership.ics HTTP/1.1\r\nHo st: x\r\n\r\n",
        b"GET /feeds/leadership.ics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /feeds/\xff.ics HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["tls", "no path", "version", "field name", "length", "path"],
)
def test_what_is_not_http_is_refused(site: httpx2.Client, sent: bytes) -> None:
    with connected(site) as client:
        client.sendall(sent)
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == 400
        assert answer.headers["Connection"] == "close"


def test_a_client_that_takes_nothing_is_given_up_by_the_system() -> None:
    with server.listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == server.STALLED
