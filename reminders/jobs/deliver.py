"""Date to mail, second half: claim, commit, send, settle; many notices at once, each failure its own.

    claim + ask again (commit) -> compose -> MAIL, RCPT -> fence (commit) -> DATA -> settle (commit)

Nothing of the database is held while the network is waited for. What a crash leaves in doubt are the messages whose
fence is committed and whose outcome is not: `in_flight` of them at most, one by default.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminders.clock import Clock, SystemClock
from reminders.errors import DeliveryError, Verdict
from reminders.jobs.footing import doubt
from reminders.jobs.health import note
from reminders.jobs.scribe import Scribe
from reminders.jobs.service import Service
from reminders.jobs.taking import Claimed, Handled, Ready, lease, prepare_apart, take
from reminders.mail.envelope import NotStarted, Transport
from reminders.store import sending
from reminders.store.engine import TROUBLE, words
from reminders.store.journal import Sent
from reminders.store.people import address_key
from reminders.store.sending import Ending, Outcome

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))
APART = timedelta(minutes=45)
"""How long a row waits at which the relay found a fault of ours: so long that the next pass begins with another."""
BATCH = 100
"""How many rows are claimed at a time at most."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many were sent, and why no more can be at present ("" when all that was due was dealt with).

    `mend` is true when an operator has to do something before any can be; `asked` is false when the fault was found
    before the relay was.
    """

    sent: int = 0
    fault: str = ""
    mend: bool = False
    asked: bool = True


Tell = Callable[[Handled], None]
Message = tuple[Claimed, ...]
"""The rows that go as one message: one, or late reminders together."""


async def deliver(
    service: Service,
    transport: Transport,
    clock: Clock,
    owner: str,
    *,
    told: Tell = lambda handled: None,
    stop: asyncio.Event | None = None,
) -> Delivered:
    """Send what is owed and due, most urgent first, until nothing is left or `stop` is set.

    A connection that cannot be had ends the pass without charging anybody an attempt; the rows stay owed. So does a
    server that takes a message and does not answer. Until a first message has gone through, no second one is tried, so
    that a relay that is ill meets one and not many. Nothing is sent while what is remembered is in doubt.
    """
    if found := await asyncio.to_thread(doubt, service, owner):
        return Delivered(0, found.words, found.mend, asked=False)
    return await _Pass(service, transport, clock, owner, told, stop or asyncio.Event()).run()


class _Pass:
    """One pass: what is claimed ahead waits in `_ready`, each sender takes one message after the other from there."""

    def __init__(
        self, service: Service, transport: Transport, clock: Clock, owner: str, told: Tell, stop: asyncio.Event
    ) -> None:
        window = service.settings.in_flight
        self._service = service
        self._transport = transport
        self._clock = clock
        self._owner = owner
        self._told = told
        self._stop = stop
        self._scribe = Scribe(service, clock, owner, lease(service))
        self._window = asyncio.Semaphore(window)
        self._width = min(window, transport.width)
        self._batch = min(window, BATCH)
        self._ready: asyncio.Queue[Ready | None] = asyncio.Queue(self._batch)
        self._in_hand: dict[int, Claimed] = {}
        self._settling: set[asyncio.Future[set[int]]] = set()
        self._answered = asyncio.Event()
        self._moved = asyncio.Event()
        self._error: BaseException | None = None
        self._sent, self._fault, self._mend = 0, "", False
        self._trouble: DeliveryError | None = None
        self._goes_out = False

    async def run(self) -> Delivered:
        try:
            await asyncio.gather(self._feed(), *(self._send_all(first=not each) for each in range(self._width)))
        finally:
            await asyncio.gather(*self._settling, return_exceptions=True)
            for left in list(self._in_hand.values()):  # claimed, but not handed on; what was begun stays in doubt
                self._release((left,))
            await asyncio.gather(*self._settling, return_exceptions=True)
            await self._scribe.close()
            await self._transport.close()
        if self._trouble is not None:
            await asyncio.to_thread(note, self._service, self._trouble, self._clock.now())
        if self._error is not None:
            raise self._error
        return Delivered(self._sent, self._fault, self._mend)

    @property
    def _halted(self) -> bool:
        return bool(self._stop.is_set() or self._fault or self._error)

    async def _feed(self) -> None:
        """Claim and compose ahead of the senders, until nothing is due."""
        try:
            while not self._halted:
                taken = await self._scribe.do(lambda: take(self._service, self._owner, self._clock, self._batch))
                for handled in taken.dropped:
                    self._told(handled)
                self._in_hand |= {each.row.id: each for message in taken.claimed for each in message}
                if taken.claimed:
                    for claimed, ready in await asyncio.to_thread(self._prepare, taken.claimed):
                        if isinstance(ready, Ready):
                            await self._put(ready)
                        else:
                            self._settle(claimed, "failed", ready, "compose")
                elif not taken.dropped and not await self._more(taken.next_at):
                    break
        except TROUBLE as error:
            self._halt(words(error))
        except Exception as error:
            self._break(error)
        for _ in range(self._width):
            await self._ready.put(None)

    def _prepare(self, claimed: tuple[Message, ...]) -> list[tuple[Message, Ready | str]]:
        now = self._clock.now()
        return [each for message in claimed for each in prepare_apart(self._service, message, now)]

    async def _put(self, ready: Ready) -> None:
        """Hand on to the senders. While they are slow the claims on what waits are kept up."""
        while True:
            try:
                if not self._ready.full():  # the usual case, which needs no clock
                    self._ready.put_nowait(ready)
                    return
                async with asyncio.timeout(lease(self._service).total_seconds() / 2):
                    await self._ready.put(ready)
                    return
            except TimeoutError:
                await self._scribe.do(self._renew)

    def _renew(self) -> None:
        with self._service.store.writing() as tx:
            sending.renew(tx, self._owner, wall_now=SystemClock().now(), lease=lease(self._service))

    async def _more(self, next_at: datetime | None) -> bool:
        """Whether to look again, though nothing could be claimed: in time, or when one in hand has come to rest."""
        if next_at is None and not self._in_hand:
            return False
        half = lease(self._service).total_seconds() / 2
        wait = max(0.0, (next_at - SystemClock().now()).total_seconds()) if next_at else half
        self._moved.clear()
        events = [asyncio.create_task(each.wait()) for each in (self._moved, self._stop)]
        done, _ = await asyncio.wait(events, timeout=min(wait, half), return_when=asyncio.FIRST_COMPLETED)
        for each in events:
            each.cancel()
        if not done and self._in_hand:
            await self._scribe.do(self._renew)
        return True

    async def _send_all(self, *, first: bool) -> None:
        if not first:
            await self._answered.wait()
        while (ready := await self._ready.get()) is not None:
            await self._window.acquire()
            if self._halted:
                self._window.release()
                self._release(ready.claimed)
                continue
            try:
                await self._send(ready)
            except Exception as error:  # what was begun is in doubt, and recovered when its lease runs out
                self._window.release()
                self._break(error)
            self._answered.set()
        self._answered.set()

    async def _send(self, ready: Ready) -> None:
        """Send one message, holding a place in the window until it is recorded what became of it."""
        until: datetime | None = None

        async def started() -> bool:
            nonlocal until
            until = await self._scribe.begin(ready.messages)
            return until is not None

        def still() -> bool:
            return until is not None and not self._scribe.failed and SystemClock().now() < until

        try:
            accepted = await self._transport.send(ready.data, ready.envelope, started, still)
        except NotStarted as error:
            if until is not None:  # so slow that another worker may have it by now
                self._settle(ready.claimed, "again", str(error), "dot", begun=True)
            else:
                self._window.release()
                self._stopped(ready.claimed)
        except TROUBLE as error:  # at the fence: nothing of the message was handed over
            self._halt(words(error))
            self._window.release()
            self._release(ready.claimed)
        except DeliveryError as error:
            self._refused(ready.claimed, error, begun=until is not None)
        else:
            settings = self._service.settings
            told = f"redirected to {settings.redirect_all}: " if settings.redirect_all else ""
            outcome: Outcome = "shadow" if settings.shadow else "sent"
            self._settle(ready.claimed, outcome, f"{told}{accepted.reply}", "dot", 250, begun=True, accepted=ready)
            if not self._goes_out:
                with suppress(*TROUBLE):  # whoever writes down what was sent meets it too, and says so
                    await asyncio.to_thread(note, self._service, None, self._clock.now())
                    self._goes_out = True

    def _stopped(self, claimed: Message) -> None:
        """The fence did not let it through: its rows are dropped, or another's, or to be given back."""
        for each in claimed:
            why = "the person left just now, or another worker has it"
            self._told(Handled(each.row.notice, each.subscriber, "stopped", why))
        self._release(claimed)

    def _refused(self, claimed: Message, error: DeliveryError, *, begun: bool) -> None:
        """What an error means for the rows and for the pass."""
        row, verdict = claimed[0].row, error.verdict
        # Where another recipient was just accepted, it is no fault of the relay's that this one is not.
        own = verdict is Verdict.FAULT and error.phase not in ("connect", "mail")
        alone = own and self._goes_out
        if verdict in (Verdict.PAUSE, Verdict.FAULT, Verdict.DOUBT) and not alone:
            # A relay that takes messages and never answers would put one after the other in doubt.
            self._halt(str(error), mend=verdict is Verdict.FAULT)
            self._trouble = self._trouble or error
        again_at = SystemClock().now() + (APART if own else back_off(row.tries))
        if not begun and not alone and verdict in (Verdict.PAUSE, Verdict.FAULT):
            # What no row can be at fault for holds none back: the most urgent goes first once the relay is back.
            self._window.release()
            self._release(claimed, None if error.phase == "connect" else again_at)
            return
        # A relay that throttles, or is wrongly set up, ends nobody's attempts.
        other = verdict in (Verdict.PAUSE, Verdict.FAULT)
        left = not begun or other or row.attempts + 1 < self._service.settings.attempts
        outcome: Outcome = "failed"
        if verdict is Verdict.DOUBT:
            outcome = "uncertain"
            left = left and row.uncertain_policy == "resend"
        elif verdict is Verdict.FINAL:
            left = False
        elif left:
            outcome = "again"
        next_at = again_at if left else None
        self._settle(claimed, outcome, str(error), error.phase, error.code, next_at=next_at, begun=True, counts=begun)

    def _release(self, claimed: Message, next_at: datetime | None = None) -> None:
        """Give claims back that were never begun."""
        self._settle(claimed, "released", self._fault, next_at=next_at)

    def _settle(
        self,
        claimed: Message,
        outcome: Outcome,
        reply: str,
        phase: str = "",
        code: int = 0,
        *,
        next_at: datetime | None = None,
        begun: bool = False,
        counts: bool = True,
        accepted: Ready | None = None,
    ) -> None:
        """Have it written what became of a message. Until it is, one that was `begun` keeps its place in the window.

        `counts`: an attempt of it was recorded.
        """
        rows = {each.row.id: each.row.attempts + 1 if begun and counts else 0 for each in claimed}
        endings = [Ending(row, number, outcome, reply, phase, code, next_at) for row, number in rows.items()]
        lines = [self._line(each, accepted) for each in claimed] if accepted and outcome == "sent" else []
        written = self._scribe.settle(endings, lines)

        def at_rest(done: asyncio.Future[set[int]]) -> None:
            self._settling.discard(done)
            for row in rows:
                self._in_hand.pop(row, None)
            self._moved.set()
            if begun:
                self._window.release()
            if (error := done.exception()) is not None:
                self._break(error)
            elif outcome != "released":
                self._sent += outcome == "sent"
                state = "owed" if next_at else {"again": "owed", "shadow": "dropped"}.get(outcome, outcome)
                for each in claimed:
                    if each.row.id in done.result() or outcome == "sent":
                        self._told(Handled(each.row.notice, each.subscriber, state, reply))

        self._settling.add(written)
        written.add_done_callback(at_rest)

    def _line(self, claimed: Claimed, ready: Ready) -> Sent:
        person = self._service.mark(address_key(claimed.subscriber.address))
        return Sent(
            claimed.row.notice, person, ready.messages[0].message_id, claimed.row.attempts + 1, self._clock.now()
        )

    def _halt(self, fault: str, *, mend: bool = False) -> None:
        if not self._fault:
            self._fault, self._mend = fault, mend
        self._moved.set()

    def _break(self, error: BaseException) -> None:
        """What nobody expected ends the pass, but not before all have finished what they are at."""
        self._error = self._error or error
        self._moved.set()


