"""What changed files do, and what they cannot do: the last good ones stay until somebody mends or releases them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.catalogue.changes import ChangeKind
from reminders.errors import BadInput, Held
from reminders.jobs.health import health
from reminders.jobs.tidy import tidy
from reminders.store import events, people
from tests.builders import utc
from tests.flows.walk import RULES, SETTINGS, Walk

START = "2018-11-23T09:00"
LATER = "2018-11-24T09:00"


def many(count: int, skip: frozenset[int] = frozenset()) -> str:
    """So many courses, one a day from 1 March 2019."""
    return "".join(
        f"  - id: course-{day}\n    title: Course {day}\n    dates: {{course: 2019-03-{day:02}}}\n"
        for day in range(1, count + 1)
        if day not in skip
    )


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with Walk(tmp_path) as walk:
        walk.events(many(20))
        walk.refresh(START)
        yield walk


def days(walk: Walk) -> dict[str, str]:
    """What is published: the day of each event."""
    with walk.store.reading() as tx:
        return {id: each.event.dates[0].fact for id, each in events.published(tx).items()}


def test_files_that_did_not_change_do_nothing(walk: Walk) -> None:
    assert walk.refresh(LATER).changes is None


def test_a_broken_file_changes_nothing_and_is_told_until_it_is_mended(walk: Walk) -> None:
    before = days(walk)
    walk.write("events/events.yaml", "events:\n  - id: course-1\n    title: Course: one\n")
    for _ in range(2):
        with pytest.raises(BadInput, match=r"^events/events.yaml:3:18: "):
            walk.refresh(LATER)
    assert days(walk) == before
    assert health(walk.service, utc(LATER)).warnings
    walk.events(many(20))
    assert walk.refresh(LATER).changes is None
    assert not health(walk.service, utc(LATER)).warnings


def test_every_problem_of_every_file_is_told_at_once(walk: Walk) -> None:
    walk.write("events/events.yaml", "events:\n  - id: course-1\n    titel: One\n")
    walk.write("rules.yaml", "kinds:\n  course: {label: Course}\nrules:\n  - {id: x, about: course, send: soon}\n")
    walk.write("audiences.yaml", "audiences: {all: {label: All, members: [nobody]}}\n")
    walk.write("feeds.yaml", "feeds: {all: {title: All, colour: mauve}}\n")
    templates = walk.folder / "templates" / "mail"
    templates.mkdir(parents=True)
    (templates / "reminder.txt.j2").write_text("{{ titel }}")
    with pytest.raises(BadInput) as told:
        walk.refresh(LATER)
    assert {problem.file for problem in told.value.problems} == {
        "events/events.yaml",
        "rules.yaml",
        "audiences.yaml",
        "feeds.yaml",
        "templates/mail/reminder.txt.j2",
    }


def test_a_mail_template_of_ones_own_is_checked_with_every_shape_of_date(walk: Walk) -> None:
    templates = walk.folder / "templates" / "mail"
    templates.mkdir(parents=True)
    (templates / "reminder.txt.j2").write_text("{% if location %}{{ locaton }}{% endif %}{{ unsubscribe_url }}")
    with pytest.raises(BadInput, match="there is no 'locaton' to fill in"):
        walk.refresh(LATER)


def test_what_leaves_the_files_stays_published_and_is_called_missing(walk: Walk) -> None:
    walk.events(many(20, skip=frozenset({7})))
    refreshed = walk.refresh(LATER)
    assert refreshed.changes is not None
    assert [change.kind for change in refreshed.changes] == [ChangeKind.EVENT_MISSING]
    assert days(walk)["course-7"] == "2019-03-07 Europe/London planned"
    with walk.store.reading() as tx:
        missing = [id for id, each in events.published(tx).items() if each.missing]
        shown = [entry.event for entry in events.entries(tx).values() if entry.left_at is None]
    assert missing == ["course-7"]
    assert "course-7" in shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("events: []\n", "hold none of the 20"),
        ("events:\n" + many(10), "10 of 20 published events are missing"),
        ("events:\n" + many(20).replace("course: 2019-03", "course: 2020-03"), "20 of 20 published dates would move"),
        (
            "events:\n" + many(20).replace("}\n", "}\n    status: cancelled\n"),
            "20 of 20 published dates would be cancel",
        ),
    ],
    ids=["emptied", "halved", "all moved", "all cancelled"],
)
def test_what_looks_like_an_accident_is_held_until_it_is_released(walk: Walk, text: str, reason: str) -> None:
    before = days(walk)
    walk.write("events/events.yaml", text)
    with pytest.raises(Held, match=reason) as held:
        walk.refresh(LATER)
    assert "refresh --release" in str(held.value)
    assert days(walk) == before
    walk.refresh(LATER, release=True)
    assert days(walk) != before
    assert walk.refresh(LATER).changes is None


def test_a_released_absence_withdraws_the_event_and_tells_those_who_knew(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.at(START)
        walk.at("2019-01-29T09:00")
        walk.events("")
        walk.write("events/events.yaml", "events: []\n")
        with pytest.raises(Held):
            walk.refresh("2019-01-30T09:00")
        walk.refresh("2019-01-30T09:00", release=True)
        walk.remind("2019-01-30T09:00")
        sent = walk.deliver("2019-01-30T09:00")
        assert sent == [("amina", "cancelled", "2019-02-12"), ("bao", "cancelled", "2019-02-12")]


def test_a_released_absence_of_dates_withdraws_those_and_says_which(tmp_path: Path) -> None:
    dates = "{course: 2019-02-12, applications-close: 2019-01-10T10:00, visit: 2019-04}"
    rules = RULES.replace("course: {label: Course}", "course: {label: Course}\n  visit: {label: Visit}")
    with Walk(tmp_path, rules=rules) as walk:
        walk.events(f"  - id: talking\n    title: Talking\n    dates: {dates}\n")
        walk.refresh(START)
        walk.course("2019-02-12")
        with pytest.raises(Held, match="2 of 3 published dates are missing from the files: talking"):
            walk.refresh(LATER)
        released = walk.refresh(LATER, release=True)
        assert released.changes is not None
        assert len(released.changes) == 0
        assert released.withdrawn == ("talking: applications-close is withdrawn", "talking: visit is withdrawn")
        assert _statuses(walk) == {"applications-close": "withdrawn", "course": "planned", "visit": "withdrawn"}


def test_releasing_something_else_withdraws_nothing_that_is_missing(walk: Walk) -> None:
    walk.events(many(20, skip=frozenset({7})))
    walk.refresh(LATER)
    (walk.config / "audiences.yaml").unlink()
    with pytest.raises(Held):
        walk.refresh(LATER)
    assert walk.refresh(LATER, release=True).withdrawn == ()
    assert days(walk)["course-7"] == "2019-03-07 Europe/London planned"


def test_a_new_key_is_good_for_the_links_of_new_mails_at_once_and_old_links_go_on_working(tmp_path: Path) -> None:
    from reminders.jobs.service import Service

    with Walk(tmp_path) as walk:
        walk.course()
        walk.refresh(START)
        old = walk.service.token(1)
        walk.service = Service(walk.service.settings, walk.config, walk.store, b"k" * 40)
        walk.refresh(LATER)
        with walk.store.reading() as tx:
            for token in (old, walk.service.token(1)):
                found = people.by_token(tx, token)
                assert found is not None
                assert found.id == 1


def _statuses(walk: Walk) -> dict[str, str]:
    with walk.store.reading() as tx:
        return {date.kind: date.status.value for date in events.published(tx)["talking"].event.dates}


def test_an_emptied_list_of_people_is_held(walk: Walk) -> None:
    (walk.config / "audiences.yaml").unlink()
    with pytest.raises(Held, match="none of 2 people would get any more mail"):
        walk.refresh(LATER)


def test_a_list_that_lost_many_people_is_held(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.people(*(f"person{number}" for number in range(20)))
        walk.course()
        walk.refresh(START)
        walk.people(*(f"person{number}" for number in range(15)))
        with pytest.raises(Held, match="5 of 20 people are no longer in the lists"):
            walk.refresh(LATER)
        walk.refresh(LATER, release=True)
        with walk.store.reading() as tx:
            assert len(people.invited(tx)) == 15


def test_whoever_unsubscribed_is_not_brought_back_by_the_files(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.at(START)
        walk.leave("bao", "2018-12-01T09:00")
        walk.people("amina", "BAO", "chloe")
        walk.at("2018-12-02T09:00")
        walk.people("amina")
        walk.at("2018-12-03T09:00")
        walk.people("amina", "bao", "chloe")
        walk.at("2018-12-04T09:00")
        sent = walk.at("2019-01-29T09:00")
        assert [name for name, _, _ in sent] == ["amina", "chloe"]


def test_a_store_that_begins_late_sends_no_backlog(tmp_path: Path) -> None:
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        assert walk.at("2019-02-01T09:00") == []
        assert walk.outbox() == [("course-2w", "dropped", "before-epoch")]


def test_a_new_label_redraws_the_entries_it_shows_in(walk: Walk) -> None:
    rules = (walk.config / "rules.yaml").read_text()
    walk.write("rules.yaml", rules.replace("label: Course", "label: Workshop"))
    refreshed = walk.refresh(LATER)
    assert refreshed.entries == 20
    assert refreshed.feeds == ("all",)


def test_the_address_of_the_pages_is_in_the_entries_and_redraws_them(walk: Walk) -> None:
    from reminders.files import read_settings
    from reminders.jobs.service import Service

    walk.write("reminders.yaml", SETTINGS + "public_url: https://dates.example.org\n")
    walk.service = Service(read_settings(walk.config, {}), walk.config, walk.store, b"k" * 32)
    assert walk.refresh(LATER).entries == 20
    assert walk.refresh(LATER).changes is None


def test_past_entries_leave_when_they_are_older_than_keep_past_and_never_come_back_by_themselves(
    tmp_path: Path,
) -> None:
    with Walk(tmp_path, settings="keep_past: 12 months\nsettle: 0\n") as walk:
        walk.events(many(3))
        walk.refresh(START)
        assert tidy(walk.service, utc("2020-02-01T00:00")).left == 0
        done = tidy(walk.service, utc("2020-03-01T12:00"))
        assert (done.left, done.feeds) == (1, ("all",))
        assert tidy(walk.service, utc("2020-03-01T13:00")).left == 0
        walk.events(many(4))
        walk.refresh("2020-03-01T14:00")
        with walk.store.reading() as tx:
            left = {entry.event for entry in events.entries(tx).values() if entry.left_at is not None}
        assert left == {"course-1"}


def test_a_file_half_written_when_it_is_looked_at_is_waited_for(tmp_path: Path) -> None:
    import threading
    import time

    from reminders.files import read_finished, read_snapshot

    with Walk(tmp_path) as walk:
        walk.events(many(5))
        known = read_snapshot(walk.config).digest

        def write_slowly() -> None:
            for count in range(6, 10):
                walk.events(many(count))
                time.sleep(0.1)

        walk.events(many(6))
        writer = threading.Thread(target=write_slowly)
        writer.start()
        read = read_finished(walk.config, known=known, settle=1.5)
        writer.join()
        assert b"course-9" in read.files["events/events.yaml"]


def test_files_that_editors_make_meanwhile_are_passed_over(walk: Walk) -> None:
    walk.write("events/.events.yaml.swp", b"\x00binary")
    walk.write("events/.#events.yaml", "not: [yaml")
    walk.write("events/events.yaml~", "not: [yaml")
    assert walk.refresh(LATER).changes is None


@pytest.mark.parametrize("name", ["courses.yml", "sub/deeper.yml"])
def test_a_file_of_events_with_the_other_ending_is_told_and_not_passed_over(walk: Walk, name: str) -> None:
    (walk.config / "events" / name).parent.mkdir(exist_ok=True)
    walk.write(f"events/{name}", "events: []\n")
    with pytest.raises(BadInput, match=f"events/{name}: a file of events must end in .yaml: call it "):
        walk.refresh(LATER)


def test_a_config_folder_that_went_away_changes_nothing(walk: Walk) -> None:
    shutil.rmtree(walk.config)
    with pytest.raises(BadInput, match="there is no such folder"):
        walk.refresh(LATER)
    assert len(days(walk)) == 20


def test_a_date_that_went_missing_is_reported_once_and_not_withdrawn_with_others_later(tmp_path: Path) -> None:
    def both(*without: int) -> str:
        lines = []
        for number in range(10):
            closes = "" if number in without else ", applications-close: 2019-01-10T10:00"
            lines.append(f"  - {{id: e-{number}, title: E, dates: {{course: 2019-03-{number + 1:02}{closes}}}}}\n")
        return "".join(lines)

    with Walk(tmp_path) as walk:
        walk.events(both())
        walk.refresh(START)
        for number in range(4):
            walk.events(both(*range(number + 1)))
            refreshed = walk.refresh(LATER)
            assert refreshed.changes is not None
            assert [change.event_id for change in refreshed.changes] == [f"e-{number}"]
        walk.events(both(*range(9)))
        with pytest.raises(Held, match="5 of 20 published dates"):
            walk.refresh(LATER)
        assert len(walk.refresh(LATER, release=True).withdrawn) == 5


def test_a_calendar_that_people_may_have_subscribed_to_is_not_dropped_without_a_word(walk: Walk) -> None:
    walk.write("feeds.yaml", "feeds:\n  first: {title: All dates}\n  second: {title: All dates}\n")
    walk.refresh(LATER)
    walk.write("feeds.yaml", "feeds:\n  third: {title: All dates}\n")
    with pytest.raises(Held, match=r"subscribed to would be gone: first\.ics, second\.ics\."):
        walk.refresh(LATER)
    assert walk.refresh(LATER, release=True).feeds == ("third",)
    walk.events(many(21))
    assert walk.refresh(LATER).changes is not None


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("audiences.yml", "call it audiences.yaml"),
        ("rule.yaml", "call it rules.yaml"),
        ("more-events.yaml", "put a file of events into the folder events/"),
    ],
)
def test_a_file_that_would_be_passed_over_is_told(walk: Walk, name: str, write: str) -> None:
    walk.write(name, "events: []\n")
    with pytest.raises(BadInput, match=f"^{name}: a file of this name is not read: {write}"):
        walk.refresh(LATER)


def test_held_mails_that_are_of_no_use_any_more_are_dropped(tmp_path: Path) -> None:
    with Walk(tmp_path, settings=SETTINGS + "brake_least: 1\n") as walk:
        walk.course("2019-02-12")
        walk.at(START)
        walk.at("2019-01-29T09:00")
        assert tidy(walk.service, utc("2019-01-30T09:00")).expired == 0
        assert tidy(walk.service, utc("2019-02-13T09:00")).expired == 2
        assert ("course-2w", "dropped", "expired") in walk.outbox()


@pytest.mark.parametrize("folder", ["", "events"])
def test_a_folder_that_cannot_be_listed_is_no_empty_folder(walk: Walk, folder: str) -> None:
    """Root reads everything, so the reading is done by somebody else."""
    place = walk.config / folder
    if os.getuid() == 0:
        walk.folder.chmod(0o711)
        for above in walk.folder.parents:
            if above.owner() == "root" and not above.stat().st_mode & 0o001:
                above.chmod(0o711)
    place.chmod(0o600)
    code = (
        "import pathlib, sys\nfrom reminders.errors import BadInput\nfrom reminders.files import read_snapshot\n"
        "if int(sys.argv[2]): import os; os.setuid(65534)\n"
        "try: read_snapshot(pathlib.Path(sys.argv[1]))\nexcept BadInput as error: print(error)\n"
    )
    try:
        command = [sys.executable, "-c", code, str(walk.config), str(int(os.getuid() == 0))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        place.chmod(0o700)
    assert "this cannot be read (Permission denied): let this user read it" in done.stdout, done.stderr
