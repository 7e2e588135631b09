"""Walks through Gamma, and answers that are not what was asked for: refused, never read as empty."""

from __future__ import annotations

import gzip
import json

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import EventRecord, Kind, Lookup, MarketRecord
from polyledger.replica.faults import Faults, HttpFaults, MarketFaults
from polyledger.replica.server import serve
from polyledger.replica.world import load_world
from polyledger.sources.answers import Page
from polyledger.sources.lookups import one_by_one
from tests.gamma_lookups import catalogue, collect, in_order, look_up
from tests.gamma_wire import IDS, row
from tests.paths import real_file
from tests.scripted_server import scripted


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
