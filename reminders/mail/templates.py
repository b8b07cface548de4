"""Mail templates: what they may contain, and how they are filled in.

A template is Jinja2 with nothing but names, ``{% if %}`` and one layout to extend. What can be filled in are short
texts and flags (`NAMES`), never objects, and there are no loops, calls or arithmetic: so a template, whoever wrote or
pasted it, can neither reach the program nor make it work long. Everything is checked when it is loaded, in branches
that are seldom taken too, and told as ``file:line:column``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType

import mjml
from jinja2 import DictLoader, StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reminders.errors import BadInput, Problem
from reminders.planning.notices import NoticeKind

FOLDER = "templates/mail/"
PARTS = ("subject.txt.j2", "txt.j2", "mjml.j2")
DIGEST = "digest"
KINDS = (*(kind.value for kind in NoticeKind), DIGEST)
"""Of each there are the three parts."""
MAX_CHARACTERS = 100_000

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "title": "what it is about: the event's title",
        "label": "the kind of date, such as Applications close",
        "deadline": "true when nothing can be done after the date",
        "when": "the date in words",
        "when_short": "the date in few words, for subjects",
        "was": "what the person was told before, in words; empty in reminders",
        "was_short": "the same in few words",
        "change": "what happened, one of the words below; empty in reminders",
        "late": "true when a reminder goes out later than it should have",
        "due": "when a late reminder should have gone out; empty otherwise",
        "level": "the level, such as Level 2",
        "provider": "who provides it",
        "location": "where it is",
        "note": "what staff wrote about this date",
        "inferred": "why the date is not the source's own words",
        "description": "the event's description",
        "link": "the address to act at",
        "link_text": "the same, short enough to read",
        "contact": "whom to ask about the event",
        "contact_link": "the same to click, when it is an e-mail address",
        "source": "the page the date was found on",
        "quote": "that page's own words",
        "checked": "the day somebody last looked there",
        "name": "the recipient's name",
        "lists": "the labels of the audiences by which the recipient follows the date",
        "service": "the name of this service",
        "service_contact": "whom to ask about the service",
        "event_url": "the event's page here",
        "unsubscribe_url": "the page to stop these mails",
        "calendars_url": "the page of the recipient's own calendars",
    }
)
"""Everything a template may fill in, with its meaning. All are text, empty when not known, but two flags."""

DIGEST_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "dates": "the dates of the mail, for {% for date in dates %}: each has the names above",
        "count": "how many they are",
    }
)
"""What a digest may fill in beside that, which for itself is about the first of its dates."""

CHANGES: Mapping[str, str] = MappingProxyType(
    {
        "moved": "it has another date",
        "postponed": "it is put off",
        "unfixed": "the date given before does not hold, and there is no other yet",
        "reinstated": "it takes place after all",
        "announced": "its date became known",
        "cancelled": "it does not take place",
        "withdrawn": "it was announced by mistake",
    }
)
"""What `change` can say."""

FILTERS = MappingProxyType(
    {
        "sentence": lambda text: text[:1].upper() + text[1:],
        "midsentence": lambda text: text if text[1:2].isupper() else text[:1].lower() + text[1:],
        "upper": lambda text: text.upper(),
        "lower": lambda text: text.lower(),
    }
)

EACH = "date"
"""What a digest calls each of its dates."""

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Extends, nodes.Block),
    *(nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Filter),
)
_MJML = (
    "all attributes body breakpoint button class column divider head preview raw section spacer style table text title"
)
_HTML = "a abbr b br div em h1 h2 h3 i li meta mjml ol p s small span strong tbody td th tr u ul"
_TAGS = frozenset({*(f"mj-{name}" for name in _MJML.split()), *_HTML.split()})
"""Tags a template may use. An unknown one would vanish silently; one that fetches something has no place in a mail."""

_TAG = re.compile(r"<\s*/?\s*([A-Za-z][\w:-]*)")
_ELEMENT = re.compile(r"<[A-Za-z][^<>]*>")
_REMOTE = re.compile(
    r"""\s(?:on\w+|src|srcset|background|poster|action|formaction)\s*="""
    r"""|^<(?:script|img|link|iframe|object|embed|form|input|video|audio|base|svg|mj-)\b"""
    r"""|\shref\s*=\s*["']?\s*(?!["']?\s*(?:https?:|mailto:))|\sstyle\s*=[^<>]*url\(""",
    re.IGNORECASE,
)
_REMOTE_STYLE = re.compile(r"url\(|@import|@font-face", re.IGNORECASE)
"""What makes a style fetch something. It can only be the template's own: what is filled in is escaped."""


