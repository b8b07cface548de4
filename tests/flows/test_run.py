"""`reminders run` as operators run it: a process that reads files, serves pages, and mails through another process."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trustme

from reminders.clock import SystemClock
from tests.flows.service import PUBLIC, Kept, Place, Relay, relay, time_from_now, wait_for

AMINA, BAO, CHLOE, DEV = (f"{name}@example.org" for name in ("amina", "bao", "chloe", "dev"))
TICKS = 2.5
"""Seconds in which a daemon with a tick of one second looks at least twice."""
JUST_DUE = {"minutes": 118}
"""How far off a deadline is of which "2 hours before" was two or three minutes ago."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Relay]:
    with relay(tmp_path / "mails.jsonl") as running:
        yield running


def begin(place: Place, port: int, *people: str, **settings: object) -> None:
    """A service at its beginning, that has published nothing of interest to anybody yet."""
    place.settings(port, **settings)
    place.people(people or [AMINA, BAO])
    place.begin()


def arrived(sink: Relay, number: int) -> list[Kept]:
    """The mails once there are so many. Fails if there are ever more."""
    wait_for(lambda: len(sink.kept()) >= number)
    kept = sink.kept()
    assert len(kept) == number, [(each.recipients, parsed(each)["Subject"]) for each in kept]
    return kept


def nothing_more(sink: Relay, number: int) -> None:
    """Let the daemon look twice more; so many mails were all."""
    time.sleep(TICKS)
    arrived(sink, number)


def parsed(mail: Kept) -> EmailMessage:
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    return str(body.get_content())


def visible(html: str) -> str:
    """What of the HTML is read, roughly."""
    return re.sub(r"\s+", " ", re.sub(r"(?s)<head.*?</head>|<!--.*?-->|<[^>]+>", " ", html))


def read_out(when: str) -> str:
    """The date as mails say it to people in the United Kingdom."""
    local = datetime.strptime(when, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/London"))
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M} UK time"


@pytest.fixture(scope="module", autouse=True)
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Relay, datetime]]:
    """A service to which something becomes due at the next full minute, while other tests run."""
    place = Place(tmp_path_factory.mktemp("waiting"))
    with relay(place.folder / "mails.jsonl") as sink:
        begin(place, sink.port, tick=30)
        due = (SystemClock().now() + timedelta(seconds=67)).replace(second=0, microsecond=0)
        place.event("talk", "closes", f"{due + timedelta(hours=2):%Y-%m-%dT%H:%MZ}")
        with place.running():
            assert SystemClock().now() < due, "the machine is too slow for this test"
            yield place, sink, due


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Kept]]:
    """The mails to two people about one deadline, and that as it was written."""
    place = Place(tmp_path_factory.mktemp("mails"))
    with relay(place.folder / "mails.jsonl") as sink:
        begin(place, sink.port, service_name="Fristen für Ärzte")
        when = time_from_now(**JUST_DUE)
        place.event("talk", "closes", when, title="Conversations – «difficult» ones")
        with place.running():
            return when, arrived(sink, 2)


def test_each_reminder_arrives_once_whatever_is_run_again(place: Place, sink: Relay) -> None:
    begin(place, sink.port)
    place.people([AMINA, BAO], listed=[CHLOE, DEV])
    place.event("talk", "closes", time_from_now(**JUST_DUE))
    place.event("lead", "course", time_from_now(hours=23, minutes=58), title="Leading a team")
    with place.running():
        kept = arrived(sink, 8)
    for command in ("refresh", "remind", "deliver"):
        place.command(command)
    with place.running():
        nothing_more(sink, 8)
    about = Counter((each.recipients, str(parsed(each)["Subject"]).rpartition(": ")[2]) for each in kept)
    people = [(address,) for address in (AMINA, BAO, CHLOE, DEV)]
    assert about == Counter((to, title) for to in people for title in ("Talking to families", "Leading a team"))
    assert [(each.row.state, each.row.attempts) for each in place.records()] == [("sent", 1)] * 8


