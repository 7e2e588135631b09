"""A scope as SQL: what rows of fills, of imported trades and of conditions belong to it.

The ids of a scope become temporary tables of one connection; the texts made here only name these, or hold numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import duckdb

from polyledger.domain.errors import UnknownSubjectError
from polyledger.domain.ids import address_bytes
from polyledger.domain.scope import Scope

_OF_WALLETS: Final = "f.wallet IN (SELECT account FROM scope_accounts)"
_EVERYTHING: Final = "true"


@dataclass(frozen=True, slots=True)
class ScopeFilters:
    """Conditions of SQL: `chain` is about rows ``f`` of book.counted_fills, the others are told what they are about."""

    chain: str
    imported_form: str
    conditions_form: str

    def imported(self, alias: str) -> str:
        """About rows `alias` of book.imported_rows."""
        return self.imported_form.replace("{row}", alias)

    def conditions(self, column: str) -> str:
        """About the condition key in `column`."""
        return self.conditions_form.replace("{condition}", column)

    @property
    def names_conditions(self) -> bool:
        """Whether markets, events or categories limit the scope."""
        return self.conditions_form != _EVERYTHING

    @property
    def of_wallets(self) -> bool:
        """Whether wallets limit the scope: then each counts with its own legs."""
        return self.chain.startswith(_OF_WALLETS)

    @property
    def limits_rows(self) -> bool:
        """Whether wallets or dates limit the scope."""
        return self.chain != _EVERYTHING


NO_FILTERS: Final = ScopeFilters(_EVERYTHING, _EVERYTHING, _EVERYTHING)


def scope_filters(cursor: duckdb.DuckDBPyConnection, scope: Scope | None) -> ScopeFilters:
    """The filters of a scope; the temporary tables scope_accounts and scope_conditions stand on `cursor` afterwards.

    Raises:
        UnknownSubjectError: a market, event or category that the ledger does not know.
    """
    if scope is None or scope.is_everything:
        return NO_FILTERS
    chain, imported = [], []
    if scope.wallets:
        _make_accounts(cursor, scope)
        chain.append(_OF_WALLETS)
        imported.append("{row}.wallet IN (SELECT account FROM scope_accounts)")
    if scope.since is not None:
        chain.append(f"f.tx >= {first_block(cursor, scope.since) << 16}")
        imported.append(f"{{row}}.timestamp >= {scope.since}")
    if scope.until is not None:
        chain.append(f"f.tx < {first_block(cursor, scope.until + 1) << 16}")
        imported.append(f"{{row}}.timestamp <= {scope.until}")
    conditions = _EVERYTHING
    if scope.markets or scope.events or scope.categories:
        _make_conditions(cursor, scope)
        conditions = "{condition} IN (SELECT condition FROM scope_conditions)"
    return ScopeFilters(" AND ".join(chain) or _EVERYTHING, " AND ".join(imported) or _EVERYTHING, conditions)


def _make_accounts(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE scope_accounts AS SELECT account FROM dim.accounts "
        "WHERE address IN (SELECT unnest($wallets))",
        {"wallets": [address_bytes(wallet) for wallet in scope.wallets]},
    ).fetchall()


def _make_conditions(cursor: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    facts = (
        "CREATE OR REPLACE TEMP TABLE scope_facts AS SELECT condition, '0x' || lower(hex(condition_id)) AS id, "
        "market_id, event_id, coalesce(category, 'Uncategorized') AS category FROM book.condition_facts"
    )
    cursor.execute(facts).fetchall()
    wanted = {
        "market": ("m.value = f.market_id OR lower(m.value) = f.id", scope.markets),
        "event": ("m.value = f.event_id", scope.events),
        "category": ("m.value = f.category", scope.categories),
    }
    kept = []
    for name, (rule, values) in wanted.items():
        if not values:
            continue
        listed = list(values)
        unknown = cursor.execute(
            f"SELECT m.value FROM (SELECT unnest($listed) AS value) AS m "
            f"WHERE NOT EXISTS (SELECT 1 FROM scope_facts AS f WHERE {rule}) LIMIT 1",
            {"listed": listed},
        ).fetchall()
        if unknown:
            raise UnknownSubjectError(
                f"The ledger knows no {name} {unknown[0][0]!r}",
                "The views markets and events show what there is; names come with 'polyledger sync'",
            )
        table = f"scope_{name}"
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT DISTINCT f.condition FROM scope_facts AS f "
            f"JOIN (SELECT unnest($listed) AS value) AS m ON {rule}",
            {"listed": listed},
        ).fetchall()
        kept.append(f"condition IN (SELECT condition FROM {table})")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE scope_conditions AS SELECT condition FROM scope_facts WHERE " + " AND ".join(kept)
    ).fetchall()


def first_block(cursor: duckdb.DuckDBPyConnection, seconds: int) -> int:
    """The first stored block that is not older than `seconds`; past all of them when there is none."""
    rows = cursor.execute(
        "SELECT coalesce(min(number), (SELECT coalesce(max(number), 0) + 1 FROM chain.blocks)) "
        "FROM chain.blocks WHERE timestamp >= ?",
        [seconds],
    ).fetchall()
    return int(rows[0][0])
