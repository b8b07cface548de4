"""A real HTTP server that waits for heartbeats: it takes them, refuses them, sends them elsewhere, or never answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Watcher(ThreadingHTTPServer):
    """Notes every request, and answers with `status`. `/hang` is answered when it is let go."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str]] = []
        self.let_go = threading.Event()
        self.status = 200

    def url(self, path: str = "/beat/secret?of=ours") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Watcher)
        self.server.asked.append((self.command, self.path))
        if self.path == "/hang":
            self.server.let_go.wait(30)
        self.send_response(self.server.status)
        self.send_header("Location", self.server.url("/elsewhere"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def watching() -> Iterator[Watcher]:
    """The server for as long as the block runs."""
    with Watcher() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            server.shutdown()
            thread.join()
