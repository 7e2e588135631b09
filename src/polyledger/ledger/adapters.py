"""On whose behalf the collateral adapters of the pUSD era act.

A user who splits, merges, redeems or converts with pUSD calls an adapter; the protocol's event then names the adapter
as stakeholder, and only the share transfers of the transaction say who got or gave the shares. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ledger.matching import ZERO_ADDRESS, integers

_ACTORS: Final = (Role.COLLATERAL_ADAPTER, Role.AUTO_REDEEMER)
# Table and the column that names who acted.
_ACTED: Final = (("position_changes", "stakeholder"), ("redemptions", "redeemer"), ("conversions", "stakeholder"))


def with_beneficiaries(tables: Mapping[str, pa.Table], contracts: ContractSet) -> dict[str, pa.Table]:
    """The tables with the wallet in place of an adapter that acted for it, and the adapter in a column ``via``.

    Where the shares of a transaction go to, or come from, more than one wallet, the adapter stays: the books then name
    the transaction instead of guessing.
    """
    adapters = pa.array(contracts.addresses_of(_ACTORS), pa.binary(20))
    own = pa.array([ZERO_ADDRESS, *(contract.address_bytes for contract in contracts.all)], pa.binary(20))
    counterparts = _counterparts(tables["share_transfers"], adapters, own)
    result = dict(tables)
    for name, column in _ACTED:
        table = result[name]
        actors = table.column(column).combine_chunks()
        by_adapter = pc.is_in(actors, value_set=adapters)
        place = pc.index_in(table.column("tx"), value_set=counterparts.column("tx").combine_chunks())
        wallets = pc.take(counterparts.column("wallet").combine_chunks(), place.combine_chunks())
        replaced = pc.and_(by_adapter, pc.is_valid(wallets))
        position = table.column_names.index(column)
        via = pc.if_else(replaced, actors, pa.scalar(None, pa.binary(20)))
        result[name] = table.set_column(position, column, pc.if_else(replaced, wallets, actors)).append_column(
            "via", via
        )
    return result


def _counterparts(shares: pa.Table, adapters: pa.Array, own: pa.Array) -> pa.Table:
    """(tx, wallet): the one outside account that an adapter exchanged shares with in each transaction."""
    empty = pa.table({"tx": pa.array([], pa.int64()), "wallet": pa.array([], pa.binary(20))})
    if not shares.num_rows or not len(adapters):
        return empty
    sender, recipient = shares.column("sender"), shares.column("recipient")
    given = pc.and_(pc.is_in(sender, value_set=adapters), pc.invert(pc.is_in(recipient, value_set=own)))
    taken = pc.and_(pc.is_in(recipient, value_set=adapters), pc.invert(pc.is_in(sender, value_set=own)))
    parts = [
        pa.table({"tx": rows.column("tx"), "wallet": rows.column(column)})
        for rows, column in ((shares.filter(given), "recipient"), (shares.filter(taken), "sender"))
    ]
    pairs = pa.concat_tables(parts).group_by(["tx", "wallet"]).aggregate([])
    if not pairs.num_rows:
        return empty
    tx = integers(pairs, "tx")
    values, counts = np.unique(tx, return_counts=True)
    return pairs.filter(pa.array(np.isin(tx, values[counts == 1])))
