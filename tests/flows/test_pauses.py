"""Pause, resume and recall: what an operator does when the wrong mail is going out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.jobs.health import health
from reminders.jobs.remind import Reminded
from reminders.store import ledger, pauses
from tests.builders import utc
from tests.flows.console import config, typed
from tests.flows.service import Place, relay, time_from_now, wait_for
from tests.flows.walk import Walk
from tests.store.builders import begin, claim

START = "2018-11-23T09:00"
DUE = "2019-01-29T09:00"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Two people, a course on 12 February 2019; they are told two weeks and three days before."""
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.at(START)
        yield walk


def pause(walk: Walk, at: str, why: str = "") -> None:
    with walk.store.writing() as tx:
        assert pauses.pause(tx, why, utc(at))


def resume(walk: Walk) -> None:
    with walk.store.writing() as tx:
        assert pauses.resume(tx) is not None


def test_a_pause_stops_the_planner(walk: Walk) -> None:
    pause(walk, "2019-01-29T08:00")
    assert walk.remind(DUE) == Reminded()
    assert walk.rows() == []


def test_a_pause_stops_the_sender(walk: Walk) -> None:
    walk.remind(DUE)
    pause(walk, DUE)
    assert walk.deliver(DUE) == []
    assert walk.outbox() == [("course-2w", "owed", "")]
    resume(walk)
    assert len(walk.deliver("2019-01-29T10:00")) == 2


def test_what_became_due_meanwhile_is_caught_up_with_once(walk: Walk) -> None:
    pause(walk, "2019-01-29T08:00")
    for at in (DUE, "2019-02-09T09:00", "2019-02-10T12:00"):
        assert walk.at(at) == []
    resume(walk)
    assert [mail[1] for mail in walk.at("2019-02-10T12:01")] == ["course-3d", "course-3d"]
    assert walk.outbox() == [("course-2w", "dropped", "superseded"), ("course-3d", "sent", "")]


def test_nothing_is_sent_late_that_is_of_no_use_any_more(walk: Walk) -> None:
    pause(walk, "2019-01-29T08:00")
    resume_at = "2019-02-13T09:00"
    resume(walk)
    assert walk.at(resume_at) == []
    assert {state for _, state, _ in walk.outbox()} == {"dropped"}


def test_calendars_stay_right_and_whoever_was_told_is_told_of_a_change_afterwards(walk: Walk) -> None:
    walk.at(DUE)
    pause(walk, "2019-01-30T08:00")
    walk.course("2019-02-19")
    refreshed = walk.refresh("2019-01-30T09:00")
    assert refreshed.feeds == ("all",)
    assert walk.deliver("2019-01-30T09:00") == []
    resume(walk)
    assert [mail[1:] for mail in walk.at("2019-01-31T09:00")] == [("moved", "2019-02-19")] * 2


def test_a_change_that_is_taken_back_during_the_pause_is_told_to_nobody(walk: Walk) -> None:
    walk.at(DUE)
    pause(walk, "2019-01-30T08:00")
    for at, when in (("2019-01-30T09:00", "2019-02-19"), ("2019-01-30T10:00", "2019-02-12")):
        walk.course(when)
        walk.at(at)
    resume(walk)
    assert walk.at("2019-01-31T09:00") == []


def test_an_announcement_is_not_lost_however_long_the_pause(walk: Walk) -> None:
    walk.course("2019-09")
    walk.at("2018-11-24T09:00")
    pause(walk, "2018-11-24T10:00")
    walk.course("2019-09-10")
    walk.at("2018-11-25T09:00")
    resume(walk)
    assert [mail[1] for mail in walk.at("2019-02-25T09:00")] == ["announced"] * 2


def test_health_tells_of_a_pause_and_calls_a_forgotten_one_a_fault(walk: Walk) -> None:
    walk.remind(DUE)
    pause(walk, DUE, "wrong list")
    walk.remind("2019-01-29T12:00")
    soon, late = health(walk.service, utc("2019-01-29T12:00")), health(walk.service, utc("2019-01-30T09:01"))
    said = "Paused since 29 January 2019 09:00 UTC: nothing is mailed until `reminders resume`."
    assert (soon.faults, soon.warnings) == ((), (said,))
    assert (late.faults, late.warnings) == ((said,), ())


