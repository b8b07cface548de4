"""Word to the operator by mail: what wants a person, beside the log and `/readyz`, which say it too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from reminders.errors import DeliveryError
from reminders.jobs.service import Service
from reminders.mail.envelope import Envelope, Transport
from reminders.mail.notes import note

LOG = logging.getLogger(__name__)


async def tell_operator(
    service: Service, transport: Transport, subject: str, lines: Sequence[str], now: datetime
) -> bool:
    """Mail the operator, if there is an address. True when the relay took it; that it did not is logged, no more.

    Whoever calls it sends nothing else through the transport meanwhile. It is not counted against the rate: it must be
    rare. Nothing of it is stored: what it tells stands in the outbox, and in the log.
    """
    to = service.settings.operator
    if not to:
        return False
    sender = service.sender()
    try:
        data = note(sender, to, subject, lines, now)
        await transport.send(data, Envelope(sender.mail_from, to), _go, lambda: True)
    except DeliveryError as error:
        LOG.error("the operator could not be told by mail (%s): %s", error, subject)
        return False
    finally:
        await transport.close()
    return True


async def _go() -> bool:
    return True
