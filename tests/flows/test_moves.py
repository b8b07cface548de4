"""A date moves, is cancelled, firms up: who is told, once, and what is no longer sent. Both databases do the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.walk import Walk

TOLD = "2019-01-29T09:00"
"""When people are told of the course on 12 February 2019: two weeks before, at nine."""


@pytest.fixture
def walk(tmp_path: Path, url: str) -> Iterator[Walk]:
    """A course on 12 February 2019 is published, and two people are invited. On both databases."""
    with Walk(tmp_path, database=url if url.startswith("postgresql") else "") as walk:
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        yield walk


def test_each_reminder_is_sent_once_whatever_is_run_again(walk: Walk) -> None:
    assert walk.at("2019-01-29T08:59") == []
    assert walk.at(TOLD) == [("amina", "course-2w", "2019-02-12"), ("bao", "course-2w", "2019-02-12")]
    assert walk.at(TOLD) == []
    assert walk.at("2019-01-29T09:01") == []
    walk.refresh("2019-01-29T09:02", release=True)
    assert walk.remind("2019-01-29T09:03").owed == 0
    assert walk.deliver("2019-01-29T09:04") == []
    assert walk.at("2019-02-09T09:00") == [("amina", "course-3d", "2019-02-12"), ("bao", "course-3d", "2019-02-12")]
    assert walk.at("2019-06-01T09:00") == []


def test_a_move_is_told_to_exactly_those_who_were_told_the_old_date(walk: Walk) -> None:
    walk.leave("bao", "2019-01-20T12:00")
    walk.at(TOLD)
    walk.people("amina", "bao", "chloe")
    walk.at("2019-01-30T09:00")  # chloe joins after the mail
    walk.course("2019-03-05")
    assert walk.at("2019-01-31T14:00") == [("amina", "moved", "2019-03-05")]
    assert walk.at("2019-01-31T14:01") == []
    assert walk.at("2019-02-19T09:00") == [("amina", "course-2w", "2019-03-05"), ("chloe", "course-2w", "2019-03-05")]


def test_nobody_was_told_so_nobody_is_corrected(walk: Walk) -> None:
    walk.course("2019-03-05")
    assert walk.at("2018-12-01T10:00") == []
    assert walk.rows() == []


def test_moving_it_back_before_the_correction_left_owes_nothing(walk: Walk) -> None:
    walk.at(TOLD)
    walk.course("2019-03-05")
    assert walk.refresh("2019-01-31T14:00").owed == 2
    walk.course("2019-02-12")
    assert walk.refresh("2019-01-31T14:05").owed == 0
    walk.remind("2019-01-31T14:05")
    assert walk.deliver("2019-01-31T14:05") == []
    assert ("moved", "dropped", "moved") in walk.outbox()
    assert walk.at("2019-02-09T09:00") == [("amina", "course-3d", "2019-02-12"), ("bao", "course-3d", "2019-02-12")]


def test_moving_it_back_after_the_correction_left_is_told_again(walk: Walk) -> None:
    walk.at(TOLD)
    walk.course("2019-03-05")
    assert len(walk.at("2019-01-31T14:00")) == 2
    walk.course("2019-02-12")
    assert walk.at("2019-02-01T14:00") == [("amina", "moved", "2019-02-12"), ("bao", "moved", "2019-02-12")]


def test_moving_it_away_and_back_arms_again_what_was_dropped_unsent(walk: Walk) -> None:
    walk.refresh(TOLD)
    assert walk.remind(TOLD).owed == 2
    walk.course("2019-03-05")
    walk.refresh("2019-01-29T09:10")
    walk.remind("2019-01-29T09:10")
    assert walk.deliver("2019-01-29T09:10") == []
    assert walk.outbox() == [("course-2w", "dropped", "moved")]
    walk.course("2019-02-12")
    expected = [("amina", "course-2w", "2019-02-12"), ("bao", "course-2w", "2019-02-12")]
    assert walk.at("2019-01-29T09:20") == expected


def test_cancelling_stops_what_is_owed_and_what_would_come_and_tells_those_who_knew(walk: Walk) -> None:
    walk.at(TOLD)
    walk.refresh("2019-02-09T09:00")
    assert walk.remind("2019-02-09T09:00").owed == 2
    walk.course("2019-02-12", status="cancelled")
    assert walk.at("2019-02-09T09:05") == [("amina", "cancelled", "2019-02-12"), ("bao", "cancelled", "2019-02-12")]
    assert ("course-3d", "dropped", "cancelled") in walk.outbox()
    assert walk.at("2019-02-12T12:00") == []


def test_cancelled_before_anybody_was_told_is_told_to_nobody(walk: Walk) -> None:
    walk.course("2019-02-12", status="cancelled")
    assert walk.at("2018-12-01T09:00") == []
    assert walk.at(TOLD) == []
    assert walk.rows() == []


def test_on_again_after_it_was_cancelled_is_told_to_those_who_heard_of_it(walk: Walk) -> None:
    walk.at(TOLD)
    walk.course("2019-02-12", status="cancelled")
    walk.at("2019-01-30T09:00")
    walk.course("2019-02-12")
    assert walk.at("2019-01-31T09:00") == [("amina", "moved", "2019-02-12"), ("bao", "moved", "2019-02-12")]


def test_firming_up_is_announced_to_those_who_follow_and_is_no_correction(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.course("2019-03")
        walk.at("2018-11-23T09:00")
        walk.course("2019-03-27")
        assert walk.at("2019-02-15T11:00") == [("amina", "announced", "2019-03-27"), ("bao", "announced", "2019-03-27")]
        assert walk.at("2019-03-13T09:00") == [("amina", "course-2w", "2019-03-27"), ("bao", "course-2w", "2019-03-27")]


def test_a_move_while_the_mail_is_under_way_is_put_right_later(walk: Walk) -> None:
    """Somebody else's worker has the mail in hand while the files move; its acceptance is known only afterwards."""
    from datetime import timedelta

    from reminders.store import claiming, packing, sending
    from reminders.store.sending import Ending, Message
    from tests.builders import utc

    walk.refresh(TOLD)
    walk.remind(TOLD)
    wall = utc("2026-01-01T00:00")
    hour = timedelta(hours=1)
    with walk.store.writing() as tx:
        ((row,),) = claiming.claim(tx, "elsewhere:1:1", now=utc(TOLD), wall_now=wall, lease=hour)
        message = Message(row.id, "<1@example.org>", packing.pack(b"mail"), utc(TOLD))
        assert sending.begin(tx, [message], "elsewhere:1:1", now=utc(TOLD), wall_now=wall, lease=hour)
    walk.course("2019-03-05")
    assert walk.refresh("2019-01-29T09:10").owed == 0
    with walk.store.writing() as tx:
        sending.settle(tx, [Ending(row.id, 1, "sent", "ok", "dot", 250)], "elsewhere:1:1", now=utc(TOLD))
    told = walk.at("2019-01-29T09:20")
    assert [(kind, when) for _, kind, when in told] == [("moved", "2019-03-05")]