_TAG_NAME = re.compile(r"(<(?:a|body|div|h[1-6]|p|table|td|th)) ")
"""Where the converter's lines of thousands of characters can be broken: white space inside a tag means nothing."""


class Templates:
    """All mail templates of one reading, checked and compiled once.

    `sources` maps file names (``reminder.txt.j2``) to their text. For each kind of notice there are three: the
    subject, the text and the HTML in MJML. A name that begins with ``_`` is a layout. Raises BadInput with every
    problem of every file.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader(self._sources),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name and name.endswith(".mjml.j2")),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.clear()
        self._environment.tests.clear()
        self._environment.filters = dict(FILTERS)
        problems = [problem for name, text in sources.items() for problem in self._problems(name, text, sources)]
        wanted = [f"{kind}.{part}" for kind in KINDS for part in PARTS]
        problems += [Problem(FOLDER + name, 0, 0, "this template is missing") for name in wanted if name not in sources]
        if problems:
            raise BadInput(problems)

    def source(self, kind: str, part: str, values: Mapping[str, object]) -> str:
        """One of the `PARTS` filled in as it stands: the HTML part is still MJML."""
        return self._render(f"{kind}.{part}", values)

    def trees(self, kind: str, part: str) -> Iterator[nodes.Template]:
        """The syntax of one of the `PARTS`, and of the layout that it extends."""
        name: str | None = f"{kind}.{part}"
        while name is not None:
            tree = self._environment.parse(self._sources[name])
            yield tree
            extends = next(tree.find_all(nodes.Extends), None)
            name = extends.template.value if extends and isinstance(extends.template, nodes.Const) else None

    def subject(self, kind: str, values: Mapping[str, object]) -> str:
        """The subject, on one line whatever the values hold."""
        return " ".join(self._render(f"{kind}.subject.txt.j2", values).split())

    def text(self, kind: str, values: Mapping[str, object]) -> str:
        """The text part as the template lays it out."""
        return self._render(f"{kind}.txt.j2", values)

    def html(self, kind: str, values: Mapping[str, object]) -> str:
        """The HTML part. Raises BadInput when the filled-in template is not valid MJML."""
        name = f"{kind}.mjml.j2"
        source = self._render(name, values)
        try:
            # Without `fonts` the converter would link a font from a third party.
            return _TAG_NAME.sub("\\1\n", str(mjml.mjml2html(source, fonts={})))
        except ValueError as error:
            write = "close every tag, in the right order, and write & as &amp;"
            raise BadInput([Problem(FOLDER + name, 0, 0, f"not valid MJML: {error}", write)]) from error

    def _render(self, name: str, values: Mapping[str, object]) -> str:
        return self._environment.get_template(name).render(values)

    def _problems(self, name: str, text: str, sources: Mapping[str, str]) -> Iterator[Problem]:
        lines = text.splitlines()

        def at(line: int, word: str, what: str, write: str = "") -> Problem:
            shown = lines[line - 1] if 0 < line <= len(lines) else ""
            return Problem(FOLDER + name, line, max(shown.find(word), 0) + 1, what, write)

        if len(text) > MAX_CHARACTERS:
            yield at(1, "", f"longer than {MAX_CHARACTERS:,} characters")
            return
        try:
            tree = self._environment.parse(text)
        except TemplateSyntaxError as error:
            yield at(error.lineno, "{", error.message or "cannot be read")
            return
        except RecursionError:
            yield at(1, "", "nested too deeply")
            return
        except ValueError:  # a number that Python refuses to read
            yield at(1, "", "a number is too long")
            return
        digest = name.startswith(f"{DIGEST}.")
        known = {*NAMES, *DIGEST_NAMES, EACH} if digest else set(NAMES)
        for node, line in _walk(tree, 1):
            if isinstance(node, nodes.For | nodes.Getattr) and digest:
                if not (_goes_through_dates(node) if isinstance(node, nodes.For) else _is_of_a_date(node)):
                    write = f"{{% for {EACH} in dates %}}, and in it such as {{{{ {EACH}.title }}}}"
                    yield at(line, "", "this is not how a digest goes through its dates", write)
            elif not isinstance(node, _ALLOWED):
                what = f"{type(node).__name__.lower()} cannot be used in a mail template"
                yield at(line, "", what, "only {{ name }}, {% if name %} and {% extends %}")
            elif isinstance(node, nodes.Name) and node.name not in known:
                yield at(line, node.name, f"there is no '{node.name}' to fill in", _nearest(node.name, known))
            elif isinstance(node, nodes.Filter) and (node.name not in FILTERS or node.args or node.kwargs):
                yield at(line, "|", f"'|{node.name}' cannot be used", f"one of {', '.join(FILTERS)}")
            elif isinstance(node, nodes.Compare) and not _compares_change(node):
                write = f"{{% if change == '…' %}} with one of {', '.join(CHANGES)}"
                yield at(line, "==", "only `change` can be compared, and only with a word it can be", write)
        yield from self._layout_problems(name, tree, sources)
        if name.endswith(".mjml.j2"):
            for number, shown in enumerate(lines, 1):
                for match in _TAG.finditer(shown):
                    if match[1] not in _TAGS:
                        what = f"the tag <{match[1]}> cannot be used"
                        yield Problem(FOLDER + name, number, match.start() + 1, what, _nearest(match[1], _TAGS))
                for match in _REMOTE_STYLE.finditer(shown):
                    what = f"{match[0]} would fetch something, and mails do not"
                    yield Problem(FOLDER + name, number, match.start() + 1, what, "take it out")

    def _layout_problems(self, name: str, tree: nodes.Template, sources: Mapping[str, str]) -> Iterator[Problem]:
        """What extends a layout must fill its blocks and nothing else: all other words would vanish silently."""
        extends = next(tree.find_all(nodes.Extends), None)
        if extends is None:
            return
        layouts = sorted(each for each in sources if each.startswith("_") and each.endswith(name.partition(".")[2]))
        layout = extends.template.value if isinstance(extends.template, nodes.Const) else None
        if name.startswith("_"):
            yield Problem(FOLDER + name, extends.lineno, 1, "a layout cannot extend another one")
        if layout not in layouts or name.startswith("_"):
            write = f"one of {', '.join(layouts)}" if layouts else ""
            yield Problem(FOLDER + name, extends.lineno, 1, f"there is no layout {layout!r}", write)
            return
        try:
            known = {block.name for block in self._environment.parse(sources[layout]).find_all(nodes.Block)}
        except (TemplateSyntaxError, RecursionError, ValueError):
            return  # told as the layout's own problem
        for block in tree.find_all(nodes.Block):
            if block.name not in known:
                what = f"{layout} has no block '{block.name}'"
                yield Problem(FOLDER + name, block.lineno, 1, what, _nearest(block.name, known))
        for node in tree.body:
            blank = isinstance(node, nodes.Output) and all(
                isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
            )
            if not isinstance(node, nodes.Block | nodes.Extends) and not blank:
                what = f"this stands outside the blocks of {layout} and would not be shown"
                yield Problem(FOLDER + name, node.lineno, 1, what, f"put it into one of {', '.join(sorted(known))}")


def _goes_through_dates(node: nodes.For) -> bool:
    plain = node.test is None and not node.recursive
    target, source = node.target, node.iter
    return (
        plain
        and isinstance(target, nodes.Name)
        and target.name == EACH
        and isinstance(source, nodes.Name)
        and source.name == "dates"
    )


def _is_of_a_date(node: nodes.Getattr) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name == EACH and node.attr in NAMES


def _compares_change(node: nodes.Compare) -> bool:
    return (
        isinstance(node.expr, nodes.Name)
        and node.expr.name == "change"
        and all(
            each.op in ("eq", "ne") and isinstance(each.expr, nodes.Const) and each.expr.value in CHANGES
            for each in node.ops
        )
    )


def fetches(html: str) -> str:
    """The first piece of `html` that would fetch or run something, or leads somewhere odd; "" when there is none."""
    return next((tag for tag in _ELEMENT.findall(html) if _is_remote(tag)), "")


@lru_cache(maxsize=4096)
def _is_remote(tag: str) -> bool:
    return _REMOTE.search(tag) is not None


def _walk(node: nodes.Node, line: int) -> Iterator[tuple[nodes.Node, int]]:
    """A node and all below it with their lines, but nothing inside a node that is refused: one word is enough."""
    line = node.lineno or line  # some nodes have none
    yield node, line
    if isinstance(node, (*_ALLOWED, nodes.For, nodes.Getattr)):
        for child in node.iter_child_nodes():
            yield from _walk(child, line)


def _nearest(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else "see docs/templates.md"
