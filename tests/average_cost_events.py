"""Events of the average-cost method, and what its two implementations make of them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from polyledger.value.average_cost import average_cost
from polyledger.value.average_cost_events import Parties, operations
from polyledger.value.average_cost_tables import EVENTS
from tests.average_cost_oracle import Event, State, Subgraph

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
