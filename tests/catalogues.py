"""Any catalogue, as staff write it: strategies of values that stay readable when they shrink.

A catalogue is a list of events, each a mapping of text, lists and mappings as in a file; `dates` gives each kind its
occurrences, each a mapping with at least `when`. `files` writes it.
"""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from hypothesis import assume
from hypothesis import strategies as st

Written = dict[str, Any]
"""An event, or a date, as a file has it."""

KINDS = {
    "applications-close": ("Applications close", True),
    "course": ("Course", False),
    "visit": ("Visit; or what, then", False),
}
"""Each kind's label, and whether it is a deadline."""
ZONES = (
    "Europe/London",
    "UTC",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Apia",
)
STATUSES = ("planned", "postponed", "cancelled", "withdrawn")

LETTERS = "ab Z9,;:\\\"'=<>&%{}#|-?~/nNrt^é漢אع🎓"
"""What a text is made of, from plain letters to those that some reader trips over."""

lines = st.text(LETTERS, min_size=1, max_size=90).map(str.strip).filter(bool)
"""One line of text."""
prose = st.text(LETTERS + "\n", min_size=1, max_size=200).map(str.strip).filter(bool)
"""Text of any number of lines."""
ids = st.text("abc12-", min_size=1, max_size=6).filter(lambda id: id[0] != "-")
days = st.dates(date(1980, 1, 1), date(2198, 12, 31))
near_changes = st.sampled_from([date(2019, 3, 31), date(2019, 10, 27), date(2019, 4, 7), date(2019, 11, 3)])
links = st.sampled_from(
    [
        "https://example.org",
        "https://example.org/a?b=c,d;e&f=%zz#g",
        "https://bücher.example/漢",
        "https://example.org/[1]",
        "mailto:ask@example.org",
    ]
)


@st.composite
def clocks(draw: st.DrawFn, zone: str) -> str:
    """What clocks of the zone show at an instant, with the offset only where they show it twice."""
    day = draw(days | near_changes)
    minutes = draw(st.integers(0, 1439))
    shown = (datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)).astimezone(ZoneInfo(zone))
    offset = shown.utcoffset()
    assume(offset is not None and offset % timedelta(minutes=1) == timedelta(0) and 1980 <= shown.year < 2199)
    twice = shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset()
    return shown.isoformat(timespec="minutes") if twice else f"{shown:%Y-%m-%dT%H:%M}"


@st.composite
def whens(draw: st.DrawFn, zone: str) -> str:
    """A date, or a span of two of one precision, or none."""
    day = st.dates(date(1980, 1, 1), date(2198, 1, 1))
    part = {
        "day": day.map(str),
        "instant": clocks(zone),
        "month": day.map(lambda day: f"{day:%Y-%m}"),
        "season": st.builds("{}-{}".format, st.integers(1980, 2197), st.integers(21, 24)),
        "year": st.integers(1980, 2198).map(str),
        "none": st.sampled_from(["tba", "open"]),
    }
    precision = draw(st.sampled_from(list(part)))
    first = draw(part[precision])
    if precision == "none":
        return first
    doubts = st.just("") if precision == "instant" else st.sampled_from(["", "?", "~", "%"])
    if draw(st.booleans()):
        return first + draw(doubts)
    second = draw(part[precision])
    # of two clocks the later may be the earlier instant: they are kept a day apart
    assume(first[:10] != second[:10])
    earlier, later = sorted((first, second))
    return f"{earlier}{draw(doubts)}/{later}{draw(doubts)}"


@st.composite
def dates(draw: st.DrawFn) -> Written:
    """One dated line, without its kind."""
    zone = draw(st.sampled_from(ZONES))
    rest = draw(
        st.fixed_dictionaries(
            {},
            optional={"status": st.sampled_from(STATUSES), "note": lines, "location": lines, "inferred": lines},
        )
    )
    return {"when": draw(whens(zone)), "zone": zone, **rest}


