"""What a ledger is kept for: one chain, one contract set, one way of taking transfers. Facts of two would mix."""

from __future__ import annotations

from typing import Final

from polyledger.config import Settings
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.domain.errors import ConfigurationError
from polyledger.ledger.contracts import register_contracts
from polyledger.store.database import Database
from polyledger.store.scopes import base_of

_SHOWN: Final = 3  # contracts of each set that a message names
Registered = set[tuple[str, str]]


def contracts_of(settings: Settings) -> ContractSet:
    """The contract set the settings ask for."""
    mapping = settings.chain.contracts
    contracts = ContractSet.mainnet() if mapping is None else ContractSet.from_mapping(mapping)
    contracts.check_usable()
    return contracts


def scope_of(settings: Settings, contracts: ContractSet) -> str:
    """The name under which done intervals are kept: what decides which logs a scan brings."""
    return f"{settings.chain.chain_id}:{contracts.digest()}:{settings.chain.collateral_transfers}"


def claim_scope(database: Database, settings: Settings, contracts: ContractSet) -> str:
    """The scope of this ledger; the contract set is written down with the first call.

    Raises:
        ConfigurationError: blocks have been scanned for another scope; says what differs. Nothing is changed then.
    """
    scope = scope_of(settings, contracts)
    known = {base_of(str(row[0])) for row in database.query("SELECT DISTINCT scope FROM meta.intervals")}
    others = sorted(known - {scope})
    wanted = {(str(contract.role), contract.address) for contract in contracts.all}
    registered = _registered(database)
    if others:
        other = "; ".join(_differences(others[0], scope, registered, wanted))
        raise ConfigurationError(
            f"The ledger {database.path} was begun with other settings, and facts of both would mix: {other}",
            "Set them back, or use another workspace (-w) for the other settings; nothing was changed",
        )
    if registered != wanted:
        with database.transaction() as connection:
            connection.execute("DELETE FROM dim.contracts")
            register_contracts(connection, contracts)
    return scope


def _registered(database: Database) -> Registered:
    rows = database.query(
        "SELECT c.role, '0x' || lower(hex(a.address)) FROM dim.contracts AS c "
        "JOIN dim.accounts AS a ON a.account = c.account WHERE c.role <> 'zero'"
    )
    return {(str(role), str(address)) for role, address in rows}


def _differences(known: str, now: str, registered: Registered, wanted: Registered) -> list[str]:
    (chain, digest, transfers), (chain_now, digest_now, transfers_now) = known.split(":"), now.split(":")
    found = []
    if chain != chain_now:
        found.append(f"chain.chain_id was {chain} and is now {chain_now}")
    if digest != digest_now:
        was, has_now = _named(registered - wanted), _named(wanted - registered)
        found.append(f"chain.contracts was set {digest} (with {was}) and is now set {digest_now} (with {has_now})")
    if transfers != transfers_now:
        found.append(f"chain.collateral_transfers was {transfers} and is now {transfers_now}")
    return found


def _named(contracts: Registered) -> str:
    if not contracts:
        return "nothing that the other lacks"
    ordered = sorted(contracts, key=lambda contract: (list(Role).index(Role(contract[0])), contract[1]))
    shown = [f"{role} {address}" for role, address in ordered[:_SHOWN]]
    more = len(contracts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
