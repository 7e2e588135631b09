"""What a scan asks for when it is about some wallets: the logs that name them, and the few that all need. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from polyledger.ctf.concerns import NAMING_TABLES, PARTY_TOPICS, POOL_TOPICS, STANDING_TABLES, topics_of
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.sources.chain_accounts import Accounts
from polyledger.sources.chain_wire import Query, padded_addresses, transfer_queries, transfers_between

MOST_IN_A_LIST: Final = 200  # wallets in one list of alternatives; nodes allow from some hundreds to a thousand
_SMALLEST_LIST: Final = 10


class WalletAccounts(Accounts):
    """The logs of some wallets: where an indexed argument names them, and their transfers of collateral.

    Whoever runs the protocol, and which pools there are, is asked for always; conditions, questions, tokens and
    resolutions when `with_names`.
    """

    def __init__(
        self,
        contracts: ContractSet,
        operators: Callable[[], Sequence[bytes]],
        *,
        everything: bool,
        wallets: Sequence[bytes],
        with_names: bool,
    ) -> None:
        super().__init__(contracts, operators, everything=everything)
        self._wallets = sorted(set(wallets))
        self._common = topics_of(STANDING_TABLES | NAMING_TABLES if with_names else STANDING_TABLES)
        self._longest = MOST_IN_A_LIST

    def queries(self, accounts: frozenset[bytes]) -> list[Query]:
        """All queries of a range, with the transfers between the wallets and `accounts`."""
        addresses = self._contracts.log_addresses
        queries = [Query(addresses, (self._common,))]
        for wallets in self._lists():
            padded = padded_addresses(wallets)
            for place, topics in PARTY_TOPICS.items():
                queries.append(Query(addresses, (topics, *[None] * (place - 1), padded)))
            if self._contracts.with_role(Role.FPMM_FACTORY):
                queries += [Query((), (topics, *[None] * (place - 1), padded)) for place, topics in POOL_TOPICS.items()]
        return queries + self.transfers(self.filter(accounts))

    def transfers(self, accounts: Sequence[bytes] | None) -> list[Query]:
        """Queries for the wallets' transfers of collateral to and from `accounts`; None: to and from anybody."""
        collaterals = self._contracts.transfer_collaterals
        if accounts is None:
            return [query for wallets in self._lists() for query in transfer_queries(collaterals, wallets)]
        return [query for wallets in self._lists() for query in transfers_between(collaterals, wallets, accounts)]

    def shorten(self) -> bool:
        """Use shorter lists from now on, because a node refused these; False when they are short already."""
        longest = min(self._longest, max(1, len(self._wallets)))
        if longest <= _SMALLEST_LIST:
            return False
        self._longest = max(_SMALLEST_LIST, longest // 2)
        return True

    def _lists(self) -> Iterator[list[bytes]]:
        for start in range(0, len(self._wallets), self._longest):
            yield self._wallets[start : start + self._longest]
