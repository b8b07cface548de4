"""Bytes that are ready to be served: compressed and named once, compared for every request (RFC 9110)."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus

from starlette.types import Scope, Send

from reminders.web.guard import Headers, protecting

WHOLE = "reminders.whole"
"""The extension of ASGI by which `server.Connection` takes an answer as bytes: uvicorn looks at each field each time,
which is half of what a feed costs."""
_ASKED = frozenset((b"accept-encoding", b"if-none-match", b"if-modified-since"))
"""The fields that are looked at."""
_USUAL = frozenset((b"gzip", b"gzip, deflate", b"gzip, deflate, br", b"gzip, deflate, br, zstd", b"br, gzip"))
"""What calendar programs and browsers say that take gzip."""

LARGE = 1_000_000
"""Bytes from which on a body is packed in a third of the time rather than a tenth smaller."""


@dataclass(frozen=True, slots=True)
class _Form:
    """The bytes in one encoding: a strong tag of their own, and the heads of 200 and 304."""

    body: bytes
    tag: bytes
    found: _Head
    unchanged: _Head


@dataclass(frozen=True, slots=True)
class _Head:
    """Status and header fields; the same as bytes, for who can send them so."""

    status: int
    fields: Headers
    raw: bytes

    @classmethod
    def of(cls, status: int, fields: Headers) -> _Head:
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
        return cls(status, fields, b"\r\n".join([first, *(name + b": " + value for name, value in fields)]))


@dataclass(frozen=True, slots=True)
class Ready:
    """One resource in the encodings it is served in. Made by `prepare`, which is the slow part."""

    plain: _Form
    packed: _Form
    last_modified: datetime | None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, heads and all."""
        return len(self.plain.body) + len(self.packed.body) + 8_000


def prepare(
    body: bytes,
    *,
    type: str,
    cache: str,
    last_modified: datetime | None,
    secure: bool,
    file_name: str = "",
    private: bool = False,
    shared: bool = False,
    pack: bool = True,
    packed: bytes = b"",
) -> Ready:
    """Make bytes ready, with every field that an answer has but ``Date``: nothing is added to it on its way.

    `last_modified` is UTC in whole seconds; without it only the tag tells whether the bytes are still the same.
    `file_name`, if any, must be of ``[a-z0-9.-]``; `secure` is that of `guard.protecting`. What is `private` must not
    be found by search engines. `shared`: scripts of any other site may read them (the Fetch standard's CORS), which is
    right for what is public and the same for everybody. Without `pack`, which takes longest, everybody gets it plain;
    `packed` is what packing it came to before.
    """
    name = hashlib.sha256(body).hexdigest()[:32]
    common = [("cache-control", cache), ("vary", "accept-encoding")]
    if last_modified is not None:
        common.append(("last-modified", format_datetime(last_modified.astimezone(UTC), usegmt=True)))
    if private:
        common.append(("x-robots-tag", "noindex, nofollow"))
    if shared:
        common.append(("access-control-allow-origin", "*"))
    shown = [("content-type", type)]
    if file_name:
        shown.append(("content-disposition", f'inline; filename="{file_name}"'))
    guarding = protecting(secure=secure)

    def form(data: bytes, tag: str, more: Iterable[tuple[str, str]] = ()) -> _Form:
        unchanged = _encode([("etag", tag), *common]) + guarding
        found = unchanged + _encode([*shown, *more, ("content-length", str(len(data)))])
        return _Form(data, tag.encode(), _Head.of(200, found), _Head.of(304, unchanged))

    plain = form(body, f'"{name}"')
    if not pack:
        return Ready(plain, plain, last_modified)
    # The time of packing must not show in the bytes.
    packed = packed or gzip.compress(body, 6 if len(body) < LARGE else 1, mtime=0)
    return Ready(plain, form(packed, f'"{name}-gzip"', [("content-encoding", "gzip")]), last_modified)


async def answer(ready: Ready, scope: Scope, send: Send) -> None:
    """Serve it: 200, or 304 to whoever already has these bytes; anything but GET and HEAD is 405.

    Nothing of the request but the method, the encodings and the conditions is looked at: calendar programs send
    strange ``Accept`` and ``Authorization`` fields, or none.
    """
    method: str = scope["method"]
    if method not in ("GET", "HEAD"):
        await refuse_method(send)
        return
    fields: dict[bytes, bytes] = {}
    for field, value in scope["headers"]:
        if field in _ASKED:  # one sent twice is a list in two parts (RFC 9110, 5.2)
            fields[field] = fields[field] + b"," + value if field in fields else value
    form = ready.packed if _takes_gzip(fields.get(b"accept-encoding", b"")) else ready.plain
    unchanged = fields.get(b"if-none-match") == form.tag or _has(form.tag, ready.last_modified, fields)
    body = b"" if unchanged or method == "HEAD" else form.body
    head = form.unchanged if unchanged else form.found
    whole = scope.get("extensions", {}).get(WHOLE)
    if whole is None or not whole(scope, head.raw, body):
        await send({"type": "http.response.start", "status": head.status, "headers": head.fields})
        await send({"type": "http.response.body", "body": body})


async def refuse_method(send: Send) -> None:
    """405: calendar programs try PROPFIND, PUT and OPTIONS, and take any other refusal for a failed log-in."""
    await refuse(405, "Only GET and HEAD are answered here.", send, ("allow", "GET, HEAD"))


async def refuse(status: int, words: str, send: Send, *more: tuple[str, str]) -> None:
    """A refusal in a line of text."""
    body = f"{words}\n".encode()
    plain = [*more, ("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))]
    await send({"type": "http.response.start", "status": status, "headers": _encode(plain)})
    await send({"type": "http.response.body", "body": body})


def _has(tag: bytes, last_modified: datetime | None, fields: dict[bytes, bytes]) -> bool:
    """Whether the asker already has it. Tags win over times, and are compared weakly (RFC 9110, 13.1.2 and 13.2.2)."""
    tags = fields.get(b"if-none-match")
    if tags is not None:
        return (
            tags == tag
            or tags.strip() == b"*"
            or tag in [each.strip().removeprefix(b"W/") for each in tags.split(b",")]
        )
    since = fields.get(b"if-modified-since")
    if since is None or last_modified is None:
        return False
    try:
        moment = parsedate_to_datetime(since.decode("latin-1"))
    except (ValueError, OverflowError):
        return False
    return moment.tzinfo is not None and last_modified <= moment


def _takes_gzip(accepted: bytes) -> bool:
    if accepted in _USUAL:
        return True
    weights: dict[bytes, bool] = {}
    for part in accepted.lower().split(b","):
        name, _, weight = part.partition(b";")
        weights[name.strip()] = weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return weights.get(b"gzip", weights.get(b"*", False))


def _encode(headers: Iterable[tuple[str, str]]) -> Headers:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
