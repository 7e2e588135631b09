"""What a token, condition, market, slug or transaction is, for people's own ingestion: cached, proven where it can be.

Asked in this order: the cache; the ledger (links that derivation proved, then claims); the id itself (Protocol V2
tokens carry their condition in their bits; a token that comes with a condition derives from it or does not); and, when
asked to go online, the sources. What nobody knows is queued and tried again by later runs.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.identity import ProtocolPosition, prove
from polyledger.domain.errors import MalformedIdError, UsageError
from polyledger.domain.ids import condition_bytes, hash_text, normal_condition, normal_hash, normal_token, token_number
from polyledger.store.pending import MOST_TRIES, Key
from polyledger.store.sql import script

__all__ = ["Attribution", "Resolver"]

KINDS: Final = ("token", "condition", "market", "slug", "transaction")
"""Columns that identify a row; of several in one row the first in this order decides."""
CACHED: Final = 200_000
_KEYS_PER_QUERY: Final = 5_000
_SECONDS_UNKNOWN: Final = 60.0
"""What is not known, or not named, may be in a minute."""

_VALUES: Final = (
    "token", "condition", "outcome_index", "outcome", "market", "slug", "event", "category", "verdict", "source",
)  # fmt: skip

Query = Callable[[str], pa.Table]
Online = Callable[[Mapping[str, Sequence[str]]], None]
Remember = Callable[[Sequence[Key]], None]


@dataclass(frozen=True, slots=True)
class Attribution:
    """What a key means.

    Attributes:
        kind, key: what was asked, the id in its normal form.
        condition, token: normal forms; of a transaction only where all its fills are of one.
        outcome_index: from zero; None for keys that name no outcome.
        market, event: Gamma's numbers as decimal strings; None where no source has named them.
        verdict: proven (by derivation, or prepared on chain) or claimed; None without a condition.
        source: who named the market, else chain; ``derivation`` where nothing but the id was needed.
        state: attributed, pending, conflict or unfillable.
        reason: why it is not attributed, or what was corrected.
    """

    kind: str
    key: str
    token: str | None = None
    condition: str | None = None
    outcome_index: int | None = None
    outcome: str | None = None
    market: str | None = None
    slug: str | None = None
    event: str | None = None
    category: str | None = None
    verdict: str | None = None
    source: str | None = None
    state: str = "pending"
    reason: str | None = None


_SCHEMA: Final = pa.schema(
    [(field.name, pa.int64() if field.name == "outcome_index" else pa.string()) for field in fields(Attribution)]
)


class Resolver:
    """Looks keys up. Made by `Workspace.resolver`; a context manager. Safe to use from several threads.

    Args:
        query: answers read-only SQL over the ledger.
        contracts: whose collaterals tokens are derived in.
        online: fetches keys (by kind) from the sources into the ledger; None keeps the resolver offline.
        remember: queues keys that stay unknown.
        cache_size: attributions kept at most; the least recently used go first.
    """

    def __init__(
        self,
        query: Query,
        contracts: ContractSet,
        *,
        online: Online | None,
        remember: Remember,
        cache_size: int = CACHED,
    ) -> None:
        if cache_size < 1:
            raise UsageError(f"A cache of {cache_size} holds nothing", "Give a number from 1")
        self._query = query
        self._contracts = contracts
        self._online = online
        self._remember = remember
        # Until when each attribution is good, by a clock that only goes forward.
        self._cache: OrderedDict[Key, tuple[float, Attribution]] = OrderedDict()
        self._cache_size = cache_size
        self._unknown: OrderedDict[Key, None] = OrderedDict()
        self._lock = threading.RLock()
        self._asking = threading.RLock()  # the ledger and the sources answer one thread at a time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def flush(self) -> None:
        """Queue the keys that stayed unknown since the last time, for later runs to try again."""
        with self._lock:
            unknown, self._unknown = list(self._unknown), OrderedDict()
        self._remember(unknown)

    def forget(self) -> None:
        """Empty the cache, when the ledger is known to have learnt more."""
        with self._lock:
            self._cache.clear()

    def resolve(
        self,
        *,
        token: str | int | None = None,
        condition: str | None = None,
        market: str | None = None,
        slug: str | None = None,
        transaction: str | None = None,
    ) -> Attribution:
        """What one row's ids mean. Token and condition may come together: then the one must derive from the other.

        Raises:
            MalformedIdError: an id that is not one of its kind.
            UsageError: no id at all.
        """
        given = {"token": token, "condition": condition, "market": market, "slug": slug, "transaction": transaction}
        ids = {kind: normal(kind, value) for kind, value in given.items() if value is not None and value != ""}
        kind = next((kind for kind in KINDS if kind in ids), None)
        if kind is None:
            raise UsageError("There is no id to resolve", f"Give one of {', '.join(KINDS)}")
        found = self._resolved(kind, [ids[kind]])[ids[kind]]
        if kind == "token" and "condition" in ids:
            return self._with_condition(found, ids["condition"])
        return found

    def resolve_many(self, rows: pa.Table | Iterable[Mapping[str, Any]]) -> pa.Table:
        """What the ids of many rows mean: a table with the columns of `Attribution`, a row for each row in its order.

        Args:
            rows: an Arrow table, or dictionaries, with any of token, condition, market, slug, transaction as text. Each
                distinct id is looked up once. An id that is malformed, or a row without any, makes that row
                unfillable with the reason; nothing is dropped.
        """
        table = rows if isinstance(rows, pa.Table) else _table(list(rows))
        if not set(table.column_names) & set(KINDS):
            raise UsageError(
                f"The rows have none of the columns {', '.join(KINDS)} (they have {', '.join(table.column_names)})",
                "Rename the columns that hold ids",
            )
        results = [Attribution("", "", state="unfillable", reason="no identity")]
        places = pa.array([0] * table.num_rows, pa.int64()) if not table.num_rows else pa.repeat(0, table.num_rows)
        for kind in reversed(KINDS):
            if kind in table.column_names:
                places = self._place(kind, _text(table.column(kind)), places, results)
        if {"token", "condition"} <= set(table.column_names):
            places = self._place_pairs(table, places, results)
        lookup = pa.Table.from_pylist([asdict(result) for result in results], schema=_SCHEMA)
        return lookup.take(places)

    def _place(self, kind: str, column: pa.Array, places: pa.Array, results: list[Attribution]) -> pa.Array:
        """Point the rows that have an id of this kind at its attribution, appended to `results`."""
        encoded = column.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        normal_of: dict[str, str] = {}
        refused: dict[str, str] = {}
        for text in texts:
            try:
                normal_of[text] = normal(kind, text)
            except MalformedIdError as error:
                refused[text] = error.what
        found = self._resolved(kind, list(dict.fromkeys(normal_of.values())))
        first = len(results)
        results.extend(
            found[normal_of[text]]
            if text in normal_of
            else Attribution(kind, text, state="unfillable", reason=refused[text])
            for text in texts
        )
        own = pc.add(pc.cast(encoded.indices, pa.int64()), first)
        return pc.if_else(pc.is_valid(column), own, places)

    def _place_pairs(self, table: pa.Table, places: pa.Array, results: list[Attribution]) -> pa.Array:
        """Rows that have a token and a condition: the one must derive from the other."""
        tokens, conditions = _text(table.column("token")), _text(table.column("condition"))
        both = pc.and_(pc.is_valid(tokens), pc.is_valid(conditions))
        joined = pc.if_else(both, pc.binary_join_element_wise(tokens, conditions, " "), None)
        encoded = joined.dictionary_encode()
        at = dict(zip(joined.to_pylist(), places.to_pylist(), strict=True))
        first = len(results)
        for pair in encoded.dictionary.to_pylist():
            found = results[at[pair]]
            try:
                results.append(self._with_condition(found, normal_condition(pair.partition(" ")[2])))
            except MalformedIdError as error:
                results.append(found if found.condition else replace(found, reason=error.what))
        return pc.if_else(both, pc.add(pc.cast(encoded.indices, pa.int64()), first), places)

    def known(self, kind: str, keys: Sequence[str]) -> dict[str, Attribution]:
        """What the ledger and the ids themselves (in normal form) tell at this moment, past the cache."""
        found: dict[str, Attribution] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            part = keys[start : start + _KEYS_PER_QUERY]
            for row in self._query(_query(kind, part)).to_pylist():
                found[row["key"]] = _attribution(kind, row)
        if kind == "token":
            found |= {key: _from_bits(found[key]) for key in keys if found[key].condition is None}
        return found

    def _resolved(self, kind: str, keys: Sequence[str]) -> dict[str, Attribution]:
        found, missing = self._cached(kind, keys)
        if missing:
            with self._asking:
                fresh = self.known(kind, missing)
                if self._online is not None:
                    fresh |= self._fetched(self._online, kind, fresh)
            found |= fresh
            self._keep(fresh)
        return found

    def _fetched(self, online: Online, kind: str, fresh: Mapping[str, Attribution]) -> dict[str, Attribution]:
        """The attributions that the sources could better: first of the keys, then of conditions without a market."""
        changed = [key for key, result in fresh.items() if result.state == "pending"]
        if changed:
            online({kind: changed})
        now = {**fresh, **self.known(kind, changed)}
        unnamed = {key: result.condition for key, result in now.items() if result.condition and result.market is None}
        if unnamed and kind not in {"market", "slug"}:
            online({"condition": list(dict.fromkeys(unnamed.values()))})
            now |= self.known(kind, list(unnamed))
        return now

    def _cached(self, kind: str, keys: Sequence[str]) -> tuple[dict[str, Attribution], list[str]]:
        found: dict[str, Attribution] = {}
        missing = []
        now = time.monotonic()
        with self._lock:
            for key in keys:
                until, kept = self._cache.get((kind, key), (0.0, None))
                if kept is None or until < now:
                    missing.append(key)
                else:
                    self._cache.move_to_end((kind, key))
                    found[key] = kept
        return found, missing

    def _keep(self, fresh: Mapping[str, Attribution]) -> None:
        now = time.monotonic()
        with self._lock:
            for key, result in fresh.items():
                complete = result.state == "attributed" and result.market is not None
                self._cache[result.kind, key] = (float("inf") if complete else now + _SECONDS_UNKNOWN, result)
                self._cache.move_to_end((result.kind, key))
                if result.state == "pending":
                    self._unknown[result.kind, key] = None
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)

    def _with_condition(self, found: Attribution, condition: str) -> Attribution:
        if found.kind != "token" or found.state == "unfillable":
            return found
        if found.condition is not None:
            if found.condition == condition:
                return found
            reason = "token and condition contradict each other by proof"
        else:
            proof = prove(token_number(found.key), condition_bytes(condition), 0, self._contracts)
            if proof.outcome_index is not None:
                own = self._resolved("condition", [condition])[condition]
                with self._lock:
                    self._unknown.pop(("token", found.key), None)
                return replace(
                    own, kind="token", key=found.key, token=found.key, condition=condition,
                    outcome_index=proof.outcome_index, verdict="proven", source=own.source or "derivation",
                    state="attributed", reason=None,
                )  # fmt: skip
            reason = "the token does not derive from the condition"
        return Attribution("token", found.key, token=found.key, state="conflict", reason=reason)


def normal(kind: str, value: Any) -> str:
    """The normal form of an id of a kind. Raises MalformedIdError for anything else."""
    if kind == "token":
        return normal_token(value)
    if not isinstance(value, str):
        raise MalformedIdError(f"{value!r} is not a {kind} id", "Ids are text")
    if kind == "condition":
        return normal_condition(value)
    if kind == "transaction":
        return normal_hash(value, "transaction hash")
    text = value.strip()
    if kind == "market" and not (text.isascii() and text.isdigit()):
        raise MalformedIdError(f"{value!r} is not a market id", "A market id is a decimal number")
    if not text or any(character.isspace() or character in "/'\\" for character in text):
        raise MalformedIdError(f"{value!r} is not a {kind}", "A slug is the last part of a market's address")
    return text


def _query(kind: str, keys: Sequence[str]) -> str:
    """Ids are in their normal form and hold neither quotes nor backslashes."""
    listed = ", ".join(f"'{key}'" for key in keys)
    name = "resolve_market" if kind in {"market", "slug"} else f"resolve_{kind}"
    column = "market_id" if kind == "market" else "slug"
    links = script("polyledger.sync", name).format(keys=listed, column=column)
    return script("polyledger.sync", "resolve_facts").format(links=links, kind=kind)


def _attribution(kind: str, row: Mapping[str, Any]) -> Attribution:
    values = {name: row[name] for name in _VALUES}
    if row["condition"] is not None:
        return Attribution(kind, row["key"], **values, state="attributed")
    ended = row["tries"] is not None and row["next_try"] is None
    tries: datetime | None = row["next_try"]
    reason = (
        f"unknown to all sources in {MOST_TRIES} tries" if ended
        else f"to be tried again from {tries.isoformat(timespec='seconds')}Z" if tries is not None
        else "not known yet"
    )  # fmt: skip
    return Attribution(kind, row["key"], token=row["token"], state="unfillable" if ended else "pending", reason=reason)


def _from_bits(found: Attribution) -> Attribution:
    position = ProtocolPosition.of(int(found.key))
    if position is None:
        return found
    return Attribution(
        "token", found.key, token=found.key, condition=hash_text(position.condition),
        outcome_index=position.outcome_index, verdict="proven", source="derivation", state="attributed",
    )  # fmt: skip


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The columns that hold ids, of rows that need not all have the same."""
    named = [kind for kind in KINDS if any(kind in row for row in rows)]
    other = [] if named else sorted({name for row in rows for name in row})
    return pa.table(
        {name: pa.array([None if row.get(name) is None else str(row[name]) for row in rows], pa.string())
         for name in (*named, *other)}
    )  # fmt: skip


def _text(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array of text; empty text is nothing."""
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.string())
    text = whole.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)
