"""Gamma, Polymarket's catalogue of markets and events: look-ups by condition and event id, and a walk over everything.

What its answers must survive (each has cost somebody a data set): a misspelt filter is ignored and an unrelated list
comes back, so every row must carry an id that was asked for; ``closed=false`` is implied, so both states are asked;
unknown ids are left out without a word; lists are written as text; a page can repeat for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError
from polyledger.domain.ids import normal_condition
from polyledger.domain.records import EventRecord, Lookup, MarketRecord
from polyledger.net import HttpClient
from polyledger.sources.answers import (
    Answer,
    Evidence,
    Page,
    PageGuard,
    RecordT,
    all_of,
    fetch,
    require_success,
)
from polyledger.sources.gamma_rows import (
    SOURCE,
    event_record,
    market_record,
    require_event_fields,
    require_market_fields,
)

BATCH: Final = 50
"""Ids per request: 50 condition ids make 4 KB of address, half of what the service accepts."""
PAGE_LIMIT: Final = 100
"""Rows per page, the most that the service gives; asked for explicitly, because its default is below a batch."""
_TELLING_ROWS: Final = 5
"""From this many rows on, a page in which no row can be read means that the shape has changed."""


@dataclass(frozen=True, slots=True)
class _Listing(Generic[RecordT]):
    """One of Gamma's two lists: where it is, how it is asked by id, and how its rows are read."""

    path: str
    rows_field: str
    key_parameter: str
    fixed_params: tuple[tuple[str, str], ...]
    key_of: Callable[[Mapping[str, Any]], str | None]
    require: Callable[[Sequence[Any]], None]
    parse: Callable[[Mapping[str, Any]], RecordT]
    record_id: Callable[[RecordT], str | None]


def _condition_key(row: Mapping[str, Any]) -> str | None:
    value = row.get("conditionId")
    try:
        return normal_condition(value) if isinstance(value, str) else None
    except MalformedIdError:
        return None


def _event_key(row: Mapping[str, Any]) -> str | None:
    value = row.get("id")
    return value if isinstance(value, str) else str(value)


_MARKETS: Final[_Listing[MarketRecord]] = _Listing(
    path="/markets/keyset",
    rows_field="markets",
    key_parameter="condition_ids",
    fixed_params=(("include_tag", "true"),),
    key_of=_condition_key,
    require=require_market_fields,
    parse=market_record,
    record_id=lambda record: record.market_id,
)
_EVENTS: Final[_Listing[EventRecord]] = _Listing(
    path="/events/keyset",
    rows_field="events",
    key_parameter="id",
    fixed_params=(),
    key_of=_event_key,
    require=require_event_fields,
    parse=event_record,
    record_id=lambda record: record.event_id,
)


