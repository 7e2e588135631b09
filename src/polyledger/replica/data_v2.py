"""The newer routes of the Data API: an envelope with exact ``has_more`` and cursors bound to their query.

Quirks that are kept on purpose: ``offset`` is refused; the limit counts on the first page only; ``start`` and ``end``
count only together with a user; a query by condition sees three years and the bare feed this month and the last, both
reckoned from the newest block.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.data_v1 import tokens_of, wallet
from polyledger.replica.faults import Faults
from polyledger.replica.fills import Fill, Fills
from polyledger.replica.paging import make_cursor, query_digest, read_cursor
from polyledger.replica.world import MarketRecord

_PAGING = frozenset({"cursor", "limit"})
_FEED_CAP = 1_000
_MOST_TOKENS = 50
_MOST_CONDITIONS = 10
_MOST_RESOLUTIONS = 20
_UNKNOWN_OUTCOME = 999
_WINDOW = timedelta(days=3 * 365)
_SMALLEST_TRADE = 0.01  # USDC; the service's default filter_amount
_END_OF_CHAIN = 1 << 100

Row = dict[str, Any]


class DataV2:
    """The routes of the service under ``/v2``."""

    def __init__(self, catalogue: Catalogue, fills: Fills, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._fills = fills
        self._faults = faults

    def routes(self) -> list[Route]:
        """Routes below the service's root."""
        return [
            Route("/readyz", self._ready),
            Route("/v2/tokens", self._answered(self._tokens)),
            Route("/v2/resolutions", self._answered(self._resolutions)),
            Route("/v2/trades", self._answered(self._trades)),
        ]

    async def _ready(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _answered(self, answer: Callable[[str, QueryParams], Row]) -> Callable[[Request], Any]:
        async def route(request: Request) -> Response:
            if "offset" in request.query_params:
                return JSONResponse({"error": "offset is not supported, use cursor"}, status_code=400)
            try:
                return JSONResponse(answer(request.url.path, request.query_params))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)

        return route

    def _tokens(self, _: str, parameters: QueryParams) -> Row:
        by_token = _values(parameters, "token_id", "tokenId", most=_MOST_TOKENS)
        by_condition = _values(parameters, "condition", "condition_id", "conditionId", most=_MOST_CONDITIONS)
        if (by_token is None) == (by_condition is None):
            raise ValueError("exactly one of token_id and condition is required")
        tokens: list[str] = []
        for token in by_token or []:
            if not token.isdecimal():
                raise ValueError(f"invalid token_id {token}")
            tokens.append(token)
        for condition in by_condition or []:
            tokens += self._tokens_of_selector(condition)
        rows = []
        for token in tokens:
            faults = self._faults().markets
            stuck, market = self._catalogue.instead_of(faults, "data"), self._catalogue.market_of_token(token)
            if stuck is not None:
                rows.append(self._token_row(stuck, stuck.token_ids[0]))
                rows[-1] |= {"token_id": token} if faults.one_market_echoes else {}
            elif market is not None and market.condition_id not in faults.missing_data:
                rows.append(self._token_row(market, token))
        return _envelope(rows, limit=len(rows), cursor=None)

    def _tokens_of_selector(self, selector: str) -> list[str]:
        """Tokens of a condition, or of all conditions of a neg-risk market."""
        group = [market for market in self._catalogue.markets() if market.neg_risk_market_id == selector.lower()]
        if group:
            return [token for market in group for token in market.token_ids]
        return tokens_of(self._catalogue, selector, None) or []

    def _token_row(self, market: MarketRecord, token: str) -> Row:
        at = market.token_ids.index(token)
        resolution = self._catalogue.resolution(market.condition_id)
        is_binary = len(market.token_ids) == 2
        return {
            "token_id": token,
            "condition_id": market.condition_id,
            "structural_condition_id": market.condition_id,
            "module": "v1_ctf",
            "outcome_index": at,
            "clob_index": at,
            "outcome": market.outcomes[at],
            "opposite_token_id": market.token_ids[1 - at] if is_binary else None,
            "resolved": resolution is not None,
            "final_price": None if resolution is None else resolution.prices[at],
            "title": market.question,
            "market_slug": market.slug,
            "closed": resolution is not None,
            "neg_risk": market.neg_risk,
            "neg_risk_market_id": market.neg_risk_market_id,
            "question_index": market.neg_risk_index,
            "event_id": int(market.event_id),
            "event_slug": self._catalogue.event_of(market).slug,
        }

    def _resolutions(self, _: str, parameters: QueryParams) -> Row:
        conditions = _values(parameters, "condition", "condition_id", "conditionId", most=_MOST_RESOLUTIONS)
        events = _values(parameters, "event_id", "eventId", most=_MOST_RESOLUTIONS)
        question = parameters.get("question_id") or parameters.get("questionId")
        if conditions is not None:
            faults = self._faults().markets
            found = [
                self._catalogue.instead_of(faults, "data", condition.lower())
                or self._catalogue.market_of_condition(condition)
                for condition in conditions
            ]
            markets = [market for market in found if market is not None]
        elif events is not None or question is not None:
            markets = [
                market
                for market in self._catalogue.markets()
                if (question is not None and market.question_id == question.lower())
                or (events is not None and market.event_id in events)
            ]
        else:
            raise ValueError("one of question_id, condition and event_id is required")
        missing = self._faults().markets.missing_data
        rows = [self._resolution_row(market) for market in markets if market.condition_id not in missing]
        return _envelope(rows, limit=len(rows), cursor=None)

    def _resolution_row(self, market: MarketRecord) -> Row:
        resolution = self._catalogue.resolution(market.condition_id)
        preparation = self._catalogue.preparation(market.condition_id)
        row: Row = {
            "question_id": market.question_id,
            "condition_id": market.condition_id,
            "status": "posed" if resolution is None else "resolved",
            "extended_review": False,
            "was_disputed": False,
            "new_version_q": False,
            "proposed_price": "69",
            "reproposed_price": "69",
            "price": "69",
            "market_type": "INCREMENTAL_NEGRISK" if market.neg_risk else "BINARY",
            "last_update_timestamp": 0 if preparation is None else preparation.timestamp,
        }
        if resolution is None:
            return row
        # The service gives pairs only: a condition with more outcomes shows its first two.
        payouts = [round(price * 1_000_000) for price in resolution.prices[:2]]
        return row | {
            "payouts": payouts,
            "resolution_source": "reported",
            "reporter": "EOA",
            "was_arbitrated": False,
            "resolved_block": resolution.block,
            "resolved_at": _iso(resolution.timestamp),
            "transaction_hash": resolution.transaction_hash,
            "log_index": resolution.log_index,
            "last_update_timestamp": resolution.timestamp,
        }

    def _trades(self, route: str, parameters: QueryParams) -> Row:
        digest = query_digest(route, parameters.multi_items(), _PAGING)
        limit, before = max(1, min(int(parameters.get("limit", "100")), _FEED_CAP)), _END_OF_CHAIN
        if parameters.get("cursor"):
            numbers = read_cursor(parameters["cursor"], digest)
            if numbers is None:
                raise ValueError("invalid cursor")
            limit, before = numbers
        user = wallet(parameters)
        conditions = parameters.get("condition") or parameters.get("condition_id") or parameters.get("conditionId")
        tokens = tokens_of(self._catalogue, conditions, parameters.get("event_id") or parameters.get("eventId"))
        test = self._trade_test(parameters, user, tokens)
        fills = (
            fill
            for fill in self._fills.newest_first(makers=user, tokens=None if user else tokens)
            if fill.position < before and test(fill)
        )
        found = list(islice(fills, limit + 1))
        page = found[:limit]
        cursor = make_cursor(digest, limit, page[-1].position) if len(found) > limit else None
        return _envelope([self._trade_row(fill) for fill in page], limit=limit, cursor=cursor)

    def _trade_test(
        self, parameters: QueryParams, user: str | None, tokens: list[str] | None
    ) -> Callable[[Fill], bool]:
        taker_only = (parameters.get("taker_only") or parameters.get("takerOnly") or "true").lower() != "false"
        side = parameters.get("side")
        amount = float(parameters.get("filter_amount") or parameters.get("filterAmount") or _SMALLEST_TRADE)
        kind = parameters.get("filter_type") or parameters.get("filterType") or "CASH"
        chain = self._catalogue.chain
        newest = datetime.fromtimestamp(chain.header(chain.head).timestamp, UTC)
        start, end = int((newest - _WINDOW).timestamp()), 1 << 60
        if user is not None:
            start = int(parameters.get("start") or 0) or start
            end = int(parameters.get("end") or end)
        elif tokens is None:
            last_month = newest.replace(day=1) - timedelta(days=1)
            start = int(last_month.replace(day=1, hour=0, minute=0, second=0).timestamp())

        def wanted(fill: Fill) -> bool:
            size = fill.collateral if kind == "CASH" else fill.shares
            return (
                start <= fill.timestamp <= end
                and (not taker_only or fill.is_taker_leg)
                and (side is None or fill.is_buy == (side == "BUY"))
                and (tokens is None or fill.token_id in tokens)
                and size / 1e6 >= amount
            )

        return wanted

    def _trade_row(self, fill: Fill) -> Row:
        market = self._catalogue.market_of_token(fill.token_id)
        at = None if market is None else market.token_ids.index(fill.token_id)
        return {
            "proxy_wallet": fill.maker,
            "token_id": fill.token_id,
            "condition_id": "" if market is None else market.condition_id,
            "side": "BUY" if fill.is_buy else "SELL",
            "size": fill.shares / 1e6,
            "price": fill.price,
            "timestamp": fill.timestamp,
            "transaction_hash": fill.transaction_hash,
            "title": "" if market is None else market.question,
            "slug": "" if market is None else market.slug,
            "event_slug": "" if market is None else self._catalogue.event_of(market).slug,
            "outcome": "" if market is None or at is None else market.outcomes[at],
            "outcome_index": _UNKNOWN_OUTCOME if at is None else at,
        }


def _envelope(rows: list[Row], *, limit: int, cursor: str | None) -> Row:
    pagination = {"limit": limit, "offset": 0, "has_more": cursor is not None, "next_cursor": cursor}
    return {"data": rows, "pagination": pagination}


def _values(parameters: QueryParams, *names: str, most: int) -> list[str] | None:
    """The distinct values of a comma list under any of its names; None when it is not there.

    Raises:
        ValueError: there are more than the service takes.
    """
    for name in names:
        if name in parameters:
            given = ",".join(parameters.getlist(name)).split(",")
            values = list(dict.fromkeys(value.strip() for value in given if value.strip()))
            if len(values) > most:
                raise ValueError(f"{name} accepts at most {most} values")
            return values
    return None


def _iso(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
