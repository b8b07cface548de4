"""Leaving by the link in a mail: nothing on GET, at once on POST, by a click or by a mail program (RFC 8058)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx2
import pytest

from tests.builders import EPOCH, subscriber
from tests.edges.site import TOKEN, Memory, visit

LEFT_LONG_AGO = "aLongTimeAgoLeftByThisOneToken00"
AT = f"/unsubscribe/{TOKEN}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--xyz\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xyz--\r\n',
    {"Content-Type": "multipart/form-data; boundary=xyz"},
)
OTHERS = ("httpx2", "httpcore2", "asyncio", "uvicorn.access")
"""Loggers of the client, and the one that the server has switched off: pytest listens to that one all the same."""
UNKNOWN = [
    TOKEN[:-1],
    TOKEN.lower(),
    TOKEN + "A",
    "x",
    "%00",
    "%F0%28%8C%28",
    "..%2f..%2fetc%2fpasswd",
    "a/b",
    "'%20or%201=1--",
    "x" * 4000,
    "",
]


@pytest.fixture
def memory() -> Memory:
    people = {TOKEN: subscriber(address="amina.khan@example.org"), LEFT_LONG_AGO: subscriber(2, left_at=EPOCH)}
    return Memory(people=people)


@pytest.fixture
def site(memory: Memory) -> Iterator[httpx2.Client]:
    with visit(memory) as client:
        yield client


def test_looking_changes_nothing_and_shows_a_button(site: httpx2.Client, memory: Memory) -> None:
    assert site.head(AT).status_code == 200
    answer = site.get(AT)
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert "Stop all mails" in answer.text
    assert memory.left == {}


def test_the_page_names_the_address_only_so_that_its_owner_knows_it(site: httpx2.Client) -> None:
    page = site.get(AT).text
    assert "a…@example.org" in page
    assert "amina" not in page
    assert "khan" not in page


def test_the_button_takes_the_person_out_and_says_so(site: httpx2.Client, memory: Memory) -> None:
    answer = site.post(AT, data={"from": "page"})
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert "You are unsubscribed" in answer.text
    assert memory.left == {TOKEN: "page"}
    assert "You are unsubscribed" in site.get(AT).text


@pytest.mark.parametrize(
    ("body", "fields"), [(b"List-Unsubscribe=One-Click", FORM), MULTIPART], ids=["urlencoded", "multipart"]
)
def test_a_mail_program_takes_the_person_out_with_one_post(
    site: httpx2.Client, memory: Memory, body: bytes, fields: dict[str, str]
) -> None:
    answer = site.post(AT, content=body, headers=fields, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert "Set-Cookie" not in answer.headers
    assert memory.left == {TOKEN: "one-click"}


def test_a_post_without_a_body_is_enough(site: httpx2.Client, memory: Memory) -> None:
    assert site.post(AT).status_code == 200
    assert memory.left == {TOKEN: "page"}


def test_leaving_twice_is_answered_like_once(site: httpx2.Client, memory: Memory) -> None:
    answers = [site.post(AT, content=b"List-Unsubscribe=One-Click", headers=FORM) for _ in range(2)]
    assert [(each.status_code, each.content) for each in answers] == [(200, b"Unsubscribed.\n")] * 2
    assert site.post(f"/unsubscribe/{LEFT_LONG_AGO}").status_code == 200
    assert memory.people[LEFT_LONG_AGO].left_at == EPOCH
    assert memory.left == {TOKEN: "one-click"}


def test_nobody_else_is_taken_out(site: httpx2.Client, memory: Memory) -> None:
    memory.people["another"] = subscriber(3)
    site.post(AT)
    assert memory.people["another"].left_at is None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_all_tokens_that_are_nobodys_give_the_same_bytes(site: httpx2.Client, memory: Memory, method: str) -> None:
    answers = [site.request(method, f"/unsubscribe/{token}") for token in UNKNOWN]
    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1
    assert len({str(sorted({**each.headers, "date": ""}.items())) for each in answers}) == 1
    assert memory.left == {}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_and_takes_nobody_out(
    site: httpx2.Client, memory: Memory, chunked: bool
) -> None:
    large = b"List-Unsubscribe=One-Click&" + b"x" * 10_000
    answer = site.post(AT, content=iter([large]) if chunked else large, headers=FORM)
    assert answer.status_code == 413
    assert memory.left == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_change_nothing(site: httpx2.Client, memory: Memory, method: str) -> None:
    answer = site.request(method, AT)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert memory.left == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_token_stays_with_its_owner(site: httpx2.Client, method: str) -> None:
    answer = site.request(method, AT)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert TOKEN not in answer.text, "the page may be copied or printed"


@pytest.mark.parametrize("fault", [None, OSError("the disk is gone")])
def test_no_log_ever_holds_a_token(
    site: httpx2.Client, memory: Memory, fault: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    memory.broken = fault
    with caplog.at_level(logging.DEBUG):
        for method in ("GET", "POST", "PUT"):
            site.request(method, AT)
            site.request(method, AT + "x")
    told = [record for record in caplog.records if not record.name.startswith(OTHERS)]
    assert TOKEN not in "".join(caplog.handler.format(record) for record in told)
    assert bool(told) is (fault is not None), "a fault is told, and nothing else"


def test_while_the_store_is_broken_nobody_is_told_that_they_left(site: httpx2.Client, memory: Memory) -> None:
    memory.broken = OSError("the disk is gone")
    answer = site.post(AT, content=b"List-Unsubscribe=One-Click", headers=FORM)
    assert answer.status_code == 500
    assert "Unsubscribed" not in answer.text
    assert "disk" not in answer.text
