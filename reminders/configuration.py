"""All that staff keep in files, read and checked together.

Each file is checked by its own room; what one file says about another (a rule about an audience, an event with a kind,
an override of a rule) is checked here. Every problem of every file is told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reminders.catalogue.events import Catalogue, Event, Kind
from reminders.catalogue.parse import EventFile, Places, parse_events
from reminders.catalogue.shape import Shape
from reminders.catalogue.strict import Document, Path, load
from reminders.errors import BadInput, Problem
from reminders.feed.repeating import neighbour_missing
from reminders.feed.selection import Feed, FeedsShape, parse_feeds
from reminders.planning.audiences import AudiencesFile, parse_audiences
from reminders.planning.rules import OFF, Rule, Rulebook, RulesFile, nearest, overridden, parse_rules
from reminders.planning.send import SendError
from reminders.planning.subscribers import Audience, Selection

RULES, FEEDS, AUDIENCES, EVENTS = "rules.yaml", "feeds.yaml", "audiences.yaml", "events/"
"""The files by name, and the folder of events."""

SCHEMAS: Mapping[str, tuple[str, type[Shape]]] = {
    "events": ("Events and their dates", EventFile),
    "rules": ("Kinds of date and rules of reminding", RulesFile),
    "feeds": ("Calendars to subscribe to", FeedsShape),
    "audiences": ("Who is told, and what they follow", AudiencesFile),
}
"""What each file may hold, for editors: the name of its schema, a title, and the shape."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the files say, checked: events, kinds of date, rules, feeds and audiences."""

    catalogue: Catalogue
    kinds: Mapping[str, Kind]
    rules: tuple[Rule, ...]
    feeds: tuple[Feed, ...]
    audiences: tuple[Audience, ...]


def read_configuration(files: Mapping[str, bytes], zone: str) -> Configuration:
    """What the files say; `files` holds their content by path, `zone` is that of local times in files that name none.

    Without a file of feeds or audiences there are none. Raises `BadInput` with every problem of every file.
    """
    events = {path: data for path, data in files.items() if path.startswith(EVENTS)}
    catalogue, problems, places = parse_events(events, zone)
    if RULES in files:
        book, found, _ = parse_rules(RULES, files[RULES])
    else:
        book, found = Rulebook(), [Problem(RULES, 0, 0, "there is no such file", "copy the one that came with this")]
    problems += found
    feeds: tuple[Feed, ...] = ()
    if FEEDS in files:
        try:
            feeds = parse_feeds(FEEDS, files[FEEDS])
        except BadInput as error:
            problems += error.problems
    audiences: tuple[Audience, ...] = ()
    if AUDIENCES in files:
        lists = {path: data for path, data in files.items() if path.endswith(".csv")}
        audiences, found, _ = parse_audiences(AUDIENCES, files[AUDIENCES], lists)
        problems += found
    # What refers to a file that cannot be read would only be told twice.
    readable = {problem.file for problem in problems}
    if RULES not in readable:
        problems += _about_events(catalogue, book, places)
    known = None if any(path.startswith(EVENTS) for path in readable) else catalogue
    kinds = None if RULES in readable else book.kinds
    for name, read in ((RULES, _of_rules(book)), (FEEDS, _of_feeds(feeds)), (AUDIENCES, _of_audiences(audiences))):
        if name in files and name not in readable:
            problems += _unknown(files, name, list(read), kinds, known)
    if RULES in files and not readable & {RULES, AUDIENCES}:
        problems += _without_audience(files, book, audiences)
    if problems:
        raise BadInput(problems)
    return Configuration(catalogue, book.kinds, book.rules, feeds, audiences)


