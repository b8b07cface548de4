"""YAML as plain text, lists and mappings: nothing is guessed, everything has a place.

Only a small part of YAML is accepted: one document, no aliases, anchors, tags, directives or merge keys, no key twice,
a bounded depth and size, no character that cannot be seen. All values are text until a field says otherwise, so
``10:00``, ``no`` and ``010`` stay what somebody wrote; an empty value, ``~`` and ``null`` are None.

The file is read from the parser's flat stream of events, never by its recursive composer: a deeply nested file would
exhaust the C stack there. Characters are checked before the parser sees them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from reminders.errors import BadInput, Problem

MAX_BYTES = 5_000_000
MAX_DEPTH = 20
MAX_PROBLEMS = 100
"""Of one file: somebody who has mended so many will ask again."""

Path = tuple[str | int, ...]
"""Where a value is in a document: keys and list positions from the top."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: `value` is None, text, a list or a mapping of such.

    `places` and `keys` hold the line and column, both from 1, at which the value and the key of each path begin.
    """

    name: str
    value: Any
    places: Mapping[Path, tuple[int, int]]
    keys: Mapping[Path, tuple[int, int]]

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column of a value (or of its key), or of the nearest thing around it that the file holds."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def problem(self, path: Path, what: str, write: str = "", *, key: bool = False) -> Problem:
        """A problem with the value (or key) at `path`."""
        return Problem(self.name, *self.place(path, key=key), what, write)


def load(name: str, data: bytes) -> Document:
    """Read one file. Raises `BadInput` with every problem up to the first that makes the rest unreadable."""
    text = _decode(name, data)
    reader = _Reader(name, escapes="\\" in text)
    try:
        for event in _events(text):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        reader.problems.append(_reworded(name, text, error))
    except _Enough:
        pass
    if reader.problems:
        raise BadInput(reader.problems)
    return Document(name, reader.value, reader.places, reader.keys)


class _Enough(Exception):
    """There is no use in reading on."""


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


_JOINED = "[\u0370-\u1fff\u2190-\U0010ffff]"
"""What U+200C and U+200D may stand between: Persian and Hindi words need them, as do emoji; Latin ones do not."""
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
    f"|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
)


def _decode(name: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BadInput([Problem(name, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB", "split it")])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        raise BadInput([Problem(name, 1, 1, "the file is not UTF-8 but UTF-16 or binary", "save it as UTF-8")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        what = f"byte {data[error.start]:#04x} is not UTF-8 text"
        raise BadInput([Problem(name, *_position(before, len(before)), what, "save the file as UTF-8")]) from None
    if found := list(_INVISIBLE.finditer(text)):
        raise BadInput(Problem(name, *_position(text, hit.start()), *_unseen(hit[0])) for hit in found[:MAX_PROBLEMS])
    return unicodedata.normalize("NFC", text)


def _position(text: str, index: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, index) + 1
    return text.count("\n", 0, index) + 1, index - start + 1


def _unseen(character: str) -> tuple[str, str]:
    named = unicodedata.name(character, "control character").lower()
    return f"invisible character U+{ord(character):04X} ({named})", "delete it"


class _Reader:
    """Builds the document from the parser's events, one at a time."""

    def __init__(self, name: str, *, escapes: bool) -> None:
        self.name = name
        self.escapes = escapes
        """Whether the file holds backslashes, by which values can hold characters the file does not."""
        self.value: Any = None
        self.places: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self.documents = 0
        self.open: list[list[Any] | dict[str, Any]] = []
        self.paths: list[Path] = []
        self.waiting: list[Path | None] = []
        """For each open mapping the path that waits for its value; None where a key comes next (and for lists)."""

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self.scalar(event)
            case yaml.MappingStartEvent():
                self.enter(event, {})
            case yaml.SequenceStartEvent():
                self.enter(event, [])
            case yaml.CollectionEndEvent():
                self.open.pop()
                self.paths.pop()
                self.waiting.pop()
            case yaml.AliasEvent():
                self.refuse(event, f"'*{event.anchor}' refers to another value, which is not used here", "write it out")
                self.put(event, None)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.refuse(event, "a second document begins here", "write one document, without another '---'")
                    raise _Enough
                if event.version or event.tags:
                    self.refuse(event, "directives ('%') are not used here", "delete the line")
            case _:
                pass  # begin and end of the stream, and ends of documents, hold nothing

    def scalar(self, event: Any) -> None:
        self.plain_only(event)
        value = event.value
        if self.escapes and value:
            if hit := _INVISIBLE.search(value):
                self.refuse(event, *_unseen(hit[0]))
            value = unicodedata.normalize("NFC", value)
        if self.open and type(self.open[-1]) is dict and self.waiting[-1] is None:
            self.name_value(event, value)
        else:
            self.put(event, None if event.implicit[0] and value in _NOTHING else value)

    def name_value(self, event: Any, key: str) -> None:
        """A key; its value comes next. A second one of the same name is a problem, and its value is not kept."""
        path = (*self.paths[-1], key)
        if key in self.open[-1]:
            line = self.keys[path][0]
            self.refuse(event, f"the key '{key}' is there twice", f"delete one (the first is on line {line})")
        elif key == "<<" and event.implicit[0]:
            self.refuse(event, "'<<' would merge another mapping, which is not used here", "write its keys out")
        elif not key:
            self.refuse(event, "a key is empty", "write a name before the colon")
        self.keys.setdefault(path, _mark(event))
        self.waiting[-1] = path

    def enter(self, event: Any, value: list[Any] | dict[str, Any]) -> None:
        self.plain_only(event)
        if len(self.open) >= MAX_DEPTH:
            self.refuse(event, f"lists and mappings are nested more than {MAX_DEPTH} deep", "write it flatter")
            raise _Enough
        if self.open and type(self.open[-1]) is dict and self.waiting[-1] is None:
            self.refuse(event, "a list or mapping is used as a key", "put text with { or [ in quotes")
            raise _Enough
        path = self.put(event, value)
        self.open.append(value)
        self.paths.append(path)
        self.waiting.append(None)

    def put(self, event: Any, value: Any) -> Path:
        """Place a value in what is open, or as the document itself; returns its path."""
        if not self.open:
            self.value = value
            path: Path = ()
        elif isinstance(container := self.open[-1], list):
            path = (*self.paths[-1], len(container))
            container.append(value)
        else:
            waiting = self.waiting[-1]
            if waiting is None:  # an alias where a key belongs; already refused
                raise _Enough
            path = waiting
            container[str(path[-1])] = value
            self.waiting[-1] = None
        self.places[path] = _mark(event)
        return path

    def plain_only(self, event: Any) -> None:
        if event.anchor is not None:
            self.refuse(event, f"'&{event.anchor}' names a value, which is not used here", "delete it, or use quotes")
        if event.tag is not None:
            self.refuse(event, "a word beginning with '!' is not used here", "delete it, or put the text in quotes")

    def refuse(self, event: Any, what: str, write: str) -> None:
        self.problems.append(Problem(self.name, *_mark(event), what, write))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Enough


