"""Why a person was never owed a reminder: each reason once, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reminders.catalogue.events import Kind, PublishedDate, PublishedEvent, Status
from reminders.planning.rules import Rule
from reminders.planning.subscribers import Selection, Subscriber
from reminders.planning.unowed import unowed
from tests.builders import EPOCH, date, event, rule, subscriber, utc

KINDS = {"course": Kind("course", "Course"), "visit": Kind("visit", "Visit")}
RULES = (rule("two-weeks", "2 weeks before at 09:00"), rule("three-days", "3 days before at 09:00"))
AFTER = utc("2019-03-01T00:00")


def why(
    when: str = "2019-02-12",
    *,
    rules: tuple[Rule, ...] = RULES,
    person: Subscriber | None = None,
    owed: tuple[tuple[str, str, str], ...] = (),
    known_at: str = "2018-11-23T09:00",
    epoch: str = "2018-11-23T09:00",
    now: str = "2019-03-01T00:00",
    **facts: object,
) -> dict[str, str]:
    """The reasons by rule."""
    dated = replace(date(when), **facts)  # type: ignore[arg-type]  # test sugar
    published = PublishedEvent(event("talking", dated), 1, dates=(PublishedDate(dated, 1, utc(known_at)),))
    found = unowed(published, person or subscriber(), rules, KINDS, owed, epoch=utc(epoch), now=utc(now), nation="ENG")
    return {each.rule: each.why for each in found}


def test_what_has_a_row_or_is_to_come_needs_no_reason() -> None:
    owed = (("course", "", "two-weeks"), ("course", "", "three-days"))
    assert why(owed=owed) == {}
    assert why(now="2018-12-01T00:00") == {}


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("the date is cancelled", {"status": Status.CANCELLED}),
        ("rules.yaml does not name the kind picnic", {"kind": "picnic"}),
        ("no rule is about visit", {"kind": "visit", "rules": (rule("x", "1 day before at 09:00"),)}),
    ],
)
def test_what_is_said_of_a_whole_date(reason: str, given: dict[str, object]) -> None:
    assert why(**given) == {"": reason}  # type: ignore[arg-type]  # test sugar


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("the person left", {"person": subscriber(left_at=EPOCH)}),
        (
            "none of the person's audiences follows the date",
            {"person": subscriber(audiences=("all",), follows=(Selection(kinds=("visit",)),))},
        ),
        ("none of the person's audiences follows the date", {"person": subscriber(audiences=(), follows=())}),
        ("the rule needs the date to be known to the day", {"when": "2019-02"}),
        ("it was of no use any more when this database began", {"epoch": "2019-02-20T00:00"}),
        ("it was of no use any more when the date became known as it is", {"known_at": "2019-02-20T00:00"}),
        (
            "it was of no use any more when the person came to follow it",
            {"person": subscriber(joined_at=utc("2019-02-20T00:00"))},
        ),
        ("it should have been owed: the rule was changed since, or a row is lost", {}),
    ],
)
def test_what_is_said_of_each_rule(reason: str, given: dict[str, object]) -> None:
    assert set(why(**given).values()) == {reason}  # type: ignore[arg-type]  # test sugar


def test_a_rule_for_others() -> None:
    rules = (rule("two-weeks", "2 weeks before at 09:00", audiences=("gps",)), RULES[1])
    assert why(rules=rules)["two-weeks"] == "the rule is only for gps"


def test_a_time_after_the_date_itself() -> None:
    assert why(rules=(rule("then", "2019-02-20T09:00"),)) == {"then": "the rule's time lies after the date itself"}


def test_a_rung_that_was_due_before_the_person_came() -> None:
    joined = utc("2019-01-30T00:00")
    assert why(person=subscriber(joined_at=joined))["two-weeks"] == (
        "it was due before the person came to follow the date"
    )
    assert joined - utc("2019-01-29T09:00") < timedelta(days=1)
