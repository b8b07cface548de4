"""The programs and libraries that people read calendars with. Each is given feeds by name and tells what it sees.

A program that is not installed skips the test, unless REQUIRE_CALENDAR_TOOLS=1 says that it must be there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ics
import pytest
import recurring_ical_events
import vobject
from ical.calendar_stream import IcsCalendarStream
from icalendar import Calendar

from tests.truth import Shown

Feeds = Mapping[str, bytes]
Seen = dict[str, list[Shown]]
"""What a reader makes of the entries of each feed, in any order."""
Occurrence = tuple[str, date | datetime, date | datetime]
"""One of the times that an entry takes place: its title, its start and its end, as `Shown` has them."""

HERE = Path(__file__).parent
FIRST, LAST = date(2018, 11, 1), date(2021, 1, 1)
"""What is listed by the programs that list days."""


def _each(read: Callable[[str], list[Shown]]) -> Callable[[Feeds, Path], Seen]:
    """A library, which is given one feed at a time and needs no folder."""
    return lambda feeds, _: {name: read(feed.decode()) for name, feed in feeds.items()}


# Libraries for Python


def by_icalendar(feed: str) -> list[Shown]:
    read = Calendar.from_ical(feed)
    assert [each.errors for each in read.walk() if each.errors] == []
    return [_by_properties(each) for each in read.events]


def by_recurring_ical_events(feed: str) -> list[Shown]:
    return [_by_properties(each) for each in recurring_ical_events.of(Calendar.from_ical(feed)).between(FIRST, LAST)]


def by_ical(feed: str) -> list[Shown]:
    return [
        Shown(
            title=str(each.summary),
            starts=_known(each.dtstart),
            ends=_known(each.dtend),
            status=each.status.value if each.status else None,
            place=each.location or "",
            text=each.description or "",
        )
        for each in IcsCalendarStream.calendar_from_ics(feed).events
    ]


def by_vobject(feed: str) -> list[Shown]:
    read = vobject.readOne(feed)
    read.validate(raiseException=True)
    return [
        Shown(
            title=each.summary.value,
            starts=_in_utc(each.dtstart.value),
            ends=_in_utc(each.dtend.value),
            status=each.status.value,
            place=each.location.value if hasattr(each, "location") else "",
            text=each.description.value,
        )
        for each in read.vevent_list
    ]


def by_ics(feed: str) -> list[Shown]:
    with warnings.catch_warnings():
        # it calls re.split in a way that Python 3.13 advises against
        warnings.filterwarnings("ignore", "'maxsplit' is passed as positional argument", DeprecationWarning)
        read = ics.Calendar(feed)
    return [
        Shown(
            title=each.name,
            starts=each.begin.date() if each.all_day else each.begin.datetime,
            ends=each.end.date() if each.all_day else each.end.datetime,
            status=each.status,
            place=each.location or "",
            text=each.description or "",
        )
        for each in read.events
    ]


def _by_properties(event: Any) -> Shown:
    return Shown(
        title=str(event["SUMMARY"]),
        starts=event["DTSTART"].dt,
        ends=event["DTEND"].dt,
        status=str(event["STATUS"]),
        place=str(event.get("LOCATION", "")),
        text=str(event["DESCRIPTION"]),
    )


def _known(moment: date | datetime | None) -> date | datetime:
    assert moment is not None
    return moment


def _in_utc(moment: date | datetime) -> date | datetime:
    """The same moment in the zone object that the others use."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment


# Programs of Debian's

KHAL = """
[calendars]
[[feed]]
path = {folder}/calendar
[locale]
local_timezone = UTC
default_timezone = UTC
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%dT%H:%M
longdatetimeformat = %Y-%m-%dT%H:%M
[sqlite]
path = {folder}/khal.db
"""


IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # a folder of the test's own is made there


def by_khal(feeds: Feeds, _: Path) -> Seen:
    """All feeds lie in one calendar, because khal takes long to start: uids bear the number of their feed.

    The folder is kept in memory where that can be: khal waits for the disk several times for each entry.
    """
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        return _by_khal(feeds, Path(folder))