class GammaSource:
    """Gamma over HTTP. Holds no state between calls; waiting and repeating is the client's business.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the base address, without a slash at its end.
        batch: ids per request.
    """

    def __init__(self, client: HttpClient, url: str, *, batch: int = BATCH) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._batch = batch

    async def markets_by_condition(
        self, ids: Iterable[str], *, concurrency: int = 4
    ) -> AsyncIterator[Answer[MarketRecord]]:
        """The markets of conditions: at least one answer for every distinct id, in the order given.

        A condition with several markets gives an answer for each. Rows that nobody asked for come as refused answers
        with ``asked=False``; ids of that request that had no row of their own are then refused too, not "not found".

        Args:
            ids: condition ids in any accepted form.
            concurrency: how many batches are asked for at the same time.

        Raises:
            MalformedIdError: an id is not a condition id; nothing has been asked for then.
            SchemaMismatchError: a needed field is missing in all rows of a page, or no row of a page can be read.
            SourceError: a status that repeating does not change, or paging that goes round in circles.
            UpstreamUnavailableError: no usable answer after all repeats.
        """
        keys = list(dict.fromkeys(normal_condition(value) for value in ids))
        async for answer in self._by_keys(_MARKETS, keys, concurrency):
            yield answer

    async def events_by_id(self, ids: Iterable[str], *, concurrency: int = 4) -> AsyncIterator[Answer[EventRecord]]:
        """The events with these ids (decimal strings), with their tags; otherwise as markets_by_condition."""
        keys = list(dict.fromkeys(ids))
        for key in keys:
            if not (key.isascii() and key.isdigit()):
                raise MalformedIdError(f"{key!r} is not an event id", "An event id is a decimal number")
        async for answer in self._by_keys(_EVENTS, keys, concurrency):
            yield answer

    async def walk_markets(self, *, closed: bool, cursor: str | None = None) -> AsyncIterator[Page[MarketRecord]]:
        """All markets of one state, page by page; `cursor` goes on where an earlier walk of the same state stopped.

        The service has no walk over both states at once. Raises as markets_by_condition does.
        """
        params = [("closed", _flag(closed)), *_MARKETS.fixed_params]
        async for page_cursor, rows, next_cursor, evidence in self._pages(_MARKETS, params, cursor):
            pairs = [(_condition_key(row) or "", row) for row in rows]
            yield Page(tuple(_read(_MARKETS, pairs, evidence)), page_cursor, next_cursor, evidence)

    async def _by_keys(
        self, listing: _Listing[RecordT], keys: Sequence[str], concurrency: int
    ) -> AsyncIterator[Answer[RecordT]]:
        batches = [keys[start : start + self._batch] for start in range(0, len(keys), self._batch)]
        for start in range(0, len(batches), concurrency):
            window = batches[start : start + concurrency]
            for answers in await all_of([partial(self._look_up, listing, batch) for batch in window]):
                for answer in answers:
                    yield answer

    async def _look_up(self, listing: _Listing[RecordT], keys: Sequence[str]) -> list[Answer[RecordT]]:
        """The answers for one batch. Open markets first: one that closes in between is then still seen, as closed."""
        answered: dict[str, list[Answer[RecordT]]] = {}
        strangers: list[Answer[RecordT]] = []
        evidence: list[Evidence] = []
        known = frozenset(keys)
        for closed in (False, True):
            missing = [key for key in keys if key not in answered]
            if not missing:
                break
            wanted = frozenset(missing)
            params = [(listing.key_parameter, key) for key in missing]
            params += [("closed", _flag(closed)), *listing.fixed_params]
            async for _, rows, _, page in self._pages(listing, params, None):
                evidence.append(page)
                keyed = [(listing.key_of(row), row) for row in rows]
                mine = [(key, row) for key, row in keyed if key is not None and key in wanted]
                for answer in _read(listing, mine, page):
                    answered.setdefault(answer.key, []).append(answer)
                strangers += [_stranger(key, page) for key, _ in keyed if key is None or key not in known]
                if strangers:  # the filter was not understood: the rest of the list is the whole catalogue
                    break
        return [*_outcomes(listing, keys, answered, strangers, tuple(evidence)), *strangers]

    async def _pages(
        self, listing: _Listing[RecordT], params: Sequence[tuple[str, str]], cursor: str | None
    ) -> AsyncIterator[tuple[str | None, list[Any], str | None, Evidence]]:
        """(cursor, rows, next cursor, evidence) of each page; only a missing cursor ends the list, not a short page."""
        url = self._url + listing.path
        guard = PageGuard(SOURCE, url, cursor)
        while True:
            paging = [("limit", str(PAGE_LIMIT))] + ([] if cursor is None else [("after_cursor", cursor)])
            evidence, document = await fetch(SOURCE, self._client, url, [*params, *paging])
            require_success(evidence, document)
            rows = document.get(listing.rows_field) if isinstance(document, dict) else None
            if not isinstance(rows, list):
                raise SchemaMismatchError(f"{SOURCE} at {url} sent no list {listing.rows_field!r}")
            next_cursor = document.get("next_cursor") or None
            if next_cursor is not None and not isinstance(next_cursor, str):
                raise SchemaMismatchError(f"{SOURCE} at {url} sent a 'next_cursor' that is not a text: {next_cursor!r}")
            listing.require(rows)
            guard.check(rows[0].get("id") if rows else None, next_cursor)
            yield cursor, rows, next_cursor, evidence
            if next_cursor is None:
                return
            cursor = next_cursor


def _read(
    listing: _Listing[RecordT], keyed: Sequence[tuple[str, Mapping[str, Any]]], evidence: Evidence
) -> list[Answer[RecordT]]:
    """An answer for each row; SchemaMismatchError when none of several rows can be read."""
    answers: list[Answer[RecordT]] = []
    errors: list[SchemaMismatchError] = []
    for key, row in keyed:
        try:
            answers.append(Answer(key, Lookup.FOUND, (evidence,), listing.parse(row)))
        except SchemaMismatchError as error:
            errors.append(error)
            answers.append(Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what))
    if len(errors) == len(answers) >= _TELLING_ROWS:
        raise errors[0]
    return answers


def _outcomes(
    listing: _Listing[RecordT],
    keys: Sequence[str],
    answered: Mapping[str, Sequence[Answer[RecordT]]],
    strangers: Sequence[Answer[RecordT]],
    evidence: tuple[Evidence, ...],
) -> list[Answer[RecordT]]:
    """The answers in the order of the keys, each record once; keys without a row are not found, or refused."""
    outcomes: list[Answer[RecordT]] = []
    owner: dict[str, str] = {}
    for key in keys:
        if key not in answered and strangers:
            reason = f"the answer held {len(strangers)} rows that nobody asked for, so it says nothing about this id"
            outcomes.append(Answer(key, Lookup.REFUSED, evidence, reason=reason))
        elif key not in answered:
            outcomes.append(Answer(key, Lookup.NOT_FOUND, evidence, reason="in neither the open nor the closed list"))
        seen: set[str] = set()
        for answer in answered.get(key, ()):
            record_id = None if answer.record is None else listing.record_id(answer.record)
            if record_id is None:
                outcomes.append(answer)
            elif owner.setdefault(record_id, key) != key:
                reason = f"{listing.rows_field} entry {record_id} came back for {owner[record_id]} as well"
                outcomes.append(Answer(key, Lookup.REFUSED, answer.evidence, reason=reason))
            elif record_id not in seen:
                seen.add(record_id)
                outcomes.append(answer)
    return outcomes


def _stranger(key: str | None, evidence: Evidence) -> Answer[RecordT]:
    return Answer(key or "", Lookup.REFUSED, (evidence,), reason="nobody asked for this row", asked=False)


def _flag(value: bool) -> str:
    return "true" if value else "false"
