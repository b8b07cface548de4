"""The commands that do something: the demo, the daemon, and one pass of each tick."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reminders.cli.options import clock_time, config_option, counted, opened
from reminders.cli.reports import reported
from reminders.cli.sending import redirecting

if TYPE_CHECKING:
    from datetime import datetime

    from reminders.daemon import Happening
    from reminders.errors import WrongUse
    from reminders.jobs.braking import Stopped
    from reminders.jobs.service import Service
    from reminders.settings import Settings

LOG = logging.getLogger("reminders")


@click.command()
@click.option("--exit", "leave", is_flag=True, help="End after the replay instead of serving the pages.")
@click.option("--port", type=click.IntRange(0, 65535), default=8025, show_default=True, help="Of the pages.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where it keeps its files; what an earlier demo left there is deleted.",
)
def demo(leave: bool, port: int, folder: Path) -> None:
    """A year of the shipped catalogue in less than a minute, then its pages. Mails nobody."""
    from reminders import demo as demos
    from reminders.process import start

    stay = sys.stdout.isatty() and not leave
    say = lambda line: click.echo(line)  # noqa: E731  # flushes, unlike print
    start(demos.demo(folder, say, port=port, stay=stay, pace=0.1 if stay else 0.0, program=_typed()))


def _typed() -> str:
    """What one types to call this program from this folder."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m reminders"
    here = program.absolute().is_relative_to(Path.cwd())
    return os.path.relpath(program) if here else program.name


@click.command()
@click.option("--init", "make", is_flag=True, help="Make the store first, if there is none.")
@redirecting
@click.option("--only", type=click.Choice(["web", "worker"]), help="Only the pages, or only reading and mailing.")
@config_option
@click.pass_context
def run(context: click.Context, make: bool, only: str | None, config: Path) -> None:
    """The service: reads the files, publishes the feeds, mails reminders, serves the pages. Ends on SIGTERM."""
    from reminders.clock import SystemClock
    from reminders.daemon import Daemon
    from reminders.errors import WrongUse
    from reminders.files import read_settings
    from reminders.jobs.deliver import transport_of
    from reminders.jobs.service import database_url
    from reminders.process import run as run_process
    from reminders.process import start
    from reminders.serving import StoreWatch, application, kept_shelf, stand_in
    from reminders.store.schema import absent, open_store
    from reminders.telemetry import start_logging
    from reminders.web.server import listen

    start_logging()
    if make and absent(database_url(read_settings(config, os.environ), config)):
        # In another process: what makes a store takes 10 MB that this one would keep for as long as it runs.
        made = subprocess.run([sys.executable, "-m", "reminders", "db", "init", "--config", str(config)], check=False)  # noqa: S603  # our own command
        if made.returncode:
            context.exit(made.returncode)

    async def stand_in_for(error: WrongUse, settings: Settings) -> None:
        """Serve what was served last until the store can be opened; then end, to be started anew."""
        listening = listen(settings.host, settings.port)
        host, port = listening.getsockname()[:2]
        LOG.error(f"{error}. Meanwhile what was served last is served; nothing is read and nothing is mailed.")
        click.echo(f"Pages and feeds: http://{host}:{port}")
        watch = StoreWatch(database_url(settings, config))
        await run_process(watch, stand_in(error, SystemClock(), settings, config), listening)
        if watch.found:
            LOG.info("the store can be opened again: ending, to be started anew")
            context.exit(75)  # as sysexits.h has it: for now

    async def work(service: Service) -> None:
        clock = SystemClock()
        crash_only = only == "worker"  # nobody is served by it
        daemon = Daemon(service, clock, transport_of(service), _log, crash_only=crash_only) if only != "web" else None
        listening = application_ = None
        if only != "worker":
            listening = listen(service.settings.host, service.settings.port)
            application_ = application(service, clock, stalled=daemon.stalled if daemon else lambda: "")
            host, port = listening.getsockname()[:2]
            click.echo(f"Pages and feeds: http://{host}:{port}")
        if daemon is not None:
            click.echo(_where_mail_goes(service))
            _warn(service)
        await run_process(daemon, application_, listening)
        if crash_only and service.store.broken:
            LOG.error("the database is broken: ending, to be started anew")
            context.exit(74)  # as sysexits.h has it: an input or output error

    settings = read_settings(config, os.environ)
    try:
        open_store(database_url(settings, config)).close()
    except WrongUse as error:
        if only == "worker" or not kept_shelf(settings, config).exists():
            raise
        start(stand_in_for(error, settings))
        return
    with opened(config) as service:
        _first_look(service, only)
        start(work(service))


