"""Claims enter the ledger with proof and judgement: real mappings, right and wrong, and made-up answers."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import token_ids
from polyledger.domain.records import (
    FillRecord,
    Lookup,
    MarketRecord,
    MarketState,
    ResolutionRecord,
    Settlement,
    TokenRecord,
)
from polyledger.sources.answers import Answer, Evidence
from polyledger.store.database import Database
from polyledger.sync.claim_writer import ClaimWriter
from tests.file_claims import commit_file
from tests.paths import REAL, needs_real_records

CONTRACTS = ContractSet.mainnet()
USDC = CONTRACTS.address_bytes(Role.COLLATERAL)
WRAPPED = CONTRACTS.address_bytes(Role.WRAPPED_COLLATERAL)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    ledger = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    yield ledger
    ledger.close()


@pytest.fixture
def writer(database: Database, tmp_path: Path) -> ClaimWriter:
    return ClaimWriter(database, tmp_path / "evidence", "run", CONTRACTS)


def _rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(REAL / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def _words(values: list[str]) -> pa.Array:
    return pa.array([bytes.fromhex(value[2:]) for value in values], pa.binary(32))


def _token_words(values: list[str]) -> pa.Array:
    return pa.array([int(value).to_bytes(32, "big") for value in values], pa.binary(32))


def _condition(number: int) -> str:
    return f"0x{hashlib.sha256(str(number).encode()).hexdigest()}"


def _tokens(condition: str, slots: int = 2, collateral: bytes = USDC) -> tuple[str, ...]:
    return tuple(str(token) for token in token_ids(bytes.fromhex(condition[2:]), slots, collateral))


def _evidence(body: bytes = b"{}") -> Evidence:
    return Evidence("clob", "https://example.org/markets", (), 200, body, 1_700_000_000.0)


def _market(condition: str | None, **fields: Any) -> MarketRecord:
    given: dict[str, Any] = {
        "source": "gamma", "condition_id": condition, "market_id": None, "question": "?", "slug": "",
        "closed": False, "settlement": Settlement(MarketState.OPEN), "outcomes": ("Yes", "No"), "token_ids": None,
    }  # fmt: skip
    return MarketRecord(**(given | fields))


def _found(key: str, record: Any, body: bytes = b"{}") -> Answer[Any]:
    return Answer(key, Lookup.FOUND, (_evidence(body),), record)


def _file(database: Database, writer: ClaimWriter, **batches: pa.Table) -> Any:
    return commit_file(database, writer, "file:test", **batches)


@needs_real_records
def test_a_file_that_gives_every_condition_the_same_market_is_set_aside_whole(
    database: Database, writer: ClaimWriter
) -> None:
    rows = _rows("poisoned_lookup")
    table = pa.table(
        {
            "condition": _words([row["condition_id"] for row in rows]),
            "market_id": pa.array([row["market_id"] for row in rows]),
        }
    )
    counts = _file(database, writer, markets=table)
    assert counts.quarantined == len(rows) == 15_733
    assert database.query("SELECT verdict, count(*) FROM claim.markets GROUP BY ALL") == [("quarantined", 15_733)]
    ((source, kind, pattern, keys),) = database.query("SELECT source, kind, pattern, keys FROM claim.quarantines")
    assert (source, kind, keys) == ("file:test", "market", 15_733)
    assert pattern == '15,733 conditions all have market id "12"'
    assert database.query("SELECT count(*) FROM book.market_names") == [(0,)]


@needs_real_records
def test_wrong_outcome_indexes_are_corrected_by_proof(database: Database, writer: ClaimWriter) -> None:
    rows = _rows("token_mappings_bad_index")
    table = pa.table(
        {
            "token": _token_words([row["token_id"] for row in rows]),
            "condition": _words([row["condition_id"] for row in rows]),
            "outcome_index": pa.array([row["outcome_index"] for row in rows], pa.int32()),
        }
    )
    counts = _file(database, writer, tokens=table)
    links = {
        token: (condition, outcome)
        for token, condition, outcome in database.query(
            "SELECT t.token_id, '0x' || lower(hex(c.condition_id)), t.outcome_index "
            "FROM dim.tokens AS t JOIN dim.conditions AS c ON c.condition = t.condition"
        )
    }
    right = 0
    for row in rows:
        condition, outcome = links[row["token_id"]]
        assert condition == row["condition_id"]
        derived = _tokens(condition), _tokens(condition, collateral=WRAPPED)
        assert row["token_id"] in (derived[0][outcome], derived[1][outcome])
        right += row["outcome_index"] == outcome
    assert len(rows) == 498
    assert (counts.proven, counts.refuted, counts.quarantined) == (right, 498 - right, 0)


@needs_real_records
def test_every_real_pair_is_proven(database: Database, writer: ClaimWriter) -> None:
    rows = _rows("pairs")
    pairs = [(token, row["condition_id"], place) for row in rows for place, token in enumerate(row["token_ids"][:2])]
    table = pa.table(
        {
            "token": _token_words([token for token, _, _ in pairs]),
            "condition": _words([condition for _, condition, _ in pairs]),
            "outcome_index": pa.array([place for _, _, place in pairs], pa.int32()),
        }
    )
    counts = _file(database, writer, tokens=table)
    assert (counts.proven, counts.claims) == (2 * 854, 2 * 854)
    assert database.query("SELECT count(DISTINCT condition) FROM dim.tokens WHERE condition IS NOT NULL") == [(854,)]


@needs_real_records
def test_market_rows_prove_their_tokens_and_wrong_index_sets_are_refuted(
    database: Database, writer: ClaimWriter
) -> None:
    """Two of the real rows have five and six outcomes and list tokens of index sets 1, 2, 3, 4 … for them."""
    rows = _rows("pairs")
    table = pa.table(
        {
            "condition": _words([row["condition_id"] for row in rows]),
            "token_ids": pa.array([row["token_ids"] for row in rows]),
            "slug": pa.array([row["slug"] for row in rows]),
        }
    )
    counts = _file(database, writer, markets=table)
    assert (counts.claims, counts.proven, counts.refuted) == (854, 852, 2)
    slots = "SELECT n, count(*) FROM (SELECT count(*) AS n FROM dim.tokens GROUP BY condition) GROUP BY n ORDER BY n"
    assert database.query(slots) == [(2, 852), (5, 1), (6, 1)]


def test_a_claim_is_proven_refuted_or_only_claimed(database: Database, writer: ClaimWriter) -> None:
    plain, grouped, three = (_condition(number) for number in range(3))
    rows = [
        (_tokens(plain)[0], plain, 0, "proven"),
        (_tokens(plain)[1], plain, 0, "refuted"),
        (_tokens(grouped, collateral=WRAPPED)[1], grouped, None, "proven"),
        (_tokens(three, 3)[2], three, 2, "proven"),
        (_tokens(plain)[0], grouped, 0, "refuted"),
        ("123", plain, 0, "refuted"),
        ("124", None, None, "claimed"),
    ]
    records = [_found(token, TokenRecord("data_api", token, condition, index)) for token, condition, index, _ in rows]
    counts = writer.commit("data_api", "token", records)
    said = database.query("SELECT verdict FROM claim.tokens ORDER BY rowid")
    assert [row[0] for row in said] == [verdict for *_, verdict in rows]
    assert (counts.proven, counts.refuted, counts.claims) == (3, 3, 7)
    links = database.query("SELECT token_id, outcome_index FROM dim.tokens WHERE condition IS NOT NULL")
    expected = [
        *enumerate(_tokens(plain)),
        *enumerate(_tokens(grouped, collateral=WRAPPED)),
        *enumerate(_tokens(three, 3)),
    ]
    assert {(token, outcome) for token, outcome in links} == {(token, outcome) for outcome, token in expected}
    assert writer.commit("clob", "token", records[:1]).proven == 1  # linked already: no second row
    assert len(database.query("SELECT DISTINCT token_id FROM dim.tokens")) == len(
        database.query("SELECT token_id FROM dim.tokens")
    )


def test_protocol_v2_tokens_carry_their_condition(database: Database, writer: ClaimWriter) -> None:
    number = 1 << 248 | 77 << 120 | 1 << 104 | 137 << 24
    condition = f"0x{number:064x}"
    records = [
        _found(str(number | index), TokenRecord("data_api", str(number | index), condition, claimed))
        for index, claimed in ((0, 0), (1, 0))
    ]
    counts = writer.commit("data_api", "token", records)
    assert (counts.proven, counts.refuted) == (1, 1)
    assert database.query("SELECT outcome_index FROM dim.tokens ORDER BY 1") == [(0,), (1,)]


def test_rows_without_the_key_that_was_asked_for_are_set_aside(database: Database, writer: ClaimWriter) -> None:
    asked, other = _condition(1), _condition(2)
    settled = Settlement(MarketState.RESOLVED, (1_000_000, 0), stated=True)
    record = _market(other, market_id="7", closed=True, settlement=settled, token_ids=_tokens(other))
    counts = writer.commit("gamma", "market", [_found(asked, record)])
    assert (counts.refused, counts.found, counts.quarantined) == (1, 0, 2)
    assert counts.patterns == ["1 rows do not carry the key that was asked for"]
    assert database.query("SELECT lookup_key, outcome FROM meta.lookups") == [(asked, "refused")]
    assert database.query("SELECT verdict FROM claim.markets") == [("quarantined",)]
    assert database.query("SELECT verdict FROM claim.resolutions") == [("quarantined",)]


def test_the_same_market_for_many_conditions_shows_over_several_batches(
    database: Database, writer: ClaimWriter
) -> None:
    for number in range(9):
        key = _condition(number)
        writer.commit("gamma", "market", [_found(key, _market(key, market_id="12", slug=f"s{number}"))])
    key = _condition(99)
    writer.commit("gamma", "market", [_found(key, _market(key, market_id="13", slug="other"))])
    verdicts = database.query("SELECT market_id, verdict, count(*) FROM claim.markets GROUP BY ALL ORDER BY ALL")
    assert verdicts == [("12", "quarantined", 9), ("13", "claimed", 1)]


def test_settlements_of_all_records_become_claims_once(database: Database, writer: ClaimWriter) -> None:
    key = _condition(1)
    void = Settlement(MarketState.VOID, (500_000, 500_000), stated=True)
    first, second = _tokens(key)
    answers = [
        _found(first, TokenRecord("data_api", first, key, 0, settlement=void)),
        _found(second, TokenRecord("data_api", second, key, 1, settlement=void)),
    ]
    writer.commit("data_api", "token", answers)
    writer.commit("data_api", "resolution", [_found(key, ResolutionRecord("data_api", key, void, True, 5))])
    rows = database.query("SELECT state, payouts, stated, derived, resolved_at, verdict FROM claim.resolutions")
    assert rows == [
        ("void", [500_000, 500_000], True, False, None, "claimed"),
        ("void", [500_000, 500_000], True, True, 5, "claimed"),
    ]


def test_fills_of_a_receipt_are_stored_once(database: Database, writer: ClaimWriter) -> None:
    hashed = _condition(5)
    fill = FillRecord(hashed, 9, 3, "0x" + "01" * 20, "0x" + "02" * 20, "0x" + "03" * 20, 0, 1, "77", 10, 4, 0)
    for _ in range(2):
        writer.commit("chain", "receipt", [_found(hashed, [fill])])
    assert database.query("SELECT block, log_index, role, side, shares, collateral FROM claim.receipt_fills") == [
        (9, 3, 0, 1, 10, 4)
    ]
    assert database.query("SELECT hash FROM imported.transactions") == [(bytes.fromhex(hashed[2:]),)]


def test_a_batch_that_fails_leaves_nothing_and_can_be_given_again(database: Database, writer: ClaimWriter) -> None:
    key = _condition(1)
    good = _found(key, _market(key, market_id="5"))
    with pytest.raises(TypeError):
        writer.commit("gamma", "market", [good, _found(key, object())])
    assert database.query("SELECT count(*) FROM meta.evidence") == [(0,)]
    writer.commit("gamma", "market", [good])
    assert database.query(
        "SELECT count(*) FROM claim.markets AS m JOIN meta.evidence AS e ON e.evidence_id = m.evidence_id"
    ) == [(1,)]


def test_a_proven_token_tells_the_slug_and_the_event_of_its_market(database: Database, writer: ClaimWriter) -> None:
    right, wrong = _condition(1), _condition(2)
    said = {"market_slug": "will-it", "event_id": "77"}
    records = [TokenRecord("data_api", token, right, index, **said) for index, token in enumerate(_tokens(right))]
    records.append(TokenRecord("data_api", _tokens(right)[0], wrong, 0, market_slug="other", event_id="78"))
    writer.commit("data_api", "token", [_found(record.token_id, record) for record in records])
    assert database.query("SELECT slug, event_id, verdict FROM claim.markets") == [("will-it", "77", "proven")]
    assert database.query("SELECT slug, event_id, source FROM book.market_names") == [("will-it", "77", None)]


def test_a_settlement_looked_up_on_chain_outranks_every_source(database: Database, writer: ClaimWriter) -> None:
    key = _condition(1)
    for source, payouts in (("data_api", (0, 1_000_000)), ("chain", (1_000_000, 0)), ("clob", (0, 1_000_000))):
        settled = Settlement(MarketState.RESOLVED, payouts, stated=True)
        writer.commit(source, "resolution", [_found(key, ResolutionRecord(source, key, settled))])
    facts = database.query("SELECT numerators, source, verdict FROM book.resolution_facts")
    assert facts == [([1_000_000, 0], "chain", "proven")]
