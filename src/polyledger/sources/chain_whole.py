"""The rest of a transaction: a filter on wallets finds their transactions, their books need all logs of these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.concerns import names_any
from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns
from polyledger.net import MethodUnavailableError
from polyledger.sources.chain_fetch import RangeFetcher
from polyledger.sources.chain_integrity import ReorgDetectedError, accounts_named, merged
from polyledger.sources.chain_refusals import Refusal
from polyledger.sources.chain_wire import ACCESS_TOPICS, AMM_TOPICS, TRANSFER_TOPIC, Query, RawAnswer, queries_of

_RECEIPTS_AT_ONCE: Final = 100
_BLOCKS_AT_ONCE: Final = 20

Receipts = Callable[..., Coroutine[Any, Any, LogColumns]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class WholeTransactions:
    """`logs` is what a scan without a filter would take of the transactions, `receipts` every log of those whose
    receipts were read, with `bodies` where they are kept; `requests` is how many were made."""

    logs: LogColumns
    receipts: LogColumns
    bodies: list[RawAnswer]
    requests: int


class TransactionReader:
    """Reads transactions by their receipts, or by their blocks where that asks for less or a node has no receipts."""

    def __init__(
        self,
        fetcher: RangeFetcher,
        contracts: ContractSet,
        receipts: Receipts,
        *,
        everything: bool,
        max_concurrency: int,
    ) -> None:
        self._fetcher = fetcher
        self._contracts = contracts
        self._receipts = receipts
        self._everything = everything or not contracts.transfer_collaterals
        self._max_concurrency = max_concurrency
        self._kept: list[RawAnswer] = []
        self._requests = 0

    async def read(
        self, logs: LogColumns, transactions: NDArray[np.int64], *, operators: Mapping[bytes, int]
    ) -> WholeTransactions:
        """See `ChainSource.whole_transactions`."""
        nothing = LogColumns.empty()
        if not len(transactions):
            return WholeTransactions(nothing, nothing, [], 0)
        accounts = self._accounts(logs, operators)
        queries = queries_of(self._contracts, None if self._everything else sorted(accounts))
        by_receipt, by_block = _by_cost(transactions, len(queries))
        hashes = _hashes_of(logs, by_receipt)
        try:
            receipts = await self._in_parallel(
                partial(self._some_receipts, part) for part in _parts(hashes, _RECEIPTS_AT_ONCE)
            )
        except MethodUnavailableError:
            receipts, by_block = nothing, transactions
        blocks = [int(block) for block in np.unique(by_block >> 16)]
        of_blocks = await self._in_parallel(
            partial(self._some_blocks, part, queries) for part in _parts(blocks, _BLOCKS_AT_ONCE)
        )
        found = merged([receipts, of_blocks.take(np.isin(of_blocks.transaction, by_block))])
        seen = logs.take(np.isin(logs.transaction, transactions))
        _verify_same(seen, found)
        kept = found.take(self._would_be_scanned(found, accounts))
        return WholeTransactions(merged([seen, kept]), receipts, self._kept, self._requests)

    def _accounts(self, logs: LogColumns, operators: Mapping[bytes, int]) -> dict[bytes, int]:
        """Whose transfers count, each with the first block that they count from."""
        accounts = dict.fromkeys(self._contracts.collateral_holders, 0)
        for account, block in [*operators.items(), *accounts_named(logs, ACCESS_TOPICS).items()]:
            accounts[account] = min(block, accounts.get(account, block))
        return accounts

    def _would_be_scanned(self, logs: LogColumns, accounts: Mapping[bytes, int]) -> Mask:
        """Which logs a scan without a filter takes."""
        taken = _one_of(logs.address, self._contracts.log_addresses) | _one_of(logs.topics[:, 0], AMM_TOPICS)
        transfers = _one_of(logs.address, self._contracts.transfer_collaterals)
        transfers &= _one_of(logs.topics[:, 0], [TRANSFER_TOPIC])
        if self._everything:
            return taken | transfers
        for start in sorted(set(accounts.values())):
            group = [account for account, block in accounts.items() if block == start]
            taken |= transfers & (logs.block >= start) & names_any(logs, group)
        return taken

    async def _in_parallel(self, work: Iterable[Callable[[], Coroutine[Any, Any, LogColumns]]]) -> LogColumns:
        gate = asyncio.Semaphore(self._max_concurrency)

        async def one(part: Callable[[], Coroutine[Any, Any, LogColumns]]) -> LogColumns:
            async with gate:
                return await part()

        tasks = [asyncio.create_task(one(part)) for part in work]
        try:
            return LogColumns.concat(list(await asyncio.gather(*tasks)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _some_receipts(self, hashes: Sequence[bytes]) -> LogColumns:
        self._requests += 1
        return await self._receipts(hashes, kept=self._kept)

    async def _some_blocks(self, blocks: Sequence[int], queries: Sequence[Query]) -> LogColumns:
        self._requests += 1
        answers = await self._fetcher.logs([(block, block) for block in blocks], queries, kept=self._kept)
        parts = [answer if isinstance(answer, LogColumns) else await self._divided(block, queries, answer)
                 for block, answer in zip(blocks, answers, strict=True)]  # fmt: skip
        return LogColumns.concat(parts)

    async def _divided(self, block: int, queries: Sequence[Query], refusal: Refusal) -> LogColumns:
        parts, requests = await self._fetcher.divided(block, queries, refusal, self._kept)
        self._requests += requests
        return merged(parts)


def _by_cost(transactions: NDArray[np.int64], queries: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which transactions to read by receipts and which by their block: a block costs as many calls as it has queries,
    a transaction one."""
    _, place, counts = np.unique(transactions >> 16, return_inverse=True, return_counts=True)
    crowded = counts[place] > queries
    return transactions[~crowded], transactions[crowded]


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _hashes_of(logs: LogColumns, transactions: NDArray[np.int64]) -> list[bytes]:
    keys, first = np.unique(logs.transaction, return_index=True)
    wanted = first[np.isin(keys, transactions)]
    return [logs.transaction_hash[place].tobytes() for place in wanted]


def _verify_same(seen: LogColumns, found: LogColumns) -> None:
    """Every log that the scan saw must be in the transactions as they were read, in the same blocks.

    Raises:
        ReorgDetectedError: it is not: the chain changed between the two.
    """
    key, other = (seen.block << 32) | seen.log_index, (found.block << 32) | found.log_index
    place = np.minimum(np.searchsorted(other, key), max(len(other) - 1, 0))
    if not len(other):
        raise ReorgDetectedError(int(seen.block.min()))
    same = (
        (other[place] == key)
        & (found.block_hash[place] == seen.block_hash).all(axis=1)
        & (found.transaction_hash[place] == seen.transaction_hash).all(axis=1)
    )
    if not bool(same.all()):
        raise ReorgDetectedError(int(seen.block[~same].min()))


def _one_of(values: NDArray[np.uint8], choices: Sequence[bytes]) -> Mask:
    mask = np.zeros(len(values), np.bool_)
    for choice in choices:
        mask |= (values == np.frombuffer(choice, np.uint8)).all(axis=1)
    return mask
