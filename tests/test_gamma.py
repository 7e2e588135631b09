"""Gamma over real sockets: look-ups in full batches, each key answered or told as unknown."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.domain.errors import SourceError
from polyledger.domain.records import Kind, Lookup, MarketState
from polyledger.net import HttpClient
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import one_by_one
from tests.gamma_lookups import catalogue, collect, look_up
from tests.gamma_wire import IDS, row
from tests.scripted_server import scripted


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
