"""Composing at speed gives the bytes of composing plainly, whatever people are called and templates do."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.errors import BadInput
from reminders.mail import skeleton
from reminders.mail.compose import TEXT, Letter, Templates, compose
from reminders.mail.letter import values
from reminders.mail.samples import INVENTED, letters
from reminders.mail.skeleton import PERSONAL, Composer
from reminders.planning.notices import NoticeKind
from reminders.planning.subscribers import Subscriber
from tests.builders import date, event, subscriber, utc
from tests.core.test_compose import CASE_LETTERS, SERVICE, SOURCES, TEMPLATES, letter

COMPOSER = Composer(TEMPLATES)
BASE = "https://dates.example.org"

PIECES = [
    "Amina",
    "O'Neil",
    "Zoë",
    "Müller,",
    '"Bo"',
    "=?utf-8?q?x?=",
    "<b>",
    "&amp;",
    "% %s",
    "=41",
    "🦊",
    "李",
    "Dr.",
]
PIECES += [
    "qz0namezq",
    "a" * 40,
    "é" * 40,
    "x@y",
    "(hm)",
    "\\",
    ";",
    ".",
    "-->",
    "]]>",
    "\u200d",
    "\u00a0",
    "\u2028",
    "==",
]
NAMES = st.one_of(
    st.just(""),
    st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=90),
    st.text("ab ", min_size=1, max_size=90),
)
LOCAL = st.one_of(
    st.text("abz09_+-", min_size=1, max_size=40),
    st.sampled_from(["a.b", "o'neil", "a=b", "zoë", "a..b", ".a", "b.", "李", "a" * 60]),
)
DOMAIN = st.one_of(
    st.sampled_from(
        ["example.org", "bücher.example.org", "xn--bcher-kva.example.org", "a-.example", "münchen.example"]
    ),
    st.integers(1, 60).map(lambda length: "d" * length + ".example"),
)
ADDRESSES = st.tuples(LOCAL, DOMAIN).map("@".join)
ORDINARY_URL = st.one_of(
    st.just(""),
    st.integers(1, 90).map(lambda length: f"{BASE}/unsubscribe/" + ("aB3_-" * 18)[:length]),
    st.sampled_from(["a?b=1&c=2", "a%20b", "a'b", "(a)", "a=3D", "a,b;c", "&amp;", "#x"]).map(f"{BASE}/".__add__),
)
URL = st.sampled_from(["é", "a b", "<", '"', "=?utf-8?q?x?=", "\n", "a\u2028b", "{{ name }}"]).map(f"{BASE}/".__add__)
ORDINARY_ID = st.one_of(
    st.integers(0, 16**40).map(lambda number: f"<{number:040x}@example.org>"),
    st.sampled_from(["<a@b>", "<a.b+c@d>", "<" + "a" * 200 + "@b>"]),
)
ID = st.sampled_from(["<a b@c>", "<é@b>", "none", "<=?utf-8?q?x?=@b>", "<a..b@c>", "<a.@c>"])


@st.composite
def personal(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a letter that differ from person to person, one in four times odd ones among them."""
    odd = draw(st.integers(0, 3)) == 0
    urls, ids = (ORDINARY_URL | URL, ORDINARY_ID | ID) if odd else (ORDINARY_URL, ORDINARY_ID)
    return {
        "subscriber": subscriber(draw(st.integers(1, 99)), draw(ADDRESSES), name=draw(NAMES)),
        "unsubscribe_url": draw(urls),
        "calendars_url": draw(urls),
        "message_id": draw(ids),
        "parent_ids": tuple(draw(st.lists(ids, max_size=12))),
        "report_id": draw(st.sampled_from(["", "7-abcdefgh23456777", "1234567890-abcdefgh23456777"])),
        "composed_at": utc("2018-12-07T09:00:04") + timedelta(seconds=draw(st.integers(0, 10**8))),
        "lists": draw(st.sampled_from([(), ("All doctors",), ("All doctors", "Fellows & friends")])),
    }


