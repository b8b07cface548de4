"""Everybody's mail carries marks that are nobody else's: what must hold of every message, wherever it is seen.

A person's name, address and links all hold their number, so that a foreign one betrays itself wherever it stands. The
checks take bytes as they came over the wire, and know nothing of how they were made.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from email.header import decode_header, make_header
from email.utils import getaddresses

from reminders.planning.subscribers import Subscriber
from tests.builders import subscriber

_MARK = re.compile(r"canary(\d+)x", re.IGNORECASE)
LONGEST = 998
"""Octets of a line without its end (RFC 5322, 2.1.1)."""


def mark(number: int) -> str:
    """What is this person's only."""
    return f"canary{number}x"


def person(number: int) -> Subscriber:
    """Somebody whose name and address say who they are."""
    names = (mark(number).title(), f"Zoë {mark(number)}", f"{mark(number)} O'Neil", f'"{mark(number)}", Dr', "")
    return subscriber(number, f"{mark(number)}@example.org", name=names[number % len(names)])


def link(number: int, page: str) -> str:
    """A link of theirs: of a length that varies, so that lines break elsewhere."""
    return f"https://dates.example.org/{page}/{mark(number)}{'A' * (number % 37)}"


def fields(data: bytes) -> list[tuple[str, str]]:
    """The fields of a message, names in small letters, unfolded and with their encoded words read."""
    head = data.partition(b"\r\n\r\n")[0].decode("utf-8")
    split = (field.partition(":") for field in re.split(r"\r\n(?![ \t])", head))
    return [(name.lower(), _words(value.replace("\r\n", "").strip())) for name, _, value in split]


def _words(value: str) -> str:
    return str(make_header(decode_header(value))) if "=?" in value else value


def faults(data: bytes, number: int) -> list[str]:
    """What is wrong with the message of this person; nothing, when all is well."""
    found = []
    head = fields(data)
    # Both parts are quoted-printable, and what is not is not changed by reading it as that.
    body = a2b_qp(data.partition(b"\r\n\r\n")[2]).decode("utf-8")
    read = "\n".join(value for _, value in head) + body + data.decode("latin-1")
    strangers = {int(each) for each in _MARK.findall(read)} - {number}
    if strangers:
        found.append(f"something of {strangers}")
    if not _MARK.search(body):
        found.append("nothing of its own recipient")
    names = [name for name, _ in head]
    if names.count("to") != 1:
        found.append(f"{names.count('to')} To")
    found += [name for name in names if name in ("cc", "bcc") or name.startswith("resent-")]
    to = [address for _, address in getaddresses([value for name, value in head if name == "to"])]
    if to != [f"{mark(number)}@example.org"]:
        found.append(f"To {to}")
    if max(map(len, data.split(b"\r\n"))) > LONGEST:
        found.append("a line that is too long")
    if not data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n"):
        found.append("a bare CR or LF")
    return found
