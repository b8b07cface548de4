"""Deadlines and dates from files, as calendar feeds and reminder mails."""

__version__ = "0.1.0"