def outcome(make: Any, written: Letter) -> bytes | str:
    try:
        data: bytes = make(written)
    except (BadInput, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return data


def assert_same(composer: Composer, written: Letter) -> None:
    assert outcome(lambda each: composer.compose(each).data, written) == outcome(
        lambda each: compose(composer.templates, each), written
    )


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(CASE_LETTERS)), personal())
def test_what_is_composed_fast_is_what_is_composed_plainly(case: str, person: dict[str, Any]) -> None:
    assert_same(COMPOSER, replace(CASE_LETTERS[case], **person))


def test_all_that_can_be_foreseen_is_composed_alike() -> None:
    for about, day, kind in INVENTED:
        for each in letters(about, day, kind, SERVICE):
            assert_same(COMPOSER, each)
            assert_same(COMPOSER, replace(each, subscriber=subscriber(name="Zoë O'Neil")))


@pytest.mark.parametrize("length", range(55, 80))
def test_a_recipient_is_folded_alike_at_every_length(length: int) -> None:
    for name in ("", "A", "Amina", "Amina van der Berg"):
        address = "a" * (length - len(name) - len("@example.org")) + "@example.org"
        assert_same(COMPOSER, letter(subscriber=subscriber(address=address, name=name)))


@pytest.mark.parametrize(
    "odd", ["\u2028", "\x85", "\x1c", "\u00a0", "\u3000", "\t", "\x0c", " ", "  ", "\u200d", "\r", "\n"]
)
def test_white_space_of_any_kind_is_laid_out_alike(odd: str) -> None:
    composer = Composer(others("reminder.txt.j2", "Dear {{ name }}\n{{ name }}\n" + TEXT_END))
    assert composer.skeleton(letter()) is not None
    for name in (f"Amina{odd}Bo", f"{odd}Amina", f"Amina{odd}", odd, f"Amina {odd} " + "Bo " * 40):
        assert_same(composer, letter(name=name))


@pytest.mark.parametrize("length", range(20, 90, 3))
def test_lines_break_alike_at_every_length(length: int) -> None:
    name = ("Amina van der Berg " * 9)[:length].strip()
    assert_same(COMPOSER, letter(name=name))
    url = BASE + "/" + "x" * length
    assert_same(COMPOSER, letter(unsubscribe_url=url, calendars_url=url[:-1]))


@pytest.mark.parametrize("case", CASE_LETTERS)
def test_the_shipped_templates_are_composed_from_skeletons_but_a_digest(case: str) -> None:
    made = Composer(TEMPLATES).skeleton(CASE_LETTERS[case])
    assert (made is None) == bool(CASE_LETTERS[case].others)


# -- templates of other people --

TEXT_END = "\n{{ title }} {{ when }}\nStop: {{ unsubscribe_url }}\n"
LONG = "This sentence stands before the name so that it is broken near it, wherever it ends: "
KEEPING = {
    "twice in one line": "Dear {{ name }}, yes you, {{ name }}: {{ unsubscribe_url }} {{ calendars_url }}",
    "side by side": "{{ name }}{{ unsubscribe_url }}{{ name }}",
    "in a long paragraph": LONG * 3 + "{{ name }} " + LONG * 3 + "{{ unsubscribe_url }} " + LONG,
    "where a line breaks": "    " + LONG[: TEXT - 7] + " {{ name }}, {{ name }}",
    "at the end, and blanks": "Dear {{ name }}   \n\n\n\n   {{ name }} \n\n",
    "asked whether it is there": "{% if name and not lists %}Dear {{ name }}{% else %}Dear all{% endif %}",
    "asked within a line": '{{ "Dear" if name else "Hello" }} {{ name }}: 100 %, %s',
    "a mark of ours": "qz0namezq {{ name }} qz1unsubscribeurlzq",
}
REFUSED = {
    "in a filter": "Dear {{ name | upper }}",
    "in a filter's condition": "{% if name | lower %}Dear{% endif %}",
    "as a choice": '{{ name or "all" }}',
    "as a choice of two": '{{ name if late else "all" }}',
    "where the choice is made": "{% if (name if late else lists) %}Dear{% endif %}",
}


def others(name: str, text: str) -> Templates:
    return Templates(SOURCES | {name: text})


