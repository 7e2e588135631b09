"""Single questions to the chain, against the recorded world and its truth."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.errors import SourceError
from polyledger.domain.records import FillRecord, Kind, Lookup, MarketState
from polyledger.net import EndpointPool, HttpClient, RetryPolicy
from polyledger.replica.faults import Faults, HttpFaults, RpcFaults
from polyledger.replica.server import serve
from polyledger.replica.world import World, load_world
from polyledger.sources.chain_lookups import ChainLookups
from polyledger.sources.lookups import one_by_one
from tests.paths import DEVWORLD_TRUTH
from tests.test_made_eras import ALICE, BOB, FIRST, POOL, YES, paid, pool_bought, prepared, world_file

UNKNOWN = "0x" + "77" * 32
ROLES = {"maker": 0, "taker": 1}


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    with gzip.open(DEVWORLD_TRUTH) as file:
        return json.load(file)


def look_up(
    kind: Kind, keys: list[str], faults: Faults | None = None, world: World | None = None, **settings: Any
) -> list[Any]:
    async def run(url: str) -> list[Any]:
        async with HttpClient("chain") as http:
            policy = RetryPolicy(attempts=25, wait_initial=0.002, wait_max=0.01)
            pool = EndpointPool.from_urls([url + "/rpc"], http, policy=policy)
            source = ChainLookups(pool, ContractSet.mainnet(), **settings)
            return [one async for one in one_by_one(source.look_up(kind, keys))]

    with serve(world or load_world(None), faults=faults or Faults()) as url:
        return asyncio.run(run(url))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(),
        Faults(
            seed=2,
            http=HttpFaults(too_many_requests=0.1, server_errors=0.1, resets=0.05, truncated=0.05),
            rpc=RpcFaults(null_results=0.01, throttled_members=0.02, unordered_batches=True),
        ),
    ],
)
def test_fills_of_every_transaction_agree_with_the_truth(truth: dict[str, Any], faults: Faults) -> None:
    hashes = list(dict.fromkeys(fill["tx_hash"] for fill in truth["fills"]))[:400]
    answers = look_up(Kind.TRANSACTION, [*hashes, UNKNOWN], faults)
    legs = [one.record for one in answers if one.record]
    assert all(isinstance(leg, FillRecord) for leg in legs)
    assert Counter(
        (leg.transaction_hash, leg.wallet, leg.role, "BUY" if leg.side == 0 else "SELL", leg.token_id, leg.shares)
        for leg in legs
    ) == Counter(
        (fill["tx_hash"], fill["wallet"].lower(), role_of(fill), fill["side"], fill["token_id"], fill["size"])
        for fill in truth["fills"]
        if fill["tx_hash"] in set(hashes)
    )
    assert [one.key for one in answers if one.state is Lookup.UNSEEN] == [UNKNOWN]


def role_of(fill: dict[str, Any]) -> int:
    return ROLES.get(fill["role"], 2)


def test_a_transaction_without_fills_is_told_from_one_that_is_unknown(truth: dict[str, Any]) -> None:
    traded = {fill["tx_hash"] for fill in truth["fills"]}
    other = next(one["tx_hash"] for one in truth["operations"] if one["tx_hash"] not in traded)
    answers = {one.key: one.reason for one in look_up(Kind.TRANSACTION, [other, UNKNOWN])}
    assert answers == {other: "the transaction made no fills", UNKNOWN: "no endpoint has its receipt"}


def test_evidence_holds_the_places_of_the_logs_and_no_bodies_unless_told(truth: dict[str, Any]) -> None:
    key = truth["fills"][0]["tx_hash"]
    answer = look_up(Kind.TRANSACTION, [key])[0]
    (piece,) = answer.evidence
    kept = json.loads(piece.body)
    assert (piece.source, len(kept["sha256"])) == ("chain", 64)
    assert {"block", "block_hash", "log_index"} == set(kept["logs"][0])
    assert ("key", key) in piece.params
    whole = look_up(Kind.TRANSACTION, [key], keep_bodies=True)[0].evidence[0]
    assert key.encode() in whole.body


def test_tokens_conditions_and_resolutions_are_found_by_topic(truth: dict[str, Any]) -> None:
    conditions = truth["conditions"]
    conditions = list(conditions.values()) if isinstance(conditions, dict) else conditions
    ids = [one["condition_id"] for one in conditions]
    prepared = look_up(Kind.MARKET, [*ids, UNKNOWN])
    found: dict[str, list[str]] = {}
    for one in prepared:
        if one.record:
            found.setdefault(one.key, []).append(one.record.token_id)
            assert one.record.source == "chain"
    assert found == {one["condition_id"]: [str(token) for token in one["token_ids"]] for one in conditions}
    assert [one.key for one in prepared if one.state is Lookup.NOT_FOUND] == [UNKNOWN]

    resolved = {one.key: one.record.settlement for one in look_up(Kind.RESOLUTION, ids) if one.record}
    expected = {one["condition_id"]: one["payout_numerators"] for one in conditions if one.get("payout_numerators")}
    assert set(resolved) == set(expected)
    for key, numerators in expected.items():
        assert resolved[key].payouts == tuple(value * 1_000_000 // sum(numerators) for value in numerators)
        assert (resolved[key].state is MarketState.VOID) == (len(set(numerators)) == 1)

    binary = [one for one in conditions if len(one["token_ids"]) == 2]
    wanted = {str(token): (one["condition_id"], at) for one in binary for at, token in enumerate(one["token_ids"])}
    tokens = look_up(Kind.TOKEN, [*wanted, "12345"])
    named = {one.key: (one.record.condition_id, one.record.outcome_index) for one in tokens if one.record}
    assert named
    assert named == {token: wanted[token] for token in named}
    assert "12345" not in named


def test_a_node_with_narrow_ranges_is_asked_in_parts_or_refused_with_what_to_do() -> None:
    faults = Faults(rpc=RpcFaults(max_block_range=10))
    with pytest.raises(SourceError, match=r"would take \d+ requests.*wide ranges"):
        look_up(Kind.MARKET, [UNKNOWN], faults)


def test_a_trade_with_a_pool_counts_only_beside_the_transfer_of_its_shares(tmp_path: Path) -> None:
    """Anyone can log FPMMBuy. The pool itself was made in a transaction that nobody asked for."""
    bought = pool_bought(ALICE, 1_000_000, 20_000, 0, 1_800_000)
    claimed = bought[-1]  # the event alone
    world = load_world(world_file(tmp_path, [[prepared()], bought, [paid(POOL, BOB, ALICE, 1), claimed]]))
    real, alone = (f"0x{(FIRST + number) << 16:064x}" for number in (1, 2))
    answers = {one.key: one for one in look_up(Kind.TRANSACTION, [real, alone], world=world)}
    leg = answers[real].record
    assert (leg.wallet, leg.counterparty, leg.role, leg.side) == (ALICE, POOL, 3, 0)
    assert (leg.token_id, leg.shares, leg.collateral, leg.fee) == (str(YES), 1_800_000, 1_000_000, 20_000)
    assert answers[alone].reason == "the transaction made no fills"
