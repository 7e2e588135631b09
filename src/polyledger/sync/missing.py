"""What is missing: keys by kind, each with the trades and the volume that hang on it. Reads, never writes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from polyledger.domain.records import Kind
from polyledger.domain.scope import Scope
from polyledger.store.database import Database
from polyledger.store.scope_filters import NO_FILTERS, ScopeFilters, scope_filters
from polyledger.store.scopes import limits_views
from polyledger.store.sql import script
from polyledger.sync.ranking import Integers

CHAIN: Final = "chain"
LATER: Final = "later"
MOST_TRANSACTIONS: Final = 1_000_000
"""Transactions are listed up to this many, the weightiest first; what lies beyond is counted only."""
_PACKAGE: Final = "polyledger.sync"
_NO_IDENTITIES: Final = (
    "CREATE OR REPLACE TEMP TABLE known_identities AS SELECT identity, token, market_id, slug, condition, "
    "false AS silent FROM imported.identities WHERE false"
)
_NO_PARTS: Final = {"chain_part": "NULL", "chain_join": "", "file_part": "NULL", "file_join": ""}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MissingKeys:
    """Keys of one kind that something is missing for; all arrays are aligned.

    Attributes:
        keys: in normal form (token ids decimal, conditions and transactions 0x + 64 hex).
        trades: legs on chain and imported rows that hang on each key.
        volume: micro-USDC, each match once.
        last_trade: seconds since 1970, UTC; -1 where nothing was traded.
        of_chain: the scan of the chain will tell these, so that nobody else need be asked.
        later: the market was open when it was asked about lately; it is asked about again after days.
        over: resolved on chain, so a source lists the market as closed.
        named: another source has described the market already.
        barred: by source: keys that it has been asked about and need not be asked about again yet.
    """

    kind: Kind
    keys: npt.NDArray[np.object_]
    trades: Integers
    volume: Integers
    last_trade: Integers
    of_chain: Bools
    later: Bools
    over: Bools
    named: Bools
    barred: dict[str, Bools]

    def __len__(self) -> int:
        return len(self.keys)

    def barred_for(self, source: str) -> Bools:
        """Which keys `source` need not be asked about."""
        known = self.barred.get(source)
        return np.zeros(len(self), np.bool_) if known is None else known


@dataclass(frozen=True)
class Missing:
    """Everything that is missing, and the totals that shares are reckoned against.

    Attributes:
        kinds: only kinds of which something is missing.
        trades, volume: of the whole ledger, chain and imports.
        transactions: how many transactions only imported rows name; `kinds` lists the weightiest.
        measured_at: seconds since 1970, UTC.
    """

    kinds: dict[Kind, MissingKeys]
    trades: int
    volume: int
    transactions: int
    measured_at: int


@contextmanager
def measured(
    database: Database,
    *,
    now: int | None = None,
    parts: dict[str, str] | None = None,
    scope: Scope | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reading connection on which the tables of the measurement stand: impact, missing, missing_transactions.

    Args:
        database: the ledger.
        now: seconds since 1970; decides what has been asked long enough ago to be asked again.
        parts: how figures are grouped, see missing_impact.sql; not at all unless told.
        scope: only this part of the ledger. In a ledger of some wallets, what concerns them is all there is.
    """
    cursor = database.cursor()
    moment = int(time.time()) if now is None else now
    try:
        run_script(cursor, script(_PACKAGE, "missing_facts"))
        # Most ledgers hold no imports, and the views over them take longer to plan than all the rest.
        imports = cursor.execute("SELECT 1 FROM imported.identities LIMIT 1").fetchall()
        run_script(cursor, script(_PACKAGE, "missing_identities") if imports else _NO_IDENTITIES)
        filters = scope_filters(cursor, scope)
        of_files = filters.imported("t")
        impact = script(_PACKAGE, "missing_impact")
        where = {"chain_where": filters.chain, "file_where": of_files}
        own = "true" if filters.of_wallets else "false"
        run_script(cursor, impact.format(**(parts or _NO_PARTS), **where, own=own))
        _keep_scope(cursor, filters)
        cursor.execute(script(_PACKAGE, "missing_keys"), {"now": moment}).fetchall()
        run_script(cursor, script(_PACKAGE, "missing_transactions").format(file_where=of_files))
        yield cursor
    finally:
        cursor.close()


