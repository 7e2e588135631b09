"""What sources say about markets and events: records, the state of a market, and how a look-up ended.

A record is a claim: the words of one source about one market, in normal form. Nothing here decides which claim is
right. ``None`` means that the source did not state a value; an empty tuple means that it stated an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PAYOUT_SCALE: Final = 1_000_000
"""A share that pays in full pays this many micro-USDC; payout vectors of records are written on this scale."""


class Kind(StrEnum):
    """What a key is, and thereby what is asked: the value names the work in plans, look-ups and stages."""

    TOKEN = "token"  # noqa: S105 - no password
    """Key: a token id. What is this token?"""
    MARKET = "market"
    """Key: a condition id. Which market is it?"""
    EVENT = "event"
    """Key: an event's number."""
    RESOLUTION = "resolution"
    """Key: a condition id. How did it end?"""
    TRANSACTION = "transaction"
    """Key: a transaction hash. Which fills did it make?"""
    MARKET_ID = "market_id"
    """Key: Gamma's number of a market."""
    SLUG = "slug"
    """Key: the slug of a market."""


class Lookup(StrEnum):
    """How the look-up of one key ended. They are never mixed up: only ``found`` brings a record."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    """The source answered the question that was asked and does not have the key."""
    UNSEEN = "unseen"
    """The source cannot see what would tell, a node without the receipt say: no answer, to be asked again later."""
    SCHEMA_MISMATCH = "schema_mismatch"
    """The source has the key, but its row does not have the documented shape."""
    REFUSED = "refused"
    """What came back answers another question than the one asked; nothing in it is believed."""


class MarketState(StrEnum):
    """What a source says about the settlement of a market."""

    OPEN = "open"
    CLOSED_UNRESOLVED = "closed_unresolved"
    """Trading is over, and the source names no payout (yet, or ever)."""
    RESOLVED = "resolved"
    VOID = "void"
    """Resolved so that every outcome pays the same. The chain has no other mark for a cancelled market."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The verdict of one source on one market.

    Attributes:
        state: open, closed without a verdict, resolved, or void.
        payouts: what a share of each outcome pays, in micro-USDC, in the order of the outcomes; only when resolved or
            void. Thirds are cut off by the source, so the sum may miss PAYOUT_SCALE by a few units.
        stated: True when the source says in words that the market is resolved, False when only final prices of exactly
            0 and 1 on a closed market say so.
    """

    state: MarketState
    payouts: tuple[int, ...] | None = None
    stated: bool = False


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event (a group of markets) as one source describes it. Times are seconds since 1970, UTC."""

    source: str
    event_id: str
    slug: str | None = None
    title: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    series_slug: str | None = None
    neg_risk: bool | None = None
    neg_risk_market_id: str | None = None
    closed: bool | None = None
    start_date: int | None = None
    end_date: int | None = None
    market_ids: tuple[str, ...] | None = None
    parent_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class MarketRecord:
    """One market as one source describes it.

    Attributes:
        source: which upstream said it (``gamma``, ``clob``, …), set by the code that received the bytes.
        condition_id: normal form, or None for a market that never got a condition.
        market_id: Gamma's number as a decimal string; None where the source has no such number.
        outcomes: labels by outcome index.
        token_ids: decimal strings by outcome index; None when the source has none (markets before the order book).
        category: the market's own category, as written by the source; the event's stands in `event`.
        tags: tag slugs in the source's order.
        volume: micro-USDC, rounded; the source's own idea of volume, never used for figures.
        start_date, end_date, closed_time: seconds since 1970, UTC.
        event: the event the market belongs to, as far as this source describes it.
    """

    source: str
    condition_id: str | None
    market_id: str | None
    question: str
    slug: str
    closed: bool
    settlement: Settlement
    outcomes: tuple[str, ...] | None
    token_ids: tuple[str, ...] | None
    question_id: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    neg_risk: bool | None = None
    neg_risk_market_id: str | None = None
    protocol_version: str = "v1"
    start_date: int | None = None
    end_date: int | None = None
    closed_time: int | None = None
    volume: int | None = None
    event: EventRecord | None = None

    @property
    def event_id(self) -> str | None:
        """The event's number as a decimal string, when the source names an event."""
        return None if self.event is None else self.event.event_id

    @property
    def event_slug(self) -> str | None:
        """The event's slug, when the source names one."""
        return None if self.event is None else self.event.slug

    @property
    def event_title(self) -> str | None:
        """The event's title, when the source names one."""
        return None if self.event is None else self.event.title

    @property
    def series_slug(self) -> str | None:
        """The slug of the series that the event belongs to, when the source names one."""
        return None if self.event is None else self.event.series_slug

    @property
    def stated_category(self) -> str | None:
        """The category that the source itself gives: the event's if set, else the market's own."""
        event_category = None if self.event is None else self.event.category
        return event_category or self.category


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What one source says a token is.

    Attributes:
        source: which upstream said it, set by the code that received the bytes (``file:NAME`` for a file).
        token_id: decimal string.
        condition_id: normal form; None when the source knows the token but not its condition.
        outcome_index: None when the source does not state it (or states that it is unknown).
        outcome: the label, as written.
        settlement: what the same answer says about the resolution of the condition, when it says anything.
    """

    source: str
    token_id: str
    condition_id: str | None
    outcome_index: int | None = None
    outcome: str | None = None
    neg_risk: bool | None = None
    market_slug: str | None = None
    event_id: str | None = None
    settlement: Settlement | None = None


@dataclass(frozen=True, slots=True)
class ResolutionRecord:
    """What one source says about the settlement of a condition.

    Attributes:
        derived: the source concluded it from a sibling of the neg-risk group, nobody reported it.
        resolved_at: seconds since 1970, UTC.
    """

    source: str
    condition_id: str
    settlement: Settlement
    derived: bool = False
    resolved_at: int | None = None


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One trade of a wallet as an HTTP source lists it. The sources give no log index, so equal rows can be two trades.

    Attributes:
        transaction_hash: normal form.
        wallet: the wallet whose own order this is.
        shares, collateral: 1e-6 units; collateral is shares × price, rounded, because sources give only the price.
        timestamp: seconds since 1970, UTC.
        outcome_index: None when unknown.
    """

    source: str
    transaction_hash: str
    wallet: str
    token_id: str
    condition_id: str | None
    side: str
    shares: int
    collateral: int
    timestamp: int
    outcome_index: int | None = None
    outcome: str | None = None
    slug: str | None = None
    event_slug: str | None = None


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One leg decoded from the receipt of a transaction (OrderFilled or an AMM trade).

    Attributes:
        role: 0 maker leg, 1 taker leg, 2 filled by an operator, 3 traded with an AMM pool.
        side: 0 BUY, 1 SELL.
        shares, collateral, fee: 1e-6 units, as the event states them.
    """

    transaction_hash: str
    block: int
    log_index: int
    contract: str
    wallet: str
    counterparty: str
    role: int
    side: int
    token_id: str
    shares: int
    collateral: int
    fee: int


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """Something other than a trade that a wallet did, as an HTTP source lists it: a split, merge, redemption, reward …

    Attributes:
        kind: the source's word, upper case (``SPLIT``, ``MERGE``, ``REDEEM``, ``CONVERSION`` …).
        amount, collateral: 1e-6 units of shares and USDC, as the source states them.
        timestamp: seconds since 1970, UTC.
    """

    source: str
    kind: str
    transaction_hash: str
    wallet: str
    condition_id: str | None
    amount: int
    collateral: int
    timestamp: int
