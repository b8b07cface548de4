"""How people spell dates, and how to write the same here.

Nothing in this module decides what a date means: it only words the advice given when a date cannot be read.
A day and month that could be either way round are both shown.
"""

from __future__ import annotations

import re
from datetime import date

EXAMPLES = "a date like 2019-02-12, 2018-12-14T10:00, 2019-03 (a month), 2019-22 (summer), 2019, tba or open"

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
"""English whatever the machine's locale is."""

_MONTHS = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
_NAMES = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in MONTHS).lower()
_MONTH = rf"(?P<month>{_NAMES}|sept)\.?"
_SEASONS = {"spring": 21, "summer": 22, "autumn": 23, "fall": 23, "winter": 24}
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,?\s+)?"
_YEAR = r"(?P<year>\d{4}|\d\d)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_CLOCK = (
    r"(?<!\d)(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d\d)(?::\d\d(?:\.\d+)?)?)?\s*(?P<half>am|pm)?"
    r"(?P<offset>z|[+-]\d\d:?\d\d)?(?:\s*\(?(?:uk time|gmt|bst|hrs?)\)?)?"
)
_TIMES = (
    re.compile(rf"(?P<day>.*?)(?:t|,|\s)*(?:\b(?:at|by|from)\s+)?{_CLOCK}"),
    re.compile(rf"(?:(?:at|by|from)\s+)?{_CLOCK},?(?:\s+on)?\s+(?P<day>.*)"),
)
_DAYS = tuple(
    re.compile(_WEEKDAY + pattern)
    for pattern in (
        r"(?P<year>\d{4})[-/. ](?P<month>\d{1,2})[-/. ](?P<day>\d{1,2})",
        rf"{_DAY}\s*(?:of\s+)?{_MONTH},?\s*{_YEAR}",
        rf"{_MONTH}\s*{_DAY},?\s+{_YEAR}",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
    )
)
_NUMBERS = re.compile(rf"{_WEEKDAY}(?P<day>\d{{1,2}})[-/. ](?P<month>\d{{1,2}})[-/. ]{_YEAR}")
_MONTHLY = (
    re.compile(rf"(?:in\s+)?{_MONTH},?\s*{_YEAR}"),
    re.compile(r"(?P<year>\d{4})[-/. ](?P<month>\d{1,2})"),
    re.compile(r"(?P<month>\d{1,2})[-/. ](?P<year>\d{4})"),
)
_SEASONAL = re.compile(rf"(?:in\s+)?(?P<season>{'|'.join(_SEASONS)})\s*(?P<year>\d{{4}})")
_UNKNOWN = re.compile(
    r"tb[acd]|(?:date\s+)?(?:to be|not yet) (?:announced|confirmed|decided|known|given)|unknown|n/?a|none|\?+|-+"
)
_OPEN = re.compile(r"(?:now |currently )?open(?: now)?!?|ongoing|rolling|any ?time")
_JOIN = re.compile(r"\s+(?:to|until|till|through|and|-|–|—)\s+|\s*(?:–|—|\.\.)\s*")
_SAME_MONTH = re.compile(rf"(?P<start>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:-|–|to|until|/)\s*(?P<end>{_DAY}\s+\w.*)")
_SAME_DAY = re.compile(r"(?P<start>\d{4}-.*\d\d:\d\d)\s*(?:-|–|to|until|/)\s*(?P<end>\d\d:\d\d)")


def reproach(text: str) -> str:
    """What is wrong with a text that is not a date."""
    if not text:
        return "the date is empty"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", text):
        return f"'{text}' has seconds, which dates here do without"
    if len(text) > 60:
        text = text[:57] + "..."
    if "/" in text and ".." in text:
        return f"'{text}' has only one end"
    return f"'{text}' is not a date as written here"


def suggest(text: str) -> str:
    """What to write instead of `text`: the same date in the notation of `dates`, or examples of it."""
    said = " ".join(text.lower().split()).strip(" .,;")
    said = "".join(str(int(sign)) if sign.isdecimal() else sign for sign in said)  # full-width digits and the like
    if len(said) > 80:
        return EXAMPLES
    return _whole(said) or _span(said) or EXAMPLES


def _span(said: str) -> str:
    """Two dates joined by a word, a dash or a stroke; `..` stands for an end nobody knows."""
    for pieces in (_JOIN.split(said), said.split("/")):
        known = [piece for piece in pieces if piece.strip(" .")]
        if len(pieces) == 2 and len(known) == 1 and (end := _whole(known[0])):
            return f"the end that is known, {end}"
        if len(pieces) == 2 and len(known) == 2:
            ends = [_whole(piece) for piece in pieces]
            if all(ends) and not any(" " in end for end in ends):
                return "/".join(ends)
    if (match := _SAME_MONTH.fullmatch(said)) and (end := _day(match["end"])):
        return f"{end[:8]}{int(match['start']):02}/{end}"
    if (match := _SAME_DAY.fullmatch(said)) and (start := _timed(match["start"])):
        return f"{start}/{start[:10]}T{match['end']}"
    return ""


def _whole(said: str) -> str:
    if _UNKNOWN.fullmatch(said):
        return "tba"
    if _OPEN.fullmatch(said):
        return "open"
    if day := _day(said):
        return day
    for pattern in _MONTHLY:
        if (match := pattern.fullmatch(said)) and 1 <= (month := _month(match["month"])) <= 12:
            return f"{_year(match['year'])}-{month:02}"
    if match := _SEASONAL.fullmatch(said):
        return f"{match['year']}-{_SEASONS[match['season']]} ({match['season']})"
    if re.fullmatch(r"\d{4}", said):
        return said
    return _timed(said)


def _timed(said: str) -> str:
    """A day with a time of day, in either order, or a time alone."""
    for pattern in _TIMES:
        match = pattern.fullmatch(said)
        if match is None or not (match["minute"] or match["half"]):
            continue
        hour = int(match["hour"]) % 12 + (12 if match["half"] == "pm" else 0) if match["half"] else int(match["hour"])
        clock = f"T{hour:02}:{match['minute'] or '00'}"
        if hour > 23 or clock[4:] > "59":
            continue
        if not match["day"].strip():
            return f"the day as well, like 2018-12-14{clock}"
        day = _day(match["day"].strip(" ,t"))
        if day:
            clock += (match["offset"] or "").upper()
            return " or ".join(_with_time(each, clock) for each in day.split(" or "))
    return ""


def _with_time(day: str, clock: str) -> str:
    iso, space, words = day.partition(" ")
    return f"{iso}{clock}{space}{words}"


def _day(said: str) -> str:
    for pattern in _DAYS:
        if match := pattern.fullmatch(said):
            return _iso(_year(match["year"]), _month(match["month"]), int(match["day"]))
    match = _NUMBERS.fullmatch(said)
    if match is None:
        return ""
    year, month, day = _year(match["year"]), int(match["month"]), int(match["day"])
    readings = {_iso(year, month, day): (day, month), _iso(year, day, month): (month, day)}
    readings.pop("", None)
    if len(readings) < 2:
        return "".join(readings)
    return " or ".join(f"{iso} for {day} {MONTHS[month - 1]}" for iso, (day, month) in readings.items())


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS[text[:3]]


def _year(text: str) -> int:
    return int(text) + (2000 if len(text) == 2 else 0)
