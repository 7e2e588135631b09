"""Imported rows written straight into the ledger, for tests of how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

_IDENTITY = ("token", "condition", "market_id", "slug", "outcome_index", "outcome")


@dataclass
class Importer:
    """Writes one file of rows. Ids are keys of the ledger; a row without any of `_IDENTITY` has the empty set."""

    connection: duckdb.DuckDBPyConnection
    name: str = "trades.csv"
    file: int = 0
    sets: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ((self.file,),) = self.connection.execute("SELECT coalesce(max(file) + 1, 0) FROM imported.files").fetchall()
        self.connection.execute(
            "INSERT INTO imported.files VALUES (?, ?, ?, '{}', 0, 0, 0, 'r', TIMESTAMP '2026-01-01')",
            [self.file, self.name, bytes([self.file]) * 32],
        )
        rows = self.connection.execute(f"SELECT identity, {', '.join(_IDENTITY)} FROM imported.identities").fetchall()
        self.sets = {tuple(row[1:]): row[0] for row in rows}
        self.identity()

    def identity(self, **ids: Any) -> int:
        """The key of a set of ids."""
        values = tuple(ids.get(name) for name in _IDENTITY)
        if values not in self.sets:
            self.sets[values] = len(self.sets)
            self.connection.execute(
                "INSERT INTO imported.identities VALUES (?, ?, ?, ?, ?, ?, ?)", [self.sets[values], *values]
            )
        return self.sets[values]

    def transaction(self, hash: bytes) -> int:  # noqa: A002
        """The key of a transaction hash."""
        found = self.connection.execute(
            "SELECT transaction FROM imported.transactions WHERE hash = ?", [hash]
        ).fetchall()
        if found:
            return int(found[0][0])
        ((key,),) = self.connection.execute("SELECT count(*) FROM imported.transactions").fetchall()
        self.connection.execute("INSERT INTO imported.transactions VALUES (?, ?)", [key, hash])
        return int(key)

    def trade(self, *, hash: bytes | None = None, **row: Any) -> int:  # noqa: A002
        """Append a row: ids, wallet, side, role, shares, collateral, timestamp …; its key."""
        ((trade,),) = self.connection.execute("SELECT coalesce(max(trade) + 1, 0) FROM imported.trades").fetchall()
        identity = self.identity(**{name: row[name] for name in _IDENTITY if name in row})
        transaction = None if hash is None else self.transaction(hash)
        columns = ("log_index", "wallet", "counterparty", "role", "side", "shares", "collateral", "fee", "timestamp")
        self.connection.execute(
            f"INSERT INTO imported.trades VALUES ({', '.join('?' * 14)})",
            [trade, self.file, trade + 1, identity, transaction, *(row.get(name) for name in columns)],
        )
        return int(trade)

    def match(self, trade: int, tx: int | None, log_index: int, token: int) -> None:
        """Say that a row is a fill on chain, or of a receipt where there is no tx."""
        self.connection.execute(
            "INSERT INTO imported.matches SELECT trade, ?, ?, ?, file, identity, "
            "CASE WHEN role = 0 THEN 0 ELSE coalesce(collateral, 0) END FROM imported.trades WHERE trade = ?",
            [tx, log_index, token, trade],
        ).fetchall()