def _about_events(catalogue: Catalogue, book: Rulebook, places: Places) -> Iterator[Problem]:
    """What events say about kinds of date and rules."""
    rules = {rule.id: rule for rule in book.rules}
    for event in catalogue.events:
        for date in event.dates:
            if date.kind not in book.kinds:
                where = places[(event.id, date.kind, date.occurrence)]
                write = nearest(date.kind, book.kinds, f"kinds of date in {RULES}")
                yield Problem(*where, f"there is no kind of date '{date.kind}'", write)
            elif book.kinds[date.kind].deadline and neighbour_missing(date):
                where = places[(event.id, date.kind, date.occurrence)]
                what = "a deadline in the first half hour of a day cannot repeat by this rule"
                yield Problem(*where, what, "write 23:59 of the day before, and the rule of those days")
        for id, own in event.rules.items():
            yield from _override(event, id, own, rules, Problem(*places[(event.id, id)], ""))


def _override(event: Event, id: str, own: str, rules: Mapping[str, Rule], at: Problem) -> Iterator[Problem]:
    def problem(what: str, write: str) -> Problem:
        return Problem(at.file, at.line, at.column, what, write)

    if id not in rules:
        yield problem(f"there is no rule '{id}'", nearest(id, rules, f"rules in {RULES}"))
        return
    if not any(date.kind in rules[id].about for date in event.dates):
        about = " or ".join(rules[id].about)
        yield problem(f"the rule '{id}' is about {about}, which this event has not", "delete the line, or add the date")
    if own != OFF:
        try:
            fixed = overridden(rules[id], own).send.day is not None
            if fixed and all(date.repeats for date in event.dates if date.kind in rules[id].about):
                yield problem(
                    "a date that repeats is not reminded of once for ever", "count from it: '1 week before …'"
                )
        except SendError as error:
            yield problem(error.what, f"{error.write}, or off")


Named = tuple[Path, Selection]
"""Where a selection is written, and what it says."""


def _of_rules(book: Rulebook) -> Iterator[Named]:
    for number, rule in enumerate(book.rules):
        yield ("rules", number, "only"), rule.selection


def _of_feeds(feeds: tuple[Feed, ...]) -> Iterator[Named]:
    for feed in feeds:
        yield ("feeds", feed.name, "show"), feed.selection


def _of_audiences(audiences: tuple[Audience, ...]) -> Iterator[Named]:
    for audience in audiences:
        yield ("audiences", audience.id, "follows"), audience.follows


def _unknown(
    files: Mapping[str, bytes],
    name: str,
    selections: list[Named],
    kinds: Mapping[str, Kind] | None,
    catalogue: Catalogue | None,
) -> Iterator[Problem]:
    """Selections of kinds and events that are not there. A level or a category may be waiting for its first event."""
    document = load(name, files[name])
    events = {event.id: event for event in catalogue.events} if catalogue is not None else {}
    for path, selection in selections:
        for kind in selection.kinds if kinds is not None and name != RULES else ():
            if kinds is not None and kind not in kinds:
                write = nearest(kind, kinds, f"kinds of date in {RULES}")
                yield _at(document, (*path, "kinds"), kind, f"there is no kind of date '{kind}'", write)
        for event in selection.events if catalogue is not None else ():
            if event not in events:
                what = f"there is no event '{event}'"
                write = nearest(event, events, "events") if len(events) < 20 else "write the id of an event"
                yield _at(document, (*path, "events"), event, what, write)


def _without_audience(files: Mapping[str, bytes], book: Rulebook, audiences: tuple[Audience, ...]) -> Iterator[Problem]:
    known = {audience.id: audience for audience in audiences}
    for number, rule in enumerate(book.rules):
        for id in rule.audiences:
            if id not in known:
                write = nearest(id, known, "audiences") if known else f"declare it in {AUDIENCES}"
                path: Path = ("rules", number, "audiences")
                yield _at(load(RULES, files[RULES]), path, id, f"there is no audience '{id}'", write)


def _at(document: Document, path: Path, item: str, what: str, write: str) -> Problem:
    """A problem with one item of a list, or with the single value that stands for a list of one."""
    value = document.value
    for part in path:
        value = value[part]
    return document.problem((*path, value.index(item)) if isinstance(value, list) else path, what, write)
