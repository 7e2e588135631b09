"""The average-cost method over synthetic fills, against the plain loop that it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bench.figures import Figure, isolated, progress, timed
from polyledger.value.average_cost import OPERATIONS, average_cost
from polyledger.value.average_cost_events import Parties, operations
from polyledger.value.average_cost_tables import EVENTS

_SCALE = 10**6
_LOOP_ROWS = 1_000_000


def measure(rows: int) -> list[Figure]:
    """Fills a second, from tables of events to positions; the loop is measured on a million of them."""
    progress(f"average cost over {rows:,} fills")
    own = isolated(own_run, rows)
    plain = isolated(plain_run, rows).value
    note = f"{own.value['seconds']:.1f} s, {own.value['mapping']:.1f} of it mapping; "
    note += f"{own.value['positions']:,} positions; {own.peak}"
    label = f"average cost, {rows / 1e6:,.1f} M fills"
    return [Figure(label, rows / own.value["seconds"], "fills/s", "loop over a dict", plain, "", note)]


def fills(rows: int) -> dict[str, Any]:
    """Columns of synthetic fills: some positions have thousands of fills, most a few; 40 % are sales."""
    random = np.random.default_rng(20_261_121)
    wallets, tokens = max(1000, rows // 120), max(1000, rows // 400)
    positions = max(1000, rows // 5)
    position = (positions * random.random(rows) ** 2).astype(np.int64)
    wallet = (wallets * random.random(positions) ** 3).astype(np.int64)
    token = (tokens * random.random(positions) ** 2).astype(np.int64)
    shares = random.integers(1, 10**9, rows)
    return {
        "tx": (np.arange(rows) // 60 + 60_000_000 << 16) | np.arange(rows) % 60 // 4,
        "log_index": (np.arange(rows) % 60 * 7).astype(np.int32),
        "wallet": wallet[position],
        "side": (random.random(rows) < 0.4).astype(np.uint8),
        "token": token[position],
        "shares": shares,
        "collateral": (shares * random.random(rows)).astype(np.int64),
    }


def own_run(rows: int) -> dict[str, float]:
    """Mapping and fold."""
    tables = {name: schema.empty_table() for name, schema in EVENTS.items()}
    tables["fills"] = pa.table(fills(rows), schema=EVENTS["fills"])
    nobody: frozenset[int] = frozenset()
    mapped, mapping = timed(lambda: operations(tables, Parties(nobody, nobody, nobody)).operations)
    assert mapped.schema == OPERATIONS
    positions, folding = timed(lambda: average_cost(mapped))
    return {"seconds": mapping + folding, "mapping": mapping, "positions": positions.num_rows}


def plain_run(rows: int) -> float:
    """Fills a second by a loop over the first rows."""
    columns = {name: column[:_LOOP_ROWS].tolist() for name, column in fills(rows).items()}
    names = ("wallet", "token", "side", "shares", "collateral")
    listed = list(zip(*(columns[name] for name in names), strict=True))
    return len(listed) / timed(lambda: _loop(listed))[1]


def _loop(rows: list[tuple[int, int, int, int, int]]) -> dict[tuple[int, int], list[int]]:
    positions: dict[tuple[int, int], list[int]] = {}
    for wallet, token, side, shares, collateral in rows:
        position = positions.setdefault((wallet, token), [0, 0, 0, 0])
        amount, average = position[0], position[1]
        price = collateral * _SCALE // shares
        if side == 0:
            position[1] = (average * amount + price * shares) // (amount + shares)
            position[0] = amount + shares
            position[3] += shares
        else:
            sold = min(shares, amount)
            gain = sold * (price - average)
            position[2] += gain // _SCALE if gain >= 0 else -(-gain // _SCALE)
            position[0] = amount - sold
    return positions
