"""The last good shelf as a file, for the day on which the database cannot be read when the server starts.

A calendar whose address answers with an error vanishes from some screens. The file holds what is public anyway, and of
personal feeds the hashes of their tokens; it is made anew with every publication and is no backup of anything.
"""

from __future__ import annotations

import hashlib
import logging
import os
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import TypeAdapter, ValidationError

from reminders.web.reading import Shelf

LOG = logging.getLogger(__name__)
_DIGEST = 64


class Kept:
    """One file in a folder of the server's own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, shelf: Shelf) -> None:
        """Keep this in place of what was kept. Raises `OSError`."""
        body = _adapter().dump_json(shelf, fallback=dict, warnings=False)  # for mapping proxies
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=self.path.parent, prefix=".shelf-", delete=False) as file:
            try:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise

    def load(self) -> Shelf | None:
        """What was kept last; None if nothing was, or if the file is damaged or another program's."""
        try:
            whole = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            LOG.exception("what was served last cannot be read from %s", self.path)
            return None
        digest, body = whole[:_DIGEST], whole[_DIGEST + 1 :]
        if hashlib.sha256(body).hexdigest().encode() != digest:
            LOG.error("%s is damaged and not used", self.path)
            return None
        try:
            return _adapter().validate_json(body)
        except ValidationError:
            LOG.warning("%s is of another version of this program and not used", self.path)
            return None


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Shelf]:
    return TypeAdapter(Shelf)
