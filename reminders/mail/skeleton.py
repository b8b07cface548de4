"""The same message to many people: made once, with holes for what is each person's own.

What `compose` makes of letters that differ in nothing but the person is the same bytes but for a few lines. `Composer`
keeps those bytes, and makes only the lines anew. It does so where the templates' syntax shows that what is personal is
printed as it is and decides nothing but whether it is there; for the rest, and for values that are out of the
ordinary, it asks `compose`, which says what is right: a skeleton that gives other bytes is not used.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from html.parser import HTMLParser
from threading import Lock

from jinja2 import nodes

from reminders.errors import BadInput
from reminders.mail import verp
from reminders.mail.compose import boundary, broken, compose, lines_of, mailbox_field, threaded
from reminders.mail.envelope import ascii_domain
from reminders.mail.letter import Letter, values
from reminders.mail.lines import Escaped, Line, encoded
from reminders.mail.templates import Templates
from reminders.planning.notices import NoticeKind

PERSONAL = ("name", "unsubscribe_url", "calendars_url")
"""What templates may fill in that is each person's own; `lists` is not, because many are on the same."""
KEPT = 256
"""Skeletons kept at once, each as large as a message: those used last."""

_URL = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*")
_ATOMS = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
_ADDRESS = re.compile(f"{_ATOMS}@{_ATOMS}")
_ID = re.compile(f"<{_ATOMS}@{_ATOMS}>")
_REPORT = re.compile(r"[A-Za-z0-9-]{0,60}")
_NAME = re.compile(r"(?:[A-Za-z0-9]+(?: [A-Za-z0-9]+)*)?")
_FIT = 69
"""Characters of a name and an address, neither of which is quoted, that fit on the line of their field."""
_FIELD = re.compile(rb"\r\n(?![ \t])")
_NO_TEXT = frozenset({"mj-style", "mj-attributes", "mj-raw", "style", "mj-all", "mj-class"})
"""Elements whose content is more to the converter than words."""

Fill = Callable[[Letter, Mapping[str, str]], bytes]
"""Makes a piece of the message of one letter from its personal values."""
Signer = Callable[[bytes], bytes]
"""Adds a signature to a finished message."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A message, and what it has in common with those of others: nobody's own, and "" where that is not known."""

    data: bytes
    common: bytes = b""


class Composer:
    """Composes letters from one set of templates, as `compose` does and faster; any thread may ask.

    With a `signer` every message is signed.
    """

    def __init__(self, templates: Templates, signer: Signer | None = None) -> None:
        self.templates = templates
        self._signer = signer
        self._kinds = {kind: _has_plain_holes(templates, kind) for kind in NoticeKind}
        self._known: OrderedDict[tuple[object, ...], _Known] = OrderedDict()
        self._lock = Lock()

    def compose(self, letter: Letter) -> Composed:
        """The whole message; raises as `compose` does."""
        skeleton = self.skeleton(letter) if _is_ordinary(letter) else None
        data = skeleton.fill(letter) if skeleton else compose(self.templates, letter)
        return Composed(self._signer(data) if self._signer else data, skeleton.common if skeleton else b"")

    def skeleton(self, letter: Letter) -> Skeleton | None:
        """What is the same for all whose letters differ in the person only; None where there is no telling."""
        if letter.others or not self._kinds[letter.notice.kind]:  # a digest is put together for one person
            return None
        key = (
            *(letter.notice.kind, letter.notice.before, letter.event.id, letter.date.key, letter.event_url),
            *(letter.meant_at, letter.lists, not letter.subscriber.name, not letter.parent_ids),
            *(not letter.unsubscribe_url, not letter.calendars_url, not letter.report_id),
        )
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        # Not part of the key: what an event holds cannot be hashed.
        facts = (letter.event, letter.date, letter.kind, letter.service)
        if known is None or known.facts != facts:
            known = _Known(facts, _built(self.templates, letter))
            with self._lock:
                self._known[key] = known
                if len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return known.skeleton


@dataclass(frozen=True, slots=True)
class _Known:
    """What a skeleton was made from, for those whose key is the same; `skeleton` is None where none can be made."""

    facts: tuple[object, ...]
    skeleton: Skeleton | None


