"""How much volume is attributed after how many requests: the planner's order beside order of age and chance.

``python -m bench.impact_order docs/images/impact-order.svg`` fetches the conditions of unknown tokens three times from
a replica that enforces the documented limits, at half of them, each source not knowing a third of the markets. The
ledger and the runner are the same each time; for the other two orders the imported amounts are dealt out so that the
weightiest first means the oldest first, or any order. What counts is always the volume that really hangs on a market.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

import polyledger
from bench.data import scratch
from bench.market_world import MarketWorld, generate
from polyledger.config import load_settings
from polyledger.replica.faults import DOCUMENTED_LIMITS

UNKNOWN: Final = 1 / 3
_SOURCES: Final = {"gamma": "gamma", "clob": "clob", "data_api": "data", "subgraph": "subgraph"}
_ORDERS: Final = {"impact": "by impact", "age": "oldest first", "random": "at random"}
_COLOURS: Final = {"impact": "#0b6e4f", "age": "#b5651d", "random": "#6b7280"}
_FOUND: Final = """
SELECT l.lookup_key AS token, min(e.received_at) AS at
FROM meta.lookups AS l JOIN meta.evidence AS e ON e.evidence_id = l.evidence_id
WHERE l.kind = 'token' AND l.outcome = 'found' GROUP BY l.lookup_key
"""
_ASKED: Final = "SELECT received_at AS at FROM meta.evidence ORDER BY received_at"

Shares = npt.NDArray[np.float64]


def run(world: MarketWorld, url: str, folder: Path, volumes: Sequence[int]) -> Shares:
    """The share of the world's volume whose condition is known after 0, 1, 2 … requests."""
    trades = folder / "trades.parquet"
    pq.write_table(world.trades(by="token_id", volumes=volumes), trades)
    sections: dict[str, dict[str, Any]] = {"chain": {"enabled": False}}
    for name, path in _SOURCES.items():
        limit = polyledger.config.Settings().model_dump()[name]["requests_per_10s"]
        sections[name] = {"url": f"{url}/{path}", "requests_per_10s": limit}
    ledger = folder / "ledger"
    with polyledger.open(ledger, settings=load_settings(ledger, sections)) as workspace:
        workspace.import_trades([trades])
        report = workspace.sync(only=["tokens"])
        assert report["state"] == "done", report["message"]
        found = workspace.sql(_FOUND).arrow().to_pylist()
        asked = np.array([row["at"] for row in workspace.sql(_ASKED).arrow().to_pylist()], "datetime64[us]")
    print(f"{sum(report['requests'].values()):,} requests in {report['seconds']:.0f} s: {report['requests']}")
    owner = {token: place for place, market in enumerate(world.markets) for token in market.token_ids}
    first = np.full(len(world.markets), np.datetime64("9999-01-01", "us"))
    for row in found:
        place = owner[row["token"]]
        first[place] = min(first[place], np.datetime64(row["at"], "us"))
    at = np.searchsorted(asked, first) + 1
    gained = np.zeros(len(asked) + 1)
    known = at <= len(asked)
    np.add.at(gained, at[known], np.array(world.volumes, np.float64)[known])
    return np.cumsum(gained) / sum(world.volumes)


def dealt(world: MarketWorld, order: str) -> list[int]:
    """Amounts by condition that make the planner take them in this order."""
    if order == "impact":
        return world.volumes
    amounts = sorted(world.volumes, reverse=True)  # the markets stand in the order in which they were prepared
    if order == "random":
        random.Random(7).shuffle(amounts)
    return amounts


@contextmanager
def served(world: MarketWorld, folder: Path) -> Iterator[str]:
    """A replica in a process of its own that enforces limits; each source lacks a third of the markets."""
    logs, script = world.write(folder), folder / "faults.json"
    missing = {f"missing_{path}": world.unknown_to(path, UNKNOWN) for path in _SOURCES.values()}
    script.write_text(json.dumps({"http": {"limits": DOCUMENTED_LIMITS}, "markets": missing}))
    command = [sys.executable, "-m", "polyledger", "replica", "--world", str(logs), "--faults", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measure(conditions: int, exponent: float, orders: Sequence[str]) -> dict[str, Shares]:
    """The curves of the orders."""
    world = generate(conditions, exponent=exponent)
    folder = scratch("impact")
    curves = {}
    for order in orders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            with served(world, folder) as url:
                began = time.monotonic()
                curves[order] = run(world, url, folder, dealt(world, order))
                tenth, fifth, whole = (after(curves[order], share) for share in (0.1, 0.2, 1.0))
                took = time.monotonic() - began
                said = f"{tenth:.1%} after a tenth, {fifth:.1%} after a fifth, {whole:.1%} at the end, {took:.0f} s"
                print(f"{_ORDERS[order]}: {said}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return curves


def after(curve: Shares, share: float) -> float:
    """The share of volume after this share of the requests."""
    return float(curve[round(share * (len(curve) - 1))])


def chart(curves: dict[str, Shares]) -> str:
    """An SVG picture of the curves."""
    left, top, width, height = 56, 44, 520, 260
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 360" role="img" font-family="sans-serif"',
        '  font-size="13">',
        "<title>Share of the volume attributed after a share of the requests, by order of asking</title>",
        '<rect width="720" height="360" fill="white"/>',
        f'<text x="{left}" y="24" font-size="15" font-weight="bold">Volume attributed as requests are made</text>',
    ]
    for percent in range(0, 101, 20):
        y, x = top + height * (1 - percent / 100), left + width * percent / 100
        lines += [
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>',
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#374151">{percent} %</text>',
            f'<text x="{x:.1f}" y="{top + height + 20}" text-anchor="middle" fill="#374151">{percent} %</text>',
        ]
    tenth = left + width / 10
    bottom, middle = top + height, left + width / 2
    lines += [
        f'<line x1="{tenth}" x2="{tenth}" y1="{top}" y2="{bottom}" stroke="#9ca3af" stroke-dasharray="4 4"/>',
        f'<text x="{middle}" y="{bottom + 40}" text-anchor="middle" fill="#374151">share of all requests</text>',
    ]
    places = {"impact": 0, "age": 1, "random": 2}
    for order, curve in curves.items():
        steps = np.linspace(0, len(curve) - 1, 201).round().astype(int)
        points = " ".join(
            f"{left + width * step / (len(curve) - 1):.1f},{top + height * (1 - curve[step]):.1f}" for step in steps
        )
        at = f'x="{left + width + 12}" fill="{_COLOURS[order]}"'
        y = top + height / 2 + 34 * places[order]
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{_COLOURS[order]}" stroke-width="2.5"/>',
            f'<text {at} y="{y}" font-weight="bold">{_ORDERS[order]}</text>',
            f'<text {at} y="{y + 15}">{after(curve, 0.1):.0%} after 10 %</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.impact_order", description=__doc__)
    parser.add_argument("picture", type=Path, nargs="?", help="where to write the chart (SVG)")
    parser.add_argument("--conditions", type=int, default=20_000)
    parser.add_argument("--exponent", type=float, default=1.0)
    parser.add_argument("--orders", nargs="+", choices=list(_ORDERS), default=list(_ORDERS))
    arguments = parser.parse_args()
    curves = measure(arguments.conditions, arguments.exponent, arguments.orders)
    if arguments.picture is not None:
        arguments.picture.write_text(chart(curves))
        print(f"written to {arguments.picture}")


if __name__ == "__main__":
    main()
