"""The trades of one's own CLOB account, which only its keys may list.

Every request is signed (HMAC over time, method and path). The keys travel in headers only; what the service repeats of
them (it calls the API key the ``owner`` of a trade) is struck out of the answer before it is evidence or a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from polyledger.domain.errors import ConfigurationError, SchemaMismatchError, SourceError
from polyledger.domain.ids import normal_address, normal_condition, normal_hash, normal_token
from polyledger.domain.records import Lookup, TradeRecord
from polyledger.net import MASK, HttpClient
from polyledger.sources.answers import Answer, Evidence, Page, PageGuard, fetch, require_success
from polyledger.sources.clob import END_CURSOR, FIRST_CURSOR, SOURCE
from polyledger.sources.data_rows import collateral_of
from polyledger.sources.fields import Row

ROUTE: Final = "/data/trades"
_OURS: Final = MASK
_ON_CHAIN: Final = frozenset({"MINED", "CONFIRMED"})
_STATES: Final = _ON_CHAIN | {"MATCHED", "MATCHED_NOT_BROADCASTED", "RETRYING", "FAILED"}


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """L2 keys of an account. `address` is the wallet that made them, not the proxy that trades for it."""

    address: str
    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)

    def headers(self, method: str, path: str, body: str = "", *, now: float | None = None) -> dict[str, str]:
        """The headers that sign a request. `path` is without its query.

        Raises:
            ConfigurationError: the secret is not base64; it is not quoted.
        """
        timestamp = str(int(time.time() if now is None else now))
        try:
            key = base64.urlsafe_b64decode(self.secret)
        except (binascii.Error, ValueError):
            raise ConfigurationError(
                "CLOB_API_SECRET is not base64", "Copy it again from where the keys were made"
            ) from None
        message = f"{timestamp}{method}{path}{body}"
        signature = hmac.new(key, message.encode(), hashlib.sha256).digest()
        return {
            "POLY_ADDRESS": self.address,
            "POLY_API_KEY": self.api_key,
            "POLY_PASSPHRASE": self.passphrase,
            "POLY_TIMESTAMP": timestamp,
            "POLY_SIGNATURE": base64.urlsafe_b64encode(signature).decode(),
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may not appear anywhere."""
        return self.api_key, self.secret, self.passphrase


