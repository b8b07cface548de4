"""The command line: `main`, and the commands by what they are for.

Exit codes: 0 done; 1 something is amiss that the output names (mails not sent, changes held, a damaged store); 2 wrong
use or bad input; 130 interrupted. What a command needs is imported when it runs, so that help is quick.
"""

from __future__ import annotations

import sys

import click

from reminders.cli import asking, database, feeds, outbox, reconciling, reports, running, sending, why
from reminders.errors import BadInput, RemindersError, WrongUse


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="reminders", message="%(version)s")
def commands() -> None:
    """Deadlines and dates from files, as calendar feeds and reminder mails.

    `reminders demo` shows it; `reminders check` reads your files; `reminders run` is the service.
    Exit codes: 0 done, 1 something is amiss that the output names, 2 wrong use or bad input.
    """


for each in (
    *(running.demo, running.run, running.refresh, running.remind, running.deliver, sending.send_test, running.tidy),
    running.confirm_clock,
    *(asking.check, asking.simulate, feeds.feed, asking.preview, why.why, asking.config),
    *(asking.subscribers, outbox.outbox, outbox.pause, outbox.resume, outbox.recall, reports.reports),
    *(reconciling.reconcile, database.db),
):
    commands.add_command(each)


def main() -> None:
    """Run the command that was typed; what goes wrong is told without a traceback."""
    try:
        status = commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Abort:
        sys.exit(130)
    except (BadInput, WrongUse) as error:
        click.echo(error, err=True)
        sys.exit(2)
    except RemindersError as error:
        click.echo(error, err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output had enough
        sys.exit(0)
    except Exception as error:
        if "reminders.store.engine" not in sys.modules:
            raise
        from reminders.store.engine import TROUBLE, words

        if not isinstance(error, TROUBLE):
            raise
        click.echo(words(error), err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
