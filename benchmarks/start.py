"""How long the command line takes to answer at all."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figure import Figure, Scale
from benchmarks.process import PYTHON, REMINDERS, compared


def figures(scale: Scale) -> Iterator[Figure]:
    """`reminders --help`, start to exit."""
    yield from compared(
        2 * scale.rounds,
        "reminders --help",
        [REMINDERS, "--help"],
        "python -c pass",
        [PYTHON, "-c", "pass"],
        below=0.25,
    )