def _by_khal(feeds: Feeds, folder: Path) -> Seen:
    (folder / "calendar").mkdir()
    (folder / "khal.conf").write_text(KHAL.format(folder=folder))
    khal = (_tool("khal"), "--config", str(folder / "khal.conf"))
    marked = {name: _marked(feed, number) for number, (name, feed) in enumerate(feeds.items())}
    files = _written(marked, folder)
    _run(folder, *khal, "import", "--batch", "--include-calendar", "feed", *map(str, files.values()))
    form = "{uid}|{status}|{title}|{start-long-full}|{end-long-full}|{all-day}"
    days = f"{(LAST - FIRST).days}d"
    listed = _run(folder, *khal, "list", "--day-format", "", "--format", form, str(FIRST), days)
    names, seen = list(feeds), {name: list[Shown]() for name in feeds}
    told = (each.strip() for each in re.split(r"^(?=\d+\.[0-9a-f-]{36}\|)", listed, flags=re.MULTILINE)[1:])
    for entry in dict.fromkeys(told):  # what takes several days is listed on each
        uid, status, rest = entry.split("|", 2)
        title, starts, ends, all_day = rest.rsplit("|", 3)
        start, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (starts, ends))
        times = (start.date(), end.date() + timedelta(days=1)) if all_day == "True" else (start, end)
        seen[names[int(uid.partition(".")[0])]].append(Shown(title, *times, status.strip()))
    return seen


def _marked(feed: bytes, number: int) -> bytes:
    return re.sub(rb"^UID:", b"UID:%d." % number, feed, flags=re.MULTILINE)


CALCURSE = re.compile(
    r"(?P<m>\d\d)/(?P<d>\d\d)/(?P<y>\d{4})"
    r"(?: @ (?P<from>\d\d:\d\d) -> (?P<em>\d\d)/(?P<ed>\d\d)/(?P<ey>\d{4}) @ (?P<to>\d\d:\d\d)"
    r"| \[1\](?: \{1D -> (?P<lm>\d\d)/(?P<ld>\d\d)/(?P<ly>\d{4})\})?)"
    r"(?: \{\d+[DWMY][^}]*\})?"
    r" ?>[0-9a-f]{40} \|?(?P<title>.*)"
)
"""A line of its own file: an appointment, a day, or a day repeated daily until the last; and how it repeats."""


def by_calcurse(feeds: Feeds, folder: Path) -> Seen:
    tool = _tool("calcurse")
    seen: Seen = {}
    for name, path in _written(feeds, folder).items():
        data = str(folder / f"calcurse-{name}")
        calcurse = (tool, "--datadir", data, "--confdir", data)
        report = _run(folder, *calcurse, "--import", str(path))
        assert "/ 0 skipped" in report
        seen[name] = [_by_line(line) for line in _run(folder, *calcurse, "--grep").splitlines()]
    return seen


def _by_line(line: str) -> Shown:
    found = CALCURSE.fullmatch(line)
    assert found, line
    first = date(*(int(found[key]) for key in ("y", "m", "d")))
    if found["from"]:
        last = date(*(int(found[key]) for key in ("ey", "em", "ed")))
        start, end = (
            datetime.fromisoformat(f"{day}T{found[time]}+00:00") for day, time in ((first, "from"), (last, "to"))
        )
        return Shown(found["title"], start, end)
    last = date(*(int(found[key]) for key in ("ly", "lm", "ld"))) if found["ly"] else first
    return Shown(found["title"], first, last + timedelta(days=1))


def _written(feeds: Feeds, folder: Path) -> dict[str, Path]:
    files = {name: folder / f"{name}.ics" for name in feeds}
    for name, path in files.items():
        path.write_bytes(feeds[name])
    return files


# Libraries of others, each in one process for all feeds

SYSTEM_PYTHON = "/usr/bin/python3"


def by_libical(feeds: Feeds, folder: Path) -> Seen:
    return _by_gnome("libical", "ICalGLib", "3.0", feeds, folder)


def by_libecal(feeds: Feeds, folder: Path) -> Seen:
    return _by_gnome("libecal", "ECal", "2.0", feeds, folder)


def _by_gnome(library: str, namespace: str, version: str, feeds: Feeds, folder: Path) -> Seen:
    asked = f"import gi; gi.require_version({namespace!r}, {version!r})"
    python = _tool(SYSTEM_PYTHON)
    if subprocess.run((python, "-c", asked), capture_output=True, timeout=60, check=False).returncode:
        _absent(f"{library} for the system's Python")
    return _entries(_ask(feeds, folder, python, str(HERE / "gnome.py"), library))


NODE = HERE / "node"


def by_ical_js(feeds: Feeds, folder: Path) -> Seen:
    return _entries(_ask(feeds, folder, *_ical_js()))