def _first_look(service: Service, only: str | None) -> None:
    """Refuse to start with files that cannot be used, unless older ones are published."""
    from reminders.clock import SystemClock
    from reminders.errors import BadInput, Held
    from reminders.jobs.clockwatch import observe
    from reminders.jobs.refresh import refresh as refresh_once
    from reminders.store.engine import TROUBLE, words

    with service.store.reading() as tx:
        published = service.book(tx) is not None
    if only == "web":
        return
    try:
        watched = observe(service, SystemClock())
        if watched.doubt:
            return  # the daemon tells
        refreshed = refresh_once(service, watched.now)
    except TROUBLE as error:
        if not published:
            raise
        LOG.warning("%s; what was published before is served meanwhile", words(error))
        return
    except (BadInput, Held) as error:
        if not published:
            raise
        click.echo(f"{error}\nThe files are not accepted; what was published before stays.", err=True)
        return
    if refreshed.changes:
        click.echo(f"Published: {counted(len(refreshed.changes), 'change')}.")


def _where_mail_goes(service: Service) -> str:
    chosen = service.settings
    if chosen.shadow:
        return f"shadow: every mail is written to {service.data / 'shadow'}, and nothing is sent to anybody."
    if chosen.smtp_host and chosen.redirect_all:
        return f"Every mail goes to {chosen.redirect_all} instead of its recipient, through {chosen.smtp_host}."
    if chosen.smtp_host:
        return f"Mail goes to {chosen.smtp_host}:{chosen.smtp_port} ({chosen.smtp_security})."
    return f"smtp_host is not set: mails are written to {service.data / 'outbox'}, and nothing is sent to anybody."


def _warn(service: Service) -> None:
    """What keeps mail back, or does not, is said at each start."""
    from reminders.cli.notices import paused_words
    from reminders.store import forecast, pauses

    with service.store.reading() as tx:
        pause, surplus = pauses.paused(tx), forecast.surplus(tx)
    if pause is not None:
        LOG.warning(paused_words(pause, service.settings.zone))
    if service.settings.brake == "off":
        LOG.warning("the brake is off: whatever the files say is mailed, however much it is")
    elif surplus is not None:
        LOG.warning(surplus.words)


def _log(at: datetime, what: Happening) -> None:
    """What happens, for the log: by number, never by address."""
    from reminders.errors import RemindersError
    from reminders.jobs.reconcile import Reconciled
    from reminders.jobs.refresh import Refreshed
    from reminders.jobs.remind import Reminded
    from reminders.jobs.taking import Handled
    from reminders.store.reports import Recorded

    match what:
        case Handled(notice=notice):
            level = logging.ERROR if what.state in ("failed", "uncertain") else logging.INFO
            said = f"{what.state}: {notice.words} to subscriber {notice.subscriber}"
            LOG.log(level, said + (f": {what.why}" if what.why else ""))
        case Refreshed(changes=changes):
            for words in (*(change.words for change in changes or ()), *what.withdrawn):
                LOG.info(f"published: {words}")
            for words in what.left_out:
                LOG.error(f"no calendar shows {words}")
            for batch in what.stopped:
                LOG.error(batch.words)
            if what.surplus:
                LOG.error(what.surplus.words)
        case Reminded():
            LOG.info(f"owed: {counted(what.owed, 'mail')}, {what.dropped} recorded as not to be sent")
            for batch in what.stopped:
                LOG.error(batch.words)
        case Recorded():
            LOG.log(logging.WARNING if what.done else logging.INFO, reported(what))
        case RemindersError():
            for line in str(what).splitlines():
                LOG.error(line)
        case Reconciled():
            for each in (*what.differences, *what.failures):
                for line in each.lines:
                    LOG.error(f"{each.what}: {line}")
            for sentence in what.foreseen:
                LOG.warning(sentence)
            LOG.info(
                f"reconciled: {counted(what.expected, 'reminder')} looked for, {counted(what.number, 'difference')}"
            )
        case _:
            LOG.info(f"tidied: {what.left} past entries left the feeds, {what.expired} held mails expired")
            if what.surplus:
                LOG.error(what.surplus.words)


