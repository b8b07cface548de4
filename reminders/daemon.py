"""The daemon: APScheduler is the clockwork; what happens is decided and remembered elsewhere.

tick (at most 30 s)     collect, look, deliver   notices changed files, clocks that jump, mails that wait
wake (next due instant) collect, look, deliver   armed anew after each look
tidy (daily)            past entries leave the feeds
reconcile (hourly)      once a night: what should have gone, against the outbox; the operator is told
collect:  what came back about mails; a listener takes it between ticks too
look:     clock -> files -> refresh -> remind -> arm

The ticks go by the loop's own time: APScheduler's wait for what the clock shows, and one that is put back an hour would
hold them up for an hour.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.date import DateTrigger

from reminders.clock import Clock
from reminders.errors import BadInput, Held, RemindersError, Verdict
from reminders.jobs import workers
from reminders.jobs.clockwatch import Watched, observe
from reminders.jobs.deliver import deliver, recover
from reminders.jobs.health import health
from reminders.jobs.heartbeat import Heartbeat
from reminders.jobs.operator import Note, Notes, held
from reminders.jobs.reconcile import Reconciled, nightly, report
from reminders.jobs.refresh import Refreshed, refresh
from reminders.jobs.remind import Reminded, next_due, remind
from reminders.jobs.reports import Unreadable, collect, listener_of, take
from reminders.jobs.respite import Respite
from reminders.jobs.service import Service
from reminders.jobs.taking import Handled
from reminders.jobs.tidy import Tidied, tidy
from reminders.mail.envelope import Transport
from reminders.store.connections import PATIENCE
from reminders.store.engine import TROUBLE, words
from reminders.store.reports import Recorded

LOG = logging.getLogger(__name__)
CAUGHT_UP = 15 * 60.0
"""Seconds after which what waited for the service to begin has mostly gone, and what has not is worth a word."""
ASKING = 60 * 60.0
"""Seconds between two questions whether a night is over that nobody has looked at."""

Happening = Refreshed | Reminded | Handled | Tidied | Reconciled | Recorded | RemindersError
Tell = Callable[[datetime, Happening], None]
"""Told of everything that happens, with the event time of the pass in which it did."""


class Daemon:
    """Looks, reminds and delivers for one service until it is stopped. Made anew for each run."""

    def __init__(
        self, service: Service, clock: Clock, transport: Transport, tell: Tell, *, crash_only: bool = False
    ) -> None:
        """`crash_only`: end when the database is broken, so that whoever watches this process starts it anew."""
        self.crash_only = crash_only
        self.service = service
        self.clock = clock
        self.transport = transport
        self.tell = tell
        self.sending = asyncio.Lock()
        """Held while messages are being sent."""
        self._stop = asyncio.Event()
        self._looking = asyncio.Lock()
        self._more = False
        self._watched = Watched(clock.now())
        self._owner = ""
        self._refused: tuple[str, ...] = ()
        self._listener = listener_of(service, self._take)
        self._deaf = ""
        self._amiss: tuple[str, ...] = ()
        self._respite = Respite()
        self._looked = time.monotonic()
        self.started = False
        self._notes = Notes(service, transport)
        self._heartbeat = Heartbeat(service.settings.heartbeat_url)
        self._running: set[asyncio.Task[None]] = set()
        self._scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 3}
        )

    async def run(self) -> None:
        """Work until `stop`; then finish the message in hand and return."""
        with workers.working(self.service.data) as owner:
            self._owner = owner
            self._plan_tidy()
            self._scheduler.start()
            asking = time.monotonic() + CAUGHT_UP
            try:
                while not self._stop.is_set():
                    if time.monotonic() >= asking:
                        asking = time.monotonic() + ASKING
                        self._running.add(asyncio.create_task(self._job(self.reconcile)))
                    if not self._looking.locked():  # what takes longer than a tick is not begun once more
                        self._running.add(asyncio.create_task(self._job(self._tick)))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stop.wait(), self.service.settings.tick)
            finally:
                self._scheduler.pause()
                if self._listener is not None:
                    await self._listener.close()
                await asyncio.gather(*self._running, return_exceptions=True)
                self._scheduler.shutdown(wait=False)

    def stop(self) -> None:
        """End `run` after the message in hand."""
        self._stop.set()

    def stalled(self) -> str:
        """What stands still, or "" while the clockwork ticks: that a look fails is no matter, that none ends is one."""
        chosen = self.service.settings
        patience = max(2 * chosen.tick, 2 * PATIENCE) + chosen.settle
        if self._stop.is_set() or time.monotonic() - self._looked <= patience:
            return ""
        return "No look at files and dates has come to an end lately: something holds it up."

    async def _job(self, work: Callable[[], object]) -> None:
        """One run of a job; whatever goes wrong in it is told, and the clockwork goes on."""
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        try:
            result = work()
            if asyncio.iscoroutine(result):
                await result
        except RemindersError as error:
            self.tell(self.clock.now(), error)
        except TROUBLE as error:
            LOG.error("%s; it is tried again at the next tick", words(error))
        except Exception:
            LOG.exception("a job of the daemon failed; it is tried again at the next tick")
        if self.crash_only and self.service.store.broken:
            self.stop()

    def _plan_tidy(self) -> None:
        daily = CalendarIntervalTrigger(days=1, hour=3, minute=30, timezone="UTC")
        self._scheduler.add_job(self._job, daily, args=[self._tidy], id="tidy", replace_existing=True)

    async def _tick(self) -> None:
        """A whole pass. One that went well is told to whoever waits for the heartbeat."""
        await self._listen()
        await self._collect()
        looked = await self._look()
        # At once: looking armed the next wake, which moves a replay's clock.
        delivered = looked is not None and await self._deliver()
        if not self.sending.locked():
            await self._tell_operator(self.clock.now())
        if looked and delivered and self._heartbeat.due:
            found = await asyncio.to_thread(health, self.service, self.clock.now())
            if found.ok and not found.paused:
                self._heartbeat.beat()

    async def _present(self) -> datetime | None:
        """What the clock shows; None while it is not believed, and nothing is read, owed, sent or tidied by it."""
        watched = await asyncio.to_thread(observe, self.service, self.clock)
        before, self._watched = self._watched, watched
        if watched.doubt and watched.doubt != before.doubt:
            self.tell(watched.now, Held(watched.doubt))
            self._notes.add(Note("the clock is not believed", (watched.doubt,)))
        elif before.doubt and not watched.doubt:
            LOG.info("the clock is believed again")
        if watched.believed != before.believed:
            self._plan_tidy()  # by the clock as it is now
        return None if watched.doubt else watched.now

    async def _wake(self, instant: datetime | None) -> None:
        # A replay's clock must not move under a message. While a real one is being sent, ticks look in its place.
        async with self.sending:
            self.clock.reach(instant)
        await self._tick()

    async def _look(self) -> bool | None:
        """Whether files and dates could be looked at; None while the clock is not believed, and there is no look."""
        async with self._looking:
            try:
                now = await self._present()
                return None if now is None else await self._look_once(now)
            finally:
                self._looked = time.monotonic()
                self.started = True

    async def _look_once(self, now: datetime) -> bool:
        well = True
        try:
            refreshed = await asyncio.to_thread(refresh, self.service, now)
        except RemindersError as error:
            # The last good files stay, and so does everything that follows from them.
            if (lines := tuple(str(error).splitlines())) != self._refused:
                self._refused = lines
                self.tell(now, error)
                if isinstance(error, Held):
                    self._notes.add(Note("changes are held", lines))
            well = isinstance(error, BadInput | Held)
        except TROUBLE:
            raise
        except Exception:
            well = False
            LOG.exception("the files could not be looked at; what is published stays")
        else:
            self._refused = ()
            if refreshed.changes is not None:
                self.tell(now, refreshed)
            self._notes.add(*held(refreshed.stopped))
        reminded = await asyncio.to_thread(remind, self.service, now)
        if reminded != Reminded():
            self.tell(now, reminded)
            self._notes.add(*held(reminded.stopped))
        await self._arm(now)
        return well

    async def _arm(self, now: datetime) -> None:
        instant = await asyncio.to_thread(next_due, self.service, now)
        at = self.clock.wall(instant)
        if at is None:
            if self._scheduler.get_job("wake"):
                self._scheduler.remove_job("wake")
            return

        async def wake() -> None:
            await self._wake(instant)

        self._scheduler.add_job(self._job, DateTrigger(at), args=[wake], id="wake", replace_existing=True)

    async def _listen(self) -> None:
        """Open the listener; of several workers of one machine one has the port, and another takes over from it."""
        if self._listener is None or self._listener.is_open:
            return
        try:
            await self._listener.open()
        except OSError as error:
            if (deaf := str(error)) != self._deaf:
                self._deaf = deaf
                LOG.warning("no bounces can be taken on reports_port; another worker may be doing it: %s", deaf)
        else:
            self._deaf = ""

    async def _take(self, data: bytes, recipient: str) -> None:
        now = self.clock.now()
        recorded = await asyncio.to_thread(take, self.service, data, now, recipient)
        if recorded is not None:
            self.tell(now, recorded)

    async def _collect(self) -> None:
        now = self.clock.now()
        amiss: tuple[str, ...] = ()
        try:
            collected = await asyncio.to_thread(collect, self.service, now)
        except Unreadable as error:
            amiss = (str(error),)
        except Exception:
            LOG.exception("what came back could not be read; it is tried again at the next tick")
            return
        else:
            amiss = tuple(f"a message in the Maildir cannot be dealt with: {each}" for each in collected.amiss)
            for recorded in collected.recorded:
                self.tell(now, recorded)
        if amiss != self._amiss:
            self._amiss = amiss
            for line in amiss:
                LOG.error(line)

    async def _deliver(self) -> bool:
        """Whether what is due goes out: it has, or is going."""
        if self.sending.locked():
            self._more = True  # whoever is sending looks once more at its end
            await asyncio.to_thread(recover, self.service, self.clock.now())  # which may take hours, at a slow rate
            return True
        async with self.sending:
            self._more = True
            while self._more and not self._stop.is_set():
                self._more = False
                if self._respite.lasts:
                    return False
                if not await self._deliver_once():
                    return False
        return True

    async def _deliver_once(self) -> bool:
        await asyncio.to_thread(recover, self.service, self.clock.now())
        done = await deliver(
            self.service,
            self.transport,
            self.clock,
            self._owner,
            told=lambda handled: self.tell(self.clock.now(), handled),
            stop=self._stop,
        )
        if done.sent:
            self._respite.end()
        if done.fault:
            respite = self._respite.begin(refused=done.mend and done.asked)
            level = logging.ERROR if done.mend else logging.WARNING
            LOG.log(level, "no mail can be sent at present (%s); next try in %s", done.fault, respite)
        return not done.fault

    async def _tell_operator(self, now: datetime) -> None:
        """Send the notes that wait, unless the relay is left alone: what it refuses them for, it would mails too."""
        async with self.sending:
            if not self._notes.due or self._respite.lasts:
                return
            error = await self._notes.send(now)
            if error is None:
                self._respite.end()
            elif error.phase == "connect":  # elsewhere the fault may be this one recipient's
                self._respite.begin(refused=error.verdict is Verdict.FAULT)

    async def reconcile(self) -> None:
        """Asked each hour, as the service may be off at any; done once a night."""
        if self._watched.doubt:
            return
        now = self.clock.now()
        found = await asyncio.to_thread(nightly, self.service, now)
        if found is None:
            return
        self.tell(now, found)
        if (told := report(found, now)) is not None:
            self._notes.add(Note(*told))
            await self._tell_operator(now)

    async def _tidy(self) -> None:
        now = await self._present()
        if now is None:
            return
        tidied = await asyncio.to_thread(tidy, self.service, now)
        if tidied != Tidied():
            self.tell(now, tidied)
