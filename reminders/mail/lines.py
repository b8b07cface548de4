"""Lines of a message with holes for what is each person's own, laid out once for values of the same lengths."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.quoprimime import body_encode
from itertools import groupby

from markupsafe import escape

from reminders.mail.compose import TEXT, broken
from reminders.mail.letter import Letter

KEPT = 256
"""Layouts of a line kept at once."""

_AS_THEY_ARE = re.compile(r"[ !#$%()*+,\-./0-9:;?@A-Z\[\]_a-z~]*")
"""Characters that stand as they are in text, HTML and quoted-printable alike."""


def encoded(text: str) -> bytes:
    """Lines in quoted-printable (RFC 2045, 6.7), with the line end of the last."""
    return body_encode(text.encode().decode("latin-1") + "\n", 76, eol="\r\n").encode("latin-1")


class Line:
    """A line of text with holes, which is broken anew where it gets too long.

    Where the values are such that only their lengths decide how it is broken, it is laid out once for these lengths.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._form = "%s".join(part.replace("%", "%%") for part in parts[::2])
        self._names = tuple(parts[1::2])
        self._room = TEXT - sum(map(len, parts[::2]))
        self._layouts: dict[tuple[int, ...], Layout | None] = {}

    def __call__(self, letter: Letter, mine: Mapping[str, str]) -> bytes:
        filled = [mine[name] for name in self._names]
        joined = "".join(filled)
        if _AS_THEY_ARE.fullmatch(joined) and (" " not in joined or len(joined) <= self._room):
            lengths = tuple(map(len, filled))
            if lengths not in self._layouts:
                if len(self._layouts) >= KEPT:
                    self._layouts.clear()
                self._layouts[lengths] = _layout(self._encoded, lengths)
            if layout := self._layouts[lengths]:
                return layout.fill(joined)
        return self._encoded(filled)

    def _encoded(self, filled: Sequence[str]) -> bytes:
        return encoded("\n".join(broken(self._form % tuple(filled))))


class Escaped(Line):
    """A line of HTML with holes: it is broken where it was, so that spaces in values make no difference."""

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__(parts)
        self._room = sys.maxsize

    def _encoded(self, filled: Sequence[str]) -> bytes:
        return encoded(self._form % tuple([str(escape(value)) for value in filled]))


@dataclass(frozen=True, slots=True)
class Layout:
    """An encoded line with places for pieces of its values: which characters of all of them, one after the other."""

    form: bytes
    places: tuple[slice, ...]

    def fill(self, joined: str) -> bytes:
        data = joined.encode()
        return self.form % tuple([data[each] for each in self.places])


def _layout(encoded: Callable[[Sequence[str]], bytes], lengths: Sequence[int]) -> Layout | None:
    """How a line comes out for values of these lengths; None where something else than the values changes with them.

    Where two that have no character in common come out differently is where the values stand.
    """
    one, other = (encoded([letter * length for length in lengths]) for letter in "xz")
    if len(one) != len(other):
        return None
    form, places, at = bytearray(), [], 0
    for differs, run in groupby(zip(one, other, strict=True), lambda pair: pair[0] != pair[1]):
        octets = bytes(pair[0] for pair in run)
        if differs:
            form += b"%s"
            places.append(slice(at, at + len(octets)))
            at += len(octets)
        else:
            form += octets.replace(b"%", b"%%")
    return Layout(bytes(form), tuple(places)) if at == sum(lengths) else None
