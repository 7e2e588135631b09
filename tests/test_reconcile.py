"""The merge of claims against a brute-force reading of its rule, and settlements where the chain cannot speak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyledger.identity.reconcile import reconcile
from polyledger.store.database import Database

RANKS = {"clob": 1, "gamma": 2, "data_api": 2, "subgraph": 3}
RESOLUTION_RANKS = {"data_api": 1, "clob": 2, "gamma": 3, "subgraph": 4}
SOURCES = ("clob", "gamma", "data_api", "subgraph", "file:a", "file:b", "file:c")
DAY = 86_400
START = 1_760_000_000
Claim = tuple[str, int, str | None, str]
Said = tuple[str, int, str, Any, bool, int]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("reconcile")
    opened = Database(folder / "ledger.duckdb", read_only=False, memory_limit=None, threads=1)
    yield opened
    opened.close()


def merged_by_hand(claims: Sequence[Claim]) -> tuple[str | None, str | None]:
    """(value, verdict) of one field by the words of the rule. claims: source, evidence, value, verdict."""
    voices: dict[str, tuple[int, str | None]] = {}
    for source, evidence, value, verdict in claims:
        if verdict in {"refuted", "quarantined"}:
            continue
        if source not in voices or voices[source][0] < evidence:
            voices[source] = (evidence, value)
    said = {source: value for source, (_, value) in voices.items() if value}
    if not said:
        return None, None
    if len(set(said.values())) == 1:
        return next(iter(said.values())), "agreed" if len(said) > 1 else "precedence"
    best = min(RANKS.get(source, 4) for source in said)
    equals = Counter(value for source, value in said.items() if RANKS.get(source, 4) == best)
    (value, votes), *others = equals.most_common()
    if not others:
        return value, "precedence"
    return (value, "majority") if votes * 2 > sum(equals.values()) else (None, "conflict")


def claim_market(connection: Any, condition: int, source: str, evidence: int, **fields: Any) -> None:
    names = ["source", "condition", "evidence_id", "observed_at", *fields]
    connection.execute(
        f"INSERT INTO claim.markets ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [source, condition, evidence, datetime.fromtimestamp(START, UTC).replace(tzinfo=None), *fields.values()],
    )


claim_lists = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.integers(0, 3),
        st.sampled_from(["1", "2", "3", "", None]),
        st.sampled_from(["proven", "claimed", "claimed", "refuted", "quarantined"]),
    ),
    max_size=9,
    unique_by=lambda claim: (claim[0], claim[1]),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(claim_lists, min_size=1, max_size=30))
def test_every_field_is_merged_by_the_rule(ledger: Database, worlds: list[list[Claim]]) -> None:
    with ledger.transaction() as connection:
        connection.execute("DELETE FROM claim.markets")
        for condition, claims in enumerate(worlds):
            for source, evidence, value, verdict in claims:
                fields = dict.fromkeys(("market_id", "question", "slug", "event_id", "category"), value)
                claim_market(connection, condition, source, evidence, verdict=verdict, **fields)
        reconcile(connection)
    rows = ledger.query(
        "SELECT condition, market_id, market_id_verdict, question, question_verdict, slug, slug_verdict, event_id, "
        "event_id_verdict, market_category, category_verdict FROM book.market_names ORDER BY condition"
    )
    named = {row[0]: row[1:] for row in rows}
    assert len(named) == len(rows)
    for condition, claims in enumerate(worlds):
        expected = merged_by_hand(claims)
        believed = [claim for claim in claims if claim[3] in {"proven", "claimed"}]
        assert named.get(condition) == (expected * 5 if believed else None), claims


def settled_by_hand(claims: Sequence[Said]) -> tuple[tuple[int, ...] | None, str | None]:
    """(payouts, verdict) by the words of the rule. claims: source, evidence, state, payouts, stated, seconds."""
    voices: dict[str, Said] = {}
    for claim in claims:
        if claim[0] not in voices or voices[claim[0]][1] < claim[1]:
            voices[claim[0]] = claim
    results = [claim[5] for claim in claims if claim[3]]
    votes: dict[str, tuple[int, Any]] = {}
    for source, _, state, payouts, stated, seconds in voices.values():
        rank = RESOLUTION_RANKS.get(source, 5) * 2
        if payouts:
            votes[source] = (rank + (not stated), payouts)
        elif state == "open" and results and seconds >= min(results) + DAY:
            votes[source] = (rank, "open")
    if not votes:
        return None, None
    if len({vote for _, vote in votes.values()}) == 1:
        verdict = "agreed" if len(votes) > 1 else "precedence"
        winner = next(iter(votes.values()))[1]
    else:
        best = min(rank for rank, _ in votes.values())
        equals = Counter(vote for rank, vote in votes.values() if rank == best)
        (winner, count), *others = equals.most_common()
        verdict = "precedence" if not others else "majority" if count * 2 > sum(equals.values()) else "conflict"
    return (None if winner == "open" or verdict == "conflict" else winner), verdict


settlements = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.integers(0, 2),
        st.sampled_from(["open", "closed_unresolved", "result"]),
        st.sampled_from([(1_000_000, 0), (0, 1_000_000), (500_000, 500_000)]),
        st.booleans(),
        st.integers(0, 3).map(lambda days: START + days * DAY),
    ),
    max_size=7,
    unique_by=lambda claim: (claim[0], claim[1]),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(settlements, min_size=1, max_size=30))
def test_settlements_are_merged_by_the_rule(ledger: Database, worlds: list[list[Said]]) -> None:
    with ledger.transaction() as connection:
        connection.execute("DELETE FROM claim.resolutions")
        for condition, claims in enumerate(worlds):
            for claim in claims:
                claim_settlement(connection, condition, claim)
        reconcile(connection)
    rows = ledger.query("SELECT condition, payouts, verdict, state FROM book.claimed_resolutions")
    settled = {condition: (payouts, verdict, state) for condition, payouts, verdict, state in rows}
    assert len(settled) == len(rows)
    for condition, claims in enumerate(worlds):
        if not claims:
            assert condition not in settled
            continue
        payouts, verdict, state = settled[condition]
        whole = [(*claim[:3], claim[3] if claim[2] == "result" else None, *claim[4:]) for claim in claims]
        expected, expected_verdict = settled_by_hand(whole)
        assert (tuple(payouts) if payouts else None) == expected, claims
        assert expected_verdict is None or verdict == expected_verdict, claims
        assert (state in {"resolved", "void"}) == (expected is not None)
        assert state != "void" or len(set(payouts)) == 1


def claim_settlement(connection: Any, condition: int, said: Said, **more: Any) -> None:
    source, evidence, state, payouts, stated, seconds = said
    result = state == "result"
    word = ("void" if len(set(payouts)) == 1 else "resolved") if result else state
    connection.execute(
        "INSERT INTO claim.resolutions VALUES (?, ?, ?, ?, ?, ?, ?, 'claimed', ?, ?)",
        [
            source, condition, word, list(payouts) if result else None, stated, more.get("derived", False),
            more.get("resolved_at"), evidence, datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None),
        ],
    )  # fmt: skip
