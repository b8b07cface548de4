"""Personal feeds in the store: issued, taken back, fetched; and which calendars cannot have seen a change."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reminders.feed.personal import MOST, PersonalFeed, TooMany
from reminders.store import feeds
from reminders.store.engine import Store
from tests.builders import EPOCH
from tests.store.builders import invite

HOUR = timedelta(hours=1)


@pytest.fixture
def amina(store: Store) -> int:
    return invite(store)[0]


def issue(store: Store, subscriber: int, hash: str = "a" * 64, label: str = "Phone", at: datetime = EPOCH) -> int:
    with store.writing() as tx:
        return feeds.issue(tx, subscriber, hash, label, "mine", at)


def test_a_feed_is_known_by_the_hash_of_its_token_until_it_is_taken_back(store: Store, amina: int) -> None:
    id = issue(store, amina)
    expected = PersonalFeed(id, amina, "Phone", "mine", EPOCH)
    with store.reading() as tx:
        assert feeds.live(tx) == {"a" * 64: expected}
        assert feeds.of(tx, amina) == [expected]
    with store.writing() as tx:
        assert feeds.revoke(tx, amina, id, EPOCH + HOUR)
    with store.reading() as tx:
        assert (feeds.live(tx), feeds.of(tx, amina)) == ({}, [])


def test_nobody_can_take_back_what_is_not_theirs_or_twice(store: Store, amina: int) -> None:
    id, bao = issue(store, amina), invite(store, 2)[1]
    with store.writing() as tx:
        assert not feeds.revoke(tx, bao, id, EPOCH)
        assert not feeds.revoke(tx, amina, id + 1, EPOCH)
        assert feeds.revoke(tx, amina, id, EPOCH)
        assert not feeds.revoke(tx, amina, id, EPOCH)


def test_a_person_has_at_most_so_many(store: Store, amina: int) -> None:
    ids = [issue(store, amina, hash=f"{number:064}") for number in range(MOST)]
    with pytest.raises(TooMany):
        issue(store, amina)
    with store.writing() as tx:
        feeds.revoke(tx, amina, ids[-1], EPOCH)
    issue(store, amina)


def test_the_last_fetch_is_remembered(store: Store, amina: int) -> None:
    id = issue(store, amina)
    with store.writing() as tx:
        feeds.fetched(tx, [])
        feeds.fetched(tx, [(id, "Google", EPOCH + HOUR, EPOCH)])
        feeds.fetched(tx, [(id, "Thunderbird", EPOCH + 2 * HOUR, EPOCH + HOUR), (id + 9, "Google", EPOCH, None)])
    with store.reading() as tx:
        (found,) = feeds.of(tx, amina)
    assert (found.client, found.fetched_at, found.seen_at) == ("Thunderbird", EPOCH + 2 * HOUR, EPOCH + HOUR)


@pytest.mark.parametrize(
    ("seen", "since", "stale"),
    [
        (timedelta(), timedelta(), False),  # it saw the very publication
        (timedelta(), HOUR, True),
        (2 * HOUR, HOUR, False),
        (None, timedelta(), True),  # fetched, but nobody knows what
    ],
)
def test_a_calendar_is_stale_that_cannot_have_seen_a_publication(
    store: Store, amina: int, seen: timedelta | None, since: timedelta, stale: bool
) -> None:
    """It counts when what it got was published, not when it was fetched: older bytes may have been served."""
    id = issue(store, amina)
    with store.writing() as tx:
        feeds.fetched(tx, [(id, "Google", EPOCH + 9 * HOUR, None if seen is None else EPOCH + seen)])
    with store.reading() as tx:
        assert [each.id for each in feeds.stale(tx, EPOCH + since)] == ([id] if stale else [])


def test_what_was_never_fetched_or_is_taken_back_is_no_stale_calendar(store: Store, amina: int) -> None:
    issue(store, amina)
    other = issue(store, amina, hash="b" * 64)
    with store.writing() as tx:
        feeds.fetched(tx, [(other, "Google", EPOCH, EPOCH)])
        feeds.revoke(tx, amina, other, EPOCH)
    with store.reading() as tx:
        assert feeds.stale(tx, EPOCH + HOUR) == []
