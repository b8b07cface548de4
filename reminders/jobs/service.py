"""What every pass works with: the settings, the store, and the last good files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reminders.configuration import EVENTS, Configuration, read_configuration
from reminders.errors import BadInput, Problem, WrongUse
from reminders.files import digest
from reminders.jobs.signing import signer
from reminders.mail import compose, verp
from reminders.mail.compose import Letter, Templates
from reminders.mail.compose import Service as Sender
from reminders.mail.envelope import Envelope
from reminders.mail.skeleton import Composed, Composer
from reminders.mail.templates import FOLDER
from reminders.planning.notices import Notice
from reminders.settings import Settings
from reminders.store.journal import FILE, Journal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reminders.store.engine import Store

KEY_FILE = "secret.key"


@dataclass(frozen=True, slots=True)
class Book:
    """The last good files as they were read: what they say, their mail templates, and the digest that names them."""

    digest: str
    configuration: Configuration
    templates: Templates

    @property
    def policies(self) -> dict[str, str]:
        """What happens to a rule's messages of which nobody knows whether the server took them, by the rule's id."""
        return {rule.id: rule.uncertain.value for rule in self.configuration.rules}


class Service:
    """One store with its settings, for as long as a process works with it.

    `config` is the folder of the files, `data` the one of the outbox folder and the key.
    """

    def __init__(self, settings: Settings, config: Path, store: Store, key: bytes) -> None:
        self.settings = settings
        self.config = config
        self.data = data_folder(settings, config)
        self.store = store
        self.journal = Journal(self.data / FILE)
        self.doubt = ""
        """Why nothing was mailed when it was last asked whether it might be; "" while all was well."""
        self._key = key
        self._signer = signer(settings, config)
        self._book: Book | None = None
        self._composer: Composer | None = None

    def book(self, tx: Connection) -> Book | None:
        """The last good files, or None while none were ever accepted."""
        from reminders.store import events  # 0.2 s that commands without a store do not need

        known = events.snapshot_digest(tx)
        if known is None:
            return None
        if self._book is None or self._book.digest != known:
            self._book = _recall_book(events.snapshot(tx), self.settings.zone)
        return self._book

    def accept(self, book: Book) -> None:
        """Work with these files from now on: they have just become the last good ones."""
        self._book = book

    def compose(self, templates: Templates, letter: Letter) -> Composed:
        """The message of a letter, signed where there is a key; raises as `compose.compose` does."""
        composer = self._composer
        if composer is None or composer.templates is not templates:
            self._composer = composer = Composer(templates, self._signer)
        return composer.compose(letter)

    def sign(self, message: bytes) -> bytes:
        """A message that was made without `compose`, signed where there is a key."""
        return self._signer(message) if self._signer is not None else message

    def token(self, subscriber: int) -> str:
        """The unsubscribe token of a person: 192 bits that only the holder of the key can make (URL-safe text).

        Derived, so that a message composed twice is the same bytes; the store keeps only its hash.
        """
        return token(self._key, subscriber)

    def mark(self, address_key: str) -> str:
        """What stands for a person in the journal (`people.address_key`): only the holder of the key can tell who."""
        return hmac.new(self._key, f"journal:{address_key}".encode(), hashlib.sha256).hexdigest()[:32]

    def envelope(self, id: int, recipient: str) -> Envelope:
        """Whom the message of row `id` of the outbox is from and to: what comes back about it proves to be so."""
        signed = self.report_id(id)
        address = self.settings.bounce_address
        sender = address or self.sender().mail_from
        return Envelope(verp.sender(address, signed) if address and signed else sender, recipient, signed)

    def report_id(self, id: int) -> str:
        """The signed id of row `id` of the outbox, for the header `verp.HEADER` of its message.

        With a new secret key what comes back about mails sent before proves nothing any more. "" while all mails are
        redirected: what comes back is then not about their people.
        """
        return "" if self.settings.redirect_all else verp.sign(self._key, id)

    def signed(self, text: str) -> int | None:
        """Which row of the outbox a text names by an id that this service signed; None when none."""
        return verp.verify(self._key, text)

    def takes_reports(self, address: str) -> bool:
        """Whether reports come to this address."""
        return verp.is_ours(self._key, self.settings.bounce_address or self.sender().mail_from, address)

    @property
    def key_mark(self) -> str:
        """What tells one secret key from another, and nothing of the key itself."""
        return hashlib.sha256(b"mark:" + self._key).hexdigest()[:16]

    @property
    def rate(self) -> int:
        """How many messages a minute may go; 0 for as many as are taken. A folder takes all."""
        return rate(self.settings)

    def sender(self) -> Sender:
        """Who mails come from, as the templates know it."""
        return sender(self.settings)

    def event_url(self, event: str) -> str:
        """The page of an event, or "" while nothing is public."""
        return event_url(self.settings, event)

    def unsubscribe_url(self, subscriber: int) -> str:
        """The page where a person leaves, or "" while nothing is public."""
        base = self.settings.public_url
        return f"{base}/unsubscribe/{self.token(subscriber)}" if base else ""

    def calendars_url(self, subscriber: int) -> str:
        """The page of a person's own calendars, or "" while nothing is public."""
        base = self.settings.public_url
        return f"{base}/you/{self.token(subscriber)}" if base else ""


