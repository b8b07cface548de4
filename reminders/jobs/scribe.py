"""Writes down what the messages in hand wait for, many at once: what comes while a commit runs goes into the next.

A commit that is on the disk takes as long as a message. So the fence before a message and its outcome are not written
one by one, but as they come together: alone while one message is under way, a dozen at a time while a dozen are. What
goes into a commit is taken up when its transaction has begun, so that what came while another worker had the database
is in it too. What was accepted goes into the journal first, beside the commits of others.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from reminders.clock import Clock, SystemClock
from reminders.jobs import clockwatch
from reminders.jobs.service import Service
from reminders.store import pauses, replay, reports, sending
from reminders.store.engine import TROUBLE
from reminders.store.journal import Sent, Unwritable
from reminders.store.sending import Ending, Message

SETTLING, PAUSE = 36, 5.0
"""How often to try to write down what became of messages, and the seconds between: three minutes."""
BROKEN = 3
"""The same for a database that is broken: what was accepted is in the journal, and found there."""

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Begun:
    messages: tuple[Message, ...]
    until: asyncio.Future[datetime | None]


@dataclass(frozen=True, slots=True)
class _Ended:
    endings: Sequence[Ending]
    accepted: Sequence[Sent]
    done: asyncio.Future[set[int]]


@dataclass(slots=True)
class _Group:
    """What one transaction took up: filled by the thread that writes, read by the loop when that is through with it."""

    begun: list[_Begun] = field(default_factory=list)
    ended: list[_Ended] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Committed:
    """Until when rows may be sent, which were still this worker's at their end, and up to where a journal is known."""

    until: dict[int, datetime]
    own: set[int]
    journal: str
    known_to: int


