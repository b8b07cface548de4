"""`reminders send-test`, and the options that keep mail from its recipients."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from reminders.cli.options import config_option, now, opened

Command = TypeVar("Command", bound=Callable[..., Any])


def _set(context: click.Context, option: click.Parameter, value: Any) -> None:
    """An option that stands for a setting goes the way of every setting: through the environment."""
    if value:
        from reminders.settings import ENVIRONMENT

        os.environ[f"{ENVIRONMENT}{str(option.name).upper()}"] = "true" if value is True else str(value)


def redirecting(command: Command) -> Command:
    """Give a command that mails the options --redirect-all and --shadow."""
    redirect = click.option(
        "--redirect-all",
        metavar="ADDRESS",
        expose_value=False,
        callback=_set,
        help="Send every mail to ADDRESS instead of its recipient.",
    )
    shadow = click.option(
        "--shadow",
        is_flag=True,
        expose_value=False,
        callback=_set,
        help="Compose and record every mail, and send none.",
    )
    return redirect(shadow(command))


@click.command("send-test")
@click.argument("address")
@config_option
@click.pass_context
def send_test(context: click.Context, address: str, config: Path) -> None:
    """Send one invented reminder to ADDRESS through the relay. Nothing of it is recorded. Exit 1 when it is refused."""
    from reminders.errors import DeliveryError, Verdict, WrongUse
    from reminders.jobs.deliver import transport_of
    from reminders.mail.envelope import Envelope, ascii_domain
    from reminders.mail.samples import invented

    async def always() -> bool:
        return True

    async def send() -> str:
        transport = transport_of(service)
        try:
            return (await transport.send(data, Envelope(sender.mail_from, address), always, lambda: True)).reply
        finally:
            await transport.close()

    with opened(config) as service, service.store.reading() as tx:
        book, sender = service.book(tx), service.sender()
    if book is None:
        raise WrongUse("there are no mail templates in the store yet: `reminders refresh` reads the files")
    try:
        ascii_domain(address)
    except ValueError as error:
        raise WrongUse(f"{error}: write one like amina@example.org") from error
    message_id = f"<test.{secrets.token_hex(12)}@{sender.list_domain}>"
    data = service.compose(book.templates, invented(address, sender, message_id, now())).data
    advice = {
        Verdict.FAULT: "Mend this: no mail can go out until then.",
        Verdict.PAUSE: "The relay takes nothing at present; the daemon would try again by itself.",
        Verdict.RETRY: "The relay does not take this now; the daemon would try again by itself.",
        Verdict.FINAL: "The relay will never take this. Is the address right?",
        Verdict.DOUBT: "No answer came: nobody knows whether it was taken. Look for the Message-ID at the relay.",
    }
    try:
        reply = asyncio.run(send())
    except DeliveryError as error:
        click.echo(f"Not accepted at {error}\n{advice[error.verdict]}\nMessage-ID: {message_id}", err=True)
        context.exit(1)
    click.echo(f"Accepted: {reply}\nMessage-ID: {message_id}")
