"""Texts, numbers and addresses (RFC 5545, 3.3): whether a value is what its property says it is.

A check takes the value as written and the parameters of its line, and returns what is wrong, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from reminders.feed.lint.content import shown

Parameters = Mapping[str, str]
Check = Callable[[str, Parameters], str | None]

# Text


_TEXT = re.compile(r"[^\\;,]*(?:\\[\\;,nN][^\\;,]*)*", re.DOTALL)
_MARKS = re.compile(r"\\(?:[\\;,nN]|(?P<unknown>.?))|(?P<bare>[;,])", re.DOTALL)


def text(value: str, parameters: Parameters) -> str | None:
    """One text."""
    return None if _TEXT.fullmatch(value) else _escapes(value, ";,")


def texts(value: str, parameters: Parameters) -> str | None:
    """Texts with commas between."""
    wrong = _escapes(value, ";")
    if wrong is None and not all(each.strip() for each in re.sub(r"\\.", "x", value, flags=re.DOTALL).split(",")):
        wrong = f"an empty value in {shown(value)}; leave it out, with its comma"
    return wrong


def _escapes(value: str, separators: str) -> str | None:
    for mark in _MARKS.finditer(value):
        if mark["bare"] and mark["bare"] in separators:
            return f"'{mark['bare']}' in a text must be written '\\{mark['bare']}'"
        if mark["unknown"] is not None:
            after = mark["unknown"] if mark["unknown"].isprintable() else ""
            return f"'\\{after}' means nothing in a text; a '\\' is written '\\\\'"
    return None


def words(*legal: str, own: bool = False) -> Check:
    """One of these words; `own`: or one that begins with X-."""

    def check(value: str, parameters: Parameters) -> str | None:
        if value.upper() in legal or (own and value.upper().startswith("X-")):
            return None
        return f"{shown(value)} is none of its values; write {' or '.join(legal)}"

    return check


# Numbers


def whole(least: int, most: int) -> Check:
    """A whole number."""

    def check(value: str, parameters: Parameters) -> str | None:
        if re.fullmatch(r"[+-]?[0-9]{1,10}", value) and least <= int(value) <= most:
            return None
        return f"{shown(value)} is not a whole number from {least} to {most}"

    return check


def position(value: str, parameters: Parameters) -> str | None:
    """Latitude and longitude in degrees."""
    found = re.fullmatch(r"([+-]?[0-9]{1,3}(?:\.[0-9]+)?);([+-]?[0-9]{1,3}(?:\.[0-9]+)?)", value)
    if found and abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180:
        return None
    return f"{shown(value)} is no place on Earth; write latitude;longitude, such as 54.9783;-1.6178"


# Addresses


_PLAIN = r"A-Za-z0-9._~!$&'()*+,;=\-"


def _some(more: str) -> str:
    return rf"[{_PLAIN}{more}]*(?:%[0-9A-Fa-f]{{2}}[{_PLAIN}{more}]*)*"


_URI = re.compile(
    rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):"
    rf"(?://(?:{_some(':')}@)?(?P<host>\[[0-9A-Fa-fvV:.]+\]|{_some('')})(?::[0-9]*)?(?:/{_some(':@/')})?|(?!//){_some(':@/')})"
    rf"(?:\?{_some(':@/?')})?(?:\#{_some(':@/?')})?"
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def uri(value: str, parameters: Parameters) -> str | None:
    """A URI (RFC 3986), or base64 where VALUE=BINARY says so."""
    if parameters.get("VALUE", "").upper() == "BINARY":
        fine = _BASE64.fullmatch(value) and parameters.get("ENCODING", "").upper() == "BASE64"
        return None if fine else "VALUE=BINARY needs ENCODING=BASE64 and a value in base64"
    found = _URI.fullmatch(value)
    if found is None:
        return f"{shown(value)} is no URI; write https:… or mailto:…, everything but plain ASCII percent-encoded"
    scheme = found["scheme"].lower()
    if scheme in ("http", "https", "webcal") and not found["host"]:
        return f"{shown(value)} names no host; write https://host/…"
    if scheme == "mailto" and "@" not in value:
        return f"{shown(value)} is no mail address; write mailto:name@host"
    return None
