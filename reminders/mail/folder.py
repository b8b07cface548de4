"""Messages into a folder, as ``.eml`` files that any mail program opens: for trying out, and for the demo."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import unicodedata
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from email.utils import parsedate_to_datetime
from pathlib import Path

from reminders.errors import DeliveryError, Verdict
from reminders.mail.envelope import Accepted, Envelope, NotStarted, Started, Still


class FolderTransport:
    """Writes each message to a file of its own, whole or not at all, readable by its owner only.

    A file is named after what does not change when a message is sent again: ``<date>-<time>-<subject>-<id>.eml``,
    date and time (UTC) from the Date header, ``<id>`` from the Message-ID. So a second try replaces the first file.
    """

    width = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self) -> None:
        """Make the folder. Raises DeliveryError("connect") when that cannot be done."""
        try:
            await asyncio.to_thread(self._path.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryError("connect", 0, f"{self._path}: {error.strerror}", Verdict.PAUSE) from error

    async def send(self, data: bytes, envelope: Envelope, started: Started, still: Still) -> Accepted:
        """Write one message. Raises NotStarted, or DeliveryError when it could not be written."""
        await self.open()
        if not (await started() and still()):
            raise NotStarted(f"the message to be written to {self._path} was stopped")
        try:
            name = await asyncio.to_thread(self._write, data)
        except OSError as error:
            raise DeliveryError("data", 0, f"{self._path}: {error.strerror}", Verdict.RETRY) from error
        return Accepted(f"written to {name}")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, data: bytes) -> str:
        name = _name(data)
        draft = self._path / f".{name}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path / name)
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return name


def _name(data: bytes) -> str:
    headers = BytesParser(EmailMessage, policy=SMTP).parsebytes(data, headersonly=True)
    at = parsedate_to_datetime(str(headers["Date"]))
    plain = unicodedata.normalize("NFKD", str(headers["Subject"])).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60].strip("-")
    mark = hashlib.sha256(str(headers["Message-ID"]).encode()).hexdigest()[:8]
    return f"{at:%Y-%m-%d-%H%M}-{slug or 'mail'}-{mark}.eml"
