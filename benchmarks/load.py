"""Reading and checking a catalogue: `reminders check` as somebody at a terminal waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figure import Figure, Scale, Series, in_turns
from benchmarks.invented import write_events, write_people
from benchmarks.process import PYTHON, REMINDERS, compared, spent

_YAML = "import sys, yaml\nfor name in sys.argv[1:]: yaml.load(open(name, 'rb'), yaml.CSafeLoader)"
_BARE = "PyYAML's CSafeLoader on the same files of events, in a process of its own"


def figures(scale: Scale) -> Iterator[Figure]:
    """The files once as offices write them, and once with every fact there or not by chance: the most shapes."""
    with TemporaryDirectory(prefix="reminders-") as folder:
        usual = Path(folder) / "usual" / "config"
        files = write_events(usual, scale.events)
        write_people(usual, 3)
        check = [REMINDERS, "check", "--config", str(usual)]
        bare = [PYTHON, "-c", _YAML, *map(str, files)]
        what = f"reminders check, {scale.events:,} events in {len(files)} files, mails of every shape, start to exit"
        yield from compared(scale.rounds, what, check, _BARE, bare, below=1.0)

        odd = Path(folder) / "odd" / "config"
        write_events(odd, scale.events, by_chance=True)
        write_people(odd, 3)
        (worst,) = in_turns(1, lambda: spent([REMINDERS, "check", "--config", str(odd)]).busy)
        what = "the same, every fact of every event there or not by chance: processor time"
        yield Figure(Series(what, "s", worst))
