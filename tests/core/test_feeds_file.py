"""feeds.yaml: the calendars staff declare. What is wrong in it and how that is said: see `test_bad_files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from reminders.errors import BadInput
from reminders.feed.selection import Feed, parse_feeds
from reminders.planning.subscribers import Selection

SHIPPED = Path(__file__).parents[2] / "config" / "feeds.yaml"


def parsed(text: str) -> tuple[Feed, ...]:
    return parse_feeds("feeds.yaml", text.encode())


def test_the_least_a_feed_needs_is_a_title() -> None:
    assert parsed("feeds: {leadership: {title: Leadership learning}}") == (
        Feed("leadership", "Leadership learning", "", Selection(), tentative=True, color="steelblue"),
    )


def test_all_that_a_feed_can_say() -> None:
    text = """
feeds:
  courses-2:
    title: "Courses: level 2 and 3"
    description: Those of the two middle levels.
    show:
      levels: [2, 3]
      categories: [course, e-learning]
      kinds: [course]
      providers: [HEE E-Learning, NELA]
      events: [having-difficult-conversations-2019]
    tentative: false
    colour: teal
"""
    assert parsed(text) == (
        Feed(
            name="courses-2",
            title="Courses: level 2 and 3",
            description="Those of the two middle levels.",
            selection=Selection(
                levels=(2, 3),
                categories=("course", "e-learning"),
                kinds=("course",),
                providers=("HEE E-Learning", "NELA"),
                events=("having-difficult-conversations-2019",),
            ),
            tentative=False,
            color="teal",
        ),
    )


@pytest.mark.parametrize(
    ("show", "selection"),
    [
        ("{levels: 2}", Selection(levels=(2,))),
        ("{kinds: applications-close}", Selection(kinds=("applications-close",))),
        ("{providers: HEE}", Selection(providers=("HEE",))),
        ("{categories: [course]}", Selection(categories=("course",))),
        ("{events: no}", Selection(events=("no",))),
        ("{events: 2019}", Selection(events=("2019",))),
        ("{}", Selection()),
    ],
)
def test_one_value_needs_no_list_and_text_stays_text(show: str, selection: Selection) -> None:
    (feed,) = parsed(f"feeds: {{leadership: {{title: Leadership, show: {show}}}}}")
    assert feed.selection == selection


def test_feeds_keep_the_order_of_the_file() -> None:
    feeds = parsed("feeds: {zebra: {title: Z}, ant: {title: A}, 2019: {title: The year}}")
    assert [feed.name for feed in feeds] == ["zebra", "ant", "2019"]


def test_the_name_of_peoples_own_calendars_cannot_be_taken() -> None:
    with pytest.raises(BadInput) as raised:
        parsed("feeds: {mine: {title: Ours}}")
    assert "a calendar cannot be called 'mine'" in str(raised.value)


def test_every_problem_is_found_at_once() -> None:
    with pytest.raises(BadInput) as raised:
        parsed("feeds:\n  one: {tilte: One}\n  two: {title: Two, colour: blue}\n  Three: {title: Three}\n")
    assert {problem.line for problem in raised.value.problems} == {2, 3, 4}


def test_the_shipped_feeds_are_all_the_deadlines_and_the_courses() -> None:
    feeds = {feed.name: feed for feed in parse_feeds("feeds.yaml", SHIPPED.read_bytes())}
    assert list(feeds) == ["leadership", "deadlines", "courses"]
    assert feeds["leadership"].selection == Selection()
    assert feeds["deadlines"].selection == Selection(kinds=("applications-close",))
    assert not feeds["deadlines"].tentative
    assert feeds["courses"].selection == Selection(categories=("course",))
    assert all(feed.description for feed in feeds.values())
    assert len({feed.color for feed in feeds.values()}) == len(feeds)
