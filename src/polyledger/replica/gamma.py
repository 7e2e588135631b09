"""The Gamma API: names of markets and events, with its quirks.

Quirks that are kept on purpose: ``closed=false`` is implied unless stated, whatever else is asked for; unknown
parameters are ignored (``cursor`` among them); arrays come as JSON in a string; page sizes are clamped without a word;
unknown ids are absent without a word; deep offsets are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue, Event
from polyledger.replica.faults import Faults
from polyledger.replica.paging import make_cursor, query_digest, read_cursor
from polyledger.replica.world import MarketRecord

_PAGE_CAP = 100
_PAGE_DEFAULT = 20
_OFFSET_CAP = 2_000
_LONGEST_REQUEST_LINE = 8_000
_OPTIONAL_ORDERS = frozenset({"startDate", "endDate", "closedTime", "updatedAt", "volumeNum", "liquidityNum"})
_PAGING = frozenset({"after_cursor", "limit", "cursor", "next_cursor"})
_CACHED = {"cache-control": "public, max-age=300"}
_DEPRECATED = _CACHED | {
    "deprecation": "true",
    "sunset": "Fri, 01 May 2026 00:00:00 GMT",
    "warning": '299 - "use /markets/keyset"',
}

Row = dict[str, Any]


class Gamma:
    """The routes of the service, over a catalogue."""

    def __init__(self, catalogue: Catalogue, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._faults = faults

    def routes(self) -> list[Route]:
        """Routes below the service's root."""
        return [
            Route("/status", self._status),
            Route("/markets", self._legacy_markets),
            Route("/markets/keyset", self._keyset_markets),
            Route("/markets/slug/{slug}", self._market_by_slug),
            Route("/markets/{id}/tags", self._market_tags),
            Route("/markets/{id}", self._market_by_id),
            Route("/events", self._legacy_events),
            Route("/events/keyset", self._keyset_events),
            Route("/events/slug/{slug}", self._event_by_slug),
            Route("/events/{id}/tags", self._event_tags),
            Route("/events/{id}", self._event_by_id),
            Route("/tags", self._tags),
            Route("/tags/slug/{slug}", self._tag_by_slug),
            Route("/tags/{id}", self._tag_by_id),
        ]

    async def _status(self, _: Request) -> Response:
        return PlainTextResponse("OK")

    async def _keyset_markets(self, request: Request) -> Response:
        return self._keyset(request, "markets", self._market_rows)

    async def _keyset_events(self, request: Request) -> Response:
        return self._keyset(request, "events", self._event_rows)

    async def _legacy_markets(self, request: Request) -> Response:
        return self._legacy(request, self._market_rows)

    async def _legacy_events(self, request: Request) -> Response:
        return self._legacy(request, self._event_rows)

    async def _market_by_id(self, request: Request) -> Response:
        return self._single_market(request, "market_id", request.path_params["id"])

    async def _market_by_slug(self, request: Request) -> Response:
        return self._single_market(request, "slug", request.path_params["slug"])

    async def _event_by_id(self, request: Request) -> Response:
        return self._single_event("event_id", request.path_params["id"])

    async def _event_by_slug(self, request: Request) -> Response:
        return self._single_event("slug", request.path_params["slug"])

    async def _market_tags(self, request: Request) -> Response:
        for market in self._visible_markets():
            if market.market_id == request.path_params["id"]:
                return JSONResponse(self._catalogue.event_of(market).tags, headers=_CACHED)
        return _not_found()

    async def _event_tags(self, request: Request) -> Response:
        for event in self._catalogue.events():
            if event.event_id == request.path_params["id"]:
                return JSONResponse(event.tags, headers=_CACHED)
        return _not_found()

    async def _tags(self, request: Request) -> Response:
        offset, limit = _whole(request.query_params, "offset", 0), _page_size(request.query_params)
        return JSONResponse(self._all_tags()[offset : offset + limit], headers=_CACHED)

    async def _tag_by_slug(self, request: Request) -> Response:
        return self._single_tag("slug", request.path_params["slug"])

    async def _tag_by_id(self, request: Request) -> Response:
        return self._single_tag("id", request.path_params["id"])

    def _all_tags(self) -> list[Row]:
        tags = {tag["id"]: tag for event in self._catalogue.events() for tag in event.tags}
        return [tags[number] for number in sorted(tags, key=int)]

    def _single_tag(self, field: str, value: str) -> Response:
        for tag in self._all_tags():
            if tag[field] == value:
                return JSONResponse(tag, headers=_CACHED)
        return _not_found()

    def _single_market(self, request: Request, field: str, value: str) -> Response:
        for market in self._visible_markets():
            if getattr(market, field) == value:
                tags = request.query_params.get("include_tag") == "true"
                return JSONResponse(self._market_row(market, include_tags=tags), headers=_CACHED)
        return _not_found()

    def _single_event(self, field: str, value: str) -> Response:
        for event in self._catalogue.events():
            if getattr(event, field) == value:
                return JSONResponse(self._event_row(event), headers=_CACHED)
        return _not_found()

    def _keyset(self, request: Request, name: str, rows_of: Callable[[QueryParams], list[Row]]) -> Response:
        parameters = request.query_params
        refusal = _too_long(request)
        if refusal is not None:
            return refusal
        if "offset" in parameters:
            return _invalid("offset is not supported here, use after_cursor")
        digest = query_digest(request.url.path, parameters.multi_items(), _PAGING)
        cursor = parameters.get("after_cursor")
        after = read_cursor(cursor, digest) if cursor else 0
        if after is None:
            return _invalid("after_cursor is not valid for this query")
        try:
            rows = rows_of(parameters)
            limit = _page_size(parameters)
        except ValueError as error:
            return _invalid(str(error))
        # Ordered by id, ascending; the cursor holds the last id handed out, so that new rows do not move the page.
        left = [row for row in rows if int(row["id"]) > after] if _is_by_id(parameters) else rows[after:]
        page = left[:limit]
        answer: Row = {name: page}
        if len(left) > limit:
            position = int(page[-1]["id"]) if _is_by_id(parameters) else after + len(page)
            answer["next_cursor"] = make_cursor(digest, position)
        return JSONResponse(answer, headers=_CACHED)

    def _legacy(self, request: Request, rows_of: Callable[[QueryParams], list[Row]]) -> Response:
        refusal = _too_long(request)
        if refusal is not None:
            return refusal
        try:
            offset, limit = _whole(request.query_params, "offset", 0), _page_size(request.query_params)
            if offset > _OFFSET_CAP:
                return _invalid("offset too large, use /markets/keyset for deeper pagination")
            rows = rows_of(request.query_params)
        except ValueError as error:
            return _invalid(str(error))
        return JSONResponse(rows[offset : offset + limit], headers=_DEPRECATED)

    def _visible_markets(self) -> list[MarketRecord]:
        missing = frozenset(self._faults().markets.missing_gamma)
        return [market for market in self._catalogue.markets() if market.condition_id not in missing]

    def _is_closed(self, market: MarketRecord) -> bool:
        return self._catalogue.resolution(market.condition_id) is not None

    def _market_rows(self, parameters: QueryParams) -> list[Row]:
        markets = self._visible_markets()
        closed = parameters.get("closed", "false") == "true"
        wanted: list[Callable[[MarketRecord], bool]] = [lambda market: self._is_closed(market) == closed]
        for name, field in (("id", "market_id"), ("slug", "slug")):
            if name in parameters:
                wanted.append(_among(field, parameters.getlist(name)))
        for name, field in (("condition_ids", "condition_id"), ("question_ids", "question_id")):
            if name in parameters:
                wanted.append(_among(field, [value.lower() for value in parameters.getlist(name)]))
        if "clob_token_ids" in parameters:
            tokens = frozenset(parameters.getlist("clob_token_ids"))
            wanted.append(lambda market: not tokens.isdisjoint(market.token_ids))
        if "tag_id" in parameters:
            tag = parameters["tag_id"]
            wanted.append(lambda market: any(one["id"] == tag for one in self._catalogue.event_of(market).tags))
        if parameters.get("version") == "v2":
            return []
        include = parameters.get("include_tag") == "true"
        rows = [
            self._market_row(market, include_tags=include) for market in markets if all(test(market) for test in wanted)
        ]
        return _ordered(rows, parameters)

    def _event_rows(self, parameters: QueryParams) -> list[Row]:
        closed = parameters.get("closed", "false") == "true"
        rows = []
        for event in self._catalogue.events():
            if all(self._is_closed(market) for market in event.markets) != closed:
                continue
            if "id" in parameters and event.event_id not in parameters.getlist("id"):
                continue
            if "slug" in parameters and event.slug not in parameters.getlist("slug"):
                continue
            slugs = [tag["slug"] for tag in event.tags]
            if "tag_slug" in parameters and parameters["tag_slug"] not in slugs:
                continue
            if "tag_id" in parameters and not {tag["id"] for tag in event.tags} & set(parameters.getlist("tag_id")):
                continue
            rows.append(self._event_row(event))
        return _ordered(rows, parameters)

    def _market_row(self, market: MarketRecord, *, include_tags: bool, embed_event: bool = True) -> Row:
        resolution = self._catalogue.resolution(market.condition_id)
        preparation = self._catalogue.preparation(market.condition_id)
        slots = len(market.outcomes)
        prices = [1 / slots] * slots if resolution is None else resolution.prices
        row: Row = {
            "id": market.market_id,
            "question": market.question,
            "conditionId": market.condition_id,
            "questionID": market.question_id,
            "slug": market.slug,
            "description": f"Resolves as the recorded world says. {market.question}",
            "resolutionSource": "",
            "outcomes": json.dumps(market.outcomes),
            "outcomePrices": json.dumps([f"{price:g}" for price in prices]),
            "clobTokenIds": json.dumps(market.token_ids),
            "category": None,  # empty on newer markets; the event and its tags carry it
            "active": True,
            "closed": resolution is not None,
            "archived": False,
            "restricted": True,
            "acceptingOrders": resolution is None,
            "enableOrderBook": True,
            "negRisk": market.neg_risk,
            "negRiskMarketID": market.neg_risk_market_id or "",
            "negRiskRequestID": "",
            "umaResolutionStatus": "" if resolution is None else "resolved",
            "umaResolutionStatuses": json.dumps([] if resolution is None else ["proposed", "resolved"]),
            "resolvedBy": market.oracle,
            "orderMinSize": 5,
            "orderPriceMinTickSize": 0.001,
            "marketMakerAddress": "",
        }
        if preparation is not None:
            row["createdAt"] = row["startDate"] = _rfc3339(preparation.timestamp)
            row["startDateIso"] = row["startDate"][:10]
        if resolution is not None:
            row["closedTime"] = datetime.fromtimestamp(resolution.timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S+00")
            row["updatedAt"] = _rfc3339(resolution.timestamp)
        event = self._catalogue.event_of(market)
        if embed_event:
            row["events"] = [self._event_head(event)]
        if include_tags:
            row["tags"] = event.tags
        return row

    def _event_head(self, event: Event) -> Row:
        return {
            "id": event.event_id,
            "ticker": event.slug,
            "slug": event.slug,
            "title": event.title,
            "description": "",
            "category": event.category,
            "active": True,
            "closed": all(self._is_closed(market) for market in event.markets),
            "archived": False,
            "restricted": True,
            "negRisk": event.neg_risk,
            "negRiskMarketID": event.markets[0].neg_risk_market_id or "",
            "enableNegRisk": event.neg_risk,
        }

    def _event_row(self, event: Event) -> Row:
        markets = [
            self._market_row(market, include_tags=False, embed_event=False)
            for market in event.markets
            if market.condition_id not in self._faults().markets.missing_gamma
        ]
        return self._event_head(event) | {"markets": markets, "series": [], "tags": event.tags}


def _among(field: str, values: Sequence[str]) -> Callable[[MarketRecord], bool]:
    wanted = frozenset(values)
    return lambda market: getattr(market, field) in wanted


def _is_by_id(parameters: QueryParams) -> bool:
    return parameters.get("order", "id") == "id" and parameters.get("ascending", "true") == "true"


def _ordered(rows: list[Row], parameters: QueryParams) -> list[Row]:
    ascending = parameters.get("ascending", "true") == "true"
    for name in reversed(parameters.get("order", "id").split(",")):
        if rows and name not in rows[0] and name not in _OPTIONAL_ORDERS:
            raise ValueError("order fields are not valid")
        rows.sort(key=lambda row: _sort_key(row.get(name), numeric=name == "id"), reverse=not ascending)
    return rows


def _sort_key(value: Any, *, numeric: bool) -> tuple[bool, Any]:
    if value is None:
        return (True, 0)
    return (False, int(value) if numeric else value)


def _page_size(parameters: QueryParams) -> int:
    return min(_whole(parameters, "limit", _PAGE_DEFAULT), _PAGE_CAP)


def _whole(parameters: QueryParams, name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise ValueError(f"{name} is not valid")
    return int(text)


def _rfc3339(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _too_long(request: Request) -> Response | None:
    if len(request.url.path) + len(request.url.query) <= _LONGEST_REQUEST_LINE:
        return None
    return HTMLResponse("<html><head><title>414 Request-URI Too Large</title></head></html>", status_code=414)


def _invalid(text: str) -> Response:
    return JSONResponse({"type": "validation error", "error": text}, status_code=422)


def _not_found() -> Response:
    return JSONResponse({"type": "not found error", "error": "id not found"}, status_code=404)
