"""The replica's HTTP services, compared with the truth file and with each other."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.replica_support import faulty, recorded, replica, truth, world

__all__ = ["faulty", "recorded", "replica", "truth", "world"]

Start = Callable[[dict[str, Any]], httpx2.Client]
Truth = dict[str, Any]


def keyset(client: httpx2.Client, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of a keyset listing."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(f"/gamma/{name}/keyset", params={**parameters, **cursor})
        assert answer.status_code == 200, answer.text
        document = answer.json()
        rows += document[name]
        if "next_cursor" not in document:
            return rows
        cursor = {"after_cursor": document["next_cursor"]}


def test_gamma_lists_every_market_in_one_of_both_states(replica: httpx2.Client, truth: Truth) -> None:
    conditions = {condition["condition_id"]: condition for condition in truth["conditions"]}
    closed, still_open = keyset(replica, "markets", closed="true", limit=7), keyset(replica, "markets", limit=7)
    assert len(closed) + len(still_open) == len(conditions)
    assert all(row["closed"] for row in closed)
    assert not any(row["closed"] for row in still_open)
    for row in closed + still_open:
        condition = conditions[row["conditionId"]]
        assert row["id"] == condition["market_id"]
        assert json.loads(row["clobTokenIds"]) == condition["token_ids"]
        assert json.loads(row["outcomes"]) == condition["outcomes"]
        assert row["closed"] == ("payout_numerators" in condition)
        assert row["events"][0]["id"] == condition["event_id"]
        assert row["events"][0]["category"] == condition["category"]
        assert "tags" not in row
        if row["closed"]:
            payouts = [float(price) for price in json.loads(row["outcomePrices"])]
            assert payouts == condition["payouts"]
    assert [int(row["id"]) for row in closed] == sorted(int(row["id"]) for row in closed)


def test_gamma_quirks(replica: httpx2.Client, truth: Truth) -> None:
    resolved = next(one for one in truth["conditions"] if "payout_numerators" in one)
    url = "/gamma/markets/keyset"
    by_condition = {"condition_ids": resolved["condition_id"]}
    assert replica.get(url, params=by_condition).json() == {"markets": []}, "closed=false is implied"
    assert len(replica.get(url, params=by_condition | {"closed": "true"}).json()["markets"]) == 1
    tokens = [("clob_token_ids", token) for token in resolved["token_ids"]] + [("closed", "true")]
    assert [row["id"] for row in replica.get(url, params=tokens).json()["markets"]] == [resolved["market_id"]]
    comma = {"clob_token_ids": ",".join(resolved["token_ids"]), "closed": "true"}
    assert replica.get(url, params=comma).json() == {"markets": []}
    first = replica.get(url, params={"closed": "true", "limit": 5}).json()
    for ignored in ("cursor", "next_cursor"):
        again = replica.get(url, params={"closed": "true", "limit": 5, ignored: first["next_cursor"]}).json()
        assert again["markets"] == first["markets"]
    other = replica.get(url, params={"closed": "false", "limit": 5, "after_cursor": first["next_cursor"]})
    assert (other.status_code, other.json()["type"]) == (422, "validation error")
    assert replica.get(url, params={"offset": 5}).status_code == 422
    assert replica.get("/gamma/markets", params={"offset": 2001}).status_code == 422
    assert replica.get(url, params={"order": "nonsense"}).status_code == 422
    many = replica.get(url, params=[("condition_ids", "0x" + "ab" * 32)] * 120)
    assert many.status_code == 414
    assert many.headers["content-type"].startswith("text/html")
    single = replica.get(f"/gamma/markets/{resolved['market_id']}", params={"include_tag": "true"})
    assert single.json()["closed"] is True
    assert resolved["category"].lower() in {tag["slug"] for tag in single.json()["tags"]}
    assert replica.get("/gamma/markets/1").status_code == 404
    legacy = replica.get("/gamma/markets", params={"limit": 3})
    assert legacy.headers["deprecation"] == "true"
    assert len(legacy.json()) == 3


def test_gamma_events_hold_their_markets(replica: httpx2.Client, truth: Truth) -> None:
    rows = keyset(replica, "events", closed="true") + keyset(replica, "events", closed="false", limit=3)
    expected: dict[str, set[str]] = {}
    for condition in truth["conditions"]:
        expected.setdefault(condition["event_id"], set()).add(condition["market_id"])
    assert {row["id"]: {market["id"] for market in row["markets"]} for row in rows} == expected
    categories = {condition["event_id"]: condition["category"] for condition in truth["conditions"]}
    for row in rows:
        assert {tag["slug"] for tag in row["tags"]} == {"all", categories[row["id"]].lower()}


def test_markets_appear_and_close_with_the_chain(faulty: Start, truth: Truth, recorded: dict[str, Any]) -> None:
    blocks = {log["transactionHash"]: int(log["blockNumber"], 16) for log in recorded["logs"]}
    first = min(blocks[one["resolution_tx"]] for one in truth["conditions"] if "resolution_tx" in one)
    client = faulty({"head": {"start": first - 1}})
    assert keyset(client, "markets", closed="true") == []
    client.post("/control", json={"head": first})
    closed = keyset(client, "markets", closed="true")
    assert {row["conditionId"] for row in closed} == {
        one["condition_id"] for one in truth["conditions"] if blocks.get(one.get("resolution_tx", "")) == first
    }
    client.post("/control", json={"head": recorded["from_block"] + 1})
    assert keyset(client, "markets") == []


def test_clob_pages_and_looks_up(replica: httpx2.Client, truth: Truth) -> None:
    page = replica.get("/clob/markets").json()
    assert (page["count"], page["next_cursor"]) == (len(truth["conditions"]), "LTE=")
    rows = {row["condition_id"]: row for row in page["data"]}
    for condition in truth["conditions"]:
        row = rows[condition["condition_id"]]
        assert [token["token_id"] for token in row["tokens"]] == condition["token_ids"]
        winners = [payout == 1 for payout in condition.get("payouts") or [0] * len(condition["token_ids"])]
        assert [token["winner"] for token in row["tokens"]] == winners
        assert row["closed"] == ("payout_numerators" in condition)
        assert replica.get(f"/clob/markets/{condition['condition_id']}").json() == row
        by_token = replica.get(f"/clob/markets-by-token/{condition['token_ids'][1]}").json()
        assert by_token["condition_id"] == condition["condition_id"]
        assert by_token["primary_token_id"] == condition["token_ids"][0]
    past = base64.b64encode(b"1000").decode()
    assert replica.get("/clob/markets", params={"next_cursor": past}).json()["data"] is None
    assert replica.get("/clob/markets", params={"next_cursor": "LTE="}).status_code == 400
    assert replica.get("/clob/markets/0x12").json() == {"error": "market not found"}


def trades(client: httpx2.Client, **parameters: Any) -> list[dict[str, Any]]:
    """All rows of the older trade route."""
    rows: list[dict[str, Any]] = []
    while True:
        page = client.get("/data/trades", params={"limit": 1000, "offset": len(rows), **parameters}).json()
        rows += page
        if len(page) < 1000:
            return rows


def test_trades_are_the_fills_of_the_truth(replica: httpx2.Client, truth: Truth) -> None:
    rows = trades(replica, takerOnly="false")
    got = Counter(
        (row["transactionHash"], row["proxyWallet"], row["asset"], row["side"], round(row["size"] * 1e6))
        for row in rows
    )
    expected = Counter(
        (fill["tx_hash"], fill["wallet"].lower(), fill["token_id"], fill["side"], fill["size"])
        for fill in truth["fills"]
    )
    assert got == expected
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)
    assert len(trades(replica)) == sum(fill["match_type"] == "TAKER" for fill in truth["fills"])
    market = truth["fills"][0]["condition_id"]
    assert {row["conditionId"] for row in trades(replica, market=market)} == {market}
    assert replica.get("/data/trades", params={"offset": 3001}).status_code == 400
    assert replica.get("/data/trades", params={"market": "12"}).status_code == 400


def test_newer_trades_page_by_cursor_without_loss(replica: httpx2.Client) -> None:
    rows: list[dict[str, Any]] = []
    query = {"limit": 300, "taker_only": "false"}
    cursor: dict[str, str] = {}
    while True:
        document = replica.get("/data/v2/trades", params=query | cursor).json()
        rows += document["data"]
        assert document["pagination"]["has_more"] == (document["pagination"]["next_cursor"] is not None)
        if not document["pagination"]["has_more"]:
            break
        cursor = {"cursor": document["pagination"]["next_cursor"]}
    older = trades(replica, takerOnly="false")
    assert [(row["transaction_hash"], row["token_id"], row["size"]) for row in rows] == [
        (row["transactionHash"], row["asset"], row["size"]) for row in older if row["size"] * row["price"] >= 0.01
    ]
    assert replica.get("/data/v2/trades", params={"offset": 1}).status_code == 400
    assert replica.get("/data/v2/trades", params={"cursor": cursor["cursor"]}).status_code == 400


def test_token_references_and_resolutions(replica: httpx2.Client, truth: Truth) -> None:
    for condition in truth["conditions"]:
        tokens = condition["token_ids"]
        asked = {"token_id": ",".join([*tokens, "123"])}
        rows = replica.get("/data/v2/tokens", params=asked).json()["data"]
        assert [(row["token_id"], row["condition_id"], row["outcome_index"]) for row in rows] == [
            (token, condition["condition_id"], at) for at, token in enumerate(tokens)
        ]
        assert [row["final_price"] for row in rows] == (condition.get("payouts") or [None] * len(tokens))
        found = replica.get("/data/v2/resolutions", params={"condition": condition["condition_id"]}).json()["data"]
        assert [row["status"] for row in found] == ["resolved" if "payout_numerators" in condition else "posed"]
    group = next(one["neg_risk_market_id"] for one in truth["conditions"] if one["neg_risk"])
    rows = replica.get("/data/v2/tokens", params={"condition": group}).json()["data"]
    assert len(rows) == 2 * sum(one["neg_risk_market_id"] == group for one in truth["conditions"])
    assert replica.get("/data/v2/tokens").status_code == 400


def test_positions_are_the_balances_of_the_truth(replica: httpx2.Client, truth: Truth) -> None:
    for wallet, final in truth["final"].items():
        rows = replica.get("/data/positions", params={"user": wallet, "limit": 500, "sizeThreshold": 0.000001}).json()
        balances = {token: amount for token, amount in final["token_balances"].items() if amount}
        assert {row["asset"]: round(row["size"] * 1e6) for row in rows} == balances


def test_activity_holds_fills_and_operations(replica: httpx2.Client, truth: Truth) -> None:
    kinds = {"split": "SPLIT", "merge": "MERGE", "redeem": "REDEEM", "convert": "CONVERSION"}
    for wallet in truth["wallets"][:6]:
        rows = []
        while True:
            page = replica.get("/data/activity", params={"user": wallet, "limit": 500, "offset": len(rows)}).json()
            rows += page
            if len(page) < 500:
                break
        expected = Counter(
            (operation["tx_hash"], kinds[operation["kind"]])
            for operation in truth["operations"]
            if operation["kind"] in kinds and operation["wallet"] == wallet
        )
        expected.update((fill["tx_hash"], "TRADE") for fill in truth["fills"] if fill["wallet"] == wallet)
        assert Counter((row["transactionHash"], row["type"]) for row in rows) == expected


def graph(client: httpx2.Client, name: str, query: str, **variables: Any) -> Any:
    """Data of a GraphQL question."""
    answer = client.post(f"/subgraph/{name}/0.0.1/gn", json={"query": query, "variables": variables})
    assert answer.status_code == 200
    document = answer.json()
    assert "errors" not in document, document
    return document["data"]


def test_subgraph_pages_by_id(replica: httpx2.Client, truth: Truth) -> None:
    query = """
    query Page($last: String = "") {
      orderFilledEvents(first: 700, orderBy: id, orderDirection: asc, where: {id_gt: $last}) {
        id maker takerAssetId amount: makerAmountFilled
      }
      _meta { block { number } hasIndexingErrors }
    }"""
    rows: list[dict[str, Any]] = []
    variables: dict[str, str] = {}
    while page := graph(replica, "orderbook-subgraph", query, **variables)["orderFilledEvents"]:
        rows += page
        variables = {"last": page[-1]["id"]}
    first_version = {truth["contracts"][name] for name in ("EX", "NRX")}
    expected = {
        f"{fill['tx_hash']}_{fill['order_hash']}" for fill in truth["fills"] if fill["exchange"] in first_version
    }
    assert [row["id"] for row in rows] == sorted(expected)
    resolved = graph(replica, "pnl-subgraph", "{ conditions(first: 1000) { id payoutNumerators payoutDenominator } }")
    assert {row["id"]: row["payoutNumerators"] for row in resolved["conditions"]} == {
        one["condition_id"]: [str(share) for share in one.get("payout_numerators", [])] for one in truth["conditions"]
    }
    token = truth["conditions"][0]["token_ids"][1]
    one = graph(replica, "orderbook-subgraph", f'{{ marketData(id: "{token}") {{ condition outcomeIndex }} }}')
    assert one == {"marketData": {"condition": truth["conditions"][0]["condition_id"], "outcomeIndex": "1"}}


@pytest.mark.parametrize(
    "query",
    [
        "{ orderFilledEvents(first: 1001) { id } }",
        "{ orderFilledEvents { nothing } }",
        "{ nothings { id } }",
        "{ orderFilledEvents(where: {id_gt: $x}) { id } }",
        "{ orderFilledEvents",
        "{ orderFilledEvents(block: {number: 99999999}) { id } }",
    ],
)
def test_subgraph_errors_come_with_status_200(replica: httpx2.Client, query: str) -> None:
    answer = replica.post("/subgraph/orderbook-subgraph/0.0.1/gn", json={"query": query})
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["message"]


def test_gaps_and_a_frozen_subgraph_on_demand(faulty: Start, truth: Truth, recorded: dict[str, Any]) -> None:
    missing = truth["conditions"][3]["condition_id"]
    frozen = recorded["from_block"] + 300
    client = faulty({"markets": {"missing_gamma": [missing], "missing_clob": [missing], "subgraph_head": frozen}})
    rows = keyset(client, "markets", closed="true") + keyset(client, "markets")
    assert missing not in {row["conditionId"] for row in rows}
    assert client.get(f"/clob/markets/{missing}").status_code == 404
    assert client.get("/data/v2/tokens", params={"condition": missing}).json()["data"]
    meta = graph(client, "orderbook-subgraph", "{ _meta { block { number } } }")
    assert meta["_meta"]["block"]["number"] == frozen
