"""The Data API over real sockets: look-ups that must echo their keys, and wallets read without losing a row."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import SchemaMismatchError, SourceError
from polyledger.domain.records import ActivityRecord, Kind, Lookup, MarketState, TradeRecord
from polyledger.net import HttpClient, RetryPolicy
from polyledger.replica.faults import Faults, HttpFaults, MarketFaults
from polyledger.replica.server import serve
from polyledger.replica.world import load_world
from polyledger.sources.data_api import DataApiSource
from polyledger.sources.data_rows import resolution_record, token_record
from polyledger.sources.data_wallets import DataApiWallets
from polyledger.sources.lookups import one_by_one
from tests.paths import DEVWORLD_TRUTH
from tests.scripted_server import Scripted, scripted

ItemT = TypeVar("ItemT")
WALLET = "0x" + "ab" * 20
IDS = [f"0x{number:064x}" for number in range(1, 60)]


def collect(url: str, use: Callable[[HttpClient], AsyncIterator[ItemT]]) -> list[ItemT]:
    async def run() -> list[ItemT]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("data_api", policy=policy) as client:
            return [item async for item in use(client)]

    return asyncio.run(run())


def look_up(url: str, kind: Kind, keys: list[str]) -> list[Any]:
    return collect(url, lambda client: one_by_one(DataApiSource(client, url).look_up(kind, keys)))


def token_row(token: str, **changes: Any) -> dict[str, Any]:
    row = {
        "token_id": token,
        "condition_id": IDS[int(token) % 50],
        "outcome_index": int(token) % 2,
        "outcome": "Yes",
        "opposite_token_id": str(int(token) ^ 1),
        "resolved": False,
        "final_price": None,
        "closed": False,
        "neg_risk": False,
        "market_slug": "slug",
        "event_id": 7,
    }
    return row | changes


def envelope(rows: list[dict[str, Any]], cursor: str | None = None) -> dict[str, Any]:
    return {
        "data": rows,
        "pagination": {"limit": 1, "offset": 0, "has_more": cursor is not None, "next_cursor": cursor},
    }


def tokens_of(request: Request) -> list[str]:
    return request.query_params["token_id"].split(",")


def test_tokens_go_out_fifty_at_a_time_and_unknown_ones_are_not_found() -> None:
    keys = [str(number) for number in range(100, 230)]
    with scripted(
        lambda request: JSONResponse(envelope([token_row(t) for t in tokens_of(request) if t != "111"]))
    ) as it:
        answers = look_up(it.url, Kind.TOKEN, keys)
    assert sorted(one.key for one in answers) == keys
    assert [one.key for one in answers if one.state is Lookup.NOT_FOUND] == ["111"]
    assert sorted(len(values[0].split(",")) for values in it.values("token_id")) == [30, 50, 50]
    found = next(one.record for one in answers if one.key == "101")
    assert (found.condition_id, found.outcome_index, found.event_id, found.source) == (IDS[1], 1, "7", "data_api")
    assert found.settlement.state is MarketState.OPEN


def test_rows_nobody_asked_for_refuse_what_is_missing() -> None:
    rows = [token_row("100"), token_row("999")]
    with scripted(lambda _: JSONResponse(envelope(rows))) as it:
        answers = look_up(it.url, Kind.TOKEN, ["100", "101"])
    assert {one.key: (one.state, one.asked) for one in answers} == {
        "100": (Lookup.FOUND, True),
        "101": (Lookup.REFUSED, True),
        "999": (Lookup.REFUSED, False),
    }


def test_a_request_that_is_too_large_is_halved_and_that_is_remembered() -> None:
    def handler(request: Request) -> Response:
        asked = tokens_of(request)
        if len(asked) > 20:
            return JSONResponse({"error": "token_id accepts at most 20 values"}, 400)
        return JSONResponse(envelope([token_row(token) for token in asked]))

    keys = [str(number) for number in range(100, 200)]
    with scripted(handler) as it:

        async def run() -> tuple[list[Any], int]:
            async with HttpClient("data_api") as client:
                source = DataApiSource(client, it.url)
                answers = [one async for one in one_by_one(source.look_up(Kind.TOKEN, keys, concurrency=1))]
                return answers, source.capabilities[0].batch

        answers, batch = asyncio.run(run())
    assert sorted(one.key for one in answers) == keys
    assert batch <= 20
    with (
        scripted(lambda _: JSONResponse({"error": "nothing works"}, 400)) as it,
        pytest.raises(SourceError, match="nothing"),
    ):
        look_up(it.url, Kind.TOKEN, keys)


@pytest.mark.parametrize("field", ["token_id", "condition_id", "resolved", "outcome_index"])
def test_a_renamed_or_empty_field_is_a_schema_mismatch_that_names_it(field: str) -> None:
    def handler(request: Request) -> Response:
        return JSONResponse(envelope([token_row(token, **{field: None}) for token in tokens_of(request)]))

    with (
        scripted(handler) as it,
        pytest.raises(SchemaMismatchError, match=f"'{field}' is missing or null in every one"),
    ):
        look_up(it.url, Kind.TOKEN, [str(number) for number in range(100, 110)])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "'data'"),
        ({"data": {}}, "'data'"),
        ({"data": []}, "'pagination'"),
        ({"data": [], "pagination": {"has_more": True, "next_cursor": None}}, "contradict"),
    ],
)
def test_another_envelope_is_a_schema_mismatch(document: Any, message: str) -> None:
    with scripted(lambda _: JSONResponse(document)) as it, pytest.raises(SchemaMismatchError, match=message):
        look_up(it.url, Kind.TOKEN, ["1"])


def test_html_and_endless_cursors_are_errors() -> None:
    with scripted(lambda _: HTMLResponse("<html>hello</html>")) as it, pytest.raises(SourceError, match="not JSON"):
        look_up(it.url, Kind.TOKEN, ["1"])
    with (
        scripted(lambda _: JSONResponse(envelope([token_row("1")], "again"))) as it,
        pytest.raises(SourceError, match=r"same page twice|repeats the cursor"),
    ):
        look_up(it.url, Kind.TOKEN, ["1"])


@pytest.mark.parametrize(
    ("changes", "state", "payouts"),
    [
        ({}, MarketState.OPEN, None),
        ({"closed": True}, MarketState.CLOSED_UNRESOLVED, None),
        ({"resolved": True, "final_price": 1}, MarketState.RESOLVED, (0, 1_000_000)),
        ({"resolved": True, "final_price": "0.5"}, MarketState.VOID, (500_000, 500_000)),
        ({"resolved": True, "final_price": 1, "opposite_token_id": None}, MarketState.RESOLVED, None),
    ],
)
def test_what_a_token_row_says_of_its_resolution(
    changes: dict[str, Any], state: MarketState, payouts: tuple[int, ...] | None
) -> None:
    settlement = token_record(token_row("101", **changes)).settlement
    assert settlement is not None
    assert (settlement.state, settlement.payouts) == (state, payouts)


def test_an_unknown_outcome_is_none_and_a_large_one_is_refused() -> None:
    assert token_record(token_row("101", outcome_index=999)).outcome_index is None
    with pytest.raises(SchemaMismatchError, match="'outcome_index'"):
        token_record(token_row("101", outcome_index=4711))


@pytest.mark.parametrize(
    ("row", "state", "payouts", "derived"),
    [
        ({"status": "proposed"}, MarketState.OPEN, None, False),
        ({"status": "resolved", "payouts": [1_000_000, 0]}, MarketState.RESOLVED, (1_000_000, 0), False),
        (
            {"status": "resolved", "payouts": ["0", "1000000"], "resolution_source": "derived"},
            MarketState.RESOLVED,
            (0, 1_000_000),
            True,
        ),
        ({"status": "resolved", "payouts": [500_000, 500_000]}, MarketState.VOID, (500_000, 500_000), False),
        # The first two of three outcomes that pay 1 : 1 : 2.
        ({"status": "resolved", "payouts": [250_000, 250_000]}, MarketState.RESOLVED, None, False),
        ({"status": "resolved"}, MarketState.RESOLVED, None, False),
    ],
)
def test_how_a_resolution_row_is_read(
    row: dict[str, Any], state: MarketState, payouts: tuple[int, ...] | None, derived: bool
) -> None:
    record = resolution_record({"condition_id": IDS[0], "resolved_at": "2026-01-01T00:00:00Z"} | row)
    assert (record.settlement.state, record.settlement.payouts, record.derived) == (state, payouts, derived)


def test_an_unknown_status_or_scale_is_a_schema_mismatch() -> None:
    with pytest.raises(SchemaMismatchError, match="'status'"):
        resolution_record({"condition_id": IDS[0], "status": "perhaps"})
    with pytest.raises(SchemaMismatchError, match="'payouts'"):
        resolution_record({"condition_id": IDS[0], "status": "resolved", "payouts": [10**18, 0]})


def trade_row(second: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    row = {
        "proxyWallet": WALLET,
        "type": "TRADE",
        "side": "BUY",
        "asset": "12345",
        "conditionId": IDS[0],
        "size": 3,
        "usdcSize": 1,
        "price": 0.333333,
        "timestamp": second,
        "outcomeIndex": 0,
        "transactionHash": f"0x{number:064x}",
    }
    return row | changes


def listing(rows: list[dict[str, Any]], *, most: int = 500, cap: int = 10_000, repeats: bool = False) -> Any:
    """The activity route: ordered by time, at most `most` rows, and no offset beyond `cap`."""

    def handler(request: Request) -> Response:
        query = request.query_params
        offset = int(query.get("offset", 0))
        if offset > cap:
            if not repeats:
                return JSONResponse({"error": f"max historical activity offset of {cap} exceeded"}, 400)
            offset = cap
        wanted = [one for one in rows if int(query["start"]) <= one["timestamp"] <= int(query["end"])]
        return JSONResponse(wanted[offset : offset + min(most, int(query["limit"]))])

    return handler


def activity(handler: Any, **settings: Any) -> tuple[list[Any], Scripted]:
    with scripted(handler) as it:
        pages = collect(it.url, lambda client: DataApiWallets(client, it.url).activity(WALLET, end=10_000, **settings))
    return pages, it


@pytest.mark.parametrize("most", [500, 7])
def test_activity_is_complete_past_the_offset_cap_and_within_a_second(most: int) -> None:
    """3,000 rows, up to five in a second, some of them equal: more than the route lists at any offset."""
    rows = [trade_row(second, number // 2) for second in range(1, 1_001) for number in range(second % 5 + 1)]
    pages, _ = activity(listing(rows, most=most, cap=20))
    records = [one.record for page in pages for one in page.answers]
    assert Counter((one.timestamp, one.transaction_hash) for one in records) == Counter(
        (one["timestamp"], one["transactionHash"]) for one in rows
    )
    assert [one.timestamp for one in records] == sorted(one.timestamp for one in records)
    assert records[0].collateral == 1_000_000


def test_activity_goes_on_from_any_page_without_loss_or_doubles() -> None:
    rows = [trade_row(second, number) for second in range(1, 40) for number in range(3)]
    pages, _ = activity(listing(rows, most=10))
    for at, page in enumerate(pages[:-1]):
        rest, _ = activity(listing(rows, most=10), cursor=page.next_cursor)
        together = [one.record for part in (*pages[: at + 1], *rest) for one in part.answers]
        assert len(together) == len(rows)


def test_a_small_wallet_takes_two_requests_and_an_empty_one_takes_one() -> None:
    assert len(activity(listing([trade_row(5), trade_row(9)]))[1].requests) == 2
    assert len(activity(listing([]))[1].requests) == 1


@pytest.mark.parametrize("repeats", [False, True])
def test_a_second_that_holds_more_than_the_route_lists_is_an_error_not_a_loss(repeats: bool) -> None:
    rows = [trade_row(5, number) for number in range(100)]
    with pytest.raises(SourceError, match="does not list all of second 5"):
        activity(listing(rows, most=10, cap=30, repeats=repeats))


def test_an_answer_in_another_order_is_an_error() -> None:
    with pytest.raises(SourceError, match="does not order by time"):
        activity(lambda _: JSONResponse([trade_row(9), trade_row(5)]))


def test_rows_of_another_wallet_are_refused_and_odd_rows_are_their_own_outcome() -> None:
    rows = [
        trade_row(1, 1),
        trade_row(2, 2, proxyWallet="0x" + "cd" * 20),
        trade_row(3, 3, side="HOLD"),
        trade_row(4, 4, type="SPLIT", side="", asset="", outcomeIndex=999),
    ]
    pages, _ = activity(listing(rows))
    answers = [one for page in pages for one in page.answers]
    assert [(one.state, one.asked) for one in answers] == [
        (Lookup.FOUND, True),
        (Lookup.REFUSED, False),
        (Lookup.SCHEMA_MISMATCH, True),
        (Lookup.FOUND, True),
    ]
    assert isinstance(answers[3].record, ActivityRecord)
    assert answers[3].record.kind == "SPLIT"


@pytest.mark.parametrize(
    "http", [HttpFaults(), HttpFaults(too_many_requests=0.15, server_errors=0.1, resets=0.05, truncated=0.1)]
)
def test_tokens_and_resolutions_of_the_recorded_world(http: HttpFaults) -> None:
    world = load_world(None)
    markets = world.markets
    assert markets is not None
    missing = markets[4].condition_id
    with serve(world, faults=Faults(seed=4, http=http, markets=MarketFaults(missing_data=frozenset({missing})))) as url:
        base = url + "/data"
        tokens = look_up(base, Kind.TOKEN, [token for market in markets for token in market.token_ids])
        by_condition = look_up(base, Kind.MARKET, [market.condition_id for market in markets])
        resolutions = look_up(base, Kind.RESOLUTION, [market.condition_id for market in markets])
    places = {token: (market.condition_id, at) for market in markets for at, token in enumerate(market.token_ids)}
    found = {one.key: (one.record.condition_id, one.record.outcome_index) for one in tokens if one.record}
    assert found == {token: place for token, place in places.items() if place[0] != missing}
    assert {one.record.token_id for one in by_condition if one.record} == set(found)
    states = {one.key: one.record.settlement.state for one in resolutions if one.record}
    assert set(states) == {market.condition_id for market in markets} - {missing}
    assert {one.key for one in resolutions if one.state is Lookup.NOT_FOUND} == {missing}
    assert len(set(states.values())) >= 3, "open, resolved and void are all in this world"


def test_trades_of_a_wallet_agree_with_the_chain() -> None:
    with gzip.open(DEVWORLD_TRUTH) as file:
        truth = json.load(file)
    wallets = Counter(fill["wallet"] for fill in truth["fills"])
    wallet, count = wallets.most_common(1)[0]
    with serve(load_world(None)) as url:
        base = url + "/data"
        newer = collect(base, lambda client: DataApiWallets(client, base).trades(wallet))
        older = collect(base, lambda client: DataApiWallets(client, base).activity(wallet, end=1 << 40))
    expected = Counter(
        (fill["token_id"], fill["side"], fill["size"], fill["usdc"])
        for fill in truth["fills"]
        if fill["wallet"] == wallet
    )
    for pages in (newer, older):
        trades = [one.record for page in pages for one in page.answers if isinstance(one.record, TradeRecord)]
        assert len(trades) == count
        assert Counter((one.token_id, one.side, one.shares, one.collateral) for one in trades) == expected
    assert {one.record.kind for page in older for one in page.answers if isinstance(one.record, ActivityRecord)}
