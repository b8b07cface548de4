"""The demo: the real daemon on a replay clock, over the shipped catalogue, in a folder of its own.

The clock jumps from one instant at which something is due to the next, so that a year takes seconds. Two edits of a
file are played in between, as staff would make them; the daemon finds them as it finds any.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from reminders.catalogue import wording
from reminders.catalogue.events import read_fact
from reminders.clock import SystemClock, Uptime
from reminders.daemon import Daemon, Happening
from reminders.errors import RemindersError, WrongUse
from reminders.files import SETTINGS, read_settings, shipped
from reminders.jobs.refresh import Refreshed
from reminders.jobs.service import Service, database_url, make_key, read_key
from reminders.jobs.taking import Handled
from reminders.mail.folder import FolderTransport
from reminders.planning.notices import Notice, NoticeKind
from reminders.process import run
from reminders.serving import application
from reminders.store import ledger, schema
from reminders.web.server import listen

LONDON = ZoneInfo("Europe/London")
START = datetime(2018, 11, 23, 9, 0, tzinfo=LONDON).astimezone(UTC)
END = datetime(2019, 11, 30, 23, 59, tzinfo=LONDON).astimezone(UTC)
MARK = ".made-by-the-demo"
OUTBOX = "outbox"
SETTINGS_OF_THE_DEMO = """\
# The demo's own: everything lies in this folder, and its clock is not the world's.
service_name: Leadership learning dates
public_url: {public_url}
data: .
keep_past: for ever
settle: 0
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing staff change in a file: at this instant, `old` becomes `new`."""

    at: datetime
    file: str
    old: str
    new: str
    says: str


EDITS = (
    Edit(
        datetime(2019, 1, 31, 14, 0, tzinfo=LONDON).astimezone(UTC),
        "events/courses.yaml",
        "course: 2019-02-12",
        "course: 2019-03-05",
        "Staff edit courses.yaml: the course moves from 12 February to 5 March",
    ),
    Edit(
        datetime(2019, 2, 15, 11, 0, tzinfo=LONDON).astimezone(UTC),
        "events/courses.yaml",
        "course: {when: 2019-03, note: Coming soon}",
        "course: 2019-03-27",
        "Staff edit courses.yaml: ILM5 firms up from March 2019 to 27 March",
    ),
)


class ReplayClock:
    """Shows the instants at which something happens, one after the other, `pace` seconds of real time apart.

    `stops` are instants of its own with something to do there. After the last one it moves no more, and `finished`
    is set once nothing before it is left to be waited for.
    """

    def __init__(self, start: datetime, stops: Iterable[tuple[datetime, Callable[[], None]]], *, pace: float) -> None:
        self._now = start
        self._stops = sorted(stops, key=lambda stop: stop[0])
        self._pace = timedelta(seconds=pace)
        self.finished = asyncio.Event()

    def now(self) -> datetime:
        return self._now

    def wall(self, instant: datetime | None) -> datetime | None:
        if not self._stops:
            self.finished.set()
            return None
        return SystemClock().now() + self._pace

    def reach(self, instant: datetime | None) -> None:
        if self._stops and (instant is None or self._stops[0][0] <= instant):
            self._now, act = self._stops.pop(0)
            act()
        elif instant is not None:
            self._now = max(self._now, instant)

    def uptime(self) -> Uptime | None:
        return None


class Narrator:
    """Prints what happens, a line each. Mails that say the same to several people are one line."""

    def __init__(self, say: Callable[[str], None], titles: Callable[[str], str]) -> None:
        self.say = say
        self.titles = titles
        self.sent: Counter[str] = Counter()
        self._same: tuple[datetime, Notice] | None = None
        self._people: list[str] = []

    def tell(self, now: datetime, what: Happening) -> None:
        """Takes what the daemon tells."""
        match what:
            case Handled(state="sent") if what.subscriber is not None:
                self.sent[what.notice.kind.value] += 1
                if self._same is None or self._same[0] != now or not _alike(self._same[1], what.notice):
                    self.flush()
                    self._same = (now, what.notice)
                self._people.append(what.subscriber.address)
            case Handled():
                self.flush()
                self.line(now, what.state, f"{self.titles(what.notice.event)}: {what.why}")
            case Refreshed(changes=changes) if changes is not None:
                self.flush()
                if len(changes) > 5:
                    feeds = ", ".join(f"{name}.ics" for name in what.feeds)
                    self.line(now, "published", f"{len(changes)} events, {what.entries} calendar entries ({feeds})")
                    return
                for change in changes:
                    self.line(now, "published", change.words)
                self.line(now, "feeds", ", ".join(f"{name}.ics" for name in what.feeds) + " changed")
            case RemindersError():
                self.flush()
                self.line(now, "problem", str(what))
            case _:
                pass  # what was owed shows when it is sent

    def flush(self) -> None:
        """Print the mails that waited for more like them."""
        if self._same is not None:
            now, notice = self._same
            when, _ = read_fact(notice.fact)
            said = {
                NoticeKind.REMINDER: f"{notice.date_kind.replace('-', ' ')} {wording.words(when)}",
                NoticeKind.MOVED: f"now {wording.words(when)}",
                NoticeKind.ANNOUNCED: f"now known: {wording.words(when)}",
                NoticeKind.CANCELLED: "cancelled",
            }[notice.kind]
            people = ", ".join(self._people)
            self.line(now, notice.kind.value, f"{self.titles(notice.event)}: {said} -> {people}")
        self._same, self._people = None, []

    def line(self, now: datetime, what: str, words: str) -> None:
        """One line: event time in London, what, and the rest."""
        self.say(f"{now.astimezone(LONDON):%a %d %b %Y %H:%M}  {what:<9}  {words}")


def _alike(one: Notice, other: Notice) -> bool:
    return (one.kind, one.event, one.date_kind, one.rule, one.fact) == (
        other.kind,
        other.event,
        other.date_kind,
        other.rule,
        other.fact,
    )


def prepare(folder: Path) -> Path:
    """An empty folder with a copy of the shipped config; what an earlier demo left there goes. Returns the config.

    Raises `WrongUse` when the folder holds anything that no demo made.
    """
    if folder.exists():
        if not (folder / MARK).is_file() and any(folder.iterdir()):
            raise WrongUse(f"{folder} holds something else than a demo: move it away, or run the demo elsewhere")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    shutil.copytree(shipped("config"), folder / "config")
    return folder / "config"


def replay_service(config: Path, public_url: str) -> Service:
    """A new store beside the config, with the settings of the demo; `reminders --config` finds it there too."""
    text = SETTINGS_OF_THE_DEMO.format(public_url=public_url)
    (config / SETTINGS).write_text(text, encoding="utf-8")
    settings = read_settings(config, {})
    make_key(config.parent)
    store = schema.create(database_url(settings, config))
    return Service(settings, config, store, read_key(settings, config.parent))


def edit(config: Path, change: Edit) -> None:
    """Make the change in its file. Raises `WrongUse` when the file does not say what it should."""
    path = config / change.file
    text = path.read_text(encoding="utf-8")
    if change.old not in text:
        raise WrongUse(f"{change.file} of the shipped catalogue no longer says '{change.old}'")
    path.write_text(text.replace(change.old, change.new, 1), encoding="utf-8")


async def replay(
    service: Service, edits: Iterable[Edit], narrator: Narrator, *, pace: float
) -> tuple[Daemon, ReplayClock]:
    """The daemon and its clock, ready to run the period with these edits in between."""

    def stop(change: Edit) -> tuple[datetime, Callable[[], None]]:
        def act() -> None:
            narrator.flush()
            narrator.line(change.at, "edit", change.says)
            edit(service.config, change)

        return change.at, act

    stops = [*(stop(change) for change in edits), (END, lambda: None)]
    clock = ReplayClock(START, stops, pace=pace)
    daemon = Daemon(service, clock, FolderTransport(service.data / OUTBOX), narrator.tell)
    return daemon, clock


async def demo(
    folder: Path, say: Callable[[str], None], *, port: int, stay: bool, pace: float, program: str = "reminders"
) -> None:
    """Replay the year in `folder`, serving the pages meanwhile; with `stay`, serve on until Ctrl-C.

    `program` is what one types to call the command line here.
    """
    config = prepare(folder)
    try:
        listening = listen("127.0.0.1", port)
    except WrongUse:
        listening = listen("127.0.0.1", 0)
        say(f"Port {port} is taken; another one is used.")
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    service = replay_service(config, url)
    titles = _titles(service)
    narrator = Narrator(say, titles)
    daemon, clock = await replay(service, EDITS, narrator, pace=pace)
    say(f"A year of the shipped catalogue, from {START:%d %B %Y} to {END:%d %B %Y}; the people are invented.")
    say(f"Pages and mails while it runs: {url}\n")
    running = asyncio.create_task(run(daemon, application(service, clock, letters=service.data / OUTBOX), listening))
    finished = asyncio.create_task(clock.finished.wait())
    try:
        await asyncio.wait({running, finished}, return_when=asyncio.FIRST_COMPLETED)
        if finished.done():
            async with daemon.sending:
                narrator.flush()
            _summary(service, narrator, say)
            if stay:
                say(f"\nPages      {url}\nMails      {url}/letters/\nCalendars  {url}/calendars")
            say(f"Files      {folder}: its mails in {OUTBOX}/, its events in config/")
            say(f"Ask it     {program} why leadership-fellows-2019 amina@example.org --config {config}")
            if stay:
                say("\nServing the pages until Ctrl-C.")
            else:
                daemon.stop()
        await running
    finally:
        finished.cancel()
        service.store.close()


def _titles(service: Service) -> Callable[[str], str]:
    known: dict[str, str] = {}

    def title(event: str) -> str:
        if event not in known:
            from reminders.store import events  # the store is open by the time a title is asked for

            with service.store.reading() as tx:
                known.update({id: each.event.title for id, each in events.published(tx).items()})
        return known.get(event, event)

    return title


def _summary(service: Service, narrator: Narrator, say: Callable[[str], None]) -> None:
    with service.store.reading() as tx:
        counts = ledger.counts(tx)
        dropped = Counter(row.reason for row in ledger.listing(tx, ["dropped"], limit=10_000))
    kinds = ", ".join(f"{count} {kind}" for kind, count in narrator.sent.most_common())
    say(f"\n{counts['sent']} mails were written ({kinds}); nothing was sent to anybody.")
    if dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.most_common())
        say(f"{sum(dropped.values())} reminders were not mailed, and it is recorded why: {reasons}.")
    left = {state: count for state, count in counts.items() if count and state not in ("sent", "dropped")}
    if left:
        say(f"Not settled: {left}")
