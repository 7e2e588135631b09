"""Writing claims: append-only tables, batches as Arrow, each row with its source, its evidence and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.domain.records import EventRecord, FillRecord, MarketRecord, ResolutionRecord, TokenRecord
from polyledger.store.keys import (
    ACCOUNTS,
    CONDITIONS,
    Dimension,
    append,
    binary_array,
    distinct,
    intern,
)

TRANSACTIONS: Final = Dimension("imported.transactions", "transaction", "hash", 32)

_WORD: Final = pa.binary(32)
_TEXTS: Final = pa.list_(pa.string())
TOKEN_CLAIMS: Final = pa.schema(
    [("token", _WORD), ("condition", _WORD), ("outcome_index", pa.int32()), ("outcome", pa.string()),
     ("evidence_id", pa.int64())]
)  # fmt: skip
"""Columns of a batch of token claims; `token` is never null. Ids are bytes, big-endian."""
MARKET_CLAIMS: Final = pa.schema(
    [("condition", _WORD), ("market_id", pa.string()), ("question", pa.string()), ("slug", pa.string()),
     ("outcomes", _TEXTS), ("token_ids", _TEXTS), ("event_id", pa.string()), ("category", pa.string()),
     ("tags", _TEXTS), ("neg_risk", pa.bool_()), ("neg_risk_market_id", pa.string()), ("closed", pa.bool_()),
     ("question_id", pa.string()), ("start_time", pa.int64()), ("end_time", pa.int64()), ("closed_time", pa.int64()),
     ("volume", pa.int64()), ("evidence_id", pa.int64())]
)  # fmt: skip
"""Columns of a batch of market claims; `condition` is never null, token ids are decimal strings by outcome index."""
RESOLUTION_CLAIMS: Final = pa.schema(
    [("condition", _WORD), ("state", pa.string()), ("payouts", pa.list_(pa.int64())), ("stated", pa.bool_()),
     ("derived", pa.bool_()), ("resolved_at", pa.int64()), ("evidence_id", pa.int64())]
)  # fmt: skip
"""Columns of a batch of resolution claims; payouts in micro-USDC a share, null unless resolved or void."""


def conform(table: pa.Table, schema: pa.Schema, **constants: Any) -> pa.Table:
    """The table with exactly the columns of `schema`: missing ones become null, or the constant given for them."""
    columns = []
    for field in schema:
        if field.name in table.column_names:
            columns.append(table.column(field.name).combine_chunks().cast(field.type))
        elif field.name in constants:
            columns.append(pa.repeat(pa.scalar(constants[field.name], field.type), table.num_rows))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.table(columns, schema=schema)


def token_batch(records: Sequence[tuple[TokenRecord, int]]) -> pa.Table:
    """Records with their evidence ids as a batch of token claims."""
    return pa.table(
        {
            "token": binary_array([int(record.token_id).to_bytes(32, "big") for record, _ in records], 32),
            "condition": pa.array([_word(record.condition_id) for record, _ in records], _WORD),
            "outcome_index": pa.array([record.outcome_index for record, _ in records], pa.int32()),
            "outcome": pa.array([record.outcome for record, _ in records], pa.string()),
            "evidence_id": pa.array([evidence for _, evidence in records], pa.int64()),
        },
        schema=TOKEN_CLAIMS,
    )


def market_batch(records: Sequence[tuple[MarketRecord, int]]) -> pa.Table:
    """Records of markets that have a condition, with their evidence ids, as a batch of market claims."""
    rows = [
        {
            "condition": _word(record.condition_id),
            "market_id": record.market_id,
            "question": record.question,
            "slug": record.slug,
            "outcomes": record.outcomes,
            "token_ids": record.token_ids,
            "event_id": record.event_id,
            "category": record.category,
            "tags": record.tags,
            "neg_risk": record.neg_risk,
            "neg_risk_market_id": record.neg_risk_market_id,
            "closed": record.closed,
            "question_id": record.question_id,
            "start_time": record.start_date,
            "end_time": record.end_date,
            "closed_time": record.closed_time,
            "volume": record.volume,
            "evidence_id": evidence,
        }
        for record, evidence in records
    ]
    return pa.Table.from_pylist(rows, schema=MARKET_CLAIMS)


def resolution_batch(records: Sequence[tuple[ResolutionRecord, int]]) -> pa.Table:
    """Records with their evidence ids as a batch of resolution claims."""
    rows = [
        {
            "condition": _word(record.condition_id),
            "state": str(record.settlement.state),
            "payouts": record.settlement.payouts,
            "stated": record.settlement.stated,
            "derived": record.derived,
            "resolved_at": record.resolved_at,
            "evidence_id": evidence,
        }
        for record, evidence in records
    ]
    return pa.Table.from_pylist(rows, schema=RESOLUTION_CLAIMS)


def condition_keys(connection: duckdb.DuckDBPyConnection, conditions: pa.Array) -> pa.Array:
    """The key of each condition id (nulls stay null); new conditions get keys."""
    return intern(connection, CONDITIONS, distinct([conditions], 32)).of(conditions)


def add_tokens(
    connection: duckdb.DuckDBPyConnection, source: str, claims: pa.Table, tokens: pa.Array, verdicts: pa.Array
) -> None:
    """Append token claims; `tokens` are their keys."""
    rows = _claim_rows(connection, source, claims, verdicts)
    _insert_by_name(connection, "claim.tokens", {**rows, "token": tokens})


def add_markets(connection: duckdb.DuckDBPyConnection, source: str, claims: pa.Table, verdicts: pa.Array) -> pa.Array:
    """Append market claims; returns the keys of their conditions."""
    rows = _claim_rows(connection, source, claims, verdicts)
    _insert_by_name(connection, "claim.markets", rows)
    return rows["condition"]


def add_resolutions(
    connection: duckdb.DuckDBPyConnection, source: str, claims: pa.Table, verdicts: pa.Array
) -> pa.Array:
    """Append resolution claims; returns the keys of their conditions."""
    rows = _claim_rows(connection, source, claims, verdicts)
    _insert_by_name(connection, "claim.resolutions", rows)
    return rows["condition"]


def _claim_rows(
    connection: duckdb.DuckDBPyConnection, source: str, claims: pa.Table, verdicts: pa.Array
) -> dict[str, Any]:
    columns = {name: claims.column(name) for name in claims.column_names}
    keys = condition_keys(connection, claims.column("condition").combine_chunks())
    return {
        **columns,
        "source": pa.repeat(source, claims.num_rows),
        "condition": keys,
        "verdict": verdicts,
        "observed_at": pa.repeat(moment(), claims.num_rows),
    }


def _insert_by_name(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, Any]) -> None:
    connection.register("batch_rows", pa.table(columns))
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch_rows").fetchall()
    finally:
        connection.unregister("batch_rows")


def add_events(connection: duckdb.DuckDBPyConnection, records: Sequence[tuple[EventRecord, int]]) -> None:
    """Append what sources say of events."""
    now = moment()
    rows = [
        {
            "source": record.source, "event_id": record.event_id, "title": record.title, "slug": record.slug,
            "category": record.category, "tags": record.tags, "series_slug": record.series_slug,
            "neg_risk_market_id": record.neg_risk_market_id, "closed": record.closed,
            "start_time": record.start_date, "end_time": record.end_date, "parent_event_id": record.parent_event_id,
            "evidence_id": evidence, "observed_at": now,
        }
        for record, evidence in records
    ]  # fmt: skip
    texts = dict.fromkeys(("source", "event_id", "title", "slug", "category"), pa.string())
    schema = pa.schema(
        [*texts.items(), ("tags", _TEXTS), ("series_slug", pa.string()), ("neg_risk_market_id", pa.string()),
         ("closed", pa.bool_()), ("start_time", pa.int64()), ("end_time", pa.int64()), ("parent_event_id", pa.string()),
         ("evidence_id", pa.int64()),
         ("observed_at", pa.timestamp("us"))]
    )  # fmt: skip
    append(connection, "claim.events", pa.Table.from_pylist(rows, schema=schema))


def add_receipt_fills(
    connection: duckdb.DuckDBPyConnection, fills: Sequence[tuple[FillRecord, int]], tokens: pa.Array
) -> int:
    """Append fills decoded from receipts whose transaction has none yet; `tokens` are the keys of their tokens."""
    if not fills:
        return 0
    hashes = binary_array([bytes.fromhex(fill.transaction_hash[2:]) for fill, _ in fills], 32)
    transactions = intern(connection, TRANSACTIONS, distinct([hashes], 32)).of(hashes)
    accounts = {
        name: binary_array([bytes.fromhex(getattr(fill, name)[2:]) for fill, _ in fills], 20)
        for name in ("contract", "wallet", "counterparty")
    }
    keys = intern(connection, ACCOUNTS, distinct(accounts.values(), 20))
    numbers = {
        name: pa.array([getattr(fill, name) for fill, _ in fills], kind)
        for name, kind in (
            ("block", pa.int64()), ("log_index", pa.int32()), ("role", pa.uint8()), ("side", pa.uint8()),
            ("shares", pa.int64()), ("collateral", pa.int64()), ("fee", pa.int64()),
        )
    }  # fmt: skip
    table = pa.table(
        {
            "transaction": transactions, "block": numbers["block"], "log_index": numbers["log_index"],
            **{name: keys.of(column) for name, column in accounts.items()},
            "role": numbers["role"], "side": numbers["side"], "token": tokens, "shares": numbers["shares"],
            "collateral": numbers["collateral"], "fee": numbers["fee"],
            "evidence_id": pa.array([evidence for _, evidence in fills], pa.int64()),
        }
    )  # fmt: skip
    connection.register("batch_fills", table)
    try:
        ((count,),) = connection.execute(
            "INSERT INTO claim.receipt_fills SELECT * FROM batch_fills AS b WHERE NOT EXISTS ("
            "SELECT 1 FROM claim.receipt_fills AS f WHERE f.transaction = b.transaction)"
        ).fetchall()
    finally:
        connection.unregister("batch_fills")
    return int(count)


def add_quarantine(
    connection: duckdb.DuckDBPyConnection, source: str, kind: str, *, pattern: str, keys: int, evidence_id: int
) -> None:
    """Report a batch that was set aside."""
    connection.execute(
        "INSERT INTO claim.quarantines VALUES (?, ?, ?, ?, ?, ?)", [source, kind, pattern, keys, evidence_id, moment()]
    )


def add_lookups(
    connection: duckdb.DuckDBPyConnection, source: str, kind: str, lookups: Sequence[tuple[str, str, int | None]]
) -> None:
    """Note which keys were asked for, and what came of each: (key, outcome, evidence id)."""
    rows = len(lookups)
    table = pa.table(
        {
            "source": pa.repeat(source, rows),
            "kind": pa.repeat(kind, rows),
            "lookup_key": pa.array([lookup[0] for lookup in lookups], pa.string()),
            "outcome": pa.array([lookup[1] for lookup in lookups], pa.string()),
            "evidence_id": pa.array([lookup[2] for lookup in lookups], pa.int64()),
            "asked_at": pa.repeat(moment(), rows),
        }
    )
    append(connection, "meta.lookups", table)


def earlier_values(connection: duckdb.DuckDBPyConnection, source: str, values: pa.Array) -> pa.Table:
    """Conditions (ids) that `source` has given one of these market numbers before: columns condition, market_id."""
    connection.register("batch_values", pa.table({"market_id": pc.drop_null(pc.unique(values))}))
    try:
        return connection.sql(
            """
            SELECT c.condition_id AS condition, m.market_id
            FROM claim.markets AS m JOIN batch_values AS b ON b.market_id = m.market_id
            JOIN dim.conditions AS c ON c.condition = m.condition
            WHERE m.source = $source AND m.verdict <> 'refuted'
            """,
            params={"source": source},
        ).to_arrow_table()
    finally:
        connection.unregister("batch_values")


def quarantine_earlier(connection: duckdb.DuckDBPyConnection, source: str, values: pa.Array) -> pa.Array:
    """Set aside what `source` said before, where its later answers show that these market numbers are no answers.

    Returns:
        The keys of the conditions it was said of.
    """
    connection.register("batch_values", pa.table({"market_id": pc.drop_null(pc.unique(values))}))
    hit = "source = $source AND verdict <> 'refuted' AND market_id IN (SELECT market_id FROM batch_values)"
    try:
        keys = connection.sql(f"SELECT condition FROM claim.markets WHERE {hit}", params={"source": source})
        conditions = keys.to_arrow_table().column("condition").combine_chunks()
        connection.execute(
            f"UPDATE claim.markets SET verdict = 'quarantined' WHERE {hit}", {"source": source}
        ).fetchall()
    finally:
        connection.unregister("batch_values")
    return conditions


def moment() -> datetime:
    """Now, as the tables keep times: UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def _word(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value[2:])
