"""Our own proof of a feed: every octet, line and date of an iCalendar text, read without any iCalendar library.

Libraries read leniently, which is right for them and useless for a proof: they overlook most of what some calendar
program stumbles over. Pure; any bytes can be given, and nothing is raised.
"""

from reminders.feed.lint.check import lint, lint_component
from reminders.feed.lint.content import Fault

__all__ = ["Fault", "lint", "lint_component"]
