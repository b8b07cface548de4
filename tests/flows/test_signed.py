"""Mails signed here (DKIM), as they arrive: what a mail server got verifies, and is what was frozen before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest
from sqlalchemy import update

from reminders.clock import FixedClock
from reminders.jobs import workers
from reminders.jobs.deliver import deliver, transport_of
from reminders.jobs.operator import Note, Notes
from reminders.mail.dkim import Key, record
from reminders.store import ledger
from reminders.store.tables import outbox
from tests.builders import utc
from tests.core.test_dkim import ALGORITHMS, key, pem
from tests.edges.smtpd import LOSE, WAIT, serving
from tests.flows.console import config, typed
from tests.flows.service import Place, relay, time_from_now, wait_for
from tests.flows.walk import SETTINGS, Walk

DUE = "2019-01-29T09:00"
SETTING = """\
public_url: https://dates.example.org
smtp_host: 127.0.0.1
smtp_port: {port}
smtp_security: none
mail_from: dates@lists.example.org
rate: 0
operator: ops@example.org
dkim_key_file: {selector}.pem
dkim_selector: {selector}
dkim_domain: example.org
"""


def verifies(data: bytes, selector: str, signer: Key) -> bool:
    """Whether a receiver agrees, who finds this key under this selector of example.org, and no other."""

    def published(name: bytes, timeout: int = 5) -> bytes:
        return record(signer).encode() if name.decode() == f"{selector}._domainkey.example.org." else b""

    return bool(dkim.verify(data, dnsfunc=published))


@pytest.fixture(params=ALGORITHMS)
def signer(request: pytest.FixtureRequest) -> Key:
    return key(request.param)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Two people are owed a reminder that is due."""
    with Walk(tmp_path) as walk:
        walk.course("2019-02-12")
        walk.refresh("2018-11-23T09:00")
        walk.remind("2018-11-23T09:00")
        walk.remind(DUE)
        yield walk


def sign(walk: Walk, port: int, selector: str, signer: Key) -> None:
    """From now on mails go to this server, signed with this key."""
    (walk.folder / f"{selector}.pem").write_bytes(pem(signer))
    walk.write("reminders.yaml", SETTINGS + SETTING.format(port=port, selector=selector))
    walk.reread()


def frozen(walk: Walk, id: int) -> tuple[str, bytes | None]:
    """The state of a row, and the bytes the store has of its message."""
    with walk.store.reading() as tx:
        record = ledger.show(tx, id)
    assert record is not None
    return record.row.state, record.row.body


async def send(walk: Walk) -> None:
    """One pass."""
    with workers.working(walk.service.data) as owner:
        await deliver(walk.service, transport_of(walk.service), FixedClock(utc(DUE)), owner)


async def test_what_arrives_verifies_and_is_what_was_frozen_before(walk: Walk, signer: Key) -> None:
    async with serving(faults={"DOT": [f"{WAIT}0.5"]}) as server:
        sign(walk, server.port, "dates", signer)
        passing = asyncio.create_task(send(walk))
        await asyncio.wait_for(server.kept.wait(), 20)
        known = await asyncio.to_thread(frozen, walk, 1)
        await passing
        assert known == ("sending", server.received[0].data)
        assert [mail.recipients for mail in server.received] == [["amina@example.org"], ["bao@example.org"]]
        assert all(verifies(mail.data, "dates", signer) for mail in server.received)
        assert not verifies(server.received[0].data.replace(b"Talking", b"Walking"), "dates", signer)


async def test_a_second_try_after_a_lost_answer_is_the_same_bytes_whatever_key_signs_by_now(walk: Walk) -> None:
    old, new = key("rsa"), key("ed25519")
    async with serving(faults={"DOT": [LOSE]}) as server:
        sign(walk, server.port, "dates2026", old)
        await send(walk)
        (first,) = server.received
        assert frozen(walk, 1) == ("owed", first.data)
        with walk.store.writing() as tx:  # the wait before another try goes by
            tx.execute(update(outbox).values(next_at=None))
        sign(walk, server.port, "dates2027", new)
        await send(walk)
        _, again, other = server.received
    assert again.data == first.data
    assert verifies(again.data, "dates2026", old)
    assert verifies(other.data, "dates2027", new)


async def test_what_the_operator_is_told_is_signed_too(walk: Walk, signer: Key) -> None:
    async with serving() as server:
        sign(walk, server.port, "dates", signer)
        notes = Notes(walk.service, transport_of(walk.service))
        notes.add(Note("changes are held", ("one", ".", "")))
        await notes.send(utc(DUE))
        (note,) = server.received
    assert note.recipients == ["ops@example.org"]
    assert verifies(note.data, "dates", signer)


async def test_a_test_mail_is_signed_as_the_others_are(walk: Walk, signer: Key) -> None:
    async with serving() as server:
        sign(walk, server.port, "dates", signer)
        told = await asyncio.to_thread(typed, "send-test", "try@example.org", *config(walk.config))
        assert told.code == 0
        (mail,) = server.received
    assert verifies(mail.data, "dates", signer)


def test_the_service_signs_with_the_key_its_settings_name(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with relay(tmp_path / "mails.jsonl") as sink:
        (tmp_path / "dates.pem").write_bytes(pem(key("rsa")))
        chosen = {"dkim_key_file": "dates.pem", "dkim_selector": "dates"}
        place.settings(sink.port, **chosen)
        place.people(["amina@example.org"])
        place.begin()
        place.event("talk", "closes", time_from_now(minutes=118))
        with place.running():
            wait_for(sink.kept)
        (mail,) = sink.kept()
    assert verifies(mail.data, "dates", key("rsa"))