def test_a_pause_is_typed_shown_and_ended(walk: Walk) -> None:
    begun = typed("pause", "--why", "wrong list", *config(walk.config))
    assert begun.code == 0
    assert "(wrong list): nothing is mailed until `reminders resume`." in begun.out
    assert "Paused since " in typed("outbox", "list", *config(walk.config)).out
    assert typed("outbox", "list", "--json", *config(walk.config)).json["paused"]["why"] == "wrong list"
    again = typed("pause", *config(walk.config))
    assert again.out.startswith("That is so already.\nPaused since ")
    assert "(wrong list)" in again.out
    assert typed("resume", *config(walk.config)).out.startswith("Resumed; paused since ")
    assert typed("resume", *config(walk.config)).out == "Nothing was paused.\n"
    assert "Paused" not in typed("outbox", "list", *config(walk.config)).out


def test_a_daemon_started_during_a_pause_says_so_and_mails_after_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with relay(tmp_path / "kept.jsonl") as sink:
        place.settings(sink.port)
        place.people(["amina@example.org"])
        place.begin()
        place.command("pause", "--why", "looking at the list")
        place.event("talk", "closes", time_from_now(minutes=100))
        with place.running() as daemon:
            wait_for(lambda: "Paused since" in daemon.printed())
            wait_for(lambda: "talk" in daemon.get("/feeds/all.ics").text)
            place.command("resume")
            wait_for(lambda: len(sink.kept()) == 1)


# Recall.


def test_recall_takes_back_what_is_owed_and_held_and_says_what_was_sent(walk: Walk) -> None:
    walk.people("amina", "bao", "chloe", "dilys")
    walk.refresh("2019-01-28T09:00")
    walk.remind(DUE)
    ids = [row.id for row in walk.rows()]
    with walk.store.writing() as tx:
        ledger.hold(tx, ids[:1], now=utc(DUE))
        ledger.hold(tx, ids[1:3], now=utc(DUE))
    assert len(walk.deliver(DUE)) == 1
    with walk.store.writing() as tx:
        ledger.release(tx, ids[1:2], now=utc(DUE))
    told = typed("recall", "talking", *config(walk.config))
    assert (told.code, told.out) == (
        0,
        "Taken back: 3 notices.\nSent before, so that a correction may be needed: 1 notice.\n",
    )
    assert walk.deliver(DUE) == []
    assert {(row.state, row.reason) for row in walk.rows()} == {("sent", ""), ("dropped", "recalled")}
    again = typed("recall", "talking", *config(walk.config))
    assert (again.code, again.out.splitlines()[0]) == (1, "Taken back: 0 notices.")


def test_what_was_recalled_is_not_owed_again_by_a_planner_that_goes_on(walk: Walk) -> None:
    walk.remind(DUE)
    with walk.store.writing() as tx:
        ledger.recall(tx, events=None, now=utc(DUE))
    walk.course("2019-02-19")
    walk.at("2019-01-29T09:01")
    walk.course("2019-02-12")
    walk.at("2019-01-29T09:02")
    assert walk.at("2019-01-29T09:03") == []


def test_recall_leaves_other_events_and_other_batches_alone(walk: Walk) -> None:
    walk.events(
        "  - {id: talking, title: Talking, dates: {course: 2019-02-12}}\n"
        "  - {id: walking, title: Walking, dates: {course: 2019-02-12}}\n"
    )
    walk.refresh("2018-11-24T09:00")
    walk.remind(DUE)
    assert typed("recall", "talking", *config(walk.config)).out == "Taken back: 2 notices.\n"
    batch = next(str(row.batch) for row in walk.rows() if row.state == "owed")
    nothing = typed("recall", "--batch", "999", *config(walk.config))
    assert (nothing.code, nothing.out) == (1, "Taken back: 0 notices.\n")
    assert typed("recall", "--batch", batch, *config(walk.config)).out == "Taken back: 2 notices.\n"
    unknown = typed("recall", "wlaking", *config(walk.config))
    assert (unknown.code, unknown.err) == (2, "there is no event 'wlaking' in the store\n")


def test_a_message_in_hand_is_finished_and_the_rest_of_its_batch_taken_back(walk: Walk) -> None:
    walk.remind(DUE)
    row = claim(walk.store, now=utc(DUE))
    assert begin(walk.store, row)
    told = typed("recall", "--all", *config(walk.config))
    assert (told.code, told.out) == (0, "Taken back: 1 notice.\n")
    assert told.err == "In hand at this moment, and sent: 1 notice.\n"


def test_what_is_claimed_but_not_begun_is_taken_back_from_its_worker(walk: Walk) -> None:
    walk.remind(DUE)
    row = claim(walk.store, now=utc(DUE))
    assert typed("recall", "--all", *config(walk.config)).out == "Taken back: 2 notices.\n"
    assert not begin(walk.store, row)
