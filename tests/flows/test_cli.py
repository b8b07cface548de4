"""The commands, as operators and staff type them: what they print, what they change, how they exit."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from reminders.files import shipped
from tests.flows.console import config, typed
from tests.flows.walk import Walk

TOLD = "2019-01-29T09:00"


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A service that has told two people of a course on 12 February 2019."""
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        walk.at(TOLD)
        yield walk


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A copy of the shipped config, whose store would lie beside it."""
    return Path(shutil.copytree(shipped("config"), tmp_path / "config"))


def test_help_names_every_command_and_each_has_help_of_its_own() -> None:
    told = typed("--help")
    assert told.code == 0
    for command in (
        *("check", "config", "db", "deliver", "demo", "feed", "outbox", "pause", "preview", "recall", "reconcile"),
        *("refresh", "remind", "reports", "resume", "run", "simulate", "subscribers", "tidy", "why"),
    ):
        assert f"\n  {command} " in told.out
        help = typed(command, "--help")
        assert help.code == 0
        assert len(help.out.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "No such command 'chekc'"),
        (["simulate", "--from", "2018-11-23"], "Missing option '--to'"),
        (["simulate", "--from", "23/11/2018", "--to", "2019-01-01"], "does not match the format"),
        (["outbox", "discard"], "Name the batches to discard by their numbers, or each --notice."),
        (["recall"], "Name the events to recall, a --batch, or --all."),
        (["check", "--config", "nowhere"], "nowhere: there is no such folder"),
        (["why", "x", "y", "--config", "nowhere"], "there is no such folder"),
        (["preview", "nothing", "--config", "nowhere"], "there is no such folder"),
        (["db", "init", "--config", "nowhere"], "there is no such folder"),
        (["outbox", "show", "99999999999999999999"], "is not in the range"),
        (["simulate", "--from", "2018-11-23", "--to", "9999-12-31"], "the year 9999 is out of range"),
    ],
)
def test_wrong_use_is_told_and_exits_with_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    told = typed(*(str(tmp_path / each) if each == "nowhere" else each for each in arguments))
    assert told.code == 2
    assert said in told.err


def test_the_store_is_made_only_when_asked_for_and_only_once(seed: Path) -> None:
    for command in (["refresh"], ["remind"], ["deliver"], ["tidy"], ["outbox", "list"], ["run"], ["db", "check"]):
        told = typed(*command, *config(seed))
        assert told.code == (1 if command[0] == "db" else 2)
        assert "there is no database" in told.err + told.out
    assert not (seed.parent / "var").exists()
    assert typed("db", "init", *config(seed)).code == 0
    assert (seed.parent / "var" / "reminders.sqlite").exists()
    assert (seed.parent / "var" / "secret.key").stat().st_mode & 0o777 == 0o600
    again = typed("db", "init", *config(seed))
    assert (again.code, "there is a store already" in again.err) == (2, True)
    assert typed("db", "check", *config(seed)).out == "The store is sound.\n"
    assert typed("db", "upgrade", *config(seed)).out == "The store is up to date; nothing was done.\n"


def test_a_data_folder_that_cannot_be_made_is_told(seed: Path) -> None:
    (seed.parent / "var").write_text("a file where the folder should be")
    told = typed("db", "init", *config(seed))
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"the data folder {seed.parent / 'var'} cannot be made (File exists): make it for user ")


def test_a_damaged_store_is_told_and_exits_with_1(seed: Path) -> None:
    typed("db", "init", *config(seed))
    typed("refresh", *config(seed))
    file = seed.parent / "var" / "reminders.sqlite"
    with closing(sqlite3.connect(file)) as tx:
        tx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tx.execute("PRAGMA journal_mode=DELETE")
    data = bytearray(file.read_bytes())
    data[4096 * 3 : 4096 * 3 + 600] = b"\xff" * 600
    file.write_bytes(data)
    told = typed("db", "check", *config(seed))
    assert told.code == 1
    assert told.out


def test_check_says_what_there_is_and_changes_nothing(seed: Path) -> None:
    told = typed("check", "--every", *config(seed))
    assert told.code == 0
    assert told.out == ("All is well. events: 13, dates: 10, kinds of date: 8, rules: 10, feeds: 3, audiences: 5\n")
    assert typed("check", "--json", *config(seed)).json["counts"]["events"] == 13
    assert not (seed.parent / "var").exists()


def test_the_passes_are_commands_and_the_feed_is_printed_as_it_is_served(seed: Path) -> None:
    typed("db", "init", *config(seed))
    first = typed("refresh", *config(seed))
    assert first.code == 0
    assert "ilm7-scholarship-2019 is new" in first.out
    assert first.out.endswith("Published: 13 changes, 8 calendar entries, 0 mails owed.\n")
    assert typed("refresh", *config(seed)).out == "The files are as they were.\n"
    (seed / "events" / "visits.yaml").write_bytes((seed / "events" / "visits.yaml").read_bytes() + b"# A remark\n")
    assert "The files changed, but nothing in them that is published." in typed("refresh", *config(seed)).out
    assert typed("remind", *config(seed)).code == 0
    assert typed("deliver", *config(seed)).out == "0 mails sent.\n"
    assert typed("tidy", *config(seed)).out == "Past entries that left the feeds: 0\n"
    feed = typed("feed", "leadership", *config(seed))
    assert feed.out.startswith("BEGIN:VCALENDAR\r\n")
    assert feed.out.count("BEGIN:VEVENT") == 8
    none = typed("feed", "nothing", *config(seed))
    assert (none.code, none.err) == (
        2,
        "there is no feed 'nothing': the feeds are leadership, deadlines, courses, all\n",
    )


def test_a_feed_or_a_file_is_linted_line_by_line(seed: Path, tmp_path: Path) -> None:
    typed("db", "init", *config(seed))
    typed("refresh", *config(seed))
    for name in ("leadership", "deadlines", "courses", "all?level=2&alarms=1d", "all?tasks=yes&alarms=1d"):
        well = typed("feed", name, "--lint", *config(seed))
        assert (well.code, well.out) == (0, f"{name}.ics: nothing is wrong.\n")
    file = tmp_path / "theirs.ics"
    file.write_bytes(typed("feed", "leadership", *config(seed)).out.encode())
    assert typed("feed", str(file), "--lint").out == f"{file}: nothing is wrong.\n"
    file.write_bytes(
        file.read_bytes().replace(b"CALSCALE:GREGORIAN", b"METHOD:PUBLISH").replace(b"COLOR:", b"COLOR:x", 1)
    )
    bad = typed("feed", str(file), "--lint")
    assert bad.code == 1
    assert bad.err == ""
    first, second = bad.out.splitlines()
    assert first.startswith(f"{file}:4: METHOD: a feed has none")
    assert second.startswith(f"{file}:13: COLOR: 'xsteelblue' is not the CSS name of a colour")


def test_what_cannot_be_linted_is_told_and_exits_with_2(seed: Path, tmp_path: Path) -> None:
    typed("db", "init", *config(seed))
    for arguments, said in (
        ((str(tmp_path / "none.ics"), "--lint"), "none.ics: it cannot be read: No such file or directory\n"),
        ((str(tmp_path), "--lint"), f"{tmp_path}: it cannot be read: Is a directory\n"),
        (("theirs.ics",), "theirs.ics is no name of a feed; add --lint if you want this file to be checked\n"),
        (("nothing", "--lint"), "there is no feed 'nothing': the feeds are none yet\n"),
    ):
        told = typed("feed", *arguments, *config(seed))
        assert (told.code, told.out) == (2, "")
        assert told.err.endswith(said)


def test_held_changes_exit_with_1_and_say_how_to_release_them(seed: Path) -> None:
    typed("db", "init", *config(seed))
    typed("refresh", *config(seed))
    (seed / "events" / "courses.yaml").write_text("events: []\n")
    held = typed("refresh", *config(seed))
    assert held.code == 1
    assert "10 of 13 published events are missing" in held.err
    assert "`reminders refresh --release`" in held.err
    assert typed("refresh", "--release", *config(seed)).code == 0


def test_simulate_lists_every_mail_of_a_period_and_writes_them_for_mail_programs(seed: Path, tmp_path: Path) -> None:
    period = ("--from", "2018-11-23", "--to", "2019-12-31")
    told = typed("simulate", *period, *config(seed))
    assert told.out.endswith("28 mails, 3 dropped.\n")
    lines = told.out.splitlines()
    assert lines[0].startswith("2018-11-16 09:00  close-4w       amina@example.org")
    assert lines[0].endswith("Friday 14 December 2018, 10:00 UK time  [dropped: before-epoch]")
    folder = tmp_path / "mails"
    facts = typed("simulate", *period, "--json", "--mails", str(folder), *config(seed)).json
    assert facts["mails"] == 28 == sum(not each["dropped"] for each in facts["notices"])
    assert len(list(folder.glob("*.eml"))) == 28
    empty = typed("simulate", "--from", "2019-01-02", "--to", "2019-01-01", *config(seed))
    assert (empty.code, "--to is before --from" in empty.err) == (2, True)


def test_preview_shows_a_mail_as_its_reader_sees_it(seed: Path) -> None:
    text = typed("preview", "leadership-fellows-2019", "applications-close", *config(seed)).out
    assert text.startswith("Subject: Applications close 14 Dec 2018, 10:00: Leadership and Management Fellows…\n")
    assert "Dear Someone," in text
    html = typed("preview", "leadership-fellows-2019", "applications-close", "--html", *config(seed)).out
    assert html.lstrip().lower().startswith("<!doctype html>")
    moved = typed("preview", "having-difficult-conversations-2019", "--notice", "moved", *config(seed)).out
    assert moved.startswith("Subject: Moved to ")
    for arguments, said in (
        (["mary-seacole-programme"], "the event 'mary-seacole-programme' has no dates"),
        (["mary-seacole"], "there is no event 'mary-seacole': write 'mary-seacole-programme'"),
        (["tanzania-visit-2019", "course"], "the event has no date of the kind 'course'"),
    ):
        told = typed("preview", *arguments, *config(seed))
        assert (told.code, said in told.err) == (2, True)


def test_why_tells_what_somebody_got_and_what_is_to_come(walk: Walk) -> None:
    told = typed("why", "talking", "amina@example.org", *config(walk.config))
    assert told.code == 0
    assert "2019-01-29 09:00  sent" in told.out
    assert "course-2w" in told.out
    assert "attempt 1 2019-01-29 09:00: sent written to " in told.out
    facts = typed("why", "talking", "Amina@Example.org", "--json", *config(walk.config)).json
    assert [each["state"] for each in facts["notices"]] == ["sent"]
    assert facts["notices"][0]["history"][0] == {"at": "2019-01-29T09:00:00+00:00", "state": "owed", "reason": ""}
    nobody = typed("why", "talking", "chloe@example.org", *config(walk.config))
    assert (nobody.code, nobody.err) == (2, "nobody in the store has the address chloe@example.org\n")
    nothing = typed("why", "walking", "amina@example.org", *config(walk.config))
    assert (nothing.code, nothing.err) == (2, "there is no event 'walking' in the store\n")


def test_the_outbox_is_listed_and_put_right_by_hand(walk: Walk) -> None:
    walk.refresh("2019-02-09T09:00")
    walk.remind("2019-02-09T09:00")
    listed = typed("outbox", "list", "--json", *config(walk.config)).json
    assert listed["counts"]["owed"] == 2
    owed = [str(row["number"]) for row in listed["rows"] if row["state"] == "owed"]
    held = typed("outbox", "hold", "--notice", owed[0], "--notice", owed[1], *config(walk.config))
    assert (held.code, held.out) == (0, f"2 notices: {owed[1]}, {owed[0]}\n")
    assert walk.deliver("2019-02-09T09:00") == []
    assert "held (by-hand)" in typed("outbox", "show", owed[0], *config(walk.config)).out
    assert typed("outbox", "release", "--notice", owed[0], *config(walk.config)).code == 0
    assert typed("outbox", "discard", "--notice", owed[1], *config(walk.config)).code == 0
    assert [mail[0] for mail in walk.deliver("2019-02-09T09:00")] == ["bao"]
    again = typed("outbox", "discard", "--notice", owed[0], *config(walk.config))
    assert (again.code, again.err) == (1, f"Not owed, held, failed or uncertain, and left alone: {owed[0]}\n")
    counted = typed("outbox", "list", *config(walk.config)).out.splitlines()[-1]
    assert counted == "3 sent, 1 dropped"
    assert typed("outbox", "show", "999", *config(walk.config)).code == 1
    assert "[(" not in typed("outbox", "list", "sent", *config(walk.config)).out


def test_people_are_listed_and_can_be_taken_out(walk: Walk) -> None:
    left = typed("subscribers", "leave", "BAO@example.org", *config(walk.config))
    assert left.out == "BAO@example.org gets no more mail.\n"
    again = typed("subscribers", "leave", "bao@example.org", *config(walk.config))
    assert again.out == "bao@example.org had left already.\n"
    listed = typed("subscribers", "list", *config(walk.config)).out
    assert "amina@example.org" in listed
    assert listed.endswith("People: 2, of whom left: 1.\n")
    facts = typed("subscribers", "list", "--json", *config(walk.config)).json
    assert [each["audiences"] for each in facts] == [["all"], ["all"]]
    assert [mail[0] for mail in walk.at("2019-02-09T09:00")] == ["amina"]
    unknown = typed("subscribers", "leave", "chloe@example.org", *config(walk.config))
    assert unknown.code == 2


def test_settings_are_shown_with_their_variables_and_without_secrets(seed: Path) -> None:
    told = typed("config", *config(seed), REMINDERS_SECRET_KEY="s" * 40, REMINDERS_PORT="9000").out
    assert "port: 9000\n" in told
    assert "secret_key: (set)\n" in told
    assert "ssss" not in told
    assert "keep_past: for ever\n" in told
    url = typed("config", *config(seed), REMINDERS_DATABASE="postgresql://dates:hush@db.example.org/dates").out
    assert "database: postgresql+psycopg://dates:***@db.example.org/dates\n" in url
    bad = typed("config", *config(seed), REMINDERS_PROT="9000")
    assert (bad.code, bad.err) == (2, "REMINDERS_PROT: there is no such setting: write REMINDERS_PORT\n")


def test_demo_ends_by_itself_without_a_terminal_and_takes_a_free_port_when_its_own_is_busy(tmp_path: Path) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        command = [sys.executable, "-m", "reminders", "demo", "--port", port]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"Port {port} is taken; another one is used." in done.stdout
    assert "45 mails were written (38 reminder, 4 moved, 3 announced); nothing was sent to anybody." in done.stdout
    assert len(list((tmp_path / "var" / "demo" / "outbox").glob("*.eml"))) == 45
    folder = tmp_path / "var" / "demo" / "config"
    told = typed("why", "having-difficult-conversations-2019", "dilys@example.org", *config(folder))
    assert "moved" in told.out


def test_a_day_goes_by_at_the_command_line(tmp_path: Path, clock: FrozenDateTimeFactory) -> None:
    """The passes one by one, as a timer of one's own might run them."""
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        assert typed("refresh", *config(walk.config)).code == 0
        assert typed("remind", *config(walk.config)).out == "0 mails owed, 0 recorded as not to be sent.\n"
        clock.move_to("2019-01-29 08:59:59")
        assert typed("remind", *config(walk.config)).out == "0 mails owed, 0 recorded as not to be sent.\n"
        clock.move_to("2019-01-29 09:00:00")
        assert typed("remind", *config(walk.config)).out == "2 mails owed, 0 recorded as not to be sent.\n"
        assert typed("deliver", *config(walk.config)).out.endswith("2 mails sent.\n")
        assert typed("remind", *config(walk.config)).out == "0 mails owed, 0 recorded as not to be sent.\n"
        clock.move_to("2019-02-08 12:00:00")
        told = typed("why", "talking", "amina@example.org", *config(walk.config)).out
        assert "to come  2019-02-09 09:00  course course-3d" in told


def test_a_problem_with_a_file_that_came_with_the_program_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "events").mkdir()
    (folder / "rules.yaml").write_text("kinds: {talk: {label: Talk}}\nrules: []\n")
    told = typed("check", *config(folder))
    assert told.code == 2
    assert told.err.startswith("feeds.yaml (the one that came with this; yours may differ):")


def test_a_folder_one_level_too_high_or_too_low_is_no_empty_service(seed: Path) -> None:
    for folder in (seed.parent, seed / "events"):
        for command in ("check", "refresh"):
            told = typed(command, *config(folder), REMINDERS_DATA=str(seed.parent / "var"))
            assert told.code == 2
        assert "events: there is no such folder: name the one that holds events/" in typed("check", *config(folder)).err
