"""What an operator may set: each setting declared once.

The declaration gives the key in ``config/reminders.yaml``, the variable ``REMINDERS_<NAME>`` in the environment
(which wins), the text of ``reminders config`` and of the documentation. A secret comes from the environment or from
a file named by ``REMINDERS_<NAME>_FILE``, never from YAML. `files.read_settings` does the reading.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

ENVIRONMENT = "REMINDERS_"


def _months(value: object) -> object:
    """``24 months``, ``2 years`` or ``for ever`` as a number of months; 0 is for ever."""
    if not isinstance(value, str):
        return value
    if value in ("for ever", "forever"):
        return 0
    count, _, unit = value.partition(" ")
    if count.isdecimal() and unit in ("month", "months", "year", "years") and int(count) > 0:
        return int(count) * (12 if unit.startswith("year") else 1)
    raise PydanticCustomError("wrong", "{what}", {"what": f"not a length of time: {value}", "write": "24 months"})


Months = Annotated[int, BeforeValidator(_months), Field(json_schema_extra={"type": "string"})]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """The operator's settings. `Settings()` is what runs when nothing is set."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    service_name: Line = "Deadline reminders"
    """The name people see on pages, in feeds and in the From of mails."""
    public_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")] = ""
    """The address of the pages as the outside sees them, such as https://dates.example.org. Required with smtp_host."""
    contact: Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    """The address people may write to about the service. Printed on pages and in mails."""
    zone: Line = "Europe/London"
    """The time zone of local times in events that name none."""
    nation: Literal["ENG", "WLS", "SCT", "NIR"] = "ENG"
    """The UK nation whose bank holidays working days leave out."""

    data: Line = "var"
    """The folder for the database, the secret key and the outbox folder; relative to the one that holds the config."""
    database: Annotated[str, StringConstraints(max_length=400)] = ""
    """The database: empty for SQLite in the data folder, or postgresql://user@host/name."""
    keep_past: Months = 24
    """How long a past date stays in the feeds: "24 months", "2 years" or "for ever"."""
    settle: Annotated[float, Field(ge=0, le=60)] = 2.0
    """Seconds for which changed files must stay as they are before they are read as finished."""

    host: Line = "127.0.0.1"
    """The address the web server listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8025
    """The port the web server listens on; 0 takes a free one."""

    smtp_host: Annotated[str, StringConstraints(max_length=253)] = ""
    """The mail relay. Empty: mails are written to the folder outbox/ in the data folder, and none is sent."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    """The relay's port: 587 with starttls, 465 with tls, 25 in your own network."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected. "none" only for a relay on this machine or network."""
    smtp_ca_file: Annotated[str, StringConstraints(max_length=400)] = ""
    """A file of certificates to trust instead of the system's, for a relay with a private authority."""
    smtp_user: Annotated[str, StringConstraints(max_length=200)] = ""
    """The account at the relay. Empty: no log-in."""
    smtp_password: SecretStr = SecretStr("")
    """The account's password."""
    mail_from: Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    """The address mails come from; it must be able to receive. Required with smtp_host."""
    reply_to: Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    """Where answers go; empty for mail_from."""

    pass_limit: Count = 500
    """How many new mails one pass may owe. What exceeds it is held until `reminders outbox release`."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How often a message may be started at the relay before it is given up."""
    message_deadline: Annotated[float, Field(ge=5, le=600)] = 60.0
    """Seconds one message may take at the relay, all commands together."""
    tick: Annotated[float, Field(ge=1, le=30)] = 30.0
    """Seconds between two looks at the files and the clock."""

    secret_key: SecretStr = SecretStr("")
    """The key behind unsubscribe links, at least 32 characters. Empty: the file secret.key that `db init` makes."""

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        if self.smtp_host and not self.public_url.startswith("https://"):
            raise PydanticCustomError(
                "wrong",
                "{what}",
                {
                    "what": "smtp_host is set, but public_url is not an https address, and mails carry links",
                    "write": "public_url: https://dates.example.org",
                },
            )
        if self.smtp_host and not self.mail_from:
            raise PydanticCustomError(
                "wrong",
                "{what}",
                {
                    "what": "smtp_host is set, but nothing says who mails come from",
                    "write": "mail_from: dates@your.org",
                },
            )
        if self.smtp_user and self.smtp_security == "none":
            raise PydanticCustomError(
                "wrong",
                "{what}",
                {"what": "smtp_user would send its password in clear", "write": "smtp_security: starttls"},
            )
        if self.smtp_user and not self.smtp_password.get_secret_value():
            raise PydanticCustomError(
                "wrong",
                "{what}",
                {
                    "what": "smtp_user is set, but there is no password",
                    "write": "the variable REMINDERS_SMTP_PASSWORD or REMINDERS_SMTP_PASSWORD_FILE",
                },
            )
        return self


def secrets() -> frozenset[str]:
    """The names of the settings that are secret."""
    return frozenset(name for name, field in Settings.model_fields.items() if field.annotation is SecretStr)


def described() -> list[dict[str, Any]]:
    """Every setting for help and documentation: name, default, help, variable, secret."""
    return [
        {
            "name": name,
            "default": "" if name in secrets() else field.default,
            "help": field.description or "",
            "variable": ENVIRONMENT + name.upper(),
            "secret": name in secrets(),
        }
        for name, field in Settings.model_fields.items()
    ]
