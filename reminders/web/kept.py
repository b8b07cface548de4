"""What was served last, in two files: for the day on which the database cannot be read when the server starts.

A calendar whose address answers with an error vanishes from some screens. The shelf holds what is public anyway, and of
personal feeds the hashes of their tokens. The bytes of the declared feeds are beside it: a server that starts serves
them at once, while it reads the rest. Both are made anew with every publication and are no backup of anything.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import TypeAdapter, ValidationError

from reminders.feed.entry import LOOK
from reminders.web.reading import Edition, Shelf

LOG = logging.getLogger(__name__)
_DIGEST = 64


@dataclass(frozen=True, slots=True)
class KeptFeed:
    """The bytes of a feed, plain and packed, and since when it says so (UTC)."""

    plain: bytes
    packed: bytes
    last_modified: datetime


class Kept:
    """Two files in a folder of the server's own; `path` is that of the shelf."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_path = path.with_suffix(".feeds")

    def save(self, shelf: Shelf, feeds: Mapping[str, KeptFeed], site: str) -> None:
        """Keep this in place of what was kept. `site` stands for all that feeds depend on besides. Raises `OSError`."""
        self._write(self.path, _adapter().dump_json(shelf, fallback=dict, warnings=False))  # for mapping proxies
        sizes = [
            [name, len(each.plain), len(each.packed), each.last_modified.isoformat()] for name, each in feeds.items()
        ]
        head = json.dumps([_named(shelf.edition, site), sizes]).encode()
        self._write(
            self.bytes_path,
            b"".join([head, b"\n", *(part for each in feeds.values() for part in (each.plain, each.packed))]),
        )

    def feeds(self, edition: Edition, site: str) -> dict[str, KeptFeed]:
        """The feeds as they were kept, if they are of this edition; nothing otherwise."""
        body = self._read(self.bytes_path)
        if body is None:
            return {}
        head, _, rest = body.partition(b"\n")
        named, sizes = json.loads(head)
        if named != _named(edition, site):
            return {}
        found, at = {}, 0
        for name, plain, packed, moved in sizes:
            middle, end = at + plain, at + plain + packed
            found[name] = KeptFeed(rest[at:middle], rest[middle:end], datetime.fromisoformat(moved))
            at = end
        return found

    def _write(self, path: Path, body: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=self.path.parent, prefix=".shelf-", delete=False) as file:
            try:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def load(self) -> Shelf | None:
        """The shelf that was kept last; None if none was, or if the file is damaged or another program's."""
        body = self._read(self.path)
        if body is None:
            return None
        try:
            return _adapter().validate_json(body)
        except ValidationError:
            LOG.warning("%s is of another version of this program and not used", self.path)
            return None

    def _read(self, path: Path) -> bytes | None:
        try:
            whole = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            LOG.exception("what was served last cannot be read from %s", path)
            return None
        digest, body = whole[:_DIGEST], whole[_DIGEST + 1 :]
        if hashlib.sha256(body).hexdigest().encode() != digest:
            LOG.error("%s is damaged and not used", path)
            return None
        return body


def _named(edition: Edition, site: str) -> list[object]:
    number, at = edition
    return [number, at and at.isoformat(), site, LOOK, metadata.version("reminders")]


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Shelf]:
    return TypeAdapter(Shelf)
