"""Rows of the Data API, turned into records: tokens, resolutions, trades and what else a wallet did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from polyledger.domain.amounts import LARGEST_AMOUNT, MICRO
from polyledger.domain.errors import SchemaMismatchError
from polyledger.domain.ids import normal_address, normal_condition, normal_hash, normal_token
from polyledger.domain.records import (
    PAYOUT_SCALE,
    ActivityRecord,
    MarketState,
    ResolutionRecord,
    Settlement,
    TokenRecord,
    TradeRecord,
)
from polyledger.sources.answers import require_fields
from polyledger.sources.fields import Row

SOURCE: Final = "data_api"
TRADE: Final = "TRADE"
UNKNOWN_OUTCOME: Final = 999

_TOKEN_FIELDS: Final = ("token_id", "condition_id", "resolved")
_RESOLUTION_FIELDS: Final = ("condition_id", "status")
_SOME_ROWS: Final = 5
_UNDECIDED: Final = frozenset(
    {"initialized", "posed", "proposed", "challenged", "reproposed", "disputed", "active", "arbitration"}
)
# The newer routes write snake_case, the older ones camelCase, some fields under another name.
_OLD_NAMES: Final = {
    "proxy_wallet": "proxyWallet",
    "token_id": "asset",
    "condition_id": "conditionId",
    "transaction_hash": "transactionHash",
    "event_slug": "eventSlug",
    "outcome_index": "outcomeIndex",
    "usdc_size": "usdcSize",
}


def require_token_fields(rows: Sequence[Any]) -> None:
    """Refuse an answer that misses a field everywhere: SchemaMismatchError naming the field."""
    require_fields(SOURCE, rows, _TOKEN_FIELDS)
    require_fields(SOURCE, rows, ("outcome_index",), _SOME_ROWS)
    require_fields(SOURCE, [row for row in rows if row.get("resolved") is True], ("final_price",), _SOME_ROWS)


def require_resolution_fields(rows: Sequence[Any]) -> None:
    """Refuse an answer that misses a field everywhere: SchemaMismatchError naming the field."""
    require_fields(SOURCE, rows, _RESOLUTION_FIELDS)
    require_fields(SOURCE, [row for row in rows if row.get("status") == "resolved"], ("payouts",), _SOME_ROWS)


def token_record(fields: Mapping[str, Any]) -> TokenRecord:
    """One row of ``/v2/tokens``. Raises SchemaMismatchError naming the field that has another shape."""
    row = Row(SOURCE, "token", fields, str(fields.get("token_id", "")))
    token = row.identifier("token_id", normal_token)
    if token is None:
        raise row.wrong("token_id", "a token id")
    at = _outcome_index(row, "outcome_index")
    return TokenRecord(
        source=SOURCE,
        token_id=token,
        condition_id=row.identifier("condition_id", normal_condition),
        outcome_index=at,
        outcome=row.optional_text("outcome"),
        neg_risk=row.optional_boolean("neg_risk"),
        market_slug=row.optional_text("market_slug"),
        event_id=None if row.fields.get("event_id") in (None, "") else row.number_text("event_id"),
        settlement=_settlement_of_token(row, at),
    )


def _settlement_of_token(row: Row, at: int | None) -> Settlement | None:
    """What the row says of its condition. Of two outcomes the other one pays the rest; of more only one is told."""
    if not row.boolean("resolved"):
        closed = row.optional_boolean("closed")
        if closed is None:
            return None
        return Settlement(MarketState.CLOSED_UNRESOLVED if closed else MarketState.OPEN)
    price = row.optional_amount("final_price")
    is_binary = row.optional_text("opposite_token_id") is not None
    if price is None or not is_binary or at not in (0, 1) or not 0 <= price <= PAYOUT_SCALE:
        return Settlement(MarketState.RESOLVED, None, stated=True)
    pays = (price, PAYOUT_SCALE - price) if at == 0 else (PAYOUT_SCALE - price, price)
    return settlement_of(pays)


def settlement_of(payouts: tuple[int, ...]) -> Settlement:
    """Resolved, or void when every outcome pays the same; stated in words."""
    alike = len(set(payouts)) == 1 and len(payouts) > 1
    return Settlement(MarketState.VOID if alike else MarketState.RESOLVED, payouts, stated=True)


def resolution_record(fields: Mapping[str, Any]) -> ResolutionRecord:
    """One row of ``/v2/resolutions``. Raises SchemaMismatchError naming the field that has another shape.

    The service gives the payouts of two outcomes only; where these do not make up a whole, the condition has more, and
    the record says that it is resolved but not how.
    """
    row = Row(SOURCE, "resolution", fields, str(fields.get("condition_id", "")))
    condition = row.identifier("condition_id", normal_condition)
    if condition is None:
        raise row.wrong("condition_id", "a condition id")
    derived = row.optional_text("resolution_source") == "derived"
    status = row.text("status").lower()
    if status in _UNDECIDED:
        return ResolutionRecord(SOURCE, condition, Settlement(MarketState.OPEN), derived)
    if status != "resolved":
        raise row.wrong("status", "one of the documented states")
    resolved_at = None if row.fields.get("resolved_at") in (None, "") else row.moment("resolved_at")
    return ResolutionRecord(SOURCE, condition, _resolved(row), derived, resolved_at)


def _resolved(row: Row) -> Settlement:
    payouts = row.optional_list("payouts")
    if payouts is None:
        return Settlement(MarketState.RESOLVED, None, stated=True)
    try:
        values = tuple(int(Decimal(str(value))) for value in payouts)
    except (ArithmeticError, ValueError) as error:
        raise row.wrong("payouts", "numbers scaled by 1e6") from error
    if any(not 0 <= value <= PAYOUT_SCALE for value in values):
        raise row.wrong("payouts", "numbers scaled by 1e6")
    if abs(sum(values) - PAYOUT_SCALE) > len(values):
        return Settlement(MarketState.RESOLVED, None, stated=True)
    return settlement_of(values)


def wallet_row(fields: Mapping[str, Any]) -> Row:
    """A row of trades or activity of either version, under the names of the newer one."""
    named = dict(fields)
    for name, old in _OLD_NAMES.items():
        if name not in named and old in named:
            named[name] = named[old]
    return Row(SOURCE, "row", named, str(named.get("transaction_hash", "")))


def activity_record(row: Row) -> TradeRecord | ActivityRecord:
    """One row of trades or activity. Raises SchemaMismatchError naming the field that has another shape."""
    kind = (row.optional_text("type") or TRADE).upper()
    transaction = row.identifier("transaction_hash", normal_hash)
    wallet = row.identifier("proxy_wallet", normal_address)
    if transaction is None or wallet is None:
        raise row.wrong("transaction_hash" if transaction is None else "proxy_wallet", "an id")
    condition = row.identifier("condition_id", normal_condition)
    shares, timestamp = row.amount("size"), row.moment("timestamp")
    stated = row.optional_amount("usdc_size")
    if kind != TRADE:
        return ActivityRecord(SOURCE, kind, transaction, wallet, condition, shares, stated or 0, timestamp)
    token, side = row.identifier("token_id", normal_token), row.text("side").upper()
    if token is None:
        raise row.wrong("token_id", "a token id")
    if side not in ("BUY", "SELL"):
        raise row.wrong("side", "BUY or SELL")
    return TradeRecord(
        source=SOURCE,
        transaction_hash=transaction,
        wallet=wallet,
        token_id=token,
        condition_id=condition,
        side=side,
        shares=shares,
        collateral=collateral_of(row, shares) if stated is None else stated,
        timestamp=timestamp,
        outcome_index=_outcome_index(row, "outcome_index"),
        outcome=row.optional_text("outcome"),
        slug=row.optional_text("slug"),
        event_slug=row.optional_text("event_slug"),
    )


def collateral_of(row: Row, shares: int) -> int:
    """Shares times price, rounded to micro-units: the price is a quotient, so this gives back what was paid."""
    price = row.decimal("price")
    if not 0 <= price <= LARGEST_AMOUNT // MICRO:
        raise row.wrong("price", "a price")
    return int((price * shares).to_integral_value(ROUND_HALF_EVEN))


def read_envelope(url: str, document: Any) -> tuple[list[Any], str | None]:
    """(rows, next cursor) of a page of the newer routes. Raises SchemaMismatchError for another shape."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise SchemaMismatchError(f"{SOURCE} at {url} sent no list 'data'")
    pagination = document.get("pagination")
    if not isinstance(pagination, dict) or not isinstance(pagination.get("has_more"), bool):
        raise SchemaMismatchError(f"{SOURCE} at {url} does not say in 'pagination' whether there is more")
    cursor = pagination.get("next_cursor") or None
    if pagination["has_more"] != (cursor is not None) or not isinstance(cursor, str | None):
        raise SchemaMismatchError(f"{SOURCE} at {url}: 'has_more' and 'next_cursor' contradict each other")
    return rows, cursor


def _outcome_index(row: Row, name: str) -> int | None:
    value = row.fields.get(name)
    if value is None or value == UNKNOWN_OUTCOME:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < UNKNOWN_OUTCOME:
        raise row.wrong(name, "a small number")
    return value
