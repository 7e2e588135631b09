"""``python -m bench``: what polyledger's speed rests on, each figure beside a baseline measured in the same run."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

from bench import attribution, average_cost, breakdown, decoding, profit, proofs, scanning
from bench.figures import Figure, show

NAMES = ("decoding", "scan", "profit", "breakdown", "average-cost", "proofs", "attribution")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(NAMES)}; default: all")
    parser.add_argument("--rows", type=int, default=20_000_000, help="synthetic fills (up to 160,900,000)")
    parser.add_argument("--logs", type=int, default=2_000_000, help="logs of the generated world")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no measurement called {', '.join(sorted(unknown))}")
    measurements: dict[str, Callable[[], list[Figure]]] = {
        "decoding": decoding.measure,
        "scan": lambda: scanning.measure(arguments.logs),
        "profit": lambda: profit.measure(arguments.rows),
        "breakdown": lambda: breakdown.measure(arguments.rows),
        "average-cost": lambda: average_cost.measure(min(arguments.rows, 20_000_000)),
        "proofs": proofs.measure,
        "attribution": lambda: attribution.measure(arguments.rows),
    }
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    figures: list[Figure] = []
    for name in NAMES:
        if name in arguments.names or not arguments.names:
            figures += measurements[name]()
    print()
    show(figures)


if __name__ == "__main__":
    main()
