"""H1 to H12: what calendar programs need of HTTP, by number, on every address that gives a calendar.

The numbers are this project's. H9 (tokens refused alike), and what is served while the database is away, are proved
elsewhere; H10 to H12 are the proxy's in part, and `test_proxy.py` has the one of docs/operating.md.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse

import httpx2
import pytest

from reminders.web.reading import Personal
from tests.edges.site import TEMPLATES, Memory, visit

MINE = "x" * 40
PUBLIC_FEED, SINGLE, PERSONAL = (
    "/feeds/leadership.ics",
    "/events/leadership-fellows-2019.ics",
    f"/my/{MINE}/dates.ics",
)
ANY = "any"
"""Of a field that must be there, whatever it says."""


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement: when asked so, answer with this status and these fields (None: with no such field)."""

    number: str
    says: str
    method: str = "GET"
    asked: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    fields: Mapping[str, str | None] = field(default_factory=dict)
    path: str = ""
    """Of a row about one address; others are about all."""

    def __str__(self) -> str:
        return f"{self.number} {self.says}"


KEPT, KEPT_BY_NOBODY = "max-age=900, stale-if-error=86400", "private, max-age=0, must-revalidate"
NO_LOG_IN = {"Allow": "GET, HEAD", "WWW-Authenticate": None}
NO_BODY = {"Content-Length": None, "Content-Type": None, "ETag": ANY, "Last-Modified": ANY, "Vary": "accept-encoding"}
TABLE = [
    Row("H1", "is a calendar, and in which letters", fields={"Content-Type": "text/calendar; charset=utf-8"}),
    Row("H1", "has a file name", fields={"Content-Disposition": 'inline; filename="leadership.ics"'}, path=PUBLIC_FEED),
    Row("H2", "HEAD, the first thing Thunderbird asks", "HEAD", fields={"Content-Length": ANY, "ETag": ANY}),
    Row("H2", "PROPFIND, the third", "PROPFIND", {"Depth": "0"}, 405, NO_LOG_IN),
    Row("H2", "PUT, the fourth: 409 and 412 would be believed", "PUT", {"If-Match": "nothing"}, 405, NO_LOG_IN),
    Row("H2", "OPTIONS", "OPTIONS", {}, 405, NO_LOG_IN),
    Row("H2", "REPORT", "REPORT", {"Depth": "1"}, 405, NO_LOG_IN),
    Row("H2", "POST", "POST", {}, 405, NO_LOG_IN),
    Row("H2", "DELETE", "DELETE", {"If-Match": "*"}, 405, NO_LOG_IN),
    Row("H2", "a method nobody knows", "BREW", {}, 400, {"Connection": "close"}),
    Row("H3", "has a tag and a time", fields={"ETag": ANY, "Last-Modified": ANY}),
    Row("H3", "the tag is known", asked={"If-None-Match": "{tag}"}, status=304, fields=NO_BODY),
    Row("H3", "the tag is known, compared weakly", asked={"If-None-Match": "W/{tag}"}, status=304, fields=NO_BODY),
    Row("H3", "a list of tags", asked={"If-None-Match": '"a", W/"b" ,{tag}'}, status=304, fields=NO_BODY),
    Row("H3", "any tag", asked={"If-None-Match": " * "}, status=304, fields=NO_BODY),
    Row("H3", "the tag of the other encoding", asked={"If-None-Match": "{tag}", "Accept-Encoding": "gzip"}),
    Row("H3", "another tag", asked={"If-None-Match": '"a"'}),
    Row("H3", "the tag without its quotes", asked={"If-None-Match": "{bare}"}),
    Row("H3", "a tag with a comma", asked={"If-None-Match": '"a,b'}),
    Row("H3", "the time is known", asked={"If-Modified-Since": "{time}"}, status=304, fields=NO_BODY),
    Row("H3", "the tag wins", asked={"If-None-Match": '"a"', "If-Modified-Since": "{time}"}),
    *(
        Row("H3", f"no time: {bad[:30]}", asked={"If-Modified-Since": bad})
        for bad in ("", "never", "0", "2018-11-23", "Fri, 99 Nov 2018 09:00:00 GMT", "1" * 5_000, "\xff\xfe")
    ),
    Row("H4", "may be kept for a while", fields={"Cache-Control": KEPT}, path=PUBLIC_FEED),
    Row("H4", "a person's is asked for anew", fields={"Cache-Control": KEPT_BY_NOBODY}, path=PERSONAL),
    Row("H4", "says what caches need", fields={"Vary": "accept-encoding", "Date": ANY, "Content-Length": ANY}),
    Row("H4", "what is had is not sent", asked={"Cache-Control": "no-cache", "If-None-Match": "{tag}"}, status=304),
    Row("H4", "parts are not given", asked={"Range": "bytes=0-9"}, fields={"Content-Range": None}),
    Row("H5", "gzip", asked={"Accept-Encoding": "gzip"}, fields={"Content-Encoding": "gzip"}),
    Row("H5", "gzip rather than br", asked={"Accept-Encoding": "br, gzip, zstd"}, fields={"Content-Encoding": "gzip"}),
    Row("H5", "as it is to who takes no gzip", asked={"Accept-Encoding": "br"}, fields={"Content-Encoding": None}),
    Row("H6", "no Accept, as Google", asked={}),
    *(
        Row("H6", f"Accept: {odd[:30]}", asked={"Accept": odd})
        for odd in ("", "application/json", "text/html;q=1, */*;q=0", ",;=", "\xff", "a/" + "b" * 5_000)
    ),
    *(
        Row("H7", f"Authorization: {odd[:30]}", asked={"Authorization": odd}, fields={"WWW-Authenticate": None})
        for odd in ("Bearer", "Bearer x.y.z", "Basic !", "Negotiate YII=", "Digest ", "\xff", "x" * 20_000)
    ),
    Row("H8", "a person's is not for search engines", fields={"X-Robots-Tag": "noindex, nofollow"}, path=PERSONAL),
    Row("H8", "all others are", fields={"X-Robots-Tag": None}, path=PUBLIC_FEED),
    Row("H11", "https is to be kept to", fields={"Strict-Transport-Security": "max-age=31536000"}),
    Row("-", "strange fields", asked={"X-": "", "X-Long": "x" * 30_000, "Cookie": "a=b", "Expect": "nothing"}),
    Row("-", "an upgrade that is not taken", asked={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}),
    Row("-", "a web socket", asked={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Iterator[httpx2.Client]:
    memory = Memory()
    memory.give(MINE, Personal(1, "mine"))
    with visit(memory) as client:
        yield client


def asked(site: httpx2.Client, method: str, path: str, fields: Mapping[str, str]) -> tuple[HTTPResponse, bytes]:
    """The answer to exactly these fields."""
    lines = [f"{method} {path} HTTP/1.1", "Host: dates.example.org", *(f"{name}: {it}" for name, it in fields.items())]
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")
    with socket.create_connection((site.base_url.host, site.base_url.port or 80), timeout=10) as client:
        client.sendall(request)
        answer = HTTPResponse(client, method=method)
        answer.begin()
        return answer, answer.read()


@pytest.mark.parametrize(
    ("row", "path"),
    [(row, path) for row in TABLE for path in (PUBLIC_FEED, SINGLE, PERSONAL) if row.path in ("", path)],
    ids=str,
)
def test_the_requirement_holds(site: httpx2.Client, row: Row, path: str) -> None:
    usual, whole = asked(site, "GET", path, {})
    tag, moment = usual.headers["ETag"], usual.headers["Last-Modified"]
    fields = {
        name: it.replace("{tag}", tag).replace("{bare}", tag.strip('"')).replace("{time}", moment)
        for name, it in row.asked.items()
    }
    answer, body = asked(site, row.method, path, fields)
    assert answer.status == row.status
    for name, it in row.fields.items():
        given = answer.headers[name]
        assert given is not None if it == ANY else given == it, name
    if row.status == 200 and row.method == "GET" and answer.headers["Content-Encoding"] is None:
        assert body == whole
        assert body.startswith(b"BEGIN:VCALENDAR\r\n")
    elif row.status == 304 or row.method == "HEAD":
        assert body == b""


@pytest.mark.parametrize("path", [PUBLIC_FEED, SINGLE, PERSONAL])
def test_old_http_is_answered_and_the_connection_closed(site: httpx2.Client, path: str) -> None:
    with socket.create_connection((site.base_url.host, site.base_url.port or 80), timeout=10) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())  # no Host either
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == 200
        assert answer.read().endswith(b"END:VCALENDAR\r\n")
        assert client.recv(1) == b""


def test_many_requests_at_once_are_answered_in_their_order(site: httpx2.Client) -> None:
    _, whole = asked(site, "GET", PUBLIC_FEED, {})
    one = f"GET {PUBLIC_FEED} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    other = b"PROPFIND " + one[4:]
    with socket.create_connection((site.base_url.host, site.base_url.port or 80), timeout=10) as client:
        client.sendall((one + other) * 3)
        reader = client.makefile("rb")
        for number in range(6):
            status = reader.readline().split()[1]
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = reader.read(length)
            assert (status, body == whole) == ((b"200", True) if number % 2 == 0 else (b"405", False))


def test_a_connection_goes_on_after_an_upgrade_that_is_not_taken(site: httpx2.Client) -> None:
    """curl and Java's client ask for HTTP/2 this way, and go on with HTTP/1.1."""
    upgrade = f"GET {PUBLIC_FEED} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    with socket.create_connection((site.base_url.host, site.base_url.port or 80), timeout=10) as client:
        for _ in range(2):
            client.sendall(upgrade.encode())
            answer = HTTPResponse(client)
            answer.begin()
            assert (answer.status, answer.read()[-15:]) == (200, b"END:VCALENDAR\r\n")


@pytest.mark.parametrize("path", ["/feeds/none.ics", "/feeds/", "/feeds/leadership", "/my/none/dates.ics", "/my/"])
def test_h9_what_is_not_there_is_not_found_and_as_well_guarded(site: httpx2.Client, path: str) -> None:
    there, absent = site.get(PUBLIC_FEED), site.get(path)
    assert absent.status_code == 404
    guarding = [
        name for name in there.headers if name.startswith(("content-security", "cross-", "referrer", "x-", "strict"))
    ]
    assert len(guarding) == 5
    for name in guarding:
        assert absent.headers[name] == there.headers[name]


@pytest.mark.parametrize("path", [PUBLIC_FEED, SINGLE, PERSONAL])
def test_h10_nothing_is_redirected_from_here(site: httpx2.Client, path: str) -> None:
    for near in (path, f"{path}/", path.replace("/", "//", 1), path.upper(), path.removesuffix(".ics")):
        for scheme in ("http", "https"):
            answer, _ = asked(site, "GET", near, {"X-Forwarded-Proto": scheme})
            assert answer.status in (200, 404)
            assert answer.headers["Location"] is None


def test_h11_the_address_with_https_is_shown_before_webcal(site: httpx2.Client) -> None:
    page = site.get("/calendars?feed=leadership").text
    assert 0 < page.index("https://dates.example.org/feeds/") < page.index("webcal://dates.example.org/feeds/")
    assert "webcals:" not in "".join(each.read_text() for each in TEMPLATES.glob("*.j2"))