def test_a_message_is_well_formed_and_both_its_parts_say_the_date(mails: tuple[str, list[Kept]]) -> None:
    when, kept = mails
    assert sorted(each.recipients for each in kept) == [(AMINA,), (BAO,)]
    for mail in kept:
        message = parsed(mail)
        assert [(each.get_content_type(), each.defects) for each in message.walk()] == [
            ("multipart/alternative", []),
            ("text/plain", []),
            ("text/html", []),
        ]
        assert b"\n" not in mail.data.replace(b"\r\n", b"")
        assert max(map(len, mail.data.split(b"\r\n"))) <= 998
        for text in (part(message, "plain"), visible(part(message, "html"))):
            assert read_out(when) in text
            assert "Conversations – «difficult» ones" in text
        assert mail.sender == "dates@example.org"
        assert tuple(each.addr_spec for each in message["To"].addresses) == mail.recipients


def test_a_message_carries_the_headers_of_automatic_mail_to_a_list(mails: tuple[str, list[Kept]]) -> None:
    _, kept = mails
    for mail in kept:
        message = parsed(mail)
        assert re.fullmatch(r"<[0-9a-f]{40}@example\.org>", message["Message-ID"])
        assert message["Auto-Submitted"] == "auto-generated"
        assert re.fullmatch(r"(.* )?<[^<>@ ]+>", message["List-Id"])
        assert re.fullmatch(rf"<{PUBLIC}/unsubscribe/[\w-]{{32,}}>", message["List-Unsubscribe"])
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert abs(parsedate_to_datetime(message["Date"]) - SystemClock().now()) < timedelta(minutes=2)
        assert [each.addr_spec for each in message["From"].addresses] == ["dates@example.org"]
        assert message["Cc"] is message["Bcc"] is None
        assert len(set(message.keys())) == len(message.keys()), "a header stands there twice"
    assert len({parsed(each)["Message-ID"] for each in kept}) == 2
    assert len({parsed(each)["List-Unsubscribe"] for each in kept}) == 2


def test_the_link_in_a_mail_unsubscribes_by_post_only(place: Place, sink: Relay) -> None:
    begin(place, sink.port)
    place.event("one", "closes", time_from_now(**JUST_DUE))
    with place.running() as daemon:
        hers = next(parsed(each) for each in arrived(sink, 2) if each.recipients == (AMINA,))
        link = hers["List-Unsubscribe"].strip("<>")
        assert link in part(hers, "plain")
        assert f'href="{link}"' in part(hers, "html")

        page = daemon.get(link)
        assert page.status_code == 200
        assert 'method="post"' in page.text
        place.event("two", "closes", time_from_now(**JUST_DUE))
        assert {each.recipients for each in arrived(sink, 4)[2:]} == {(AMINA,), (BAO,)}

        done = daemon.post(link, {"List-Unsubscribe": "One-Click"})
        assert (done.status_code, done.headers.get("set-cookie")) == (200, None)
        place.event("three", "closes", time_from_now(**JUST_DUE))
        assert arrived(sink, 5)[4].recipients == (BAO,)
        nothing_more(sink, 5)


def test_a_slow_message_is_finished_when_the_daemon_is_told_to_stop(place: Place, tmp_path: Path) -> None:
    with relay(tmp_path / "mails.jsonl", 0, "--fault", "DOT", "wait 2") as sink:
        begin(place, sink.port, AMINA, BAO, CHLOE)
        place.event("talk", "closes", time_from_now(**JUST_DUE))
        with place.running() as daemon:
            arrived(sink, 1)
            first, *others = [each.row.state for each in place.records()]
            assert first == "sending"
            assert set(others) <= {"owed", "claimed"}
            assert daemon.stop() == 0
        arrived(sink, 1)
        assert [each.row.state for each in place.records()] == ["sent", "owed", "owed"]
        with place.running():
            kept = arrived(sink, 3)
            nothing_more(sink, 3)
    assert sorted(each.recipients for each in kept) == [(AMINA,), (BAO,), (CHLOE,)]


def test_when_a_date_moves_exactly_those_told_get_one_correction(place: Place, sink: Relay) -> None:
    begin(place, sink.port)
    place.event("talk", "course", old := time_from_now(hours=23, minutes=58))
    place.event("far", "course", time_from_now(days=20), title="Nobody was told")
    with place.running():
        told = {each.recipients: parsed(each)["Message-ID"] for each in arrived(sink, 2)}
        place.people([AMINA, BAO, CHLOE])
        wait_for(lambda: CHLOE in place.command("subscribers", "list"))
        place.event("talk", "course", new := time_from_now(days=6))
        place.event("far", "course", time_from_now(days=22), title="Nobody was told")
        corrections = arrived(sink, 4)[2:]
        nothing_more(sink, 4)
    assert sorted(each.recipients for each in corrections) == [(AMINA,), (BAO,)]
    for mail in corrections:
        message = parsed(mail)
        for text in (part(message, "plain"), visible(part(message, "html"))):
            assert read_out(new) in text
            assert read_out(old) in text
        assert message["In-Reply-To"] == told[mail.recipients]


