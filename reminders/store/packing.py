"""Frozen messages, small: compressed against what they have in common with others, which is kept once.

A message of a reminder to many people is, but for a few lines, everybody's. That much is a preset dictionary (RFC 1950,
2.2) in the table `preset`; what is kept of a message refers to it by `outbox.preset`. It stands there before any
message needs it, in the transaction that freezes that, and goes when none does any more.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Insert, delete, select, text

from reminders.store.tables import AT_REST, IN_HAND, OWED, inserting, outbox, preset

if TYPE_CHECKING:
    from zlib import _Compress

LEVEL, MEMORY = 1, 7
"""The fastest, and tables so small that they are quickly copied: it costs more time than writing a message down."""


def pack(body: bytes, common: bytes = b"") -> bytes:
    """Bytes as they are kept. Who wants them back has to have `common`, where any is given."""
    if not common:
        return zlib.compress(body, LEVEL)
    packing = _primed(common).copy()
    return packing.compress(body) + packing.flush()


def unpack(packed: bytes, common: bytes = b"") -> bytes:
    """The bytes that were packed. Raises `zlib.error` when it was against another `common`."""
    if not common:
        return zlib.decompress(packed)
    return zlib.decompressobj(zdict=common).decompress(packed)


@lru_cache(maxsize=64)
def number(common: bytes) -> int | None:
    """What `outbox.preset` calls it: 63 bits of its SHA-256; None for nothing."""
    return int.from_bytes(hashlib.sha256(common).digest()[:8], "big") >> 1 if common else None


def save(tx: Connection, commons: Iterable[bytes]) -> None:
    """See to it that these are kept when the transaction is committed."""
    rows = [{"id": number(each), "body": _kept(each)} for each in commons if each]
    if rows:
        tx.execute(_saving(tx.dialect.name), rows)


def load(tx: Connection, numbers: Collection[int]) -> dict[int, bytes]:
    """What is kept under these numbers."""
    if not numbers:
        return {}
    found = tx.execute(select(preset).where(preset.c.id.in_(sorted(numbers))))
    return {row.id: unpack(row.body) for row in found}


def tidy(tx: Connection) -> int:
    """Forget what no message needs any more; how many."""
    if tx.dialect.name == "postgresql":  # whoever is about to need one comes before, or finds it gone and saves it
        tx.execute(text("LOCK TABLE preset IN EXCLUSIVE MODE"))
    frozen = select(outbox.c.preset).where(outbox.c.body.is_not(None), outbox.c.preset.is_not(None)).distinct()
    parts = (OWED, IN_HAND, AT_REST & outbox.c.state.in_(["failed", "uncertain", "held"]))  # each has its own index
    needed = {number for part in parts for number in tx.execute(frozen.where(part)).scalars()}
    return tx.execute(delete(preset).where(preset.c.id.not_in(sorted(needed)))).rowcount


@lru_cache(maxsize=64)
def _kept(common: bytes) -> bytes:
    return pack(common)


@lru_cache(maxsize=2)
def _saving(dialect: str) -> Insert:
    return inserting(dialect, preset).on_conflict_do_nothing()


@lru_cache(maxsize=64)
def _primed(common: bytes) -> _Compress:
    return zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, zlib.Z_DEFAULT_STRATEGY, common)
