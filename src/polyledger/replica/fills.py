"""Fills read from the recorded OrderFilled logs: what the trade routes and the subgraphs are made of.

Written for itself, without the ledger's decoder, so that a test that compares both compares two readings of the logs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from polyledger.replica.chain import Chain
from polyledger.replica.logs import LogFilter, LogIndex, LogRecord

ORDER_FILLED_V1 = "0xd0a08e8c493f9c94f29311604c9de1b4e8c8d4c06bd0c789af57f2d65bfec0f6"
ORDER_FILLED_V2 = "0xd543adfd945773f1a62f74f0ee55a5e3b9b1a28262980ba90b1a89f2ea84d8ee"
_ORDER_FILLED = LogFilter(topics=(frozenset((ORDER_FILLED_V1, ORDER_FILLED_V2)),))
_ALL_BLOCKS = 1 << 62
_QUICKLY_READ = 500_000  # logs; more take seconds, which a client would take for an outage


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One leg. Shares, collateral and fee in 1e-6 units, the timestamp in seconds, addresses in lower case.

    The fee is in shares for a V1 BUY and in collateral otherwise.
    """

    block: int
    log_index: int
    timestamp: int
    transaction_hash: str
    contract: str
    order_hash: str
    maker: str
    taker: str
    is_buy: bool
    token_id: str
    shares: int
    collateral: int
    fee: int
    is_v1: bool

    @property
    def is_taker_leg(self) -> bool:
        """Whether this leg is the taker order of a match: the exchange itself stands as its counterparty."""
        return self.taker == self.contract

    @property
    def price(self) -> float:
        """USDC per share; 0 for a leg without shares."""
        return self.collateral / self.shares if self.shares else 0.0

    @property
    def position(self) -> int:
        """Grows along the chain; what the cursors of feeds hold."""
        return self.block << 20 | self.log_index


class _Recorded:
    """The fills of one index of logs, in chain order, and where each maker and each token occurs in them."""

    def __init__(self, index: LogIndex) -> None:
        self.fills = [read_fill(record) for record in index.records(index.select(_ORDER_FILLED, 0, _ALL_BLOCKS))]
        self.blocks = [fill.block for fill in self.fills]
        self.by_maker: dict[str, list[int]] = defaultdict(list)
        self.by_token: dict[str, list[int]] = defaultdict(list)
        for row, fill in enumerate(self.fills):
            self.by_maker[fill.maker].append(row)
            self.by_token[fill.token_id].append(row)
        self._volumes: dict[str, tuple[list[int], list[int]]] = {}

    def taker_volume(self, token_id: str, first: int, last: int) -> int:
        """Collateral of the taker legs on a token within a closed block range."""
        known = self._volumes.get(token_id)
        if known is None:
            legs = [fill for fill in map(self.fills.__getitem__, self.by_token.get(token_id, ())) if fill.is_taker_leg]
            known = [fill.block for fill in legs], [0, *accumulate(fill.collateral for fill in legs)]
            self._volumes[token_id] = known
        blocks, sums = known
        return sums[bisect_right(blocks, last)] - sums[bisect_right(blocks, first - 1)]


class Fills:
    """The fills of the visible chain. Read at first use, which takes some seconds for a world of millions of logs."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._recorded: dict[int, tuple[LogIndex, _Recorded]] = {}

    def newest_first(self, makers: str | None = None, tokens: Sequence[str] | None = None) -> Iterator[Fill]:
        """Visible fills, newest first; of one maker, or on some tokens, or all."""
        for recorded, first, last in reversed(list(self._segments())):
            start, end = bisect_right(recorded.blocks, first - 1), bisect_right(recorded.blocks, last)
            if makers is not None:
                rows: Sequence[int] = recorded.by_maker.get(makers, [])
            elif tokens is not None:
                rows = sorted(row for token in tokens for row in recorded.by_token.get(token, ()))
            else:
                rows = range(start, end)
            for row in reversed(rows):
                if start <= row < end:
                    yield recorded.fills[row]

    @property
    def are_at_hand(self) -> bool:
        """Whether asking costs little: of a large world, lists of markets leave out what comes from fills."""
        return len(self._chain.world.logs) <= _QUICKLY_READ

    def taker_volume(self, tokens: Sequence[str]) -> int:
        """Collateral of the visible taker legs on those tokens, each match counted once, in 1e-6 units."""
        return sum(
            recorded.taker_volume(token, first, last) for recorded, first, last in self._segments() for token in tokens
        )

    def last_price(self, token_id: str) -> float | None:
        """Price of the newest visible fill on the token."""
        newest = next(self.newest_first(tokens=[token_id]), None)
        return None if newest is None else newest.price

    def _segments(self) -> Iterator[tuple[_Recorded, int, int]]:
        for index, first, last in self._chain.segments(0, self._chain.head):
            known = self._recorded.get(id(index))
            if known is None or known[0] is not index:
                known = self._recorded[id(index)] = (index, _Recorded(index))
            yield known[1], first, last


def read_fill(record: LogRecord) -> Fill:
    """A fill from its log, in either layout."""
    words = [int(record.data[at : at + 64], 16) for at in range(2, len(record.data), 64)]
    is_v1 = record.topics[0] == ORDER_FILLED_V1
    if is_v1:
        maker_asset, taker_asset, given, taken, fee = words[:5]
        is_buy, token = maker_asset == 0, taker_asset or maker_asset
    else:
        side, token, given, taken, fee = words[:5]
        is_buy = side == 0
    return Fill(
        block=int(record.block_number, 16),
        log_index=int(record.log_index, 16),
        timestamp=int(record.block_timestamp or "0x0", 16),
        transaction_hash=record.transaction_hash,
        contract=record.address,
        order_hash=record.topics[1],
        maker="0x" + record.topics[2][26:],
        taker="0x" + record.topics[3][26:],
        is_buy=is_buy,
        token_id=str(token),
        shares=taken if is_buy else given,
        collateral=given if is_buy else taken,
        fee=fee,
        is_v1=is_v1,
    )
