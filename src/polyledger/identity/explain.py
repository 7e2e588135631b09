"""Why a value is what it is: the polyledger.explain/1 document of a token, condition, market, transaction or fill."""

from __future__ import annotations

from typing import Any, Final

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.identity import prove
from polyledger.domain.errors import MalformedIdError, UnknownSubjectError
from polyledger.domain.ids import condition_bytes, normal_token, token_bytes, token_number
from polyledger.identity import said
from polyledger.identity.conflicts import payout_claims, settlement_of
from polyledger.identity.explain_imports import imported_rows, of_imports
from polyledger.store.database import Database

Document = dict[str, Any]

_CONDITION: Final = """
SELECT f.condition, '0x' || lower(hex(f.condition_id)) AS condition_id, '0x' || lower(hex(o.address)) AS oracle,
       '0x' || lower(hex(f.question_id)) AS question_id, f.outcome_slots, f.numerators, f.market_id, f.question,
       f.event_id, f.category, f.named_by, f.prepared_tx, f.resolved_tx, f.on_chain, f.resolved_by,
       f.resolution_state, f.resolution_verdict,
       n.market_id_verdict, n.question_verdict, n.slug_verdict, n.event_id_verdict, n.category_verdict,
       '0x' || lower(hex(p.hash)) AS prepared_in, '0x' || lower(hex(r.hash)) AS resolved_in,
       make_timestamp(b.timestamp * 1000000) AS prepared_at
FROM book.condition_facts AS f
LEFT JOIN book.market_names AS n ON n.condition = f.condition
LEFT JOIN dim.accounts AS o ON o.account = f.oracle
LEFT JOIN chain.transactions AS p ON p.tx = f.prepared_tx
LEFT JOIN chain.transactions AS r ON r.tx = f.resolved_tx
LEFT JOIN chain.blocks AS b ON b.number = f.prepared_tx // 65536
"""
_POSITION: Final = """
SELECT t.token, t.token_id, t.condition, t.outcome_index, '0x' || lower(hex(a.address)) AS collateral
FROM dim.tokens AS t LEFT JOIN dim.accounts AS a ON a.account = t.collateral
"""
_QUARANTINES: Final = """
SELECT DISTINCT q.source, q.kind, q.pattern, q.keys, '0x' || lower(hex(e.body_sha256)) AS evidence
FROM claim.quarantines AS q LEFT JOIN meta.evidence AS e ON e.evidence_id = q.evidence_id
WHERE (q.source, q.evidence_id) IN (
    SELECT source, evidence_id FROM claim.markets WHERE condition = $condition AND verdict = 'quarantined'
    UNION SELECT source, evidence_id FROM claim.resolutions WHERE condition = $condition AND verdict = 'quarantined'
    UNION SELECT source, evidence_id FROM claim.tokens WHERE condition = $condition AND verdict = 'quarantined')
ORDER BY q.keys DESC, q.source
"""
_CLAIMED_MARKET: Final = """
SELECT m.condition, count(*) OVER () AS conditions FROM (
    SELECT DISTINCT condition FROM claim.markets WHERE market_id = $id ORDER BY condition
) AS m LIMIT 20
"""
_HISTORY: Final = {
    "history": "SELECT * EXCLUDE (condition_id) FROM market_history WHERE condition_id = $id "
    "ORDER BY source, market_id, version",
    "event_history": "SELECT * FROM event_history WHERE event_id = $id ORDER BY source, version",
}
_PATH: Final = """
WITH RECURSIVE path AS (
    SELECT event_id, title, parent_event_id, [event_id] AS passed FROM book.event_names WHERE event_id = $id
    UNION ALL
    SELECT p.parent_event_id, e.title, e.parent_event_id, list_append(p.passed, p.parent_event_id)
    FROM path AS p LEFT JOIN book.event_names AS e ON e.event_id = p.parent_event_id
    WHERE p.parent_event_id IS NOT NULL AND NOT list_contains(p.passed, p.parent_event_id)
)
SELECT event_id AS event, title FROM path ORDER BY len(passed)
"""
_FIELDS: Final = ("market_id", "question", "slug", "event_id", "category")
_FILLS: Final = "SELECT * FROM fills WHERE transaction_hash = $hash ORDER BY log_index"
_LINES: Final = "SELECT * FROM journal WHERE transaction_hash = $hash ORDER BY log_index, account, asset, amount"


