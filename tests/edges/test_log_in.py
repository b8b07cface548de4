"""Logging in to a relay: one try by one mechanism, and access tokens that come from a file or a command."""

from __future__ import annotations

import asyncio
import json
import shlex
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from reminders.errors import DeliveryError, Verdict, WrongUse
from reminders.mail import tokens
from reminders.mail.smtp import SmtpTransport
from tests.edges import smtpd
from tests.edges.peers import post
from tests.edges.smtpd import Server, serving

USER, TOKEN = "desk@example.org", "eyJ0eXAiOiJKV1QiLCJhbGciOi"


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    return smtpd.certificate(authority, "127.0.0.1")


def transport(server: Server, trusted: str, **settings: Any) -> SmtpTransport:
    return SmtpTransport("127.0.0.1", server.port, ca_file=trusted, timeout=5, user=USER, **settings)


def printing(tmp_path: Path, text: str) -> str:
    """A command that prints the text, and adds a line to `runs` each time."""
    script = tmp_path / "token.py"
    script.write_text(f"open({str(tmp_path / 'runs')!r}, 'a').write('run\\n')\nprint({text!r})\n", encoding="utf-8")
    return shlex.join([sys.executable, str(script)])


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_the_mechanism_is_one_that_the_server_offers(
    certificate: ssl.SSLContext, trusted: str, mechanism: str
) -> None:
    async with serving(tls=certificate, login=(USER, "s3cret"), mechanisms=[mechanism]) as server:
        by = transport(server, trusted, password="s3cret")
        await post(by)
        await by.close()
    assert (server.log_ins, len(server.received)) == ([mechanism], 1)


async def test_s2_a_wrong_password_is_sent_once_however_many_messages_wait(
    certificate: ssl.SSLContext, trusted: str
) -> None:
    async with serving(tls=certificate, login=(USER, "s3cret")) as server:
        by = transport(server, trusted, password="wrong", connections=8)
        results = await asyncio.gather(*(post(by) for _ in range(8)), return_exceptions=True)
        await by.close()
    assert [getattr(result, "verdict", None) for result in results] == [Verdict.FAULT] * 8
    assert (server.log_ins, server.connections) == (["PLAIN"], 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"password": "s3cret"}, "password"), ({"tokens": tokens.from_file("/nowhere")}, "XOAUTH2")],
    ids=["password", "token"],
)
async def test_s2_a_server_that_offers_no_fitting_mechanism_is_a_fault(
    certificate: ssl.SSLContext, trusted: str, settings: dict[str, Any], words: str
) -> None:
    async with serving(tls=certificate, login=(USER, "s3cret"), mechanisms=[]) as server:
        with pytest.raises(DeliveryError, match=words) as failure:
            await transport(server, trusted, **settings).open()
    assert (failure.value.phase, failure.value.verdict) == ("connect", Verdict.FAULT)
    assert server.log_ins == []


@pytest.mark.parametrize("written", [TOKEN + "\n", json.dumps({"access_token": TOKEN, "expires_in": 3599})])
async def test_a_token_from_a_file_logs_in(
    certificate: ssl.SSLContext, trusted: str, tmp_path: Path, written: str
) -> None:
    (tmp_path / "token").write_text(written, encoding="utf-8")
    async with serving(tls=certificate, token=(USER, TOKEN)) as server:
        by = transport(server, trusted, tokens=tokens.from_file(str(tmp_path / "token")))
        await post(by)
        await by.close()
    assert (server.log_ins, len(server.received)) == (["XOAUTH2"], 1)


