"""The demo's outbox: mails in a folder, to look at. Never part of a real service, whose mails are private."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, Router

from reminders.web.pages import Pages

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-top-navigation-by-user-activation"
)
"""A mail brings its own styles, and may do nothing else."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail as the list shows it."""

    file: str
    date: str
    to: str
    subject: str


class Letters(Router):
    """A list of the ``.eml`` files in a folder, newest first, and each as text and as HTML."""

    def __init__(self, folder: Path, pages: Pages) -> None:
        self.folder = folder
        self.pages = pages
        super().__init__(
            [Route("/", self.all), Route("/{file}/html", self.html), Route("/{file}", self.one)],
            redirect_slashes=False,
        )

    async def all(self, request: Request) -> Response:
        found = await asyncio.to_thread(self._list)
        return self.pages.render("letters.html.j2", request, found=found)

    async def one(self, request: Request) -> Response:
        file: str = request.path_params["file"]
        message = await asyncio.to_thread(self._read, file)
        text = message.get_body(("plain",))
        return self.pages.render(
            "letter.html.j2",
            request,
            letter=_letter(file, message),
            headers_shown=[(name, str(value)) for name, value in message.items()],
            text=text.get_content() if text is not None else "",
        )

    async def html(self, request: Request) -> Response:
        message = await asyncio.to_thread(self._read, request.path_params["file"])
        part = message.get_body(("html",))
        if part is None:
            raise HTTPException(404)
        return HTMLResponse(part.get_content(), headers={"Content-Security-Policy": MAIL_POLICY})

    def _list(self) -> list[Letter]:
        names = sorted((path.name for path in self.folder.glob("*.eml")), reverse=True)
        return [_letter(name, self._read(name)) for name in names]

    def _read(self, file: str) -> EmailMessage:
        """The mail in a file of the folder itself; 404 for any other name."""
        if file not in {path.name for path in self.folder.glob("*.eml")}:
            raise HTTPException(404)
        message = message_from_bytes((self.folder / file).read_bytes(), policy=policy.default)
        if not isinstance(message, EmailMessage):
            raise TypeError("the default policy makes another kind of message")
        return message


def _letter(file: str, message: EmailMessage) -> Letter:
    return Letter(file, str(message["Date"] or ""), str(message["To"] or ""), str(message["Subject"] or ""))
