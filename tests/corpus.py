"""The golden feeds: event files that staff can read, and beside each the feed that it makes.

``tests/cases/feeds/<case>.yaml`` says on its first line what it shows, and ``<case>.ics`` is the feed. Where a
catalogue changes, ``<case>.1.yaml`` is what was published first, a day before ``<case>.2.yaml``. After a wanted change,
``REWRITE_CASES=1 pytest tests/core/test_feed_corpus.py`` writes the feeds anew; read the difference before keeping it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import Path

from reminders.catalogue.events import Kind
from reminders.feed.selection import Feed
from tests.builders import EPOCH
from tests.publishing import SITE, Publication, publish, read

FOLDER = Path(__file__).parent / "cases" / "feeds"
KINDS = {
    "applications": ("Applications", False),
    "applications-open": ("Applications open", False),
    "applications-close": ("Applications close", True),
    "recruitment": ("Recruitment", False),
    "course": ("Course", False),
    "programme": ("Programme", False),
    "visit": ("Visit", False),
    "post-starts": ("Post starts", False),
}
"""Each kind's label, and whether it is a deadline."""

SOURCES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
"""The event file of each case."""


def feeds() -> dict[str, bytes]:
    """The feed of each case, made now."""
    made: dict[str, bytes] = {}
    for story, names in groupby(SOURCES, key=lambda name: name.partition(".")[0]):
        feed = Feed(name=story, title="Dates for doctors in training", description="Made of one file of events.")
        # an entry shows its event's page; only without one does it show the event's own link
        site = "" if story.startswith("link-") else SITE
        before: Publication | None = None
        for day, name in enumerate(names):
            events = read({f"{story}.yaml": SOURCES[name].read_bytes()})
            kinds = {id: Kind(id, *kind) for id, kind in KINDS.items()}
            before = publish(events, kinds, [feed], EPOCH + timedelta(days=day), before, site=site)
            made[name] = before.feeds[story]
    return made


def golden() -> Mapping[str, bytes]:
    """The feed of each case as it lies beside its event file."""
    return {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.ics"))}
