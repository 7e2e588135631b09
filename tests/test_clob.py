"""The CLOB over real sockets: cursor walks that end or fail but never circle, single look-ups, winners."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError, SourceError
from polyledger.domain.records import Kind, Lookup, MarketRecord, MarketState
from polyledger.net import HttpClient, RetryPolicy
from polyledger.replica.faults import Faults, HttpFaults, MarketFaults
from polyledger.replica.server import serve
from polyledger.replica.world import load_world
from polyledger.sources.answers import Answer, Page
from polyledger.sources.clob import ClobSource, market_record
from polyledger.sources.lookups import one_by_one
from tests.paths import real_file
from tests.scripted_server import scripted

ItemT = TypeVar("ItemT")
IDS = [f"0x{number:064x}" for number in range(1, 60)]


def row(condition: str, **changes: Any) -> dict[str, Any]:
    """A market object as it comes over the wire."""
    number = int(condition or "0x0", 16) + 1000
    return {
        "condition_id": condition,
        "question_id": "0x" + "cd" * 32,
        "question": f"Question {number}?",
        "market_slug": f"market-{number}",
        "active": True,
        "closed": True,
        "end_date_iso": "2025-12-31T00:00:00Z",
        "neg_risk": False,
        "neg_risk_market_id": "",
        "is_50_50_outcome": False,
        "tokens": [
            {"token_id": f"{number}1", "outcome": "Lions", "price": 0, "winner": False},
            {"token_id": f"{number}2", "outcome": "Bears", "price": 1, "winner": True},
        ],
        "tags": ["Sports", "NFL"],
    } | changes


def cursor(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode()


def collect(url: str, use: Callable[[ClobSource], AsyncIterator[ItemT]]) -> list[ItemT]:
    async def run() -> list[ItemT]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("clob", policy=policy) as client:
            return [item async for item in use(ClobSource(client, url))]

    return asyncio.run(run())


def walk(handler: Callable[[Request], Response], start: str | None = None) -> list[Page[MarketRecord]]:
    with scripted(handler) as server:
        return collect(server.url, lambda clob: clob.walk_markets(cursor=start))


def look_up(handler: Callable[[Request], Response], ids: list[str]) -> list[Answer[Any]]:
    with scripted(handler) as server:
        answers = collect(server.url, lambda clob: one_by_one(clob.look_up(Kind.MARKET, ids)))
    return sorted(answers, key=lambda one: [one.lower() for one in ids].index(one.key))


def listing(rows: list[dict[str, Any]], size: int) -> Callable[[Request], Response]:
    """Pages as the CLOB sends them, an empty one with `data` null."""

    def handler(request: Request) -> Response:
        offset = int(base64.b64decode(request.query_params["next_cursor"]))
        if offset < 0:
            return JSONResponse({"error": "next item should be greater than or equal to 0"}, 400)
        page = rows[offset : offset + size]
        following = "LTE=" if offset + size >= len(rows) else cursor(offset + size)
        return JSONResponse({"limit": size, "count": len(page), "next_cursor": following, "data": page or None})

    return handler


def test_a_walk_reads_every_page_and_stops_at_the_end_marker() -> None:
    pages = walk(listing([row(condition) for condition in IDS[:7]], 3))
    assert [one.key for page in pages for one in page.answers] == IDS[:7]
    assert [(page.cursor, page.next_cursor) for page in pages] == [
        (None, cursor(3)),
        (cursor(3), cursor(6)),
        (cursor(6), None),
    ]
    assert json.loads(pages[0].evidence.body)["count"] == 3
    assert pages[1].evidence.params == (("next_cursor", cursor(3)),)


def test_a_walk_goes_on_from_its_cursor_and_from_the_end_asks_nothing() -> None:
    rows = [row(condition) for condition in IDS[:7]]
    pages = walk(listing(rows, 3), cursor(3))
    assert [one.key for page in pages for one in page.answers] == IDS[3:7]
    assert walk(listing(rows, 3), "LTE=") == []


def test_a_page_whose_data_is_null_is_an_empty_page() -> None:
    (page,) = walk(listing([], 3))
    assert page.answers == ()
    assert page.next_cursor is None


def test_a_repeated_cursor_or_page_is_an_error() -> None:
    def same_cursor(request: Request) -> Response:
        offset = int(base64.b64decode(request.query_params["next_cursor"]))
        return JSONResponse({"next_cursor": "MTA=", "data": [row(IDS[offset])]})

    def same_page(request: Request) -> Response:
        offset = int(base64.b64decode(request.query_params["next_cursor"]))
        return JSONResponse({"next_cursor": cursor(offset + 1), "data": [row(IDS[0]), row(IDS[1])]})

    with pytest.raises(SourceError, match="repeats the cursor 'MTA='"):
        walk(same_cursor)
    with pytest.raises(SourceError, match="same page twice"):
        walk(same_page)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"next_cursor": "LTE="}, "data"),
        ({"data": []}, "next_cursor"),
        ({"data": [], "next_cursor": ""}, "next_cursor"),
        ({"data": {}, "next_cursor": "LTE="}, "data"),
        ({"data": [row(IDS[0])], "count": 2, "next_cursor": "LTE="}, "count"),
        ([], "data"),
    ],
)
def test_another_envelope_is_a_schema_mismatch(document: Any, field: str) -> None:
    with pytest.raises(SchemaMismatchError, match=f"'{field}'"):
        walk(lambda _: JSONResponse(document))


@pytest.mark.parametrize("field", ["condition_id", "market_slug", "question", "closed", "neg_risk", "tokens", "tags"])
def test_a_field_that_is_missing_in_a_whole_page_is_a_schema_mismatch(field: str) -> None:
    rows = [row(condition) for condition in IDS[:30]]
    for one in rows:
        one[field.upper()] = one.pop(field)
    with pytest.raises(SchemaMismatchError, match=f"'{field}' is missing or null in every one"):
        walk(listing(rows, 30))


def test_one_bad_row_of_a_page_is_its_own_outcome() -> None:
    rows = [row(condition) for condition in IDS[:3]]
    rows[1]["tokens"][0] |= {"token_id": "0x12"}
    (page,) = walk(listing(rows, 3))
    assert [one.state for one in page.answers] == [Lookup.FOUND, Lookup.SCHEMA_MISMATCH, Lookup.FOUND]
    assert "'token_id'" in page.answers[1].reason
    for one in (rows := [row(condition) for condition in IDS[:6]]):
        one["tokens"][0] |= {"token_id": "0x12"}
    with pytest.raises(SchemaMismatchError, match="'token_id'"):
        walk(listing(rows, 6))


def test_a_look_up_tells_found_from_not_found_and_from_an_answer_about_something_else() -> None:
    def handler(request: Request) -> Response:
        condition = request.path_params["path"].removeprefix("markets/")
        if condition == IDS[0]:
            return JSONResponse(row(IDS[0]))
        if condition == IDS[1]:
            return JSONResponse(row(IDS[2]))
        return JSONResponse({"error": "market not found"}, 404)

    answers = look_up(handler, [IDS[0].upper().replace("0X", "0x"), IDS[1], IDS[3], IDS[0]])
    assert [(one.key, one.state) for one in answers] == [
        (IDS[0], Lookup.FOUND),
        (IDS[1], Lookup.REFUSED),
        (IDS[3], Lookup.NOT_FOUND),
    ]
    record = answers[0].record
    assert record is not None
    assert record.source == "clob"
    assert record.market_id is None
    assert record.outcomes == ("Lions", "Bears")
    assert record.tags == ("sports", "nfl")
    assert record.end_date == 1_767_139_200
    assert record.settlement.payouts == (0, 1_000_000)
    assert IDS[2] in answers[1].reason
    assert answers[2].evidence[0].status == 404


def test_other_failures_are_errors_that_quote_the_answer() -> None:
    with pytest.raises(SourceError, match=r"not the CLOB's.*nginx.*clob\.url"):
        look_up(lambda _: HTMLResponse("<html>nginx</html>", 404), IDS[:1])
    with pytest.raises(SourceError, match="status 400: bad id"):
        look_up(lambda _: JSONResponse({"error": "bad id"}, 400), IDS[:1])
    with pytest.raises(SchemaMismatchError, match="'market_slug'"):
        look_up(lambda _: JSONResponse(row(IDS[0]) | {"market_slug": None}), IDS[:1])
    with pytest.raises(SchemaMismatchError, match="not an object but list"):
        look_up(lambda _: JSONResponse([row(IDS[0])]), IDS[:1])
    with pytest.raises(MalformedIdError):
        look_up(listing([], 1), ["12"])


@pytest.mark.parametrize(
    ("closed", "winners", "state", "payouts"),
    [
        (False, (False, False), MarketState.OPEN, None),
        (False, (True, False), MarketState.OPEN, None),
        (True, (True, False), MarketState.RESOLVED, (1_000_000, 0)),
        (True, (False, False), MarketState.CLOSED_UNRESOLVED, None),
    ],
)
def test_when_a_market_counts_as_resolved(
    closed: bool, winners: tuple[bool, bool], state: MarketState, payouts: tuple[int, ...] | None
) -> None:
    tokens = [{"token_id": str(at), "outcome": str(at), "winner": winner} for at, winner in enumerate(winners, 1)]
    settlement = market_record(row(IDS[0], closed=closed, tokens=tokens)).settlement
    assert (settlement.state, settlement.payouts) == (state, payouts)


def test_early_markets_have_no_tokens_and_two_winners_are_refused() -> None:
    empty = [{"token_id": "", "outcome": "", "price": 0, "winner": False} for _ in range(2)]
    for tokens in (None, [], empty):
        record = market_record(row("", tokens=tokens, question_id="", tags=None))
        assert record.condition_id is None
        assert record.token_ids is None
        assert record.outcomes is None
        assert record.tags is None
    both = [{"token_id": str(at), "outcome": "x", "winner": True} for at in (1, 2)]
    with pytest.raises(SchemaMismatchError, match="at most one winner"):
        market_record(row(IDS[0], tokens=both))
    with pytest.raises(SchemaMismatchError, match="'winner'"):
        market_record(row(IDS[0], tokens=[{"token_id": "1", "outcome": "x"}]))


def test_real_markets_parse_completely() -> None:
    with gzip.open(real_file("clob_markets.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    records = [market_record(one) for one in rows]
    assert len(records) == 59
    for fields, record in zip(rows, records, strict=True):
        assert record.condition_id == fields["condition_id"]
        assert list(record.token_ids or ()) == [token["token_id"] for token in fields["tokens"]]
        assert record.settlement.state is MarketState.RESOLVED
        assert record.settlement.payouts == tuple(1_000_000 * token["winner"] for token in fields["tokens"])
        assert record.neg_risk_market_id == (fields["neg_risk_market_id"] or None)
        assert len(record.tags or ()) == len(fields["tags"])


def test_real_markets_come_back_over_the_wire() -> None:
    with gzip.open(real_file("clob_markets.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    pages = walk(listing(rows, 25))
    assert [one.key for page in pages for one in page.answers] == [one["condition_id"] for one in rows]
    assert all(one.state is Lookup.FOUND for page in pages for one in page.answers)


@pytest.mark.parametrize(
    "http", [HttpFaults(), HttpFaults(too_many_requests=0.1, server_errors=0.1, resets=0.05, truncated=0.1)]
)
def test_the_recorded_world_through_the_replica(http: HttpFaults) -> None:
    world = load_world(None)
    markets = world.markets
    assert markets is not None
    missing = markets[5].condition_id
    with serve(world, faults=Faults(seed=5, http=http, markets=MarketFaults(missing_clob=frozenset({missing})))) as url:
        ids = [market.condition_id for market in markets]
        answers = collect(url + "/clob", lambda clob: one_by_one(clob.look_up(Kind.MARKET, ids)))
        pages = collect(url + "/clob", lambda clob: clob.walk_markets())
    answers.sort(key=lambda one: ids.index(one.key))
    assert [one.key for one in answers] == ids
    assert [one.key for one in answers if one.state is Lookup.NOT_FOUND] == [missing]
    for market, answer in zip(markets, answers, strict=True):
        if answer.record is not None:
            assert answer.record.token_ids == tuple(market.token_ids)
            assert answer.record.outcomes == tuple(market.outcomes)
    assert {one.key: one.record for page in pages for one in page.answers} == {
        one.key: one.record for one in answers if one.record
    }