def _keep_scope(cursor: duckdb.DuckDBPyConnection, filters: ScopeFilters) -> None:
    """Leave what a scope, or a ledger of some wallets, is not about out of the tables of the measurement."""
    wallets = "SELECT account FROM meta.scope_wallets" if limits_views(cursor) else None
    if filters.of_wallets:
        wallets = "SELECT account FROM scope_accounts"
    if filters is NO_FILTERS and wallets is None:
        return
    concerned = "condition IN (SELECT condition FROM impact WHERE condition IS NOT NULL)"
    if wallets is not None:
        concerned += (
            " OR condition IN (SELECT t.condition FROM chain.share_transfers AS s JOIN dim.tokens AS t"
            f" ON t.token = s.token WHERE s.sender IN ({wallets}) OR s.recipient IN ({wallets}))"
            f" OR condition IN (SELECT condition FROM imported.movements WHERE wallet IN ({wallets}))"
        )
    of_conditions = filters.conditions("condition")
    limited = wallets is not None or filters.limits_rows
    where = {
        "impact_where": of_conditions if not filters.names_conditions else f"condition IS NOT NULL AND {of_conditions}",
        "condition_where": f"{of_conditions} AND ({concerned})" if limited else of_conditions,
    }
    run_script(cursor, script(_PACKAGE, "missing_scope").format(**where))


def measure(database: Database, *, now: int | None = None) -> Missing:
    """What is missing in the ledger as it is committed at this moment."""
    moment = int(time.time()) if now is None else now
    with measured(database, now=moment) as cursor:
        return read_missing(cursor, moment)


def read_missing(cursor: duckdb.DuckDBPyConnection, now: int | None = None) -> Missing:
    """What the tables of `measured` say."""
    table = cursor.sql("SELECT * FROM missing").to_arrow_table()
    kinds = {Kind(kind): part for kind in _kinds(table) if (part := _keys_of(table, kind)) is not None}
    moment = int(time.time()) if now is None else now
    transactions = _transactions(cursor, moment)
    if transactions is not None:
        kinds[Kind.TRANSACTION] = transactions
    totals = "SELECT coalesce(sum(trades), 0), coalesce(sum(volume), 0) FROM impact"
    ((trades, volume),) = cursor.execute(totals).fetchall()
    ((count,),) = cursor.execute("SELECT count(*) FROM missing_transactions").fetchall()
    return Missing(kinds, int(trades), int(volume), int(count), moment)


def run_script(cursor: duckdb.DuckDBPyConnection, text: str) -> None:
    """Run the statements of a script one after another."""
    for statement in duckdb.extract_statements(text):
        cursor.execute(statement).fetchall()


def _kinds(table: pa.Table) -> Sequence[str]:
    return sorted(table.column("kind").unique().to_pylist())


def _keys_of(table: pa.Table, kind: str) -> MissingKeys | None:
    rows = table.filter(pa.compute.equal(table.column("kind"), kind))
    return _missing_keys(Kind(kind), rows) if rows.num_rows else None


def _missing_keys(kind: Kind, rows: pa.Table) -> MissingKeys:
    return MissingKeys(
        kind=kind,
        keys=np.array(rows.column("lookup_key").to_pylist(), dtype=object),
        trades=_integers(rows.column("trades"), 0),
        volume=_integers(rows.column("volume"), 0),
        last_trade=_integers(rows.column("last_trade"), -1),
        of_chain=np.array(pa.compute.equal(rows.column("whose"), CHAIN).to_pylist(), np.bool_),
        later=np.array(pa.compute.equal(rows.column("whose"), LATER).to_pylist(), np.bool_),
        over=np.array(rows.column("over").fill_null(False).to_pylist(), np.bool_),
        named=np.array(rows.column("named").fill_null(False).to_pylist(), np.bool_),
        barred=_barred(rows.column("barred")),
    )


def _integers(column: pa.ChunkedArray, missing: int) -> Integers:
    return np.asarray(column.cast(pa.int64()).fill_null(missing).to_numpy(), np.int64)


def _barred(column: pa.ChunkedArray) -> dict[str, Bools]:
    lists: list[Any] = column.to_pylist()
    found: dict[str, Bools] = {}
    for position, sources in enumerate(lists):
        for source in sources or ():
            if source not in found:
                found[source] = np.zeros(len(lists), np.bool_)
            found[source][position] = True
    return found


def _transactions(cursor: duckdb.DuckDBPyConnection, now: int) -> MissingKeys | None:
    """The weightiest transactions; a receipt that no node had is not asked for again within a day."""
    rows = cursor.sql(
        f"""
        SELECT '0x' || lower(hex(x.hash)) AS lookup_key, m.trades, m.volume, m.last_trade, 'sources' AS whose,
               CAST(NULL AS BOOLEAN) AS over, false AS named,
               (SELECT list(DISTINCT l.source) FROM meta.lookups AS l
                WHERE l.kind = 'transaction' AND l.lookup_key = '0x' || lower(hex(x.hash))
                  AND (l.outcome <> 'unseen' OR epoch(l.asked_at) > {now} - 86400)) AS barred
        FROM (SELECT * FROM missing_transactions ORDER BY volume DESC, trades DESC, transaction
              LIMIT {MOST_TRANSACTIONS}) AS m
        JOIN imported.transactions AS x ON x.transaction = m.transaction
        """
    ).to_arrow_table()
    return _missing_keys(Kind.TRANSACTION, rows) if rows.num_rows else None
