"""The older routes of the Data API: bare arrays of camelCase rows, newest first, paged by offset.

Quirks that are kept on purpose: rows of ``/trades`` carry neither log index nor order hash, so they are not unique;
``takerOnly`` is true unless stated; past the offset cap the service refuses, or, as in 2025, repeats a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.faults import Faults
from polyledger.replica.fills import Fill, Fills
from polyledger.replica.wallets import Holding, Operation, Wallets
from polyledger.replica.world import MarketRecord

_TRADES_CAP = 1_000
_TRADES_OFFSET_CAP = 3_000
_LIST_CAP = 500
_LIST_OFFSET_CAP = 10_000
_NO_OUTCOME = 999
_ADDRESS = re.compile("0x[0-9a-f]{40}")

Row = dict[str, Any]


class DataV1:
    """The routes of the service that have no version in their path."""

    def __init__(self, catalogue: Catalogue, fills: Fills, wallets: Wallets, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._fills = fills
        self._wallets = wallets
        self._faults = faults

    def routes(self) -> list[Route]:
        """Routes below the service's root."""
        return [
            Route("/", self._health),
            Route("/trades", self._answered(self._trades)),
            Route("/activity", self._answered(self._activity)),
            Route("/positions", self._answered(self._positions)),
            Route("/value", self._answered(self._value)),
            Route("/live-volume", self._answered(self._live_volume)),
        ]

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"data": "OK"})

    def _answered(self, rows_of: Callable[[QueryParams], Iterable[Row]]) -> Callable[[Request], Any]:
        async def route(request: Request) -> Response:
            try:
                return JSONResponse(list(rows_of(request.query_params)))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)

        return route

    def _trades(self, parameters: QueryParams) -> Iterator[Row]:
        limit, offset = page(parameters, cap=_TRADES_CAP, default=100)
        if offset > _TRADES_OFFSET_CAP:
            if not self._faults().markets.repeat_pages:
                raise ValueError(f"max historical activity offset of {_TRADES_OFFSET_CAP} exceeded")
            offset = _TRADES_OFFSET_CAP
        tokens = self._tokens(parameters)
        user = wallet(parameters)
        side = parameters.get("side")
        taker_only = parameters.get("takerOnly", "true") != "false"
        fills = (
            fill
            for fill in self._fills.newest_first(makers=user, tokens=None if user else tokens)
            if (not taker_only or fill.is_taker_leg)
            and (side is None or fill.is_buy == (side == "BUY"))
            and (tokens is None or fill.token_id in tokens)
        )
        return (self._trade_row(fill) for fill in islice(fills, offset, offset + limit))

    def _activity(self, parameters: QueryParams) -> Iterator[Row]:
        user = wallet(parameters)
        if user is None:
            raise ValueError("user is required")
        limit, offset = page(parameters, cap=_LIST_CAP, default=100)
        if offset > _LIST_OFFSET_CAP:
            raise ValueError(f"max historical activity offset of {_LIST_OFFSET_CAP} exceeded")
        kinds = frozenset(parameters["type"].split(",")) if "type" in parameters else None
        start, end = int(parameters.get("start", "0")), int(parameters.get("end", str(1 << 60)))
        tokens = self._tokens(parameters)
        conditions = frozenset(parameters["market"].split(",")) if "market" in parameters else None
        rows = [
            self._activity_row(entry, user)
            for entry in self._wallets.activity(user)
            if start <= entry.timestamp <= end and (tokens is None or _concerns(entry, tokens, conditions))
        ]
        wanted = [row for row in rows if kinds is None or row["type"] in kinds]
        if parameters.get("sortDirection") == "ASC":
            wanted.reverse()
        return iter(wanted[offset : offset + limit])

    def _positions(self, parameters: QueryParams) -> Iterator[Row]:
        user = wallet(parameters)
        if user is None:
            raise ValueError("user is required")
        limit, offset = page(parameters, cap=_LIST_CAP, default=100)
        threshold = float(parameters.get("sizeThreshold", "1"))
        tokens = self._tokens(parameters)
        rows = (
            self._position_row(user, holding, market)
            for holding, market in self.known_holdings(user)
            if holding.balance / 1e6 >= threshold and (tokens is None or holding.token_id in tokens)
        )
        if "redeemable" in parameters:
            wanted = parameters["redeemable"] == "true"
            rows = (row for row in rows if row["redeemable"] == wanted)
        return islice(rows, offset, offset + limit)

    def _value(self, parameters: QueryParams) -> list[Row]:
        user = wallet(parameters)
        if user is None:
            raise ValueError("user is required")
        value = sum(
            holding.balance / 1e6 * self.current_price(holding.token_id, market)
            for holding, market in self.known_holdings(user)
        )
        return [{"user": user, "value": value}]

    def _live_volume(self, parameters: QueryParams) -> list[Row]:
        event_id = parameters.get("id")
        for event in self._catalogue.events():
            if event.event_id == event_id:
                markets = [
                    {"market": market.condition_id, "value": self._fills.taker_volume(market.token_ids) / 1e6}
                    for market in event.markets
                ]
                return [{"total": sum(market["value"] for market in markets), "markets": markets}]
        return [{"total": 0, "markets": None}]

    def known_holdings(self, user: str) -> list[tuple[Holding, MarketRecord]]:
        """A wallet's holdings in tokens whose market is known."""
        pairs = ((holding, self._market(holding.token_id)) for holding in self._wallets.holdings(user))
        return [(holding, market) for holding, market in pairs if market is not None]

    def current_price(self, token_id: str, market: MarketRecord) -> float:
        """The payout once resolved, else the price of the newest fill, else even odds."""
        resolution = self._catalogue.resolution(market.condition_id)
        if resolution is not None:
            return resolution.prices[market.token_ids.index(token_id)]
        return self._fills.last_price(token_id) or 1 / len(market.token_ids)

    def _market(self, token_id: str) -> MarketRecord | None:
        market = self._catalogue.market_of_token(token_id)
        if market is not None and market.condition_id in self._faults().markets.missing_data:
            return None
        return market

    def _tokens(self, parameters: QueryParams) -> list[str] | None:
        """Tokens of the markets or events asked for; None when the query names neither."""
        if "market" in parameters and "eventId" in parameters:
            raise ValueError("market and eventId are mutually exclusive")
        return tokens_of(self._catalogue, parameters.get("market"), parameters.get("eventId"))

    def _names(self, market: MarketRecord | None, token_id: str) -> Row:
        if market is None:
            return {"title": "", "slug": "", "icon": "", "eventSlug": "", "outcome": "", "outcomeIndex": _NO_OUTCOME}
        at = market.token_ids.index(token_id) if token_id else None
        return {
            "title": market.question,
            "slug": market.slug,
            "icon": "",
            "eventSlug": self._catalogue.event_of(market).slug,
            "outcome": "" if at is None else market.outcomes[at],
            "outcomeIndex": _NO_OUTCOME if at is None else at,
        }

    def _trade_row(self, fill: Fill) -> Row:
        market = self._market(fill.token_id)
        return {
            "proxyWallet": fill.maker,
            "side": "BUY" if fill.is_buy else "SELL",
            "asset": fill.token_id,
            "conditionId": "" if market is None else market.condition_id,
            "size": fill.shares / 1e6,
            "price": fill.price,
            "timestamp": fill.timestamp,
            **self._names(market, fill.token_id),
            "name": "",
            "pseudonym": "",
            "bio": "",
            "profileImage": "",
            "profileImageOptimized": "",
            "transactionHash": fill.transaction_hash,
        }

    def _activity_row(self, entry: Fill | Operation, user: str) -> Row:
        if isinstance(entry, Fill):
            extra = {"type": "TRADE", "usdcSize": entry.collateral / 1e6, "isCombo": False}
            return self._trade_row(entry) | extra
        market = self._catalogue.market_of_condition(entry.condition_id)
        return {
            "proxyWallet": user,
            "timestamp": entry.timestamp,
            "conditionId": entry.condition_id,
            "type": entry.kind,
            "size": entry.amount / 1e6,
            "usdcSize": entry.amount / 1e6,
            "transactionHash": entry.transaction_hash,
            "price": 0,
            "asset": "",
            "side": "",
            **self._names(market, ""),
            "isCombo": False,
        }

    def _position_row(self, user: str, holding: Holding, market: MarketRecord) -> Row:
        at = market.token_ids.index(holding.token_id)
        price = self.current_price(holding.token_id, market)
        size = holding.balance / 1e6
        is_resolved = self._catalogue.resolution(market.condition_id) is not None
        initial, current = size * holding.average_price, size * price
        is_binary = len(market.token_ids) == 2
        return {
            "proxyWallet": user,
            "asset": holding.token_id,
            "conditionId": market.condition_id,
            "size": size,
            "avgPrice": holding.average_price,
            "initialValue": initial,
            "currentValue": current,
            "cashPnl": current - initial,
            "percentPnl": 100 * (current - initial) / initial if initial else 0,
            "totalBought": holding.bought / 1e6,
            "realizedPnl": holding.realized / 1e6,
            "percentRealizedPnl": 100 * holding.realized / holding.cost if holding.cost else 0,
            "curPrice": price,
            "redeemable": is_resolved,
            "mergeable": False,
            **self._names(market, holding.token_id),
            "eventId": market.event_id,
            "oppositeOutcome": market.outcomes[1 - at] if is_binary else "",
            "oppositeAsset": market.token_ids[1 - at] if is_binary else "",
            "endDate": "",
            "negativeRisk": market.neg_risk,
        }


