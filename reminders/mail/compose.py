"""A letter as the exact bytes that go over the wire, and the check that every letter can be written.

The message is multipart/alternative, text and HTML in quoted-printable, 7 bit throughout, one recipient, no copies.
The same letter gives the same bytes.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from reminders.catalogue.events import Catalogue, Kind
from reminders.errors import BadInput, Problem
from reminders.mail import verp
from reminders.mail.envelope import ascii_domain
from reminders.mail.letter import Letter, Service, filled, kind_of, values
from reminders.mail.samples import INVENTED, letters, samples, shape_of
from reminders.mail.templates import FOLDER, Templates, fetches

__all__ = ["Letter", "Rendered", "Service", "Templates", "check", "compose", "render"]

SUBJECT = 78
"""Characters a subject should keep to; a longer one loses words of the title. Small screens show half of it."""
TEXT = 74
"""Columns of the text part."""
HTML_BYTES = 100_000
"""Beyond this some mail programs cut the message off, with the unsubscribe link."""


_SECURE = "[secure]"  # makes NHSmail encrypt the mail, to be read behind a web portal only


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a person reads: subject, text and HTML."""

    subject: str
    text: str
    html: str


def compose(templates: Templates, letter: Letter) -> bytes:
    """The whole message, CRLF line ends, every line within 998 octets and all of it 7 bit.

    Only an address that is itself not ASCII gives headers in UTF-8 (RFC 6532). Raises BadInput when the templates
    cannot be filled in, ValueError for an address that is none.
    """
    rendered = render(templates, letter)
    service, subscriber = letter.service, letter.subscriber
    sender, recipient = ascii_domain(service.mail_from), ascii_domain(subscriber.address)
    message = EmailMessage(policy=_WirePolicy(utf8=not (sender.isascii() and recipient.isascii())))
    message["From"] = _mailbox(service.mail_from_name, sender)
    message["To"] = _mailbox(subscriber.name, recipient)
    if service.reply_to:
        message["Reply-To"] = _mailbox("", ascii_domain(service.reply_to))
    message["Subject"] = _literal(rendered.subject)
    message["Date"] = letter.composed_at.astimezone(UTC)
    message["Message-ID"] = letter.message_id
    if letter.parent_ids:
        message["In-Reply-To"], message["References"] = threaded(letter.parent_ids)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834
    # Exchange: no out-of-office answers or receipts. NDR is left out on purpose: bounces are wanted.
    message["X-Auto-Response-Suppress"] = "DR, RN, NRN, OOF, AutoReply"
    if letter.report_id:
        message[verp.HEADER] = letter.report_id
    message["List-Id"] = f"<{service.list_domain}>"  # RFC 2919
    if letter.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"  # RFC 2369
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    message.set_boundary(boundary(letter.message_id))
    return message.as_bytes()


def boundary(message_id: str) -> str:
    """What parts the message (RFC 2046, 5.1.1): derived, because a random one would change the bytes.

    "=" cannot occur like this in quoted-printable.
    """
    return "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]


def threaded(parent_ids: tuple[str, ...]) -> tuple[str, str]:
    """In-Reply-To and References (RFC 5322, 3.6.4): a long chain keeps its first and its last."""
    return parent_ids[-1], " ".join((parent_ids[0], *parent_ids[1:][-9:]))


def mailbox_field(field: str, name: str, address: str) -> bytes:
    """A field of one mailbox in a message that is ASCII throughout, as it goes over the wire."""
    policy = _WirePolicy()
    return policy.fold_binary(*policy.header_store_parse(field, _mailbox(name, address)))


def render(templates: Templates, letter: Letter) -> Rendered:
    """Fill in the three templates of a letter. Raises BadInput when one of them cannot be."""
    kind, known = kind_of(letter), filled(letter)
    subject = templates.subject(kind, known)
    if len(subject) > SUBJECT:
        title = letter.event.title
        cut = title[: max(len(title) - (len(subject) - SUBJECT), 24) - 1]
        cut = cut.rpartition(" ")[0] or cut
        subject = templates.subject(kind, known | {"title": cut.rstrip(" ,;:-–") + "…"})
    if _SECURE in subject.casefold():
        raise BadInput([Problem(f"{FOLDER}{kind}.subject.txt.j2", 1, 1, f"a subject may not say {_SECURE}: {subject}")])
    return Rendered(subject, _wrapped(templates.text(kind, known)), templates.html(kind, known))


