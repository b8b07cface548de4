"""The heartbeat: an address that is fetched while all goes well, so that somebody else notices when it is not."""

from __future__ import annotations

import logging
import time
from http.client import HTTPException
from threading import Thread
from urllib.request import HTTPRedirectHandler, Request, build_opener

LOG = logging.getLogger(__name__)
EVERY = 60.0
"""Seconds between two fetches at least."""
DEADLINE = 10.0
"""Seconds to wait for the other side, at each step."""


class Heartbeat:
    """Fetches `url` ("" for none) by GET, in a thread of its own: whatever the other side does, nothing waits for it.

    One at a time. A proxy that the environment names (`https_proxy`) is used; redirects are not followed, since a page
    that says "moved" has noted nothing.
    """

    def __init__(self, url: str, every: float = EVERY) -> None:
        self._url = url
        self._every = every
        self._begun = float("-inf")
        self._fetching: Thread | None = None
        self._words = ""

    @property
    def due(self) -> bool:
        """Whether a beat would be sent."""
        return bool(self._url) and time.monotonic() - self._begun >= self._every

    def beat(self) -> None:
        """Fetch the address, if that is due. Returns at once; that it could not be fetched is logged once."""
        if not self.due:
            return
        self._begun = time.monotonic()
        if self._fetching is not None and self._fetching.is_alive():  # a word now and then, and never an end
            self._tell("the last one has not been answered yet")
            return
        self._fetching = Thread(target=self._fetch, name="heartbeat", daemon=True)
        self._fetching.start()

    def _fetch(self) -> None:
        try:
            asked = Request(self._url, headers={"User-Agent": "reminders"})  # noqa: S310  # the settings take http and https only
            with build_opener(_Stay).open(asked, timeout=DEADLINE):
                pass
        except (OSError, HTTPException, ValueError) as error:
            self._tell(str(error) or type(error).__name__)
        else:
            self._tell("")

    def _tell(self, words: str) -> None:
        """Log a change; `words` say what is wrong, "" that nothing is."""
        if words and not self._words:
            LOG.warning("the heartbeat is not taken: %s", words)
        elif self._words and not words:
            LOG.info("the heartbeat is taken again")
        self._words = words


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Go nowhere: the answer then counts as an error."""
