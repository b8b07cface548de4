"""Who is invited, and who left. The files say the first, this table the second; leaving is for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, delete, select, update

from reminders.planning.subscribers import Audience, Subscriber
from reminders.store import tables
from reminders.store.engine import take_turns
from reminders.store.tables import membership


def sync(tx: Connection, audiences: Iterable[Audience], token_for: Callable[[int], str], now: datetime) -> None:
    """Make the memberships those of the files, adding people who are new.

    An address is one person however it is spelt (case is folded) and in however many audiences. The first spelling
    and the first name that is given count. Nobody is forgotten, and who left stays away. `token_for` makes the
    unsubscribe token of an id; only its hash is kept.
    """
    take_turns(tx, "people")
    spelt: dict[str, str] = {}
    named: dict[str, str] = {}
    invited: dict[tuple[str, str], None] = {}
    for audience in audiences:
        for member in audience.members:
            key = address_key(member.address)
            spelt.setdefault(key, member.address)
            if member.name:
                named.setdefault(key, member.name)
            invited[key, audience.id] = None
    ids = _save_people(tx, spelt, named, now)
    _save_tokens(tx, ids.values(), token_for)
    _save_memberships(tx, {(ids[key], audience) for key, audience in invited}, now)


def joined_by(tx: Connection, now: datetime) -> None:
    """Who joined only later than `now`, by a clock that ran ahead, joined now."""
    for each in (tables.subscriber, tables.membership):
        tx.execute(update(each).where(each.c.joined_at > now).values(joined_at=now))


def subscribers(
    tx: Connection, audiences: Iterable[Audience], *, ids: Collection[int] | None = None
) -> dict[int, Subscriber]:
    """Everybody who was ever invited, or of them only these, with what the audiences let them follow; by id.

    Who is in no audience follows nothing.
    """
    known = list(audiences)
    belonging: dict[int, dict[str, datetime]] = {}
    members = select(membership.c.subscriber, membership.c.audience, membership.c.joined_at)
    persons = select(tables.subscriber).order_by(tables.subscriber.c.id)
    if ids is not None:
        members = members.where(membership.c.subscriber.in_(sorted(ids)))
        persons = persons.where(tables.subscriber.c.id.in_(sorted(ids)))
    for id, audience, at in tx.execute(members):
        belonging.setdefault(id, {})[audience] = at
    rows = tx.execute(persons)
    return {row.id: _subscriber(row, known, belonging.get(row.id, {})) for row in rows}


def invited(tx: Connection) -> set[str]:
    """The address keys of all whom the last good files invite and who have not left."""
    own = tables.subscriber.join(membership)
    keys = select(tables.subscriber.c.address_key).select_from(own).where(tables.subscriber.c.left_at.is_(None))
    return set(tx.execute(keys.distinct()).scalars())


def by_token(tx: Connection, token: str) -> Subscriber | None:
    """Whose unsubscribe token this is; what they follow is left out."""
    own = tables.subscriber.join(tables.token)
    row = tx.execute(select(tables.subscriber).select_from(own).where(tables.token.c.hash == _hash(token)))
    found = row.one_or_none()
    return None if found is None else _subscriber(found, [], {})


def by_address(tx: Connection, address: str) -> Subscriber | None:
    """Who has this address, in any case of letters; what they follow is left out."""
    where = tables.subscriber.c.address_key == address_key(address)
    found = tx.execute(select(tables.subscriber).where(where)).one_or_none()
    return None if found is None else _subscriber(found, [], {})


def key_of(tx: Connection, id: int) -> str:
    """The address key of a person who is known; "" for anybody else."""
    found = tx.execute(select(tables.subscriber.c.address_key).where(tables.subscriber.c.id == id))
    return found.scalar_one_or_none() or ""


def leave(tx: Connection, id: int, how: str, now: datetime) -> bool:
    """Unsubscribe a person for ever. `how` says by what ("one-click", "page", "operator", "complaint").

    True when this did it, False when they had left before or are not known. Once committed no message to them is
    begun any more: one whose `sending.begin` came first is waited for.
    """
    person = tables.subscriber
    done = tx.execute(
        update(person).where(person.c.id == id, person.c.left_at.is_(None)).values(left_at=now, left_how=how)
    )
    return done.rowcount == 1


def address_key(address: str) -> str:
    """What makes two spellings of an address the same person's."""
    return address.casefold()


def _save_people(tx: Connection, spelt: dict[str, str], named: dict[str, str], now: datetime) -> dict[str, int]:
    """Add and update the people; their ids by address key."""
    person = tables.subscriber
    columns = select(person.c.id, person.c.address_key, person.c.address, person.c.name)
    known = {row.address_key: row for row in tx.execute(columns)}
    new = [
        {"address": address, "address_key": key, "name": named.get(key, ""), "joined_at": now, "left_how": ""}
        | {"domain": key.rpartition("@")[2]}
        for key, address in spelt.items()
        if key not in known
    ]
    if new:
        tx.execute(person.insert(), new)
    for key, address in spelt.items():
        wanted = {"address": address, "name": named.get(key, "")}
        if key in known and {"address": known[key].address, "name": known[key].name} != wanted:
            tx.execute(update(person).where(person.c.id == known[key].id).values(wanted))
    found = tx.execute(select(person.c.address_key, person.c.id))
    return {key: id for key, id in found if key in spelt}


def _save_tokens(tx: Connection, ids: Iterable[int], token_for: Callable[[int], str]) -> None:
    known = set(tx.execute(select(tables.token.c.hash)).scalars())
    hashes = {_hash(token_for(id)): id for id in ids}
    new = [{"hash": hash, "subscriber": id} for hash, id in hashes.items() if hash not in known]
    if new:
        tx.execute(tables.token.insert(), new)


def _save_memberships(tx: Connection, invited: set[tuple[int, str]], now: datetime) -> None:
    known = {(id, audience) for id, audience in tx.execute(select(membership.c.subscriber, membership.c.audience))}
    for id, audience in sorted(known - invited):
        tx.execute(delete(membership).where(membership.c.subscriber == id, membership.c.audience == audience))
    new = [{"subscriber": id, "audience": audience, "joined_at": now} for id, audience in sorted(invited - known)]
    if new:
        tx.execute(membership.insert(), new)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _subscriber(
    row: Row[tuple[object, ...]], audiences: Sequence[Audience], belonging: Mapping[str, datetime]
) -> Subscriber:
    member_of = [audience for audience in audiences if audience.id in belonging]
    return Subscriber(
        id=row.id,
        address=row.address,
        name=row.name,
        joined_at=row.joined_at,
        audiences=tuple(audience.id for audience in member_of),
        follows=tuple(audience.follows for audience in member_of),
        left_at=row.left_at,
        joined=tuple(belonging[audience.id] for audience in member_of),
        suspended_at=row.suspended_at,
        suspended_why=row.suspended_why,
    )
