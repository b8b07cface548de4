"""The strict loader: values are text, problems have places, traps are refused. Single bad files: see test_bad_files."""

from __future__ import annotations

import json
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.catalogue.strict import MAX_BYTES, MAX_PROBLEMS, load
from reminders.errors import BadInput


def value(text: str) -> object:
    return load("file.yaml", text.encode()).value


def problems(data: str | bytes) -> list[str]:
    with pytest.raises(BadInput) as refusal:
        load("file.yaml", data.encode() if isinstance(data, str) else data)
    return [str(problem) for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "10:00",
        "19:30",
        "no",
        "off",
        "yes",
        "on",
        "true",
        "010",
        "08",
        "1_000",
        "2.10",
        "1e3",
        "0113",
        "2019-02-29",
        "N",
    ],
)
def test_a_plain_value_stays_the_text_that_was_written(text: str) -> None:
    assert value(f"key: {text}\n{text}: key") == {"key": text, text: "key"}


@pytest.mark.parametrize("written", ["", "~", "null"])
def test_nothing_is_none(written: str) -> None:
    assert value(f"key: {written}") == {"key": None}


@pytest.mark.parametrize("written", ["''", '"~"', "'null'"])
def test_quotes_make_text_of_nothing(written: str) -> None:
    assert value(f"key: {written}") == {"key": written[1:-1]}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_none(text: str) -> None:
    assert value(text) is None


def test_values_and_keys_know_their_places() -> None:
    document = load("file.yaml", b"events:\n  - id: one\n    dates: {course: 2019}\n")
    assert document.place(("events", 0, "dates", "course")) == (3, 21)
    assert document.place(("events", 0, "dates", "course"), key=True) == (3, 13)
    assert document.place(("events", 0, "title")) == document.place(("events", 0)) == (2, 5)


def test_a_byte_order_mark_is_ignored_and_letters_are_composed() -> None:
    assert load("file.yaml", "\ufeffkey: cafe\u0301".encode()).value == {"key": "caf\u00e9"}
    assert value('key: "cafe\\u0301"') == {"key": "caf\u00e9"}


def test_lines_end_as_any_editor_ends_them() -> None:
    assert value("a: 1\r\nb: 2\r\n") == value("a: 1\nb: 2\n") == {"a": "1", "b": "2"}


def test_all_problems_of_a_file_are_told_at_once() -> None:
    assert problems("a: 1\na: 2\nb: &x 3\nc: *x\nd: !!int 4\n<<: {e: 5}\n") == [
        "file.yaml:2:1: the key 'a' is there twice: delete one (the first is on line 1)",
        "file.yaml:3:4: '&x' names a value, which is not used here: delete it, or use quotes",
        "file.yaml:4:4: '*x' refers to another value, which is not used here: write it out",
        "file.yaml:5:4: a word beginning with '!' is not used here: delete it, or put the text in quotes",
        "file.yaml:6:1: '<<' would merge another mapping, which is not used here: write its keys out",
    ]


@pytest.mark.parametrize(
    ("sign", "named"),
    [
        ("\x00\x00x", "U+0000"),
        ("\x07", "U+0007"),
        ("\x85", "U+0085"),
        ("\u200b", "U+200B (zero width space)"),
        ("\u202e", "U+202E (right-to-left override)"),
        ("\u2066", "U+2066"),
        ("\u2028", "U+2028"),
        ("x\ufeff", "U+FEFF"),
        ("\ufffe", "U+FFFE"),
        ("\u00ad", "U+00AD (soft hyphen)"),
    ],
)
def test_what_cannot_be_seen_is_refused_at_its_place(sign: str, named: str) -> None:
    [*_, last] = problems(f"a: fine\nb: x{sign}")
    assert last.startswith("file.yaml:2:")
    assert named in last


@pytest.mark.parametrize("text", ["👩\u200d⚕️", "👨🏽\u200d🔬", "אב\u200cג", "क्\u200dष"])
def test_signs_that_join_letters_or_emoji_are_part_of_the_text(text: str) -> None:
    assert value(f"key: {text}\n") == {"key": text}
    assert value(f'key: "{text.encode("unicode-escape").decode()}"\n'.replace("\\x", "\\u00")) == {"key": text}


@pytest.mark.parametrize("text", ["Lon\u200ddon", "\u200d🎓", "🎓\u200d", "a\u200c漢", "漢\u200c.", "👩\u200d\u200d⚕️"])
def test_elsewhere_they_are_invisible(text: str) -> None:
    with pytest.raises(BadInput, match=r"invisible character U\+200[CD]"):
        value(f"key: {text}\n")


@pytest.mark.parametrize("escape", [r"\0", r"\u202e", r"\u200b", r"\ud800", r"\x85", r"\N"])
def test_escapes_do_not_bring_it_in(escape: str) -> None:
    assert problems(f'a: "{escape}"')[0].startswith("file.yaml:1:")


@pytest.mark.parametrize(
    "data", ["a: café".encode("latin-1"), "a: b".encode("utf-16"), "a: b".encode("utf-32-be"), b"\xed\xa0\x80"]
)
def test_what_is_not_utf8_is_refused(data: bytes) -> None:
    assert "UTF-8" in problems(data)[0]


@pytest.mark.parametrize("sign", ["[", "{a: ", "- ", "? ", "a: [", '{"'])
def test_a_bottomless_file_is_refused_at_once(sign: str) -> None:
    before = time.monotonic()
    assert problems(sign * 100_000)
    assert time.monotonic() - before < 1


def test_an_alias_bomb_is_refused_without_being_built() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert len(problems(bomb)) > 10


def test_a_huge_file_is_refused_unread() -> None:
    assert problems(b"#" * (MAX_BYTES + 1)) == ["file.yaml: the file is larger than 5 MB: split it"]


def test_problems_have_an_end() -> None:
    assert len(problems("".join(f"k{n}: *x\n" for n in range(1000)))) == MAX_PROBLEMS


plain = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain.filter(bool), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_whatever_json_holds_is_loaded_as_it_is(given_value: object) -> None:
    text = unicodedata.normalize("NFC", json.dumps(given_value, ensure_ascii=False))
    try:
        loaded = value(text)
    except BadInput:
        return  # an invisible letter, or keys that are one when composed
    assert loaded == json.loads(text)


@given(st.binary(max_size=300))
def test_any_bytes_load_or_are_refused_with_a_place(data: bytes) -> None:
    try:
        load("file.yaml", data)
    except BadInput as refusal:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in refusal.problems)
