"""Gamma's two lists, and how each is asked by each kind of key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import normal_condition, normal_token
from polyledger.domain.records import EventRecord, Kind, MarketRecord
from polyledger.sources.gamma_rows import event_record, market_record, require_event_fields, require_market_fields

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a list is, how it is asked by one kind of key, and how its rows are read.

    Attributes:
        keys_of: the keys of this kind that a row itself carries: what it is an answer to.
        one_key: whether a row can be the answer to one key only, so that a second one makes it suspicious.
    """

    path: str
    rows_field: str
    key_parameter: str
    fixed_params: tuple[tuple[str, str], ...]
    keys_of: Callable[[Fields], tuple[str, ...]]
    require: Callable[[Sequence[Any]], None]
    parse: Callable[[Fields], MarketRecord | EventRecord]
    one_key: bool = True


def _condition_of(row: Fields) -> tuple[str, ...]:
    value = row.get("conditionId")
    try:
        return (normal_condition(value),) if isinstance(value, str) else ()
    except MalformedIdError:
        return ()


def _id_of(row: Fields) -> tuple[str, ...]:
    return (str(row.get("id")),)


def _slug_of(row: Fields) -> tuple[str, ...]:
    return (str(row.get("slug")),)


def _tokens_of(row: Fields) -> tuple[str, ...]:
    tokens = row.get("positionIds") if row.get("version") == "v2" else row.get("clobTokenIds")
    try:
        values = msgspec.json.decode(tokens) if isinstance(tokens, str) and tokens else tokens
        return tuple(normal_token(value) for value in values or () if value)
    except (msgspec.DecodeError, MalformedIdError, TypeError):
        return ()


def record_id(record: MarketRecord | EventRecord) -> str | None:
    """Gamma's number of the record."""
    return record.event_id if isinstance(record, EventRecord) else record.market_id


MARKETS_BY_CONDITION: Final = Listing(
    path="/markets/keyset",
    rows_field="markets",
    key_parameter="condition_ids",
    fixed_params=(("include_tag", "true"),),
    keys_of=_condition_of,
    require=require_market_fields,
    parse=market_record,
)
EVENTS_BY_ID: Final = Listing(
    path="/events/keyset",
    rows_field="events",
    key_parameter="id",
    fixed_params=(),
    keys_of=_id_of,
    require=require_event_fields,
    parse=event_record,
)
LISTINGS: Final[Mapping[Kind, Listing]] = {
    Kind.MARKET: MARKETS_BY_CONDITION,
    Kind.RESOLUTION: MARKETS_BY_CONDITION,
    Kind.TOKEN: replace(MARKETS_BY_CONDITION, key_parameter="clob_token_ids", keys_of=_tokens_of, one_key=False),
    Kind.MARKET_ID: replace(MARKETS_BY_CONDITION, key_parameter="id", keys_of=_id_of),
    Kind.SLUG: replace(MARKETS_BY_CONDITION, key_parameter="slug", keys_of=_slug_of),
    Kind.EVENT: EVENTS_BY_ID,
}
