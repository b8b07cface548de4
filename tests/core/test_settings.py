"""The operator's settings: from the file, the environment and files of secrets, with a place for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminders.errors import BadInput
from reminders.files import read_settings
from reminders.settings import Settings, described, secrets

MAIL = "smtp_host: mail.example.org\npublic_url: https://dates.example.org\nmail_from: dates@example.org\n"


def read(folder: Path, text: str = "", **variables: str) -> Settings:
    (folder / "reminders.yaml").write_text(text, encoding="utf-8")
    return read_settings(folder, {f"REMINDERS_{name}": value for name, value in variables.items()})


def told(folder: Path, text: str = "", **variables: str) -> list[str]:
    with pytest.raises(BadInput) as error:
        read(folder, text, **variables)
    return str(error.value).splitlines()


def test_nothing_needs_to_be_set(tmp_path: Path) -> None:
    assert read_settings(tmp_path, {}) == Settings()
    assert read(tmp_path) == Settings()


def test_the_environment_wins_over_the_file_and_an_empty_variable_is_none(tmp_path: Path) -> None:
    text = "port: 8080\nkeep_past: 2 years\nservice_name: Dates\n"
    settings = read(tmp_path, text, PORT="9090", SERVICE_NAME="")
    assert (settings.port, settings.keep_past, settings.service_name) == (9090, 24, "Dates")


def test_lengths_of_time_seconds_and_addresses_are_read_as_written(tmp_path: Path) -> None:
    text = "keep_past: for ever\nsettle: 0.5\ntick: 10\npublic_url: https://dates.example.org/\nhost: '::1'\n"
    settings = read(tmp_path, text)
    assert (settings.keep_past, settings.settle, settings.tick, settings.host) == (0, 0.5, 10, "::1")
    assert settings.public_url == "https://dates.example.org"


def test_a_secret_comes_from_a_variable_or_from_a_file_it_names(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40 + "\n")
    settings = read(tmp_path, MAIL + "smtp_user: dates\n", SMTP_PASSWORD="p:w", SECRET_KEY_FILE=str(key))
    assert settings.smtp_password.get_secret_value() == "p:w"
    assert settings.secret_key.get_secret_value() == "k" * 40
    assert "p:w" not in repr(settings)
    assert "kkk" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("prot: 8080\n", {}, ["reminders.yaml:1:1: unknown key 'prot': write 'port'"]),
        (
            "port: 80\npass_limit: 500\n",
            {},
            ["reminders.yaml:2:1: pass_limit is no setting any more: delete it; brake_least is what is never held"],
        ),
        (
            "",
            {"PASS_LIMIT": "500"},
            ["REMINDERS_PASS_LIMIT: pass_limit is no setting any more: delete it; brake_least is what is never held"],
        ),
        ("brake: 50\n", {}, ["reminders.yaml:1:8: '50' is not known here: the words here are on, off"]),
        ("brake_least: 0\n", {}, ["reminders.yaml:1:14: '0' is out of range: write at least 1"]),
        ("brake_share: 101\n", {}, ["reminders.yaml:1:14: '101' is out of range: write at most 100"]),
        ("port: eighty\n", {}, ["reminders.yaml:1:7: 'eighty' is not a whole number: write digits, such as 2"]),
        ("port: 80800\n", {}, ["reminders.yaml:1:7: '80800' is out of range: write at most 65535"]),
        ("tick: 60\n", {}, ["reminders.yaml:1:7: '60' is out of range: write at most 30"]),
        (
            "settle: soon\n",
            {},
            ["reminders.yaml:1:9: 'soon' is not a number of seconds: write one like 30 or 2.5"],
        ),
        (
            "keep_past: 24\n",
            {},
            ["reminders.yaml:1:12: this is not a length of time: write '24 months', '2 years' or 'for ever'"],
        ),
        (
            "keep_past: 9999 years\n",
            {},
            ["reminders.yaml:1:12: this is not a length of time: write '24 months', '2 years' or 'for ever'"],
        ),
        ("zone: GMT\n", {}, ["reminders.yaml:1:7: 'GMT' is not a time zone: write Europe/London"]),
        ("nation: UK\n", {}, ["reminders.yaml:1:9: 'UK' is not known here: the words here are ENG, WLS, SCT, NIR"]),
        (
            "smtp_security: ssl\n",
            {},
            ["reminders.yaml:1:16: 'ssl' is not known here: the words here are starttls, tls, none"],
        ),
        ("- port\n", {}, ["reminders.yaml:1:1: this is a list, not a mapping: write 'key: value' lines below it"]),
        (
            "smtp_password: hush\n",
            {},
            [
                "reminders.yaml:1:1: smtp_password is a secret, and this file is shared: "
                "set REMINDERS_SMTP_PASSWORD_FILE instead"
            ],
        ),
        ("", {"PORT": "eighty"}, ["REMINDERS_PORT: 'eighty' is not a whole number: write digits, such as 2"]),
        ("", {"PROT": "8080"}, ["REMINDERS_PROT: there is no such setting: write REMINDERS_PORT"]),
        (
            "",
            {"SMTP_PASSWORD_FILE": "/nowhere/at/all"},
            [
                "REMINDERS_SMTP_PASSWORD_FILE: the file /nowhere/at/all cannot be read (No such file or directory): "
                "name a file that this user may read"
            ],
        ),
        (
            "smtp_host: mail.example.org\n",
            {},
            [
                "reminders.yaml:1:1: smtp_host is set, but nothing says who mails come from: write 'mail_from: …' too",
                "reminders.yaml:1:1: smtp_host is set, but public_url is not an https address, and mails carry links: "
                "write 'public_url: https://…' too",
            ],
        ),
        (
            MAIL.replace("https", "http"),
            {},
            [
                "reminders.yaml:2:1: smtp_host is set, but public_url is not an https address, and mails carry links: "
                "write 'public_url: https://…' too"
            ],
        ),
        (
            MAIL,
            {"SMTP_USER": "dates"},
            [
                "REMINDERS_SMTP_USER: smtp_user is set, but there is no password: "
                "set REMINDERS_SMTP_PASSWORD, or REMINDERS_SMTP_PASSWORD_FILE to a file that holds it"
            ],
        ),
        (
            MAIL + "dkim_key_file: dkim.pem\ndkim_domain: example.com\n",
            {},
            [
                "reminders.yaml:4:1: nothing says under which selector the key is published: "
                "write 'dkim_selector: …' too",
                "reminders.yaml:5:1: receivers do not trust the signature of example.com for mails from example.org: "
                "write 'example.org', or leave it out",
            ],
        ),
        (
            "dkim_selector: a/b\n",
            {},
            ["reminders.yaml:1:16: 'a/b' is not a selector: write one like dates2027"],
        ),
        (
            "dkim_selector: dates\ndkim_domain: example.org\n",
            {},
            [
                "reminders.yaml:1:1: dkim_selector is set, but there is no key to sign with: "
                "write 'dkim_key_file: …' too",
                "reminders.yaml:2:1: dkim_domain is set, but there is no key to sign with: "
                "write 'dkim_key_file: …' too",
            ],
        ),
        (
            MAIL + "smtp_user: dates\nsmtp_security: none\n",
            {"SMTP_PASSWORD": "hush"},
            ["reminders.yaml:4:1: the password would be sent in clear: write 'smtp_security: starttls'"],
        ),
        (
            MAIL + "smtp_auth: xoauth2\n",
            {},
            [
                "reminders.yaml:4:1: xoauth2 logs in an account, and smtp_user names none: write 'smtp_user: …' too",
                "reminders.yaml:4:1: xoauth2 needs one place that gives tokens: "
                "write either 'smtp_token_file: …' or 'smtp_token_command: …'",
            ],
        ),
        (
            MAIL + "smtp_auth: xoauth2\nsmtp_user: dates\nsmtp_token_file: /run/token\ndkim_key_file: dkim.pem\n",
            {},
            [
                "reminders.yaml:7:1: nothing says under which selector the key is published: "
                "write 'dkim_selector: …' too",
            ],
        ),
        (
            MAIL + "smtp_token_file: /run/token\n",
            {},
            [
                "reminders.yaml:4:1: smtp_token_file is of no use with a password: write 'smtp_auth: xoauth2' too",
            ],
        ),
        (
            f"bounce_address: {'b' * 28}@example.org\n",
            {},
            [
                "reminders.yaml:1:1: with its number the part before the @ would be longer than the 64 characters that "
                "mail allows: write one with at most 27 characters before the @"
            ],
        ),
        (
            "reports_port: 8024\n",
            {},
            ["reminders.yaml:1:1: no address is set to which bounces could come: write 'bounce_address: …' too"],
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, variables: dict[str, str], expected: list[str]
) -> None:
    assert told(tmp_path, text, **variables) == expected


def test_mistakes_of_file_and_environment_are_told_together(tmp_path: Path) -> None:
    assert len(told(tmp_path, "prot: 1\nport: x\n", TICK="x", NONSENSE="1")) == 4


def test_every_setting_is_described_and_secrets_are_known_as_such() -> None:
    facts = {each["name"]: each for each in described()}
    assert set(facts) == set(Settings.model_fields)
    assert all(each["help"].endswith(".") or each["help"].endswith("'.") for each in facts.values())
    assert secrets() == {"smtp_password", "secret_key"}
    assert facts["keep_past"]["default"] == "24 months"
