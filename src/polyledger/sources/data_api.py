"""The Data API's look-ups: which condition a token belongs to, and how conditions ended.

What a wallet did is read in `data_wallets`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from polyledger.domain.errors import MalformedIdError, SchemaMismatchError
from polyledger.domain.ids import normal_condition, normal_token
from polyledger.domain.records import Kind, Lookup, ResolutionRecord, TokenRecord
from polyledger.net import HttpClient
from polyledger.sources.answers import Answer, Evidence, PageGuard, fetch, require_success
from polyledger.sources.data_rows import (
    SOURCE,
    read_envelope,
    require_resolution_fields,
    require_token_fields,
    resolution_record,
    token_record,
)
from polyledger.sources.lookups import (
    CONDITION,
    EVENT,
    RESOLUTION,
    Answers,
    Capability,
    as_finished,
    capability_of,
    jobs_of,
    normal_keys,
)

_TELLING_ROWS: Final = 5
_PER_10S: Final = 200
_TOO_MANY: Final = frozenset({400, 413, 414, 422})


@dataclass(frozen=True, slots=True)
class _Route:
    """One look-up: its path, what its keys are called, how many it takes, and how its rows are read."""

    path: str
    parameter: str
    key_field: str
    normal: Callable[[str], str]
    batch: int
    gives: frozenset[str]
    require: Callable[[Sequence[Any]], None]
    parse: Callable[[Mapping[str, Any]], TokenRecord | ResolutionRecord]


_TOKEN_FACTS: Final = frozenset({CONDITION, EVENT, RESOLUTION})
_TOKENS: Final = _Route(
    "/v2/tokens", "token_id", "token_id", normal_token, 50, _TOKEN_FACTS, require_token_fields, token_record
)
_ROUTES: Final[Mapping[Kind, _Route]] = {
    Kind.TOKEN: _Route(
        "/v2/tokens", "token_id", "token_id", normal_token, 50, _TOKEN_FACTS, require_token_fields, token_record
    ),
    Kind.MARKET: _Route(
        "/v2/tokens",
        "condition",
        "condition_id",
        normal_condition,
        10,
        _TOKEN_FACTS,
        require_token_fields,
        token_record,
    ),
    Kind.RESOLUTION: _Route(
        "/v2/resolutions",
        "condition",
        "condition_id",
        normal_condition,
        20,
        frozenset({RESOLUTION}),
        require_resolution_fields,
        resolution_record,
    ),
}


class DataApiSource:
    """The Data API over HTTP. Remembers only how many keys it takes at once.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the base address.
    """

    name: Final = SOURCE

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._batch = {kind: route.batch for kind, route in _ROUTES.items()}

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Tokens by id and by condition, with event and settlement, and resolutions by condition."""
        return tuple(
            Capability(SOURCE, kind, self._batch[kind], route.gives, documented_per_10s=_PER_10S)
            for kind, route in _ROUTES.items()
        )

    async def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 4, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """Tokens or resolutions for keys; see `LookupSource.look_up`. `closed` does not matter here.

        A condition gives an answer for each of its tokens. A request that the service finds too large is halved.
        """
        del closed
        capability_of(self, kind)

        async def ask(part: list[str]) -> Answers:
            return await self._ask(kind, part)

        async for answers in as_finished(jobs_of(ask, normal_keys(kind, keys), self._batch[kind]), concurrency):
            yield answers

    async def _ask(self, kind: Kind, keys: list[str]) -> Answers:
        route = _ROUTES[kind]
        rows: list[tuple[Evidence, Any]] = []
        cursor: str | None = None
        guard = PageGuard(SOURCE, self._url + route.path, cursor)
        while True:
            params = [(route.parameter, ",".join(keys)), *([("cursor", cursor)] if cursor else [])]
            evidence, document = await fetch(SOURCE, self._client, self._url + route.path, params)
            if evidence.status in _TOO_MANY and len(keys) > 1 and cursor is None:
                half = len(keys) // 2
                self._batch[kind] = max(1, min(self._batch[kind], half))
                return [*await self._ask(kind, keys[:half]), *await self._ask(kind, keys[half:])]
            require_success(evidence, document)
            page, cursor = read_envelope(evidence.url, document)
            route.require(page)
            guard.check(msgspec.json.encode(page) if page else None, cursor)
            rows += [(evidence, row) for row in page]
            if cursor is None:
                return _answers(route, keys, rows, evidence)


def _answers(
    route: _Route, keys: Sequence[str], rows: Sequence[tuple[Evidence, Any]], evidence: Evidence
) -> list[Answer[TokenRecord | ResolutionRecord]]:
    """An answer for each row and for each key without one. Rows that nobody asked for spoil what is missing."""
    found: list[Answer[TokenRecord | ResolutionRecord]] = []
    strangers: list[Answer[TokenRecord | ResolutionRecord]] = []
    errors: list[SchemaMismatchError] = []
    known = frozenset(keys)
    for piece, row in rows:
        key = _key_of(route, row)
        if key not in known:
            reason = "nobody asked for this row"
            strangers.append(Answer(key, Lookup.REFUSED, (piece,), reason=reason, asked=False))
            continue
        try:
            answer: Answer[TokenRecord | ResolutionRecord] = Answer(key, Lookup.FOUND, (piece,), route.parse(row))
        except SchemaMismatchError as error:
            errors.append(error)
            answer = Answer(key, Lookup.SCHEMA_MISMATCH, (piece,), reason=error.what)
        if answer not in found:
            found.append(answer)
    if len(errors) == len(found) >= _TELLING_ROWS:
        raise errors[0]
    answered = {answer.key for answer in found}
    for key in keys:
        if key not in answered:
            state = Lookup.REFUSED if strangers else Lookup.NOT_FOUND
            reason = f"the answer held {len(strangers)} rows that nobody asked for" if strangers else "left out"
            found.append(Answer(key, state, (evidence,), reason=reason))
    return [*found, *strangers]


def _key_of(route: _Route, row: Mapping[str, Any]) -> str:
    value = row.get(route.key_field)
    try:
        return route.normal(value) if isinstance(value, str) else ""
    except MalformedIdError:
        return ""
