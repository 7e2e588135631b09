"""The CLOB's market objects: one by condition id, or all of them by a cursor walk; and the condition of a token.

There is no look-up of several ids in one request. The objects carry tokens, the winner and tag labels, but neither
Gamma's market number nor an event.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from polyledger.domain.categories import slug_of_label
from polyledger.domain.errors import MalformedIdError, SchemaMismatchError, SourceError
from polyledger.domain.ids import normal_condition, normal_hash, normal_token
from polyledger.domain.records import PAYOUT_SCALE, Kind, Lookup, MarketRecord, MarketState, Settlement, TokenRecord
from polyledger.net import HttpClient
from polyledger.sources.answers import (
    Answer,
    Evidence,
    Page,
    PageGuard,
    fetch,
    quote_body,
    require_fields,
    require_success,
)
from polyledger.sources.fields import Row
from polyledger.sources.lookups import (
    CATEGORY,
    CONDITION,
    MARKET,
    RESOLUTION,
    Answers,
    Capability,
    Walk,
    as_finished,
    capability_of,
    jobs_of,
    normal_keys,
)

SOURCE: Final = "clob"
FIRST_CURSOR: Final = "MA=="
END_CURSOR: Final = "LTE="

_WALK: Final = "markets"
_PAGE_ROWS: Final = 1_000
_PER_10S: Final = 900
_MARKET_FACTS: Final = frozenset({CONDITION, MARKET, CATEGORY, RESOLUTION})
_TOKEN_FIELDS: Final = ("condition_id", "primary_token_id", "secondary_token_id")
_FIELDS: Final = ("condition_id", "market_slug", "question", "closed", "neg_risk")
_FIELDS_OF_MANY: Final = ("tokens", "tags")
_MANY_ROWS: Final = 20
_TELLING_ROWS: Final = 5


class ClobSource:
    """The CLOB over HTTP, public routes only. Holds no state between calls.

    Args:
        client: the door to the network, with the rate limit of this source.
        url: the base address.
    """

    name: Final = SOURCE
    capabilities: Final = (
        Capability(SOURCE, Kind.MARKET, 1, _MARKET_FACTS, documented_per_10s=_PER_10S),
        Capability(SOURCE, Kind.RESOLUTION, 1, _MARKET_FACTS, documented_per_10s=_PER_10S),
        Capability(SOURCE, Kind.TOKEN, 1, frozenset({CONDITION}), documented_per_10s=_PER_10S),
    )
    walks: Final = (Walk(SOURCE, _WALK, Kind.MARKET, _PAGE_ROWS, _MARKET_FACTS, _PER_10S),)

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    async def market(self, condition_id: str) -> Answer[MarketRecord]:
        """The market of one condition.

        Raises:
            MalformedIdError: not a condition id.
            SchemaMismatchError: a needed field is missing.
            SourceError: a status other than 200 and 404, or a 404 that the CLOB has not written itself.
            UpstreamUnavailableError: no usable answer after all repeats.
        """
        key = normal_condition(condition_id)
        evidence, document = await fetch(SOURCE, self._client, f"{self._url}/markets/{key}", ())
        if (unknown := _not_found(evidence, document)) is not None:
            return Answer(key, Lookup.NOT_FOUND, (evidence,), reason=unknown)
        require_success(evidence, document)
        require_fields(SOURCE, [document], _FIELDS)
        if _key_of(document) != key:
            reason = f"the answer is about {document.get('condition_id')!r}"
            return Answer(key, Lookup.REFUSED, (evidence,), reason=reason)
        return _read(key, document, evidence)

    async def token(self, token_id: str) -> Answer[TokenRecord]:
        """The condition of one token, from ``/markets-by-token``; raises as market does."""
        key = normal_token(token_id)
        evidence, document = await fetch(SOURCE, self._client, f"{self._url}/markets-by-token/{key}", ())
        if (unknown := _not_found(evidence, document)) is not None:
            return Answer(key, Lookup.NOT_FOUND, (evidence,), reason=unknown)
        require_success(evidence, document)
        require_fields(SOURCE, [document], _TOKEN_FIELDS)
        row = Row(SOURCE, "token", document, key)
        tokens = (document["primary_token_id"], document["secondary_token_id"])
        if key not in tokens:
            return Answer(key, Lookup.REFUSED, (evidence,), reason=f"the answer is about the tokens {tokens}")
        try:
            condition = row.identifier("condition_id", normal_condition)
        except SchemaMismatchError as error:
            return Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what)
        record = TokenRecord(SOURCE, key, condition, outcome_index=tokens.index(key))
        return Answer(key, Lookup.FOUND, (evidence,), record)

    async def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 8, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """One answer for every distinct key, one request each; see `LookupSource.look_up`. `closed` does not matter."""
        del closed
        capability_of(self, kind)
        wanted = normal_keys(kind, keys)

        async def ask(part: list[str]) -> Answers:
            (key,) = part
            return [await self.token(key)] if kind is Kind.TOKEN else [await self.market(key)]

        async for answers in as_finished(jobs_of(ask, wanted, 1), concurrency):
            yield answers

    async def walk(self, name: str, *, cursor: str | None = None) -> AsyncIterator[Page[MarketRecord]]:
        """All markets; see `WalkSource.walk` and walk_markets."""
        if name != _WALK:
            raise ValueError(f"{SOURCE} has no walk {name!r}")
        async for page in self.walk_markets(cursor=cursor):
            yield page

    async def walk_markets(self, *, cursor: str | None = None) -> AsyncIterator[Page[MarketRecord]]:
        """All markets, page by page; `cursor` goes on where an earlier walk stopped.

        The catalogue may change during a walk of many pages: it is a list of claims, not a snapshot.

        Raises:
            SchemaMismatchError: a needed field is missing in all rows, no row can be read, or the page is incomplete.
            SourceError: a repeated cursor or page, or a status that repeating does not change.
            UpstreamUnavailableError: no usable answer after all repeats.
        """
        url = f"{self._url}/markets"
        cursor = FIRST_CURSOR if cursor is None else cursor
        guard = PageGuard(SOURCE, url, cursor)
        while cursor != END_CURSOR:
            evidence, document = await fetch(SOURCE, self._client, url, [("next_cursor", cursor)])
            require_success(evidence, document)
            rows, next_cursor = _page(url, document)
            guard.check(_identity_of(rows), next_cursor)
            asked, following = (None if at in {FIRST_CURSOR, END_CURSOR} else at for at in (cursor, next_cursor))
            yield Page(_read_all(rows, evidence), asked, following, evidence)
            cursor = next_cursor


def market_record(fields: Mapping[str, Any]) -> MarketRecord:
    """One market object of the CLOB. Raises SchemaMismatchError naming the field that has another shape."""
    row = Row(SOURCE, "market", fields, str(fields.get("condition_id", "")))
    closed = row.boolean("closed")
    tokens = row.optional_rows("tokens", "token") or []
    labels = tuple(token.text("outcome") for token in tokens)
    tags = row.optional_texts("tags")
    return MarketRecord(
        source=SOURCE,
        condition_id=row.identifier("condition_id", normal_condition),
        market_id=None,
        question=row.text("question"),
        slug=row.text("market_slug"),
        closed=closed,
        settlement=_settlement(row, closed, tokens),
        outcomes=labels if labels and all(labels) else None,
        token_ids=_token_ids(tokens),
        question_id=row.identifier("question_id", normal_condition),
        tags=None if tags is None else tuple(slug_of_label(label) for label in tags),
        neg_risk=row.optional_boolean("neg_risk"),
        neg_risk_market_id=row.identifier("neg_risk_market_id", normal_hash),
        end_date=row.optional_time("end_date_iso"),
    )


def _settlement(row: Row, closed: bool, tokens: Sequence[Row]) -> Settlement:
    """Resolved when the market is closed and one token is the winner.

    Without a winner a closed market may be undecided or may have paid every outcome alike; the CLOB does not tell, and
    ``is_50_50_outcome`` describes the market, not its result.
    """
    winners = [token.boolean("winner") for token in tokens]
    if sum(winners) > 1:
        raise row.wrong("tokens", "at most one winner")
    if not closed:
        return Settlement(MarketState.OPEN)
    if not any(winners):
        return Settlement(MarketState.CLOSED_UNRESOLVED)
    return Settlement(MarketState.RESOLVED, tuple(PAYOUT_SCALE if winner else 0 for winner in winners), stated=True)


def _token_ids(tokens: Sequence[Row]) -> tuple[str, ...] | None:
    """Token ids by outcome index; None for a market from before the order book, whose tokens have empty ids."""
    texts = [(token, token.text("token_id")) for token in tokens]
    if not any(text for _, text in texts):
        return None
    ids = []
    for token, text in texts:
        try:
            ids.append(normal_token(text))
        except MalformedIdError as error:
            raise token.wrong("token_id", "a token id") from error
    return tuple(ids)


def _not_found(evidence: Evidence, document: Any) -> str | None:
    """What the CLOB says where it does not have the key; SourceError for a 404 that it has not written itself."""
    if evidence.status != 404:
        return None
    if not (isinstance(document, dict) and "error" in document):
        raise SourceError(
            f"{SOURCE} has nothing at {evidence.url}, and the answer is not the CLOB's: {quote_body(evidence)}",
            "Check clob.url",
        )
    return f"the CLOB says: {document['error']}"


def _page(url: str, document: Any) -> tuple[list[Any], str]:
    """(rows, next cursor) of one page; SchemaMismatchError for another envelope or fewer rows than it announces."""
    if not isinstance(document, dict) or "data" not in document:
        raise SchemaMismatchError(f"{SOURCE} at {url} sent no field 'data'")
    rows = [] if document["data"] is None else document["data"]
    if not isinstance(rows, list):
        raise SchemaMismatchError(f"{SOURCE} at {url} sent a 'data' that is not a list")
    next_cursor = document.get("next_cursor")
    if not isinstance(next_cursor, str) or not next_cursor:
        raise SchemaMismatchError(f"{SOURCE} at {url} sent no 'next_cursor'; the end would be {END_CURSOR!r}")
    count = document.get("count")
    if isinstance(count, int) and count != len(rows):
        raise SchemaMismatchError(f"{SOURCE} at {url} announced 'count' {count} and sent {len(rows)} rows")
    require_fields(SOURCE, rows, _FIELDS)
    require_fields(SOURCE, rows, _FIELDS_OF_MANY, _MANY_ROWS)
    return rows, next_cursor


def _identity_of(rows: Sequence[Mapping[str, Any]]) -> object:
    """What makes a page the same page: all its ids and slugs, since condition ids may be empty."""
    return tuple((row.get("condition_id"), row.get("market_slug")) for row in rows) or None


def _key_of(row: Mapping[str, Any]) -> str | None:
    value = row.get("condition_id")
    try:
        return normal_condition(value) if isinstance(value, str) else None
    except MalformedIdError:
        return None


def _read(key: str, row: Mapping[str, Any], evidence: Evidence) -> Answer[MarketRecord]:
    try:
        return Answer(key, Lookup.FOUND, (evidence,), market_record(row))
    except SchemaMismatchError as error:
        return Answer(key, Lookup.SCHEMA_MISMATCH, (evidence,), reason=error.what)


def _read_all(rows: Sequence[Mapping[str, Any]], evidence: Evidence) -> tuple[Answer[MarketRecord], ...]:
    """An answer for each row; SchemaMismatchError when none of several rows can be read."""
    answers = tuple(_read(_key_of(row) or "", row, evidence) for row in rows)
    unreadable = [answer for answer in answers if answer.state is Lookup.SCHEMA_MISMATCH]
    if len(unreadable) == len(answers) >= _TELLING_ROWS:
        raise SchemaMismatchError(unreadable[0].reason, "No row of the page can be read: the API has probably changed")
    return answers
