"""When a change of the people who are invited looks like an accident, such as a list saved half-way."""

from __future__ import annotations

from collections.abc import Set

from reminders.catalogue.changes import FEW, SHARE


def guard(invited: Set[str], invites: Set[str]) -> list[str]:
    """Why the change looks like an accident: a sentence, or none when it may be made.

    `invited` are the addresses of today's people, `invites` those of the new files.
    """
    lost = len(invited - invites)
    if lost > FEW and lost * SHARE > len(invited):
        return [f"{lost} of {len(invited)} people are no longer in the lists and would get no more mail."]
    if invited and not invites:
        return [f"The lists are empty: none of {len(invited)} people would get any more mail."]
    return []
