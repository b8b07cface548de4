"""Dates as iCalendar. Pure."""
