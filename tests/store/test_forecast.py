"""What the brake remembers: accepted days, the busiest on record, what a day has brought; and the pause."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date as Day
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from reminders.planning.brake import HORIZON
from reminders.planning.notices import Reason
from reminders.store import connections, forecast, ledger, outbox, pauses, schema
from reminders.store.engine import Store
from reminders.store.forecast import Spent, Surplus
from reminders.store.pauses import Pause
from reminders.store.schema import open_store, upgrade
from tests.store.builders import NOW, begin, claim, invite, look, owe, reminder, send, settle, story

TODAY = Day(2018, 11, 24)


def days(**mails: int) -> dict[Day, int]:
    """Days counted from today: ``d1=20`` is tomorrow with 20 mails, ``m1=20`` yesterday."""
    sign = {"d": 1, "m": -1}
    return {TODAY + sign[day[0]] * timedelta(days=int(day[1:])): count for day, count in mails.items()}


def test_what_is_accepted_replaces_what_was_from_today_on(store: Store) -> None:
    with store.writing() as tx:
        forecast.save(tx, days(m2=7, m1=8, d0=9, d5=10), {}, TODAY - timedelta(days=2))
        forecast.save(tx, days(d0=4, d6=5), {}, TODAY)
    with store.reading() as tx:
        assert forecast.accepted(tx, TODAY - HORIZON) == days(m2=7, m1=8, d0=4, d6=5)
        assert forecast.accepted(tx, TODAY) == days(d0=4, d6=5)
        assert forecast.missed(tx, TODAY - timedelta(days=2), TODAY) == 15
        assert forecast.missed(tx, TODAY, TODAY) == 0


def test_the_busiest_day_is_a_past_one_or_one_that_an_operator_accepted(store: Store) -> None:
    with store.writing() as tx:
        assert forecast.busiest(tx, TODAY) == 0
        forecast.save(tx, days(m400=300, m401=900, d0=5000, d3=7000), {}, TODAY - timedelta(days=500))
        assert forecast.busiest(tx, TODAY) == 300
        forecast.accept_by_hand(tx, 450, TODAY)
        assert forecast.busiest(tx, TODAY) == 450
        assert forecast.busiest(tx, TODAY + HORIZON) == 7000
        forecast.save(tx, {}, {}, TODAY)
        assert forecast.busiest(tx, TODAY + HORIZON) == 450
        assert forecast.busiest(tx, TODAY + HORIZON + timedelta(days=1)) == 0
        forecast.accept_by_hand(tx, 20, TODAY)
        assert forecast.busiest(tx, TODAY) == 300


def test_days_beyond_the_record_are_forgotten(store: Store) -> None:
    with store.writing() as tx:
        forecast.save(tx, days(m401=1, m400=2, d3=3), {}, TODAY - timedelta(days=500))
        forecast.forget(tx, TODAY)
        assert forecast.accepted(tx, Day(2000, 1, 1)) == days(m400=2, d3=3)


def test_the_surplus_names_the_first_and_the_worst_day(store: Store) -> None:
    with store.writing() as tx:
        assert forecast.surplus(tx) is None
        forecast.save(tx, {}, days(d9=300, d2=100, d7=300), TODAY)
        found = forecast.surplus(tx)
        assert found == Surplus(3, Day(2018, 11, 26), 100, Day(2018, 12, 1), 300)
        assert "(100 mails on 26 November 2018, 300 on 01 December 2018, 3 such days in all)" in found.words
        forecast.save(tx, {}, {}, TODAY)
        assert forecast.surplus(tx) is None


def test_what_a_day_has_brought_is_kept(store: Store) -> None:
    spent = Spent(TODAY, reminders=3, missed=40)
    with store.writing() as tx:
        assert forecast.spent(tx) is None
        forecast.spend(tx, spent)
    with store.writing() as tx:
        assert forecast.spent(tx) == spent
        forecast.spend(tx, replace(spent, changes=2))
    with store.reading() as tx:
        assert forecast.spent(tx) == Spent(TODAY, 3, 2, 40)


def test_passes_that_take_their_turn_lose_no_mail_of_the_day(store: Store) -> None:
    with store.writing() as tx:
        forecast.spend(tx, Spent(TODAY))

    def one(_: int) -> None:
        with store.writing(alone="events") as tx:
            known = forecast.spent(tx)
            assert known is not None
            forecast.spend(tx, replace(known, reminders=known.reminders + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(40)))
    with store.reading() as tx:
        assert forecast.spent(tx) == Spent(TODAY, reminders=40)


# The pause.


def test_a_pause_keeps_since_when_and_why_until_it_ends(store: Store) -> None:
    with store.writing() as tx:
        assert pauses.paused(tx) is None
        assert pauses.resume(tx) is None
        assert pauses.pause(tx, "wrong list", NOW)
        assert not pauses.pause(tx, "", NOW + timedelta(hours=1))
    with store.writing() as tx:
        assert pauses.paused(tx) == Pause(NOW, "wrong list")
        assert not pauses.pause(tx, "the list again", NOW + timedelta(hours=2))
        assert pauses.resume(tx) == Pause(NOW, "the list again")
    with store.reading() as tx:
        assert pauses.paused(tx) is None


def test_a_pause_survives_an_upgrade(empty_url: str, tmp_path: Path) -> None:
    """Dead Man's Snitch, 15 December 2021: a migration ended what its customers had paused."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "reminders.sqlite").touch()
    older = migrate_to(empty_url, "0002")
    with older.writing() as tx:
        pauses.pause(tx, "wrong list", NOW)
    older.close()
    assert upgrade(empty_url)
    store = open_store(empty_url)
    with store.reading() as tx:
        assert pauses.paused(tx) == Pause(NOW, "wrong list")
    store.close()


