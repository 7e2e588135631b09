"""The average-cost method against a literal implementation and against cases worked by hand."""

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
from polyledger.domain.errors import InvariantError
from polyledger.value.average_cost import OPERATIONS, average_cost
from polyledger.value.average_cost_events import Parties, operations
from polyledger.value.average_cost_kernel import SCALAR_BELOW, Kind
from polyledger.value.average_cost_tables import EVENTS
from tests.average_cost_oracle import SCALE, Event, State, Subgraph, events_of
from tests.paths import BIGWORLD_LOGS, BIGWORLD_TRUTH, DEVWORLD_LOGS, DEVWORLD_TRUTH, needs_bigworld

CTF = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
ADAPTER = "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296"
EXCHANGE = "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e"
NEG_RISK_EXCHANGE = "0xc5d563a36ae78145c45a50134d48a1215220f80a"

# Accounts, tokens and conditions of made-up events. Condition c has the tokens 10c (YES) and 10c + 1 (NO).
ADAPTER_KEY, EXCHANGE_KEY, NEG_RISK_EXCHANGE_KEY = 901, 902, 903
CONDITIONS = range(1, 7)
MARKET, POOL, SHARE_TOKEN = 77, 88, -88
PARTIES = Parties(frozenset({ADAPTER_KEY}), frozenset({EXCHANGE_KEY}), frozenset({NEG_RISK_EXCHANGE_KEY}))
SKIPPED: dict[str, set[Any]] = {
    "ctf": {ADAPTER_KEY, EXCHANGE_KEY},
    "adapter": {NEG_RISK_EXCHANGE_KEY},
    "redeemers": {ADAPTER_KEY},
}
TABLE_OF = {
    "fill": "fills",
    "position_change": "position_changes",
    "redemption": "redemptions",
    "conversion": "conversions",
    "amm_trade": "amm_trades",
    "amm_funding": "amm_funding",
    "pool": "amm_pools",
    "question": "questions",
    "resolution": "resolutions",
}


def positions_of(table: pa.Table) -> State:
    """Positions that hold, held or earned something, by (account, token)."""
    columns = [table.column(name).to_pylist() for name in table.column_names]
    rows = zip(*columns, strict=True)
    return {(account, token): [int(value) for value in values] for account, token, *values in rows if any(values)}


def literal(events: list[Event]) -> State:
    tokens = {condition: [10 * condition, 10 * condition + 1] for condition in CONDITIONS}
    state = Subgraph(tokens, SKIPPED).run(events)
    return {key: values for key, values in state.items() if any(values)}