def _ical_js() -> tuple[str, str]:
    if not (NODE / "node_modules" / "ical.js").is_dir():
        _absent("ical.js (`make browser`)")
    return _tool("node"), str(NODE / "read.mjs")


def _ask(feeds: Feeds, folder: Path, *command: str) -> dict[str, list[dict[str, str]]]:
    asked = json.dumps({name: feed.decode() for name, feed in feeds.items()})
    told: dict[str, list[dict[str, str]]] = json.loads(_run(folder, *command, asked=asked))
    return told


def _entries(told: Mapping[str, list[dict[str, str]]]) -> Seen:
    return {
        name: [
            Shown(
                title=each["title"],
                starts=_moment(each["starts"]),
                ends=_moment(each["ends"]),
                status=each["status"],
                place=each["place"],
                text=each["text"],
            )
            for each in entries
        ]
        for name, entries in told.items()
    }


def _moment(text: str) -> date | datetime:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


# Dates that repeat


def occurrences_by_ical_js(feeds: Feeds, folder: Path, since: datetime, until: datetime) -> dict[str, list[Occurrence]]:
    """All times that start from `since` on and before `until`, in order, as ical.js works them out."""
    window = (str(int(each.timestamp() * 1000)) for each in (since, until))
    told = _ask(feeds, folder, *_ical_js(), *window)
    return {
        name: sorted(((each["title"], _moment(each["starts"]), _moment(each["ends"])) for each in entries), key=_order)
        for name, entries in told.items()
    }


def occurrences_by_recurring_ical_events(feeds: Feeds, since: datetime, until: datetime) -> dict[str, list[Occurrence]]:
    """The same as recurring-ical-events works them out."""
    found = {}
    for name, feed in feeds.items():
        each = recurring_ical_events.of(Calendar.from_ical(feed)).between(since, until)
        times = ((str(one["SUMMARY"]), _in_utc(one["DTSTART"].dt), _in_utc(one["DTEND"].dt)) for one in each)
        found[name] = sorted((time for time in times if since <= _begins(time[1]) < until), key=_order)
    return found


def _begins(moment: date | datetime) -> datetime:
    """When a time starts; a day does at midnight UTC, so that all agree which days a window holds."""
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _order(occurrence: Occurrence) -> tuple[datetime, str]:
    return _begins(occurrence[1]), occurrence[0]


# Running them


def _tool(name: str) -> str:
    """Where a program is installed. Skips the test where it is not, unless it is required."""
    return shutil.which(name) or _absent(name)


def _absent(what: str) -> str:
    if os.environ.get("REQUIRE_CALENDAR_TOOLS") == "1":
        pytest.fail(f"REQUIRE_CALENDAR_TOOLS=1, but {what} is not installed")
    pytest.skip(f"{what} is not installed")


def _run(home: Path, *command: str, asked: str = "") -> str:
    """What a program prints, which finds nobody's calendar but the test's. Fails if it complains."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(
        command, env=environment, input=asked, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


PYTHON_READERS: Mapping[str, Callable[[Feeds, Path], Seen]] = {
    "icalendar": _each(by_icalendar),
    "ical": _each(by_ical),
    "vobject": _each(by_vobject),
    "ics": _each(by_ics),
    "recurring-ical-events": _each(by_recurring_ical_events),
}
READERS: Mapping[str, Callable[[Feeds, Path], Seen]] = {
    **PYTHON_READERS,
    "khal": by_khal,
    "calcurse": by_calcurse,
    "libical": by_libical,
    "libecal": by_libecal,
    "ical.js": by_ical_js,
}


EXPANDING = ("recurring-ical-events", "khal")
"""Those that list every time that an entry repeats; to the others it is one with a rule."""


def differences(seen: list[Shown], truth: list[Shown]) -> Iterator[str]:
    """What a reader sees otherwise than it is, of what it tells at all."""
    for one, other in zip(sorted(seen, key=_by_title), sorted(truth, key=_by_title), strict=False):
        for name in ("title", "starts", "ends", "all_day", "status", "place"):
            sees, is_ = getattr(one, name), getattr(other, name)
            if sees is not None and is_ is not None and sees != is_:
                yield f"{other.title}: {name} is {is_!s}, shown {sees!s}"
    if len(seen) != len(truth):
        yield f"{len(truth)} entries, shown {len(seen)}"


def _by_title(shown: Shown) -> tuple[str, str, str]:
    return shown.title, str(shown.starts), str(shown.ends)
