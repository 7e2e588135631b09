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
    import altair as alt
    import vl_convert

    names = {order: f"{_ORDERS[order]}: {after(curve, 0.1):.0%} after a tenth" for order, curve in curves.items()}
    rows = [
        {"order": names[order], "asked": place / 200, "covered": after(curve, place / 200)}
        for order, curve in curves.items()
        for place in range(201)
    ]
    colours = alt.Scale(domain=list(names.values()), range=[_COLOURS[order] for order in names])
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2.5)
        .encode(
            alt.X("asked:Q").axis(format="%").title("share of all requests"),
            alt.Y("covered:Q").axis(format="%").title("share of the volume with a condition"),
            alt.Color("order:N").scale(colours).title(None).legend(orient="bottom-right", labelLimit=400),
        )
    )
    tenth = alt.Chart(alt.Data(values=[{"asked": 0.1}])).mark_rule(strokeDash=[4, 4], color="#9ca3af")
    picture = alt.layer(tenth.encode(alt.X("asked:Q")), lines).properties(
        width=560, height=280, title="Volume attributed as requests are made", background="white"
    )
    svg: str = vl_convert.vegalite_to_svg(picture.to_dict())
    return svg


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
