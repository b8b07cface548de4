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
Still = Callable[[], bool]
"""Asked right before the final dot, which makes the message the server's; False breaks it off."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whom a message is from and to, as the wire is told (RFC 5321, 2.3.1): two addresses.

    `id` is what delivery reports call the message by (RFC 3461, 4.4); "" asks for none.
    """

    sender: str
    recipient: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has taken responsibility for the message (RFC 5321, 6.1); `reply` is its answer."""

    reply: str


class NotStarted(RemindersError):
    """`started` or `still` said no: the server has not got the message, and nobody was mailed."""


class Transport(Protocol):
    """Takes messages, each for one recipient; `width` of them at once."""

    @property
    def width(self) -> int:
        """How many calls of `send` may be under way at the same time."""

    async def send(self, data: bytes, envelope: Envelope, started: Started, still: Still) -> Accepted:
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
