"""The files say who is invited, the store who left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import text

from reminders.planning.subscribers import Audience, Member, Selection, Subscriber
from reminders.store import people
from reminders.store.engine import Store
from tests.builders import EPOCH
from tests.store.builders import audience, token_for

LATER = EPOCH + timedelta(days=1)
LEVEL_2 = Selection(levels=(2,))


def _sync(
    store: Store, *audiences: Audience, now: datetime = EPOCH, token_for: Callable[[int], str] = token_for
) -> dict[str, Subscriber]:
    with store.writing() as tx:
        people.sync(tx, audiences, token_for, now)
        return {each.address: each for each in people.subscribers(tx, audiences).values()}


def test_a_person_follows_what_their_audiences_follow(store: Store) -> None:
    everybody, some = (
        audience("amina@example.org", "ben@example.org"),
        audience("amina@example.org", id="level-2", follows=LEVEL_2),
    )
    found = _sync(store, everybody, some)
    assert found["amina@example.org"] == Subscriber(
        id=1,
        address="amina@example.org",
        name="",
        joined_at=EPOCH,
        audiences=("all", "level-2"),
        follows=(Selection(), LEVEL_2),
        joined=(EPOCH, EPOCH),
    )
    assert found["ben@example.org"].follows == (Selection(),)
    with store.reading() as tx:
        assert people.subscribers(tx, [everybody, some], ids=[1]) == {1: found["amina@example.org"]}
        assert people.subscribers(tx, [everybody], ids=[99]) == {}


def test_syncing_the_same_files_again_changes_nothing(store: Store) -> None:
    everybody = audience("amina@example.org", "ben@example.org")
    assert _sync(store, everybody) == _sync(store, everybody, now=LATER)


def test_one_address_is_one_person_however_it_is_spelt(store: Store) -> None:
    found = _sync(store, audience("Amina@example.org", "amina@example.org"), audience("AMINA@example.org", id="other"))
    assert list(found) == ["Amina@example.org"]
    assert found["Amina@example.org"].audiences == ("all", "other")


def test_the_first_name_given_counts_and_changes_with_the_files(store: Store) -> None:
    unnamed, named = audience("amina@example.org"), audience(id="b")
    named = replace(named, members=(Member("amina@example.org", "Amina"), Member("amina@example.org", "Mina")))
    assert _sync(store, unnamed, named)["amina@example.org"].name == "Amina"
    assert _sync(store, unnamed)["amina@example.org"].name == ""


def test_whoever_is_taken_out_of_the_files_follows_nothing_but_is_not_forgotten(store: Store) -> None:
    _sync(store, audience("amina@example.org", "ben@example.org"))
    found = _sync(store, audience("ben@example.org"), now=LATER)
    gone = found["amina@example.org"]
    assert (gone.audiences, gone.follows, gone.joined_at, gone.left_at) == ((), (), EPOCH, None)
    back = _sync(store, audience("amina@example.org"), now=LATER)["amina@example.org"]
    assert (back.id, back.joined_at, back.follows) == (gone.id, EPOCH, (Selection(),))


def test_an_audience_taken_out_of_the_files_invites_nobody(store: Store) -> None:
    _sync(store, audience("amina@example.org"), audience("amina@example.org", id="level-2", follows=LEVEL_2))
    assert _sync(store, audience("amina@example.org"))["amina@example.org"].audiences == ("all",)


def test_people_who_are_new_join_now(store: Store) -> None:
    _sync(store, audience("amina@example.org"))
    found = _sync(store, audience("amina@example.org", "ben@example.org"), now=LATER)
    assert [each.joined_at for each in found.values()] == [EPOCH, LATER]


def test_leaving_is_for_ever_and_done_once(store: Store) -> None:
    _sync(store, audience("amina@example.org"))
    with store.writing() as tx:
        assert people.leave(tx, 1, "one-click", LATER)
        assert not people.leave(tx, 1, "page", LATER + timedelta(days=1))
        assert not people.leave(tx, 99, "page", LATER)
    for spelling in ("amina@example.org", "AMINA@EXAMPLE.ORG"):
        (person,) = _sync(store, audience(spelling), now=LATER).values()
        assert person.left_at == LATER


def test_a_token_finds_its_person_and_nothing_else_does(store: Store) -> None:
    _sync(store, audience("amina@example.org", "ben@example.org"))
    with store.reading() as tx:
        found = people.by_token(tx, token_for(2))
        assert found is not None
        assert (found.id, found.address) == (2, "ben@example.org")
        stored = hashlib.sha256(token_for(2).encode()).hexdigest()
        for wrong in ("", "token-of-3", stored, "\udcff", "TOKEN-OF-2", "x" * 10_000):
            assert people.by_token(tx, wrong) is None


def test_tokens_are_not_kept_in_clear(store: Store) -> None:
    _sync(store, audience("amina@example.org"))
    with store.reading() as tx:
        assert "token-of-1" not in str(tx.execute(text("SELECT * FROM token")).all())


def test_a_new_secret_key_does_not_break_old_links(store: Store) -> None:
    _sync(store, audience("amina@example.org"))
    _sync(store, audience("amina@example.org"), token_for=lambda id: f"new-token-of-{id}")
    with store.reading() as tx:
        for token in ("token-of-1", "new-token-of-1"):
            found = people.by_token(tx, token)
            assert found is not None
            assert found.id == 1


def test_people_are_found_by_their_address_in_any_case(store: Store) -> None:
    _sync(store, audience("Amina@example.org"))
    with store.reading() as tx:
        found = people.by_address(tx, "amina@EXAMPLE.org")
        assert found is not None
        assert found.id == 1
        assert people.by_address(tx, "ben@example.org") is None
