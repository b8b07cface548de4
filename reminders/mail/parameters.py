"""The two commands that name sender and recipient, with the parameters that the server offers to take.

SIZE (RFC 1870), SMTPUTF8 and 8BITMIME (RFC 6531, RFC 6152), and delivery reports (RFC 3461; of an address beyond
ASCII, RFC 6533): who sent what is to be told of a failure or a delay, under the name the message has with us.
"""

from __future__ import annotations

import re
from collections.abc import Container

from reminders.mail.envelope import Envelope

ENVELOPE_ID = 100  # characters of an ENVID (RFC 3461, 4.4)
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_NOT_UTF8_XTEXT = re.compile(r"[^!-*,-<>-\[\]-~]")


def xtext(text: str) -> str:
    """ASCII text as a parameter takes it (RFC 3461, 4): ``+``, ``=`` and what is no printable character as ``+XX``."""
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def original_recipient(address: str) -> str:
    """An ORCPT (RFC 3461, 4.2): ``rfc822;`` and xtext, or ``utf-8;`` with ``\\x{…}`` (RFC 6533, 3)."""
    if address.isascii():
        return f"rfc822;{xtext(address)}"
    return "utf-8;" + _NOT_UTF8_XTEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


def mail_and_rcpt(envelope: Envelope, size: int, offered: Container[str]) -> tuple[bytes, bytes]:
    """The MAIL and RCPT commands of a message of `size` octets, without line end.

    `offered` are the server's extensions in lower case. The addresses have to be checked (`envelope.ascii_domain`).
    Raises ValueError for addresses that need SMTPUTF8 where it is not offered.
    """
    mail, rcpt = [f"MAIL FROM:<{envelope.sender}>"], [f"RCPT TO:<{envelope.recipient}>"]
    if "size" in offered:
        mail.append(f"SIZE={size}")
    if not (envelope.sender.isascii() and envelope.recipient.isascii()):
        if "smtputf8" not in offered:
            raise ValueError("needs SMTPUTF8, which the mail server does not offer")
        mail += ["SMTPUTF8", "BODY=8BITMIME"]
    if envelope.id and "dsn" in offered:
        mail.append("RET=HDRS")
        if len(envelope_id := xtext(envelope.id)) <= ENVELOPE_ID:
            mail.append(f"ENVID={envelope_id}")
        rcpt += ["NOTIFY=FAILURE,DELAY", f"ORCPT={original_recipient(envelope.recipient)}"]
    return " ".join(mail).encode(), " ".join(rcpt).encode()
