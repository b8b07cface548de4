"""What an operator may set: each setting declared once.

The declaration gives the key in ``config/reminders.yaml``, the variable ``REMINDERS_<NAME>`` in the environment
(which wins), the text of ``reminders config``, the schema for editors and the table in ``docs/operating.md``. A secret
comes from the environment or from a file named by ``REMINDERS_<NAME>_FILE``, never from YAML. `files.read_settings`
does the reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from reminders.catalogue import shape
from reminders.catalogue.shape import Address, Flag, Link, Shape, Text, Whole, Zone, wrong
from reminders.mail import verp

ENVIRONMENT = "REMINDERS_"
LONGEST_BOUNCE = 64 - 1 - verp.LONGEST
"""How long the part before the @ of bounce_address may be: RFC 5321 allows 64 octets, with the signed number."""


def _months(value: Any) -> Any:
    if value == "for ever" or isinstance(value, int):
        return 0 if value == "for ever" else value
    match = re.fullmatch(r"([1-9]\d{0,2}) (month|year)s?", value) if isinstance(value, str) else None
    if match is None:
        raise wrong("this is not a length of time", "write '24 months', '2 years' or 'for ever'")
    return int(match[1]) * (12 if match[2] == "year" else 1)


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", value, re.ASCII):
        raise wrong(f"'{value[:80]}' is not a number of seconds", "write one like 30 or 2.5")
    return value


def _site(value: str) -> str:
    if not re.match("https?://", value) or "?" in value or "#" in value:
        raise wrong(f"'{value[:80]}' is not the address of a site", "write one like https://dates.example.org")
    return value.rstrip("/")


def _fetched(value: str) -> str:
    if not re.match("https?://", value):
        raise wrong(f"'{value[:80]}' is not the address of a page", "write one that begins with https://")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}|\[?[0-9A-Fa-f:.]{2,45}\]?", value):
        raise wrong(f"'{value[:80]}' is not the name of a host", "write one like smtp.example.org or 127.0.0.1")
    return value.strip("[]")


def _selector(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*", value):
        raise wrong(f"'{value[:80]}' is not a selector", "write one like dates2027")
    return value


Months = Annotated[
    int,
    BeforeValidator(_months),
    WithJsonSchema({"type": "string", "pattern": "^([1-9][0-9]{0,2} (month|year)s?|for ever)$"}),
]
"""A number of months; 0 is for ever."""
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema({"type": "number"})]
Site = Annotated[Link, AfterValidator(_site)]
Fetched = Annotated[Link, AfterValidator(_fetched)]
Host = Annotated[Text, AfterValidator(_host)]
Selector = Annotated[Text, AfterValidator(_selector)]
Port = Annotated[Whole, Field(le=65535)]


class Settings(Shape):
    """The operator's settings. `Settings()` is what runs when nothing is set."""

    service_name: Text = "Deadline reminders"
    """The name people see on pages and in the From of mails."""
    public_url: Site | Literal[""] = ""
    """The address of the pages as the outside sees them, such as https://dates.example.org. Needed with smtp_host."""
    contact: Address | Literal[""] = ""
    """The address people may write to about the service. Printed on pages and in mails."""
    zone: Zone = "Europe/London"
    """The time zone of local times in files of events that name none."""
    nation: Literal["ENG", "WLS", "SCT", "NIR"] = "ENG"
    """The UK nation whose bank holidays working days leave out."""

    data: Text = "var"
    """The folder for the database, the secret key and the outbox folder; relative to the one that holds the config."""
    database: Text | Literal[""] = ""
    """The database: left out for SQLite in the data folder, or postgresql://user@host/name."""
    keep_past: Months = 24
    """How long a past date stays in the feeds: '24 months', '2 years' or 'for ever'."""
    settle: Annotated[Seconds, Field(ge=0, le=60)] = 2.0
    """Seconds for which changed files must stay as they are before they are read as finished."""

    host: Host = "127.0.0.1"
    """The address the web server listens on."""
    port: Annotated[Port, Field(ge=0)] = 8025
    """The port the web server listens on; 0 takes a free one."""

    smtp_host: Host | Literal[""] = ""
    """The mail relay. Left out: mails are written to the folder outbox/ in the data folder, and none is sent."""
    smtp_port: Annotated[Port, Field(ge=1)] = 587
    """The relay's port: 587 with starttls, 465 with tls, 25 in your own network."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected. 'none' only for a relay on this machine or network."""
    smtp_ca_file: Text | Literal[""] = ""
    """A file of certificates to trust instead of the system's, for a relay with a private authority."""
    smtp_user: Text | Literal[""] = ""
    """The account at the relay. Left out: no log-in."""
    smtp_auth: Literal["password", "xoauth2"] = "password"
    """How the account logs in: with smtp_password, or with an access token, as Microsoft 365 wants it."""
    smtp_password: SecretStr = SecretStr("")
    """The account's password."""
    smtp_token_file: Text | Literal[""] = ""
    """A file that holds the access token and that another program renews. Only with xoauth2."""
    smtp_token_command: Text | Literal[""] = ""
    """A command, run without a shell, that prints an access token or a token endpoint's answer. Only with xoauth2."""
    smtp_connections: Annotated[Whole, Field(ge=1, le=50)] = 3
    """How many messages go to the relay side by side, up to in_flight. Microsoft 365 allows an account three."""
    mail_from: Address | Literal[""] = ""
    """The address mails come from; it must be able to receive. Needed with smtp_host."""
    reply_to: Address | Literal[""] = ""
    """Where answers go, when not to mail_from."""
    dkim_key_file: Text | Literal[""] = ""
    """The private key to sign mails with (DKIM): RSA or Ed25519, in PEM. Left out: none is signed here."""
    dkim_selector: Selector = ""
    """The selector under which the public key is published in DNS. Needed with dkim_key_file."""
    dkim_domain: Host | Literal[""] = ""
    """The domain that signs: that of mail_from, or one above it. Left out: that of mail_from."""
    bounce_address: Address | Literal[""] = ""
    """Where bounces go, with '+' and a signed number before the @. Left out: to mail_from, as NHSmail demands."""
    bounce_limit: Annotated[Whole, Field(ge=1)] = 1
    """How many mails to an address must bounce for good until it is suspended."""
    reports_maildir: Text | Literal[""] = ""
    """The Maildir to which bounces are delivered; relative to the folder that holds the config. Left out: none."""
    reports_port: Annotated[Port, Field(ge=0)] = 0
    """The port of 127.0.0.1 on which a mail server hands over bounces, by LMTP or SMTP. 0: none."""

    redirect_all: Address | Literal[""] = ""
    """An address that gets every mail in place of its recipient, to try things out with real people in the files."""
    shadow: Flag = False
    """true: every mail is composed, recorded and written to shadow/ in the data folder, and nothing is sent."""
    brake: Literal["on", "off"] = "on"
    """Whether mails beyond what is usual are held until `reminders outbox release`; 'off' is for tests."""
    brake_least: Annotated[Whole, Field(ge=1)] = 50
    """So many mails a day are never held, whatever was foreseen."""
    brake_share: Annotated[Whole, Field(ge=0, le=100)] = 0
    """The percentage of all people that one day may mail unless an operator accepted more; 0 for no such bound."""
    rate: Annotated[Whole, Field(ge=0, le=100_000)] = 25
    """How many messages a minute the relay may be given; 0 for as many as it takes."""
    in_flight: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """How many messages one process may have begun and not yet recorded: so many a crash may leave in doubt."""
    per_domain: Annotated[Whole, Field(ge=0, le=1000)] = 0
    """How many messages may be in hand for one mail domain at once; 0 for as many as there are."""
    per_person: Annotated[Whole, Field(ge=0, le=1000)] = 20
    """How many mails one person gets in a day at most, whatever goes wrong; what exceeds it waits. 0 for any number."""
    attempts: Annotated[Whole, Field(ge=1, le=20)] = 3
    """How often a message may be started at the relay before it is given up."""
    message_deadline: Annotated[Seconds, Field(ge=5, le=600)] = 60.0
    """Seconds one message may take at the relay, all commands together."""
    tick: Annotated[Seconds, Field(ge=1, le=30)] = 30.0
    """Seconds between two looks at the files and the clock."""

    operator: Address | Literal[""] = ""
    """The address that is told what is held, and daily what failed, differs or will be late. Left out: only the log."""
    heartbeat_url: Fetched | Literal[""] = ""
    """An address to fetch after each pass that went well, once a minute at most. Its silence is somebody's alarm."""

    secret_key: SecretStr = SecretStr("")
    """The key behind unsubscribe links, at least 32 characters. Left out: the file secret.key that `db init` makes."""


