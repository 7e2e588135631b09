"""Why a value is what it is: the polyledger.explain/1 document of a token, condition, market, transaction or fill."""

from __future__ import annotations

import json
from typing import Any, Final

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.identity import prove
from polyledger.domain.errors import MalformedIdError, UnknownSubjectError
from polyledger.domain.ids import condition_bytes, normal_token, token_bytes, token_number
from polyledger.store.database import Database

Document = dict[str, Any]

_CLAIMS: Final = """
SELECT m.source, m.market_id, m.question, m.token_ids, m.verdict, m.observed_at, m.evidence_id,
       '0x' || lower(hex(e.body_sha256)) AS evidence, e.request
FROM claim.markets AS m LEFT JOIN meta.evidence AS e ON e.evidence_id = m.evidence_id
WHERE m.condition = $condition ORDER BY m.observed_at, m.source
"""
_CONDITION: Final = """
SELECT f.condition, '0x' || lower(hex(f.condition_id)) AS condition_id, '0x' || lower(hex(o.address)) AS oracle,
       '0x' || lower(hex(f.question_id)) AS question_id, f.outcome_slots, f.numerators, f.market_id, f.question,
       f.event_id, f.category, f.named_by, f.prepared_tx, f.resolved_tx, f.on_chain,
       '0x' || lower(hex(p.hash)) AS prepared_in, '0x' || lower(hex(r.hash)) AS resolved_in,
       make_timestamp(b.timestamp * 1000000) AS prepared_at
FROM book.condition_facts AS f
LEFT JOIN dim.accounts AS o ON o.account = f.oracle
LEFT JOIN chain.transactions AS p ON p.tx = f.prepared_tx
LEFT JOIN chain.transactions AS r ON r.tx = f.resolved_tx
LEFT JOIN chain.blocks AS b ON b.number = f.prepared_tx // 65536
"""
_POSITION: Final = """
SELECT t.token_id, t.condition, t.outcome_index, '0x' || lower(hex(a.address)) AS collateral
FROM dim.tokens AS t LEFT JOIN dim.accounts AS a ON a.account = t.collateral
"""
_FILLS: Final = "SELECT * FROM fills WHERE transaction_hash = $hash ORDER BY log_index"
_LINES: Final = "SELECT * FROM journal WHERE transaction_hash = $hash ORDER BY log_index, account, asset, amount"


def explain(database: Database, identifier: str, contracts: ContractSet) -> Document:
    """The document for an id: a token (decimal), a condition or transaction (0x + 64 hex), a market number, or a fill
    (``TRANSACTION:LOG``). Proofs are derived anew from `contracts`, not read from the ledger.

    Raises:
        MalformedIdError: the text is no id of any of these kinds.
        UnknownSubjectError: the ledger knows nothing of it.
    """
    text = identifier.strip()
    if ":" in text:
        return _fill(database, text, contracts)
    if text.lower().startswith("0x"):
        raw = condition_bytes(text)
        found = database.arrow(f"{_CONDITION} WHERE f.condition_id = $id", {"id": raw}).to_pylist()
        if found:
            return _condition(database, found[0])
        return _transaction(database, f"0x{raw.hex()}", raw)
    if not (text.isascii() and text.isdigit()):
        raise MalformedIdError(
            f"{identifier!r} is not an id", "Give a token or market number, a 0x hash, or TRANSACTION:LOG for a fill"
        )
    found = database.arrow(f"{_CONDITION} WHERE f.market_id = $id", {"id": text}).to_pylist()
    if found:
        return {**_condition(database, found[0]), "subject": {"kind": "market", "id": text}}
    return _token(database, normal_token(text), contracts)


