"""A world made of real records: the recorded trades as fills of a chain, the recorded markets as the CLOB serves them.

Logs are written here by hand, from the published layout of OrderFilled, so that nothing of the code under test decides
what they hold. The trades are real to the last digit; which transaction they share with whom is made up.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from polyledger.replica import World, load_world
from tests.event_topics import PUBLISHED_TOPICS
from tests.paths import real_file

Row = dict[str, Any]
FIRST_BLOCK = 78_000_000
ORDER_FILLED = PUBLISHED_TOPICS["OrderFilled(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)"]
EXCHANGE = "0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e"
NEG_RISK_EXCHANGE = "0xc5d563a36ae78145c45a50134d48a1215220f80a"
NAMED = ("conditionId", "slug", "eventSlug", "title")  # each of them says which market a row is about


def records(name: str) -> list[Row]:
    """The rows of a file of real records; skips the test when it is absent."""
    with gzip.open(real_file(name), "rt", encoding="utf-8") as lines:
        return [json.loads(line, parse_float=Decimal) for line in lines]


def with_holes(trades: Sequence[Row]) -> list[Row]:
    """The trades with what names their market blanked on 86 % of rows and their token on 10 %; the rest is kept."""
    dice = random.Random(20251121)
    without_market = set(dice.sample(range(len(trades)), len(trades) * 86 // 100))
    without_token = set(dice.sample(range(len(trades)), len(trades) * 10 // 100))
    rows = []
    for place, trade in enumerate(trades):
        row = dict(trade)
        row |= dict.fromkeys(NAMED, "") if place in without_market else {}
        row |= {"asset": ""} if place in without_token else {}
        rows.append(row)
    return rows


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """One JSON object a line, numbers as they were written."""
    path.write_text("".join(json.dumps(row, default=float) + "\n" for row in rows))
    return path


def amounts(trade: Row) -> tuple[int, int]:
    """Shares and collateral of a trade in micro-units: the Data API divides the one by the other for the price."""
    shares = Decimal(trade["size"]) * 1_000_000
    return int(shares), int((shares * Decimal(trade["price"])).to_integral_value(ROUND_HALF_EVEN))


def real_world(folder: Path, holds: Callable[[str], bool], *, first_market: int = 700_000) -> World:
    """A world whose chain holds the real trades of the transactions that `holds` accepts, and the 59 real markets.

    Every match has two legs: the wallet's own, and a stranger's on the same token, or on the other one (a mint).

    Args:
        folder: where its files are written.
        holds: transaction hash → whether the chain has it.
        first_market: the number that Gamma knows the first market by; the others follow.
    """
    markets = records("clob_markets.jsonl.gz")
    trades = defaultdict(list)
    for trade in records("trades.jsonl.gz"):
        if holds(trade["transactionHash"]):
            trades[trade["transactionHash"]].append(trade)
    logs: list[Row] = []
    blocks: list[Row] = []
    # The Data API lists the newest first; the chain begins with the oldest.
    for number, (transaction, fills) in enumerate(reversed(trades.items()), FIRST_BLOCK):
        block = {
            "number": hex(number),
            "hash": _made_up("block", number),
            "parentHash": _made_up("block", number - 1),
            "timestamp": hex(fills[0]["timestamp"]),
            "transactions": [transaction],
        }
        blocks.append(block)
        legs = [leg for fill in fills for leg in _legs(fill, markets)]
        logs += [_log(block, at, leg) for at, leg in enumerate(legs)]
    last = FIRST_BLOCK + len(blocks)  # an empty block ends the world
    blocks.append({
        "number": hex(last), "hash": _made_up("block", last), "parentHash": _made_up("block", last - 1),
        "timestamp": hex(1_764_900_000), "transactions": [],
    })  # fmt: skip
    document = {"chain_id": 137, "from_block": FIRST_BLOCK, "to_block": last, "blocks": blocks, "logs": logs}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "real_logs.json"
    path.write_text(json.dumps(document))
    named = [_named(*one) for one in enumerate(markets, first_market)]
    (folder / "real_truth.json").write_text(json.dumps({"conditions": named}))
    write_rows(folder / "real_clob.jsonl", markets)
    return load_world(path)


def _legs(trade: Row, markets: Sequence[Row]) -> list[tuple[str, Row, str, str]]:
    """(exchange, event, maker, taker) of both legs: the stranger's maker leg, then the wallet's taker leg."""
    market = next((row for row in markets if row["condition_id"] == trade["conditionId"]), None)
    exchange = NEG_RISK_EXCHANGE if market is not None and market["neg_risk"] else EXCHANGE
    shares, collateral = amounts(trade)
    seed = f"{trade['transactionHash']} {trade['timestamp']} {trade['size']}"
    stranger = "0x" + hashlib.sha256(seed.encode()).hexdigest()[:40]
    buys = trade["side"] == "BUY"
    token = int(trade["asset"])
    others = [] if market is None else [int(t["token_id"]) for t in market["tokens"] if t["token_id"] != trade["asset"]]
    if others and shares % 3 == 0 and collateral < shares:  # each buys (or sells) one side
        opposite = _event(others[0], buys, shares, shares - collateral)
    else:
        opposite = _event(token, not buys, shares, collateral)
    return [
        (exchange, opposite, stranger, trade["proxyWallet"]),
        (exchange, _event(token, buys, shares, collateral), trade["proxyWallet"], exchange),
    ]


def _event(token: int, buys: bool, shares: int, collateral: int) -> Row:
    """makerAssetId, takerAssetId, makerAmountFilled, takerAmountFilled, fee: who buys gives collateral (asset 0)."""
    return {"words": (0, token, collateral, shares, 0) if buys else (token, 0, shares, collateral, 0)}


def _log(block: Row, at: int, leg: tuple[str, Row, str, str]) -> Row:
    exchange, event, maker, taker = leg
    return {
        "address": exchange,
        "topics": [ORDER_FILLED, _made_up("order", f"{block['number']} {at}"), _topic(maker), _topic(taker)],
        "data": "0x" + "".join(f"{word:064x}" for word in event["words"]),
        "blockNumber": block["number"],
        "transactionHash": block["transactions"][0],
        "transactionIndex": "0x0",
        "blockHash": block["hash"],
        "logIndex": hex(at),
        "blockTimestamp": block["timestamp"],
    }


def _named(number: int, market: Row) -> Row:
    """What the other services call a market of the CLOB, for a world's truth file; their numbers are made up."""
    return {
        "market_id": str(number),
        "condition_id": market["condition_id"],
        "question_id": market["question_id"],
        "oracle": "0x" + "00" * 20,
        "token_ids": [token["token_id"] for token in market["tokens"]],
        "outcomes": [token["outcome"] for token in market["tokens"]],
        "question": market["question"],
        "slug": market["market_slug"],
        "event_id": str(90_000 + number),
        "category": market["tags"][0] if market["tags"] else None,
        "neg_risk": market["neg_risk"],
        "neg_risk_market_id": market["neg_risk_market_id"] or None,
        "neg_risk_index": int(market["question_id"][-2:], 16) if market["neg_risk"] else None,
    }


def _topic(address: str) -> str:
    return "0x" + address[2:].zfill(64)


def _made_up(kind: str, name: object) -> str:
    return "0x" + hashlib.sha256(f"real {kind} {name}".encode()).hexdigest()