RETIRED = {"pass_limit": ("pass_limit is no setting any more", "delete it; brake_least is what is never held")}
"""Settings of earlier versions: what to say of each, and what to write instead."""


def contradictions(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """What no setting alone can show, each as (setting, what is wrong, what to write)."""
    if settings.smtp_host and not settings.public_url.startswith("https://"):
        what = "smtp_host is set, but public_url is not an https address, and mails carry links"
        yield ("public_url" if settings.public_url else "smtp_host"), what, "write 'public_url: https://…' too"
    if settings.smtp_host and not settings.mail_from:
        yield "smtp_host", "smtp_host is set, but nothing says who mails come from", "write 'mail_from: …' too"
    if len(settings.bounce_address.rpartition("@")[0].encode()) > LONGEST_BOUNCE:
        what = "with its number the part before the @ would be longer than the 64 characters that mail allows"
        yield "bounce_address", what, f"write one with at most {LONGEST_BOUNCE} characters before the @"
    if settings.reports_port and not (settings.bounce_address or settings.mail_from):
        yield "reports_port", "no address is set to which bounces could come", "write 'bounce_address: …' too"
    if settings.smtp_user and settings.smtp_security == "none":
        yield "smtp_user", "the password would be sent in clear", "write 'smtp_security: starttls'"
    yield from _tokens(settings) if settings.smtp_auth == "xoauth2" else _password(settings)
    yield from _signing(settings)


def _password(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for name in ("smtp_token_file", "smtp_token_command"):
        if getattr(settings, name):
            yield name, f"{name} is of no use with a password", "write 'smtp_auth: xoauth2' too"
    if settings.smtp_user and not settings.smtp_password.get_secret_value():
        write = "set REMINDERS_SMTP_PASSWORD, or REMINDERS_SMTP_PASSWORD_FILE to a file that holds it"
        yield "smtp_user", "smtp_user is set, but there is no password", write


def _signing(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if settings.dkim_key_file and not settings.dkim_selector:
        yield "dkim_key_file", "nothing says under which selector the key is published", "write 'dkim_selector: …' too"
    for each in ("dkim_selector", "dkim_domain"):
        if getattr(settings, each) and not settings.dkim_key_file:
            yield each, f"{each} is set, but there is no key to sign with", "write 'dkim_key_file: …' too"
    if settings.dkim_key_file and not settings.mail_from:
        yield "dkim_key_file", "there is a key, but nothing says who mails come from", "write 'mail_from: …' too"
    sender = settings.mail_from.rpartition("@")[2].lower()
    if settings.dkim_domain and sender and not f".{sender}".endswith(f".{settings.dkim_domain.lower()}"):
        what = f"receivers do not trust the signature of {settings.dkim_domain} for mails from {sender}"
        yield "dkim_domain", what, f"write '{sender}', or leave it out"


def _tokens(settings: Settings) -> Iterator[tuple[str, str, str]]:
    if not settings.smtp_user:
        yield "smtp_auth", "xoauth2 logs in an account, and smtp_user names none", "write 'smtp_user: …' too"
    if bool(settings.smtp_token_file) == bool(settings.smtp_token_command):
        what = "xoauth2 needs one place that gives tokens"
        yield "smtp_auth", what, "write either 'smtp_token_file: …' or 'smtp_token_command: …'"


def secrets() -> frozenset[str]:
    """The names of the settings that are secret."""
    return frozenset(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)


def described() -> list[dict[str, Any]]:
    """Every setting for help and documentation: name, default, help, variable, secret."""
    return [
        {
            "name": name,
            "default": "" if name in secrets() else written(name, field.default),
            "help": field.description or "",
            "variable": ENVIRONMENT + name.upper() + ("_FILE" if name in secrets() else ""),
            "secret": name in secrets(),
        }
        for name, field in Settings.model_fields.items()
    ]


def written(name: str, value: Any) -> str:
    """A setting's value as it would be written in the file."""
    if name == "keep_past":
        return f"{value} months" if value else "for ever"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def schema() -> dict[str, Any]:
    """The JSON Schema of ``reminders.yaml``; secrets have no place there."""
    whole = shape.schema(Settings, "Settings of the service")
    whole["properties"] = {name: each for name, each in whole["properties"].items() if name not in secrets()}
    return whole
