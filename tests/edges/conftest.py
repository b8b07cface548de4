"""A browser, and a site with something on every page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reminders.mail import compose
from reminders.mail.samples import letters
from tests.builders import EPOCH, date, event, subscriber, utc
from tests.edges.browser import GONE, chromium
from tests.edges.site import CHECKOUT, PUBLIC, TOKEN, Memory, kinds, seed, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OTHERS = ("httpx2", "httpcore2", "asyncio", "uvicorn.access")
"""Loggers of the client, and the one that the server has switched off: pytest listens to that one all the same."""
LONG = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 4


@pytest.fixture(autouse=True)
def no_log_holds_a_token(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever these tests ask of the site: the token of a person or a calendar is in no line of its log."""
    yield
    told = [each.getMessage() for each in caplog.get_records("call") if not each.name.startswith(OTHERS)]
    assert not [line for line in told if TOKEN in line or "/my/" in line]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mail as it is really composed, in a folder such as the demo writes to."""
    folder = tmp_path_factory.mktemp("outbox")
    sender = compose.Service(
        name="Deadline reminders",
        public_url=PUBLIC,
        mail_from="reminders@example.org",
        mail_from_name="Deadline reminders",
        reply_to="",
        list_domain="example.org",
        contact="help@example.org",
    )
    sources = {path.name: path.read_text() for path in (CHECKOUT / "templates" / "mail").glob("*.j2")}
    oriel = next(each for each in seed() if each.id == "leadership-fellows-2019")
    letter = next(letters(oriel, oriel.dates[0], kinds()[oriel.dates[0].kind], sender))
    (folder / "2018-11-23-0900-mail.eml").write_bytes(compose.compose(compose.Templates(sources), letter))
    return folder


@pytest.fixture(scope="module")
def address(outbox: Path) -> Iterator[str]:
    """Where the site listens: the seed catalogue, a past date, a long word, dates of every status and precision."""
    statuses = ("cancelled", "postponed", "withdrawn", "planned")
    whens = (
        "2019-05-07T09:00",
        "2019-05-07T09:00/2019-05-07T17:00",
        "2019-05-07/2019-05-09",
        "2019-05",
        "2019-22",
        "tba",
    )
    dates = [date("2019-05-07", status=each, occurrence=each, note=LONG) for each in statuses]
    dates += [date(each, occurrence=f"as-{place}") for place, each in enumerate(whens)]
    made = [
        event("statuses", *dates),
        event("past", date("2018-11-01"), title=LONG, link="https://example.org/", description=LONG, level=3),
        event("withdrawn", date("2019-05-07"), title="Withdrawn"),
    ]
    left = subscriber(2, "left@example.org", left_at=EPOCH)
    memory = Memory([*seed(), *made], people={TOKEN: subscriber(), GONE: left})
    memory.issue(1, "Phone", "mine")
    with visit(memory, now=utc("2018-11-23T09:00"), public_url="", letters=outbox) as client:
        yield str(client.base_url).rstrip("/")
