"""Comparing with what somebody already has: figures of wallets, or mappings, and the cause of each difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.amounts import amount_text
from polyledger.store.database import Database
from polyledger.value.against.mappings import compare_mapping
from polyledger.value.against.profit import compare_profit
from polyledger.value.against.reading import read_theirs

__all__ = ["compare"]


def compare(database: Database, path: Path, contracts: ContractSet, *, tolerance: int = 1) -> dict[str, Any]:
    """The polyledger.verify-against/1 document of a Parquet, CSV or JSONL file.

    Args:
        database: the ledger.
        path: figures of wallets, or a mapping; see `polyledger.value.against.reading.ROLES` for the names of columns.
        contracts: whose collaterals tokens are derived in.
        tolerance: in millionths of a USDC; amounts that differ by no more agree.

    Raises:
        UsageError: the file cannot be read, or has nothing that can be compared.
    """
    file = read_theirs(path)
    if file.kind == "pnl":
        compared = compare_profit(database, file, tolerance)
    else:
        compared = compare_mapping(database, file, contracts)
    return {
        "schema": "polyledger.verify-against/1",
        "file": str(path),
        "kind": file.kind,
        "columns": file.columns,
        "tolerance": amount_text(tolerance),
        "ok": not compared["differ"] and not compared["unreadable"],
        **compared,
    }
