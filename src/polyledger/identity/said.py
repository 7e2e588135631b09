"""All that was said of conditions and tokens, claim by claim: who, when, on which evidence, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from polyledger.store.database import Database

Said = dict[str, Any]

_EVIDENCE: Final = "'0x' || lower(hex(e.body_sha256)) AS evidence, e.request, e.run_id"
_MARKETS: Final = f"""
SELECT m.condition, '0x' || lower(hex(d.condition_id)) AS condition_id, m.source,
       m.market_id, m.question, m.slug, m.event_id, m.category, m.token_ids, m.verdict,
       m.observed_at, m.evidence_id, {_EVIDENCE},
       m.evidence_id = max(CASE WHEN m.verdict IN ('proven', 'claimed') THEN m.evidence_id END)
           OVER (PARTITION BY m.source, m.condition) AND m.verdict IN ('proven', 'claimed') AS standing
FROM claim.markets AS m
JOIN asked AS a ON a.key = m.condition
JOIN dim.conditions AS d ON d.condition = m.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = m.evidence_id
ORDER BY m.condition, m.observed_at, m.source, m.market_id
"""
_TOKENS: Final = f"""
SELECT c.token, c.source, '0x' || lower(hex(d.condition_id)) AS condition_id, c.outcome_index, c.outcome, c.verdict,
       c.observed_at, c.evidence_id, {_EVIDENCE}
FROM book.token_claims AS c
JOIN asked AS a ON a.key = c.token
LEFT JOIN dim.conditions AS d ON d.condition = c.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = c.evidence_id
ORDER BY c.token, c.observed_at, c.source, c.outcome_index
"""
_RESOLUTIONS: Final = f"""
SELECT r.condition, r.source, r.state, r.payouts, r.stated, r.derived, r.resolved_at, r.verdict, r.observed_at,
       r.evidence_id, {_EVIDENCE},
       r.evidence_id = max(CASE WHEN r.verdict = 'claimed' THEN r.evidence_id END)
           OVER (PARTITION BY r.source, r.condition) AND r.verdict = 'claimed' AS standing
FROM claim.resolutions AS r
JOIN asked AS a ON a.key = r.condition
LEFT JOIN meta.evidence AS e ON e.evidence_id = r.evidence_id
ORDER BY r.condition, r.observed_at, r.source
"""


def of_markets(database: Database, conditions: Iterable[int]) -> dict[int, list[Said]]:
    """Claims about the markets of conditions (keys). `standing`: the source's latest word, neither refuted nor set
    aside."""
    return _grouped(database, _MARKETS, conditions, "condition")


def of_tokens(database: Database, tokens: Iterable[int]) -> dict[int, list[Said]]:
    """Claims about tokens (keys), those that market claims make among them."""
    return _grouped(database, _TOKENS, tokens, "token")


def of_resolutions(database: Database, conditions: Iterable[int]) -> dict[int, list[Said]]:
    """Claims about the settlement of conditions (keys); `standing` as in `of_markets`."""
    return _grouped(database, _RESOLUTIONS, conditions, "condition")


def claim(row: Said, value: Any, *, won: bool) -> dict[str, Any]:
    """One claim as documents show it."""
    request = json.loads(row["request"]) if row["request"] else None
    return {
        "source": row["source"],
        "value": value,
        "won": won,
        "refuted": row["verdict"] == "refuted",
        "quarantined": row["verdict"] == "quarantined",
        "verdict": row["verdict"],
        "evidence": {"body": row["evidence"], "request": request, "run": row["run_id"]},
        "observed_at": f"{row['observed_at'].isoformat()}Z",
    }


def _grouped(database: Database, sql: str, keys: Iterable[int], key: str) -> dict[int, list[Said]]:
    wanted = pa.table({"key": pa.array(sorted(set(keys)), pa.int32())})
    cursor = database.cursor()
    try:
        cursor.register("asked", wanted)
        rows = cursor.sql(sql).to_arrow_table().to_pylist()
    finally:
        cursor.close()
    result: dict[int, list[Said]] = {}
    for row in rows:
        result.setdefault(row[key], []).append(row)
    return result
