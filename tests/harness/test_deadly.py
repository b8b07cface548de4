"""A mail of which workers die costs nobody else's, and a cap or a distance that is not kept is noticed."""

from __future__ import annotations

import pytest

from tests.harness.command import holds, notices

OPTIONS = ("--mails", "60", "--deadly", "2", "--in-flight", "20", "--seed", "1")


def test_a_mail_that_kills_whoever_composes_it_fails_after_ten_deaths_and_all_others_are_sent() -> None:
    figures = holds("deadly", *OPTIONS)
    assert int(figures["deaths"]) > 10, "one was never met"
    assert int(figures["most deaths beside another mail"]) > 0, "nothing else was in hand"


@pytest.mark.parametrize(
    ("form", "words"),
    [("undying", "workers died of 2 mails, which may cost 20"), ("crowded", "kills nobody, and is failed")],
)
def test_deaths_without_end_or_in_company_are_noticed(form: str, words: str) -> None:
    notices("deadly", *OPTIONS, "--break", form, words=words)
