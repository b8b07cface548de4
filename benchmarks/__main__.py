"""The command: `python -m benchmarks [NAMES] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks import deliver, delivery, feeds, load, machine, memory, refresh, render, start
from benchmarks.figure import SMALL, Figure, Missing, Scale

BENCHMARKS: dict[str, Callable[[Scale], Iterator[Figure | Missing]]] = {
    "start": start.figures,
    "load": load.figures,
    "render": render.figures,
    "refresh": refresh.figures,
    "deliver": deliver.figures,
    "delivery": delivery.figures,
    "memory": memory.figures,
    "feeds": feeds.figures,
}


def main(arguments: Sequence[str]) -> None:
    """Run what was named, or all, and print it. A missed target is a word, not a failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the product costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; all if left out")
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")
    parser.add_argument("--small", action="store_true", help="one round of very little: shows that all works")
    chosen = parser.parse_args(arguments)
    names = chosen.names or list(BENCHMARKS)
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        parser.error(f"there is no benchmark {', '.join(unknown)}: write any of {', '.join(BENCHMARKS)}")
    on, began = machine.facts(), time.monotonic()

    def say(line: str) -> None:
        if not chosen.json:
            print(line, flush=True)

    say(f"{machine.words(on)}\nmedian [least to most]; ratios to yardsticks measured in the same rounds")
    measured: dict[str, list[Figure | Missing]] = {}
    for name in names:
        say(f"\n{name}")
        measured[name] = []
        for figure in BENCHMARKS[name](SMALL if chosen.small else Scale()):
            measured[name].append(figure)
            say("\n".join(figure.words()))
    if chosen.json:
        figures = {name: [figure.facts() for figure in found] for name, found in measured.items()}
        print(json.dumps({"machine": on, "figures": figures}, indent=2))
    targets = [figure.met for found in measured.values() for figure in found if figure.met is not None]
    say(f"\n{sum(targets)} of {len(targets)} targets met; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
