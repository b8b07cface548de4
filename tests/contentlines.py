"""iCalendar as lines, read as RFC 5545, 3.1 has it and without any library: what a strict reader of a feed sees."""

from __future__ import annotations

import unicodedata

PARAMETERS_NEEDED = {"REFRESH-INTERVAL": "VALUE=DURATION", "SOURCE": "VALUE=URI"}
"""RFC 7986, 5.7 and 5.8: these have no default type."""


def unfold(text: str) -> list[str]:
    """The content lines with their folds undone. Fails on what RFC 5545, 3.1 does not allow."""
    raw = text.encode()
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n"), "every line ends with CRLF and no other way"
    for line in raw.removesuffix(b"\r\n").split(b"\r\n"):
        assert 0 < len(line) <= 75, f"{len(line)} octets: {line!r}"
        unseen = [char for char in line.decode() if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
        assert not unseen, f"{unseen} in {line!r}"
    return text.replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


def properties(text: str) -> dict[str, str]:
    """The properties of the first component by name: everything after the name, so ``;VALUE=DATE:20190212``."""
    found: dict[str, str] = {}
    for line in unfold(text)[1:]:
        name = names([line])[0]
        if name in ("BEGIN", "END"):
            break
        assert name not in found, f"{name} stands there twice"
        found[name] = line.removeprefix(name)
        assert PARAMETERS_NEEDED.get(name, "") in found[name].partition(":")[0]
    return found


def names(lines: list[str]) -> list[str]:
    """The name of the property on each line."""
    return [line.partition(":")[0].partition(";")[0] for line in lines]
