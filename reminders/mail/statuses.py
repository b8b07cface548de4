"""What the status of a failed delivery says about an address (RFC 3463, and its registry at IANA)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dead:
    """A status that means: no mail will ever arrive at this address. With `words`, only where they are said too."""

    status: str
    meaning: str
    source: str
    words: str = ""


DEAD = (
    Dead("5.1.1", "no such mailbox", "RFC 3463, 3.2"),
    Dead("5.1.2", "no such domain", "RFC 3463, 3.2"),
    Dead("5.1.3", "the address is not well formed", "RFC 3463, 3.2"),
    Dead("5.1.6", "the mailbox has moved and left no address", "RFC 3463, 3.2"),
    Dead("5.1.10", "the domain takes no mail (null MX); Exchange: no such recipient", "RFC 7505, 4.2; Exchange Online"),
    Dead("5.2.1", "the mailbox is disabled", "RFC 3463, 3.3"),
    Dead("5.4.1", "no such recipient, as Exchange Online says it at its edge", "Exchange Online", "recipient address"),
    Dead("5.4.4", "the domain has no host that takes mail", "RFC 3463, 3.5"),
)
"""Everything else is no fault of the address, or not surely: a full mailbox (5.2.2), a message that is too big or not
liked (5.2.3, 5.3.x, 5.6.x), a loop (5.4.6), policy and reputation (5.7.x), and what names no cause (5.0.0, 5.1.0)."""


def find_status(text: str) -> str:
    """The first enhanced status code in a text, or ""."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def is_dead(status: str, words: str) -> bool:
    """Whether a permanent failure with this status, explained by these words, is the address's own."""
    return any(status == each.status and each.words in words.lower() for each in DEAD)
