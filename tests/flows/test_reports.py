"""Walk-throughs of what comes back: a mail is sent, a report arrives, and what that changes for the next one."""

from __future__ import annotations

import os
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from reminders.errors import RemindersError
from reminders.jobs.reports import Unreadable, collect, take
from reminders.mail import verp
from reminders.mail.envelope import Envelope
from reminders.store import people, reports
from tests.builders import utc
from tests.flows.console import config, typed
from tests.flows.service import PATIENCE, Place, relay, time_from_now, wait_for
from tests.flows.walk import SETTINGS, Walk

CASES = Path(__file__).parents[1] / "cases" / "reports"
BOUNCES = "bounces@dates.example.org"
FIRST, BETWEEN, SECOND = "2019-01-29T09:00", "2019-01-29T10:00", "2019-02-09T09:00"
"""When the course of 12 February is told two weeks and three days before, and a time between."""


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A service with a Maildir that has told Amina and Bao of a course."""
    for name in ("tmp", "new", "cur"):
        (tmp_path / "bounces" / name).mkdir(parents=True)
    settings = f"{SETTINGS}bounce_address: {BOUNCES}\nreports_maildir: bounces\n"
    with Walk(tmp_path, settings=settings) as walk:
        walk.course("2019-02-12")
        walk.at("2018-11-23T09:00")
        assert [who for who, _, _ in walk.at(FIRST)] == ["amina", "bao"]
        yield walk


def about(walk: Walk, name: str, case: str) -> bytes:
    """The report of a case, as if it came back about the first mail to somebody."""
    return signed(walk, name, case, walk.service.report_id(row_of(walk, name)))


def signed(walk: Walk, name: str, case: str, id: str) -> bytes:
    data = (CASES / f"{case}.eml").read_text(encoding="utf-8")
    return verp.PATTERN.sub(id, data).encode()


def row_of(walk: Walk, name: str) -> int:
    with walk.store.reading() as tx:
        person = people.by_address(tx, f"{name}@example.org")
    assert person is not None
    return min(row.id for row in walk.rows() if row.notice.subscriber == person.id)


def deliver(walk: Walk, data: bytes, name: str = "1795536243.V1.host") -> Path:
    """A message arrives in the Maildir."""
    path = walk.folder / "bounces" / "new" / name
    path.write_bytes(data)
    return path


def kinds(walk: Walk) -> list[str]:
    with walk.store.reading() as tx:
        return [each.kind for each in reports.listing(tx)]


def test_after_a_hard_bounce_the_next_reminder_is_dropped_and_everybody_asked_says_why(walk: Walk) -> None:
    deliver(walk, about(walk, "amina", "postfix-no-such-mailbox"))
    (found,) = collect(walk.service, utc(BETWEEN)).recorded
    assert (found.status, found.done) == ("5.1.1", "suspended")
    assert [who for who, _, _ in walk.at(SECOND)] == ["bao"]
    assert ("course-3d", "dropped", "suspended") in walk.outbox()

    shown = typed("outbox", "show", str(row_of(walk, "amina")), *config(walk.config)).out
    assert "bounced: 5.1.1 unknown user" in shown
    assert "  sent  " in shown
    why = typed("why", "talking", "amina@example.org", *config(walk.config)).out
    assert "Mail to amina@example.org came back, and none is sent since 2019-01-29 10:00: 5.1.1 unknown user" in why
    assert "reminders reports resume amina@example.org" in why
    assert "dropped (suspended)" in why
    listed = typed("subscribers", "list", *config(walk.config)).out
    assert "suspended 2019-01-29 10:00: 5.1.1 unknown user" in listed
    told = typed("reports", "list", *config(walk.config)).out
    assert "hard       5.1.1   amina@example.org  [suspended]" in told
    assert "1 report. Suspended addresses: 1." in told
    facts = typed("reports", "list", "--json", *config(walk.config)).json
    assert facts["suspended"] == 1
    assert [(each["kind"], each["notice"]) for each in facts["reports"]] == [("hard", row_of(walk, "amina"))]


def test_whoever_is_resumed_is_mailed_again(walk: Walk) -> None:
    deliver(walk, about(walk, "amina", "postfix-no-such-mailbox"))
    collect(walk.service, utc(BETWEEN))
    again = typed("reports", "resume", "Amina@Example.org", *config(walk.config))
    assert (again.code, again.out) == (0, "Amina@Example.org is mailed again; what was dropped stays so.\n")
    assert typed("reports", "resume", "amina@example.org", *config(walk.config)).code == 1
    assert typed("reports", "resume", "nobody@example.org", *config(walk.config)).code == 2
    assert [who for who, _, _ in walk.at(SECOND)] == ["amina", "bao"]


def test_a_correction_waits_for_nobody_who_is_suspended_and_goes_when_they_are_resumed(walk: Walk) -> None:
    deliver(walk, about(walk, "amina", "postfix-no-such-mailbox"))
    collect(walk.service, utc(BETWEEN))
    walk.course("2019-02-14")
    assert [who for who, _, _ in walk.at("2019-01-30T09:00")] == ["bao"]
    assert walk.at("2019-01-30T09:01") == []
    assert ("moved", "dropped", "suspended") not in walk.outbox()  # each pass would owe and drop it anew
    typed("reports", "resume", "amina@example.org", *config(walk.config))
    assert walk.at("2019-01-30T09:02") == [("amina", "moved", "2019-02-14")]


@pytest.mark.parametrize("case", ["forged", "unsigned"])
def test_a_forged_report_changes_nothing(walk: Walk, case: str) -> None:
    data = (CASES / f"{case}.eml").read_bytes()
    deliver(walk, data)
    deliver(walk, verp.PATTERN.sub(verp.sign(b"q" * 40, 1), data.decode()).encode(), "2")
    deliver(
        walk, data.replace(b"<b5bb9d8014a0f9b1d61e21e796d78dccdf1352f2@", f"{walk.rows()[0].message_id}".encode()), "3"
    )
    found = collect(walk.service, utc(BETWEEN))
    assert (found.recorded, found.others) == ((), 3)
    assert kinds(walk) == []
    assert [who for who, _, _ in walk.at(SECOND)] == ["amina", "bao"]


def test_a_report_that_comes_twice_or_by_two_ways_counts_once(walk: Walk) -> None:
    data = about(walk, "amina", "postfix-no-such-mailbox")
    deliver(walk, data, "1")
    deliver(walk, b"Received: by another way\n" + data, "2")
    assert len(collect(walk.service, utc(BETWEEN)).recorded) == 1
    assert take(walk.service, data, utc(BETWEEN), BOUNCES) is None
    assert kinds(walk) == ["hard"]


def test_the_address_it_was_handed_over_to_is_proof_enough(walk: Walk) -> None:
    id = walk.service.report_id(row_of(walk, "bao"))
    data = (CASES / "unsigned.eml").read_bytes()
    found = take(walk.service, data, utc(BETWEEN), verp.sender(BOUNCES, id).upper())
    assert found is not None
    assert (found.outbox, found.done) == (row_of(walk, "bao"), "suspended")


@pytest.mark.parametrize("case", ["out-of-office", "receipt", "challenge", "report-passed-on", "complaint-withdrawn"])
def test_what_is_no_report_changes_nothing_though_it_comes_to_a_signed_address(walk: Walk, case: str) -> None:
    deliver(walk, about(walk, "amina", case))
    found = collect(walk.service, utc(BETWEEN))
    assert (found.recorded, found.others) == ((), 1)
    assert [who for who, _, _ in walk.at(SECOND)] == ["amina", "bao"]


def test_a_complaint_unsubscribes(walk: Walk) -> None:
    deliver(walk, about(walk, "amina", "complaint"))
    (found,) = collect(walk.service, utc(BETWEEN)).recorded
    assert found.done == "unsubscribed"
    assert b'"left": "complaint"' in walk.service.journal.path.read_bytes()
    assert [who for who, _, _ in walk.at(SECOND)] == ["bao"]
    assert ("course-3d", "dropped", "unsubscribed") not in walk.outbox()  # who left is owed nothing
    assert "left on 2019-01-29 10:00" in typed("why", "talking", "amina@example.org", *config(walk.config)).out


def test_a_full_mailbox_and_a_delay_are_kept_and_the_next_reminder_goes(walk: Walk) -> None:
    deliver(walk, about(walk, "amina", "postfix-mailbox-full"), "1")
    deliver(walk, about(walk, "bao", "postfix-delayed"), "2")
    assert [each.done for each in collect(walk.service, utc(BETWEEN)).recorded] == ["", ""]
    assert kinds(walk) == ["delayed", "soft"]
    assert [who for who, _, _ in walk.at(SECOND)] == ["amina", "bao"]


def test_each_message_is_marked_as_seen_whatever_it_is_and_none_is_lost(walk: Walk) -> None:
    new, cur = walk.folder / "bounces" / "new", walk.folder / "bounces" / "cur"
    sent = {"1.a": about(walk, "amina", "postfix-delayed"), "2.b": b"no report", "3.c:2,": b"", "4.d": b"x" * 2_000_000}
    for name, data in sent.items():
        deliver(walk, data, name)
    found = collect(walk.service, utc(BETWEEN))
    assert (len(found.recorded), found.others, found.amiss) == (1, 3, ())
    assert list(new.iterdir()) == []
    assert {each.name: each.read_bytes() for each in cur.iterdir()} == {
        f"{name.partition(':')[0]}:2,S": data for name, data in sent.items()
    }
    assert collect(walk.service, utc(BETWEEN)) == type(found)()


def test_a_report_that_was_recorded_and_not_moved_counts_once(walk: Walk) -> None:
    data = about(walk, "amina", "postfix-no-such-mailbox")
    take(walk.service, data, utc(BETWEEN))  # and the power fails here
    path = deliver(walk, data)
    found = collect(walk.service, utc(BETWEEN))
    assert (found.recorded, found.others) == ((), 1)
    assert not path.exists()


def test_what_cannot_be_recorded_stays_new(walk: Walk) -> None:
    path = deliver(walk, about(walk, "amina", "postfix-no-such-mailbox"))
    database = walk.folder / "var" / "reminders.sqlite"
    database.rename(database.with_suffix(".away"))
    with pytest.raises(RemindersError):
        collect(walk.service, utc(BETWEEN))
    assert path.exists()
    database.with_suffix(".away").rename(database)
    assert len(collect(walk.service, utc(BETWEEN)).recorded) == 1


def test_what_cannot_be_read_is_told_and_keeps_nothing_else_back(walk: Walk) -> None:
    new = walk.folder / "bounces" / "new"
    os.mkfifo(new / "1.pipe")
    (new / "2.folder").mkdir()
    (new / "3.link").symlink_to("/etc/hostname")
    deliver(walk, about(walk, "amina", "postfix-no-such-mailbox"), "4.report")
    found = collect(walk.service, utc(BETWEEN))
    assert len(found.recorded) == 1
    assert [each.partition(" ")[0] for each in found.amiss] == ["1.pipe", "2.folder", "3.link"]
    told = typed("reports", "collect", *config(walk.config))
    assert (told.code, told.out) == (1, "0 new reports, 0 other messages.\n")
    assert "Cannot be dealt with: 1.pipe (not a file)" in told.err


def test_a_folder_that_is_no_maildir_is_told(walk: Walk) -> None:
    (walk.folder / "bounces" / "cur").rmdir()
    deliver(walk, b"anything")
    with pytest.raises(Unreadable, match="no folder cur/"):
        collect(walk.service, utc(BETWEEN))
    deliver(walk, b"anything").unlink()
    (walk.folder / "bounces" / "new").rmdir()
    told = typed("reports", "collect", *config(walk.config))
    assert told.code == 1
    assert "is no Maildir that can be read" in told.err


def test_without_a_bounce_address_mail_comes_from_the_account_and_the_envelope_id_is_signed(tmp_path: Path) -> None:
    with Walk(tmp_path, settings=f"{SETTINGS}mail_from: dates@example.nhs.uk\n") as walk:
        envelope = walk.service.envelope(7, "amina@example.org")
        assert envelope.sender == "dates@example.nhs.uk"
        assert walk.service.signed(envelope.id) == 7
        assert walk.service.takes_reports("Dates@example.nhs.uk")


def test_a_redirected_mail_proves_nothing_about_its_person(tmp_path: Path) -> None:
    settings = f"{SETTINGS}bounce_address: {BOUNCES}\nredirect_all: tester@example.org\n"
    with Walk(tmp_path, settings=settings) as walk:
        assert walk.service.envelope(7, "tester@example.org") == Envelope(BOUNCES, "tester@example.org")
        assert walk.service.report_id(7) == ""


def test_a_port_without_what_listens_on_it_is_refused_at_the_start(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.settings(25, bounce_address=BOUNCES, reports_port=1)
    place.people(["amina@example.org"])
    place.begin()
    without = "import sys; sys.modules['aiosmtpd'] = None; from reminders.cli import main; main()"
    daemon = place.start(("-c", without))
    assert daemon.process.wait(PATIENCE) == 2
    assert "reports_port needs aiosmtpd: install reminders[reports]" in daemon.printed()
    assert "Traceback" not in daemon.printed()


def test_a_running_service_takes_bounces_by_lmtp_and_from_the_maildir_and_names_nobody(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name in ("tmp", "new", "cur"):
        (tmp_path / "bounces" / name).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken, relay(tmp_path / "mails.jsonl") as sink:
        port = taken.getsockname()[1]
        place.settings(sink.port, bounce_address=BOUNCES, reports_port=port, reports_maildir="bounces")
        place.people(["amina@example.org", "bao@example.org"])
        place.begin()
        place.event("talk", "closes", time_from_now(minutes=118))
        with place.running() as daemon:
            mails = {each.recipients[0]: each for each in wait_for(lambda: sink.kept()[1:] and sink.kept())}
            assert {each.sender.partition("+")[0] for each in mails.values()} == {"bounces"}
            wait_for(lambda: "another worker may be doing it" in daemon.printed())
            taken.close()

            def back(address: str, case: str) -> bytes:
                id = mails[address].sender.partition("+")[2].partition("@")[0]
                return verp.PATTERN.sub(id, (CASES / f"{case}.eml").read_text()).replace("\n", "\r\n").encode()

            def hand_over() -> bool:
                try:
                    with smtplib.LMTP("127.0.0.1", port, timeout=PATIENCE) as server:
                        sender = mails["amina@example.org"].sender
                        return server.sendmail("", [sender], back("amina@example.org", "postfix-no-such-mailbox")) == {}
                except ConnectionRefusedError:
                    return False

            wait_for(hand_over)
            (tmp_path / "bounces" / "new" / "1.x").write_bytes(back("bao@example.org", "complaint"))
            wait_for(lambda: "complaint: notice" in daemon.printed())
            printed = daemon.printed()
            assert "came back, hard 5.1.1: notice" in printed
            assert ": suspended" in printed
            assert ": unsubscribed" in printed
            assert "example.org" not in "".join(line for line in printed.splitlines() if "came back" in line)
    told = place.command("reports", "list")
    assert "amina@example.org  [suspended]" in told
    assert "2 reports. Suspended addresses: 1." in told
