"""What is published, how it changes, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reminders.catalogue.events import Event, PublishedDate, PublishedEvent, Source, Status
from reminders.feed.calendar import FeedStamp
from reminders.feed.entry import Entry
from reminders.feed.style import Restyle
from reminders.store import events, state
from reminders.store.engine import Store
from tests.builders import EPOCH, date, event

LATER = EPOCH + timedelta(days=1)


def _publish(store: Store, event: Event, now: object = EPOCH) -> PublishedEvent:
    with store.writing() as tx:
        return events.publish(tx, event, now)  # type: ignore[arg-type]  # test sugar


def _published(store: Store) -> dict[str, PublishedEvent]:
    with store.reading() as tx:
        return events.published(tx)


def test_a_published_event_comes_back_as_it_is(store: Store) -> None:
    full = event(
        "full-2019",
        date("2019-02-12", note="bring a friend", location="Durham"),
        date("2018-12-14T10:00", "applications-close", inferred="said by phone"),
        date("2019-22", occurrence="second", status="cancelled"),
        date("tba", occurrence="third"),
        categories=("course", "free"),
        description="Two\nlines \u2013 and \u00fc",
        link="https://example.org/a",
        contact="courses@example.org",
        source=Source("Leadership Learning", EPOCH.date(), "by 10am", "https://example.org/b"),
        rules={"close-4w": "off"},
    )
    returned = _publish(store, full)
    assert returned == PublishedEvent(full, 1, dates=tuple(PublishedDate(each, 1, EPOCH) for each in full.dates))
    assert _published(store) == {"full-2019": returned}
    with store.reading() as tx:
        assert events.published_event(tx, "full-2019") == returned
        assert events.published_event(tx, "none-2019") is None


def test_publishing_it_again_changes_nothing(store: Store) -> None:
    first = _publish(store, event())
    assert _publish(store, event(), LATER) == first
    with store.reading() as tx:
        assert len(events.revisions(tx, "talking-2019")) == 1


def test_a_moved_date_counts_a_revision_and_is_known_from_now_on(store: Store) -> None:
    closing = date("2018-12-14T10:00", "applications-close")
    _publish(store, event("talking-2019", date(), closing))
    moved = _publish(store, event("talking-2019", date("2019-02-19"), closing), LATER)
    assert moved.revision == 2
    assert [(each.revision, each.known_at) for each in moved.dates] == [(2, LATER), (1, EPOCH)]
    assert _published(store)["talking-2019"] == moved


def test_a_date_that_is_cancelled_has_changed_too(store: Store) -> None:
    _publish(store, event())
    cancelled = _publish(store, event("talking-2019", date(status="cancelled")), LATER)
    assert (cancelled.dates[0].revision, cancelled.dates[0].known_at) == (2, LATER)


def test_other_words_change_the_event_but_not_its_dates(store: Store) -> None:
    _publish(store, event())
    renamed = _publish(store, event("talking-2019", date(note="room 5"), title="Talking"), LATER)
    assert (renamed.revision, renamed.dates[0].revision, renamed.dates[0].known_at) == (2, 1, EPOCH)


def test_a_date_that_is_added_starts_at_its_first_revision(store: Store) -> None:
    _publish(store, event())
    added = _publish(store, event("talking-2019", date(), date("2019-03", occurrence="second")), LATER)
    assert [(each.revision, each.known_at) for each in added.dates] == [(1, EPOCH), (1, LATER)]


def test_a_date_that_left_and_came_back_counts_on(store: Store) -> None:
    closing = date("2018-12-14T10:00", "applications-close")
    _publish(store, event("talking-2019", date(), closing))
    _publish(store, event("talking-2019", closing), LATER)
    back = _publish(store, event("talking-2019", date("2019-02-19"), closing), LATER)
    assert back.dates[0].revision == 2  # so that no change notice of before has the same key


def test_every_version_is_kept(store: Store) -> None:
    versions = [event(), event("talking-2019", date("2019-02-19")), event()]
    for number, version in enumerate(versions):
        _publish(store, version, EPOCH + timedelta(days=number))
    with store.reading() as tx:
        kept = events.revisions(tx, "talking-2019")
        assert events.revisions(tx, "none-2019") == []
    assert [each.event for each in kept] == versions
    assert [(each.revision, each.at) for each in kept] == [(n + 1, EPOCH + timedelta(days=n)) for n in range(3)]


def test_a_missing_event_stays_published_and_is_found_again(store: Store) -> None:
    first = _publish(store, event())
    with store.writing() as tx:
        events.mark_missing(tx, ["talking-2019"], LATER)
        events.mark_missing(tx, [], LATER)
    assert _published(store) == {"talking-2019": replace(first, missing=True)}
    assert _publish(store, event(), LATER) == first
    with store.writing() as tx:
        events.mark_missing(tx, ["talking-2019"], LATER)
    changed = _publish(store, event(status=Status.WITHDRAWN), LATER)
    assert (changed.missing, changed.revision) == (False, 2)


def test_events_are_given_by_id_in_order(store: Store) -> None:
    for id in ("b-2019", "a-2019", "c-2019"):
        _publish(store, event(id))
    assert list(_published(store)) == ["a-2019", "b-2019", "c-2019"]


def test_the_last_good_files_are_kept_byte_for_byte_and_only_they(store: Store) -> None:
    files = {"events/a.yaml": b"\xff\x00\r\n", "rules.yaml": b"", "gone.yaml": b"x"}
    with store.writing() as tx:
        assert (events.snapshot(tx), events.snapshot_digest(tx)) == ({}, None)
        events.save_snapshot(tx, files)
        del files["gone.yaml"]
        events.save_snapshot(tx, files | {"rules.yaml": b"new"})
        state.put(tx, events.SNAPSHOT, "abc")
    with store.reading() as tx:
        assert events.snapshot(tx) == {"events/a.yaml": b"\xff\x00\r\n", "rules.yaml": b"new"}
        assert events.snapshot_digest(tx) == "abc"


def test_entries_are_kept_in_place_of_those_with_their_uid(store: Store) -> None:
    entry = Entry(
        uid="uid-1",
        event="talking-2019",
        kind="course",
        occurrence="",
        digest="0" * 64,
        begins="2019-02-12",
        over=LATER,
        text="BEGIN:VEVENT\r\n \u00fc\r\n",
        timezone="BEGIN:VTIMEZONE\r\n",
        level=2,
        provider="HEE",
        categories=("course", "e-learning"),
        firm=True,
        deadline="2019-02-12",
        off=False,
        sequence=0,
        last_modified=EPOCH,
    )
    with store.writing() as tx:
        events.save_entries(tx, [])
        events.save_entries(tx, [replace(entry, uid="uid-2"), entry])
        events.save_entries(tx, [replace(entry, sequence=1, left_at=LATER)])
    with store.reading() as tx:
        assert events.entries(tx) == {
            "uid-1": replace(entry, sequence=1, left_at=LATER),
            "uid-2": replace(entry, uid="uid-2"),
        }


def test_feed_stamps_are_kept_by_name(store: Store) -> None:
    with store.writing() as tx:
        events.save_feed_stamp(tx, "all", FeedStamp("a", EPOCH))
        events.save_feed_stamp(tx, "all", FeedStamp("b", LATER, "tasks", Restyle(2, EPOCH)))
        events.save_feed_stamp(tx, "level-2", FeedStamp("c", EPOCH))
    with store.reading() as tx:
        assert events.feed_stamps(tx) == {
            "all": FeedStamp("b", LATER, "tasks", Restyle(2, EPOCH)),
            "level-2": FeedStamp("c", EPOCH),
        }