class Skeleton:
    """A message in pieces: bytes that are everybody's, and functions that make what is each person's own."""

    def __init__(self, pieces: Sequence[bytes | Fill]) -> None:
        self._pieces = pieces
        self.common = b"".join(piece for piece in pieces if isinstance(piece, bytes))

    def fill(self, letter: Letter) -> bytes:
        """The message of a letter: one of those it was made for, in all but the person."""
        mine = _personal(letter)
        return b"".join([piece if isinstance(piece, bytes) else piece(letter, mine) for piece in self._pieces])


def _personal(letter: Letter) -> dict[str, str]:
    return {
        "name": letter.subscriber.name,
        "unsubscribe_url": letter.unsubscribe_url,
        "calendars_url": letter.calendars_url,
        "boundary": boundary(letter.message_id),
    }


def _is_ordinary(letter: Letter) -> bool:
    """Whether the personal values are such that they stand where they are put as they are, but for quoting."""
    name = letter.subscriber.name
    return (
        name.isprintable()  # neither line ends nor any white space but the plain one
        and name.strip() == name
        # Of other addresses the whole message is another one (RFC 6532); a domain is made ASCII.
        and letter.subscriber.address.rpartition("@")[0].isascii()
        and letter.service.mail_from.rpartition("@")[0].isascii()
        and all(_URL.fullmatch(url) and "=?" not in url for url in (letter.unsubscribe_url, letter.calendars_url))
        and _ID.fullmatch(letter.message_id) is not None
        and _REPORT.fullmatch(letter.report_id) is not None
        and all(_ID.fullmatch(each) is not None for each in letter.parent_ids)
    )


# -- whether there is a skeleton --


def _has_plain_holes(templates: Templates, kind: NoticeKind) -> bool:
    """Whether the templates of a kind print what is personal as it is, and ask no more than whether it is there."""
    return all(
        _is_plain(tree, prints=part != "subject.txt.j2")
        for part in ("subject.txt.j2", "txt.j2", "mjml.j2")
        for tree in templates.trees(kind, part)
    )


def _is_plain(node: nodes.Node, *, prints: bool, asked: bool = False) -> bool:
    """The same of a syntax tree; `prints` is whether it may be printed at all, `asked` of what is a condition."""
    if isinstance(node, nodes.Name):
        return asked or node.name not in PERSONAL
    if isinstance(node, nodes.Output):
        return all((prints and isinstance(each, nodes.Name)) or _is_plain(each, prints=prints) for each in node.nodes)
    if isinstance(node, nodes.If | nodes.CondExpr):
        return _is_plain(node.test, prints=prints, asked=True) and all(
            _is_plain(each, prints=prints) for each in node.iter_child_nodes(exclude=("test",))
        )
    if isinstance(node, nodes.And | nodes.Or | nodes.Not):
        return all(_is_plain(each, prints=prints, asked=asked) for each in node.iter_child_nodes())
    return all(_is_plain(each, prints=prints) for each in node.iter_child_nodes())


class _Places(HTMLParser):
    """Counts the marks in MJML that stand among words, or in the address of a link."""

    def __init__(self, marks: Sequence[str]) -> None:
        super().__init__(convert_charrefs=False)
        self._marks = marks
        self._open: list[str] = []
        self.found = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "mj-button") and _NO_TEXT.isdisjoint(self._open):
            self.found += sum(self._count(value or "") for name, value in attrs if name == "href")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if _NO_TEXT.isdisjoint(self._open):
            self.found += self._count(data)

    def _count(self, text: str) -> int:
        return sum(text.count(mark) for mark in self._marks)


# -- how it is made --


