"""Gamma, Polymarket's catalogue of markets and events: look-ups by several kinds of ids, and walks over everything.

What its answers must survive (each has cost somebody a data set): a misspelt filter is ignored and an unrelated list
comes back, so every row must carry an id that was asked for; ``closed=false`` is implied, so both states are asked;
unknown ids are left out without a word; lists are written as text; a page can repeat for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from polyledger.domain.errors import SchemaMismatchError
from polyledger.domain.records import EventRecord, Kind, Lookup, MarketRecord
from polyledger.net import HttpClient
from polyledger.sources.answers import Answer, Evidence, Page, PageGuard, fetch, require_success
from polyledger.sources.gamma_lists import EVENTS_BY_ID, LISTINGS, MARKETS_BY_CONDITION, Listing
from polyledger.sources.gamma_rows import SOURCE
from polyledger.sources.gamma_search import Batch, Search
from polyledger.sources.lookups import (
    CATEGORY,
    CONDITION,
    EVENT,
    MARKET,
    RESOLUTION,
    Answers,
    Capability,
    Walk,
    as_finished,
    capability_of,
    normal_keys,
)

PAGE_LIMIT: Final = 100
"""Rows per page, the most that the service gives; asked for explicitly, because its default is below a batch."""
LONGEST_ADDRESS: Final = 8_000
"""Bytes of path and query that a request may have; the service refuses more than about 8 KB with status 414."""
_MARKETS_PER_10S: Final = 300
_EVENTS_PER_10S: Final = 500
_TELLING_ROWS: Final = 5
"""From this many rows on, a page in which no row can be read means that the shape has changed."""
_EXPECTED: Final = 1.2
_MARKET_FACTS: Final = frozenset({CONDITION, MARKET, EVENT, CATEGORY, RESOLUTION})
_EVENT_FACTS: Final = frozenset({EVENT, CATEGORY})
_WIDTHS: Final = {Kind.MARKET: 66, Kind.RESOLUTION: 66, Kind.TOKEN: 78, Kind.MARKET_ID: 7, Kind.SLUG: 50, Kind.EVENT: 7}
"""Characters of a usual key, for the batches that are announced."""


class GammaSource:
    """Gamma over HTTP; waiting and repeating is the client's business. Remembers only how it is best asked.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the base address, without a slash at its end.
        batch: most ids per request; fewer go where the address would become too long.
    """

    name: Final = SOURCE

    def __init__(self, client: HttpClient, url: str, *, batch: int = PAGE_LIMIT) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._most = min(batch, PAGE_LIMIT)
        self._longest = LONGEST_ADDRESS
        self._found = {True: 0, False: 0}

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Markets by condition, token, number and slug, and events by number; records are markets even for tokens."""
        return tuple(
            Capability(
                SOURCE,
                kind,
                self._fits(LISTINGS[kind], ["0" * width] * PAGE_LIMIT),
                _EVENT_FACTS if kind is Kind.EVENT else _MARKET_FACTS,
                _EXPECTED,
                _EVENTS_PER_10S if kind is Kind.EVENT else _MARKETS_PER_10S,
                "the likelier closed state is asked first, the other for what is missing",
                two_states=kind is not Kind.EVENT,
            )
            for kind, width in _WIDTHS.items()
        )

    @property
    def walks(self) -> tuple[Walk, ...]:
        """Markets and events, each in both closed states, because the service has no walk over both at once."""
        markets = [
            Walk(SOURCE, f"markets-{state}", Kind.MARKET, PAGE_LIMIT, _MARKET_FACTS, _MARKETS_PER_10S)
            for state in ("closed", "open")
        ]
        events = [
            Walk(SOURCE, f"events-{state}", Kind.EVENT, PAGE_LIMIT, _EVENT_FACTS, _EVENTS_PER_10S)
            for state in ("closed", "open")
        ]
        return (*markets, *events)

    async def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 4, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """Markets or events for keys; see `LookupSource.look_up`. For tokens too the records are markets.

        A key with several markets gives an answer for each. Rows that nobody asked for come as refused answers with
        ``asked=False``; ids of that request that had no row of their own are then refused too, not "not found".
        A key that changes its state between the two requests may be taken for unknown; it is asked again another day.
        """
        capability_of(self, kind)
        search = Search(LISTINGS[kind], normal_keys(kind, keys), closed or {}, self._fits, self._found)

        def next_job() -> Any:
            batch = search.next_batch()
            return None if batch is None else lambda: self._ask(search, batch)

        async for answers in as_finished(next_job, concurrency):
            yield answers

    async def walk(self, name: str, *, cursor: str | None = None) -> AsyncIterator[Page[MarketRecord | EventRecord]]:
        """All markets or events of one state; see `WalkSource.walk`."""
        what, _, state = name.partition("-")
        if name not in {walk.name for walk in self.walks}:
            raise ValueError(f"{SOURCE} has no walk {name!r}")
        listing = MARKETS_BY_CONDITION if what == "markets" else EVENTS_BY_ID
        params = [("closed", _flag(state == "closed")), *listing.fixed_params]
        async for page_cursor, rows, next_cursor, evidence in self._pages(listing, params, cursor):
            pairs = [(next(iter(listing.keys_of(row)), ""), row) for row in rows]
            yield Page(tuple(_read(listing, pairs, evidence)), page_cursor, next_cursor, evidence)

    async def _ask(self, search: Search, batch: Batch) -> Answers:
        """Ask for one batch in one state; the search is told what came."""
        listing, known = search.listing, frozenset(batch.keys)
        answers: list[Answer[MarketRecord | EventRecord]] = []
        strangers: list[Answer[MarketRecord | EventRecord]] = []
        evidence: list[Evidence] = []
        try:
            async for _, rows, _, page in self._pages(listing, self._params(listing, batch), None):
                evidence.append(page)
                for row in rows:
                    keys = listing.keys_of(row)
                    if known.isdisjoint(keys):
                        stranger = next(iter(keys), "")
                        reason = "nobody asked for this row"
                        strangers.append(Answer(stranger, Lookup.REFUSED, (page,), reason=reason, asked=False))
                pairs = [(key, row) for row in rows for key in listing.keys_of(row) if key in known]
                answers += _read(listing, pairs, page)
                if strangers:  # the filter was not understood: the rest of the list is the whole catalogue
                    break
        except _AddressTooLongError:
            self._longest = min(self._longest, self._length(listing, batch.closed, batch.keys) // 2)
            search.put_back(batch)
            return []
        self._found[batch.closed] += len(answers)
        return [*search.finish(batch, answers, strangers, tuple(evidence)), *strangers]

    def _params(self, listing: Listing, batch: Batch) -> list[tuple[str, str]]:
        keys = [(listing.key_parameter, key) for key in batch.keys]
        return [*keys, ("closed", _flag(batch.closed)), *listing.fixed_params]

    def _fits(self, listing: Listing, keys: Sequence[str]) -> int:
        """How many of the keys, from the first on, fit in one request; at least one."""
        left = self._longest - self._length(listing, False, ())
        for count, key in enumerate(keys[: self._most]):
            left -= len(listing.key_parameter) + len(key) + 2
            if left < 0:
                return max(1, count)
        return min(len(keys), self._most)

    def _length(self, listing: Listing, closed: bool, keys: Sequence[str]) -> int:
        params = [*self._params(listing, Batch(closed, tuple(keys))), ("limit", str(PAGE_LIMIT))]
        path = "/" + (self._url + listing.path).partition("://")[2].partition("/")[2]
        return len(path) + sum(len(name) + len(value) + 2 for name, value in params)

    async def _pages(
        self, listing: Listing, params: Sequence[tuple[str, str]], cursor: str | None
    ) -> AsyncIterator[tuple[str | None, list[Any], str | None, Evidence]]:
        """(cursor, rows, next cursor, evidence) of each page; only a missing cursor ends the list, not a short page."""
        url = self._url + listing.path
        guard = PageGuard(SOURCE, url, cursor)
        while True:
            paging = [("limit", str(PAGE_LIMIT))] + ([] if cursor is None else [("after_cursor", cursor)])
            evidence, document = await fetch(SOURCE, self._client, url, [*params, *paging])
            if (
                evidence.status == 414
                and cursor is None
                and sum(name == listing.key_parameter for name, _ in params) > 1
            ):
                raise _AddressTooLongError
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


class _AddressTooLongError(Exception):
    """The service found the address too long: ask for fewer ids at once."""


def _read(
    listing: Listing, keyed: Sequence[tuple[str, Mapping[str, Any]]], evidence: Evidence
) -> list[Answer[MarketRecord | EventRecord]]:
    """An answer for each row; SchemaMismatchError when none of several rows can be read."""
    answers: list[Answer[MarketRecord | EventRecord]] = []
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


def _flag(value: bool) -> str:
    return "true" if value else "false"
