"""Entries of the watchlist: plain values, and how a signal, news of the market or an order's result changes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from polyledger.insight.watchlist.strategies import Strategy

Document = dict[str, Any]

WATCHING: Final = "watching"
ESCALATE: Final = "escalate"
ENTERED: Final = "entered"
EXITED: Final = "exited"
SETTLED: Final = "its market was settled"
"""The reason to exit that leaves nothing at stake."""
STATES: Final = (WATCHING, ESCALATE, ENTERED, EXITED)
_FROM_MARKET: Final = ("market", "question", "outcome", "category", "tags", "event")
_CAN_BE_MISSING: Final = ("market", "category", "tags", "event")


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as strategies see it. Times in seconds since 1970, UTC; price in millionths of a USDC."""

    rule: str
    time: int
    tx: int
    log_index: int
    side: str
    price: int
    token: str
    condition: str
    wallet: str
    coverage: float | None
    rank: Mapping[str, Any] | None
    transaction: str
    market: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What it is known by, whatever else is said of it."""
        return f"{self.rule}:{self.tx}:{self.log_index}"

    def trigger(self) -> Document:
        """Who caused a change, as the log has it."""
        return {
            "wallet": self.wallet, "coverage": self.coverage, "rank": None if self.rank is None else dict(self.rank),
            "rule": self.rule, "side": self.side, "transaction": self.transaction, "log_index": self.log_index,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One strategy's interest in one market, on one outcome.

    Attributes:
        missing: what nobody has said of the market yet.
        signals, wallets: how many spoke for the outcome, and by how many wallets; against: how many spoke against it.
        coverage, rank: of the wallet that triggered it last; price: of that fill, millionths of a USDC.
        order: the last order, see `polyledger.insight.trading.orders`; position: what orders have brought.
        reason: why it exited.
    """

    strategy: str
    condition: str
    token: str
    outcome: str | None
    market: str | None
    question: str | None
    event: str | None
    category: str | None
    tags: list[str] | None
    missing: list[str]
    state: str
    signals: int
    wallets: int
    against: int
    wallet: str
    coverage: float | None
    rank: Document | None
    price: int
    opened_at: int
    entered_at: int | None = None
    exited_at: int | None = None
    reason: str | None = None
    orders: int = 0
    order: Document | None = None
    position: Document | None = None

    @property
    def id(self) -> str:
        """One per strategy and market."""
        return f"{self.strategy}:{self.condition}"

    def plain(self) -> Document:
        """As JSON can carry it."""
        return asdict(self)


def opened(strategy: Strategy, signal: Signal) -> Entry:
    """The entry that a first signal makes; `heard` counts it."""
    market: Document = {name: signal.market.get(name) for name in _FROM_MARKET}
    return Entry(
        strategy=strategy.name, condition=signal.condition, token=signal.token, **market, missing=_missing(market),
        state=WATCHING, signals=0, wallets=0, against=0, wallet=signal.wallet, coverage=signal.coverage,
        rank=None, price=signal.price, opened_at=signal.time,
    )  # fmt: skip


def heard(entry: Entry, signal: Signal, *, wallets: int) -> Entry:
    """The entry after one more signal for it, by `wallets` wallets in all."""
    return replace(
        entry,
        signals=entry.signals + 1,
        wallets=wallets,
        wallet=signal.wallet,
        coverage=signal.coverage,
        rank=None if signal.rank is None else dict(signal.rank),
        price=signal.price,
    )


def is_for(entry: Entry, signal: Signal) -> bool:
    """Whether a signal speaks for the entry's outcome: buying it. Selling it, or buying another, speaks against."""
    return signal.side == "BUY" and signal.token == entry.token


def named(entry: Entry, facts: Mapping[str, Any]) -> Entry:
    """The entry with what is known of its market now; what was known and is no longer stays."""
    market = {name: facts[name] if facts.get(name) is not None else getattr(entry, name) for name in _FROM_MARKET}
    return replace(entry, **market, missing=_missing(market))


def _missing(market: Mapping[str, Any]) -> list[str]:
    return [name for name in _CAN_BE_MISSING if market[name] is None]


def misfit(strategy: Strategy, entry: Entry) -> str | None:
    """Why the strategy does not take the entry's market, None when it does or nobody knows yet."""
    if strategy.categories is not None and entry.category is not None and entry.category not in strategy.categories:
        return f"its category is {entry.category}"
    if strategy.events is not None and entry.event is not None and entry.event not in strategy.events:
        return f"its event is {entry.event}"
    if entry.tags is not None:
        if strategy.tags is not None and not set(strategy.tags) & set(entry.tags):
            return f"it has none of the tags {', '.join(strategy.tags)}"
        unwanted = sorted(set(strategy.exclude_tags or ()) & set(entry.tags))
        if unwanted:
            return f"it has the tag {unwanted[0]}"
    return None


def is_known_enough(strategy: Strategy, entry: Entry) -> bool:
    """Whether everything the strategy asks about the market is known; until then the entry only watches."""
    asked = {
        "category": strategy.categories is not None,
        "event": strategy.events is not None,
        "tags": strategy.tags is not None or strategy.exclude_tags is not None,
    }
    return not any(asks and getattr(entry, name) is None for name, asks in asked.items())


def advanced(strategy: Strategy, entry: Entry) -> Entry:
    """The entry escalated when it is due; entering is a matter of orders, see `polyledger.insight.watchlist.engine`."""
    due = entry.state == WATCHING and strategy.escalate.is_met(entry.signals, entry.wallets)
    return replace(entry, state=ESCALATE) if due and is_known_enough(strategy, entry) else entry


def should_enter(strategy: Strategy, entry: Entry) -> bool:
    """Whether it is time to enter, and no order works yet."""
    working = entry.order is not None and entry.order["state"] == "working"
    met = strategy.enter is not None and strategy.enter.is_met(entry.signals, entry.wallets)
    return entry.state == ESCALATE and met and not working
