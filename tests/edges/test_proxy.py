"""The nginx of docs/operating.md in front of the site, just as it stands there but for ports and paths (H10 to H12)."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import pytest
import trustme

from tests.edges.site import CHECKOUT, TOKEN, Memory, visit

HOST = "dates.example.org"
FEED = "/feeds/leadership.ics"
AROUND = """
{user}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{documented}
}}
"""


def nginx() -> str:
    found = os.environ.get("NGINX") or shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("REQUIRE_NGINX") == "1":
            pytest.fail("REQUIRE_NGINX=1, but there is no nginx")
        pytest.skip("nginx is not installed; NGINX may name it")
    return found


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running nginx: its ports for http and https, whom its certificate is from, and what it wrote of requests."""

    http: int
    https: int
    authority: ssl.SSLContext
    log: Path

    def ask(
        self, path: str, fields: Mapping[str, str] | None = None, *, secure: bool = True, address: str = "127.0.0.1"
    ) -> tuple[HTTPResponse, bytes]:
        lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {it}" for name, it in (fields or {}).items())]
        plain = socket.create_connection((address, self.https if secure else self.http), timeout=20)
        with self.authority.wrap_socket(plain, server_hostname=HOST) if secure else plain as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            answer = HTTPResponse(client)
            answer.begin()
            return answer, answer.read()


@contextmanager
def proxy(folder: Path, behind: int) -> Iterator[Proxy]:
    """The documented nginx, in front of what listens on the port `behind`."""
    page = (CHECKOUT / "docs" / "operating.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"^```nginx\n(.*?)^```", page, re.S | re.M)
    http, https = free_ports(2)
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "chain.pem", append=True)
    for old, new, times in (
        ("listen 80;", f"listen 127.0.0.1:{http};", 1),
        ("listen [::]:80;", f"listen [::1]:{http};", 1),
        ("listen 443 ssl;", f"listen 127.0.0.1:{https} ssl;", 1),
        ("listen [::]:443 ssl;", f"listen [::1]:{https} ssl;", 1),
        (f"/etc/ssl/{HOST}.pem", f"{folder}/chain.pem", 1),
        (f"/etc/ssl/{HOST}.key", f"{folder}/key.pem", 1),
        ("/var/cache/nginx/dates", f"{folder}/cache", 1),
        ("/var/log/nginx/error.log", f"{folder}/error.log", 1),
        ("127.0.0.1:8025", f"127.0.0.1:{behind}", 4),
        ("200 10s", "200 1s", 1),
    ):
        assert documented.count(old) == times, f"docs/operating.md does not say {old} {times} times"
        documented = documented.replace(old, new)
    if not socket.has_ipv6:
        documented = re.sub(r"^ *listen \[::1\].*\n", "", documented, flags=re.M)
    user = "user root;" if os.getuid() == 0 else ""  # another user may not look into pytest's folders
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, user=user, documented=documented), encoding="utf-8")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    command = [nginx(), "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(200):
                assert process.poll() is None, process.communicate()[1]
                try:
                    socket.create_connection(("127.0.0.1", https), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Proxy(http, https, trusting, folder / "access.log")
        finally:
            process.terminate()
            process.wait(10)


def free_ports(number: int) -> list[int]:
    held = [socket.socket() for _ in range(number)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with visit(Memory()) as site, proxy(tmp_path_factory.mktemp("nginx"), site.base_url.port or 0) as running:
        yield running


def test_h10_http_leads_to_https_in_one_hop_for_good(front: Proxy) -> None:
    answer, _ = front.ask(f"{FEED}?level=2", secure=False)
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{HOST}{FEED}?level=2"
    answer, body = front.ask(f"{FEED}?level=2")
    assert (answer.status, body[:15]) == (200, b"BEGIN:VCALENDAR")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_h12_both_kinds_of_address_answer(front: Proxy) -> None:
    for address in ("127.0.0.1", "::1"):
        assert front.ask(FEED, address=address)[0].status == 200
        assert front.ask(FEED, address=address, secure=False)[0].status == 301


def test_conditions_and_encodings_come_through(front: Proxy) -> None:
    plain, whole = front.ask(FEED)
    packed, small = front.ask(FEED, {"Accept-Encoding": "gzip"})
    assert (packed.headers["Content-Encoding"], gzip.decompress(small)) == ("gzip", whole)
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for asked in ({}, {"Accept-Encoding": "gzip"}):
        tag = front.ask(FEED, asked)[0].headers["ETag"]
        answer, body = front.ask(FEED, {**asked, "If-None-Match": tag})
        assert (answer.status, body, answer.headers["ETag"]) == (304, b"", tag)
    assert plain.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert plain.headers["Cache-Control"] == "max-age=900, stale-if-error=86400"


def test_the_proxy_writes_no_address_down_that_can_be_used(front: Proxy) -> None:
    for path in (f"/unsubscribe/{TOKEN}", f"/you/{TOKEN}", f"/my/{TOKEN}/dates.ics"):
        front.ask(path)
        front.ask(path, secure=False)
    front.ask("/past")
    for _ in range(200):  # a request is written down after its answer has left
        if "/past" in front.log.read_text():
            break
        time.sleep(0.05)
    written = front.log.read_text()
    assert "/past" in written
    assert TOKEN not in written


def test_feeds_go_on_while_the_service_is_away(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with proxy(tmp_path, port) as front:
        assert front.ask(FEED)[0].status == 502, "nobody has asked yet, and nobody is there"
        with visit(Memory(), port=port):
            _, whole = front.ask(FEED)
            _, packed = front.ask(FEED, {"Accept-Encoding": "gzip"})
        time.sleep(1.2)  # what is kept is old by now
        for _ in range(3):
            answer, body = front.ask(FEED)
            assert (answer.status, body) == (200, whole)
            assert front.ask(FEED, {"Accept-Encoding": "gzip"})[1] == packed
            assert front.ask(FEED, {"If-None-Match": answer.headers["ETag"]})[0].status == 304
