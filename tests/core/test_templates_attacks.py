"""What a template may not do, whoever wrote or pasted it: each is refused when it is loaded, with its place."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from reminders.errors import BadInput
from reminders.mail.templates import CHANGES, FILTERS, NAMES, Templates

SOURCES = {
    path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parents[2].glob("templates/mail/*.j2")
}
DOCS = Path(__file__).parents[2] / "docs" / "templates.md"

ATTACKS = {
    "the program's insides": "{{ title.__class__.__mro__ }}",
    "insides by item": "{{ title['__class__'] }}",
    "an attribute": "{{ title.upper }}",
    "a call": "{{ title.upper() }}",
    "a call on a literal": "{{ ''.join('x') }}",
    "a text too long": "{{ 'a' * 10**9 }}",
    "a power": "{{ 9**9**8 }}",
    "a number too long": "{{ " + "9" * 5000 + " }}",
    "adding": "{{ title + title }}",
    "joining": "{{ title ~ title }}",
    "padding": "{{ title.center(10**9) }}",
    "a filter with an argument": "{{ title|center(1000000) }}",
    "formatting": "{{ '%s'|format(title) }}",
    "attribute by filter": "{{ title|attr('__class__') }}",
    "trusting a value": "{{ title|safe }}",
    "a filter block": "{% filter upper %}x{% endfilter %}",
    "a loop": "{% for a in title %}x{% endfor %}",
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "filler text": "{{ lipsum(1000) }}",
    "a list": "{{ [1, 2] }}",
    "a dictionary": "{{ {'a': 1} }}",
    "a variable": "{% set a = title %}{{ a }}",
    "a block variable": "{% set a %}x{% endset %}",
    "a macro": "{% macro m() %}x{% endmacro %}",
    "calling a macro": "{% call m() %}x{% endcall %}",
    "turning escaping off": "{% autoescape false %}{{ title }}{% endautoescape %}",
    "a scope": "{% with a = 1 %}x{% endwith %}",
    "another file": "{% include '_layout.txt.j2' %}",
    "another file chosen by a value": "{% include title %}",
    "importing": "{% import '_layout.txt.j2' as l %}",
    "importing a name": "{% from '_layout.txt.j2' import l %}",
    "a layout from elsewhere": "{% extends '/etc/passwd' %}",
    "a layout chosen by a value": "{% extends title %}",
    "a layout of another kind": "{% extends '_layout.mjml.j2' %}",
    "a mail as a layout": "{% extends 'moved.txt.j2' %}",
    "a test": "{% if title is defined %}x{% endif %}",
    "comparing order": "{% if title < 'b' %}x{% endif %}",
    "membership": "{% if 'a' in title %}x{% endif %}",
    "the template itself": "{{ self._TemplateReference__context }}",
    "the parent block": "{% extends '_layout.txt.j2' %}{% block message %}{{ super() }}{% endblock %}",
    "slicing": "{{ title[1:2] }}",
    "a statement without end": "{% if title %}",
    "a name that does not exist": "{{ titel }}",
    "deep nesting": "{{ " + "(" * 5000 + "title" + ")" * 5000 + " }}",
    "a very long file": "x" * 200_000,
}


def refused(name: str, text: str) -> list[str]:
    with pytest.raises(BadInput) as problems:
        Templates(SOURCES | {name: text})
    return [str(problem) for problem in problems.value.problems]


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_template_has_no_business_with_is_refused_with_its_place(attack: str) -> None:
    began = time.monotonic()
    problems = refused("reminder.txt.j2", "\n\n" + ATTACKS[attack])
    assert time.monotonic() - began < 2
    place = re.compile(r"templates/mail/reminder\.txt\.j2:[123]:\d+: ")
    assert any(place.match(problem) for problem in problems)


def test_a_misspelt_name_is_told_with_the_nearest_one_and_its_place() -> None:
    assert refused("moved.subject.txt.j2", "Moved:\n{{ titel }}") == [
        "templates/mail/moved.subject.txt.j2:2:4: there is no 'titel' to fill in: did you mean 'title'?"
    ]


def test_a_misspelt_name_in_a_branch_that_is_never_taken_is_found_too() -> None:
    assert refused("reminder.txt.j2", "{% if not title %}{{ lable }}{% endif %}")


def test_a_change_that_cannot_happen_is_told() -> None:
    (problem,) = refused("moved.txt.j2", '{% if change == "postponned" %}x{% endif %}')
    assert "postponed" in problem


@pytest.mark.parametrize(
    "text",
    [
        '<mjml><mj-body><mj-image src="x" /></mj-body></mjml>',
        "<mjml><mj-head><mj-font name='x' href='https://example.org/f' /></mj-head></mjml>",
        "<mjml><mj-include path='/etc/passwd' /></mjml>",
        "<mjml><mj-body><mj-txet>x</mj-txet></mj-body></mjml>",
        "<mjml><mj-body><mj-raw><script>x</script></mj-raw></mj-body></mjml>",
        "<mjml><mj-body><mj-raw><IMG SRC=x></mj-raw></mj-body></mjml>",
        "<mjml><mj-body><mj-text><iframe></iframe></mj-text></mj-body></mjml>",
        "<mjml><mj-body><mj-text><form></form></mj-text></mj-body></mjml>",
        "<mjml><mj-head><mj-style>@import 'x';</mj-style></mj-head></mjml>",
        "<mjml><mj-head><mj-style>a { background: URL(x) }</mj-style></mj-head></mjml>",
    ],
)
def test_a_tag_that_would_fetch_run_or_vanish_is_refused_with_its_place(text: str) -> None:
    problems = refused("reminder.mjml.j2", text)
    assert all(problem.startswith("templates/mail/reminder.mjml.j2:1:") for problem in problems)
    assert any("cannot be used" in problem or "would fetch" in problem for problem in problems)


def test_words_that_would_silently_vanish_are_told() -> None:
    (outside,) = refused("reminder.txt.j2", '{% extends "_layout.txt.j2" %}\nHello\n{% block message %}x{% endblock %}')
    assert "outside the blocks" in outside
    (unknown,) = refused("reminder.txt.j2", '{% extends "_layout.txt.j2" %}\n{% block mesage %}x{% endblock %}')
    assert "no block 'mesage'" in unknown
    assert "message" in unknown


def test_a_missing_template_is_told_and_all_problems_come_at_once() -> None:
    sources = {name: text for name, text in SOURCES.items() if name != "moved.txt.j2"} | {"reminder.txt.j2": "{{ x }}"}
    with pytest.raises(BadInput) as problems:
        Templates(sources | {"cancelled.txt.j2": "{{ y }}"})
    assert [problem.file for problem in problems.value.problems] == [
        "templates/mail/cancelled.txt.j2",
        "templates/mail/moved.txt.j2",
        "templates/mail/reminder.txt.j2",
    ]


def test_everything_a_template_may_use_is_in_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in (*NAMES, *CHANGES, *FILTERS) if f"`{name}`" not in text] == []