def tables_of(events: list[Event]) -> dict[str, pa.Table]:
    """Events in chain order as tables, a few to a block."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in EVENTS}
    for number, event in enumerate(events):
        row = event | {"tx": (60_000_000 + number // 5) << 16 | number % 5 // 2, "log_index": number % 5}
        if event["event"] == "conversion":
            row["index_set"] = event["index_set"].to_bytes(32)
        if event["event"] == "question":
            row["question_index"] = event["index"]
        rows[TABLE_OF[event["event"]]].append(row)
    rows["conditions"] = [
        {"condition": condition, "first_token": 10 * condition, "second_token": 10 * condition + 1}
        for condition in CONDITIONS
    ]
    return {
        name: pa.table({column: [row.get(column) for row in rows[name]] for column in schema.names}, schema=schema)
        for name, schema in EVENTS.items()
    }


def computed(events: list[Event]) -> State:
    return positions_of(average_cost(operations(tables_of(events), PARTIES).operations))


def fill(side: int, shares: int, collateral: int, token: int = 10, wallet: int = 1) -> Event:
    return {
        "event": "fill",
        "wallet": wallet,
        "side": side,
        "token": token,
        "shares": shares,
        "collateral": collateral,
    }


def prepared(count: int) -> list[Event]:
    return [
        {"event": "question", "neg_risk_market": MARKET, "index": index, "condition": index + 1}
        for index in range(count)
    ]


def conversion(index_set: int, amount: int, wallet: int = 1) -> Event:
    return {
        "event": "conversion",
        "stakeholder": wallet,
        "neg_risk_market": MARKET,
        "index_set": index_set,
        "amount": amount,
    }


# By hand


def test_selling_more_than_is_tracked_counts_only_what_is_tracked() -> None:
    # Buy 10 at 0.40, sell 25 at 0.70: profit on 10 shares only, 10 × 0.30.
    events = [fill(0, 10 * SCALE, 4 * SCALE), fill(1, 25 * SCALE, 17_500_000), fill(1, 5, 1)]
    assert computed(events) == {(1, 10): [0, 400_000, 3 * SCALE, 10 * SCALE]}


def test_an_average_truncates_toward_zero() -> None:
    # (1 × 0.333333 + 2 × 0.5) / 3 = 0.444444333… per share.
    events = [fill(0, 3, 1), fill(0, 2, 1)]
    price = (333_333 * 3 + 500_000 * 2) // 5
    assert computed(events) == {(1, 10): [5, price, 0, 5]}


def test_a_loss_truncates_toward_zero() -> None:
    # 1 micro-share bought at 1, sold at 0.5: -0.5 micro-USDC is 0, not -1.
    assert computed([fill(0, 1, 1), fill(1, 2, 1)]) == {(1, 10): [0, SCALE, 0, 1]}


def test_a_conversion_at_a_negative_price_truncates_toward_zero() -> None:
    # 3 questions, NO of the first two held at 0.30 and 0.1500005 (truncated): noPrice = (300000 + 150000) / 2 = 225000,
    # yesPrice = (225000 × 2 − 1000000 × 1) / 1 = −550000; with 4 questions it would be halved.
    events = [
        *prepared(4),
        fill(0, 10, 3, token=11),
        fill(0, 20, 3, token=21),
        conversion(0b0011, 5),
    ]  # yesPrice = (225000·2 − 1000000) / 2 = −275000
    state = computed(events)
    assert state[1, 11] == [5, 300_000, 0, 10]
    assert state[1, 21] == [15, 150_000, 0, 20]
    assert state[1, 30] == state[1, 40] == [5, -275_000, 0, 5]
    # One further share at 1.00: (−275000·5 + 1000000·1) / 6 = −62500; and one at 0.000001 truncates −53571.28… up.
    state = computed([*events, fill(0, 1, 1, token=30), fill(0, 10**6, 1, token=40)])
    assert state[1, 30] == [6, -62_500, 0, 6]
    assert state[1, 40] == [1_000_005, 0, 0, 1_000_005]  # (−1375000 + 1000000) / 1000005 = −0.37… → 0, not −1


def test_a_conversion_of_every_question_buys_nothing() -> None:
    events = [*prepared(2), fill(0, 10, 6, token=11), fill(0, 10, 6, token=21), conversion(0b11, 10)]
    assert computed(events) == {(1, 11): [0, 600_000, 0, 10], (1, 21): [0, 600_000, 0, 10]}


def test_a_conversion_sees_only_questions_prepared_before_it() -> None:
    late = {"event": "question", "neg_risk_market": MARKET, "index": 2, "condition": 3}
    events = [*prepared(2), fill(0, 10, 6, token=11), conversion(0b01, 10), late, conversion(0b01, 10)]
    state = computed(events)
    assert state[1, 20] == [20, (600_000 * 10 + 300_000 * 10) // 20, 0, 20]
    assert state[1, 30] == [10, 300_000, 0, 10]


def test_a_redemption_without_payout_denominator_does_nothing() -> None:
    redemption = {"event": "redemption", "redeemer": 1, "condition": 1, "by_adapter": False, "amounts": None}
    resolution = {"event": "resolution", "condition": 1, "numerators": [1, 3]}
    bought = fill(0, 8 * SCALE, 2 * SCALE)
    assert computed([bought, redemption, resolution]) == {(1, 10): [8 * SCALE, 250_000, 0, 8 * SCALE]}
    assert computed([bought, resolution | {"numerators": [0, 0]}, redemption])[1, 10][0] == 8 * SCALE
    # After it, the whole tracked amount at 1/4 and 3/4, whatever was really redeemed.
    assert computed([bought, fill(0, SCALE, 500_000, token=11), resolution, redemption]) == {
        (1, 10): [0, 250_000, 0, 8 * SCALE],
        (1, 11): [0, 500_000, 250_000, SCALE],
    }


def test_what_happens_inside_other_events_is_left_out() -> None:
    change = {"event": "position_change", "kind": 0, "condition": 1, "amount": 5, "by_adapter": False}
    events = [change | {"stakeholder": key} for key in (ADAPTER_KEY, EXCHANGE_KEY)]
    events.append(change | {"stakeholder": NEG_RISK_EXCHANGE_KEY, "by_adapter": True})
    mapped = operations(tables_of(events), PARTIES)
    assert mapped.operations.num_rows == 0
    assert mapped.skipped == {"split or merge inside another event": 3}


def test_fills_without_shares_and_unknown_conditions_are_counted() -> None:
    events: list[Event] = [
        fill(0, 0, 5),
        {"event": "position_change", "kind": 0, "condition": 99, "amount": 5, "by_adapter": False, "stakeholder": 1},
        conversion(0b100, 5),
    ]
    mapped = operations(tables_of(events), PARTIES)
    assert mapped.skipped == {
        "no shares": 1,
        "split or merge of an untracked condition": 1,
        "conversion of unprepared questions": 1,
    }


def test_sums_beyond_64_bits_are_exact() -> None:
    huge = 2**63 - 1
    events = [fill(0, huge, huge), fill(0, huge, 1), fill(0, 1, huge), fill(1, huge, huge), fill(0, 7, 5, token=20)]
    assert computed(events) == literal(events)
    assert max(map(abs, literal(events)[1, 10])) >= 2**63


def test_no_operations_give_no_positions() -> None:
    assert computed([]) == {}
    assert average_cost(OPERATIONS.empty_table()).num_rows == 0


def test_a_token_cannot_be_given_up_and_received_in_conversions() -> None:
    rows = [(1, 10, int(Kind.SELL_AT_AVERAGE), 5, 0, 1, 0), (1, 10, int(Kind.BUY_CONVERTED), 5, 1, 1, 0)]
    columns = [pa.array(column, kind.type) for column, kind in zip(zip(*rows, strict=True), OPERATIONS, strict=True)]
    with pytest.raises(InvariantError, match="token 10 of account 1"):
        average_cost(pa.Table.from_arrays(columns, schema=OPERATIONS))


def test_a_missing_table_is_refused() -> None:
    tables = tables_of([])
    del tables["resolutions"]
    with pytest.raises(InvariantError, match="resolutions"):
        operations(tables, PARTIES)


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
