"""What a strategy hands to a broker, what comes back, and the interface of brokers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, runtime_checkable

from polyledger.domain.categories import UNCATEGORIZED
from polyledger.insight.watchlist.entries import EXITED, SETTLED, Entry
from polyledger.insight.watchlist.strategies import Limits

Document = dict[str, Any]
Key = tuple[int, int, int]
"""A place in time: seconds since 1970, transaction key, log index."""
SMALLEST_ORDER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """An order of one strategy in one market. Amounts in millionths.

    Attributes:
        id: the same order always has the same id; a broker places it once however often it is submitted.
        amount: USDC to spend, of an order to buy; shares: to sell, of an order to sell.
        limit: the most (to sell: the least) USDC for a share.
        time, tx, log_index: when it was made; only what comes later can fill it.
    """

    id: str
    strategy: str
    condition: str
    token: str
    outcome: str | None
    category: str | None
    tags: list[str] | None
    event: str | None
    side: Literal["BUY", "SELL"]
    amount: int
    shares: int
    limit: int
    time: int
    tx: int
    log_index: int

    def plain(self) -> Document:
        """As JSON can carry it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that was filled. Amounts in millionths; the fee is USDC on top of the collateral."""

    time: int
    tx: int
    log_index: int
    side: str
    shares: int
    collateral: int
    fee: int

    def plain(self) -> Document:
        """As JSON can carry it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an order.

    Attributes:
        state: working; filled, partial (what was left lapsed), unfilled, cancelled, refused.
        at: when it was done, None for now.
    """

    state: Literal["working", "filled", "partial", "unfilled", "cancelled", "refused"]
    fills: tuple[Fill, ...] = ()
    at: Key | None = None
    reason: str | None = None


@runtime_checkable
class Broker(Protocol):
    """Whoever carries out orders. polyledger has one, which trades on paper; a live one is somebody else's code.

    `submit` must place an order once, whatever happens in between: after a crash the same order, with the same id, is
    submitted again.
    """

    def submit(self, order: Order) -> Result:
        """Take an order on."""
        ...

    def check(self, order: Order) -> Result:
        """What has become of an order that works; everything that was filled so far."""
        ...

    def cancel(self, order: Order, at: Key) -> Result:
        """End an order that works; what was filled before `at` stays."""
        ...


def committed(entry: Entry) -> int:
    """USDC that an entry binds: what was paid for it, and what an order to buy may still spend."""
    order, position = entry.order, entry.position
    if entry.state == EXITED and (entry.reason == SETTLED or position is None or not position["shares"]):
        return 0
    working = order["amount"] if order is not None and order["state"] == "working" and order["side"] == "BUY" else 0
    return working + (0 if position is None else int(position["cost"]))


def allowed(amount: int, entry: Entry, entries: Iterable[Entry], limits: Limits) -> tuple[int, str | None]:
    """How much of an order the limits leave, and the limit that binds; 0 where too little is left for an order."""
    others = list(entries)
    category = entry.category or UNCATEGORIZED
    room = {
        "max_per_order": limits.max_per_order,
        "max_per_market": limits.max_per_market
        - sum(committed(other) for other in others if other.condition == entry.condition),
        "max_per_category": limits.max_per_category
        - sum(committed(other) for other in others if (other.category or UNCATEGORIZED) == category),
        "max_total": limits.max_total - sum(map(committed, others)),
    }
    name = min(room, key=lambda limit: room[limit])
    if room[name] >= amount:
        return amount, None
    return (room[name] if room[name] >= SMALLEST_ORDER else 0), name
