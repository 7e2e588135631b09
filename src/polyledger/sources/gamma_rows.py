"""Gamma's rows, turned into records: which fields are needed, and when a closed market counts as resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import normal_condition, normal_hash, normal_token
from polyledger.domain.records import PAYOUT_SCALE, EventRecord, MarketRecord, MarketState, Settlement
from polyledger.sources.answers import require_fields
from polyledger.sources.fields import Row

SOURCE: Final = "gamma"

_MARKET_FIELDS: Final = ("id", "conditionId", "slug", "question", "closed")
_EVENT_FIELDS: Final = ("id", "slug", "title", "closed")
_A_FEW_ROWS: Final = 5
_MANY_ROWS: Final = 20
_STATED_RESOLVED: Final = frozenset({"resolved", "settled"})
_NEARLY_CERTAIN: Final = PAYOUT_SCALE // 100


def require_market_fields(rows: Sequence[Any]) -> None:
    """Refuse a page of markets that misses a field everywhere: SchemaMismatchError naming the field.

    Fields that a single old market may lack count as missing only over a number of rows: five for outcomes and for the
    final prices of closed markets, twenty for events and for all that a category could come from.
    """
    require_fields(SOURCE, rows, _MARKET_FIELDS)
    require_fields(SOURCE, rows, ("outcomes",), _A_FEW_ROWS)
    require_fields(SOURCE, [row for row in rows if row.get("closed") is True], ("outcomePrices",), _A_FEW_ROWS)
    require_fields(SOURCE, rows, ("events",), _MANY_ROWS)
    if not any(row.get("category") for row in rows):
        require_fields(SOURCE, rows, ("tags",), _MANY_ROWS)


def require_event_fields(rows: Sequence[Any]) -> None:
    """Refuse a page of events that misses a field everywhere: SchemaMismatchError naming the field."""
    require_fields(SOURCE, rows, _EVENT_FIELDS)
    if not any(row.get("category") for row in rows):
        require_fields(SOURCE, rows, ("tags",), _MANY_ROWS)


def market_record(fields: Mapping[str, Any]) -> MarketRecord:
    """One row of ``/markets/keyset``. Raises SchemaMismatchError naming the field that has another shape."""
    row = Row(SOURCE, "market", fields, str(fields.get("id", "")))
    closed = row.boolean("closed")
    version = row.optional_text("version") or "v1"
    outcomes = row.optional_texts("outcomes")
    tokens = _tokens(row, version)
    if outcomes is not None and tokens is not None and len(outcomes) != len(tokens):
        raise row.wrong("outcomes", f"as many labels as there are tokens, {len(tokens)}")
    events = row.optional_rows("events", "event") or []
    return MarketRecord(
        source=SOURCE,
        condition_id=row.identifier("conditionId", normal_condition),
        market_id=row.number_text("id"),
        question=row.text("question"),
        slug=row.text("slug"),
        closed=closed,
        settlement=_settlement(row, version, closed, outcomes),
        outcomes=outcomes,
        token_ids=tokens,
        question_id=row.identifier("questionID", normal_condition),
        category=row.optional_text("category"),
        tags=_tags(row),
        neg_risk=row.optional_boolean("negRisk"),
        neg_risk_market_id=row.identifier("negRiskMarketID", normal_hash),
        protocol_version=version,
        start_date=row.optional_time("startDate"),
        end_date=row.optional_time("endDate"),
        closed_time=row.optional_time("closedTime"),
        volume=row.optional_amount("volume"),
        event=_event(events[0]) if events else None,
    )


def event_record(fields: Mapping[str, Any]) -> EventRecord:
    """One row of ``/events/keyset``. Raises SchemaMismatchError naming the field that has another shape."""
    return _event(Row(SOURCE, "event", fields, str(fields.get("id", ""))))


def _event(row: Row) -> EventRecord:
    series = row.optional_rows("series", "series") or []
    markets = row.optional_rows("markets", "market")
    return EventRecord(
        source=SOURCE,
        event_id=row.number_text("id"),
        slug=row.optional_text("slug"),
        title=row.optional_text("title"),
        category=row.optional_text("category"),
        tags=_tags(row),
        series_slug=row.optional_text("seriesSlug") or (series[0].optional_text("slug") if series else None),
        neg_risk=row.optional_boolean("negRisk"),
        neg_risk_market_id=row.identifier("negRiskMarketID", normal_hash),
        closed=row.optional_boolean("closed"),
        start_date=row.optional_time("startDate"),
        end_date=row.optional_time("endDate"),
        market_ids=None if markets is None else tuple(market.number_text("id") for market in markets),
        parent_event_id=row.optional_number_text("parentEventId"),
    )


def _tags(row: Row) -> tuple[str, ...] | None:
    tags = row.optional_rows("tags", "tag")
    return None if tags is None else tuple(tag.text("slug") for tag in tags)


def _tokens(row: Row, version: str) -> tuple[str, ...] | None:
    """Token ids by outcome index; a market with an order book must have them."""
    name = "positionIds" if version == "v2" else "clobTokenIds"
    tokens = row.optional_texts(name)
    if tokens is None or not any(tokens):
        if row.optional_boolean("enableOrderBook"):
            raise row.wrong(name, "the token ids of a market that has an order book")
        return None
    try:
        return tuple(normal_token(token) for token in tokens)
    except MalformedIdError as error:
        raise row.wrong(name, "token ids as decimal numbers") from error


def _settlement(row: Row, version: str, closed: bool, outcomes: tuple[str, ...] | None) -> Settlement:
    """What Gamma says about the result.

    A closed market is resolved when Gamma says so, or, where it says nothing (automatic and sports resolutions, old
    rows), when the final prices are exactly one 1 and otherwise 0. While a result is proposed or disputed the price
    stands at 1 already, and that is no result.
    """
    status = (row.optional_text("resolutionStatus" if version == "v2" else "umaResolutionStatus") or "").lower()
    prices = row.optional_amounts("outcomePrices")
    if not closed:
        return Settlement(MarketState.OPEN)
    if prices is not None and outcomes is not None and len(prices) != len(outcomes):
        raise row.wrong("outcomePrices", f"one price for each of {len(outcomes)} outcomes")
    if prices is None or not _could_be_payouts(prices):
        return Settlement(MarketState.CLOSED_UNRESOLVED)
    stated = status in _STATED_RESOLVED
    if not stated and (status or sorted(prices)[-2:] != [0, PAYOUT_SCALE]):
        return Settlement(MarketState.CLOSED_UNRESOLVED)
    alike = len(set(prices)) == 1 and len(prices) > 1
    return Settlement(MarketState.VOID if alike else MarketState.RESOLVED, prices, stated)


def _could_be_payouts(prices: tuple[int, ...]) -> bool:
    """Whether the prices are a payout vector: sum 1, and none so near to 0 or 1 that it is a last trading price."""
    if abs(sum(prices) - PAYOUT_SCALE) > len(prices):
        return False
    return all(
        price in (0, PAYOUT_SCALE) or _NEARLY_CERTAIN <= price <= PAYOUT_SCALE - _NEARLY_CERTAIN for price in prices
    )