_NOTHING = ("", "~", "null")


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


_WORDS = (
    ("mapping values are not allowed", "a ': ' where none can be",
     'put a value that holds ": " in quotes, write a space after every colon, and line keys up'),
    ("could not find expected ':'", "a key without its colon", "write 'key: value'"),
    ("did not find expected key", "this line does not fit the ones above", "line it up with them"),
    ("did not find expected '-' indicator", "this line does not fit the list above",
     "line it up with the list, and begin each item with '- '"),
    ("did not find expected ',' or '", "this bracket is not closed, or a comma is missing after it",
     "write the missing , ] or }"),
    ("did not find expected node content", "a value is missing here", "write it, or remove the comma or bracket"),
    ("unexpected end of stream", "this quote is never closed", "close it"),
    ("unknown escape character", "a backslash in double quotes has no meaning here", "use single quotes"),
    ("escape", "a backslash in double quotes stands for no character here", "use single quotes"),
    ("hexdecimal", "a backslash in double quotes stands for no character here", "use single quotes"),
    ("unexpected document indicator", "'---' or '...' inside a quoted value", "close the quote"),
    ("block sequence entries are not allowed", "a list begins in the middle of a line", "begin '- ' on its own line"),
    ("did not find expected <document start>", "something follows after the end of the content",
     "line it up with the rest of the file"),
    ("alphabetic or numeric character", "'*' or '&' has a meaning of its own in YAML", "put the text in quotes"),
    ("cannot start any token", "this character cannot begin a value", "put the value in quotes"),
)  # fmt: skip
"""The parser's complaints, and what staff can do about them."""
_OPENED = ("unexpected end of stream", "did not find expected ',' or '")
"""Complaints about something that was opened before; told where it was opened."""


def _reworded(name: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    said = error.problem or ""
    opened = any(fragment in said for fragment in _OPENED)
    mark = (opened and error.context_mark) or error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    written = text.split("\n")[line] if line < text.count("\n") + 1 else ""
    before = written[:column]
    what, write = f"this is not YAML ({said})", "check quotes, colons and indentation"
    if "\t" in written[: len(written) - len(written.lstrip())]:
        what, write = "a tab is used to indent", "indent with spaces"
    elif "did not find expected key" in said and before.strip():
        what = "something follows after the end of a value"
        write = "put all of it in quotes, and double a quote inside: 'Dean''s'"
    else:
        what, write = next(((what, write) for fragment, what, write in _WORDS if fragment in said), (what, write))
    return Problem(name, line + 1, column + 1, what, write)
