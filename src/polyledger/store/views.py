"""The SQL that makes a ledger: tables (schema/), views (models/), and what tells whether a file has these views."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Final

SETTING: Final = "views"
"""The name in meta.settings of the digest of the views that a file holds."""
SCHEMAS: Final = ("dim", "chain", "claim", "imported", "meta", "book")
# Views in the order of their dependencies; each is models/NAME.sql.
MODELS: Final = (
    "book/protocol",
    "book/currencies",
    "book/conversion_lines",
    "book/funding_lines",
    "book/lines",
    "book/transfer_lines",
    "book/differences",
    "book/wallet_events",
    "book/tail_events",
    "book/conversion_cash",
    "book/holdings",
    "book/accounts_unscanned",
    "book/counted_fills",
    "book/accounts_outside",
    "book/accounts_aside",
    "book/scanned_islands",
    "book/scanned_times",
    "book/wallet_scanned_times",
    "book/source_ranks",
    "book/resolution_facts",
    "book/payouts",
    "book/settled_times",
    "book/group_cash",
    "book/token_facts",
    "book/event_names",
    "book/condition_facts",
    "book/token_claims",
    "book/source_mapping",
    "book/unlinked_tokens",
    "book/imported_links",
    "book/imported_rows",
    "book/imported_sources",
    "book/known_conditions",
    "book/enriched_rows",
    "book/imported_events",
    "book/all_holdings",
    "book/condition_trades",
    "book/condition_tokens",
    "book/exported_conditions",
    "book/transferred_values",
    "book/token_positions",
    "book/condition_positions",
    "book/wallet_conditions",
    "book/neg_risk_groups",
    "book/group_positions",
    "book/wallet_categories",
    "book/trade_attribution",
    "main/fills",
    "main/journal",
    "main/conditions",
    "main/tokens",
    "main/resolutions",
    "main/markets",
    "main/events",
    "main/market_history",
    "main/event_history",
    "main/positions",
    "main/wallets",
    "main/coverage",
    "main/claims",
    "main/clob_mapping",
    "main/rpc_mapping",
    "main/gamma_mapping",
    "main/data_api_mapping",
    "main/subgraph_mapping",
    "main/condition_id_merged",
    "main/trades",
    "main/enriched_trades_final",
)


def sql_text(package: str, name: str) -> str:
    """The text of one of the package's .sql files, e.g. ``sql_text("polyledger.store", "models/book/lines.sql")``."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def schema_texts() -> list[str]:
    """The statements that make schemas and tables."""
    files = resources.files("polyledger.store").joinpath("schema")
    statements = [f"CREATE SCHEMA {schema};" for schema in SCHEMAS]
    for schema in SCHEMAS:
        tables = sorted(files.joinpath(schema).iterdir(), key=lambda entry: entry.name)
        statements += [file.read_text(encoding="utf-8") for file in tables]
    return statements


def view_texts() -> list[str]:
    """The statements that make the views, in an order in which each finds what it rests on."""
    return [sql_text("polyledger.store", f"models/{model}.sql") for model in MODELS]


@cache
def models_digest() -> str:
    """What changes whenever a view is written otherwise."""
    return hashlib.blake2b("\n".join(view_texts()).encode(), digest_size=16).hexdigest()
