"""A feed over HTTP, beside nginx with the same bytes as files and Radicale with the same events as a collection.

Then what one change and a cold start cost when there are many entries.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import shelf
from benchmarks.figure import Figure, Missing, Scale, Series
from benchmarks.invented import write_events, write_people
from benchmarks.process import REMINDERS, line_of, memory, started
from benchmarks.servers import Rate, Server, ask, cores, missing, nginx, on_core, radicale, rate

EVENTS = 120
"""Of the feed that is served: about 200 kB."""
CONNECTIONS = 8
SETTINGS = "settle: 0\npublic_url: https://dates.example.org\n"
FEEDS = "feeds:\n  all: {title: All dates}\n"
PATH = "/feeds/all.ics"
GZIP = {"Accept-Encoding": "gzip"}
OURS = "reminders"
BUSY = "answers/s of processor time"
TARGETS = {("nginx", "gzip"): 0.3, ("nginx", "304"): 0.3, ("Radicale", "gzip"): 500.0, ("Radicale", "304"): 500.0}
"""None for the whole bytes unpacked: to hand 200 kB to the system is most of that, for nginx too."""
NOTES = {("Radicale", "gzip"): " (which packs anew)", ("Radicale", "304"): " (which gives it whole)"}


def figures(scale: Scale) -> Iterator[Figure | Missing]:
    """Answers per second, then the shelf; what cannot be measured for want of a tool is told."""
    if absent := missing("taskset", "wrk"):
        yield from absent
    else:
        yield from _served(scale)
    yield from shelf.figures(scale)


def _served(scale: Scale) -> Iterator[Figure | Missing]:
    absent = {each.tool: each for each in missing("nginx", "radicale")}
    with TemporaryDirectory(prefix="reminders-") as name, ExitStack() as stack:
        folder = Path(name)
        ours = stack.enter_context(_site(folder / "site"))
        _, _, body = ask("GET", ours.address + PATH)
        _, _, packed = ask("GET", ours.address + PATH, GZIP)
        assert gzip.decompress(packed) == body
        servers = [(ours, PATH)]
        if "nginx" not in absent:
            files = {"all.ics": body, "all.ics.gz": packed}
            servers.append((stack.enter_context(nginx(folder / "nginx", files)), "/all.ics"))
        if "radicale" not in absent:
            servers.append((stack.enter_context(radicale(folder / "radicale", body)), "/bench/all"))
        asked = [each for server, path in servers for each in _ways(server, path, body)]
        taken: dict[tuple[str, str], list[Rate]] = {}
        for number in range(scale.rounds + 1):
            for server, path, kind, fields in asked:
                few = server.name == "Radicale"  # a sixteenth of a second an answer: the last ones come too late
                found = rate(server, path, fields, seconds=scale.seconds * (3 if few else 1), connections=CONNECTIONS)
                if number:  # caches were cold
                    taken.setdefault((server.name, kind), []).append(found)
        resident = memory(ours.pid).resident
    yield from absent.values()
    server_core, asking_core = cores()
    where = f"one core, {CONNECTIONS} connections of wrk on {'another' if server_core != asking_core else 'the same'}"
    yield from _compared(taken, "200", f"a feed of {len(body) / 1000:,.0f} kB (200), {where}")
    yield from _compared(taken, "gzip", f"the same, asked for as gzip: {len(packed) / 1000:,.0f} kB (200)")
    yield from _compared(taken, "304", "the same, by who has it already (304)")
    yield Figure(Series("the process that served all this: resident", "MB", (resident,)))


def _ways(server: Server, path: str, body: bytes) -> Iterator[tuple[Server, str, str, dict[str, str]]]:
    """The ways to ask for a file: whole, packed, and with the tag it has."""
    status, _, whole = ask("GET", server.address + path)
    assert status == 200, status
    _, fields, packed = ask("GET", server.address + path, GZIP)
    assert gzip.decompress(packed) == whole
    had = {**GZIP, "If-None-Match": fields["etag"]}
    if server.name == "Radicale":  # which looks at no tag, and gives everything again
        assert whole.count(b"BEGIN:VEVENT") == body.count(b"BEGIN:VEVENT")
    else:
        assert whole == body
        assert ask("GET", server.address + path, had)[0] == 304, f"{server.name} does not answer 304"
    for kind, asked in {"200": {}, "gzip": GZIP, "304": had}.items():
        yield server, path, kind, asked


def _compared(taken: Mapping[tuple[str, str], list[Rate]], kind: str, what: str) -> Iterator[Figure]:
    """Against each yardstick: by processor time, with the target; then by the clock."""
    mine = taken[OURS, kind]
    for name in (name for name, each in taken if each == kind and name != OURS):
        theirs, against = taken[name, kind], f"{name}, one process{NOTES.get((name, kind), '')}"
        yield Figure(
            Series(what, BUSY, tuple(each.processor for each in mine)),
            Series(against, BUSY, tuple(each.processor for each in theirs)),
            ratio_at_least=TARGETS.get((name, kind)),
        )
        yield Figure(
            Series("by the clock", "answers/s", tuple(each.clock for each in mine)),
            Series(against, "answers/s", tuple(each.clock for each in theirs)),
        )
    if all(name == OURS for name, _ in taken):
        yield Figure(Series(what, BUSY, tuple(each.processor for each in mine)))


@contextmanager
def _site(folder: Path) -> Iterator[Server]:
    """The service itself, as one runs it, on one core."""
    config = folder / "config"
    write_events(config, EVENTS)
    write_people(config, 1)
    (config / "feeds.yaml").write_text(FEEDS, encoding="utf-8")
    (config / "reminders.yaml").write_text(SETTINGS, encoding="utf-8")
    command = on_core(cores()[0], REMINDERS, "run", "--init", "--config", str(config))
    with started(command, log=folder / "log", REMINDERS_PORT="0") as process:
        yield Server(OURS, process.pid, line_of(process, "Pages and feeds: ", folder / "log"))