@click.command()
@click.option(
    "--release", is_flag=True, help="Publish changes that are held; if that is for what is missing, it is withdrawn."
)
@config_option
@click.pass_context
def refresh(context: click.Context, release: bool, config: Path) -> None:
    """Read the files and publish what changed. Exit 1 when something is held or left out, 2 for a bad file."""
    from reminders.clock import SystemClock
    from reminders.jobs.clockwatch import present
    from reminders.jobs.refresh import refresh as refresh_once

    with opened(config) as service:
        refreshed = refresh_once(service, present(service, SystemClock()), release=release)
    if refreshed.changes is None:
        click.echo("The files are as they were.")
        return
    for words in (*(change.words for change in refreshed.changes), *refreshed.withdrawn):
        click.echo(words)
    if not refreshed.changes and not refreshed.entries:
        click.echo("The files changed, but nothing in them that is published.")
        return
    drawn = "1 calendar entry" if refreshed.entries == 1 else f"{refreshed.entries} calendar entries"
    changes, mails = counted(len(refreshed.changes), "change"), counted(refreshed.owed, "mail")
    click.echo(f"Published: {changes}, {drawn}, {mails} owed.")
    for words in refreshed.left_out:
        click.echo(f"No calendar shows {words}", err=True)
    if refreshed.surplus:
        click.echo(f"{refreshed.surplus.words}.", err=True)
    _tell_held(refreshed.stopped)
    if refreshed.left_out:
        context.exit(1)


@click.command()
@config_option
def remind(config: Path) -> None:
    """Owe the reminders that have become due. Sends nothing by itself."""
    from reminders.clock import SystemClock
    from reminders.jobs.clockwatch import present
    from reminders.jobs.remind import remind as remind_once

    with opened(config) as service:
        done = remind_once(service, present(service, SystemClock()))
    click.echo(f"{counted(done.owed, 'mail')} owed, {done.dropped} recorded as not to be sent.")
    _tell_held(done.stopped)


def _tell_held(stopped: tuple[Stopped, ...]) -> None:
    for batch in stopped:
        click.echo(f"{batch.words}.", err=True)
    if stopped:
        click.get_current_context().exit(1)


@click.command()
@redirecting
@config_option
def deliver(config: Path) -> None:
    """Send what is owed and due. Exit 1 when something could not be sent."""
    from reminders.clock import SystemClock
    from reminders.jobs import workers
    from reminders.jobs.clockwatch import present
    from reminders.jobs.deliver import deliver as deliver_once
    from reminders.jobs.deliver import recover, transport_of
    from reminders.jobs.taking import Handled

    failed = []

    def told(handled: Handled) -> None:
        said = f"{handled.notice.words} to subscriber {handled.notice.subscriber}"
        click.echo(
            f"{handled.state}: {said}" + (f" ({handled.why})" if handled.state != "sent" and handled.why else "")
        )
        if handled.state in ("failed", "uncertain"):
            failed.append(handled)

    with opened(config) as service, workers.working(service.data) as owner:
        recover(service, present(service, SystemClock()))
        done = asyncio.run(deliver_once(service, transport_of(service), SystemClock(), owner, told=told))
    click.echo(f"{counted(done.sent, 'mail')} sent.")
    if done.fault:
        click.echo(f"No more can be sent at present: {done.fault}", err=True)
    click.get_current_context().exit(1 if failed or done.fault else 0)


@click.command()
@config_option
def tidy(config: Path) -> None:
    """Let past entries leave the feeds, as `keep_past` says."""
    from reminders.clock import SystemClock
    from reminders.jobs.clockwatch import present
    from reminders.jobs.tidy import tidy as tidy_once

    with opened(config) as service:
        done = tidy_once(service, present(service, SystemClock()))
    feeds = f": {', '.join(done.feeds)}" if done.feeds else ""
    click.echo(f"Past entries that left the feeds: {done.left}{feeds}")


@click.command("confirm-clock")
@config_option
def confirm_clock(config: Path) -> None:
    """Say that this computer's clock is right, when the service doubts it. Sends nothing by itself."""
    from reminders.clock import SystemClock
    from reminders.jobs.clockwatch import confirm

    clock = SystemClock()
    with opened(config) as service:
        confirm(service, clock)
        zone = service.settings.zone
    click.echo(f"It is {clock_time(clock.now(), zone)} in {zone}: that is believed from now on.")
