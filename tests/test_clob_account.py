"""The account's own trades over real sockets: signed, complete, and without a trace of the keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from polyledger.config import ClobSettings
from polyledger.domain.errors import ConfigurationError, SchemaMismatchError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import Lookup
from polyledger.net import HttpClient, RetryPolicy
from polyledger.sources.clob_account import AccountKeys, ClobAccount
from tests.scripted_server import scripted

SECRET = base64.urlsafe_b64encode(b"a secret of thirty-two bytes ..!").decode()
KEYS = AccountKeys("0x" + "aa" * 20, "00000000-api-key", SECRET, "pass-phrase-77")
PROXY = "0x" + "bb" * 20
MARKET = "0x" + "0c" * 32


def trade(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"trade-{number}",
        "market": MARKET,
        "asset_id": "101",
        "side": "BUY",
        "size": "3",
        "price": "0.5",
        "status": "CONFIRMED",
        "match_time": "1700000000",
        "outcome": "Yes",
        "owner": KEYS.api_key,
        "maker_address": PROXY,
        "transaction_hash": f"0x{number:064x}",
        "trader_side": "TAKER",
        "maker_orders": [],
    } | changes


def order(owner: str, **changes: Any) -> dict[str, Any]:
    return {
        "owner": owner,
        "maker_address": PROXY,
        "matched_amount": "2",
        "price": "0.25",
        "asset_id": "102",
        "outcome": "No",
        "side": "SELL",
    } | changes


def pages(handler: Callable[[Request], Response]) -> list[Any]:
    async def run(url: str) -> list[Any]:
        policy = RetryPolicy(attempts=8, wait_initial=0.001, wait_max=0.01)
        async with HttpClient("clob", policy=policy) as client:
            account = ClobAccount(client, url, KEYS, clock=lambda: 1_700_000_123.9)
            return [page async for page in account.trades(after=5)]

    with scripted(handler) as server:
        return asyncio.run(run(server.url))


def test_requests_are_signed_as_documented() -> None:
    seen: list[dict[str, str]] = []

    def handler(request: Request) -> Response:
        seen.append(dict(request.headers))
        assert request.query_params["after"] == "5"
        return JSONResponse({"limit": 100, "count": 0, "next_cursor": "LTE=", "data": None})

    (page,) = pages(handler)
    assert page.answers == ()
    message = b"1700000123GET/data/trades"
    digest = hmac.new(base64.urlsafe_b64decode(SECRET), message, hashlib.sha256).digest()
    assert seen[0]["poly_signature"] == base64.urlsafe_b64encode(digest).decode()
    assert seen[0]["poly_address"] == KEYS.address
    assert seen[0]["poly_api_key"] == KEYS.api_key
    assert seen[0]["poly_timestamp"] == "1700000123"


def test_taker_and_maker_trades_and_what_is_none() -> None:
    rows = [
        trade(1),
        trade(2, trader_side="MAKER", owner="other", maker_orders=[order(KEYS.api_key), order("other")]),
        trade(3, status="TRADE_STATUS_FAILED"),
        trade(4, owner="other"),
        trade(5, status="PERHAPS"),
    ]

    def handler(request: Request) -> Response:
        at = 0 if request.query_params["next_cursor"] == "MA==" else 3
        following = "LTE=" if at else "Mw=="
        return JSONResponse({"next_cursor": following, "data": rows[at : at + 3]})

    answers = [one for page in pages(handler) for one in page.answers]
    assert [(one.state, one.asked) for one in answers] == [
        (Lookup.FOUND, True),
        (Lookup.FOUND, True),
        (Lookup.NOT_FOUND, True),
        (Lookup.REFUSED, False),
        (Lookup.SCHEMA_MISMATCH, True),
    ]
    taken, made = answers[0].record, answers[1].record
    assert (taken.wallet, taken.token_id, taken.side, taken.shares, taken.collateral) == (
        PROXY, "101", "BUY", 3_000_000, 1_500_000,
    )  # fmt: skip
    assert (made.token_id, made.side, made.shares, made.collateral, made.outcome) == (
        "102", "SELL", 2_000_000, 500_000, "No",
    )  # fmt: skip
    assert taken.timestamp == 1_700_000_000


def test_keys_appear_neither_in_evidence_nor_in_errors() -> None:
    (page,) = pages(lambda _: JSONResponse({"next_cursor": "LTE=", "data": [trade(1)]}))
    shown = repr(page) + repr(page.evidence.body) + repr(page.evidence.params) + repr(KEYS)
    echo = {"error": f"key {KEYS.api_key} with {KEYS.passphrase} and {SECRET} is wrong"}
    page_of_keys = HTMLResponse(f"<html>{KEYS.api_key}</html>")
    busy = (JSONResponse(echo, 503), JSONResponse(echo, 429))
    for answer in (JSONResponse(echo, 401), JSONResponse(echo, 400), page_of_keys, *busy):
        with pytest.raises((SourceError, UpstreamUnavailableError)) as caught:
            pages(lambda _, answer=answer: answer)  # type: ignore[misc]
        shown += str(caught.value) + repr(caught.value.__cause__)
    for secret in KEYS.secrets:
        assert secret not in shown
    with pytest.raises(ConfigurationError, match="not base64"):
        AccountKeys("0x", "k", "a", "p").headers("GET", "/")


def test_circles_and_other_shapes_are_errors() -> None:
    with pytest.raises(SourceError, match="repeats the cursor"):
        pages(lambda _: JSONResponse({"next_cursor": "MA==", "data": []}))
    for document in ([], {"data": [1], "next_cursor": "LTE="}, {"data": []}):
        with pytest.raises(SchemaMismatchError):
            pages(lambda _, document=document: JSONResponse(document))  # type: ignore[misc]


def test_the_address_is_a_setting() -> None:
    assert ClobSettings(address="0x" + "AA" * 20).address == "0x" + "aa" * 20
    with pytest.raises(ValueError, match="not an address"):
        ClobSettings(address="12")