def explain(database: Database, identifier: str, contracts: ContractSet) -> Document:
    """The document for an id: a token (decimal), a condition or transaction (0x + 64 hex), a market number, or a fill
    (``TRANSACTION:LOG``). A transaction that only imported rows name is explained by them. Proofs are derived anew from
    `contracts`, not read from the ledger.

    Raises:
        MalformedIdError: the text is no id of any of these kinds.
        UnknownSubjectError: the ledger knows nothing of it.
    """
    text = identifier.strip()
    if ":" in text:
        return _fill(database, text, contracts)
    if text.lower().startswith("0x"):
        raw = condition_bytes(text)
        found = database.records(f"{_CONDITION} WHERE f.condition_id = $id", {"id": raw})
        if found:
            return _condition(database, found[0])
        return _transaction(database, f"0x{raw.hex()}", raw)
    if not (text.isascii() and text.isdigit()):
        raise MalformedIdError(
            f"{identifier!r} is not an id", "Give a token or market number, a 0x hash, or TRANSACTION:LOG for a fill"
        )
    found = database.records(f"{_CONDITION} WHERE f.market_id = $id", {"id": text})
    if found:
        return {**_condition(database, found[0]), "subject": {"kind": "market", "id": text}}
    claimed = database.query(_CLAIMED_MARKET, {"id": text})
    if claimed:
        return _lost_market(database, text, [int(row[0]) for row in claimed], int(claimed[0][1]))
    return _token(database, normal_token(text), contracts)


def _token(database: Database, token: str, contracts: ContractSet) -> Document:
    found = database.records(f"{_POSITION} WHERE t.position_id = $id", {"id": token_bytes(token)})
    if not found:
        raise UnknownSubjectError(f"The ledger has never seen the token or market {token}", "Check the number")
    row = found[0]
    subject = {"kind": "token", "id": token}
    claims = [
        said.claim(
            one,
            {"condition": one["condition_id"], "outcome_index": one["outcome_index"]},
            won=one["verdict"] == "proven",
        )
        for one in said.of_tokens(database, [row["token"]]).get(row["token"], [])
    ]
    if row["condition"] is None:
        reason = "derives from no known condition"
        return _document(subject, None, "unknown", claims, {"verdict": "unknown", "reason": reason})
    facts = database.records(f"{_CONDITION} WHERE f.condition = $id", {"id": row["condition"]})[0]
    value = {"condition": facts["condition_id"], "outcome_index": row["outcome_index"], "market": facts["market_id"]}
    own, slots = facts["condition_id"], facts["outcome_slots"] or 2
    proven = prove(token_number(token), condition_bytes(own), row["outcome_index"], contracts, slots)
    proof = {
        "verdict": proven.verdict,
        "collateral": proven.collateral,
        "kind": proven.kind,
        "derivation": "token = keccak256(collateral, collection of (condition, outcome))",
        "condition": own,
        "outcome_index": proven.outcome_index,
    }
    chain = _chain_claim(facts, {"condition": own, "outcome_index": row["outcome_index"]})
    return _document(subject, value, proven.verdict, [*chain, *claims], proof)


def _condition(database: Database, facts: Document) -> Document:
    subject = {"kind": "condition", "id": facts["condition_id"]}
    key = facts["condition"]
    value = {
        "market": facts["market_id"], "question": facts["question"], "event": facts["event_id"],
        "category": facts["category"], "payout_numerators": facts["numerators"], "resolved_by": facts["resolved_by"],
        "state": facts["resolution_state"] or "open",
    }  # fmt: skip
    proof = {
        "verdict": "proven" if facts["prepared_tx"] is not None else "unknown",
        "derivation": "condition = keccak256(oracle, question id, outcome slots)",
        "oracle": facts["oracle"], "question_id": facts["question_id"], "outcome_slots": facts["outcome_slots"],
        "prepared_in": facts["prepared_in"], "resolved_in": facts["resolved_in"],
    }  # fmt: skip
    verdicts = {field: facts[f"{field}_verdict"] or "unknown" for field in _FIELDS}
    verdicts["payout"] = facts["resolution_verdict"] or "unknown"
    verdict = verdicts["market_id"] if verdicts["market_id"] != "unknown" else verdicts["question"]
    claims = [*_chain_claim(facts, {"oracle": facts["oracle"]}), *_market_claims(database, facts)]
    settled = payout_claims(said.of_resolutions(database, [key]).get(key, []), settlement_of(database, key))
    return {
        **_document(subject, value, verdict, claims, proof),
        "fields": verdicts,
        # What was known when: one entry per version of what a source said.
        "history": _history(database, "history", facts["condition_id"]),
        "event_history": _history(database, "event_history", facts["event_id"]),
        # The event of the market, then the event that is part of, and so on; a title is null where nobody told it.
        "event_path": database.arrow(_PATH, {"id": facts["event_id"]}).to_pylist(),
        "resolution_claims": settled,
        "quarantines": database.records(_QUARANTINES, {"condition": key}),
    }