def _token(database: Database, token: str, contracts: ContractSet) -> Document:
    found = database.arrow(f"{_POSITION} WHERE t.position_id = $id", {"id": token_bytes(token)}).to_pylist()
    if not found:
        raise UnknownSubjectError(f"The ledger has never seen the token or market {token}", "Check the number")
    row = found[0]
    subject = {"kind": "token", "id": token}
    if row["condition"] is None:
        return _document(
            subject, None, "unknown", [], {"verdict": "unknown", "reason": "derives from no known condition"}
        )
    facts = database.arrow(f"{_CONDITION} WHERE f.condition = $id", {"id": row["condition"]}).to_pylist()[0]
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
    others = [
        {**claim, "value": {"condition": own, "outcome_index": _index(claim["tokens"], token)}}
        for claim in _claims(database, facts)
    ]
    return _document(subject, value, proven.verdict, [*chain, *others], proof)


def _condition(database: Database, facts: Document) -> Document:
    subject = {"kind": "condition", "id": facts["condition_id"]}
    value = {
        "market": facts["market_id"], "question": facts["question"], "event": facts["event_id"],
        "category": facts["category"], "payout_numerators": facts["numerators"],
    }  # fmt: skip
    claims = _claims(database, facts)
    markets = {claim["value"]["market"] for claim in claims if claim["won"] and claim["value"]["market"]}
    proof = {
        "verdict": "proven" if facts["prepared_tx"] is not None else "unknown",
        "derivation": "condition = keccak256(oracle, question id, outcome slots)",
        "oracle": facts["oracle"], "question_id": facts["question_id"], "outcome_slots": facts["outcome_slots"],
        "prepared_in": facts["prepared_in"], "resolved_in": facts["resolved_in"],
    }  # fmt: skip
    sources = {claim["source"] for claim in claims if not claim["refuted"]}
    if len(markets) > 1:
        verdict = "precedence"
    elif any(claim["verdict"] == "proven" for claim in claims):
        verdict = "proven"
    else:
        verdict = "agreed" if len(sources) > 1 else "precedence" if sources else "unknown"
    return _document(subject, value, verdict, [*_chain_claim(facts, {"oracle": facts["oracle"]}), *claims], proof)


def _transaction(database: Database, text: str, raw: bytes) -> Document:
    if not database.query("SELECT 1 FROM chain.transactions WHERE hash = ?", [raw]):
        raise UnknownSubjectError(
            f"The ledger has never seen {text}, neither as a condition nor as a transaction",
            "Check the id; the transaction may lie outside the scanned blocks ('polyledger status' shows them)",
        )
    lines = database.arrow(_LINES, {"hash": text}).to_pylist()
    value = {"lines": [_plain(line) for line in lines], "fills": len(database.arrow(_FILLS, {"hash": text}))}
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
    rows = database.arrow(
        "SELECT * FROM fills WHERE transaction_hash = $hash AND log_index = $log",
        {"hash": f"0x{raw.hex()}", "log": int(number)},
    ).to_pylist()
    if not rows:
        raise UnknownSubjectError(f"The ledger has no fill {text}", "'polyledger explain TRANSACTION' lists its logs")
    fill = _plain(rows[0])
    token = _token(database, rows[0]["token_id"], contracts)
    return _document({"kind": "fill", "id": text}, fill, token["verdict"], token["claims"], token["proof"])


def _claims(database: Database, facts: Document) -> list[Document]:
    rows = database.arrow(_CLAIMS, {"condition": facts["condition"]}).to_pylist()
    newest = {row["source"]: row["evidence_id"] for row in rows if row["verdict"] != "refuted"}
    return [
        {
            "source": row["source"],
            "value": {"market": row["market_id"], "question": row["question"]},
            "won": row["verdict"] != "refuted" and newest[row["source"]] == row["evidence_id"]
            and row["market_id"] in {facts["market_id"], None},
            "refuted": row["verdict"] == "refuted",
            "verdict": row["verdict"],
            "tokens": row["token_ids"],
            "evidence": {"body": row["evidence"], "request": json.loads(row["request"]) if row["request"] else None},
            "observed_at": f"{row['observed_at'].isoformat()}Z",
        }
        for row in rows
    ]  # fmt: skip


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


def _index(tokens: list[str] | None, token: str) -> int | None:
    return tokens.index(token) if tokens and token in tokens else None


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
