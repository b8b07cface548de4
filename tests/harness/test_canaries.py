"""Nobody's mail holds anything of anybody else's at the receiving end, and a mix-up is noticed."""

from __future__ import annotations

from tests.harness.command import holds, notices


def test_no_mail_holds_anything_of_anybody_else() -> None:
    figures = holds("canaries", "--mails", "300", "--seed", "5")
    assert int(figures["messages kept"]) > 300, "nothing went wrong on the way"


def test_a_mix_up_is_noticed() -> None:
    notices("canaries", "--mails", "200", "--seed", "5", "--break", "mixed", words="something of")