def _built(templates: Templates, letter: Letter) -> Skeleton | None:
    """The skeleton of a letter and of all that differ from it in the person only; None where it would not do."""
    try:
        reference = compose(templates, letter)
    except (BadInput, ValueError):
        return None
    common = values(letter)
    number = 0
    while True:  # until the marks are words that nothing else says
        marks = {f"qz{number}{name.replace('_', '')}zq": name for name in PERSONAL if common[name]}
        filled = common | {name: mark for mark, name in marks.items()}
        said = [templates.source(letter.notice.kind, part, common) for part in ("txt.j2", "mjml.j2")]
        if not any(mark in text for mark in marks for text in said):
            break
        number += 1
    source = templates.source(letter.notice.kind, "mjml.j2", filled)
    places = _Places(tuple(marks))
    places.feed(source)
    places.close()
    if places.found != sum(source.count(mark) for mark in marks):
        return None
    text = _text_pieces(templates.text(letter.notice.kind, filled), marks)
    html = _html_pieces(templates.html(letter.notice.kind, filled), marks)
    mark = boundary(letter.message_id).encode()
    head, _, body = reference.partition(b"\r\n\r\n")
    chunks = body.split(b"--" + mark)
    if len(chunks) != 4:
        return None
    pieces: list[bytes | Fill] = [*_head_pieces(head, mark), b"\r\n\r\n--", _boundary]
    for chunk, part in ((chunks[1], text), (chunks[2], html)):
        pieces += [chunk.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", *part, b"\r\n--", _boundary]
    pieces.append(chunks[3])
    skeleton = Skeleton(list(_joined(pieces)))
    return skeleton if skeleton.fill(letter) == reference else None


def _head_pieces(head: bytes, mark: bytes) -> Iterator[bytes | Fill]:
    """The fields of a message, with what makes those that are personal."""
    makers: dict[bytes, Fill] = {
        b"To": _to,
        b"Date": lambda letter, mine: b"Date: " + _date(letter.composed_at.astimezone(UTC)),
        b"Message-ID": lambda letter, mine: b"Message-ID: " + letter.message_id.encode(),
        b"In-Reply-To": lambda letter, mine: b"In-Reply-To: " + threaded(letter.parent_ids)[0].encode(),
        b"References": lambda letter, mine: (
            b"References: " + threaded(letter.parent_ids)[1].replace(" ", "\r\n ").encode()
        ),
        verp.HEADER.encode(): lambda letter, mine: verp.HEADER.encode() + b": " + letter.report_id.encode(),
        b"List-Unsubscribe": lambda letter, mine: b"List-Unsubscribe: <" + letter.unsubscribe_url.encode() + b">",
    }
    for number, field in enumerate(_FIELD.split(head)):
        if number:
            yield b"\r\n"
        made = makers.get(field.partition(b":")[0])
        if made is not None:
            yield made
        elif mark in field:
            before, _, after = field.partition(mark)
            yield from (before, _boundary, after)
        else:
            yield field


def _boundary(letter: Letter, mine: Mapping[str, str]) -> bytes:
    return mine["boundary"].encode()


def _to(letter: Letter, mine: Mapping[str, str]) -> bytes:
    name, address = letter.subscriber.name, letter.subscriber.address
    if len(name) + len(address) <= _FIT and _NAME.fullmatch(name) and _ADDRESS.fullmatch(address):
        return (f"To: {name} <{address}>" if name else f"To: {address}").encode()
    return mailbox_field("To", name, ascii_domain(address)).removesuffix(b"\r\n")


@lru_cache(maxsize=16)
def _date(instant: datetime) -> bytes:
    return format_datetime(instant).encode()


def _text_pieces(text: str, marks: Mapping[str, str]) -> Iterator[bytes | Fill]:
    for line in lines_of(text):
        parts = _split(line, marks)
        yield Line(parts) if len(parts) > 1 else encoded("\n".join(broken(line)))


def _html_pieces(html: str, marks: Mapping[str, str]) -> Iterator[bytes | Fill]:
    # Bytes, because only line feeds and carriage returns end their lines.
    for line in html.encode().splitlines():
        parts = _split(line.decode(), marks)
        yield Escaped(parts) if len(parts) > 1 else encoded(line.decode())


def _split(line: str, marks: Mapping[str, str]) -> list[str]:
    """What stands between the marks, and at every other place the name of what is marked."""
    if not marks:
        return [line]
    parts = re.split("(" + "|".join(marks) + ")", line)
    return [marks[part] if number % 2 else part for number, part in enumerate(parts)]


def _joined(pieces: Sequence[bytes | Fill]) -> Iterator[bytes | Fill]:
    """The pieces with neighbours that are bytes made one."""
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
        else:
            yield b"".join(run)
            run = []
            yield piece
    yield b"".join(run)