async def test_a_renewed_token_file_is_read_for_the_next_connection(
    certificate: ssl.SSLContext, trusted: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("old", encoding="utf-8")
    async with serving(tls=certificate, token=(USER, "old")) as server:
        by = transport(server, trusted, tokens=tokens.from_file(str(file)))
        await post(by)
        await by.close()
        server.token = (USER, "new")
        file.write_text("new", encoding="utf-8")
        await post(by)
        await by.close()
    assert len(server.received) == 2


async def test_s2_a_refused_token_is_a_fault_and_in_no_error(
    certificate: ssl.SSLContext, trusted: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("stale-token", encoding="utf-8")
    async with serving(tls=certificate, token=(USER, TOKEN)) as server:
        by = transport(server, trusted, tokens=tokens.from_file(str(tmp_path / "token")))
        with pytest.raises(DeliveryError) as failure:
            await by.open()
        assert (failure.value.phase, failure.value.code, failure.value.verdict) == ("connect", 535, Verdict.FAULT)
        assert "stale-token" not in str(failure.value)
        assert "stale-token" not in repr(by._relay)
    assert server.log_ins == ["XOAUTH2"]


async def test_a_command_is_run_once_for_as_long_as_its_token_lasts(
    certificate: ssl.SSLContext, trusted: str, tmp_path: Path
) -> None:
    command = printing(tmp_path, json.dumps({"access_token": TOKEN, "expires_in": 3599}))
    async with serving(tls=certificate, token=(USER, TOKEN)) as server:
        by = transport(server, trusted, tokens=tokens.from_command(command))
        for _ in range(3):
            await post(by)
            await by.close()
    assert (runs(tmp_path), server.connections) == (1, 3)


async def test_a_command_is_run_again_when_its_token_nears_its_end(tmp_path: Path) -> None:
    token = tokens.from_command(printing(tmp_path, json.dumps({"access_token": TOKEN, "expires_in": "200"})))
    assert [await token(""), await token("")] == [TOKEN, TOKEN]
    assert runs(tmp_path) == 2


async def test_a_kept_token_that_is_refused_is_replaced_in_the_same_session(
    certificate: ssl.SSLContext, trusted: str, tmp_path: Path
) -> None:
    async with serving(tls=certificate, token=(USER, "first")) as server:
        by = transport(server, trusted, tokens=tokens.from_command(printing(tmp_path, "first")))
        await post(by)
        await by.close()
        server.token = (USER, "second")
        printing(tmp_path, "second")
        await post(by)
        await by.close()
    assert (server.log_ins, server.connections) == (["XOAUTH2"] * 3, 2)
    assert len(server.received) == 2


SHELL = f"{shlex.quote(sys.executable)} -c "


@pytest.mark.parametrize(
    ("command", "verdict", "words"),
    [
        ("/nowhere/token", Verdict.FAULT, "cannot be run"),
        (SHELL + "'raise SystemExit(7)'", Verdict.PAUSE, "ended with status 7"),
        (SHELL + "pass", Verdict.FAULT, "gives no token"),
        (SHELL + "'print(chr(10).join(\"ab\"))'", Verdict.FAULT, "gives no token"),
        (SHELL + "'print(\"x\" * 10**6)'", Verdict.FAULT, "gives no token"),
        (SHELL + "'print(\"{broken\")'", Verdict.FAULT, "JSON that is no answer"),
        (
            SHELL + """'print("{\\"error\\": \\"invalid_client\\", \\"error_description\\": \\"s3cret\\"}")'""",
            Verdict.FAULT,
            "gives no token: invalid_client$",
        ),
    ],
)
async def test_what_a_command_does_wrong_is_told_without_what_it_printed(
    command: str, verdict: Verdict, words: str
) -> None:
    with pytest.raises(DeliveryError, match=words) as failure:
        await tokens.from_command(command)("")
    assert (failure.value.phase, failure.value.verdict) == ("connect", verdict)
    assert "s3cret" not in str(failure.value)


async def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "COMMAND_TIME", 0.2)
    with pytest.raises(DeliveryError, match="longer than") as failure:
        await tokens.from_command(SHELL + "'import time; time.sleep(60)'")("")
    assert failure.value.verdict is Verdict.PAUSE


async def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    token = tokens.from_command(SHELL + f"'import sys; print(len(sys.argv))' ; touch {tmp_path}/made '$(id)'")
    assert await token("") == "5"
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", ["", "  ", "curl 'unfinished"])
def test_a_command_that_cannot_be_split_is_refused_at_the_start(command: str) -> None:
    with pytest.raises(WrongUse, match="token command"):
        tokens.from_command(command)


@pytest.mark.parametrize("written", [None, "", "two words", "zoë", "{}"])
async def test_a_file_without_a_token_is_a_fault(tmp_path: Path, written: str | None) -> None:
    if written is not None:
        (tmp_path / "token").write_text(written, encoding="utf-8")
    with pytest.raises(DeliveryError, match="token file") as failure:
        await tokens.from_file(str(tmp_path / "token"))("")
    assert failure.value.verdict is Verdict.FAULT


async def test_s2_a_password_that_was_changed_meanwhile_is_sent_once_in_the_next_pass(
    certificate: ssl.SSLContext, trusted: str
) -> None:
    async with serving(tls=certificate, login=(USER, "s3cret")) as server:
        by = transport(server, trusted, password="s3cret", connections=4)
        await asyncio.gather(*(post(by) for _ in range(4)))
        await by.close()
        before = len(server.log_ins)
        server.login = (USER, "changed")
        results = await asyncio.gather(*(post(by) for _ in range(4)), return_exceptions=True)
        await by.close()
    assert [getattr(result, "verdict", None) for result in results] == [Verdict.FAULT] * 4
    assert len(server.log_ins) == before + 1
