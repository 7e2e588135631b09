"""Storing a batch: long ids become keys, tokens are linked to their conditions, events become rows of chain.*.

All of it happens inside one transaction of the caller, together with the interval that the batch completes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.decode import Decoded
from polyledger.ctf.identity import condition_id
from polyledger.identity.links import intern_tokens, link_pairs, link_protocol_tokens
from polyledger.ledger import matching
from polyledger.ledger.adapters import with_beneficiaries
from polyledger.ledger.matching import ZERO_ADDRESS, integers
from polyledger.store.keys import ACCOUNTS, CONDITIONS, NEG_RISK_MARKETS, KeyMap, append, binary_array, distinct, intern
from polyledger.store.sql import script

# Which columns of the decoded tables hold which kind of long id.
_ACCOUNT_COLUMNS: Final = frozenset(
    {
        "contract", "wallet", "counterparty", "receiver", "recipient", "sender", "stakeholder", "collateral",
        "redeemer", "oracle", "account", "via", "pool", "trader", "funder", "initiator", "second_recipient",
    }
)  # fmt: skip
_TOKEN_COLUMNS: Final = frozenset({"token", "token0", "token1"})
_KEYED_TABLES: Final = (
    "fills", "matches", "fees_charged", "fee_refunds", "share_transfers", "collateral_transfers", "position_changes",
    "redemptions", "conversions", "preparations", "resolutions", "registrations", "neg_risk_markets",
    "neg_risk_questions", "outcomes_reported", "roles", "amm_pools", "amm_trades", "amm_funding",
    "protocol_resolutions", "protocol_changes", "minor_logs", "unknown_logs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keys:
    """The key maps of one batch."""

    accounts: KeyMap
    conditions: KeyMap
    markets: KeyMap
    tokens: KeyMap


def prepare(decoded: Decoded, contracts: ContractSet) -> dict[str, pa.Table]:
    """Add what follows from the contract set alone: collaterals of adapter events, conditions of questions."""
    tables = dict(decoded.tables)
    wrapped = contracts.addresses_of([Role.WRAPPED_COLLATERAL])
    adapters = contracts.addresses_of([Role.NEG_RISK_ADAPTER])
    for name in ("position_changes", "redemptions"):
        if wrapped:
            tables[name] = _filled(tables[name], "collateral", wrapped[0])
    for name in ("neg_risk_questions", "outcomes_reported"):
        ids = [condition_id(adapters[0], question, 2) for question in tables[name].column("question_id").to_pylist()]
        tables[name] = tables[name].append_column("condition", binary_array(ids, 32))
    return tables


def store(
    connection: duckdb.DuckDBPyConnection,
    decoded: Decoded,
    contracts: ContractSet,
    pools: Sequence[bytes],
) -> None:
    """Append a decoded batch to the ledger.

    Args:
        connection: the writing connection, inside a transaction.
        decoded: whole blocks, none of which is in the ledger yet.
        contracts: the contract set of the workspace.
        pools: AMM pools known before this batch.
    """
    prepared = prepare(decoded, contracts)
    burns = _burns(prepared, contracts)
    tables = with_beneficiaries(prepared, contracts)
    keys = _intern(connection, tables)
    pairs = _pairs(tables, keys, contracts)
    link_pairs(connection, pairs)
    _link_protocol(connection, tables, contracts)
    keys = Keys(keys.accounts, keys.conditions, keys.markets, _intern_tokens(connection, tables))
    all_pools = [*pools, *tables["amm_pools"].column("pool").to_pylist()]
    plain_shares, plain_collateral, by_contract = matching.plain_flags(tables, contracts, all_pools)
    append(connection, "chain.fills", _fills(tables, keys))
    _append_keyed(connection, "matches", tables, keys, "contract order_hash wallet side token shares collateral layout")
    _append_keyed(connection, "fees_charged", tables, keys, "contract receiver token amount")
    _append_keyed(connection, "fee_refunds", tables, keys, "contract order_hash recipient token refund fee_charged")
    shares = _keyed(tables["share_transfers"], keys, "item contract sender recipient token amount")
    shares = shares.append_column("plain", pa.array(plain_shares)).append_column("by_contract", pa.array(by_contract))
    append(connection, "chain.share_transfers", shares)
    collateral = _keyed(tables["collateral_transfers"], keys, "contract sender recipient amount")
    append(connection, "chain.collateral_transfers", collateral.append_column("plain", pa.array(plain_collateral)))
    _append_keyed(
        connection, "position_changes", tables, keys,
        "contract kind stakeholder collateral condition amount partition_size via",
    )  # fmt: skip
    redemptions = _keyed(tables["redemptions"], keys, "contract redeemer collateral condition payout")
    redemptions = redemptions.append_column("outcomes", _outcomes(tables["redemptions"]))
    via = keys.accounts.of(tables["redemptions"].column("via"))
    append(connection, "chain.redemptions", redemptions.append_column("via", via))
    _store_redemption_shares(connection, tables["redemptions"], burns, keys)
    append(connection, "chain.conversions", _conversions(tables["conversions"], keys, contracts))
    _store_identity(connection, tables, keys)
    _store_pools(connection, tables, keys)
    _append_keyed(
        connection,
        "protocol_changes",
        tables,
        keys,
        "contract kind initiator recipient second_recipient subject amount",
    )
    _append_keyed(connection, "minor_logs", tables, keys, "contract topic")
    _append_keyed(connection, "unknown_logs", tables, keys, "contract topics data reason")
    transactions = tables["transactions"]
    append(connection, "chain.transactions", transactions.set_column(1, "hash", _bytes(transactions.column("hash"))))


def _intern(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Keys:
    def columns(names: frozenset[str], kind: pa.DataType) -> list[pa.ChunkedArray]:
        return [
            tables[name].column(column)
            for name in _KEYED_TABLES
            for column in tables[name].column_names
            if column in names and tables[name].schema.field(column).type == kind
        ]

    accounts = intern(connection, ACCOUNTS, distinct(columns(_ACCOUNT_COLUMNS, pa.binary(20)), 20))
    pool_conditions = pc.list_flatten(tables["amm_pools"].column("conditions"))
    condition_columns = [*columns(frozenset({"condition"}), pa.binary(32)), pool_conditions]
    conditions = intern(connection, CONDITIONS, distinct(condition_columns, 32))
    markets = intern(connection, NEG_RISK_MARKETS, distinct(columns(frozenset({"neg_risk_market"}), pa.binary(32)), 32))
    return Keys(accounts, conditions, markets, KeyMap(pa.array([], pa.binary(32)), np.zeros(0, np.int32)))


def _intern_tokens(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> KeyMap:
    columns = [
        tables[name].column(column)
        for name in _KEYED_TABLES
        for column in tables[name].column_names
        if column in _TOKEN_COLUMNS and name != "minor_logs"
    ]
    values = distinct(columns, 32)
    # A zero token in fee events stands for collateral.
    return intern_tokens(connection, values.filter(pc.not_equal(values, pa.scalar(bytes(32), pa.binary(32)))))


def _pairs(tables: Mapping[str, pa.Table], keys: Keys, contracts: ContractSet) -> pa.Table:
    """(condition, collateral, slots) whose tokens this batch shows to exist."""
    parts = []
    prepared = tables["preparations"]
    plain, wrapped = contracts.addresses_of([Role.COLLATERAL]), contracts.addresses_of([Role.WRAPPED_COLLATERAL])
    adapters = pa.array(contracts.addresses_of([Role.NEG_RISK_ADAPTER]), pa.binary(20))
    if prepared.num_rows and plain:
        neg_risk = pc.is_in(prepared.column("oracle"), value_set=adapters)
        natural = pc.if_else(
            neg_risk,
            pa.scalar(wrapped[0] if wrapped else plain[0], pa.binary(20)),
            pa.scalar(plain[0], pa.binary(20)),
        )
        parts.append((prepared.column("condition"), natural, prepared.column("outcome_slots")))
    changes = tables["position_changes"]
    if changes.num_rows:
        parts.append((changes.column("condition"), changes.column("collateral"), changes.column("partition_size")))
    pools = tables["amm_pools"]
    if pools.num_rows:
        first = pc.list_element(pools.column("conditions"), 0)
        parts.append((first, pools.column("collateral"), pa.array(np.full(pools.num_rows, 2), pa.int32())))
    schema = pa.schema([("condition", pa.int32()), ("collateral", pa.int32()), ("slots", pa.int32())])
    rows = [
        pa.table([keys.conditions.of(condition), keys.accounts.of(collateral), slots], schema=schema)
        for condition, collateral, slots in parts
    ]
    if not rows:
        return schema.empty_table()
    return pa.concat_tables(rows).group_by(["condition", "collateral", "slots"]).aggregate([])


def _link_protocol(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table], contracts: ContractSet
) -> None:
    managers = contracts.addresses_of([Role.POSITION_MANAGER])
    shares = tables["share_transfers"]
    if not managers or not shares.num_rows:
        return
    rows = shares.filter(pc.is_in(shares.column("contract"), value_set=pa.array(managers, pa.binary(20))))
    if rows.num_rows:
        key = intern(connection, ACCOUNTS, pa.array(managers[:1], pa.binary(20))).keys[0]
        link_protocol_tokens(connection, distinct([rows.column("token")], 32), int(key))


def _keyed(table: pa.Table, keys: Keys, columns: str) -> pa.Table:
    names = ["tx", "log_index", *columns.split()]
    return pa.table({name: _keyed_column(table, name, keys) for name in names})


def _keyed_column(table: pa.Table, name: str, keys: Keys) -> pa.Array | pa.ChunkedArray:
    column = table.column(name)
    kind = table.schema.field(name).type
    if name in _ACCOUNT_COLUMNS and kind == pa.binary(20):
        key_map: KeyMap | None = keys.accounts
    elif name in _TOKEN_COLUMNS:
        key_map = keys.tokens  # the zero token has no key and becomes null
    else:
        key_map = {"condition": keys.conditions, "neg_risk_market": keys.markets}.get(name)
    if key_map is not None:
        return key_map.of(column)
    if pa.types.is_fixed_size_binary(kind):
        return _bytes(column)
    if name == "topics":
        return column.cast(pa.list_(pa.binary()))
    return column


def _bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.binary())


def _append_keyed(
    connection: duckdb.DuckDBPyConnection, name: str, tables: Mapping[str, pa.Table], keys: Keys, columns: str
) -> None:
    if tables[name].num_rows:
        append(connection, f"chain.{name}", _keyed(tables[name], keys, columns))


def _fills(tables: Mapping[str, pa.Table], keys: Keys) -> pa.Table:
    fills = tables["fills"]
    details = matching.fill_details(fills, tables["fee_refunds"])
    columns = {name: _keyed_column(fills, name, keys) for name in fills.column_names}
    columns |= {
        "role": pa.array(details.role),
        "fee_refund": pa.array(details.fee_refund),
        "leftover": pa.array(details.leftover),
        "match_log_index": pa.array(details.match_log_index),
    }
    order = (
        "tx log_index contract order_hash wallet counterparty role side layout token shares collateral fee fee_refund "
        "leftover match_log_index builder"
    )
    return pa.table({name: columns[name] for name in order.split()})


def _conversions(table: pa.Table, keys: Keys, contracts: ContractSet) -> pa.Table:
    adapter = contracts.addresses_of([Role.NEG_RISK_ADAPTER])
    indexes = [
        [bit for bit in range(256) if int.from_bytes(word, "big") >> bit & 1]
        for word in table.column("index_set").to_pylist()
    ]
    contract = keys.accounts.one(adapter[0]) if table.num_rows else 0
    return pa.table(
        {
            "tx": table.column("tx"),
            "log_index": table.column("log_index"),
            "contract": pa.array(np.full(table.num_rows, contract, np.int32)),
            "stakeholder": keys.accounts.of(table.column("stakeholder")),
            "neg_risk_market": keys.markets.of(table.column("neg_risk_market")),
            "amount": table.column("amount"),
            "no_indexes": pa.array(indexes, pa.list_(pa.int32())),
            "via": keys.accounts.of(table.column("via")),
        }
    )


def _burns(tables: Mapping[str, pa.Table], contracts: ContractSet) -> pa.Table:
    # Before adapters give way to their wallets: a burn is the adapter's, as the event's redeemer is.
    return matching.redemption_burns(tables, contracts.address_bytes(Role.CONDITIONAL_TOKENS))


def _outcomes(redemptions: pa.Table) -> pa.Array:
    """The outcome indexes each redemption names: single bits of index sets, or every position of stated amounts."""
    rows = zip(redemptions.column("index_sets").to_pylist(), redemptions.column("amounts").to_pylist(), strict=True)
    named = [
        [index_set.bit_length() - 1 for index_set in index_sets if index_set & (index_set - 1) == 0]
        if index_sets is not None
        else list(range(len(amounts)))
        for index_sets, amounts in rows
    ]
    return pa.array(named, pa.list_(pa.int32()))


def _store_redemption_shares(
    connection: duckdb.DuckDBPyConnection, redemptions: pa.Table, burns: pa.Table, keys: Keys
) -> None:
    if not redemptions.num_rows:
        return
    append(connection, "chain.redemption_shares", _keyed(burns, keys, "token amount"))
    stated = redemptions.filter(pc.is_valid(redemptions.column("amounts")))
    if not stated.num_rows:
        return
    counts = pc.list_value_length(stated.column("amounts")).to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(stated.num_rows), counts)
    outcome = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = pa.table(
        {
            "tx": stated.column("tx").take(pa.array(owner)),
            "log_index": stated.column("log_index").take(pa.array(owner)),
            "condition": keys.conditions.of(stated.column("condition").take(pa.array(owner))),
            "collateral": keys.accounts.of(stated.column("collateral").take(pa.array(owner))),
            "outcome_index": pa.array(outcome.astype(np.int32)),
            "amount": pc.list_flatten(stated.column("amounts")),
        }
    )
    connection.register("batch_stated", rows)
    try:
        connection.execute(script("polyledger.ledger", "stated_redemptions"))
    finally:
        connection.unregister("batch_stated")


def _store_identity(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table], keys: Keys) -> None:
    for name, columns in (
        ("preparations", "condition oracle question_id outcome_slots"),
        ("resolutions", "condition oracle question_id outcome_slots numerators"),
        ("registrations", "contract token0 token1 condition"),
        ("neg_risk_markets", "neg_risk_market oracle fee_bips"),
        ("neg_risk_questions", "neg_risk_market question_id question_index condition"),
        ("outcomes_reported", "neg_risk_market condition outcome"),
        ("roles", "contract account kind granted"),
    ):
        _append_keyed(connection, name, tables, keys, columns)
    resolved = tables["protocol_resolutions"]
    if resolved.num_rows:
        slots = pc.cast(pc.list_value_length(resolved.column("payouts")), pa.int32())
        append(
            connection,
            "chain.resolutions",
            pa.table(
                {
                    "tx": resolved.column("tx"),
                    "log_index": resolved.column("log_index"),
                    "condition": keys.conditions.of(resolved.column("condition")),
                    "oracle": keys.accounts.of(resolved.column("contract")),
                    "question_id": pa.nulls(resolved.num_rows, pa.binary()),
                    "outcome_slots": slots,
                    "numerators": resolved.column("payouts"),
                }
            ),
        )


def _store_pools(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table], keys: Keys) -> None:
    pools = tables["amm_pools"]
    if pools.num_rows:
        condition = keys.conditions.of(pc.list_element(pools.column("conditions"), 0))
        rows = _keyed(pools, keys, "pool collateral").append_column("condition", condition)
        append(connection, "chain.amm_pools", rows)
    funding = tables["amm_funding"]
    if funding.num_rows:
        rows = _keyed(funding, keys, "contract funder kind amounts collateral_from_fees pool_shares")
        append(connection, "chain.amm_funding", rows)
    trades = tables["amm_trades"]
    if trades.num_rows:
        connection.register(
            "batch_trades", _keyed(trades, keys, "contract trader side outcome_index collateral shares")
        )
        try:
            connection.execute(script("polyledger.ledger", "amm_fills"))
        finally:
            connection.unregister("batch_trades")


def _filled(table: pa.Table, name: str, value: bytes) -> pa.Table:
    """The zero addresses of a column replaced by `value`."""
    column = table.column(name)
    filled = pc.if_else(
        pc.equal(column, pa.scalar(ZERO_ADDRESS, pa.binary(20))), pa.scalar(value, pa.binary(20)), column
    )
    return table.set_column(table.column_names.index(name), name, filled)


def block_range(tables: Mapping[str, pa.Table]) -> tuple[int, int]:
    """First and last tx of a batch; (0, -1) when it is empty."""
    tx = integers(tables["transactions"], "tx")
    return (int(tx.min()), int(tx.max())) if len(tx) else (0, -1)
