"""Signed names of messages, by which what comes back says which message it is about.

Such an id is the envelope id (RFC 3461, 4.4), the part after the ``+`` of the envelope sender (VERP, a variable
envelope return path), and the value of `HEADER` in the message itself. Only the holder of the key can make one. Case
does not count, because some servers change that of local parts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from functools import lru_cache

HEADER = "X-Report-ID"
"""The header of a mail that holds its signed id: returned headers and complaints bring it back."""
LONGEST = 19 + 1 + 16
"""How many characters a signed id can have: of the greatest number, a hyphen, and 80 bits in base32."""
PATTERN = re.compile(r"(?<![0-9a-z])([1-9][0-9]{0,18})-([a-z2-7]{16})(?![a-z0-9])", re.ASCII | re.IGNORECASE)
"""What looks like a signed id."""


@lru_cache(maxsize=256)  # asked for the message and its envelope
def sign(key: bytes, id: int) -> str:
    """The signed id of a row of the outbox: its number, and a MAC of 80 bits of its own purpose."""
    made = hmac.new(key, f"report:{id}".encode(), hashlib.sha256).digest()[:10]
    return f"{id}-{base64.b32encode(made).decode('ascii').lower()}"


def verify(key: bytes, text: str) -> int | None:
    """The number of the first signed id in the text that was made with this key; None when there is none."""
    for found in PATTERN.finditer(text):
        if hmac.compare_digest(sign(key, int(found[1])), found[0].lower()):
            return int(found[1])
    return None


def sender(address: str, id: str) -> str:
    """The envelope sender of a message: the address that takes bounces, with the signed id."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{id}@{domain}"


def is_ours(key: bytes, address: str, given: str) -> bool:
    """Whether a recipient is the address that takes bounces, plain or with an id that this key signed."""
    if given.casefold() == address.casefold():
        return True
    local, _, domain = given.rpartition("@")
    base, _, id = local.rpartition("+")
    return f"{base}@{domain}".casefold() == address.casefold() and verify(key, id) is not None
