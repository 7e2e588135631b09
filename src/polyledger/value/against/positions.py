"""What a wallet's profit is made of, as arrays that can be summed anew under other rules.

A row is a wallet × token (or a wallet × neg-risk group, for the cash of conversions); a column is a kind of event.
Summing a row's columns gives the position; a `Rules` says which columns count, how often, and how that is valued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polyledger.store.database import Database
from polyledger.store.sql import script

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
_LARGEST_NUMERATOR: Final = 1 << 12  # times any amount of shares, this stays below 2^63

_GROUPS: Final = """
SELECT neg_risk_market, category, all_resolved FROM book.neg_risk_groups ORDER BY neg_risk_market
"""
_MOVED: Final = """
SELECT s.account, CAST(sum(s.amount) AS BIGINT) AS amount
FROM (
    SELECT c.recipient AS account, c.amount FROM chain.collateral_transfers AS c
    JOIN batch_wallets AS w ON w.account = c.recipient
    JOIN book.currencies AS m ON m.account = c.contract AND m.currency = 1 WHERE c.plain
    UNION ALL
    SELECT c.sender, -c.amount FROM chain.collateral_transfers AS c
    JOIN batch_wallets AS w ON w.account = c.sender
    JOIN book.currencies AS m ON m.account = c.contract AND m.currency = 1 WHERE c.plain
) AS s GROUP BY s.account
"""
_RESOLVED_BY: Final = """
SELECT DISTINCT source, condition FROM claim.resolutions
WHERE state IN ('resolved', 'void') AND verdict <> 'quarantined' ORDER BY source, condition
"""


@dataclass(frozen=True)
class Rules:
    """How profit is summed. The plain `Rules()` are the ledger's own.

    Attributes:
        weights: (beginning of part names, times shares count, times cash counts); later ones win.
        held: whether shares still held in resolved conditions count at their payout.
        open_at: unresolved positions: left out (None), at zero, or at the price of the last fill.
        swapped: outcomes 0 and 1 of binary conditions change places.
        only: name of a mask of rows; others are left out.
        moved: collateral received less sent by plain transfers counts as cash.
        factor: the sum is multiplied by the first and divided by the second.
        below_zero: shares that were given without having come in count against the wallet, at their payout.
    """

    weights: tuple[tuple[str, int, int], ...] = ()
    held: bool = True
    open_at: Literal["zero", "last price"] | None = None
    swapped: bool = False
    only: str | None = None
    moved: bool = False
    factor: tuple[int, int] = (1, 1)
    below_zero: bool = False

    def and_also(self, other: Rules) -> Rules:
        """Both changes at once."""
        return replace(
            self,
            weights=(*self.weights, *other.weights),
            held=self.held and other.held,
            open_at=other.open_at or self.open_at,
            swapped=self.swapped or other.swapped,
            only=other.only or self.only,
            moved=self.moved or other.moved,
        )


@dataclass
class Positions:
    """The rows of some wallets. `parts` names the columns of `shares` and `cash`, which have a row per position."""

    parts: list[str]
    shares: Integers
    cash: Integers
    account: Integers
    token: Integers
    condition: Integers
    condition_id: list[str | None]
    category: list[str]
    resolved: Flags
    numerator: Integers
    denominator: Integers
    binary: Flags
    price: NDArray[np.float64]
    masks: dict[str, Flags]
    moved: Mapping[int, int]
    complete: Flags

    def values(self, rules: Rules) -> Integers:
        """What each row adds to realized profit under `rules`, in millionths."""
        shares, cash = self.sums(rules)
        held = shares if rules.below_zero else np.maximum(shares, 0)
        numerator = np.where(self.binary, self.denominator - self.numerator, self.numerator) if rules.swapped else None
        settled = _paid(held, self.numerator if numerator is None else numerator, self.denominator)
        counted = self.resolved & self.complete
        if rules.only is not None:
            counted = counted & self.masks[rules.only]
        value = np.where(counted, cash + (settled if rules.held else 0), 0)
        if rules.open_at is not None:
            worth = np.rint(np.maximum(shares, 0) * self.price).astype(np.int64) if rules.open_at == "last price" else 0
            value = value + np.where(self.resolved & self.complete, 0, cash + np.where(self.resolved, settled, worth))
        return np.asarray(value, np.int64)

    def sums(self, rules: Rules) -> tuple[Integers, Integers]:
        """Shares and cash of each row under `rules`."""
        of_shares = np.array([0 if part == "counter" else 1 for part in self.parts], np.int64)
        of_cash = of_shares.copy()
        for beginning, shares, cash in rules.weights:
            for column, part in enumerate(self.parts):
                if part.startswith(beginning):
                    of_shares[column], of_cash[column] = shares, cash
        return self.shares @ of_shares, self.cash @ of_cash


def load_positions(database: Database, accounts: Sequence[int]) -> Positions:
    """Everything that moved shares or cash of some accounts (keys of dim.accounts)."""
    cursor = database.cursor()
    try:
        cursor.register("batch_wallets", pa.table({"account": pa.array(list(accounts), pa.int32())}))
        parts = cursor.sql(script("polyledger.value", "against_parts")).to_arrow_table()
        moved = {int(account): int(amount) for account, amount in cursor.execute(_MOVED).fetchall()}
        groups = {row[0]: row for row in cursor.execute(_GROUPS).fetchall()}
        resolved_by = cursor.execute(_RESOLVED_BY).fetchall()
        tokens = np.unique(parts.column("token").to_numpy())
        cursor.register("batch_tokens", pa.table({"token": pa.array(tokens[tokens >= 0], pa.int32())}))
        facts = {row["token"]: row for row in _facts(cursor)}
    finally:
        cursor.close()
    return _arrange(parts, facts, groups, moved, resolved_by)


def _facts(cursor: Any) -> list[dict[str, Any]]:
    rows = cursor.sql(script("polyledger.value", "against_tokens")).to_arrow_table().to_pylist()
    return [dict(row) for row in rows]


def _arrange(
    parts: pa.Table,
    facts: Mapping[int, Mapping[str, Any]],
    groups: Mapping[int, tuple[Any, ...]],
    moved: Mapping[int, int],
    resolved_by: Sequence[tuple[str, int]],
) -> Positions:
    keys = np.stack([parts.column(name).to_numpy() for name in ("account", "token", "neg_risk_market")], axis=1)
    rows, row_of = np.unique(keys, axis=0, return_inverse=True)
    names = sorted(set(parts.column("part").to_pylist()))
    column_of = np.array([names.index(part) for part in parts.column("part").to_pylist()], np.int64)
    shares = np.zeros((len(rows), len(names)), np.int64)
    cash = np.zeros_like(shares)
    row_of = row_of.reshape(-1)
    shares[row_of, column_of] = parts.column("shares").to_numpy()
    cash[row_of, column_of] = parts.column("cash").to_numpy()
    described = [_described(int(token), int(group), facts, groups) for _, token, group in rows]
    condition = np.array([entry["condition"] for entry in described], np.int64)
    positions = Positions(
        parts=names,
        shares=shares,
        cash=cash,
        account=rows[:, 0].astype(np.int64),
        token=rows[:, 1].astype(np.int64),
        condition=condition,
        condition_id=[entry["condition_id"] for entry in described],
        category=[entry["category"] for entry in described],
        resolved=np.array([entry["resolved"] for entry in described], np.bool_),
        numerator=np.array([entry["numerator"] for entry in described], np.int64),
        denominator=np.array([entry["denominator"] for entry in described], np.int64),
        binary=np.array([entry["slots"] == 2 for entry in described], np.bool_),
        price=np.array([entry["price"] for entry in described], np.float64),
        masks={"with a market": np.array([entry["has_market"] for entry in described], np.bool_)},
        moved=moved,
        complete=np.ones(len(rows), np.bool_),
    )
    for source in sorted({source for source, _ in resolved_by}):
        known = np.array([key for name, key in resolved_by if name == source], np.int64)
        positions.masks[f"resolved by {source}"] = np.isin(condition, known)
    positions.complete = _complete(positions)
    return positions


def _described(
    token: int, group: int, facts: Mapping[int, Mapping[str, Any]], groups: Mapping[int, tuple[Any, ...]]
) -> dict[str, Any]:
    if token >= 0:
        return {**facts[token], "resolved": facts[token]["denominator"] > 0}
    _, category, resolved = groups.get(group, (group, "Uncategorized", False))
    return {
        "condition": -2 - group, "condition_id": None, "category": category, "resolved": bool(resolved), "numerator": 0,
        "denominator": 1, "slots": 0, "price": 0.0, "has_market": True,
    }  # fmt: skip


def _complete(positions: Positions) -> Flags:
    """False for conditions of which a wallet gave more shares than came in: no profit is realized there."""
    shares, _ = positions.sums(Rules())
    pairs = np.stack([positions.account, positions.condition], axis=1)
    _, pair_of = np.unique(pairs, axis=0, return_inverse=True)
    pair_of = pair_of.reshape(-1)
    short = np.zeros(int(pair_of.max(initial=-1)) + 1, np.bool_)
    short[pair_of[shares < 0]] = True
    return ~short[pair_of]


def _paid(shares: Integers, numerator: Integers, denominator: Integers) -> Integers:
    """Shares at their payout, cut off towards zero as redemption does; nothing where there is none."""
    divisor = np.maximum(np.gcd(numerator, denominator), 1)
    above, below = numerator // divisor, np.maximum(denominator // divisor, 1)
    size = np.abs(shares)
    if above.max(initial=0) > _LARGEST_NUMERATOR:
        paid = np.array([int(s) * int(a) // int(b) for s, a, b in zip(size, above, below, strict=True)], np.int64)
    else:
        paid = size * above // below
    return np.asarray(np.where(denominator > 0, np.sign(shares) * paid, 0), np.int64)
