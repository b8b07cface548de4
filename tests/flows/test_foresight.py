"""`check` and `simulate` warn of reminders to more people than the relay's rate can carry in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from tests.flows.console import config, typed
from tests.flows.walk import SETTINGS, Walk

RELAY = "smtp_host: mail.example.org\npublic_url: https://dates.example.org\nmail_from: dates@example.org\n"
PERIOD = ("--from", "2018-11-23", "--to", "2019-01-31")
WARNING = (
    "close-2h about lead applications-close: 130 mails take 130 minutes at 1 a minute, and 10 would be too late. They "
    "are due at 2018-12-14 08:00 and of use until 2018-12-14 10:00; by themselves they would have to begin by "
    "2018-12-14 07:50: send earlier, or raise `rate` if the relay takes more"
)


@pytest.fixture
def walk(tmp_path: Path, clock: FrozenDateTimeFactory) -> Iterator[Walk]:
    """A relay that takes one mail a minute, 130 people, and a reminder two hours before a deadline."""
    with Walk(tmp_path, settings=f"{SETTINGS}{RELAY}rate: 1\n") as walk:
        walk.people(*(f"person{number}" for number in range(130)))
        walk.events("  - {id: lead, title: Leadership, dates: {applications-close: 2018-12-14T10:00}}\n")
        yield walk


def test_check_warns_before_anything_is_due_and_is_no_less_content(walk: Walk) -> None:
    told = typed("check", *config(walk.config))
    assert told.code == 0
    assert told.out.startswith("No mistakes, but see below. events: 1, ")
    assert told.out.splitlines()[1:] == [WARNING]
    assert typed("check", "--json", *config(walk.config)).json["warnings"] == [WARNING]


def test_simulate_warns_of_the_same(walk: Walk) -> None:
    told = typed("simulate", *PERIOD, *config(walk.config))
    assert told.out.splitlines()[-2:] == ["260 mails, 0 dropped.", WARNING]
    assert typed("simulate", *PERIOD, "--json", *config(walk.config)).json["warnings"] == [WARNING]


@pytest.mark.parametrize("settings", [f"{RELAY}rate: 2\n", f"{RELAY}rate: 0\n", "rate: 1\n"])
def test_a_rate_that_suffices_no_limit_and_the_outbox_folder_give_no_warning(walk: Walk, settings: str) -> None:
    walk.write("reminders.yaml", settings)
    assert typed("check", *config(walk.config)).out.startswith("All is well. ")
    assert typed("simulate", *PERIOD, *config(walk.config)).out.endswith("260 mails, 0 dropped.\n")


def test_check_says_nothing_of_what_was_due_already(walk: Walk, clock: FrozenDateTimeFactory) -> None:
    clock.move_to("2018-12-14T08:00:01")
    assert typed("check", *config(walk.config)).out.startswith("All is well. ")
