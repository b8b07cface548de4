"""What a message says about one of ours: delivery reports (RFC 3464, RFC 6533) and complaints (RFC 5965).

Only a ``multipart/report`` (RFC 6522) is a report. Answers of absent people, challenges, receipts, and bounces in free
words say nothing here. Who sent it proves nothing; `ids` are what may be signed ids of ours (`mail.verp`), to be
verified by whoever has the key.

The message is a stranger's: whatever the bytes, it is read in bounded time or taken for no report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser, HeaderParser
from enum import StrEnum

from reminders.mail import verp
from reminders.mail.statuses import find_status, is_dead

SIZE = 1_000_000
"""The longest message that is looked at, in bytes."""
_TYPE = "multipart/report"
_MANY = 50
"""How many recipients, and how many ids, are looked at."""
_DELIVERY = ("message/delivery-status", "message/global-delivery-status")
_FEEDBACK = "message/feedback-report"
_RETURNED = (
    *("text/rfc822-headers", "message/rfc822-headers", "message/rfc822"),
    *("message/global-headers", "message/global"),
)
_COMPLAINTS = ("abuse", "fraud")
"""Types of feedback (RFC 5965, 7.3) by which a person says that they do not want the mail."""
_ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


class ReportKind(StrEnum):
    """What became of a message. The words are stored and shown; the milder stands before the graver."""

    DELIVERED = "delivered"
    DELAYED = "delayed"  # still being tried
    SOFT = "soft"  # it did not arrive, for a reason that is not the address's
    HARD = "hard"  # it did not arrive, and none ever will
    COMPLAINT = "complaint"  # the person called it unwanted


_GRAVITY = list(ReportKind)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said about one recipient. `recipients` are their addresses, as first given and in the end, casefolded.

    `status` is the enhanced status code ("" when there is none), `words` those of the server, on one line.
    """

    kind: ReportKind
    recipients: tuple[str, ...]
    status: str
    words: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report: what it says about each recipient, and what in it may be a signed id of ours."""

    findings: tuple[Finding, ...]
    ids: tuple[str, ...]


def about(report: Report, address: str) -> Finding:
    """What a report says about the message to this address.

    Of several recipients those count that are the address, if any is: a person may forward their mail to others. Of
    what then differs the mildest counts.
    """
    own = [each for each in report.findings if address.casefold() in each.recipients]
    return min(own or report.findings, key=lambda each: _GRAVITY.index(each.kind))


def read_report(data: bytes) -> Report | None:
    """What a message reports; None when it is no report."""
    if len(data) > SIZE or data.lower().count(_TYPE.encode()) > _MANY:
        return None
    whole = BytesParser(_Part, policy=policy.compat32).parsebytes(data)
    parts = whole.get_payload()
    if not isinstance(whole, _Part) or whole.given_type() != _TYPE or not isinstance(parts, list):
        return None
    findings: list[Finding] = []
    said = [*_all(whole, *_ADDRESSED)]
    for part in (each for each in parts if isinstance(each, _Part)):
        name = part.given_type()
        if name in (*_DELIVERY, _FEEDBACK, *_RETURNED):
            first, *others = _blocks(part.text())
            said += _all(first, "Original-Envelope-Id", "Original-Mail-From", verp.HEADER, "Return-Path")
            if name == _FEEDBACK:
                findings += filter(None, [_complaint(first)])
            elif name in _DELIVERY:
                findings += filter(None, map(_delivery, others[:_MANY]))
    ids = [found[0].lower() for text in said for found in verp.PATTERN.finditer(text)]
    return Report(tuple(findings), tuple(dict.fromkeys(ids))[:_MANY]) if findings else None


class _Part(Message):
    """A part whose bytes are left as they are unless it is a report itself.

    What is a ``message/…`` may be encoded (RFC 6533), which the parser does not expect; and nothing that is nested
    deeper than a report has any say.
    """

    def get_content_type(self) -> str:
        return _TYPE if self.given_type() == _TYPE else "text/plain"

    def given_type(self) -> str:
        """The type that the part itself declares."""
        return str(self.get("Content-Type", "")).partition(";")[0].strip().lower()

    def text(self) -> str:
        """Its content as text; what is not UTF-8 is replaced."""
        content = self.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def _blocks(text: str) -> Iterator[Message]:
    """The groups of fields in a text, which stand between empty lines."""
    for block in re.split(r"(?:\r?\n[ \t]*){2,}", text.strip()):
        yield HeaderParser(policy=policy.compat32).parsestr(block, headersonly=True)


def _all(fields: Message, *names: str) -> list[str]:
    return [_line(value) for name in names for value in fields.get_all(name, [])]


def _line(value: object) -> str:
    """A field's value on one line, without what cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(value)).split())


def _field(fields: Message, name: str) -> str:
    return next(iter(_all(fields, name)), "")


def _typed(fields: Message, name: str) -> str:
    """The value of a field that begins with its type, such as ``rfc822; someone@example.org`` (RFC 3464, 2.1.2)."""
    value = _field(fields, name)
    return value.partition(";")[2].strip() if ";" in value else value


def _address(fields: Message, name: str) -> str:
    value = _UNICODE.sub(lambda found: _character(found[1]), _typed(fields, name))
    return value.strip("<> ").casefold()


def _character(digits: str) -> str:
    """A character of an address written in ASCII (RFC 6533, 3)."""
    number = int(digits, 16)
    return chr(number) if number < 0x110000 else "\ufffd"


def _delivery(fields: Message) -> Finding | None:
    """What the fields about one recipient (RFC 3464, 2.3) say."""
    action = _field(fields, "Action").partition("(")[0].strip().lower()
    words = _typed(fields, "Diagnostic-Code")[:300]
    status = find_status(_field(fields, "Status"))
    if status.endswith(".0.0") or not status:  # some servers always say so, and what the other said in their words
        status = find_status(words) or status
    match action:
        case "failed":
            kind = ReportKind.HARD if is_dead(status, words) else ReportKind.SOFT
        case "delayed":
            kind = ReportKind.DELAYED
        case "delivered" | "relayed" | "expanded":
            kind = ReportKind.DELIVERED
        case _:
            return None
    addresses = (_address(fields, name) for name in ("Original-Recipient", "Final-Recipient"))
    return Finding(kind, tuple(dict.fromkeys(each for each in addresses if each)), status, words)


def _complaint(fields: Message) -> Finding | None:
    """What the fields of a feedback report say."""
    found = _field(fields, "Feedback-Type").lower()
    if found not in _COMPLAINTS:
        return None
    addresses = (each.strip("<> ").casefold() for each in _all(fields, "Original-Rcpt-To"))
    agent = _field(fields, "User-Agent")[:100]
    return Finding(ReportKind.COMPLAINT, tuple(addresses)[:_MANY], "", f"{found} {agent}".strip())
