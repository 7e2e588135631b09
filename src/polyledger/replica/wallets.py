"""What one wallet did and holds, read from the recorded logs: the stuff of the activity and position routes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from polyledger.replica.chain import Chain
from polyledger.replica.fills import Fill, Fills
from polyledger.replica.logs import LogFilter, LogRecord

_SPLIT = "0x2e6bb91f8cbcda0c93623c54d0403a43514fabc40084ec96b6d5379a74786298"
_MERGE = "0x6f13ca62553fcc2bcd2372180a43949c1e4cebba603901ede2f4e14f36b282ca"
_REDEMPTION = "0x2682012a4a4f1973119f1c9b90745d1bd91fa2bab387344f044cb3586864d18d"
_ADAPTER_SPLIT = "0xbbed930dbfb7907ae2d60ddf78345610214f26419a0128df39b6cc3d9e5df9b0"
_ADAPTER_MERGE = "0xba33ac50d8894676597e6e35dc09cff59854708b642cd069d21eb9c7ca072a04"
_ADAPTER_REDEMPTION = "0x9140a6a270ef945260c03894b3c6b3b2695e9d5101feef0ff24fec960cfd3224"
_CONVERSION = "0xb03d19dddbc72a87e735ff0ea3b57bef133ebe44e1894284916a84044deb367e"
_TRANSFER_SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
_TRANSFER_BATCH = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"

# Event: what it is called, the topic or data word that names the condition, the data word of the amount.
_ACTIVITY = {
    _SPLIT: ("SPLIT", "topic", 3, 2),
    _MERGE: ("MERGE", "topic", 3, 2),
    _REDEMPTION: ("REDEEM", "word", 0, 2),
    _ADAPTER_SPLIT: ("SPLIT", "topic", 2, 0),
    _ADAPTER_MERGE: ("MERGE", "topic", 2, 0),
    _ADAPTER_REDEMPTION: ("REDEEM", "topic", 2, 1),
    _CONVERSION: ("CONVERSION", "topic", 2, 0),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A split, merge, redemption or conversion; the amount in 1e-6 USDC. A conversion names its neg-risk market."""

    kind: str
    block: int
    log_index: int
    timestamp: int
    transaction_hash: str
    condition_id: str
    amount: int

    @property
    def position(self) -> int:
        """Grows along the chain, on the scale of `Fill.position`."""
        return self.block << 20 | self.log_index


@dataclass(frozen=True, slots=True)
class Holding:
    """A wallet's account of one token; amounts in 1e-6 units, the cost by average price."""

    token_id: str
    balance: int
    bought: int
    cost: int
    realized: float

    @property
    def average_price(self) -> float:
        """USDC paid per share bought by fills."""
        return self.cost / self.bought if self.bought else 0.0


class Wallets:
    """Looks wallets up on the visible chain."""

    def __init__(self, chain: Chain, fills: Fills) -> None:
        self._chain = chain
        self._fills = fills

    def operations(self, wallet: str) -> list[Operation]:
        """Newest first, by the wallet's own hand."""
        wanted = LogFilter(topics=(frozenset(_ACTIVITY), frozenset((_padded(wallet),))))
        records = self._chain.records(wanted, 0, self._chain.head)
        return [_operation(record) for record in reversed(records)]

    def activity(self, wallet: str) -> list[Fill | Operation]:
        """Fills and operations together, newest first."""
        both: list[Fill | Operation] = [*self._fills.newest_first(makers=wallet), *self.operations(wallet)]
        return sorted(both, key=lambda entry: entry.position, reverse=True)

    def holdings(self, wallet: str) -> list[Holding]:
        """One for each token that the wallet ever had, the largest balance first."""
        balances = self._balances(wallet)
        bought: dict[str, int] = defaultdict(int)
        cost: dict[str, int] = defaultdict(int)
        realized: dict[str, float] = defaultdict(float)
        for fill in reversed(list(self._fills.newest_first(makers=wallet))):
            if fill.is_buy:
                bought[fill.token_id] += fill.shares
                cost[fill.token_id] += fill.collateral
            elif bought[fill.token_id]:
                average = cost[fill.token_id] / bought[fill.token_id]
                realized[fill.token_id] += fill.collateral - fill.shares * average
        tokens = sorted(set(balances) | set(bought), key=lambda token: (-balances[token], token))
        return [Holding(token, balances[token], bought[token], cost[token], realized[token]) for token in tokens]

    def _balances(self, wallet: str) -> dict[str, int]:
        events = frozenset((_TRANSFER_SINGLE, _TRANSFER_BATCH))
        word = frozenset((_padded(wallet),))
        balances: dict[str, int] = defaultdict(int)
        for sign, topics in ((-1, (events, None, word)), (1, (events, None, None, word))):
            for record in self._chain.records(LogFilter(topics=topics), 0, self._chain.head):
                for token, amount in _transferred(record):
                    balances[token] += sign * amount
        return balances


def _operation(record: LogRecord) -> Operation:
    kind, place, at, amount_at = _ACTIVITY[record.topics[0]]
    words = _words(record)
    return Operation(
        kind=kind,
        block=int(record.block_number, 16),
        log_index=int(record.log_index, 16),
        timestamp=int(record.block_timestamp or "0x0", 16),
        transaction_hash=record.transaction_hash,
        condition_id=record.topics[at] if place == "topic" else f"0x{words[at]:064x}",
        amount=words[amount_at],
    )


def _transferred(record: LogRecord) -> list[tuple[str, int]]:
    words = _words(record)
    if record.topics[0] == _TRANSFER_SINGLE:
        return [(str(words[0]), words[1])]
    first, second = words[0] // 32, words[1] // 32
    tokens, amounts = words[first + 1 : first + 1 + words[first]], words[second + 1 : second + 1 + words[second]]
    return [(str(token), amount) for token, amount in zip(tokens, amounts, strict=True)]


def _words(record: LogRecord) -> list[int]:
    return [int(record.data[at : at + 64], 16) for at in range(2, len(record.data), 64)]


def _padded(address: str) -> str:
    return "0x" + address.removeprefix("0x").lower().rjust(64, "0")
