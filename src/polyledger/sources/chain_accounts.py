"""Whose transfers of collateral a scan takes. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.sources.chain_integrity import accounts_named
from polyledger.sources.chain_wire import ACCESS_TOPICS, Query, queries_of, transfer_queries


class Accounts:
    """The protocol's own contracts, and operators and admins from the block that named them.

    That block counts so that what a ledger holds does not depend on how its ranges were cut. With `everything`, all
    transfers are taken, whoever makes them.
    """

    def __init__(self, contracts: ContractSet, operators: Callable[[], Sequence[bytes]], *, everything: bool) -> None:
        self._contracts = contracts
        self._everything = everything or not contracts.transfer_collaterals
        self._fixed = frozenset(contracts.collateral_holders)
        self._operators = operators
        self._named: dict[bytes, int] = {}

    def now(self) -> frozenset[bytes]:
        """All accounts known at present."""
        return self._fixed | frozenset(self._operators()) | self._named.keys()

    def learn(self, logs: LogColumns) -> None:
        """Take note of the operators and admins that `logs` name."""
        if self._everything:
            return
        known = self.now()
        for account, block in accounts_named(logs, ACCESS_TOPICS).items():
            if account not in known:
                self._named[account] = block

    def queries(self, accounts: frozenset[bytes]) -> list[Query]:
        """All queries of a range, with the transfers of `accounts`."""
        return queries_of(self._contracts, self.filter(accounts))

    def filter(self, accounts: frozenset[bytes]) -> list[bytes] | None:
        """`accounts` as they filter transfers; None: no filter."""
        return None if self._everything else sorted(accounts)

    def additions(self, before: frozenset[bytes], from_block: int) -> list[tuple[int, list[Query]]]:
        """Queries for the accounts that were not among `before`, each with the block it starts at."""
        if self._everything:
            return []
        added: dict[int, list[bytes]] = {}
        for account in sorted(self.now() - before):
            added.setdefault(max(from_block, self._named.get(account, from_block)), []).append(account)
        return [(start, self.transfers(accounts)) for start, accounts in sorted(added.items())]

    def transfers(self, accounts: Sequence[bytes] | None) -> list[Query]:
        """Queries for the transfers of collateral that touch `accounts`; None: all."""
        return transfer_queries(self._contracts.transfer_collaterals, accounts)

    def shorten(self) -> bool:
        """Ask with shorter lists from now on; False when there is nothing to shorten."""
        return False
