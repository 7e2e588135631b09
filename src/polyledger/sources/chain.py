"""The chain as a source: all logs that concern the protocol, in block order, without holes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.domain.errors import UpstreamUnavailableError
from polyledger.net import Call, EndpointPool, JsonRpcClient
from polyledger.sources.chain_accounts import Accounts
from polyledger.sources.chain_fetch import RangeFetcher
from polyledger.sources.chain_gather import Admission
from polyledger.sources.chain_integrity import ReorgDetectedError
from polyledger.sources.chain_ranges import RangeSizer
from polyledger.sources.chain_scan import Scan
from polyledger.sources.chain_wallets import WalletAccounts
from polyledger.sources.chain_whole import TransactionReader, WholeTransactions
from polyledger.sources.chain_wire import (
    BLOCK_NUMBER,
    CHAIN_ID,
    Head,
    Header,
    RawAnswer,
    ScannedRange,
    header_call,
    read_header,
    read_quantity,
    read_receipt_logs,
    required,
)

__all__ = ["ChainSource", "Head", "Header", "RawAnswer", "ReorgDetectedError", "ScannedRange", "WholeTransactions"]

POLYGON: Final = 137
FINALITY_DISTANCE: Final = 128  # blocks below the head that count as final where the node does not say
_RECEIPTS_PER_REQUEST: Final = 100
CollateralTransfers = Literal["protocol", "all"]


class ChainSource:
    """Logs, headers and receipts of one chain, from a pool of JSON-RPC endpoints.

    Args:
        pool: the endpoints.
        contracts: whose logs are taken.
        chain_id: the chain that every endpoint must serve.
        collateral_transfers: ``protocol`` takes transfers of collateral that touch the protocol or its operators,
            ``all`` takes every one.
        max_concurrency: the most ranges asked for at the same time.
        sizer: how ranges grow; what it learns is kept from scan to scan.
        keep_bodies: hand out the answers themselves too, in `ScannedRange.bodies`.
    """

    def __init__(
        self,
        pool: EndpointPool,
        contracts: ContractSet,
        *,
        chain_id: int = POLYGON,
        collateral_transfers: CollateralTransfers = "protocol",
        max_concurrency: int = 4,
        sizer: RangeSizer | None = None,
        keep_bodies: bool = False,
    ) -> None:
        self._pool = pool
        self._contracts = contracts
        self._admission = Admission(chain_id)
        self._fetcher = RangeFetcher(pool, self._admission, keep_bodies=keep_bodies)
        self._keep_bodies = keep_bodies
        self._everything = collateral_transfers == "all"
        self._max_concurrency = max_concurrency
        self._sizer = sizer or RangeSizer()

    async def check(self) -> None:
        """Make sure that an endpoint answers, speaks JSON-RPC and serves our chain. Others are checked when first used.

        Raises:
            WrongChainError, NotJsonRpcError, UpstreamUnavailableError.
        """
        await self._pool.run(self._admission.admit)

    async def head(self) -> Head:
        """The newest block and the newest final one, in one request.

        Raises:
            UpstreamUnavailableError, WrongChainError, NotJsonRpcError.
        """
        calls = [BLOCK_NUMBER, header_call("finalized"), CHAIN_ID]

        async def attempt(endpoint: JsonRpcClient) -> Head:
            asked = calls[:2] if self._admission.knows(endpoint) else calls
            replies = await endpoint.batch(asked)
            if len(asked) == len(calls):
                self._admission.note(endpoint, required(endpoint, CHAIN_ID, replies[2]))
            latest = read_quantity(required(endpoint, BLOCK_NUMBER, replies[0]), "eth_blockNumber")
            error = replies[1].error
            if error is not None and error.is_rate_limit:
                required(endpoint, asked[1], replies[1])
            if error is not None or replies[1].result is None or replies[1].is_null:
                return Head(latest, max(0, latest - FINALITY_DISTANCE), finalized_known=False)
            return Head(latest, min(latest, read_header(replies[1].result).number), finalized_known=True)

        return await self._pool.run(attempt)

    async def headers(self, numbers: Sequence[int]) -> dict[int, Header]:
        """Headers by number. Blocks that no endpoint has are left out.

        Raises:
            UpstreamUnavailableError, SchemaMismatchError.
        """
        return await self._fetcher.headers(numbers)

    def scan(
        self,
        from_block: int,
        to_block: int,
        *,
        operators: Callable[[], Sequence[bytes]],
        wallets: Sequence[bytes] | None = None,
        with_names: bool = True,
    ) -> AsyncGenerator[ScannedRange, None]:
        """All logs of a span of blocks, range by range, in order and without holes.

        Ranges are asked for ahead of the reader, within bounded memory. Each follows on the one before by its parent
        hash, is whole, and if it is empty has been looked at twice. Close the iterator (``aclose``) to stop early.

        Args:
            from_block: the first block.
            to_block: the last block; a node that has not seen it is not asked.
            operators: addresses (20 bytes) whose transfers of collateral count besides the protocol's own; asked again
                for each range. Operators and admins that the logs of this scan name are found by the scan itself, and
                count from the block that names them.
            wallets: addresses (20 bytes) whose logs alone are taken, by the topics that name them, besides the few that
                every ledger needs; None takes all logs. `whole_transactions` gives what else happened in theirs.
            with_names: with `wallets`, take conditions, questions, tokens and resolutions too.

        Raises:
            ReorgDetectedError: the chain changed below a range that was handed out.
            UpstreamUnavailableError: no endpoint gives a usable answer any more.
            SourceError, SchemaMismatchError, WrongChainError: refused for good.
        """
        if wallets is None:
            accounts = Accounts(self._contracts, operators, everything=self._everything)
        else:
            accounts = WalletAccounts(
                self._contracts, operators, everything=self._everything, wallets=wallets, with_names=with_names
            )
        scan = Scan(
            self._fetcher,
            self._contracts,
            accounts,
            self._sizer,
            (from_block, to_block),
            max_concurrency=self._max_concurrency,
        )
        return scan.ranges()

    async def whole_transactions(
        self, logs: LogColumns, transactions: NDArray[np.int64], *, operators: Mapping[bytes, int]
    ) -> WholeTransactions:
        """Everything that a scan without a filter would take of some transactions, and all logs of their receipts.

        Args:
            logs: what a scan of wallets found, those transactions' logs included.
            transactions: their keys (block << 16 | index), sorted.
            operators: addresses whose transfers count besides the protocol's own, each with the block that named it;
                those that `logs` name are added.

        Raises:
            ReorgDetectedError: the transactions are no longer what the scan saw.
            UpstreamUnavailableError, SourceError, SchemaMismatchError.
        """
        reader = TransactionReader(
            self._fetcher,
            self._contracts,
            self.receipts,
            everything=self._everything,
            max_concurrency=self._max_concurrency,
        )
        return await reader.read(logs, transactions, operators=operators)

    async def receipts(self, transaction_hashes: Sequence[bytes], *, kept: list[RawAnswer] | None = None) -> LogColumns:
        """All logs of whole transactions, sorted. Timestamps are only there if the node gives them with the logs.

        The bodies of the answers are added to `kept`, if this source keeps bodies.

        Raises:
            MethodUnavailableError (a SourceError): no endpoint offers receipts.
            UpstreamUnavailableError, SchemaMismatchError.
        """
        parts = [
            await self._receipts(transaction_hashes[start : start + _RECEIPTS_PER_REQUEST], kept)
            for start in range(0, len(transaction_hashes), _RECEIPTS_PER_REQUEST)
        ]
        return LogColumns.concat(parts).sort()

    async def _receipts(self, hashes: Sequence[bytes], kept: list[RawAnswer] | None) -> LogColumns:
        found: dict[bytes, LogColumns] = {}
        bodies: dict[int, tuple[str, bytes]] = {}

        async def attempt(endpoint: JsonRpcClient) -> None:
            await self._admission.admit(endpoint)
            missing = [one for one in dict.fromkeys(hashes) if one not in found]
            calls = [Call("eth_getTransactionReceipt", ("0x" + one.hex(),)) for one in missing]
            failure: UpstreamUnavailableError | None = None
            for one, call, reply in zip(missing, calls, await endpoint.batch(calls), strict=True):
                try:
                    raw = required(endpoint, call, reply)
                except UpstreamUnavailableError as error:
                    failure = error
                else:
                    found[one] = columns_from_results([read_receipt_logs(raw, one)])
                    bodies[id(reply.body)] = (endpoint.name, reply.body)
            if failure is not None:
                raise failure

        await self._pool.run(attempt)
        logs = LogColumns.concat([found[one] for one in dict.fromkeys(hashes)])
        if kept is not None and self._keep_bodies and len(logs):
            first, last, now = int(logs.block.min()), int(logs.block.max()), time.time()
            kept += [RawAnswer(name, first, last, now, body) for name, body in bodies.values()]
        return logs