def _history(database: Database, which: str, identifier: str | None) -> list[Document]:
    return [_plain(row) for row in database.records(_HISTORY[which], {"id": identifier})]


def _lost_market(database: Database, market: str, conditions: list[int], count: int) -> Document:
    """A market number that somebody claimed and that no condition has: why those claims lost."""
    claims = [
        said.claim(row, {"condition": row["condition_id"], "market": row["market_id"]}, won=False)
        for rows in said.of_markets(database, conditions).values()
        for row in rows
        if row["market_id"] == market
    ]
    quarantines: list[Document] = []
    for condition in conditions:
        for row in database.records(_QUARANTINES, {"condition": condition}):
            if row not in quarantines:
                quarantines.append(row)
    proof = {"verdict": "unknown", "reason": f"claimed of {count:,} conditions, and it stands for none of them"}
    document = _document({"kind": "market", "id": market}, None, "unknown", claims, proof)
    return {**document, "quarantines": quarantines}


def _transaction(database: Database, text: str, raw: bytes) -> Document:
    rows = imported_rows(database, raw)
    if not database.query("SELECT 1 FROM chain.transactions WHERE hash = ?", [raw]):
        if rows:
            return _document({"kind": "transaction", "id": text}, *of_imports(database, text, rows))
        raise UnknownSubjectError(
            f"The ledger has never seen {text}, neither as a condition nor as a transaction",
            "Check the id; the transaction may lie outside the scanned blocks ('polyledger status' shows them)",
        )
    lines = database.records(_LINES, {"hash": text})
    value = {"lines": [_plain(line) for line in lines], "fills": len(database.arrow(_FILLS, {"hash": text}))}
    if rows:
        value["rows"] = rows
    unbalanced = database.query(
        "SELECT count(*) FROM chain.unbalanced AS u JOIN chain.transactions AS t ON t.tx = u.tx WHERE t.hash = ?", [raw]
    )[0][0]
    proof = {"balanced": not unbalanced, "rule": "the journal of a transaction equals its token transfers"}
    return _document({"kind": "transaction", "id": text}, value, "unknown" if unbalanced else "proven", [], proof)


def _fill(database: Database, text: str, contracts: ContractSet) -> Document:
    transaction, _, number = text.rpartition(":")
    raw = condition_bytes(transaction)
    if not number.isdigit():
        raise MalformedIdError(f"{text!r} is not a fill id", "Write TRANSACTION:LOG, for example 0x…:12")
    rows = database.records(
        "SELECT * FROM fills WHERE transaction_hash = $hash AND log_index = $log",
        {"hash": f"0x{raw.hex()}", "log": int(number)},
    )
    if not rows:
        raise UnknownSubjectError(f"The ledger has no fill {text}", "'polyledger explain TRANSACTION' lists its logs")
    fill = _plain(rows[0])
    token = _token(database, rows[0]["token_id"], contracts)
    return _document({"kind": "fill", "id": text}, fill, token["verdict"], token["claims"], token["proof"])


def _market_claims(database: Database, facts: Document) -> list[Document]:
    """What sources said of the market: a claim won where it stands and gives what was taken."""
    taken = {"market_id": facts["market_id"], "question": facts["question"]}
    return [
        {
            **said.claim(
                row,
                {"market": row["market_id"], "question": row["question"]},
                won=row["standing"]
                and any(value is not None and row[field] == value for field, value in taken.items())
                and row["market_id"] in {taken["market_id"], None},
            ),
            "tokens": row["token_ids"],
        }
        for row in said.of_markets(database, [facts["condition"]]).get(facts["condition"], [])
    ]


def _chain_claim(facts: Document, value: Document) -> list[Document]:
    if facts["prepared_tx"] is None:
        return []
    return [
        {
            "source": "chain",
            "value": value,
            "won": True,
            "refuted": False,
            "evidence": {"event": "ConditionPreparation", "transaction": facts["prepared_in"]},
            "observed_at": f"{facts['prepared_at'].isoformat()}Z",
        }
    ]


def _plain(row: Document) -> Document:
    return {name: f"{value.isoformat()}Z" if hasattr(value, "isoformat") else value for name, value in row.items()}


def _document(subject: Document, value: Any, verdict: str, claims: list[Document], proof: Document) -> Document:
    return {
        "schema": "polyledger.explain/1",
        "subject": subject,
        "value": value,
        "verdict": verdict,
        "claims": claims,
        "proof": proof,
    }
