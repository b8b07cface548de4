"""The demo's outbox: mails in a folder, to look at. Never part of a real service, whose mails are private."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from reminders.catalogue import wording, zones
from reminders.catalogue.dates import Precision, When
from reminders.web.pages import Pages

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-top-navigation-by-user-activation"
)
"""A mail brings its own styles, and may do nothing else."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail as the list shows it. `sent` is its date in words."""

    file: str
    sent: str
    to: str
    subject: str


class Letters:
    """A list of the ``.eml`` files in a folder, newest first, and each as text and as HTML; times local to `zone`."""

    def __init__(self, folder: Path, pages: Pages, zone: str) -> None:
        self.folder = folder
        self.pages = pages
        self.zone = zone

    def routes(self) -> list[Route]:
        """Where they are found."""
        return [
            Route("/letters/", self.all),
            Route("/letters/{file}", self.one),
            Route("/letters/{file}/html", self.html),
        ]

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
            letter=self._letter(file, message),
            headers_shown=[(name, str(value).strip()) for name, value in message.items()],
            text=text.get_content() if text is not None else "",
        )

    async def html(self, request: Request) -> Response:
        """The HTML part alone. Its links open in the whole window, where the mail's own rules do not bind them."""
        message = await asyncio.to_thread(self._read, request.path_params["file"])
        part = message.get_body(("html",))
        if part is None:
            raise HTTPException(404)
        body: str = part.get_content()
        body = body.replace("<head>", '<head><base target="_top">', 1)
        return HTMLResponse(body, headers={"Content-Security-Policy": MAIL_POLICY})

    def _list(self) -> list[Letter]:
        return [self._letter(name, self._parsed(name)) for name in sorted(self._names(), reverse=True)]

    def _names(self) -> set[str]:
        return {path.name for path in self.folder.glob("*.eml")}

    def _read(self, file: str) -> EmailMessage:
        """The mail in a file of the folder itself; 404 for any other name."""
        if file not in self._names():
            raise HTTPException(404)
        return self._parsed(file)

    def _parsed(self, file: str) -> EmailMessage:
        return BytesParser(EmailMessage, policy=policy.default).parsebytes((self.folder / file).read_bytes())

    def _letter(self, file: str, message: EmailMessage) -> Letter:
        sent, to, subject = (str(message[name] or "").strip() for name in ("Date", "To", "Subject"))
        return Letter(file, self._words(sent), to, subject)

    def _words(self, date: str) -> str:
        try:
            instant = parsedate_to_datetime(date)
        except (ValueError, OverflowError):
            return date
        day = zones.local(instant, self.zone).date()
        return wording.words(When("", self.zone, Precision.INSTANT, day, day, instant, instant))
