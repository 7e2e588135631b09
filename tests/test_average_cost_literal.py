"""The average-cost method against a literal implementation: any events, many positions, recorded worlds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import decode
from polyledger.ctf.logs import columns_from_results
from polyledger.value.average_cost import average_cost
from polyledger.value.average_cost_events import Parties, operations
from polyledger.value.average_cost_kernel import SCALAR_BELOW
from polyledger.value.average_cost_tables import EVENTS
from tests.average_cost_events import (
    ADAPTER_KEY,
    CONDITIONS,
    EXCHANGE_KEY,
    MARKET,
    NEG_RISK_EXCHANGE_KEY,
    POOL,
    SHARE_TOKEN,
    computed,
    conversion,
    fill,
    literal,
    positions_of,
    prepared,
)
from tests.average_cost_oracle import Event, Subgraph, events_of
from tests.paths import BIGWORLD_LOGS, BIGWORLD_TRUTH, DEVWORLD_LOGS, DEVWORLD_TRUTH, needs_bigworld

CTF = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
ADAPTER = "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296"
EXCHANGE = "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e"
NEG_RISK_EXCHANGE = "0xc5d563a36ae78145c45a50134d48a1215220f80a"
# Against the literal implementation
ACCOUNTS = st.sampled_from([1, 2, 3])
PARTY = st.sampled_from([1, 2, 3, ADAPTER_KEY, EXCHANGE_KEY, NEG_RISK_EXCHANGE_KEY])
CONDITION = st.sampled_from(list(CONDITIONS))
SHARES = st.one_of(st.integers(0, 20), st.integers(0, 10**9), st.integers(0, 2**63 - 1))
MODEST = st.one_of(st.integers(0, 20), st.integers(0, 10**12))
TOKEN = st.builds(lambda condition, outcome: 10 * condition + outcome, CONDITION, st.integers(0, 1))


def _event(name: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    return st.fixed_dictionaries({"event": st.just(name), **values})


SIDE = st.integers(0, 1)
PAIR = st.tuples(MODEST, MODEST).map(list)
EVENT = st.one_of(
    _event("fill", wallet=ACCOUNTS, side=SIDE, token=TOKEN, shares=SHARES, collateral=SHARES),
    _event("fill", wallet=ACCOUNTS, side=st.just(0), token=TOKEN, shares=MODEST, collateral=MODEST),
    _event(
        "position_change", kind=SIDE, stakeholder=PARTY, condition=CONDITION, amount=SHARES, by_adapter=st.booleans()
    ),
    _event("redemption", redeemer=PARTY, condition=CONDITION, by_adapter=st.booleans(), amounts=PAIR),
    _event(
        "conversion", stakeholder=ACCOUNTS, neg_risk_market=st.just(MARKET), index_set=st.integers(1, 15), amount=SHARES
    ),
    _event(
        "amm_trade",
        pool=st.just(POOL),
        trader=ACCOUNTS,
        side=SIDE,
        outcome_index=SIDE,
        collateral=MODEST,
        shares=MODEST,
    ),
    _event(
        "amm_funding",
        pool=st.just(POOL),
        funder=ACCOUNTS,
        kind=SIDE,
        amounts=PAIR,
        collateral_from_fees=MODEST,
        pool_shares=MODEST,
    ),
)
PAYOUTS = st.lists(st.integers(0, 2**62), min_size=2, max_size=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENT, max_size=40), st.dictionaries(CONDITION, st.tuples(st.integers(0, 40), PAYOUTS)))
def test_any_events_give_what_the_literal_implementation_gives(
    events: list[Event], resolutions: dict[int, tuple[int, list[int]]]
) -> None:
    pool = {"event": "pool", "pool": POOL, "condition": 6, "share_token": SHARE_TOKEN}
    all_events = [pool, *prepared(4), *events]
    for condition, (place, numerators) in resolutions.items():
        all_events.insert(5 + place, {"event": "resolution", "condition": condition, "numerators": numerators})
    assert computed(all_events) == literal(all_events)


def test_many_positions_of_unequal_length_give_what_the_literal_implementation_gives() -> None:
    # Enough positions that the vectorised steps run, and a few long ones for the plain loop after them.
    random = np.random.default_rng(5)
    events = []
    for _ in range(20_000):
        wallet = int(random.integers(1, 4 * SCALAR_BELOW)) if random.random() < 0.7 else 1
        condition = int(random.integers(1, 5))
        shares = int(random.integers(1, 10**9))
        if random.random() < 0.05:
            events.append(conversion(int(random.integers(1, 16)), shares, wallet))
        else:
            token = 10 * condition + int(random.integers(0, 2))
            price = float(random.random())
            events.append(fill(int(random.random() < 0.4), shares, int(shares * price), token, wallet))
    events = [*prepared(4), *events]
    assert computed(events) == literal(events)


# The recorded worlds
def _load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def _key(table: pa.Table, name: str, keys: dict[bytes, int]) -> pa.Array:
    return pa.array([keys.setdefault(value, len(keys)) for value in table.column(name).to_pylist()], pa.int64())


def _world_tables(logs: Any, conditions: list[dict[str, Any]], keys: dict[bytes, int]) -> dict[str, pa.Table]:
    """Tables of a world through the decoder, with keys instead of ids."""
    decoded = decode(columns_from_results([json.dumps(logs).encode()]), ContractSet.mainnet()).tables
    adapter = bytes.fromhex(ADAPTER[2:])
    renamed = {"redemptions": "redeemer", "conversions": "stakeholder", "position_changes": "stakeholder"}
    tables: dict[str, pa.Table] = {name: schema.empty_table() for name, schema in EVENTS.items()}
    by_question = {bytes.fromhex(one["question_id"][2:]): bytes.fromhex(one["condition_id"][2:]) for one in conditions}
    for name in ("fills", "position_changes", "redemptions", "conversions", "resolutions"):
        table = decoded[name]
        values: dict[str, Any] = {}
        for column in EVENTS[name].names:
            if column == "by_adapter":
                values[column] = [contract == adapter for contract in table.column("contract").to_pylist()]
            elif column in {"wallet", "token", "condition", "neg_risk_market", renamed.get(name)}:
                values[column] = _key(table, column, keys)
            else:
                values[column] = table.column(column)
        tables[name] = pa.table(values, schema=EVENTS[name])
    questions = decoded["neg_risk_questions"]
    tables["questions"] = pa.table(
        {
            "tx": questions.column("tx"),
            "log_index": questions.column("log_index"),
            "neg_risk_market": _key(questions, "neg_risk_market", keys),
            "question_index": questions.column("question_index"),
            "condition": [keys[by_question[value]] for value in questions.column("question_id").to_pylist()],
        },
        schema=EVENTS["questions"],
    )
    return tables


@pytest.mark.parametrize(
    ("logs_path", "truth_path"),
    [
        pytest.param(DEVWORLD_LOGS, DEVWORLD_TRUTH, id="devworld"),
        pytest.param(BIGWORLD_LOGS, BIGWORLD_TRUTH, id="bigworld", marks=needs_bigworld),
    ],
)
def test_a_recorded_world_gives_what_the_literal_implementation_gives(logs_path: Path, truth_path: Path) -> None:
    logs, conditions = _load(logs_path)["logs"], _load(truth_path)["conditions"]
    binary = [one for one in conditions if one["outcome_slot_count"] == 2]
    tokens = {one["condition_id"]: [int(token) for token in one["token_ids"]] for one in binary}
    by_question = {one["question_id"]: one["condition_id"] for one in conditions}
    events = [
        event | {"condition": by_question[event["question_id"]]} if event["event"] == "question" else event
        for event in events_of(logs, CTF, ADAPTER)
    ]
    skipped: dict[str, set[Any]] = {
        "ctf": {ADAPTER, EXCHANGE, "0xe111180000d2663c0091e4f400237545b87b996b"},
        "adapter": {NEG_RISK_EXCHANGE},
        "redeemers": {ADAPTER},
    }
    expected = {key: values for key, values in Subgraph(tokens, skipped).run(events).items() if any(values)}

    keys: dict[bytes, int] = {}
    for condition, (first, second) in tokens.items():
        for value in (bytes.fromhex(condition[2:]), first.to_bytes(32), second.to_bytes(32)):
            keys.setdefault(value, len(keys))
    tables = _world_tables(logs, conditions, keys)
    tables["conditions"] = pa.table(
        {
            "condition": [keys[bytes.fromhex(condition[2:])] for condition in tokens],
            "first_token": [keys[first.to_bytes(32)] for first, _ in tokens.values()],
            "second_token": [keys[second.to_bytes(32)] for _, second in tokens.values()],
        },
        schema=EVENTS["conditions"],
    )
    parties = Parties(*(frozenset(keys.get(bytes.fromhex(one[2:]), -1) for one in group) for group in (
        skipped["redeemers"], skipped["ctf"] - {ADAPTER}, skipped["adapter"]
    )))  # fmt: skip
    result = positions_of(average_cost(operations(tables, parties).operations))
    ids = {key: value for value, key in keys.items()}
    named = {
        ("0x" + ids[account].hex(), int.from_bytes(ids[token])): state for (account, token), state in result.items()
    }
    assert named == expected
    assert sum(1 for event in events if event["event"] == "conversion") > 10
