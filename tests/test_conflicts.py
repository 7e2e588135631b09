"""Contradictions, what hangs on them, settlements that only sources know, and the whole story of a value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import token_ids
from polyledger.domain.records import Lookup, MarketRecord, MarketState, ResolutionRecord, Settlement, TokenRecord
from polyledger.identity.conflicts import conflicts
from polyledger.identity.explain import explain
from polyledger.sources.answers import Answer, Evidence
from polyledger.store.database import Database
from polyledger.sync.claim_writer import ClaimWriter
from tests.file_claims import commit_file

CONTRACTS = ContractSet.mainnet()
FIRST, SECOND = (f"0x{hashlib.sha256(name).hexdigest()}" for name in (b"one", b"two"))
TIME = 1_760_000_000
YES = Settlement(MarketState.RESOLVED, (1_000_000, 0), stated=True)
NO = Settlement(MarketState.RESOLVED, (0, 1_000_000), stated=True)
OPEN = Settlement(MarketState.OPEN)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    ledger = Database(tmp_path / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    yield ledger
    ledger.close()


@pytest.fixture
def writer(database: Database, tmp_path: Path) -> ClaimWriter:
    return ClaimWriter(database, tmp_path / "evidence", "run-1", CONTRACTS)


def tokens(condition: str) -> tuple[str, ...]:
    collateral = CONTRACTS.address_bytes(Role.COLLATERAL)
    return tuple(str(token) for token in token_ids(bytes.fromhex(condition[2:]), 2, collateral))


def found(source: str, key: str, record: Any, body: str) -> Answer[Any]:
    evidence = Evidence(source, f"https://{source}.example", (), 200, body.encode(), TIME)
    return Answer(key, Lookup.FOUND, (evidence,), record)


def market(source: str, condition: str, settlement: Settlement = OPEN, **fields: Any) -> MarketRecord:
    given: dict[str, Any] = {
        "market_id": None, "question": "Will it?", "slug": "will-it", "closed": False, "outcomes": ("Yes", "No"),
        "token_ids": tokens(condition),
    }  # fmt: skip
    return MarketRecord(source=source, condition_id=condition, settlement=settlement, **(given | fields))


def say(writer: ClaimWriter, source: str, condition: str, settlement: Settlement = OPEN, **fields: Any) -> None:
    record = market(source, condition, settlement, **fields)
    writer.commit(source, "market", [found(source, condition, record, f"{source}{fields}{settlement}")])


def settle(writer: ClaimWriter, source: str, settlement: Settlement, **more: Any) -> None:
    record = ResolutionRecord(source, FIRST, settlement, **more)
    writer.commit(source, "resolution", [found(source, FIRST, record, f"{source}{settlement}{more}")])


def scanned(database: Database, condition: str, numerators: list[int] | None = None) -> None:
    """A ledger that has read the blocks 100 to 200, a second each, and saw `condition` prepared in block 110."""
    with database.transaction() as connection:
        ((key,),) = connection.execute(
            "SELECT condition FROM dim.conditions WHERE condition_id = ?", [bytes.fromhex(condition[2:])]
        ).fetchall()
        for number in (100, 110, 120, 200):
            connection.execute("INSERT INTO chain.blocks VALUES (?, ?, NULL, ?)", [number, b"", TIME + number])
        connection.execute("INSERT INTO meta.intervals VALUES ('s', 100, 200, '', 0, '', 'run-1')")
        connection.execute("INSERT INTO chain.preparations VALUES (?, 0, ?, 0, '', 2)", [110 << 16, key])
        if numerators is not None:
            connection.execute(
                "INSERT INTO chain.resolutions VALUES (?, 1, ?, 0, NULL, 2, ?)", [120 << 16, key, numerators]
            )
            connection.execute("INSERT INTO chain.transactions VALUES (?, ?)", [120 << 16, b"\7" * 32])
            connection.execute("INSERT INTO dim.accounts SELECT 0, '\\x00'::BLOB WHERE NOT EXISTS (FROM dim.accounts)")


def fact(database: Database) -> tuple[Any, ...]:
    """(state, numerators, source, verdict) of the first condition."""
    (row,) = database.query(
        "SELECT f.state, f.numerators, f.source, f.verdict FROM book.resolution_facts AS f "
        "JOIN dim.conditions AS c ON c.condition = f.condition WHERE c.condition_id = ?",
        [bytes.fromhex(FIRST[2:])],
    )
    return row


def test_a_market_on_which_sources_differ_is_shown_with_who_won(database: Database, writer: ClaimWriter) -> None:
    say(writer, "gamma", FIRST, market_id="501", event=None)
    table = pa.table(
        {
            "condition": pa.array([bytes.fromhex(FIRST[2:]), bytes.fromhex(SECOND[2:])], pa.binary(32)),
            "market_id": pa.array(["12", "13"]),
        }
    )
    commit_file(database, writer, "file:old", markets=table)
    document = conflicts(database)
    assert document["quarantines"] == []
    (one,) = document["conflicts"]
    assert (one["kind"], one["field"], one["verdict"]) == ("market", "market_id", "precedence")
    assert one["subject"] == {"kind": "condition", "id": FIRST}
    assert [(claim["source"], claim["value"], claim["won"]) for claim in one["claims"]] == [
        ("gamma", "501", True),
        ("file:old", "12", False),
    ]
    explained = explain(database, FIRST, CONTRACTS)
    assert (explained["value"]["market"], explained["verdict"]) == ("501", "precedence")
    assert explained["fields"]["question"] == "precedence"
    assert [claim["won"] for claim in explained["claims"]] == [True, False]
    assert explained["claims"][1]["evidence"]["request"]["url"] == "file:old"
    assert explain(database, "13", CONTRACTS)["value"]["market"] == "13"
    lost = explain(database, "12", CONTRACTS)
    assert (lost["value"], lost["verdict"]) == (None, "unknown")
    assert [claim["won"] for claim in lost["claims"]] == [False]


def test_equals_that_differ_leave_the_field_open(database: Database, writer: ClaimWriter) -> None:
    say(writer, "gamma", FIRST, market_id="501")
    say(writer, "data_api", FIRST, market_id="502")
    assert explain(database, FIRST, CONTRACTS)["verdict"] == "conflict"
    assert explain(database, FIRST, CONTRACTS)["value"]["market"] is None
    (one,) = conflicts(database)["conflicts"]
    assert one["verdict"] == "conflict"
    assert not any(claim["won"] for claim in one["claims"])


def test_what_derivation_refutes_is_shown_with_the_right_answer(database: Database, writer: ClaimWriter) -> None:
    yes, _ = tokens(FIRST)
    record = TokenRecord("data_api", yes, FIRST, 1)
    writer.commit("data_api", "token", [found("data_api", yes, record, "wrong")])
    say(writer, "clob", SECOND, token_ids=tokens(FIRST))
    shown = {(one["subject"]["kind"], one["field"]): one for one in conflicts(database)["conflicts"]}
    assert set(shown) == {("token", "outcome_index"), ("condition", "token_ids")}
    token = shown["token", "outcome_index"]
    assert (token["verdict"], token["claims"][0]["refuted"], token["claims"][0]["won"]) == ("proven", True, False)
    explained = explain(database, yes, CONTRACTS)
    assert (explained["verdict"], explained["value"]["outcome_index"]) == ("proven", 0)
    assert {claim["verdict"] for claim in explained["claims"]} == {"refuted"}
    merged = database.query("SELECT token_id, outcome_index, verdict, source, refuted FROM condition_id_merged")
    assert (yes, 0, "proven", None, 2) in merged


def test_quarantined_answers_are_reported_and_stay_visible(database: Database, writer: ClaimWriter) -> None:
    keys = [f"0x{hashlib.sha256(bytes([number])).hexdigest()}" for number in range(6)]
    table = pa.table(
        {
            "condition": pa.array([bytes.fromhex(key[2:]) for key in keys], pa.binary(32)),
            "market_id": pa.array(["12"] * 6),
        }
    )
    commit_file(database, writer, "file:bad", markets=table)
    document = conflicts(database)
    assert document["conflicts"] == []
    (aside,) = document["quarantines"]
    assert (aside["source"], aside["keys"], aside["pattern"]) == ("file:bad", 6, '6 conditions all have market id "12"')
    assert aside["evidence"] == f"0x{hashlib.sha256(b'file:bad').hexdigest()}"
    explained = explain(database, keys[0], CONTRACTS)
    assert explained["value"]["market"] is None
    assert [claim["quarantined"] for claim in explained["claims"]] == [True]
    assert explained["quarantines"][0]["pattern"] == aside["pattern"]
    assert explain(database, "12", CONTRACTS)["quarantines"][0]["keys"] == 6
    assert database.query("SELECT count(*) FROM claims WHERE verdict = 'quarantined'") == [(6,)]


def test_without_a_chain_the_best_claim_settles(database: Database, writer: ClaimWriter) -> None:
    say(writer, "clob", FIRST, NO)
    assert fact(database) == ("resolved", [0, 1_000_000], "clob", "precedence")
    settle(writer, "data_api", YES)
    assert fact(database) == ("resolved", [1_000_000, 0], "data_api", "precedence")
    say(writer, "clob", FIRST, YES)
    assert fact(database) == ("resolved", [1_000_000, 0], "data_api", "agreed")
    assert database.query("SELECT outcome_index, numerator, denominator FROM book.payouts ORDER BY 1") == [
        (0, 1_000_000, 1_000_000),
        (1, 0, 1_000_000),
    ]
    assert database.query("SELECT source, state, verdict FROM resolutions") == [("data_api", "resolved", "agreed")]


def test_the_chain_decides_and_late_contradictions_are_conflicts(database: Database, writer: ClaimWriter) -> None:
    settle(writer, "data_api", NO)
    scanned(database, FIRST, [1, 0])
    assert fact(database) == ("resolved", [1, 0], "chain", "proven")
    (one,) = conflicts(database)["conflicts"]
    assert (one["kind"], one["field"], one["verdict"]) == ("resolution", "payout", "proven")
    assert [(claim["source"], claim["won"]) for claim in one["claims"]] == [("chain", True), ("data_api", False)]


def test_a_tie_on_chain_is_no_contradiction_to_a_source_that_names_no_winner(
    database: Database, writer: ClaimWriter
) -> None:
    say(writer, "clob", FIRST, Settlement(MarketState.CLOSED_UNRESOLVED))
    settle(writer, "data_api", Settlement(MarketState.VOID, (500_000, 500_000), stated=True))
    scanned(database, FIRST, [1, 1])
    assert fact(database)[0] == "void"
    assert conflicts(database)["conflicts"] == []


@pytest.mark.parametrize(
    ("after_start", "derived", "used"),
    [(150, False, False), (150, True, True), (50, False, True), (250, False, True)],
    ids=["scanned", "derived", "before the scan", "after the scan"],
)
def test_a_result_of_scanned_blocks_that_hold_none_is_not_used(
    database: Database, writer: ClaimWriter, after_start: int, derived: bool, used: bool
) -> None:
    settle(writer, "data_api", YES, resolved_at=TIME + after_start, derived=derived)
    scanned(database, FIRST)
    state, numerators, source, verdict = fact(database)
    assert (state, numerators, verdict) == (
        ("resolved", [1_000_000, 0], "precedence") if used else ("open", None, "conflict")
    )
    assert source == "data_api"
    shown = [one["verdict"] for one in conflicts(database)["conflicts"]]
    assert shown == ([] if used else ["conflict"])
    facts = database.query("SELECT numerators IS NOT NULL FROM book.condition_facts WHERE on_chain")
    assert facts == [(used,)]


def test_conditions_that_only_claims_know_are_not_on_chain(database: Database, writer: ClaimWriter) -> None:
    say(writer, "gamma", FIRST, market_id="501")
    assert database.query("SELECT market_id, on_chain FROM book.condition_facts") == [("501", False)]
    assert database.query("SELECT count(*) FROM conditions") == [(0,)]