@pytest.mark.parametrize("what", KEEPING)
@settings(max_examples=25, deadline=None)
@given(st.lists(personal(), min_size=2, max_size=3))
def test_a_text_with_plain_holes_is_composed_alike_and_fast(what: str, people: list[dict[str, Any]]) -> None:
    composer = Composer(others("reminder.txt.j2", KEEPING[what] + TEXT_END))
    assert composer.skeleton(letter()) is not None
    for person in people:
        assert_same(composer, letter(**person))


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("late", [False, True])
def test_a_text_that_does_more_than_print_is_composed_plainly(what: str, late: bool) -> None:
    composer = Composer(others("reminder.txt.j2", REFUSED[what] + TEXT_END))
    for name in ("", "Amina", "Zoë"):
        written = letter(name=name, meant_at=utc("2018-12-07T07:00") if late else None)
        assert composer.skeleton(written) is None
        assert_same(composer, written)


@pytest.mark.parametrize("subject", ["{{ name }}, {{ title }}", "{{ title }}{% if name %} for {{ name }}{% endif %}"])
def test_a_subject_that_prints_a_name_is_composed_plainly(subject: str) -> None:
    composer = Composer(others("reminder.subject.txt.j2", subject))
    for name in ("Amina", "A name " * 12, ""):
        assert composer.skeleton(letter(name=name)) is None
        assert_same(composer, letter(name=name))


def test_a_subject_that_asks_whether_there_is_a_name_is_composed_alike() -> None:
    composer = Composer(others("reminder.subject.txt.j2", '{{ "For you" if name else "News" }}: {{ title }}'))
    for name in ("Amina", "", "Zoë"):
        assert composer.skeleton(letter(name=name)) is not None
        assert_same(composer, letter(name=name))


def mail(inner: str, head: str = "") -> str:
    """A template in MJML around the words and links of a mail."""
    links = '<a href="{{ link }}">a</a> <a href="{{ event_url }}">e</a> <a href="{{ unsubscribe_url }}">u</a>'
    return (
        f"<mjml><mj-head>{head}</mj-head><mj-body><mj-section><mj-column><mj-text>{links}</mj-text>{inner}"
        "</mj-column></mj-section></mj-body></mjml>"
    )


HTML_KEEPING = {
    "words": "<mj-text>Dear {{ name }}, {{ name }}</mj-text>",
    "a title": mail("<mj-text>x</mj-text>", "<mj-title>For {{ name }}</mj-title><mj-preview>{{ name }}</mj-preview>"),
    "a button": '<mj-button href="{{ calendars_url }}">For {{ name }}</mj-button>',
    "a part of a link": '<mj-text><a href="{{ calendars_url }}/?x=1&amp;y={{ name }}">x</a></mj-text>',
    "a table": "<mj-table><tr><td>{{ name }}</td></tr></mj-table>",
    "an entity": "<mj-text>&lt;{{ name }}&gt;&nbsp;{{ name }}</mj-text>",
    "next to tags": "<mj-text><b>{{ name }}</b>\n<br/> {{ name }} </mj-text>",
}
HTML_REFUSED = {
    "a width": '<mj-text padding="{{ name }}">x</mj-text>',
    "a class": '<mj-text css-class="{{ name }}">x</mj-text>',
    "a title of a link": '<mj-text><a title="{{ name }}" href="{{ link }}">x</a></mj-text>',
    "a comment": "<mj-text>x<!-- {{ name }} --></mj-text>",
    "a style": mail("", "<mj-style>.x { content: '{{ name }}'; }</mj-style>"),
    "an attribute of all": mail("", '<mj-attributes><mj-all font-family="{{ name }}" /></mj-attributes>'),
    "as it is": '<mj-raw><p title="x">{{ name }}</p></mj-raw>',
}


@pytest.mark.parametrize("what", HTML_KEEPING)
@settings(max_examples=25, deadline=None)
@given(st.lists(personal(), min_size=2, max_size=3))
def test_html_with_holes_among_words_and_in_links_is_composed_alike_and_fast(
    what: str, people: list[dict[str, Any]]
) -> None:
    inner = HTML_KEEPING[what]
    composer = Composer(others("reminder.mjml.j2", inner if inner.startswith("<mjml") else mail(inner)))
    assert composer.skeleton(letter()) is not None
    for person in people:
        assert_same(composer, letter(**person))


