"""DKIM: what is signed, and that others who verify agree. (`tests/edges/test_opendkim.py` asks another program.)"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from reminders.errors import WrongUse
from reminders.jobs.signing import signer
from reminders.mail.compose import compose
from reminders.mail.dkim import DkimSigner, Key, read_key, record
from reminders.mail.skeleton import Composer
from reminders.settings import Settings
from tests.core.test_compose import CASE_LETTERS, TEMPLATES, letter

ALGORITHMS = ("rsa", "ed25519")
EVERY = letter(parent_ids=("<first@example.org>", "<second@example.org>"))


@cache
def key(algorithm: str) -> Key:
    return generate_rsa(65537, 2048) if algorithm == "rsa" else Ed25519PrivateKey.generate()


def verifies(data: bytes, algorithm: str) -> bool:
    def published(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"dates._domainkey.example.org."
        return record(key(algorithm)).encode()

    return bool(dkim.verify(data, dnsfunc=published))


def signed(algorithm: str = "rsa", message: bytes | None = None) -> bytes:
    return DkimSigner("example.org", "dates", key(algorithm))(message or compose(TEMPLATES, EVERY))


def covered(data: bytes) -> list[str]:
    """The fields that the signature says it covers."""
    found = re.search(rb"\bh=([^;]*);", data)
    assert found is not None
    return found[1].decode().replace("\r\n", "").replace(" ", "").split(":")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("case", CASE_LETTERS)
def test_every_kind_of_mail_verifies(case: str, algorithm: str) -> None:
    composer = Composer(TEMPLATES, DkimSigner("example.org", "dates", key(algorithm)))
    data = composer.compose(CASE_LETTERS[case]).data
    assert verifies(data, algorithm)
    assert data.endswith(compose(TEMPLATES, CASE_LETTERS[case]))
    assert data.count(b"\n") == data.count(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 78 + len("List-Unsubscribe: <>")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_signature_covers_who_what_and_how_to_leave(algorithm: str) -> None:
    assert covered(signed(algorithm)) == [
        *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "List-Id"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "MIME-Version", "Content-Type", "From"),
    ]
    assert "List-Unsubscribe" not in covered(signed(algorithm, compose(TEMPLATES, letter(public=False))))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_byte_that_is_changed_breaks_it(algorithm: str) -> None:
    data = signed(algorithm)
    assert verifies(data, algorithm)
    fields = [name for name in covered(data)[:-1] if name != "MIME-Version"]
    for name in fields:
        start = data.index(f"\r\n{name}: ".encode()) + len(name) + 4
        assert not verifies(data[:start] + b"x" + data[start:], algorithm), name
    body = data.index(b"\r\n\r\n") + 4
    for at in (body + 120, len(data) // 2, len(data) - 10):
        assert not verifies(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], algorithm), at


def test_a_second_sender_breaks_it() -> None:
    assert not verifies(signed().replace(b"\r\nFrom:", b"\r\nFrom: eve@example.org\r\nFrom:", 1), "rsa")
    assert not verifies(b"From: eve@example.org\r\n" + signed(), "rsa")


def test_a_relay_may_fold_fields_anew_and_add_its_own() -> None:
    data = signed()
    assert verifies(b"Received: from a by b;\r\n\tFri, 7 Dec 2018 09:00:05 +0000\r\n" + data, "rsa")
    assert verifies(data.replace(b"To: Amina <", b"to:  Amina\r\n\t<", 1), "rsa")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_mail_is_the_same_bytes_so_that_it_can_be_made_again(algorithm: str) -> None:
    assert signed(algorithm) == signed(algorithm)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"x", b"x\r\n", b"x\r\n\r\n\r\n", b"\r\n\r\n\r\n", b" \r\n"])
def test_bodies_of_any_end_verify(body: bytes) -> None:
    assert verifies(signed("rsa", b"From: a@example.org\r\nSubject:  two  blanks \r\n\r\n" + body), "rsa")


def pem(key: object, encryption: object = None) -> bytes:
    assert hasattr(key, "private_bytes")
    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return made


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_read_from_pem(algorithm: str) -> None:
    assert record(read_key(pem(key(algorithm)))) == record(key(algorithm))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not a private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key in PEM"),
        (pem(generate_private_key(SECP256R1())), "RSA and Ed25519 keys only"),
        (pem(key("rsa"), BestAvailableEncryption(b"x")), "without a password"),
    ],
)
def test_a_key_that_is_of_no_use_is_told(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "dkim.pem").write_bytes(data)
    settings = Settings(dkim_key_file="dkim.pem", dkim_selector="dates", mail_from="dates@example.org")
    with pytest.raises(WrongUse, match=what):
        signer(settings, tmp_path / "config")


def test_the_key_lies_beside_the_config_and_the_domain_is_that_of_the_sender(tmp_path: Path) -> None:
    config = tmp_path / "config"
    settings = Settings(dkim_key_file="dkim.pem", dkim_selector="dates", mail_from="dates@example.org")
    with pytest.raises(WrongUse, match=r"dkim\.pem cannot be read: No such file"):
        signer(settings, config)
    (tmp_path / "dkim.pem").write_bytes(pem(key("rsa")))
    made = signer(settings, config)
    assert made is not None
    assert verifies(made(compose(TEMPLATES, EVERY)), "rsa")
    assert signer(Settings(), config) is None