def _concerns(entry: Fill | Operation, tokens: list[str], conditions: frozenset[str] | None) -> bool:
    if isinstance(entry, Fill):
        return entry.token_id in tokens
    return conditions is not None and entry.condition_id in conditions


def tokens_of(catalogue: Catalogue, conditions: str | None, event_ids: str | None) -> list[str] | None:
    """Tokens of the conditions or events in a comma list; None when neither is given, unknown ones have none.

    Raises:
        ValueError: a value is not a condition id; names it.
    """
    if conditions is not None:
        values = [value.strip().lower() for value in conditions.split(",")]
        for value in values:
            if re.fullmatch("0x[0-9a-f]{64}", value) is None:
                raise ValueError(f"invalid condition id {value}")
        markets = [catalogue.market_of_condition(value) for value in values]
        return [token for market in markets if market is not None for token in market.token_ids]
    if event_ids is not None:
        wanted = frozenset(event_ids.split(","))
        events = [event for event in catalogue.events() if event.event_id in wanted]
        return [token for event in events for market in event.markets for token in market.token_ids]
    return None


def wallet(parameters: QueryParams) -> str | None:
    """The wallet asked for, in lower case.

    Raises:
        ValueError: the value is not an address.
    """
    user = parameters.get("user")
    if user is None:
        return None
    if _ADDRESS.fullmatch(user.lower()) is None:
        raise ValueError(f"invalid user {user}")
    return user.lower()


def page(parameters: QueryParams, *, cap: int, default: int) -> tuple[int, int]:
    """Limit, clamped without a word, and offset.

    Raises:
        ValueError: one of them is no whole number.
    """
    limit, offset = int(parameters.get("limit", str(default))), int(parameters.get("offset", "0"))
    if limit < 0 or offset < 0:
        raise ValueError("limit and offset must not be negative")
    return min(limit, cap), offset
