"""Work done and how to take it back: scanned intervals, block hashes, and the roll-back of a reorg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polyledger.domain.intervals import Interval, normalise
from polyledger.store.holdings import empty_base, holdings_upto

# Every table of facts, all keyed by tx = block << 16 | transaction index.
FACT_TABLES: Final = (
    "fills", "matches", "fees_charged", "fee_refunds", "share_transfers", "collateral_transfers", "position_changes",
    "redemptions", "redemption_shares", "conversions", "preparations", "resolutions", "registrations",
    "neg_risk_markets", "neg_risk_questions", "outcomes_reported", "roles", "amm_pools", "amm_funding",
    "protocol_changes", "minor_logs", "unknown_logs", "transactions", "unbalanced",
)  # fmt: skip
LOG_TABLES: Final = tuple(
    table for table in FACT_TABLES if table not in {"redemption_shares", "transactions", "unbalanced"}
)


@dataclass(frozen=True, slots=True)
class Scanned:
    """One completed range, as it is committed with its data. Hashes are 32 bytes."""

    from_block: int
    to_block: int
    last_hash: bytes
    logs: int
    digest: bytes


def done(connection: duckdb.DuckDBPyConnection, scope: str) -> list[Interval]:
    """The intervals scanned for `scope`, merged and sorted."""
    rows = connection.execute("SELECT from_block, to_block FROM meta.intervals WHERE scope = ?", [scope]).fetchall()
    return normalise((int(first), int(last)) for first, last in rows)


def end_of_neighbour(connection: duckdb.DuckDBPyConnection, block: int) -> int | None:
    """The newest block scanned for anybody, if the block right after `block` is among them; else None."""
    rows = connection.execute(
        "SELECT max(to_block) FROM meta.intervals WHERE to_block > $block "
        "HAVING count(*) FILTER (WHERE from_block <= $block + 1) > 0",
        {"block": block},
    ).fetchall()
    return int(rows[0][0]) if rows else None


def stored_logs(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> npt.NDArray[np.int64]:
    """Places (block << 32 | log index), sorted, of all logs stored of the transactions first … last (tx keys)."""
    parts = " UNION ALL ".join(f"SELECT tx, log_index FROM chain.{table} WHERE tx BETWEEN $first AND $last"
                               for table in LOG_TABLES)  # fmt: skip
    rows = connection.execute(
        f"SELECT DISTINCT (tx >> 16 << 32) | log_index AS place FROM ({parts}) AS logs ORDER BY place",
        {"first": first, "last": last},
    ).fetchnumpy()
    return np.asarray(rows["place"], np.int64)


def record(connection: duckdb.DuckDBPyConnection, scope: str, scanned: Scanned, run_id: str) -> None:
    """Note a range as done; belongs into the transaction that stores its data."""
    connection.execute(
        "INSERT INTO meta.intervals VALUES ($scope, $first, $last, $hash, $logs, $digest, $run)",
        {
            "scope": scope,
            "first": scanned.from_block,
            "last": scanned.to_block,
            "hash": scanned.last_hash,
            "logs": scanned.logs,
            "digest": scanned.digest,
            "run": run_id,
        },
    )


def append_blocks(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> None:
    """Store headers that are not stored yet: a table with the columns of chain.blocks, each number at most once."""
    if not table.num_rows:
        return
    numbers = table.column("number").to_numpy()
    connection.register("batch_blocks", table)
    try:
        connection.execute(
            "INSERT INTO chain.blocks SELECT b.* FROM batch_blocks AS b WHERE NOT EXISTS ("
            "SELECT 1 FROM chain.blocks AS c WHERE c.number = b.number AND c.number BETWEEN ? AND ?)",
            [int(numbers.min()), int(numbers.max())],
        )
    finally:
        connection.unregister("batch_blocks")


def stored_hashes(
    connection: duckdb.DuckDBPyConnection, *, above: int, below: int | None = None, limit: int | None = None
) -> list[tuple[int, bytes]]:
    """(number, hash) of stored blocks with above < number (< below), highest first."""
    sql = "SELECT number, hash FROM chain.blocks WHERE number > ? AND number < ? ORDER BY number DESC"
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    rows = connection.execute(sql, [above, below if below is not None else np.iinfo(np.int64).max]).fetchall()
    return [(int(number), bytes(block_hash)) for number, block_hash in rows]


def roll_back(connection: duckdb.DuckDBPyConnection, ancestor: int, ancestor_hash: bytes) -> dict[str, int]:
    """Take back everything above block `ancestor`, inside the caller's transaction.

    Facts of the orphaned blocks go, with what they resolved, prepared, named or registered, because all of that is read
    from the facts. Surrogate keys stay: a key by itself says nothing.

    Returns:
        Rows removed per table.
    """
    first = (ancestor + 1) << 16
    removed: dict[str, int] = {}
    for table in FACT_TABLES:
        ((count,),) = connection.execute(f"SELECT count(*) FROM chain.{table} WHERE tx >= ?", [first]).fetchall()
        if count:
            connection.execute(f"DELETE FROM chain.{table} WHERE tx >= ?", [first])
            removed[table] = int(count)
    # Imported rows that were fills of those blocks are matched anew when blocks take their place.
    connection.execute("DELETE FROM imported.matches WHERE tx >= ?", [first])
    connection.execute("DELETE FROM chain.blocks WHERE number > ?", [ancestor])
    connection.execute("DELETE FROM meta.intervals WHERE from_block > ?", [ancestor])
    connection.execute(
        "UPDATE meta.intervals SET to_block = ?, last_hash = ? WHERE to_block > ?", [ancestor, ancestor_hash, ancestor]
    )
    forget_sums(connection, ancestor + 1)
    return removed


def forget_sums(connection: duckdb.DuckDBPyConnection, changed_from: int) -> None:
    """Drop the compacted sums if they reach up to block `changed_from`: they are drawn up anew from the events."""
    if holdings_upto(connection) >= changed_from << 16:
        empty_base(connection)