def back_off(tries: int) -> timedelta:
    """How long to wait before the next try, spread so that many rows do not come back at once."""
    base = BACK_OFF[min(tries, len(BACK_OFF) - 1)]
    return base * random.uniform(0.8, 1.2)  # noqa: S311  # spreading load, not a secret


def transport_of(service: Service) -> Transport:
    """The relay of the settings, or the outbox folder while there is none."""
    chosen = service.settings
    if chosen.shadow or not chosen.smtp_host:
        from reminders.mail.folder import FolderTransport  # only one of the two is needed

        return FolderTransport(service.data / ("shadow" if chosen.shadow else "outbox"))
    from reminders.mail import tokens  # only one of the two is needed
    from reminders.mail.smtp import SmtpTransport

    source = None
    if chosen.smtp_auth == "xoauth2":
        by_file, by_command = chosen.smtp_token_file, chosen.smtp_token_command
        source = tokens.from_file(by_file) if by_file else tokens.from_command(by_command)
    return SmtpTransport(
        host=chosen.smtp_host,
        port=chosen.smtp_port,
        security=chosen.smtp_security,
        user=chosen.smtp_user,
        password=chosen.smtp_password.get_secret_value(),
        tokens=source,
        timeout=chosen.message_deadline,
        ca_file=chosen.smtp_ca_file,
        connections=chosen.smtp_connections,
    )


def recover(service: Service, now: datetime) -> int:
    """Take back what workers of this machine that are gone had claimed, and what any worker held past its lease.

    What the journal says was accepted is recorded as sent before.
    """
    from reminders.jobs import workers

    if doubt(service):
        return 0  # nothing is sent either, and `deliver` says why
    wall = SystemClock().now()
    with service.store.writing() as tx:
        gone = workers.dead(sending.owners(tx), service.data)
        taken = sending.recover(tx, dead=gone, now=now, wall_now=wall, max_attempts=service.settings.attempts)
    workers.bury(gone, service.data)
    return taken
