"""A feed narrowed by its address: ``/feeds/all.ics?level=2&kind=applications-close``.

Programs add what they like to addresses, and people mistype them; a calendar that answers with an error vanishes from
some screens. So nothing here is an error: what is not known selects nothing, and what means nothing is passed over.
Addresses that mean the same are one feed with one name, so that they share their bytes.

==============================================  ====================================================================
``level category kind provider event``          which dates; several values (repeated, or with commas): any of them
``tentative=no``                                without dates known only to a month, season or year
``shape=block|all-day|instant``                 how a deadline with an hour is shown
``cancelled=mark|keep-confirmed``               how a cancelled date is marked
``alarms=1d,2h``                                alarms, at most five; ``none`` for none
``tasks=yes``                                   deadlines as tasks
==============================================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from reminders.catalogue.events import Event, Kind
from reminders.feed.selection import Feed
from reminders.feed.style import MOST_ALARMS, Cancelled, Shape, read_alarm, write_alarm
from reminders.planning.subscribers import Selection

SELECTING: Mapping[str, str] = {
    "level": "levels",
    "category": "categories",
    "kind": "kinds",
    "provider": "providers",
    "event": "events",
}
"""The parameters that select, each with the field of `Selection` it fills."""
NOTHING = "none"
"""Stands in an address for values that nobody knows; and for no alarms."""
EVENT = "event/"
"""Begins the name of the feed of a single event, which no declared feed can have."""

Known = Mapping[str, Mapping[str, str]]
"""What can be selected: by parameter, each value with its label."""


def known(events: Iterable[Event], kinds: Mapping[str, Kind]) -> Known:
    """What the events can be selected by, those without a date too: a selection may wait for its first one."""
    found: dict[str, dict[str, str]] = {name: {} for name in SELECTING}
    for event in events:
        if event.level is not None:
            found["level"][str(event.level)] = f"Level {event.level}"
        if event.provider:
            found["provider"][event.provider] = event.provider
        found["event"][event.id] = event.id
        found["category"].update((category, category) for category in event.categories)
    found["kind"] = {id: kind.label for id, kind in kinds.items()}
    return found


def narrow(feed: Feed, asked: Iterable[tuple[str, str]], known: Known) -> Feed:
    """The feed as these parameters want it; `feed` itself when they change nothing.

    The result's name says how it differs, in one spelling: ``all?kind=applications-close&level=2``.
    """
    given: dict[str, list[str]] = {}
    for name, value in asked:
        given.setdefault(name, []).append(value)
    told: dict[str, str | list[str]] = {}
    labels: list[str] = []
    chosen: dict[str, Any] = {}
    nothing = False
    for name, field in SELECTING.items():
        values = _values(name, given.get(name, ()), known[name])
        if not values:
            continue
        base = [str(each) for each in getattr(feed.selection, field)]
        some = [value for value in values if value in known[name]]
        if base and name != "category":  # of these an event has one, so that two wishes leave what they share
            some = [value for value in some if value in base]
            if set(some) == set(base):
                continue
        if not some:
            nothing = True
        told[name] = some or [NOTHING]
        labels += [known[name][value] for value in some]
        chosen[field] = tuple(int(value) if name == "level" else value for value in some)
    if nothing:
        told = {"level": [NOTHING]}
        labels = ["nothing known"]
    style = feed.style
    tentative = feed.tentative and _last(given, "tentative").lower() not in ("no", "0", "false", "off")
    if tentative is not feed.tentative:
        told["tentative"] = "no"
    for name, choices in (("shape", Shape), ("cancelled", Cancelled)):
        choice = _last(given, name).lower()
        if choice in [each.value for each in choices] and choice != getattr(style, name):
            style = replace(style, **{name: choices(choice)})  # type: ignore[arg-type]  # the field of that name
            told[name] = choice
    if "alarms" in given:
        texts = [text for each in given["alarms"] for text in each.lower().split(",")]
        alarms = tuple(sorted({each for text in texts if (each := read_alarm(text))}, reverse=True))[:MOST_ALARMS]
        if alarms != style.alarms and (alarms or NOTHING in texts):
            style = replace(style, alarms=alarms)
            told["alarms"] = ",".join(map(write_alarm, alarms)) or NOTHING
    tasks = _last(given, "tasks").lower()
    if tasks in ("yes", "1", "true", "on") and not style.tasks:
        style = replace(style, tasks=True)
        told["tasks"] = "yes"
    if not told:
        return feed
    return replace(
        feed,
        name=f"{feed.name}?{urlencode(sorted(told.items()), doseq=True, safe=',', quote_via=quote)}",
        title=f"{feed.title}: {', '.join(labels)}" if labels else feed.title,
        tentative=tentative,
        style=style,
        narrowed=None if nothing else Selection(**chosen),
    )


def path(feed: Feed) -> str:
    """Where the feed is found on its site: ``/feeds/all.ics?level=2``, or ``/events/<id>.ics`` of a single event."""
    name, mark, query = feed.name.partition("?")
    folder = "" if name.startswith(EVENT) else "feeds/"
    return f"/{folder}{name.replace(EVENT, 'events/', 1)}.ics{mark}{query}"


def page(feed: Feed) -> str:
    """The page that shows the same dates: ``/?level=2``, or ``/events/<id>``."""
    name, mark, query = feed.name.partition("?")
    return f"/events/{name.removeprefix(EVENT)}" if name.startswith(EVENT) else f"/{mark}{query}"


def _values(name: str, given: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """The values in their order, each once; a value that is known as it stands is not split at its commas."""
    found: set[str] = set()
    for each in given:
        parts = [each] if each in known or name == "provider" else each.split(",")
        found.update(part.strip() for part in parts if part.strip())
    return sorted(found)


def _last(given: Mapping[str, list[str]], name: str) -> str:
    return given.get(name, [""])[-1].strip()
