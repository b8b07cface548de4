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

from reminders.cli.options import config_option, counted, now, opened
from reminders.cli.sending import redirecting

if TYPE_CHECKING:
    from datetime import datetime

    from reminders.daemon import Happening
    from reminders.errors import WrongUse
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
    from reminders.daemon import start

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
    from reminders.daemon import Daemon, start
    from reminders.daemon import run as run_daemon
    from reminders.errors import WrongUse
    from reminders.files import read_settings
    from reminders.jobs.deliver import transport_of
    from reminders.jobs.service import database_url
    from reminders.serving import StoreWatch, application, kept_shelf, stand_in
    from reminders.store.engine import absent, open_store
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
        await run_daemon(watch, stand_in(error, SystemClock(), settings, config), listening)
        if watch.found:
            LOG.info("the store can be opened again: ending, to be started anew")
            context.exit(75)  # as sysexits.h has it: for now

    async def work(service: Service) -> None:
        clock = SystemClock()
        daemon = Daemon(service, clock, transport_of(service), _log) if only != "web" else None
        listening = application_ = None
        if only != "worker":
            listening = listen(service.settings.host, service.settings.port)
            application_ = application(service, clock)
            host, port = listening.getsockname()[:2]
            click.echo(f"Pages and feeds: http://{host}:{port}")
        if daemon is not None:
            click.echo(_where_mail_goes(service))
        await run_daemon(daemon, application_, listening)

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
    from reminders.errors import BadInput, Held
    from reminders.jobs.refresh import refresh as refresh_once

    with service.store.reading() as tx:
        published = service.book(tx) is not None
    if only == "web":
        return
    try:
        refreshed = refresh_once(service, now())
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


def _log(at: datetime, what: Happening) -> None:
    """What happens, for the log: by number, never by address."""
    from reminders.errors import RemindersError
    from reminders.jobs.refresh import Refreshed
    from reminders.jobs.remind import Reminded
    from reminders.jobs.taking import Handled

    match what:
        case Handled(notice=notice):
            level = logging.ERROR if what.state in ("failed", "uncertain") else logging.INFO
            said = f"{notice.event} {notice.date_kind} {notice.rule or notice.kind.value}"
            LOG.log(
                level, f"{what.state}: {said} to subscriber {notice.subscriber}" + (f": {what.why}" if what.why else "")
            )
        case Refreshed(changes=changes):
            for words in (*(change.words for change in changes or ()), *what.withdrawn):
                LOG.info(f"published: {words}")
            for words in what.left_out:
                LOG.error(f"no calendar shows {words}")
            if what.held:
                LOG.error(f"{what.held} mails about changes exceed pass_limit and are held: reminders outbox list held")
        case Reminded():
            LOG.info(f"owed: {counted(what.owed, 'mail')}, {what.dropped} recorded as not to be sent")
            if what.held:
                LOG.error(f"{what.held} mails exceed pass_limit and are held: reminders outbox list held")
        case RemindersError():
            for line in str(what).splitlines():
                LOG.error(line)
        case _:
            LOG.info(f"tidied: {what.left} past entries left the feeds, {what.expired} held mails expired")


@click.command()
@click.option(
    "--release", is_flag=True, help="Publish changes that are held; if that is for what is missing, it is withdrawn."
)
@config_option
@click.pass_context
def refresh(context: click.Context, release: bool, config: Path) -> None:
    """Read the files and publish what changed. Exit 1 when something is held or left out, 2 for a bad file."""
    from reminders.jobs.refresh import refresh as refresh_once

    with opened(config) as service:
        refreshed = refresh_once(service, now(), release=release)
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
    _tell_held(refreshed.held)
    if refreshed.left_out:
        context.exit(1)


@click.command()
@config_option
def remind(config: Path) -> None:
    """Owe the reminders that have become due. Sends nothing by itself."""
    from reminders.jobs.remind import remind as remind_once

    with opened(config) as service:
        done = remind_once(service, now())
    click.echo(f"{counted(done.owed, 'mail')} owed, {done.dropped} recorded as not to be sent.")
    _tell_held(done.held)


def _tell_held(held: int) -> None:
    if held:
        click.echo(
            f"Held over pass_limit: {counted(held, 'mail')}. `reminders outbox list held`, then `outbox release`."
        )
        click.get_current_context().exit(1)


@click.command()
@redirecting
@config_option
def deliver(config: Path) -> None:
    """Send what is owed and due. Exit 1 when something could not be sent."""
    from reminders.clock import SystemClock
    from reminders.jobs import workers
    from reminders.jobs.deliver import deliver as deliver_once
    from reminders.jobs.deliver import recover, transport_of
    from reminders.jobs.taking import Handled

    failed = []

    def told(handled: Handled) -> None:
        notice = handled.notice
        said = f"{notice.event} {notice.date_kind} {notice.rule or notice.kind.value} to subscriber {notice.subscriber}"
        click.echo(
            f"{handled.state}: {said}" + (f" ({handled.why})" if handled.state != "sent" and handled.why else "")
        )
        if handled.state in ("failed", "uncertain"):
            failed.append(handled)

    with opened(config) as service, workers.working(service.data) as owner:
        recover(service, now())
        done = asyncio.run(deliver_once(service, transport_of(service), SystemClock(), owner, told=told))
    click.echo(f"{counted(done.sent, 'mail')} sent.")
    if done.fault:
        click.echo(f"No more can be sent at present: {done.fault}", err=True)
    click.get_current_context().exit(1 if failed or done.fault else 0)


@click.command()
@config_option
def tidy(config: Path) -> None:
    """Let past entries leave the feeds, as `keep_past` says."""
    from reminders.jobs.tidy import tidy as tidy_once

    with opened(config) as service:
        done = tidy_once(service, now())
    feeds = f": {', '.join(done.feeds)}" if done.feeds else ""
    click.echo(f"Past entries that left the feeds: {done.left}{feeds}")
