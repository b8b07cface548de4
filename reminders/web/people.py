"""Leaving: the pages that the links in mails point to (RFC 8058).

A GET changes nothing, because programs that check mails for danger follow every link. Any POST with a known token
takes its person out at once: the token is the authority, so no log-in, cookie or form secret is asked for.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from reminders.web.pages import Pages
from reminders.web.reading import Reader

MAX_BODY = 10_000
PRIVATE = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex, nofollow"}


class People:
    """The unsubscribe page. Answers to unknown, malformed and forgotten tokens are the same."""

    def __init__(self, reader: Reader, pages: Pages) -> None:
        self.reader = reader
        self.pages = pages

    async def unsubscribe(self, request: Request) -> Response:
        """GET asks, POST does. A mail program that posts for its user gets a line of text, a person a page."""
        token: str = request.path_params["token"]
        if request.method == "POST":
            one_click = b"One-Click" in await read_body(request)
            known = await asyncio.to_thread(self.reader.leave, token, "one-click" if one_click else "page")
            if not known:
                raise HTTPException(404)
            if one_click:
                return PlainTextResponse("Unsubscribed.\n", headers=PRIVATE)
            return self.pages.render("unsubscribe.html.j2", request, headers=PRIVATE, done=True, address="")
        person = await asyncio.to_thread(self.reader.subscriber_by_token, token)
        if person is None:
            raise HTTPException(404)
        return self.pages.render(
            "unsubscribe.html.j2",
            request,
            headers=PRIVATE,
            done=person.left_at is not None,
            address=_masked(person.address),
        )


async def read_body(request: Request) -> bytes:
    """What was posted, if it is no longer than a form with one field can be."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise HTTPException(413)
    return body


def _masked(address: str) -> str:
    """Enough for the owner to recognise: a mail may have been passed on."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
