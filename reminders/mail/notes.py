"""A note to the operator: plain text, as the bytes that go over the wire. No template, and nobody's but theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from reminders.mail.envelope import ascii_domain
from reminders.mail.letter import Service

_POLICY = SMTP.clone(max_line_length=998, cte_type="7bit")  # no header is folded, so none is folded wrongly


def note(service: Service, to: str, subject: str, lines: Iterable[str], now: datetime) -> bytes:
    """The message: CRLF line ends, 7 bit. The same note gives the same bytes.

    Raises ValueError for an address that is none.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(service.mail_from_name, addr_spec=ascii_domain(service.mail_from))
    message["To"] = Address(addr_spec=ascii_domain(to))
    message["Subject"] = f"[{service.name}] {subject}"
    message["Date"] = now.astimezone(UTC)
    body = "\n".join(lines) + "\n"
    mark = hashlib.sha256("\x1f".join((to, subject, now.isoformat(), body)).encode()).hexdigest()
    message["Message-ID"] = f"<note-{mark[:32]}@{service.list_domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    message["X-Auto-Response-Suppress"] = "DR, RN, NRN, OOF, AutoReply"
    message.set_content(body, cte="quoted-printable")
    return message.as_bytes()