def check(
    templates: Templates,
    catalogue: Catalogue,
    kinds: Mapping[str, Kind],
    service: Service,
    *,
    every: bool = False,
) -> None:
    """Fill in every kind of notice for every distinct shape of date in the catalogue, and for invented ones.

    With `every`, for every date. Raises BadInput with the problems, each told once.
    """
    problems: dict[Problem, None] = {}
    for event in catalogue.events:
        if _SECURE in event.title.casefold():
            what = f"a title may not say {_SECURE}: NHSmail would lock the mail behind a web page"
            problems[Problem(f"event {event.id}", 0, 0, what)] = None
    seen: set[tuple[object, ...]] = set()
    dates = (
        (event, date, kinds[each.kind])
        for event in catalogue.events
        for each in event.dates
        for date in samples(each, every=every)
    )
    for event, each, kind in (*INVENTED, *dates):
        shape = shape_of(event, each, kind)
        if shape in seen and not every:
            continue
        seen.add(shape)
        for letter in letters(event, each, kind, service):
            # Templates can ask only what is empty and what `change` is: letters alike in that are filled in alike.
            flags = (value if name == "change" else bool(value) for name, value in values(letter).items())
            branches = (kind_of(letter), *flags)
            if branches in seen and not every:
                continue
            seen.add(branches)
            problems.update(dict.fromkeys(_problems(templates, letter)))
    if problems:
        raise BadInput(problems)


def _problems(templates: Templates, letter: Letter) -> Iterator[Problem]:
    name = f"{FOLDER}{kind_of(letter)}"
    try:
        rendered = render(templates, letter)
    except BadInput as error:
        yield from error.problems
        return
    if not rendered.subject:
        yield Problem(f"{name}.subject.txt.j2", 1, 1, f"the subject is empty for {letter.event.id}")
    if not rendered.text.strip():
        yield Problem(f"{name}.txt.j2", 1, 1, f"the text is empty for {letter.event.id}")
    remote = fetches(rendered.html)
    if remote:
        write = "only http, https and mailto links; no pictures, scripts or anything else to fetch"
        yield Problem(f"{name}.mjml.j2", 0, 0, f"cannot be in a mail: {remote}", write)
    if len(rendered.html.encode()) > HTML_BYTES:
        yield Problem(f"{name}.mjml.j2", 0, 0, f"the HTML for {letter.event.id} is longer than {HTML_BYTES:,} bytes")
    for url in (letter.unsubscribe_url, letter.calendars_url, letter.event_url):
        if url and (url in rendered.text) != (f'href="{url}"' in rendered.html):
            yield Problem(f"{name}.txt.j2", 0, 0, f"only one of text and HTML has the link {url}", "put it into both")
    if letter.unsubscribe_url and letter.unsubscribe_url not in rendered.text:
        yield Problem(f"{name}.txt.j2", 0, 0, "there is no way to unsubscribe", "{{ unsubscribe_url }}")


class _WirePolicy(EmailPolicy):
    """Folds at 76, but not where the standard policy gets it wrong.

    It turns a long List-Unsubscribe or Message-ID into encoded words, and the link is dead; it leaves the first line of
    a long Subject empty; where it breaks a line between plain and encoded words, spaces come and go; and it lets
    through what only looks like an encoded word.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"linesep": "\r\n", "max_line_length": 76, "cte_type": "7bit", **settings})

    def fold_binary(self, name: str, value: Any) -> bytes:
        text = str(value)
        if name in ("Message-ID", "In-Reply-To", "References", "List-Id", "List-Unsubscribe"):
            return (f"{name}: " + text.replace(" ", "\r\n ") + "\r\n").encode("ascii")
        if name == "Subject" and "=?" not in text and text.isascii():
            words = Header(text, "us-ascii", header_name=name, maxlinelen=76).encode(linesep="\r\n")
            return f"{name}: {words}\r\n".encode("ascii")
        if "=?" not in text and (text.isascii() or self.utf8):
            return super().fold_binary(name, value)
        address = ""
        if name in ("From", "To"):
            text, address = value.addresses[0].display_name, f"\r\n <{value.addresses[0].addr_spec}>"
        words = Header(text, "utf-8", header_name=name, maxlinelen=76).encode(linesep="\r\n")
        return f"{name}: {words}{address}\r\n".encode("ascii")


def _literal(text: str) -> str:
    """The text for a header that would take what looks like an encoded word for one."""
    return Header(text, "utf-8").encode(maxlinelen=0) if "=?" in text else text


def _mailbox(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


def lines_of(text: str) -> list[str]:
    """The lines of a text before they are broken: no more than one empty line at once, and none at either end."""
    lines: list[str] = []
    for line in map(str.rstrip, text.splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines if not lines or lines[-1] else lines[:-1]


def broken(line: str) -> list[str]:
    """A line as lines of `TEXT` columns, broken between words and never inside a link."""
    if len(line) <= TEXT:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(line, TEXT, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _wrapped(text: str) -> str:
    return "\n".join(piece for line in lines_of(text) for piece in broken(line)) + "\n"
