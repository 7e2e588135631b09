"""Files of trades in the forms that people keep them in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import polyledger
from polyledger.config import load_settings
from polyledger.workspace import Workspace

TOKENS = [str(int.from_bytes(bytes([n + 1]) * 32, "big")) for n in range(4)]
CONDITIONS = ["0x" + f"{n + 0xA0:02x}" * 32 for n in range(2)]
WALLETS = ["0x" + f"{n + 1:02x}" * 20 for n in range(3)]
TRADES = """
SELECT t.row_number, k.token_id, '0x' || lower(hex(c.condition_id)) AS condition, i.market_id, i.slug,
       i.outcome_index, i.outcome, '0x' || lower(hex(x.hash)) AS transaction, t.log_index,
       '0x' || lower(hex(a.address)) AS wallet, t.role, t.side, t.shares, t.collateral, t.fee, t.timestamp
FROM imported.trades AS t
JOIN imported.identities AS i ON i.identity = t.identity
LEFT JOIN dim.tokens AS k ON k.token = i.token
LEFT JOIN dim.conditions AS c ON c.condition = i.condition
LEFT JOIN imported.transactions AS x ON x.transaction = t.transaction
LEFT JOIN dim.accounts AS a ON a.account = t.wallet
ORDER BY t.trade
"""


def workspace_in(folder: Path) -> Workspace:
    return polyledger.open(folder, settings=load_settings(folder, {}))


def rows_of(workspace: Workspace, query: str = TRADES) -> list[dict[str, Any]]:
    return workspace.sql(query).arrow().to_pylist()


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A trade as the Data API lists it."""
    values: dict[str, Any] = {
        "proxyWallet": WALLETS[number % 3],
        "side": ("BUY", "SELL")[number % 2],
        "asset": TOKENS[number % 4],
        "conditionId": CONDITIONS[number % 2],
        "size": 10 + number / 8,
        "price": 0.25,
        "timestamp": 1_764_816_217 + number,
        "slug": f"market-{number % 2}",
        "outcome": ("Yes", "No")[number % 2],
        "outcomeIndex": number % 2,
        "transactionHash": "0x" + f"{number + 1:064x}",
    }
    return {**values, **changes}


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=40)
    return path
