"""What imported rows of a transaction mean, and what was asked about it: for `explain`."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.amounts import amount_text
from polyledger.store.database import Database

Document = dict[str, Any]

_SIDES: Final = ("BUY", "SELL")
_STANDINGS: Final = ("counted", "duplicate", "unconfirmed")
_ROWS: Final = """
SELECT f.name AS file, r.row_number AS row, r.standing, r.side, r.shares, r.collateral, k.token_id AS token,
       '0x' || lower(hex(c.condition_id)) AS condition, l.outcome_index, l.state, l.reason, l.verdict
FROM book.imported_rows AS r
JOIN imported.files AS f ON f.file = r.file
JOIN book.imported_links AS l ON l.link = r.link
LEFT JOIN dim.tokens AS k ON k.token = l.token
LEFT JOIN dim.conditions AS c ON c.condition = l.condition
WHERE r.transaction = (SELECT transaction FROM imported.transactions WHERE hash = $hash)
ORDER BY r.trade LIMIT 100
"""
_FILLS: Final = """
SELECT r.block, r.log_index, '0x' || lower(hex(a.address)) AS wallet, r.side, k.token_id AS token, r.shares,
       r.collateral, '0x' || lower(hex(e.body_sha256)) AS evidence
FROM claim.receipt_fills AS r
LEFT JOIN dim.accounts AS a ON a.account = r.wallet
LEFT JOIN dim.tokens AS k ON k.token = r.token
LEFT JOIN meta.evidence AS e ON e.evidence_id = r.evidence_id
WHERE r.transaction = (SELECT transaction FROM imported.transactions WHERE hash = $hash)
ORDER BY r.log_index
"""
_ASKED: Final = """
SELECT source, outcome, asked_at FROM meta.lookups WHERE kind = 'transaction' AND lookup_key = $key ORDER BY asked_at
"""


def imported_rows(database: Database, transaction: bytes) -> list[Document]:
    """The imported rows that name a transaction (its hash), the first hundred: what each says and what it means."""
    rows = database.records(_ROWS, {"hash": transaction})
    return [_plain(row) | {"standing": _STANDINGS[row["standing"]]} for row in rows]


def of_imports(database: Database, text: str, rows: list[Document]) -> tuple[Any, str, list[Document], Document]:
    """Value, verdict, claims and proof of a transaction that no scanned block holds.

    Args:
        database: the ledger.
        text: the hash, 0x and 64 hex digits.
        rows: from `imported_rows`.
    """
    fills = database.records(_FILLS, {"hash": bytes.fromhex(text[2:])})
    claims = [
        {
            "source": "chain",
            "value": {name: fill[name] for name in ("log_index", "wallet", "side", "token", "shares", "collateral")},
            "won": any(row["token"] == fill["token"] and row["condition"] for row in rows),
            "refuted": False,
            "evidence": fill["evidence"],
            "observed_at": None,
        }
        for fill in map(_plain, fills)
    ]
    asked = [
        {"source": row["source"], "outcome": row["outcome"], "at": f"{row['asked_at'].isoformat()}Z"}
        for row in database.records(_ASKED, {"key": text})
    ]
    verdict = "proven" if all(row["verdict"] == "proven" for row in rows) else "unknown"
    proof = {"scanned": False, "receipt": bool(fills), "asked": asked}
    return {"rows": rows}, verdict, claims, proof


def _plain(row: Document) -> Document:
    """Sides by name, amounts as text in units."""
    plain = {**row, "side": None if row["side"] is None else _SIDES[row["side"]]}
    for name in ("shares", "collateral"):
        plain[name] = None if row[name] is None else amount_text(row[name])
    return plain
