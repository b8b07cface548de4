"""Content lines: what no text, link or number of octets may do to a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Event

from reminders.feed.lines import Address, Given, Value, address, clean, component
from tests.contentlines import names, properties, unfold


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SUMMARY", "a, b; c\\d\ne", "SUMMARY:a\\, b\\; c\\\\d\\ne"),
        ("SUMMARY", "one\r\ntwo", "SUMMARY:one\\ntwo"),
        ("SUMMARY", "C:\\New", "SUMMARY:C:\\\\New"),
        ("SUMMARY", "DTSTART:20190101", "SUMMARY:DTSTART:20190101"),
        ("STATUS", Value("TENTATIVE"), "STATUS:TENTATIVE"),
        ("URL", Address("https://example.org/a,b;c"), "URL:https://example.org/a,b;c"),
        ("SOURCE", Address("https://example.org/x.ics"), "SOURCE;VALUE=URI:https://example.org/x.ics"),
        ("DTSTART", date(2020, 2, 29), "DTSTART;VALUE=DATE:20200229"),
        ("DTSTART", datetime(2018, 12, 14, 10, 0, tzinfo=UTC), "DTSTART:20181214T100000Z"),
        ("REFRESH-INTERVAL", timedelta(hours=6), "REFRESH-INTERVAL;VALUE=DURATION:PT6H"),
        ("X-PUBLISHED-TTL", timedelta(hours=6), "X-PUBLISHED-TTL:PT6H"),
        ("X-PUBLISHED-TTL", timedelta(days=1), "X-PUBLISHED-TTL:P1D"),
        ("CATEGORIES", ("course", "Level 2"), "CATEGORIES:course,Level 2"),
        ("CATEGORIES", ("\\N", "b"), "CATEGORIES:\\\\N,b"),
        ("CATEGORIES", ("a,b", "c;d", "a,b"), "CATEGORIES:a\\,b,c\\;d"),
    ],
)
def test_a_property_is_written_as_its_type_demands(name: str, value: Given, line: str) -> None:
    assert unfold(component("VEVENT", {name: value})) == ["BEGIN:VEVENT", line, "END:VEVENT"]


@pytest.mark.parametrize("nothing", [None, "", (), " ", "\n", "\x00", ("", "\u200b")])
def test_a_property_that_says_nothing_is_left_out(nothing: Given | None) -> None:
    assert unfold(component("VEVENT", {"LOCATION": nothing})) == ["BEGIN:VEVENT", "END:VEVENT"]


def test_properties_keep_the_order_they_are_given_in() -> None:
    ordered: dict[str, Given] = {"SUMMARY": "b", "DTSTART": date(2019, 1, 1), "COMMENT": "a", "CLASS": Value("PUBLIC")}
    assert names(unfold(component("VCALENDAR", ordered))) == ["BEGIN", *ordered, "END"]


@pytest.mark.parametrize("character", ["x", "é", "漢", "🎓", "👩\u200d⚕️", ",", "\\"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_text_is_folded_between_characters_and_comes_back_whole(character: str, shift: int) -> None:
    text = "a" * shift + character * 200
    written = component("VEVENT", {"SUMMARY": text})
    for line in written.encode().split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # raises if a character was cut
    escaped = text.replace("\\", "\\\\").replace(",", "\\,")
    assert properties(written)["SUMMARY"] == f":{escaped}"


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_text_makes_a_second_property_or_a_line_that_is_too_long(text: str) -> None:
    written = component("VEVENT", {"SUMMARY": f"x{text}", "COMMENT": "last"})
    assert names(unfold(written)) == ["BEGIN", "SUMMARY", "COMMENT", "END"]
    assert len(written.splitlines()) == written.count("\r\n"), "nor does one who breaks lines wherever Unicode does"
    assert Event.from_ical(written)["SUMMARY"] == clean(f"x{text}")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  as it is  ", "as it is"),
        ("one\r\ntwo\nthree", "one\ntwo\nthree"),
        ("one\rtwo\vthree\ffour\x85five\u2028six\u2029seven\x1ceight", "one two three four five six seven eight"),
        ("tab\there", "tab here"),
        ("\ufeffmark", "mark"),
        ("half of a pair \ud83c here", "half of a pair   here"),
        ("evil\u202etxt.exe", "evil txt.exe"),
        ("दक्षता 漢字 Ελληνικά עברית", "दक्षता 漢字 Ελληνικά עברית"),
        ("👩\u200d⚕️ and naïve", "👩\u200d⚕️ and naïve"),
    ],
)
def test_text_keeps_its_letters_and_loses_what_some_reader_takes_for_the_end_of_a_line(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("link", "uri"),
    [
        ("https://www.oriel.nhs.uk", "https://www.oriel.nhs.uk"),
        ("HTTPS://Example.ORG/Path?q=A#B", "https://example.org/Path?q=A#B"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80/x"),
        ("https://example.org/a b/ü?q=ä#ö", "https://example.org/a%20b/%C3%BC?q=%C3%A4#%C3%B6"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
        ("https://example.org/a[1]?b[]=2", "https://example.org/a%5B1%5D?b%5B%5D=2"),
        ("https://example.org/#a#b", "https://example.org/#a%23b"),
        ('https://example.org/<"{|}>', "https://example.org/%3C%22%7B%7C%7D%3E"),
        ("https://user:password@example.org/", "https://example.org/"),
        ("https://müller.example/", "https://xn--mller-kva.example/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),  # IDNA 2003 made it another site, fass.example
        ("https://ｍüller.example/", "https://xn--mller-kva.example/"),  # noqa: RUF001  # a wide letter, as some keyboards give
        ("https://old_name.example.org/", "https://old_name.example.org/"),
        ("https://example.org/\r\nSUMMARY:x", "https://example.org/SUMMARY:x"),
    ],
)
def test_a_link_becomes_a_uri_that_every_parser_accepts(link: str, uri: str) -> None:
    assert address(link) == uri


@pytest.mark.parametrize(
    "link",
    [
        "",
        "www.example.org",
        "mailto:someone@example.org",
        "mailto://example.org/",
        "ftp://example.org/",
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://example.org:port/",
        "https://example.org:99999/",
        "https://[::1/",
        "https://\u2800\u0378.example/",
    ],
)
def test_what_is_no_link_is_left_out(link: str) -> None:
    assert address(link) is None


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_no_link_makes_anything_but_one_line_of_ascii(rest: str) -> None:
    made = address(f"https://example.org/{rest}")
    if made is not None:
        assert made.isascii()
        assert not set(made) & set(' "<>\\^`{|}[]')
        assert unfold(component("VEVENT", {"URL": made})) == ["BEGIN:VEVENT", f"URL:{made}", "END:VEVENT"]
        assert address(made) == made
