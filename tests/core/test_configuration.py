"""What one file says about another: every contradiction has its place, and only real ones are told."""

from __future__ import annotations

import pytest

from reminders.configuration import read_configuration
from reminders.errors import BadInput

EVENTS = """\
events:
  - id: talking-2019
    title: Talking
    level: 2
    categories: [course]
    rules: {course-2w: off}
    dates: {course: 2019-02-12}
"""
RULES = """\
kinds:
  course: {label: Course}
  applications-close: {label: Applications close, deadline: true}
rules:
  - {id: course-2w, about: course, send: 2 weeks before at 09:00, only: {events: talking-2019}}
  - {id: close-2h, about: applications-close, send: 2 hours before, audiences: everyone}
"""
FEEDS = """\
feeds:
  courses: {title: Courses, show: {kinds: [course], levels: 7}}
"""
AUDIENCES = """\
audiences:
  everyone: {label: Everyone, members: [amina@example.org], follows: {categories: nothing-yet}}
"""


def files(**changed: tuple[str, str]) -> dict[str, bytes]:
    """The files above; each keyword names one, with the words to replace in it."""
    written = {"events": EVENTS, "rules": RULES, "feeds": FEEDS, "audiences": AUDIENCES}
    for name, (old, new) in changed.items():
        assert old in written[name]
        written[name] = written[name].replace(old, new)
    names = {name: "events/courses.yaml" if name == "events" else f"{name}.yaml" for name in written}
    return {names[name]: text.encode() for name, text in written.items()}


def test_files_that_fit_together_are_read_and_a_level_or_category_may_wait_for_its_first_event() -> None:
    read = read_configuration(files(), "Europe/London")
    assert [event.id for event in read.catalogue.events] == ["talking-2019"]
    assert [rule.id for rule in read.rules] == ["course-2w", "close-2h"]
    assert [feed.name for feed in read.feeds] == ["courses"]
    assert [audience.id for audience in read.audiences] == ["everyone"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"events": ("course: 2019", "coarse: 2019")},
            [
                "events/courses.yaml:6:24: the rule 'course-2w' is about course, which this event has not: "
                "delete the line, or add the date",
                "events/courses.yaml:7:13: there is no kind of date 'coarse': write 'course'",
            ],
        ),
        (
            {"events": ("course-2w: off", "course-2weeks: off")},
            ["events/courses.yaml:6:28: there is no rule 'course-2weeks': write 'course-2w'"],
        ),
        (
            {"events": ("course-2w: off", "course-2w: two weeks earlier")},
            [
                "events/courses.yaml:6:24: 'two weeks earlier' is not a time to send: "
                "write '2 weeks before at 09:00', or off"
            ],
        ),
        (
            {
                "events": (
                    "{course: 2019-02-12}",
                    "{course: 2019-02-12, applications-close: {when: 2019-01-29T00:15, repeats: FREQ=MONTHLY}}",
                )
            },
            [
                "events/courses.yaml:7:33: a deadline in the first half hour of a day cannot repeat by this rule: "
                "write 23:59 of the day before, and the rule of those days"
            ],
        ),
        (
            {"rules": ("events: talking-2019", "events: talking-2018")},
            ["rules.yaml:5:82: there is no event 'talking-2018': write 'talking-2019'"],
        ),
        (
            {"rules": ("audiences: everyone", "audiences: [everyone, everybody]")},
            ["rules.yaml:6:91: there is no audience 'everybody': write 'everyone'"],
        ),
        (
            {"feeds": ("kinds: [course]", "kinds: [course, courses]")},
            ["feeds.yaml:2:52: there is no kind of date 'courses': write 'course'"],
        ),
        (
            {"audiences": ("categories: nothing-yet", "kinds: visit")},
            [
                "audiences.yaml:2:78: there is no kind of date 'visit': "
                "the kinds of date in rules.yaml are course, applications-close"
            ],
        ),
        (
            {"audiences": ("categories: nothing-yet", "events: [talking-2019, talk]"), "feeds": ("7", "seven")},
            [
                "audiences.yaml:2:94: there is no event 'talk': the events are talking-2019",
                "feeds.yaml:2:61: 'seven' is not a whole number: write digits, such as 2",
            ],
        ),
    ],
)
def test_a_contradiction_is_told_at_its_place(changed: dict[str, tuple[str, str]], told: list[str]) -> None:
    with pytest.raises(BadInput) as error:
        read_configuration(files(**changed), "Europe/London")
    assert str(error.value).splitlines() == told


def test_what_refers_to_a_file_that_cannot_be_read_is_not_told_as_well() -> None:
    with pytest.raises(BadInput) as error:
        read_configuration(files(rules=("kinds:", "kindz:")), "Europe/London")
    assert {problem.file for problem in error.value.problems} == {"rules.yaml"}
    with pytest.raises(BadInput) as error:
        read_configuration(files(events=("talking-2019", "Talking 2019")), "Europe/London")
    assert {problem.file for problem in error.value.problems} == {"events/courses.yaml"}


def test_without_feeds_and_audiences_there_are_none_but_rules_are_needed() -> None:
    given = files(rules=(", audiences: everyone", ""))
    del given["feeds.yaml"], given["audiences.yaml"]
    read = read_configuration(given, "Europe/London")
    assert (read.feeds, read.audiences) == ((), ())
    del given["rules.yaml"]
    with pytest.raises(BadInput, match=r"^rules.yaml: there is no such file"):
        read_configuration(given, "Europe/London")
