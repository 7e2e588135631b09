"""Where claims contradict each other, or a proof: the polyledger.conflicts/1 document, with what hangs on each."""

from __future__ import annotations

from typing import Any, Final

from polyledger.domain.amounts import amount_text
from polyledger.identity import said
from polyledger.store.database import Database
from polyledger.store.sql import script

Document = dict[str, Any]

_ALL: Final = 2**62
_QUARANTINES: Final = """
SELECT q.source, q.kind, q.pattern, q.keys, q.observed_at, '0x' || lower(hex(e.body_sha256)) AS evidence
FROM claim.quarantines AS q LEFT JOIN meta.evidence AS e ON e.evidence_id = q.evidence_id
ORDER BY q.keys DESC, q.source, q.observed_at
"""
_PAYOUTS: Final = """
SELECT condition, source, verdict, '0x' || lower(hex(x.hash)) AS evidence,
       list_transform(numerators, lambda n: CAST(CAST(n AS HUGEINT) * 1000000 // list_sum(numerators) AS BIGINT))
           AS payouts
FROM book.resolution_facts AS f LEFT JOIN chain.transactions AS x ON x.tx = f.tx
WHERE f.numerators IS NOT NULL AND f.condition IN (SELECT unnest($keys))
"""
_NAMES: Final = """
SELECT condition, market_id, event_id, question, slug, market_category AS category
FROM book.market_names WHERE condition IN (SELECT unnest($keys))
"""
_LINKS: Final = """
SELECT t.token, '0x' || lower(hex(c.condition_id)) AS condition_id, t.outcome_index
FROM dim.tokens AS t JOIN dim.conditions AS c ON c.condition = t.condition WHERE t.token IN (SELECT unnest($keys))
"""


def conflicts(database: Database, limit: int | None = None) -> Document:
    """The document; conflicts with most volume first.

    Args:
        database: the ledger.
        limit: at most this many conflicts; all of them when None. Quarantines are always complete.
    """
    sql = script("polyledger.identity", "conflicts").format(limit=_ALL if limit is None else limit)
    rows = database.records(sql)
    conditions = [row["condition"] for row in rows if row["condition"] is not None]
    tokens = [row["token"] for row in rows if row["token"] is not None]
    reader = _Reader(database, conditions, tokens)
    return {
        "schema": "polyledger.conflicts/1",
        "conflicts": [
            {
                "kind": row["kind"],
                "subject": {"kind": "condition", "id": row["condition_id"]}
                if row["token"] is None
                else {"kind": "token", "id": row["token_id"]},
                "field": row["field"],
                "claims": reader.claims(row),
                "verdict": row["verdict"],
                "trades": row["trades"],
                "volume": amount_text(row["volume"]),
            }
            for row in rows
        ],
        "quarantines": [
            {**row, "observed_at": f"{row['observed_at'].isoformat()}Z"} for row in database.records(_QUARANTINES)
        ],
    }


def count_conflicts(database: Database) -> int:
    """How many conflicts the whole document has."""
    sql = script("polyledger.identity", "conflicts").format(limit=_ALL).strip().rstrip(";")
    return int(database.query(f"SELECT count(*) FROM ({sql}) AS c")[0][0])


class _Reader:
    """The claims behind the rows of one document, read set by set."""

    def __init__(self, database: Database, conditions: list[int], tokens: list[int]) -> None:
        self._markets = said.of_markets(database, conditions)
        self._resolutions = said.of_resolutions(database, conditions)
        self._tokens = said.of_tokens(database, tokens)
        self._names = _by_key(database, _NAMES, conditions, "condition")
        self._payouts = _by_key(database, _PAYOUTS, conditions, "condition")
        self._links = _by_key(database, _LINKS, tokens, "token")

    def claims(self, row: Document) -> list[Document]:
        """The claims about the field of one row."""
        if row["token"] is not None:
            link = self._links.get(row["token"], {})
            right = (link.get("condition_id"), link.get("outcome_index"))
            return [
                said.claim(
                    one,
                    {"condition": one["condition_id"], "outcome_index": one["outcome_index"]},
                    won=one["verdict"] == "proven" and right[0] == one["condition_id"],
                )
                for one in self._tokens.get(row["token"], [])
            ]
        if row["field"] == "payout":
            return payout_claims(self._resolutions.get(row["condition"], []), self._payouts.get(row["condition"]))
        name, field = self._names.get(row["condition"], {}), row["field"]
        return [
            said.claim(one, one[field], won=one["standing"] and field in name and one[field] == name[field] is not None)
            for one in self._markets.get(row["condition"], [])
            if one[field] is not None
        ]


def settlement_of(database: Database, condition: int) -> Document | None:
    """What is taken as the settlement of one condition (key): source, payouts in micro-USDC and evidence, or None."""
    return _by_key(database, _PAYOUTS, [condition], "condition").get(condition)


def payout_claims(rows: list[said.Said], fact: Document | None) -> list[Document]:
    """Claims about a settlement beside what is taken; `fact`: source, payouts in micro-USDC and evidence
    (the transaction on chain), or None."""
    claims = [
        said.claim(
            row,
            {"state": row["state"], "payout": _amounts(row["payouts"])},
            won=fact is not None and row["standing"] and row["source"] == fact["source"] and row["payouts"] is not None,
        )
        for row in rows
    ]
    if fact is not None and fact["evidence"] is not None:
        alike = len(set(fact["payouts"])) == 1
        own = {
            "source": "chain",
            "value": {"state": "void" if alike else "resolved", "payout": _amounts(fact["payouts"])},
            "won": True,
            "refuted": False,
            "evidence": {"event": "ConditionResolution", "transaction": fact["evidence"]},
            "observed_at": None,
        }
        claims.insert(0, own)
    return claims


def _amounts(payouts: list[int] | None) -> list[str] | None:
    return None if payouts is None else [amount_text(payout) for payout in payouts]


def _by_key(database: Database, sql: str, keys: list[int], key: str) -> dict[int, Document]:
    if not keys:
        return {}
    return {row[key]: row for row in database.records(sql, {"keys": sorted(set(keys))})}