def sender(settings: Settings) -> Sender:
    """Who mails come from, as the templates know it; invented while no address is set, and no mail is sent."""
    address = settings.mail_from or "reminders@example.org"
    return Sender(
        name=settings.service_name,
        public_url=settings.public_url,
        mail_from=address,
        mail_from_name=settings.service_name,
        reply_to=settings.reply_to,
        list_domain=address.rpartition("@")[2],
        contact=settings.contact,
    )


def rate(settings: Settings) -> int:
    """How many messages a minute may be sent; 0 for any number, as into the outbox folder."""
    return settings.rate if settings.smtp_host and not settings.shadow else 0


def message_id_of(settings: Settings, notice: Notice, attempts: int = 0) -> str:
    """The Message-ID of a notice (RFC 5322, 3.6.4): the same however often it is composed after so many attempts.

    Owed again after it was dropped, it is still the same notice, and nothing of it was ever handed over. What was
    refused and is composed anew is another message.
    """
    again = f".{attempts}" if attempts else ""
    return f"<{notice.key[:40]}{again}@{sender(settings).list_domain}>"


def event_url(settings: Settings, event: str) -> str:
    """The page of an event, or "" while nothing is public."""
    return f"{settings.public_url}/events/{event}" if settings.public_url else ""


def read_book(files: Mapping[str, bytes], zone: str, *, shipped: Set[str] = frozenset()) -> Book:
    """Read and check all files, and compile their mail templates. Raises `BadInput` with every problem of all.

    A problem with one of the `shipped` files says that it is not in the user's own folder.
    """
    problems: list[Problem] = []
    configuration, templates = None, None
    try:
        configuration = read_configuration(files, zone)
    except BadInput as error:
        problems += error.problems
    try:
        templates = Templates(_sources(files))
    except BadInput as error:
        problems += error.problems
    if configuration is None or templates is None:
        raise BadInput(
            replace(each, file=f"{each.file} (the one that came with this; yours may differ)")
            if each.file in shipped
            else each
            for each in problems
        )
    return Book(digest(files), configuration, templates)


def _recall_book(files: Mapping[str, bytes], zone: str) -> Book:
    """Read files that were accepted earlier.

    A time in those of events may be refused by now, because clocks are foretold otherwise. What they said is published.
    """
    try:
        return read_book(files, zone)
    except BadInput:
        others = {path: data for path, data in files.items() if not path.startswith(EVENTS)}
        return replace(read_book(others, zone), digest=digest(files))


def check_letters(settings: Settings, book: Book, *, every: bool = False) -> None:
    """Fill in the templates for every shape of date (with `every`: for every date). Raises `BadInput`.

    As if the pages were public, even while they are not: the links must be there on the day they are.
    """
    read, service = book.configuration, sender(settings)
    service = replace(service, public_url=service.public_url or "https://dates.example.org")
    compose.check(book.templates, read.catalogue, read.kinds, service, every=every)


def _sources(files: Mapping[str, bytes]) -> dict[str, str]:
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    for path, data in files.items():
        if path.startswith(FOLDER):
            try:
                sources[path.removeprefix(FOLDER)] = data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = data.count(b"\n", 0, error.start) + 1
                what = f"byte {data[error.start]:#04x} is not UTF-8 text"
                problems.append(Problem(path, line, 1, what, "save the file as UTF-8"))
    if problems:
        raise BadInput(problems)
    return sources


def token(key: bytes, subscriber: int) -> str:
    made = hmac.new(key, f"unsubscribe:{subscriber}".encode(), hashlib.sha256).digest()[:24]
    return base64.urlsafe_b64encode(made).decode("ascii")


def data_folder(settings: Settings, config: Path) -> Path:
    """The data folder; a relative one lies beside the config folder, wherever the command is run from."""
    return (config.resolve().parent / settings.data).resolve()


def database_url(settings: Settings, config: Path) -> str:
    """The database that the settings mean."""
    return settings.database or f"sqlite:///{data_folder(settings, config) / 'reminders.sqlite'}"


def make_key(data: Path) -> None:
    """Make the secret key of a new store, readable only by its owner; an existing one is kept."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(data / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48) + "\n")


def read_key(settings: Settings, data: Path) -> bytes:
    """The secret key: from the settings, else from the file that `db init` made."""
    key = settings.secret_key.get_secret_value().encode()
    if not key:
        try:
            key = (data / KEY_FILE).read_bytes().strip()
        except OSError as error:
            raise WrongUse(
                f"the secret key {data / KEY_FILE} cannot be read ({error.strerror}): restore it from a backup, or set "
                "REMINDERS_SECRET_KEY_FILE. Links in mails already sent go on working with a new one too: to make one, "
                f"write at least 32 random characters to that file"
            ) from error
    if len(key) < 32:
        raise WrongUse(
            f"the secret key ({data / KEY_FILE}, or REMINDERS_SECRET_KEY) is shorter than 32 characters: write at "
            "least so many random ones; links in mails already sent go on working"
        )
    return key