def migrate_to(url: str, version: str) -> Store:
    """A new store as an earlier version of the program would have made it."""
    store = Store(connections.connect(connections.parse(url)))
    with store.writing() as tx:
        config = Config(attributes={"connection": tx})
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        command.upgrade(config, version)
    return store


# Recall, and batches.


def test_recall_takes_back_what_no_worker_has_begun(store: Store) -> None:
    people = invite(store, 6)
    sent = send(store, reminder(people[0]))
    failed = send(store, reminder(people[1]), "failed")
    (sending,) = owe(store, reminder(people[2])).new
    assert begin(store, claim(store, "w1"), "w1")
    (claimed,) = owe(store, reminder(people[3])).new
    assert claim(store, "w2") is not None
    (owed,) = owe(store, reminder(people[4])).new
    (held,) = owe(store, reminder(people[5]), limit=0).held
    with store.writing() as tx:
        done = ledger.recall(tx, events=["talking-2019"], now=NOW)
    assert (done.ids, done.told, done.sending) == ((claimed, owed, held), 1, 1)
    assert {look(store, id).notice.dropped for id in done.ids} == {Reason.RECALLED}
    assert story(store, held) == [("held", "over-limit"), ("dropped", "recalled")]
    assert [look(store, id).state for id in (sent, failed, sending)] == ["sent", "failed", "sending"]
    assert claim(store, "w3") is None


def test_recalling_everything_counts_what_was_sent_of_the_same_passes(store: Store) -> None:
    people = invite(store, 3)
    send(store, reminder(people[0], event="earlier-2019"))
    owe(store, *(reminder(person) for person in people))
    row = claim(store)
    assert begin(store, row)
    settle(store, row, "sent")
    with store.writing() as tx:
        done = ledger.recall(tx, events=None, now=NOW)
    assert (len(done.ids), done.told, done.sending) == (2, 1, 0)


def test_a_message_in_doubt_that_waits_for_its_second_try_may_have_been_read(store: Store) -> None:
    invite(store)
    owe(store, reminder())
    row = claim(store)
    assert begin(store, row)
    settle(store, row, "uncertain", next_at=NOW + timedelta(minutes=1))
    with store.writing() as tx:
        done = ledger.recall(tx, events=["talking-2019"], now=NOW)
    assert (len(done.ids), done.told) == (1, 1)
    with store.reading() as tx:
        assert [each.fact for each in outbox.told(tx)] == [reminder().fact]  # so a correction is owed when it moves


@pytest.mark.parametrize("numbers", [(), (7,)])
def test_recalling_nothing_takes_nothing_back(store: Store, numbers: tuple[int, ...]) -> None:
    invite(store)
    owe(store, reminder())
    with store.writing() as tx:
        assert ledger.recall(tx, batches=numbers, now=NOW).ids == ()


def test_batches_that_are_held_are_told_with_their_first_mails(store: Store) -> None:
    people = invite(store, 7)
    first = owe(store, *(reminder(person) for person in people), limit=6)
    second = owe(store, reminder(people[0], rule="b"), reminder(people[1], rule="b"), limit=1)
    owe(store, reminder(people[0], rule="c"))
    with store.reading() as tx:
        found = ledger.batches(tx)
    assert [(each.number, each.mails) for each in found] == [(second.batch, 2), (first.batch, 7)]
    assert [row.id for row in found[1].first] == list(first.held[:5])
    with store.reading() as tx:
        assert [each.number for each in ledger.batches(tx, limit=1)] == [second.batch]


def test_releasing_everything_leaves_alone_what_was_held_by_hand(store: Store) -> None:
    people = invite(store, 3)
    (by_hand,) = owe(store, reminder(people[0])).new
    braked = owe(store, reminder(people[1]), reminder(people[2]), limit=1).held
    with store.writing() as tx:
        ledger.hold(tx, [by_hand], now=NOW)
        assert ledger.release_all(tx, NOW) == list(braked)
    assert look(store, by_hand).state == "held"
