"""The historical subgraphs: conditions of tokens, and payouts, as of the block at which they stopped.

They index the V1 contracts only and have not moved since the exchange cutover of 2026-04-28. Every answer carries the
block it was made at, and is about that block: what is missing there may have come later. Subgraph claims rank last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError, SourceError
from polyledger.domain.ids import normal_condition, normal_token
from polyledger.domain.records import (
    PAYOUT_SCALE,
    Kind,
    Lookup,
    MarketState,
    ResolutionRecord,
    Settlement,
    TokenRecord,
)
from polyledger.net import GRAPHQL_HEADERS, GraphQlError, HttpClient, data_of, encode_query
from polyledger.sources.answers import Answer, Evidence, Page, PageGuard, fetch, require_fields, require_success
from polyledger.sources.fields import Row
from polyledger.sources.lookups import (
    CONDITION,
    RESOLUTION,
    Answers,
    Capability,
    Walk,
    as_finished,
    capability_of,
    jobs_of,
    normal_keys,
)

SOURCE: Final = "subgraph"
Claim = TokenRecord | ResolutionRecord
PAGE: Final = 1_000
BATCH: Final = 500
_PER_10S: Final = 50
_MOST_OUTCOMES: Final = 256
_TELLING_ROWS: Final = 5
_META: Final = "_meta { block { number timestamp } hasIndexingErrors }"


@dataclass(frozen=True, slots=True)
class _Entity:
    """One list of a subgraph: where it is, which fields are asked for, and how a row is read."""

    deployment: str
    field: str
    selection: str
    needed: tuple[str, ...]
    normal: Callable[[str], str]
    parse: Callable[[Row], TokenRecord | ResolutionRecord | None]

    def query(self, comparison: str, value: str | Sequence[str], block: int | None = None) -> str:
        """A query for the rows whose id compares so, at a block if one is given, with the block of the answer.

        Values are written out, because the type that a variable would need differs between subgraphs.
        """
        where = f"{comparison}: {msgspec.json.encode(value).decode()}"
        pinned = "" if block is None else f", block: {{number: {block}}}"
        arguments = f"first: {PAGE}, orderBy: id, orderDirection: asc, where: {{{where}}}{pinned}"
        return f"query {{ {_META} rows: {self.field}({arguments}) {{ {self.selection} }} }}"


def _token(row: Row) -> TokenRecord:
    at = row.fields.get("outcomeIndex")
    index = None if at is None else int(row.number_text("outcomeIndex"))
    if index is not None and index >= _MOST_OUTCOMES:
        raise row.wrong("outcomeIndex", "a small number")
    condition = row.identifier("condition", normal_condition)
    return TokenRecord(SOURCE, normal_token(row.text("id")), condition, outcome_index=index)


def _resolution(row: Row) -> ResolutionRecord | None:
    """The payout of a condition; None while it has none."""
    numerators = row.optional_list("payoutNumerators") or []
    denominator = row.fields.get("payoutDenominator")
    try:
        values, total = [int(value) for value in numerators], int(denominator or 0)
    except (TypeError, ValueError) as error:
        raise row.wrong("payoutNumerators", "whole numbers") from error
    if total == 0:
        return None
    if total != sum(values) or min(values) < 0:
        raise row.wrong("payoutDenominator", "the sum of the numerators")
    payouts = tuple(value * PAYOUT_SCALE // total for value in values)
    alike = len(set(values)) == 1 and len(values) > 1
    state = MarketState.VOID if alike else MarketState.RESOLVED
    return ResolutionRecord(SOURCE, normal_condition(row.text("id")), Settlement(state, payouts, stated=True))


_ENTITIES: Final[Mapping[Kind, _Entity]] = {
    Kind.TOKEN: _Entity(
        "orderbook-subgraph/0.0.1",
        "marketDatas",
        "id condition outcomeIndex",
        ("id", "condition"),
        normal_token,
        _token,
    ),
    Kind.RESOLUTION: _Entity(
        "pnl-subgraph/0.0.14",
        "conditions",
        "id payoutNumerators payoutDenominator",
        ("id", "payoutNumerators", "payoutDenominator"),
        normal_condition,
        _resolution,
    ),
}
_WALKS: Final = {"tokens": Kind.TOKEN, "resolutions": Kind.RESOLUTION}
_GIVES: Final = {Kind.TOKEN: frozenset({CONDITION}), Kind.RESOLUTION: frozenset({RESOLUTION})}
_UNTIL: Final = "V1 contracts only, and nothing after the block it stopped at"


class SubgraphSource:
    """The subgraphs over HTTP. Remembers only how many keys they take at once.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the address below which the deployments lie, ``…/subgraphs``.
    """

    name: Final = SOURCE
    walks: Final = tuple(Walk(SOURCE, name, kind, PAGE, _GIVES[kind], _PER_10S) for name, kind in _WALKS.items())

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._batch = BATCH

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Conditions of tokens, and payouts of conditions."""
        return tuple(
            Capability(SOURCE, kind, self._batch, gives, documented_per_10s=_PER_10S, note=_UNTIL)
            for kind, gives in _GIVES.items()
        )

    async def head(self, kind: Kind = Kind.TOKEN) -> tuple[int, int]:
        """(block, seconds since 1970) up to which the subgraph for a kind has indexed.

        Raises:
            SourceError: it has indexing errors, so that nothing it says counts.
        """
        _, _, block, timestamp = await self._ask(_ENTITIES[kind], f"query {{ {_META} }}")
        return block, timestamp

    async def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 2, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """Tokens or resolutions for keys; see `LookupSource.look_up`. `closed` does not matter here."""
        del closed
        capability_of(self, kind)

        async def ask(part: list[str]) -> Answers:
            return await self._keys(_ENTITIES[kind], part)

        async for answers in as_finished(jobs_of(ask, normal_keys(kind, keys), self._batch), concurrency):
            yield answers

    async def walk(
        self, name: str, *, cursor: str | None = None
    ) -> AsyncIterator[Page[TokenRecord | ResolutionRecord]]:
        """All tokens or resolutions, by id, as of one block; see `WalkSource.walk`.

        The cursor holds the block and the last id, so that a walk goes on in the same state: rows that arrive behind
        the cursor would be missed. Conditions without a payout are left out.
        """
        if name not in _WALKS:
            raise ValueError(f"{SOURCE} has no walk {name!r}")
        entity = _ENTITIES[_WALKS[name]]
        pinned, _, last = (cursor or "").partition(":")
        block = int(pinned) if pinned else (await self.head(_WALKS[name]))[0]
        guard = PageGuard(SOURCE, f"{self._url}/{entity.deployment}", cursor)
        while True:
            evidence, rows, reached, _ = await self._ask(entity, entity.query("id_gt", last, block))
            if reached < block:
                raise SourceError(f"{SOURCE} is at block {reached} and was at {block}", "Begin the walk again")
            ids = [str(row["id"]) for row in rows]
            if ids != sorted(ids) or (ids and ids[0] <= last):
                raise SourceError(f"{SOURCE} does not order by id, or ignores where to begin")
            following = f"{block}:{ids[-1]}" if len(rows) >= PAGE else None
            guard.check(tuple(ids) or None, following)
            answers = [one for one in _read(entity, rows, evidence) if one.state is not Lookup.NOT_FOUND]
            yield Page(tuple(answers), cursor, following, evidence)
            if following is None:
                return
            cursor, last = following, ids[-1]

    async def _keys(self, entity: _Entity, keys: list[str]) -> list[Answer[Claim]]:
        try:
            evidence, rows, block, _ = await self._ask(entity, entity.query("id_in", keys))
        except (GraphQlError, _TooLargeError):
            if len(keys) == 1:
                raise
            half = len(keys) // 2
            self._batch = max(1, min(self._batch, half))
            return [*await self._keys(entity, keys[:half]), *await self._keys(entity, keys[half:])]
        known = frozenset(keys)
        read = _read(entity, rows, evidence, f" up to block {block}")
        mine = [one for one in read if one.key in known]
        reason = "nobody asked for this row"
        strangers: list[Answer[Claim]] = [
            Answer(one.key, Lookup.REFUSED, (evidence,), reason=reason, asked=False)
            for one in read
            if one.key not in known
        ]
        answered = {one.key for one in mine}
        for key in keys:
            if key not in answered and strangers:
                reason = f"the answer held {len(strangers)} rows that nobody asked for"
                mine.append(Answer(key, Lookup.REFUSED, (evidence,), reason=reason))
            elif key not in answered:
                mine.append(Answer(key, Lookup.NOT_FOUND, (evidence,), reason=f"unknown up to block {block}"))
        return [*mine, *strangers]

    async def _ask(self, entity: _Entity, query: str) -> tuple[Evidence, list[dict[str, Any]], int, int]:
        """(evidence, rows, block of the answer, its time). Errors inside an answer of status 200 are errors."""
        url = f"{self._url}/{entity.deployment}/gn"
        where = f"{SOURCE} at {entity.deployment}"
        content, asked = encode_query(query, {}), [("query", query)]

        def check(document: Any) -> None:
            if isinstance(document, dict) and document.get("errors"):
                data_of(where, document)

        evidence, document = await fetch(
            SOURCE, self._client, url, asked, content=content, headers=lambda: GRAPHQL_HEADERS, check_document=check
        )
        if evidence.status == 413:
            raise _TooLargeError(f"{where} finds the query too large")
        require_success(evidence, document)
        data = data_of(where, document)
        block, timestamp = _meta(where, data.get("_meta"))
        rows = data.get("rows", [])
        if not isinstance(rows, list):
            raise SchemaMismatchError(f"{where} sent no list of {entity.field}")
        require_fields(SOURCE, rows, entity.needed)
        return evidence, rows, block, timestamp


