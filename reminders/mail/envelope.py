"""What a message needs besides its bytes: addresses as the wire wants them, and what a transport promises.

`smtp` and `folder` are the two transports. Both take the finished bytes of one message for one recipient.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import idna

from reminders.errors import RemindersError

Started = Callable[[], Awaitable[bool]]
"""Asked once the recipient is accepted and before any of the message is handed over; False stops it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has taken responsibility for the message (RFC 5321, 6.1); `reply` is its answer."""

    reply: str


class NotStarted(RemindersError):
    """`started` said no: nothing of the message was handed over, and nobody was mailed."""


class Transport(Protocol):
    """Takes messages, one at a time, each for one recipient."""

    async def send(self, data: bytes, sender: str, recipient: str, started: Started) -> Accepted:
        """Hand over one message; raises `NotStarted` or `DeliveryError`."""

    async def close(self) -> None:
        """Say goodbye; never raises."""


def ascii_domain(address: str) -> str:
    """The address with its domain as DNS has it (RFC 5890 A-labels); the part before the ``@`` is left alone.

    Raises ValueError for what cannot be one plain address.
    """
    local, at, domain = address.rpartition("@")
    if not local or not at or not domain or not address.isprintable() or any(c in ' <>,;:"\\' for c in address):
        raise ValueError(f"not one plain address: {address!r}")
    if domain.isascii():
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except idna.IDNAError as error:
        raise ValueError(f"the domain of {address!r} is not valid: {error}") from error
