"""The contract set as rows of dim.contracts, with the clearing account of each."""

from __future__ import annotations

from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ledger.matching import ZERO_ADDRESS
from polyledger.store.keys import ACCOUNTS, append, binary_array, intern

# From the pUSD era on, adapters and ramps move collateral among themselves without an event that names the user, so
# what one of them lacks another has: their books close together.
_CLEARING_ROLES: Final = frozenset(
    {
        Role.EXCHANGE_V2,
        Role.NEG_RISK_EXCHANGE_V2,
        Role.EXCHANGE_V3,
        Role.COLLATERAL_TOKEN,
        Role.COLLATERAL_ADAPTER,
        Role.ROUTER,
        Role.AUTO_REDEEMER,
    }
)


def register_contracts(connection: duckdb.DuckDBPyConnection, contracts: ContractSet) -> None:
    """Write the contract set into an empty dim.contracts; the zero address counts as a contract."""
    addresses = [contract.address_bytes for contract in contracts.all]
    keys = intern(connection, ACCOUNTS, binary_array([ZERO_ADDRESS, *addresses], 20)).keys
    shared = [key for key, contract in zip(keys[1:], contracts.all, strict=True) if contract.role in _CLEARING_ROLES]
    clearing = [
        shared[0] if contract.role in _CLEARING_ROLES else key
        for key, contract in zip(keys[1:], contracts.all, strict=True)
    ]
    append(
        connection,
        "dim.contracts",
        pa.table(
            {
                "account": pa.array(keys, pa.int32()),
                "role": pa.array(["zero", *(str(contract.role) for contract in contracts.all)]),
                "name": pa.array(["zero address", *(contract.name for contract in contracts.all)]),
                "clearing": pa.array(np.array([keys[0], *clearing], np.int32)),
            }
        ),
    )
