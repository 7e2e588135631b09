"""Looking for the one event, or two, behind a difference that no rule explains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from polyledger.store.database import Database
from polyledger.value.against.positions import Integers, Positions, Rules

_MOST_PAIRED: Final = 1000
"""With more candidates, two of them meet a number by chance."""
_FILLS: Final = """
SELECT f.wallet AS account, f.token, '0x' || lower(hex(x.hash)) || ':' || f.log_index AS fill,
       CASE WHEN f.side = 0 THEN f.shares - CASE WHEN f.layout = 1 THEN f.fee - f.fee_refund ELSE 0 END
            ELSE f.leftover - f.shares END AS shares,
       CASE WHEN f.side = 0 THEN f.leftover - f.collateral - CASE WHEN f.layout = 1 THEN 0 ELSE f.fee - f.fee_refund END
            ELSE f.collateral - (f.fee - f.fee_refund) END AS cash
FROM chain.fills AS f
JOIN batch_wallets AS w ON w.account = f.wallet
JOIN chain.transactions AS x ON x.tx = f.tx
ORDER BY f.wallet, f.tx, f.log_index
"""


@dataclass(frozen=True)
class Found:
    """An event that accounts for a difference."""

    name: str
    detail: str
    condition: str | None = None


def single_conditions(positions: Positions, differences: Sequence[Any], tolerance: int) -> Iterator[tuple[Any, Found]]:
    """Each difference that a condition (or two) left out, mixed up or counted elsewhere accounts for."""
    rows_of = _rows_of(positions)
    values = positions.values(Rules()), positions.values(Rules(swapped=True))
    for difference in differences:
        found = _condition(positions, rows_of[difference.account], values, difference, tolerance)
        if found is not None:
            yield difference, found


def _rows_of(positions: Positions) -> dict[int, list[int]]:
    rows_of: dict[int, list[int]] = defaultdict(list)
    for row, account in enumerate(positions.account.tolist()):
        rows_of[account].append(row)
    return rows_of


def _condition(
    positions: Positions, rows: Sequence[int], values: tuple[Integers, Integers], difference: Any, tolerance: int
) -> Found | None:
    value, swapped = values
    own: dict[str, int] = defaultdict(int)
    other: dict[str, int] = defaultdict(int)
    turned: dict[str, int] = defaultdict(int)
    for row in rows:
        name = positions.condition_id[row]
        if name is None:
            continue
        inside = difference.category in {None, positions.category[row]}
        (own if inside else other)[name] += int(value[row])
        if inside:
            turned[name] += int(swapped[row] - value[row])
    lacking = round(difference.ours - difference.theirs)
    for name, amount in turned.items():
        if amount and abs(amount + lacking) <= tolerance:
            return Found("outcome_index", f"of condition {name}", name)
    for name, amount in own.items():
        if amount and abs(amount - lacking) <= tolerance:
            return Found("missing_fills", f"everything in condition {name}", name)
    for name, amount in other.items():
        if amount and abs(amount + lacking) <= tolerance:
            return Found("wrong_market", f"condition {name} is counted in this category", name)
    return _two(list(own.items()), lacking, tolerance, "missing_fills", "everything in conditions {} and {}")


def single_fills(
    database: Database, positions: Positions, differences: Sequence[Any], tolerance: int
) -> Iterator[tuple[Any, Found]]:
    """Each difference that a fill (or two) left out accounts for."""
    rows_of = _rows_of(positions)
    cursor = database.cursor()
    try:
        wallets = sorted({difference.account for difference in differences})
        cursor.register("batch_wallets", pa.table({"account": pa.array(wallets, pa.int32())}))
        fills = cursor.execute(_FILLS).fetchall()
    finally:
        cursor.close()
    by_wallet: dict[int, list[tuple[int, str, int, int]]] = defaultdict(list)
    for account, token, fill, shares, cash in fills:
        by_wallet[account].append((int(token), str(fill), int(shares), int(cash)))
    held, _ = positions.sums(Rules())
    for difference in differences:
        row_of = {int(positions.token[row]): row for row in rows_of[difference.account]}
        worth = []
        for token, fill, shares, cash in by_wallet[difference.account]:
            row = row_of[token]
            if not (positions.resolved[row] and positions.complete[row]):
                continue
            if difference.category in {None, positions.category[row]}:
                worth.append(
                    (fill, cash + _payout(positions, row, held[row]) - _payout(positions, row, held[row] - shares))
                )
        lacking = round(difference.ours - difference.theirs)
        one = next((fill for fill, amount in worth if amount and abs(amount - lacking) <= tolerance), None)
        found = None if one is None else Found("missing_fills", f"fill {one}")
        found = found or _two(worth, lacking, tolerance, "missing_fills", "fills {} and {}")
        if found is not None:
            yield difference, found


def _payout(positions: Positions, row: int, shares: int) -> int:
    numerator, denominator = int(positions.numerator[row]), int(positions.denominator[row])
    return max(int(shares), 0) * numerator // denominator if denominator else 0


def _two(worth: Sequence[tuple[str, int]], wanted: int, tolerance: int, name: str, detail: str) -> Found | None:
    """Two different entries that together come to `wanted`."""
    able = [(label, amount) for label, amount in worth if amount]
    if not 2 <= len(able) <= _MOST_PAIRED:
        return None
    amounts = np.array([amount for _, amount in able], np.int64)
    order = np.argsort(amounts, kind="stable")
    ranked = amounts[order]
    first = np.searchsorted(ranked, wanted - amounts - tolerance)
    last = np.searchsorted(ranked, wanted - amounts + tolerance, side="right")
    for one in np.flatnonzero(last > first).tolist():
        for place in range(int(first[one]), int(last[one])):
            other = int(order[place])
            if other != one:
                return Found(name, detail.format(able[one][0], able[other][0]))
    return None