def test_a_broken_edit_keeps_what_was_published_and_warns(place: Place, sink: Relay) -> None:
    begin(place, sink.port)
    place.event("talk", "course", time_from_now(days=20))
    with place.running() as daemon:
        feed = daemon.get("/feeds/all.ics")
        assert "Talking to families" in feed.text
        place.write("events/talk.yaml", "events:\n  - {id: talk, title: Talking, dates: {course: 30/02/2027}}\n")
        (warning,) = wait_for(lambda: daemon.health()["warnings"])
        assert "not accepted" in warning
        assert daemon.get("/readyz").status_code == 200
        assert "events/talk.yaml:2:" in daemon.printed()
        assert daemon.get("/feeds/all.ics").content == feed.content
        assert [daemon.get(path).status_code for path in ("/", "/events/talk", "/events/talk.ics")] == [200] * 3
        nothing_more(sink, 0)
        assert daemon.printed().count("events/talk.yaml:2:") == 1, "the same complaint at each tick buries all others"

        place.event("talk", "course", time_from_now(days=21))
        wait_for(lambda: daemon.get("/feeds/all.ics").content != feed.content)
        assert daemon.health()["warnings"] == []
        assert sink.kept() == []


def test_a_relay_that_wants_starttls_and_a_password_gets_both(place: Place, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "relay.pem")
    secure = {"smtp_security": "starttls", "smtp_user": "dates", "smtp_ca_file": tmp_path / "authority.pem"}
    options = ("--certificate", str(tmp_path / "relay.pem"), "--login", "dates", "open sesame")
    with relay(tmp_path / "mails.jsonl", 0, *options) as sink:
        place.environment["REMINDERS_SMTP_PASSWORD"] = "wrong"
        begin(place, sink.port, **secure)
        place.event("talk", "closes", time_from_now(**JUST_DUE))
        with place.running() as daemon:
            wait_for(lambda: "no mail can be sent at present" in daemon.printed())
            assert daemon.health()["outbox"]["owed"] == 2
            assert [each[:33] for each in daemon.health()["faults"]] == ["The relay has refused all mail si"]
            assert "wrong" not in daemon.printed()
        place.environment["REMINDERS_SMTP_PASSWORD"] = "open sesame"
        with place.running() as daemon:
            arrived(sink, 2)
            assert "open sesame" not in daemon.printed()


def test_mails_wait_for_a_relay_that_is_down(place: Place, tmp_path: Path) -> None:
    with relay(tmp_path / "mails.jsonl") as sink:
        port = sink.port
    begin(place, port)
    place.event("talk", "closes", time_from_now(**JUST_DUE))
    for _ in range(2):
        with place.running() as daemon:
            wait_for(lambda daemon=daemon: "no mail can be sent at present" in daemon.printed())  # type: ignore[misc]  # bound at once
            assert daemon.health()["outbox"]["owed"] == 2
            (fault,) = daemon.health()["faults"]
            assert fault.startswith("The relay has not answered since ")
    with relay(tmp_path / "mails.jsonl", port) as sink, place.running() as daemon:
        kept = arrived(sink, 2)
        wait_for(lambda: daemon.health()["ok"])
        nothing_more(sink, 2)
    assert sorted(each.recipients for each in kept) == [(AMINA,), (BAO,)]
    assert [each.row.attempts for each in place.records()] == [1, 1], "nobody is charged for a relay that is down"


def test_a_reminder_goes_out_when_it_is_due_and_not_at_the_next_tick(waiting: tuple[Place, Relay, datetime]) -> None:
    place, sink, due = waiting
    wait_for(sink.kept, seconds=75)
    arrived(sink, 2)
    begun = [attempt.started_at - due for each in place.records() for attempt in each.attempts]
    assert all(timedelta() <= late < timedelta(seconds=5) for late in begun), begun
