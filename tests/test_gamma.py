"""Gamma over real sockets: every row must answer the question, and nothing missing is read as empty."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import EventRecord, Kind, Lookup, MarketRecord, MarketState
from polyledger.net import HttpClient, RetryPolicy
from polyledger.replica.faults import Faults, HttpFaults, MarketFaults
from polyledger.replica.server import serve
from polyledger.replica.world import load_world
from polyledger.sources.answers import Answer, Page
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import one_by_one
from tests.gamma_wire import IDS, row
from tests.paths import real_file
from tests.scripted_server import Scripted, scripted

ItemT = TypeVar("ItemT")


def catalogue(*rows: dict[str, Any]) -> Callable[[Request], Response]:
    """Answers as Gamma does: one state at a time, unknown ids left out."""

    def handler(request: Request) -> Response:
        closed = request.query_params.get("closed") == "true"
        wanted = request.query_params.getlist("condition_ids")
        found = [one for one in rows if one["closed"] == closed and (not wanted or one["conditionId"] in wanted)]
        return JSONResponse({"markets": found})

    return handler


def collect(url: str, use: Callable[[GammaSource], AsyncIterator[ItemT]], **settings: Any) -> list[ItemT]:
    """What one iteration gives, over a client that gives up quickly."""

    async def run() -> list[ItemT]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("gamma", policy=policy) as client:
            return [item async for item in use(GammaSource(client, url, **settings))]

    return asyncio.run(run())


def in_order(answers: list[Answer[Any]], keys: list[str]) -> list[Answer[Any]]:
    """Answers come as they finish; tests like them in the order of the keys, strangers last."""
    place = {key: at for at, key in enumerate(dict.fromkeys(keys))}
    return sorted(answers, key=lambda one: (not one.asked, place.get(one.key, len(place))))


def look_up(
    handler: Callable[[Request], Response], ids: list[str], *, concurrency: int = 4, **settings: Any
) -> tuple[list[Answer[Any]], Scripted]:
    def ask(gamma: GammaSource) -> AsyncIterator[Answer[Any]]:
        return one_by_one(gamma.look_up(Kind.MARKET, ids, concurrency=concurrency))

    with scripted(handler) as server:
        answers = collect(server.url, ask, **settings)
        return in_order(answers, [one.lower() for one in ids]), server


def test_open_and_closed_markets_are_both_found_and_unknown_ids_are_not() -> None:
    rows = (row(IDS[0]), row(IDS[1], closed=True))
    answers, server = look_up(catalogue(*rows), [IDS[1].upper().replace("0X", "0x"), IDS[0], IDS[2], IDS[0]])

    assert [(one.key, one.state) for one in answers] == [
        (IDS[1], Lookup.FOUND),
        (IDS[0], Lookup.FOUND),
        (IDS[2], Lookup.NOT_FOUND),
    ]
    assert server.values("closed") == [["true"], ["false"]]
    assert server.values("limit") == [["100"], ["100"]]
    assert server.values("include_tag") == [["true"], ["true"]]
    record = answers[0].record
    assert record is not None
    assert record.source == "gamma"
    assert record.market_id == "1002"
    assert record.token_ids == ("10021", "10022")
    assert record.outcomes == ("Yes", "No")
    assert record.tags == ("crypto",)
    assert (record.event_id, record.event_slug, record.event_title) == ("9", "event-9", "Event 9")
    assert record.series_slug == "series"
    assert record.volume == 12_345_679
    assert record.closed_time == 1_730_905_200  # 2024-11-06T15:00:00Z
    assert record.start_date == 1_704_409_080
    assert record.neg_risk_market_id is None
    assert record.settlement.state is MarketState.RESOLVED
    assert record.settlement.payouts == (1_000_000, 0)


def test_evidence_holds_the_bytes_and_the_question() -> None:
    answers, _ = look_up(catalogue(row(IDS[0])), [IDS[0], IDS[1]])
    (found,) = answers[0].evidence
    assert json.loads(found.body)["markets"][0]["conditionId"] == IDS[0]
    assert found.digest == hashlib.sha256(found.body).hexdigest()
    assert found.source == "gamma"
    assert found.status == 200
    assert found.url.endswith("/markets/keyset")
    assert ("condition_ids", IDS[0]) in found.params
    assert ("closed", "false") in found.params
    assert len(answers[1].evidence) == 2, "not found rests on both states"


def test_ids_go_out_in_batches_that_fit_an_address() -> None:
    rows = [row(condition, closed=index % 2 == 0) for index, condition in enumerate(IDS[:120])]
    answers, server = look_up(catalogue(*rows), IDS[:120])
    assert sorted(one.key for one in answers) == IDS[:120]
    assert all(one.state is Lookup.FOUND for one in answers)
    # Full batches, and what is missing from all of them shares one request in the other state.
    asked = sorted(len(values) for values in server.values("condition_ids"))
    assert asked == [22, 60, 98]


def test_many_ids_take_little_more_than_a_request_per_full_batch() -> None:
    """Each state asked for every batch would take 102 requests."""
    ids = [f"0x{number:064x}" for number in range(1, 5_001)]
    rows = {one: row(one, closed=at % 7 != 0) for at, one in enumerate(ids) if at % 20}

    def handler(request: Request) -> Response:
        closed = request.query_params["closed"] == "true"
        asked = [rows[one] for one in request.query_params.getlist("condition_ids") if one in rows]
        return JSONResponse({"markets": [one for one in asked if one["closed"] == closed]})

    answers, server = look_up(handler, ids)
    assert [one.key for one in answers] == ids
    assert [one.state is Lookup.FOUND for one in answers] == [one in rows for one in ids]
    assert len(server.requests) <= 51 + 10 + 4


def test_what_the_caller_knows_decides_which_state_is_asked_first() -> None:
    rows = [row(one, closed=at < 30) for at, one in enumerate(IDS[:60])]
    closed = {one: at < 30 for at, one in enumerate(IDS[:60])}

    def ask(gamma: GammaSource) -> AsyncIterator[Any]:
        return one_by_one(gamma.look_up(Kind.RESOLUTION, IDS[:60], closed=closed))

    with scripted(catalogue(*rows)) as server:
        answers = collect(server.url, ask)
    assert sorted(one.key for one in answers) == IDS[:60]
    asked = zip(server.values("closed"), server.values("condition_ids"), strict=True)
    assert sorted((*state, len(keys)) for state, keys in asked) == [
        ("false", 30),
        ("true", 30),
    ]


def test_an_address_that_is_too_long_is_halved_and_nothing_is_lost() -> None:
    rows = [row(one, closed=True) for one in IDS[:200]]

    def handler(request: Request) -> Response:
        if len(request.url.query) > 2_500:
            return HTMLResponse("<html>414 Request-URI Too Large</html>", 414)
        return catalogue(*rows)(request)

    answers, server = look_up(handler, IDS[:200], concurrency=3)
    assert [one.key for one in answers] == IDS[:200]
    assert all(one.state is Lookup.FOUND for one in answers)
    assert len(server.requests) <= 3 + 3 + 9
    with pytest.raises(SourceError, match="status 414"):
        look_up(lambda _: HTMLResponse("too long", 414), IDS[:3])


def test_markets_are_found_by_token_number_and_slug() -> None:
    rows = [row(one, closed=True) for one in IDS[:3]]  # tokens 10011, 10012; 10021, …

    def handler(request: Request) -> Response:
        wanted = {name: set(request.query_params.getlist(name)) for name in ("clob_token_ids", "id", "slug")}
        found = [
            one
            for one in rows
            if (one["closed"] == (request.query_params["closed"] == "true"))
            and (
                one["id"] in wanted["id"]
                or one["slug"] in wanted["slug"]
                or wanted["clob_token_ids"] & set(json.loads(one["clobTokenIds"]))
            )
        ]
        return JSONResponse({"markets": found})

    def ask(kind: Kind, keys: list[str]) -> list[tuple[str, str | None]]:
        with scripted(handler) as server:
            answers = collect(server.url, lambda gamma: one_by_one(gamma.look_up(kind, keys)))
        return sorted((one.key, one.record and one.record.condition_id) for one in answers)

    assert ask(Kind.TOKEN, ["10012", "10011", "10022", "77"]) == [
        ("10011", IDS[0]),
        ("10012", IDS[0]),
        ("10022", IDS[1]),
        ("77", None),
    ]
    assert ask(Kind.MARKET_ID, ["1003", "9"]) == [("1003", IDS[2]), ("9", None)]
    assert ask(Kind.SLUG, ["market-1001", "other"]) == [("market-1001", IDS[0]), ("other", None)]


def test_results_come_as_they_finish_and_the_rest_is_not_lost_when_one_fails() -> None:
    """A runner commits what is there before it hears of the failure."""

    def handler(request: Request) -> Response:
        if IDS[250] in request.query_params.getlist("condition_ids"):
            return JSONResponse({"error": "no"}, 400)
        return catalogue(*(row(one, closed=True) for one in IDS))(request)

    with scripted(handler) as server:
        got: list[int] = []

        async def run() -> None:
            async with HttpClient("gamma") as client:
                async for answers in GammaSource(client, server.url).look_up(Kind.MARKET, IDS[:390], concurrency=1):
                    got.append(len(answers))  # noqa: PERF401 - what came before the error counts

        with pytest.raises(SourceError, match="status 400"):
            asyncio.run(run())
    assert got == [98, 98]


def test_pages_are_followed_by_after_cursor_until_no_cursor_comes() -> None:
    def handler(request: Request) -> Response:
        if request.query_params["closed"] == "true":
            return JSONResponse({"markets": []})
        at = int(request.query_params.get("after_cursor", "c0")[1:])
        page = {"markets": [row(IDS[at])]}
        return JSONResponse(page if at == 2 else page | {"next_cursor": f"c{at + 1}"})

    answers, server = look_up(handler, IDS[:4])
    assert [one.state for one in answers] == [Lookup.FOUND] * 3 + [Lookup.NOT_FOUND]
    assert server.values("after_cursor") == [[], [], ["c1"], ["c2"]]


def test_a_repeated_cursor_ends_the_walk_with_an_error() -> None:
    def handler(request: Request) -> Response:
        at = len(request.query_params.get("after_cursor", ""))
        return JSONResponse({"markets": [row(IDS[at])], "next_cursor": "again"})

    with pytest.raises(SourceError, match="repeats the cursor 'again'"):
        look_up(handler, IDS[:50])


def test_a_repeated_page_ends_the_walk_with_an_error() -> None:
    """What happens when the server ignores the paging parameter: page one for ever, each time with a new cursor."""

    def handler(request: Request) -> Response:
        return JSONResponse(
            {"markets": [row(IDS[0])], "next_cursor": request.query_params.get("after_cursor", "") + "x"}
        )

    with pytest.raises(SourceError, match="same page twice"):
        look_up(handler, IDS[:50])


def test_rows_nobody_asked_for_make_the_answer_refused_not_missing() -> None:
    """The ignored filter: 15,733 look-ups that all got the first row of an unfiltered list."""

    def handler(_: Request) -> Response:
        return JSONResponse({"markets": [row(IDS[300], number=12), row(IDS[1])], "next_cursor": "much-more"})

    answers, server = look_up(handler, IDS[:3])
    asked = {one.key: one.state for one in answers if one.asked}
    assert asked == {IDS[0]: Lookup.REFUSED, IDS[1]: Lookup.FOUND, IDS[2]: Lookup.REFUSED}
    strangers = [one for one in answers if not one.asked]
    assert {(one.key, one.state, one.record) for one in strangers} == {(IDS[300], Lookup.REFUSED, None)}
    assert len(server.requests) == 1, "the unfiltered catalogue must not be walked"


def test_one_market_for_many_conditions_is_refused() -> None:
    answers, _ = look_up(catalogue(row(IDS[0], number=12), row(IDS[1], number=12), row(IDS[2])), IDS[:3])
    assert [one.state for one in answers] == [Lookup.FOUND, Lookup.REFUSED, Lookup.FOUND]
    assert "12" in answers[1].reason
    assert answers[1].record is None


def test_two_markets_of_one_condition_are_two_claims_and_a_row_sent_twice_is_one() -> None:
    rows = (row(IDS[0], number=7), row(IDS[0], number=8), row(IDS[0], number=7))
    answers, _ = look_up(catalogue(*rows), [IDS[0]])
    assert [one.record.market_id for one in answers if one.record] == ["7", "8"]


@pytest.mark.parametrize("field", ["id", "conditionId", "slug", "question", "closed", "outcomes", "clobTokenIds"])
def test_a_renamed_field_is_a_schema_mismatch_that_names_it(field: str) -> None:
    rows = []
    for condition in IDS[:6]:
        fields = row(condition)
        fields[field + "V2"] = fields.pop(field)
        rows.append(fields)

    with pytest.raises(SchemaMismatchError, match=f"'{field}'"):
        look_up(lambda _: JSONResponse({"markets": rows}), IDS[:6])


@pytest.mark.parametrize("field", ["events", "tags", "outcomePrices"])
def test_a_field_that_is_null_in_a_whole_batch_is_a_schema_mismatch(field: str) -> None:
    rows = [row(condition, closed=True) | {field: None} for condition in IDS[:25]]
    with pytest.raises(SchemaMismatchError, match=f"'{field}' is missing or null in every one"):
        look_up(catalogue(*rows), IDS[:25])


def test_one_bad_row_is_its_own_outcome_and_leaves_the_others_alone() -> None:
    rows = [row(condition) for condition in IDS[:6]]
    rows[2]["outcomes"] = "Yes, No"
    answers, _ = look_up(catalogue(*rows), IDS[:7])
    assert [one.state for one in answers] == [
        *[Lookup.FOUND] * 2,
        Lookup.SCHEMA_MISMATCH,
        *[Lookup.FOUND] * 3,
        Lookup.NOT_FOUND,
    ]
    assert "'outcomes'" in answers[2].reason
    assert "Yes, No" in answers[2].reason


def test_events_come_with_their_tags_in_both_states() -> None:
    events = {
        "5": {"id": "5", "slug": "five", "title": "Five", "closed": True, "category": "Sports", "tags": []},
        "6": {
            "id": 6,
            "slug": "six",
            "title": "Six",
            "closed": False,
            "tags": [{"slug": "nba"}],
            "series": [{"slug": "weekly"}],
            "parentEventId": 4,
            "markets": [{"id": "1"}],
        },
    }

    def handler(request: Request) -> Response:
        closed = request.query_params["closed"] == "true"
        wanted = request.query_params.getlist("id")
        return JSONResponse(
            {"events": [one for key, one in events.items() if key in wanted and one["closed"] == closed]}
        )

    with scripted(handler) as server:
        answers = collect(server.url, lambda gamma: one_by_one(gamma.look_up(Kind.EVENT, ["6", "5", "7"])))
        with pytest.raises(MalformedIdError, match="six"):
            collect(server.url, lambda gamma: one_by_one(gamma.look_up(Kind.EVENT, ["six"])))
    answers = in_order(answers, ["6", "5", "7"])
    assert [one.state for one in answers] == [Lookup.FOUND, Lookup.FOUND, Lookup.NOT_FOUND]
    assert answers[0].record == EventRecord(
        "gamma",
        "6",
        "six",
        "Six",
        tags=("nba",),
        series_slug="weekly",
        closed=False,
        market_ids=("1",),
        parent_event_id="4",
    )
    assert answers[1].record is not None
    assert answers[1].record.category == "Sports"


def test_a_walk_stops_anywhere_and_goes_on_from_its_cursor() -> None:
    def handler(request: Request) -> Response:
        at = int(request.query_params.get("after_cursor", "0"))
        page = {"markets": [row(condition, closed=True) for condition in IDS[at : at + 3]]}
        return JSONResponse(page if at >= 6 else page | {"next_cursor": str(at + 3)})

    with scripted(handler) as server:
        pages: list[Page[MarketRecord]] = collect(server.url, lambda gamma: gamma.walk("markets-closed"))
        rest: list[Page[MarketRecord]] = collect(server.url, lambda gamma: gamma.walk("markets-closed", cursor="3"))
    assert [(page.cursor, page.next_cursor) for page in pages] == [(None, "3"), ("3", "6"), ("6", None)]
    assert [one.key for page in pages for one in page.answers] == IDS[:9]
    assert [page.answers for page in rest] != []
    assert [one.record for page in rest for one in page.answers] == [
        one.record for page in pages[1:] for one in page.answers
    ]


def test_refusals_are_quoted() -> None:
    def refuse(_: Request) -> Response:
        return JSONResponse({"type": "validation error", "error": "order fields are not valid"}, 422)

    with pytest.raises(SourceError, match="status 422: order fields are not valid"):
        look_up(refuse, IDS[:1])
    with pytest.raises(SourceError, match="status 414"):
        look_up(lambda _: HTMLResponse("<h1>URI Too Long</h1>", 414), IDS[:1])
    with pytest.raises(SourceError, match=r"not JSON.*Check gamma.url"):
        look_up(lambda _: HTMLResponse("<html>hello</html>"), IDS[:1])
    with pytest.raises(SchemaMismatchError, match="no list 'markets'"):
        look_up(lambda _: JSONResponse([row(IDS[0])]), IDS[:1])
    with pytest.raises(UpstreamUnavailableError, match="breaks off"):
        look_up(lambda _: Response(b'{"markets": [', media_type="application/json"), IDS[:1])
    with pytest.raises(MalformedIdError, match="0x12"):
        look_up(catalogue(), ["0x12"])


def test_real_markets_come_back_over_the_wire() -> None:
    with gzip.open(real_file("gamma_markets.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    answers, _ = look_up(
        lambda request: JSONResponse(
            {"markets": [{**one, "tags": []} for one in rows if one["conditionId"] in request.query_params.values()]}
            if request.query_params["closed"] == "false"
            else {"markets": []}
        ),
        [rows[0]["conditionId"]],
    )
    assert answers[0].record is not None
    assert answers[0].record.question == rows[0]["question"]


@pytest.mark.parametrize(
    "http", [HttpFaults(), HttpFaults(too_many_requests=0.15, server_errors=0.1, resets=0.05, truncated=0.1, html=0.05)]
)
def test_the_recorded_world_is_named_through_the_replica(http: HttpFaults) -> None:
    world = load_world(None)
    markets = world.markets
    assert markets is not None
    missing = markets[3].condition_id
    faults = Faults(seed=3, http=http, markets=MarketFaults(missing_gamma=frozenset({missing})))
    with serve(world, faults=faults) as url:
        ids = [market.condition_id for market in markets]
        answers = collect(url + "/gamma", lambda gamma: one_by_one(gamma.look_up(Kind.MARKET, ids)), batch=7)
        events = collect(
            url + "/gamma",
            lambda gamma: one_by_one(
                gamma.look_up(Kind.EVENT, [one.record.event_id or "" for one in answers if one.record])
            ),
        )
    assert sorted(one.key for one in answers) == sorted(ids)
    answers = in_order(answers, ids)
    for market, answer in zip(markets, answers, strict=True):
        if market.condition_id == missing:
            assert answer.state is Lookup.NOT_FOUND
            continue
        record = answer.record
        assert record is not None
        assert record.token_ids == tuple(market.token_ids)
        assert record.outcomes == tuple(market.outcomes)
        assert record.question == market.question
        assert record.neg_risk_market_id == market.neg_risk_market_id
    assert all(one.state is Lookup.FOUND and one.record and one.record.tags for one in events)