sources = st.fixed_dictionaries(
    {"page": lines, "checked": days.map(str)}, optional={"quote": prose, "link": st.just("https://example.org/page")}
)
FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "level": st.integers(1, 9).map(str),
    "provider": lines,
    "categories": st.lists(ids, min_size=1, max_size=3, unique=True),
    "description": prose,
    "link": links,
    "contact": st.sampled_from(["ask@example.org", "someone-else@example.org"]),
    "source": sources,
    "status": st.sampled_from(STATUSES),
    "rules": st.dictionaries(ids, st.just("off"), min_size=1, max_size=2),
}
"""What an event may hold beside its id, title and dates."""


@st.composite
def events(draw: st.DrawFn) -> Written:
    facts: Written = draw(st.fixed_dictionaries({"id": ids, "title": lines}, optional=dict(FIELDS)))
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), max_size=3, unique=True))
    facts["dates"] = {}
    for kind in kinds:
        several = draw(st.lists(dates(), min_size=1, max_size=3))
        names = draw(st.lists(ids, min_size=len(several), max_size=len(several), unique=True))
        named = [{"id": name, **each} for name, each in zip(names, several, strict=True)]
        facts["dates"][kind] = several if len(several) == 1 else named
    return facts


catalogues = st.lists(events(), min_size=1, max_size=4, unique_by=lambda event: event["id"])
"""Any catalogue."""


@st.composite
def edits(draw: st.DrawFn, catalogue: list[Written]) -> list[Written]:
    """The catalogue with one field of one event or date written otherwise, written where it was not, or left out."""
    edited = copy.deepcopy(catalogue)
    event = draw(st.sampled_from(edited))
    places = [(event, name, strategy) for name, strategy in {"title": lines, **FIELDS}.items()]
    if "source" in event:
        source = event["source"]
        places += [(source, "page", lines), (source, "checked", days.map(str)), (source, "quote", prose)]
    for occurrences in event["dates"].values():
        for each in occurrences:
            texts = ((name, lines) for name in ("note", "location", "inferred"))
            places += [(each, name, strategy) for name, strategy in texts]
            places += [(each, "when", whens(each["zone"])), (each, "status", st.sampled_from(STATUSES))]
    holder, name, strategy = draw(st.sampled_from(places))
    kept = name in ("title", "when", "page", "checked")
    new = draw(strategy if kept or name not in holder else st.none() | strategy)
    assume(new != holder.get(name))
    if new is None:
        del holder[name]
    else:
        holder[name] = new
    return edited


def files(catalogue: Iterable[Written], order: Random | None = None) -> dict[str, bytes]:
    """The catalogue in one file; given an order, in some, with files, events and keys in that order."""
    facts = [
        {**event, "dates": {kind: _shortest(each) for kind, each in event.get("dates", {}).items()}}
        for event in catalogue
    ]
    if order is None:
        return {"events.yaml": _dump({"events": facts})}
    order.shuffle(facts)
    cut = order.randrange(len(facts) + 1)
    parts = [part for part in (facts[:cut], facts[cut:]) if part]
    names = [f"{letter}.yaml" for letter in order.sample("abcdefgh", len(parts))]
    return {name: _dump(_mixed({"events": part}, order)) for name, part in zip(names, parts, strict=True)}


def shuffled(catalogue: Mapping[str, bytes], order: Random) -> dict[str, bytes]:
    """Files that say the same in another order."""
    read = [yaml.load(data, yaml.CBaseLoader) for data in catalogue.values()]  # noqa: S506  # text, lists and mappings alone
    return files([event for each in read for event in each["events"]], order)


def _shortest(occurrences: Any) -> Any:
    """A single date as a mapping, or as its text if that is all."""
    if not isinstance(occurrences, list) or "id" in occurrences[0]:
        return occurrences
    (only,) = occurrences
    written = {key: value for key, value in only.items() if (key, value) != ("zone", "Europe/London")}
    return written["when"] if set(written) == {"when"} else written


def _mixed(value: Any, order: Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: _mixed(value[key], order) for key in keys}
    return [_mixed(each, order) for each in value] if isinstance(value, list) else value


def _dump(facts: Any) -> bytes:
    text = yaml.dump(facts, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return unicodedata.normalize("NFC", text).encode()


class _Dumper(yaml.CSafeDumper):
    """Writes no aliases, which files of events may not hold."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