class Scribe:
    """One worker's writer, for as long as it delivers. What goes into the database is written by one thread, in order.

    What a relay accepted is in the journal before it is in the database. Once something could not be written, no
    message is begun any more, whatever could be written later.
    """

    def __init__(self, service: Service, clock: Clock, owner: str, lease: timedelta) -> None:
        self._store = service.store
        self._journal = service.journal
        # What is refused while all mails are redirected is not about their people.
        self._bounce_limit = 0 if service.settings.redirect_all else service.settings.bounce_limit
        self._clock = clock
        self._owner = owner
        self._lease = lease
        # The loop adds to these two, and the thread that writes takes from them.
        self._begun: deque[_Begun] = deque()
        self._ended: deque[_Ended] = deque()
        self._accepted: list[_Ended] = []
        self._unwritten: list[Sent] = []
        self._entered: tuple[str, tuple[tuple[int, int], ...]] = "", ()
        """The journal's name, and the places in it of what may not be in the database."""
        self._placing = True
        """Whether places are still known: not once an outcome was given up that is in the journal, or will be."""
        self._fault: Exception | None = None
        self._entering: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "scribe")
        self._clerk = ThreadPoolExecutor(1, "journal")

    @property
    def failed(self) -> bool:
        """Whether something could not be written, so that nothing more may be handed over."""
        return self._fault is not None

    async def do(self, work: Callable[[], Result]) -> Result:
        """Run something else that writes, in its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def begin(self, messages: tuple[Message, ...]) -> datetime | None:
        """The fence: until when (wall time) a message is this worker's, for all its rows; None: it may not be started.

        Raises what the store does when it cannot be written: then it may not be started either.
        """
        if self._fault:
            raise self._fault
        begun = _Begun(messages, asyncio.get_running_loop().create_future())
        self._begun.append(begun)
        self._write()
        return await begun.until

    def settle(self, endings: Sequence[Ending], accepted: Sequence[Sent] = ()) -> asyncio.Future[set[int]]:
        """What became of a message, to be written whatever is the matter with the store: it is known only here.

        `accepted` is what the journal says of it. Gives the rows that were still this worker's.
        """
        ended = _Ended(endings, accepted, asyncio.get_running_loop().create_future())
        if accepted:
            self._accepted.append(ended)
            self._enter()
        else:
            self._ended.append(ended)
            self._write()
        return ended.done

    async def close(self) -> None:
        """Write what is left, and end."""
        while task := self._entering or self._writing:
            await task
        await self._append(())
        if self._unwritten:
            LOG.error("%s: after a backup is restored, mails may go twice: %d", self._fault, len(self._unwritten))
        self._thread.shutdown(wait=False)
        self._clerk.shutdown(wait=False)

    def _enter(self) -> None:
        if self._entering is None:
            self._entering = asyncio.create_task(self._enter_all())

    async def _enter_all(self) -> None:
        while self._accepted:
            ended, self._accepted = self._accepted, []
            await self._append(ended)
            self._write()
        self._entering = None

    async def _append(self, ended: Sequence[_Ended]) -> None:
        """Have it in the journal what a relay accepted; not once more when it is the commit after it that fails.

        What cannot be written there is tried again with the next, and kept from the database by nothing.
        """
        lines, self._unwritten = self._unwritten + [line for each in ended for line in each.accepted], []
        written = None
        if lines:
            loop = asyncio.get_running_loop()
            try:
                written = await loop.run_in_executor(self._clerk, lambda: self._journal.append(lines))
            except Unwritable as error:
                self._unwritten = lines + self._unwritten
                self._fault = self._fault or error
        self._ended.extend(ended)  # before its place is known: a commit that goes by the place has it then
        if written is not None and self._placing:
            name, start, end = written
            before, places = self._entered
            self._entered = name, (*(places if name == before else ()), (start, end))

    def _write(self) -> None:
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        tries = 0
        while self._begun or self._ended:
            group = _Group()
            error = await self._commit_all(group)
            if error is None:
                tries = 0
            else:
                self._fault = self._fault or error
                tries += 1
            if self._fault:  # nothing is begun any more
                for fence in _drained(self._begun):
                    _fail(fence.until, self._fault)
            if error is None:
                continue
            if tries < (BROKEN if self._store.broken else SETTLING) and isinstance(error, TROUBLE):
                self._ended.extendleft(reversed(group.ended))
                if self._ended:
                    await asyncio.sleep(PAUSE)
                if self._entering is None:  # what the journal could not take either, before it is in the database
                    await self._append(())
            else:
                # From here on something is in the journal, or will be, that is not in the database.
                self._placing, self._entered = False, ("", ())
                for each in group.ended if group.begun or group.ended else _drained(self._ended):
                    _fail(each.done, error)
        self._writing = None

    async def _commit_all(self, group: _Group) -> Exception | None:
        """One commit, and who waits for it is told; why it could not be had, which those told who wait at the fence."""
        try:
            done = await self.do(lambda: self._commit(group))
        except Exception as error:
            for fence in group.begun:
                _fail(fence.until, error)
            return error
        name, places = self._entered
        if name == done.journal:
            self._entered = name, tuple(each for each in places if each[0] >= done.known_to)
        for fence in group.begun:
            _resolve(fence.until, done.until.get(fence.messages[0].row))
        for each in group.ended:
            _resolve(each.done, done.own & {ending.row for ending in each.endings})
        return None

    def _commit(self, group: _Group) -> _Committed:
        """One transaction, with all that has come by the time it begins."""
        with self._store.writing() as tx:
            now, wall_now = self._clock.now(), SystemClock().now()
            journal, places = self._entered  # read first: what has a place there is then taken up here, or was before
            if not self._fault:
                group.begun = [each for each in _drained(self._begun) if not each.until.cancelled()]
            group.ended = _drained(self._ended)
            begun = group.begun
            if begun and (pauses.paused(tx) or clockwatch.hold(tx, self._clock)):
                begun = []
            started = sending.begin(
                tx,
                [row for each in begun for row in each.messages],
                self._owner,
                now=now,
                wall_now=wall_now,
                lease=self._lease,
            )
            endings = [row for each in group.ended for row in each.endings]
            own = sending.settle(tx, endings, self._owner, now=now)
            for row in (each.endings[0] for each in group.ended) if self._bounce_limit else ():
                if row.outcome == "failed" and row.phase == "rcpt":
                    reports.refused(tx, row.row, row.code, row.reply, now, limit=self._bounce_limit)
            known_to = replay.advance(tx, journal, places) if places else 0
        return _Committed(dict.fromkeys(started, wall_now + self._lease), own, journal, known_to)


def _drained(waiting: deque[Item]) -> list[Item]:
    """What waits, taken out; nothing that comes meanwhile."""
    return [waiting.popleft() for _ in range(len(waiting))]


def _resolve(waited_for: asyncio.Future[Result], result: Result) -> None:
    if not waited_for.done():  # whoever waited may have been cancelled
        waited_for.set_result(result)


def _fail(waited_for: asyncio.Future[Result], error: Exception) -> None:
    if not waited_for.done():
        waited_for.set_exception(error)
