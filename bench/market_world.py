"""Worlds of many markets and nothing else: tens of thousands of conditions with ids that derive as real ones do.

``python -m bench.market_world FOLDER --conditions 44047`` writes a world for the replica (``many_logs.jsonl.gz`` with
``many_truth.json.gz`` beside it) and ``trades.parquet``, rows of somebody who knows the conditions, or the tokens, of
trades and nothing of the markets behind them. Volume is spread by Zipf's law. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import condition_id, neg_risk_question_id, position_ids
from polyledger.replica.world import MarketRecord

PREPARED: Final = "0xab3760c3bd2bb38b5bcf54dc79802ed67338b4cf29f3054ded67ed24661e4177"
RESOLVED: Final = "0xb44d84d3289691f71497564b85d4233648d9dbae8cbdbb4329f301c3a0185894"
FIRST_BLOCK: Final = 52_000_000
FIRST_SECOND: Final = 1_704_067_200  # 2024-01-01
SECONDS_PER_BLOCK: Final = 2
_DAY: Final = 86_400
_SPAN: Final = 600 * _DAY
_CATEGORIES: Final = ("Politics", "Sports", "Crypto", "Culture", "Economics", "Weather", None)
_GROUPED: Final = 0.3  # share of events that are neg-risk groups
_MOST_IN_A_GROUP: Final = 12


@dataclass(frozen=True)
class MarketWorld:
    """Markets in order of their numbers, what ended how, and what was traded.

    Attributes:
        payouts: numerators of the conditions that are resolved.
        volumes: micro-USDC by condition, in the order of `markets`.
    """

    markets: list[MarketRecord]
    payouts: dict[str, tuple[int, int]]
    volumes: list[int]
    seed: int

    def trades(self, *, by: str = "condition_id", volumes: Sequence[int] | None = None) -> pa.Table:
        """Rows as somebody has them who knows only the condition, or only the tokens, of each trade.

        Args:
            by: ``condition_id``, or ``token_id`` for rows of both tokens of each condition.
            volumes: micro-USDC by condition, instead of those of the world.
        """
        given = self.volumes if volumes is None else volumes
        keys: list[str] = []
        amounts: list[int] = []
        for market, volume in zip(self.markets, given, strict=True):
            names = [market.condition_id] if by == "condition_id" else market.token_ids
            for at, name in enumerate(names):
                # The favourite sees most of the trading; a second row makes the number of trades differ too.
                part = volume if len(names) == 1 else (volume * 3 // 4 if at == 0 else volume - volume * 3 // 4)
                parts = [part - part // 3, part // 3] if part > 30_000_000 else [part]
                keys += [name] * len(parts)
                amounts += parts
        rows = range(len(keys))
        times = [FIRST_SECOND + _number(self.seed, "time", key) % _SPAN for key in keys]
        return pa.table(
            {
                by: keys,
                "transaction_hash": ["0x" + _name(self.seed, "trade", row).hex() for row in rows],
                "wallet": ["0x" + _name(self.seed, "wallet", row % 5_000)[:20].hex() for row in rows],
                "side": ["BUY" if row % 2 else "SELL" for row in rows],
                "size": [f"{amount * 2 / 1e6:.6f}" for amount in amounts],
                "usdc": [f"{amount / 1e6:.6f}" for amount in amounts],
                "timestamp": times,
            }
        )

    def unknown_to(self, source: str, share: float) -> list[str]:
        """Conditions that a source is made not to know: a share of all, drawn for each source by itself."""
        border = int(share * (1 << 64))
        return [
            m.condition_id for m in self.markets if _number(self.seed, f"unknown {source}", m.condition_id) < border
        ]

    def write(self, folder: Path, name: str = "many") -> Path:
        """Write the world for the replica; the file to give it."""
        logs = folder / f"{name}_logs.jsonl.gz"
        last = FIRST_BLOCK + _SPAN // SECONDS_PER_BLOCK
        header = {"chain_id": 137, "from_block": FIRST_BLOCK, "to_block": last, "blocks": []}
        encode = msgspec.json.encode
        with gzip.GzipFile(logs, "wb", compresslevel=1, mtime=0) as file:
            file.write(encode(header) + b"\n")
            for log in self._logs():
                file.write(encode(log) + b"\n")
        truth = {"conditions": [msgspec.to_builtins(market) for market in self.markets]}
        with gzip.GzipFile(folder / f"{name}_truth.json.gz", "wb", compresslevel=1, mtime=0) as file:
            file.write(encode(truth))
        return logs

    def _logs(self) -> Iterator[dict[str, object]]:
        contract = "0x" + ContractSet.mainnet().address_bytes(Role.CONDITIONAL_TOKENS).hex()
        blocks = _SPAN // SECONDS_PER_BLOCK // 2
        found: list[tuple[int, int, list[str], str]] = []
        for number, market in enumerate(self.markets):
            block = FIRST_BLOCK + number * blocks // len(self.markets)
            oracle = "0x" + market.oracle[2:].rjust(64, "0")
            where = [PREPARED, market.condition_id, oracle, market.question_id]
            found.append((block, number, where, f"0x{2:064x}"))
            if market.condition_id in self.payouts:
                words = (2, 64, 2, *self.payouts[market.condition_id])
                data = "0x" + "".join(f"{word:064x}" for word in words)
                found.append((block + blocks, number, [RESOLVED, *where[1:]], data))
        for block, number, topics, data in sorted(found, key=lambda one: one[:2]):
            yield {
                "address": contract, "topics": topics, "data": data, "blockNumber": hex(block),
                "transactionHash": "0x" + _name(self.seed, topics[0], number).hex(),
                "transactionIndex": "0x0", "blockHash": "0x" + _name(self.seed, "block", block).hex(),
                "logIndex": hex(number), "blockTimestamp": hex(_second(block)),
            }  # fmt: skip


def generate(conditions: int, *, seed: int = 1, closed: float = 0.93, exponent: float = 1.0) -> MarketWorld:
    """A world of binary conditions.

    Args:
        conditions: how many.
        seed: another one gives other ids.
        closed: share of the conditions that are resolved.
        exponent: of Zipf's law; volumes fall with the rank to its power.
    """
    dice = random.Random(seed)
    contracts = ContractSet.mainnet()
    adapter = contracts.address_bytes(Role.NEG_RISK_ADAPTER)
    collaterals = [contracts.address_bytes(Role.COLLATERAL), contracts.address_bytes(Role.WRAPPED_COLLATERAL)]
    oracle = _name(seed, "oracle", 0)[:20]
    drafts: list[tuple[int, bytes, bytes, int | None, str | None]] = []
    event = 0
    while len(drafts) < conditions:
        event += 1
        category = dice.choice(_CATEGORIES)
        if dice.random() < _GROUPED:
            group = _name(seed, "group", event)[:-1] + b"\0"
            members = range(min(dice.randint(3, _MOST_IN_A_GROUP), conditions - len(drafts)))
            drafts += [(event, adapter, neg_risk_question_id(group, index), index, category) for index in members]
        else:
            drafts.append((event, oracle, _name(seed, "question", event), None, category))
    ids = [condition_id(by, question, 2) for _, by, question, _, _ in drafts]
    tokens = position_ids(np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 32), 2, collaterals)
    markets = [
        MarketRecord(
            market_id=str(500_000 + number),
            condition_id="0x" + ids[number].hex(),
            question_id="0x" + question.hex(),
            oracle="0x" + by.hex(),
            token_ids=[str(int.from_bytes(token.tobytes(), "big")) for token in tokens[number, int(index is not None)]],
            outcomes=["Yes", "No"],
            question=f"Will number {number} happen?",
            slug=f"will-number-{number}-happen",
            event_id=str(20_000 + event),
            category=category,
            neg_risk=index is not None,
            neg_risk_market_id=None if index is None else "0x" + question[:-1].hex() + "00",
            neg_risk_index=index,
        )
        for number, (event, by, question, index, category) in enumerate(drafts)
    ]
    payouts = {market.condition_id: _payout(market, dice) for market in markets if dice.random() < closed}
    ranks = list(range(1, conditions + 1))
    dice.shuffle(ranks)
    volumes = [max(1_000_000, round(2e13 / rank**exponent)) for rank in ranks]
    return MarketWorld(markets, payouts, volumes, seed)


def _payout(market: MarketRecord, dice: random.Random) -> tuple[int, int]:
    """One of the two outcomes; of a neg-risk group at most one question ends with Yes."""
    if market.neg_risk_market_id is None:
        return dice.choice([(1, 0), (0, 1)])
    winner = _number(0, "winner", market.neg_risk_market_id) % _MOST_IN_A_GROUP
    return (1, 0) if market.neg_risk_index == winner else (0, 1)


def _name(seed: int, what: str, number: int) -> bytes:
    return hashlib.sha256(f"{seed} {what} {number}".encode()).digest()


def _number(seed: int, what: str, key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {what} {key}".encode()).digest()[:8], "big")


def _second(block: int) -> int:
    return FIRST_SECOND + (block - FIRST_BLOCK) * SECONDS_PER_BLOCK


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.market_world", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--conditions", type=int, default=44_047)
    parser.add_argument("--exponent", type=float, default=1.0)
    parser.add_argument("--by", choices=["condition_id", "token_id"], default="condition_id")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    world = generate(arguments.conditions, seed=arguments.seed, exponent=arguments.exponent)
    trades = arguments.folder / "trades.parquet"
    pq.write_table(world.trades(by=arguments.by), trades)
    print(f"{world.write(arguments.folder)} and {trades}: {arguments.conditions:,} conditions")


if __name__ == "__main__":
    main()
