"""Who fetched which personal feed last, and with what: gathered in memory and written down now and then."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from reminders.clock import Clock
from reminders.web.reading import Fetch, Reader

LOG = logging.getLogger(__name__)
EVERY = 20.0
"""Seconds between writings: calendars are fetched in bursts on the full hour."""
BROWSER = "a browser"
PROGRAMS = (
    (b"google", "Google"),
    (b"thunderbird", "Thunderbird"),
    (b"evolution", "GNOME"),
    (b"gnome", "GNOME"),
    (b"icsx5", "ICSx5"),
    (b"nextcloud", "Nextcloud"),
    (b"vdirsyncer", "vdirsyncer"),
    (b"home assistant", "Home Assistant"),
    (b"homeassistant", "Home Assistant"),
    (b"outlook", "Outlook"),
    (b"microsoft", "Outlook"),
    (b"exchange", "Outlook"),
    (b"mozilla/", BROWSER),  # browsers name the system that Apple's own programs are known by
    (b"ios/", "iPhone or iPad"),
    (b"dataaccessd", "iPhone or iPad"),
    (b"calendaragent", "Apple Calendar"),
    (b"macos", "Apple Calendar"),
    (b"mac os x", "Apple Calendar"),
)
"""Marks of programs in their User-Agent, in the order in which they are looked for."""
OTHER = "another program"


def client(user_agent: bytes) -> str:
    """The kind of program by its User-Agent; nothing else of it is kept, as it can tell one person from another."""
    said = user_agent.lower()
    return next((name for mark, name in PROGRAMS if mark in said), OTHER)


class Fetches:
    """The last fetch of each personal feed since they were last written down. Lives in the server's loop."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self.reader = reader
        self.clock = clock
        self._noted: dict[int, Fetch] = {}

    def note(self, personal: int, user_agent: bytes, seen_at: datetime | None) -> None:
        """That a personal feed was fetched just now, as it was published at `seen_at`.

        What a person looks at in a browser is no calendar that has seen it.
        """
        program = client(user_agent)
        if program != BROWSER:
            self._noted[personal] = Fetch(personal, program, self.clock.now(), seen_at)

    async def write(self) -> None:
        """Write down what was noted; what cannot be written now is tried again later."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            await asyncio.to_thread(self.reader.fetched, list(noted.values()))
        except Exception:
            LOG.exception("the last fetches of personal feeds cannot be written down")
            self._noted = noted | self._noted

    async def keep_writing(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()
