"""A config folder with as many invented events and people as one likes. Always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

PER_FILE = 50
FIRST_DAY = date(2030, 1, 7)
"""Where the dates begin: far enough ahead that none is past, whenever this runs."""

_TOPICS = (
    "Having Difficult Conversations",
    "Leadership for Clinicians",
    "Quality Improvement in Practice",
    "Teaching at the Bedside",
    "Médecine générale: an exchange with Zürich",
    "Managing Change",
    "Simulation Faculty Development",
    "Writing for Publication – from idea to print",
)
_PLACES = ("Newcastle", "York", "Leeds", "Middlesbrough", "Hawick", "London")
_PROVIDERS = ("NELA", "HEE E-Learning", "Northumbria Trust", "The King’s Fund")
_OFFERS = (
    ("course", ("course",)),
    ("programme", ("applications-open", "applications-close", "programme")),
    ("fellowship", ("applications-close", "post-starts")),
    ("visit", ("recruitment", "visit")),
)
_SAYINGS = (
    "A day with colleagues from other trusts, with time for questions and for one's own cases.",
    "For doctors in training who already have some experience; all sessions must be attended.",
    "The scholarship pays the costs of the course. Travel and accommodation are at your own cost – ask early.",
)


def write_events(folder: Path, events: int, *, by_chance: bool = False) -> list[Path]:
    """Write the files of events of a config folder, and return them.

    A file is one source's, with its habits: it gives links or it does not, quotes its page or not. With `by_chance`
    every fact of every event is there or not by itself, and hardly two events have the same shape.
    """
    random = Random(2018)
    (folder / "events").mkdir(parents=True)
    files = []
    for start in range(0, events, PER_FILE):
        path = folder / "events" / f"source-{start // PER_FILE + 1:03}.yaml"
        habits = _habits(random)
        written = ["zone: Europe/London", "events:"]
        for number in range(start, min(start + PER_FILE, events)):
            written += _event(number, _habits(random) if by_chance else habits, random)
        path.write_text("\n".join([*written, "end: events", ""]), encoding="utf-8")
        files.append(path)
    return files


def write_people(folder: Path, people: int) -> None:
    """Write the file of audiences of a config folder: so many people, who follow everything."""
    members = [f"      - {{address: person{number:05}@example.org, name: Person {number}}}" for number in range(people)]
    whole = ["audiences:", "  everyone:", "    label: Everyone", "    members:", *members, ""]
    (folder / "audiences.yaml").write_text("\n".join(whole), encoding="utf-8")


def _habits(random: Random) -> frozenset[str]:
    facts = ("level", "provider", "description", "link", "contact", "source", "quote", "note", "location", "inferred")
    return frozenset(fact for fact in facts if random.random() < 0.6)


def _event(number: int, habits: frozenset[str], random: Random) -> Iterator[str]:
    category, kinds = random.choice(_OFFERS)
    yield f"  - id: {category}-{number:05}"
    yield f'    title: "{random.choice(_TOPICS)} ({number})"'
    yield f"    categories: [{category}, e-learning]" if number % 7 == 0 else f"    categories: {category}"
    facts = {
        "level": str(random.randint(1, 4)),
        "provider": random.choice(_PROVIDERS),
        "description": f">-\n      {random.choice(_SAYINGS)}\n      {random.choice(_SAYINGS)}",
        "link": f"https://www.example.org/offers/{number}",
        "contact": "education@example.org",
    }
    yield from (f"    {name}: {value}" for name, value in facts.items() if name in habits)
    if "source" in habits:
        quote = f', quote: "{random.choice(_SAYINGS)}"' if "quote" in habits else ""
        yield f"    source: {{page: Leadership Learning{quote}, checked: 2029-11-23}}"
    if number % 50 == 3:
        yield "    status: cancelled"
    yield "    dates:"
    day = FIRST_DAY + timedelta(days=random.randrange(700))
    for kind in kinds:
        yield f"      {kind}: {_date(kind, day, habits, random)}"
        day += timedelta(days=random.randint(20, 90))


def _date(kind: str, day: date, habits: frozenset[str], random: Random) -> str:
    if kind == "applications-close":
        when = random.choice((f"{day}T10:00", f"{day}T23:59", f"{day}", "tba"))
    else:
        span = f"{day}/{day + timedelta(days=2)}"
        when = random.choice((f"{day}", f"{day}", span, f"{day:%Y-%m}", f"{day.year}-22", f"{day}?"))
    facts = {
        "note": "Apply online",
        "location": random.choice(_PLACES),
        "inferred": "Every year in this month",
    }
    more = [f"{name}: {value}" for name, value in facts.items() if name in habits]
    return f"{{when: {when}, {', '.join(more)}}}" if more else when