def test_a_late_rung_of_the_new_date_is_not_sent_beside_the_correction(walk: Walk) -> None:
    """Moved to the day after tomorrow: the correction says so; "two weeks before" would only repeat it."""
    walk.at(TOLD)
    walk.course("2019-02-02")
    assert walk.at("2019-01-31T14:00") == [("amina", "moved", "2019-02-02"), ("bao", "moved", "2019-02-02")]
    assert walk.at("2019-02-01T09:00") == []


def test_somebody_who_joins_gets_what_is_still_to_come_and_no_backlog(walk: Walk) -> None:
    walk.at(TOLD)
    walk.people("amina", "bao", "chloe")
    assert walk.at("2019-02-01T09:00") == []
    sent = walk.at("2019-02-09T09:00")
    assert ("chloe", "course-3d", "2019-02-12") in sent


def test_after_an_outage_the_most_urgent_reminder_comes_once_and_none_for_what_has_passed(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.events(
            "  - id: fellows\n    title: Fellows\n    dates: {applications-close: 2018-12-14T10:00}\n"
            "  - id: talking\n    title: Talking\n    dates: {course: 2019-02-12}\n"
        )
        walk.at("2018-11-23T09:00")
        sent = walk.at("2019-02-10T12:00")
        assert sent == [("amina", "course-3d", "2019-02-12"), ("bao", "course-3d", "2019-02-12")]
        assert walk.outbox() == [
            ("close-1w", "dropped", "superseded"),
            ("close-2h", "dropped", "expired"),
            ("course-2w", "dropped", "superseded"),
            ("course-3d", "sent", ""),
        ]


def test_what_is_published_while_a_pass_owes_reminders_falls_between_no_two_passes(walk: Walk) -> None:
    """The files are read, a pass owes up to now, and only then they are published: the next pass must see them."""
    walk.events("  - id: talking\n    title: Talking\n    dates: {course: 2019-02-02}\n")
    assert walk.remind("2019-01-25T09:30").owed == 0
    walk.refresh("2019-01-25T09:00")  # as of when it began to read
    walk.remind("2019-01-25T09:31")
    expected = [("amina", "course-2w", "2019-02-02"), ("bao", "course-2w", "2019-02-02")]
    assert walk.deliver("2019-01-25T09:31") == expected


def two_lists(walk: Walk, first: str, second: str) -> None:
    """The files invite `first` to courses of level 1, `second` to those of level 2."""
    text = "audiences:\n"
    for level, names in ((1, first), (2, second)):
        members = ", ".join(f"{name}@example.org" for name in names.split())
        text += f"  level-{level}: {{label: Level {level}, follows: {{levels: {level}}}, members: [{members}]}}\n"
    walk.write("audiences.yaml", text)


@pytest.mark.parametrize("on_join", ["wait", "latest"])
def test_somebody_known_who_joins_another_list_late_is_treated_as_one_who_is_new(tmp_path: Path, on_join: str) -> None:
    with Walk(tmp_path) as walk:
        rules = (walk.config / "rules.yaml").read_text()
        walk.write("rules.yaml", rules.replace("about: course, send", f"about: course, on_join: {on_join}, send"))
        walk.events("  - id: talking\n    title: Talking\n    level: 2\n    dates: {course: 2019-02-12}\n")
        two_lists(walk, "amina", "bao")
        walk.at("2018-11-23T09:00")
        assert walk.at(TOLD) == [("bao", "course-2w", "2019-02-12")]
        two_lists(walk, "amina", "amina bao chloe")
        sent = walk.at("2019-01-31T09:00")
        assert sent == (
            [(name, "course-2w", "2019-02-12") for name in ("amina", "chloe")] if on_join == "latest" else []
        )
        reasons = [row.reason for row in walk.rows() if row.notice.rule == "course-2w" and row.state == "dropped"]
        assert reasons == ([] if on_join == "latest" else ["before-joined", "before-joined"])
        assert [name for name, _, _ in walk.at("2019-02-09T09:00")] == ["amina", "bao", "chloe"]
