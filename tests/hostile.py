"""Feeds of any text in any field. As a program (``python -O -m tests.hostile``): lists of texts in, their feeds out."""

from __future__ import annotations

import json
import sys

from hypothesis import strategies as st

from reminders.catalogue.events import Event, Kind, Source
from reminders.feed.selection import Feed
from tests.builders import EPOCH, date
from tests.publishing import publish

FIELDS = 13
SIGNS = ',;:\\"\n\r\t\x00\x0b\x0c\x1c\x7f\x85\u2028\u2029\u202e\ufeff\ud83c=^é漢א🎓\u200d'
texts = st.lists(
    st.text(st.sampled_from(SIGNS) | st.sampled_from("ab ") | st.characters(), max_size=120),
    min_size=FIELDS,
    max_size=FIELDS,
)
"""A text for each field that `feed` fills."""


def feed(texts: list[str]) -> bytes:
    """The calendar of one entry of which every field that is text begins with x and goes on with one of the texts."""
    given = [f"x{text}" for text in texts]
    title, said, link, contact, provider, category, page, note, place, inferred, label, name, about = given
    kind = Kind("course", label)
    event = Event(
        id="hostile",
        title=title,
        dates=(date(note=note, location=place, inferred=inferred),),
        level=2,
        provider=provider,
        categories=(category, "course"),
        description=said,
        link=f"https://example.org/{link}",
        contact=contact,
        source=Source(page, EPOCH.date()),
    )
    shown = Feed(name="everything", title=name, description=about)
    return publish([event], {"course": kind}, [shown], EPOCH, site="").feeds["everything"]


if __name__ == "__main__":
    json.dump({"asserts": __debug__, "feeds": [feed(each).decode() for each in json.load(sys.stdin)]}, sys.stdout)