@pytest.mark.parametrize("what", HTML_REFUSED)
def test_html_with_holes_elsewhere_is_composed_plainly(what: str) -> None:
    inner = HTML_REFUSED[what]
    composer = Composer(others("reminder.mjml.j2", inner if inner.startswith("<mjml") else mail(inner)))
    for name in ("Amina", "10px", "Zoë O'Neil", "20px 5px"):
        assert composer.skeleton(letter(name=name)) is None
        assert_same(composer, letter(name=name))


def test_a_skeleton_that_gives_other_bytes_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton, "broken", lambda line: [line])  # a fault of ours
    composer = Composer(TEMPLATES)
    assert composer.skeleton(letter()) is None
    assert_same(composer, letter())


# -- what is kept --


def test_facts_that_change_are_in_the_next_mail() -> None:
    composer = Composer(TEMPLATES)
    for note in ("Room 1", "Room 2", "Room 1"):
        about = event("talking-2019", date(note=note))
        assert f"Note: {note}".encode() in composer.compose(letter(about=about)).data
        assert_same(composer, letter(about=about))
    for contact in ("desk@example.org", "other@example.org"):
        assert_same(composer, replace(letter(), service=replace(SERVICE, contact=contact, mail_from=contact)))


def test_a_mail_that_is_late_says_so_though_others_were_in_time() -> None:
    composer = Composer(TEMPLATES)
    for meant_at in (None, utc("2018-12-01T09:00"), utc("2018-12-02T09:00"), None):
        assert_same(composer, letter(meant_at=meant_at))


def test_no_more_is_kept_than_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton, "KEPT", 3)
    composer = Composer(TEMPLATES)
    for round_ in range(2):
        for number in range(6):
            assert_same(composer, letter(about=event(f"event-{number}"), name=f"Amina {round_}"))
    assert len(composer._known) == 3


def test_every_fact_of_a_letter_is_known_to_be_personal_or_common() -> None:
    """A new one must be put into the key of skeletons, or among what is personal."""
    common = {"notice", "event", "date", "kind", "service", "event_url", "meant_at", "lists"}
    mine = {
        "subscriber",
        "unsubscribe_url",
        "calendars_url",
        "message_id",
        "composed_at",
        "parent_ids",
        "report_id",
        "others",
    }
    assert {field.name for field in fields(Letter)} == common | mine
    one = letter("moved", event(), date("2019-03"))
    other = Subscriber(9, "other@example.org", "Other", utc("2017-01-01"), ("x",))
    told = replace(one, subscriber=other, unsubscribe_url=BASE + "/u", calendars_url=BASE + "/c", message_id="<x@y>")
    told = replace(told, notice=replace(one.notice, subscriber=9, due_at=utc("2017-01-01"), fact="x"))
    told = replace(told, composed_at=utc("2017-01-01"), parent_ids=("<p@q>",), report_id="7-abc")
    differ = {name for name, value in values(one).items() if values(told)[name] != value}
    assert differ == set(PERSONAL)


def test_a_message_is_signed_when_a_signer_is_given() -> None:
    signed = Composer(TEMPLATES, lambda data: b"Signed: yes\r\n" + data)
    assert signed.compose(letter()).data == b"Signed: yes\r\n" + compose(TEMPLATES, letter())
    assert set(NoticeKind) == {written.notice.kind for written in CASE_LETTERS.values()}


@pytest.mark.parametrize("case", CASE_LETTERS)
def test_what_a_message_has_in_common_with_others_is_nobodys(case: str) -> None:
    about = CASE_LETTERS[case]
    common = COMPOSER.compose(about).common
    person = about.subscriber
    mine = (person.name, person.address, about.unsubscribe_url, about.calendars_url, about.message_id, about.report_id)
    assert not [each for each in mine if each and each.encode() in common]
    assert bool(common) == (not about.others)


def test_what_is_composed_plainly_has_nothing_in_common_that_is_known() -> None:
    assert COMPOSER.compose(letter(name="Amina\u2028Bo")).common == b""