class _TooLargeError(SourceError):
    """The service finds a request too large."""


def _meta(where: str, meta: Any) -> tuple[int, int]:
    block = meta.get("block") if isinstance(meta, dict) else None
    if not isinstance(block, dict) or not isinstance(block.get("number"), int):
        raise SchemaMismatchError(f"{where} does not say at which block it is ('_meta')")
    if meta.get("hasIndexingErrors"):
        raise SourceError(f"{where} has indexing errors, so that nothing it says counts", "Switch subgraph.enabled off")
    return block["number"], int(block.get("timestamp") or 0)


def _read(entity: _Entity, rows: Sequence[dict[str, Any]], evidence: Evidence, until: str = "") -> list[Answer[Claim]]:
    """An answer for each row; SchemaMismatchError when none of several rows can be read."""
    answers: list[Answer[Claim]] = []
    errors: list[SchemaMismatchError] = []
    for fields in rows:
        key = str(fields.get("id", ""))
        try:
            key = entity.normal(key)
            record = entity.parse(Row(SOURCE, entity.field, fields, key))
        except (SchemaMismatchError, MalformedIdError) as error:
            errors.append(SchemaMismatchError(error.what))
            answers.append(Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what))
            continue
        if record is None:
            answers.append(Answer(key, Lookup.NOT_FOUND, (evidence,), reason=f"without a payout{until}"))
        else:
            answers.append(Answer(key, Lookup.FOUND, (evidence,), record))
    if len(errors) == len(answers) >= _TELLING_ROWS:
        raise errors[0]
    return answers