class ClobAccount:
    """The trades of an account over HTTP. Holds no state between calls.

    Args:
        client: the door to the network, with the rate limit of the CLOB.
        url: the base address of the CLOB.
        keys: of the account.
        clock: seconds since 1970, for signatures.
    """

    name: Final = SOURCE

    def __init__(
        self, client: HttpClient, url: str, keys: AccountKeys, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._keys = keys
        self._clock = clock

    async def trades(
        self, *, after: int | None = None, before: int | None = None, cursor: str | None = None
    ) -> AsyncIterator[Page[TradeRecord]]:
        """All trades of the account, as taker and as maker, page by page; answers are keyed by transaction.

        A trade in which several of the account's orders were makers gives an answer for each. Trades that have not
        reached the chain are "not found", with their state as the reason; trades of others are refused.

        Args:
            after, before: seconds since 1970.
            cursor: goes on where an earlier walk stopped.

        Raises:
            SourceError: the keys are not accepted, or paging goes round in circles.
            SchemaMismatchError, UpstreamUnavailableError: as look-ups do.
        """
        url, cursor = self._url + ROUTE, cursor or FIRST_CURSOR
        bounds = [(name, str(value)) for name, value in (("after", after), ("before", before)) if value is not None]
        guard = PageGuard(SOURCE, url, cursor)
        while cursor != END_CURSOR:
            evidence, document = await fetch(
                SOURCE,
                self._client,
                url,
                [*bounds, ("next_cursor", cursor)],
                headers=self._headers,
                secrets=self._keys.secrets,
            )
            if evidence.status in {401, 403}:
                raise SourceError(
                    f"{SOURCE} does not accept the keys of {self._keys.address} (status {evidence.status})",
                    "Check CLOB_API_KEY, CLOB_API_SECRET, CLOB_API_PASSPHRASE and POLY_ADDRESS",
                )
            require_success(evidence, document)
            rows, following = _page(url, document)
            guard.check(tuple(str(row.get("id")) for row in rows) or None, following)
            answers = tuple(answer for row in rows for answer in _answers(row, evidence))
            asked, later = (None if at in {FIRST_CURSOR, END_CURSOR} else at for at in (cursor, following))
            yield Page(answers, asked, later, evidence)
            cursor = following

    def _headers(self) -> Mapping[str, str]:
        # The service sees the whole path, with whatever a proxy's address puts before it.
        return self._keys.headers("GET", urlsplit(self._url + ROUTE).path, now=self._clock())


def _page(url: str, document: Any) -> tuple[list[dict[str, Any]], str]:
    rows = document.get("data", ()) if isinstance(document, dict) else ()
    following = document.get("next_cursor") if isinstance(document, dict) else None
    rows = [] if rows is None else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SchemaMismatchError(f"{SOURCE} at {url} sent no list 'data'")
    if not isinstance(following, str) or not following:
        raise SchemaMismatchError(f"{SOURCE} at {url} sent no 'next_cursor'; the end would be {END_CURSOR!r}")
    return rows, following


def _answers(fields: dict[str, Any], evidence: Evidence) -> list[Answer[TradeRecord]]:
    """The legs of one trade that are the account's own."""
    row = Row(SOURCE, "trade", fields, str(fields.get("id", "")))
    key = str(fields.get("transaction_hash") or "")
    try:
        state = row.text("status").upper().removeprefix("TRADE_STATUS_")
        if state not in _STATES:
            raise row.wrong("status", "one of the documented states")
        legs = _own_legs(row)
        if not legs:
            return [Answer(key, Lookup.REFUSED, (evidence,), reason="a trade of somebody else", asked=False)]
        if state not in _ON_CHAIN:
            return [Answer(key, Lookup.NOT_FOUND, (evidence,), reason=f"the trade is {state}, not on the chain")]
        return [Answer(record.transaction_hash, Lookup.FOUND, (evidence,), record) for record in _records(row, legs)]
    except SchemaMismatchError as error:
        return [Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what)]


def _own_legs(row: Row) -> list[Row]:
    """The trade itself when the account was the taker, else those of its maker orders that are the account's."""
    side = row.text("trader_side").upper()
    if side == "TAKER":
        return [row] if row.fields.get("owner") == _OURS else []
    if side != "MAKER":
        raise row.wrong("trader_side", "TAKER or MAKER")
    return [leg for leg in row.optional_rows("maker_orders", "maker order") or [] if leg.fields.get("owner") == _OURS]


def _records(row: Row, legs: list[Row]) -> list[TradeRecord]:
    transaction, condition = row.identifier("transaction_hash", normal_hash), row.identifier("market", normal_condition)
    if transaction is None:
        raise row.wrong("transaction_hash", "a transaction hash")
    records = []
    for leg in legs:
        wallet, token = leg.identifier("maker_address", normal_address), leg.identifier("asset_id", normal_token)
        side = leg.text("side").upper()
        if wallet is None or token is None or side not in ("BUY", "SELL"):
            name = "maker_address" if wallet is None else "asset_id" if token is None else "side"
            raise leg.wrong(name, "what a trade has")
        shares = leg.amount("size" if leg is row else "matched_amount")
        records.append(
            TradeRecord(
                source=SOURCE,
                transaction_hash=transaction,
                wallet=wallet,
                token_id=token,
                condition_id=condition,
                side=side,
                shares=shares,
                collateral=collateral_of(leg, shares),
                timestamp=row.moment("match_time"),
                outcome=leg.optional_text("outcome"),
            )
        )
    return records
