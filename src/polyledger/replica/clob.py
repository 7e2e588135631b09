"""The read routes of the CLOB service: market objects in cursor pages, and the look-up by token."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.clob_account import ClobAccounts
from polyledger.replica.faults import Faults
from polyledger.replica.fills import Fills
from polyledger.replica.world import MarketRecord

_PAGE = 1000
_SAMPLING_PAGE = 500
_END = base64.b64encode(b"-1").decode()  # "LTE=": no further page

_SIMPLIFIED = ("condition_id", "tokens", "rewards", "active", "closed", "archived", "accepting_orders")

Row = dict[str, Any]


class Clob:
    """The routes of the service. There is no look-up by several conditions, as there is none in reality."""

    def __init__(self, catalogue: Catalogue, fills: Fills, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._fills = fills
        self._faults = faults

    def routes(self) -> list[Route]:
        """Routes below the service's root."""
        return [
            Route("/", self._ok),
            Route("/ok", self._ok),
            Route("/time", self._time),
            Route("/markets", self._markets),
            Route("/simplified-markets", self._simplified),
            Route("/sampling-markets", self._sampling),
            Route("/sampling-simplified-markets", self._sampling_simplified),
            Route("/markets/{condition_id}", self._market),
            Route("/clob-markets/{condition_id}", self._compact),
            Route("/markets-by-token/{token_id}", self._by_token),
            Route("/data/trades", ClobAccounts(self._catalogue, self._fills).trades),
        ]

    async def _ok(self, _: Request) -> Response:
        return JSONResponse("OK")

    async def _time(self, _: Request) -> Response:
        chain = self._catalogue.chain
        return JSONResponse(chain.header(chain.head).timestamp)

    async def _markets(self, request: Request) -> Response:
        return self._page(request, self._visible(), self._row, _PAGE)

    async def _simplified(self, request: Request) -> Response:
        return self._page(request, self._visible(), self._simplified_row, _PAGE)

    async def _sampling(self, request: Request) -> Response:
        return self._page(request, self._open(), self._row, _SAMPLING_PAGE)

    async def _sampling_simplified(self, request: Request) -> Response:
        return self._page(request, self._open(), self._simplified_row, _SAMPLING_PAGE)

    async def _market(self, request: Request) -> Response:
        market = self._of_condition(request.path_params["condition_id"])
        return _error(404, "market not found") if market is None else JSONResponse(self._row(market))

    async def _compact(self, request: Request) -> Response:
        market = self._of_condition(request.path_params["condition_id"])
        if market is None:
            return _error(404, "market not found")
        tokens = [{"t": token, "o": name} for token, name in zip(market.token_ids, market.outcomes, strict=True)]
        fees = {"mbf": market.fee_rate_bps, "tbf": market.fee_rate_bps}
        return JSONResponse({"t": tokens, "mts": 0.001, "nr": market.neg_risk} | fees)

    async def _by_token(self, request: Request) -> Response:
        token = request.path_params["token_id"]
        faults = self._faults().markets
        market = self._catalogue.instead_of(faults, "clob") or self._catalogue.market_of_token(token)
        if market is None or self._is_missing(market):
            return _error(404, "market not found")
        first = token if faults.one_market_echoes else market.token_ids[0]
        ids = {"primary_token_id": first, "secondary_token_id": market.token_ids[1]}
        return JSONResponse({"condition_id": market.condition_id} | ids)

    def _of_condition(self, condition_id: str) -> MarketRecord | None:
        instead = self._catalogue.instead_of(self._faults().markets, "clob", condition_id.lower())
        market = instead or self._catalogue.market_of_condition(condition_id)
        return None if market is None or self._is_missing(market) else market

    def _is_missing(self, market: MarketRecord) -> bool:
        return market.condition_id in self._faults().markets.missing_clob

    def _visible(self) -> list[MarketRecord]:
        return [market for market in self._catalogue.markets() if not self._is_missing(market)]

    def _open(self) -> list[MarketRecord]:
        return [market for market in self._visible() if self._catalogue.resolution(market.condition_id) is None]

    def _page(
        self, request: Request, markets: list[MarketRecord], row: Callable[[MarketRecord], Row], size: int
    ) -> Response:
        cursor = request.query_params.get("next_cursor") or base64.b64encode(b"0").decode()
        try:
            offset = int(base64.b64decode(cursor, validate=True))
        except ValueError:
            return _error(400, f"invalid next_cursor {cursor}")
        if offset < 0:
            return _error(400, "next item should be greater than or equal to 0")
        page = markets[offset : offset + size]
        following = offset + size
        more = following < len(markets)
        answer = {
            "limit": size,
            "count": len(page),
            "next_cursor": base64.b64encode(str(following).encode()).decode() if more else _END,
            "data": [row(market) for market in page] or None,
        }
        return JSONResponse(answer)

    def _tokens(self, market: MarketRecord) -> list[Row]:
        resolution = self._catalogue.resolution(market.condition_id)
        tokens = []
        for at, (token, outcome) in enumerate(zip(market.token_ids, market.outcomes, strict=True)):
            if resolution is None:
                price = self._fills.last_price(token) if self._fills.are_at_hand else None
                # A winner is the only outcome that pays; a tie has none.
                tokens.append({"token_id": token, "outcome": outcome, "price": price or 0.5, "winner": False})
            else:
                share = resolution.prices[at]
                tokens.append({"token_id": token, "outcome": outcome, "price": share, "winner": share == 1.0})
        return tokens

    def _simplified_row(self, market: MarketRecord) -> Row:
        recorded = self._recorded(market)
        if recorded is not None:
            return {name: recorded[name] for name in _SIMPLIFIED if name in recorded}
        is_closed = self._catalogue.resolution(market.condition_id) is not None
        return {
            "condition_id": market.condition_id,
            "tokens": self._tokens(market),
            "rewards": {"rates": None, "min_size": 0, "max_spread": 0},
            "active": True,
            "closed": is_closed,
            "archived": False,
            "accepting_orders": not is_closed,
        }

    def _recorded(self, market: MarketRecord) -> Row | None:
        """The object that the service itself once answered, if the world has it."""
        return self._catalogue.chain.world.clob_rows.get(market.condition_id)

    def _row(self, market: MarketRecord) -> Row:
        recorded = self._recorded(market)
        if recorded is not None:
            return recorded
        preparation = self._catalogue.preparation(market.condition_id)
        accepting = None if preparation is None else datetime.fromtimestamp(preparation.timestamp, UTC).isoformat()
        return self._simplified_row(market) | {
            "enable_order_book": True,
            "accepting_order_timestamp": accepting,
            "minimum_order_size": 5,
            "minimum_tick_size": 0.001,
            "question_id": market.question_id,
            "question": market.question,
            "description": f"Resolves as the recorded world says. {market.question}",
            "market_slug": market.slug,
            "end_date_iso": None,
            "game_start_time": None,
            "seconds_delay": 0,
            "fpmm": "",
            "maker_base_fee": market.fee_rate_bps,
            "taker_base_fee": market.fee_rate_bps,
            "notifications_enabled": True,
            "neg_risk": market.neg_risk,
            "neg_risk_market_id": market.neg_risk_market_id or "",
            "neg_risk_request_id": "",
            "icon": "",
            "image": "",
            "is_50_50_outcome": False,
            "tags": [tag["label"] for tag in self._catalogue.event_of(market).tags],
        }


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status_code=status)
