"""The Gamma API: names of markets and events, with its quirks.

Quirks that are kept on purpose: ``closed=false`` is implied unless stated, whatever else is asked for; unknown
parameters are ignored (``cursor`` among them); arrays come as JSON in a string; page sizes are clamped without a word;
unknown ids are absent without a word; deep offsets are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from polyledger.replica.catalogue import Catalogue, Event
from polyledger.replica.faults import Faults
from polyledger.replica.fills import Fills
from polyledger.replica.gamma_rows import GammaRows, Row
from polyledger.replica.paging import make_cursor, query_digest, read_cursor
from polyledger.replica.world import MarketRecord

_PAGE_CAP = 100
_PAGE_DEFAULT = 20
_OFFSET_CAP = 2_000
_LONGEST_REQUEST_LINE = 8_000
_PAGING = frozenset({"after_cursor", "limit", "cursor", "next_cursor"})
_CACHED = {"cache-control": "public, max-age=300"}
_DEPRECATED = _CACHED | {
    "deprecation": "true",
    "sunset": "Fri, 01 May 2026 00:00:00 GMT",
    "warning": '299 - "use /markets/keyset"',
}

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Listing(Generic[Item]):
    """How a list route finds its items, in order, shows them and numbers them."""

    select: Callable[[QueryParams], list[Item]]
    row: Callable[[Item], Row]
    number: Callable[[Item], int]


class Gamma:
    """The routes of the service, over a catalogue."""

    def __init__(self, catalogue: Catalogue, fills: Fills, faults: Callable[[], Faults]) -> None:
        self._catalogue = catalogue
        self._faults = faults
        self._rows = GammaRows(catalogue, fills, faults)

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
        return self._keyset(request, "markets", self._markets_listing(request.query_params))

    async def _keyset_events(self, request: Request) -> Response:
        return self._keyset(request, "events", self._events_listing())

    async def _legacy_markets(self, request: Request) -> Response:
        return self._legacy(request, self._markets_listing(request.query_params))

    async def _legacy_events(self, request: Request) -> Response:
        return self._legacy(request, self._events_listing())

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
                return JSONResponse(self._rows.market_row(market, include_tags=tags), headers=_CACHED)
        return _not_found()

    def _single_event(self, field: str, value: str) -> Response:
        for event in self._catalogue.events():
            if getattr(event, field) == value:
                return JSONResponse(self._rows.event_row(event), headers=_CACHED)
        return _not_found()

    def _keyset(self, request: Request, name: str, listing: _Listing[Any]) -> Response:
        parameters = request.query_params
        if _is_too_long(request):
            return _uri_too_long()
        if "offset" in parameters:
            return _invalid("offset is not supported here, use after_cursor")
        digest = query_digest(request.url.path, parameters.multi_items(), _PAGING)
        cursor = parameters.get("after_cursor")
        numbers = read_cursor(cursor, digest) if cursor else [0]
        if numbers is None:
            return _invalid("after_cursor is not valid for this query")
        after = numbers[0]
        try:
            limit = _page_size(parameters)
            # By id, the cursor holds the last id handed out, so that new rows do not move the page.
            left = listing.select(parameters)
            left = [one for one in left if listing.number(one) > after] if _is_by_id(parameters) else left[after:]
        except ValueError as error:
            return _invalid(str(error))
        page = left[:limit]
        answer: Row = {name: [listing.row(one) for one in page]}
        if len(left) > limit:
            position = listing.number(page[-1]) if _is_by_id(parameters) else after + len(page)
            answer["next_cursor"] = make_cursor(digest, position)
        return JSONResponse(answer, headers=_CACHED)

    def _legacy(self, request: Request, listing: _Listing[Any]) -> Response:
        if _is_too_long(request):
            return _uri_too_long()
        try:
            offset, limit = _whole(request.query_params, "offset", 0), _page_size(request.query_params)
            if offset > _OFFSET_CAP:
                return _invalid("offset too large, use /markets/keyset for deeper pagination")
            page = listing.select(request.query_params)[offset : offset + limit]
        except ValueError as error:
            return _invalid(str(error))
        return JSONResponse([listing.row(one) for one in page], headers=_DEPRECATED)

    def _markets_listing(self, parameters: QueryParams) -> _Listing[MarketRecord]:
        include = parameters.get("include_tag") == "true"
        return _Listing(
            select=lambda query: _ordered(self._selected_markets(query), query, self._rows.market_key),
            row=lambda market: self._rows.market_row(market, include_tags=include),
            number=lambda market: int(market.market_id),
        )

    def _events_listing(self) -> _Listing[Event]:
        return _Listing(
            select=lambda query: _ordered(self._selected_events(query), query, self._rows.event_key),
            row=self._rows.event_row,
            number=lambda event: int(event.event_id),
        )

    def _visible_markets(self) -> list[MarketRecord]:
        missing = self._faults().markets.missing_gamma
        return [market for market in self._catalogue.markets() if market.condition_id not in missing]

    def _selected_markets(self, parameters: QueryParams) -> list[MarketRecord]:
        if parameters.get("version") == "v2":
            return []
        stuck = self._one_market(parameters)
        if stuck:
            return stuck
        closed = parameters.get("closed", "false") == "true"
        wanted: list[Callable[[MarketRecord], bool]] = [lambda market: self._rows.is_closed(market) == closed]
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
        return [market for market in self._candidates(parameters) if all(test(market) for test in wanted)]

    def _one_market(self, parameters: QueryParams) -> list[MarketRecord]:
        """What a service that knows no filter answers: one market, or it once more for each condition asked for."""
        faults = self._faults().markets
        asked = parameters.getlist("condition_ids") if faults.one_market_echoes else []
        found = [self._catalogue.instead_of(faults, "gamma", one.lower()) for one in asked or [""]]
        return [one for one in found if one is not None]

    def _candidates(self, parameters: QueryParams) -> list[MarketRecord]:
        """Markets that may match, by id: found by condition or token when the query names some, else all."""
        missing = self._faults().markets.missing_gamma
        catalogue = self._catalogue
        if "condition_ids" in parameters:
            found = [catalogue.market_of_condition(condition) for condition in parameters.getlist("condition_ids")]
        elif "clob_token_ids" in parameters:
            found = [catalogue.market_of_token(token) for token in parameters.getlist("clob_token_ids")]
        else:
            return self._visible_markets()
        markets = {int(market.market_id): market for market in found if market is not None}
        return [markets[number] for number in sorted(markets) if markets[number].condition_id not in missing]

    def _selected_events(self, parameters: QueryParams) -> list[Event]:
        closed = parameters.get("closed", "false") == "true"
        selected = []
        events = self._catalogue.events() if "id" not in parameters else self._events_by_id(parameters.getlist("id"))
        for event in events:
            if all(self._rows.is_closed(market) for market in event.markets) != closed:
                continue
            if "slug" in parameters and event.slug not in parameters.getlist("slug"):
                continue
            slugs = [tag["slug"] for tag in event.tags]
            if "tag_slug" in parameters and parameters["tag_slug"] not in slugs:
                continue
            if "tag_id" in parameters and not {tag["id"] for tag in event.tags} & set(parameters.getlist("tag_id")):
                continue
            selected.append(event)
        return selected

    def _events_by_id(self, numbers: Sequence[str]) -> list[Event]:
        found = {int(event.event_id): event for event in map(self._catalogue.event, numbers) if event is not None}
        return [found[number] for number in sorted(found)]


def _among(field: str, values: Sequence[str]) -> Callable[[MarketRecord], bool]:
    wanted = frozenset(values)
    return lambda market: getattr(market, field) in wanted


def _is_by_id(parameters: QueryParams) -> bool:
    return parameters.get("order", "id") == "id" and parameters.get("ascending", "true") == "true"


def _ordered(items: list[Item], parameters: QueryParams, key: Callable[[Item, str], Any]) -> list[Item]:
    if _is_by_id(parameters):
        return items
    ascending = parameters.get("ascending", "true") == "true"
    ordered = list(items)
    for name in reversed(parameters.get("order", "id").split(",")):
        ordered.sort(key=lambda item: key(item, name), reverse=not ascending)
    return ordered


def _page_size(parameters: QueryParams) -> int:
    return min(_whole(parameters, "limit", _PAGE_DEFAULT), _PAGE_CAP)


def _whole(parameters: QueryParams, name: str, default: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise ValueError(f"{name} is not valid")
    return int(text)


def _is_too_long(request: Request) -> bool:
    return len(request.url.path) + len(request.url.query) > _LONGEST_REQUEST_LINE


def _uri_too_long() -> Response:
    return HTMLResponse("<html><head><title>414 Request-URI Too Large</title></head></html>", status_code=414)


def _invalid(text: str) -> Response:
    return JSONResponse({"type": "validation error", "error": text}, status_code=422)


def _not_found() -> Response:
    return JSONResponse({"type": "not found error", "error": "id not found"}, status_code=404)
