"""What the tests of the mail server on the other side share: a message, how it is posted, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reminders.mail.envelope import Envelope
from reminders.mail.smtp import SmtpTransport

SENDER, RECIPIENT = "reminders@example.org", "amina@example.org"
DATA = b"From: reminders@example.org\r\nTo: amina@example.org\r\nSubject: x\r\n\r\nHello\r\n.dot\r\n..\r\n"


async def yes() -> bool:
    return True


async def post(
    by: SmtpTransport,
    to: str = RECIPIENT,
    *,
    data: bytes = DATA,
    id: str = "",
    started: Callable[[], Awaitable[bool]] = yes,
    still: Callable[[], bool] = lambda: True,
) -> str:
    """Hand over a message; the reply that accepts it."""
    return (await by.send(data, Envelope(SENDER, to, id), started, still)).reply
