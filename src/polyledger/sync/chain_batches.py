"""Committing scanned ranges: decode, store, balance, and note the range as done, in one transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import Decoded, decode
from polyledger.ctf.logs import LogColumns
from polyledger.domain.intervals import covers, intersection
from polyledger.ledger import books, ingest
from polyledger.sources.chain import RawAnswer, ScannedRange
from polyledger.store import evidence, intervals, market_claims, scopes
from polyledger.store.database import Database

FINALIZED_SETTING: Final = "finalized_upto"


def finalized_border(database: Database) -> int:
    """The newest stored block that was final when it was read; -1 when there is none."""
    rows = database.connection.execute("SELECT value FROM meta.settings WHERE name = ?", [FINALIZED_SETTING]).fetchall()
    return int(rows[0][0]) if rows else -1


class UnbalancedError(Exception):
    """Some transactions of a range do not balance: logs that no filter could see may be missing.

    `transactions` are the 32-byte hashes.
    """

    def __init__(self, transactions: Sequence[bytes]) -> None:
        super().__init__(f"{len(transactions)} transactions do not balance")
        self.transactions = tuple(transactions)


@dataclass(frozen=True, slots=True)
class Committed:
    """What one range brought. Blocks above it up to `taken_back_to` have been taken back and must be read again."""

    from_block: int
    to_block: int
    logs: int
    fills: int
    unbalanced: int
    taken_back_to: int | None = None


class BatchWriter:
    """Writes ranges into the ledger, one transaction each. Not for use from two threads at a time."""

    def __init__(
        self, database: Database, contracts: ContractSet, scope: str, run_id: str, *, evidence_folder: Path
    ) -> None:
        self._database = database
        self._contracts = contracts
        self._scope = scope
        self.run_id = run_id
        self._evidence_folder = evidence_folder
        self._pools: list[bytes] = []
        self._operators: list[tuple[int, bytes]] = []
        self._reload()

    def operators(self, before: int) -> tuple[bytes, ...]:
        """Addresses (20 bytes) that the exchanges have named operator or admin below block `before`."""
        return tuple(account for tx, account in self._operators if tx >> 16 < before)

    def operators_since(self) -> dict[bytes, int]:
        """All such addresses with the block that first named each."""
        return {account: tx >> 16 for tx, account in self._operators}

    def _reload(self) -> None:
        pools = "SELECT DISTINCT a.address FROM chain.amm_pools AS p JOIN dim.accounts AS a ON a.account = p.pool"
        roles = (
            "SELECT min(r.tx), a.address FROM chain.roles AS r JOIN dim.accounts AS a ON a.account = r.account "
            "WHERE r.granted GROUP BY a.address ORDER BY a.address"
        )
        self._pools = [bytes(row[0]) for row in self._database.query(pools)]
        self._operators = [(int(tx), bytes(address)) for tx, address in self._database.query(roles)]

    def commit(
        self, scanned: ScannedRange, *, finalized: int, final: bool, wallets: Sequence[bytes] | None = None
    ) -> Committed:
        """Store one range.

        Args:
            scanned: the logs of whole transactions, sorted, with the headers of the range's first and last block. Logs
                that the ledger has already, because an earlier scan of wallets brought them, are left out.
            finalized: the newest block that was final when the range was read; blocks above it are looked at again.
            final: store what does not balance as such, instead of asking for more logs.
            wallets: whom the range was scanned for; None for everything.

        Raises:
            UnbalancedError: only when not `final`; nothing has been stored then.
        """
        fresh = self._without_stored(scanned)
        decoded = decode(fresh, self._contracts, frozenset(self._pools))
        kept = [(evidence.keep_body(self._evidence_folder, answer.body), answer) for answer in scanned.bodies]
        scope = self._scope if wallets is None else scopes.scope_of_wallets(self._scope, wallets)
        with self._database.transaction() as connection:
            later = self._end_of_what_depends(connection, scanned)
            if later is not None:
                self._take_back(connection, scanned.to_block, scanned.last.hash)
            left = self._store(connection, decoded, final=final)
            intervals.append_blocks(connection, _blocks(decoded, scanned))
            intervals.forget_sums(connection, scanned.from_block)
            self._note_evidence(connection, kept)
            if wallets is not None:
                scopes.note_wallets(connection, scope, wallets)
            intervals.record(
                connection,
                scope,
                intervals.Scanned(
                    scanned.from_block, scanned.to_block, scanned.last.hash, len(scanned.logs), _digest(scanned.logs)
                ),
                self.run_id,
            )
            scopes.refresh_views(connection)
            border = min(scanned.to_block, finalized)
            if border > finalized_border(self._database):
                self._database.set_setting(FINALIZED_SETTING, str(border))
        if decoded.counts["amm_pools"] or decoded.counts["roles"] or later is not None:
            self._reload()
        return Committed(
            scanned.from_block,
            scanned.to_block,
            len(fresh),
            decoded.counts["fills"] + decoded.counts["amm_trades"],
            len({difference.tx for difference in left}),
            later,
        )

    def _without_stored(self, scanned: ScannedRange) -> LogColumns:
        """The logs of a range that the ledger does not have yet."""
        with self._database.write_lock:
            connection = self._database.connection
            if not intersection([(scanned.from_block, scanned.to_block)], scopes.done_at_all(connection)):
                return scanned.logs
            known = intervals.stored_logs(connection, scanned.from_block << 16, ((scanned.to_block + 1) << 16) - 1)
        return scanned.logs.take(~np.isin((scanned.logs.block << 32) | scanned.logs.log_index, known))

    def _end_of_what_depends(self, connection: duckdb.DuckDBPyConnection, scanned: ScannedRange) -> int | None:
        """The newest block scanned, if blocks right above the range are in the ledger and it says something new.

        What an event means depends on those before it (operators, pools, conditions and their tokens), which every
        scan takes, whoever it is for. So a ledger whose first block was lowered later must equal one that was scanned
        in one go: what lies above is read again.
        """
        if covers(scopes.done_at_all(connection), scanned.from_block, scanned.to_block):
            return None
        return intervals.end_of_neighbour(connection, scanned.to_block)

    def _store(self, connection: duckdb.DuckDBPyConnection, decoded: Decoded, *, final: bool) -> list[books.Difference]:
        """The facts of a batch, balanced; returns what nothing explains."""
        first, last = ingest.block_range(decoded.tables)
        fresh = set(decoded.tables["transactions"].column("tx").to_pylist())
        decoded = _without_known_transactions(connection, decoded, first, last)
        ingest.store(connection, decoded, self._contracts, self._pools)
        left = books.explain_plain(connection, books.differences(connection, first, last))
        left = [difference for difference in left if difference.tx in fresh]
        if left and not final:
            hashes = dict(
                connection.execute(
                    "SELECT tx, hash FROM chain.transactions WHERE tx BETWEEN ? AND ?", [first, last]
                ).fetchall()
            )
            raise UnbalancedError([bytes(hashes[tx]) for tx in sorted({difference.tx for difference in left})])
        books.store_unbalanced(connection, left)
        market_claims.forget_lookups(connection, first, last)
        return left

    def _note_evidence(self, connection: duckdb.DuckDBPyConnection, kept: Sequence[tuple[bytes, RawAnswer]]) -> None:
        for digest, answer in kept:
            evidence.record(
                connection,
                source="chain",
                url=answer.endpoint,
                params=[("from_block", str(answer.from_block)), ("to_block", str(answer.to_block))],
                status=200,
                digest=digest,
                received_at=answer.received_at,
                run_id=self.run_id,
            )

    def roll_back(self, ancestor: int, ancestor_hash: bytes) -> dict[str, int]:
        """Take back all blocks above `ancestor`; returns the rows removed per table."""
        with self._database.transaction() as connection:
            removed = self._take_back(connection, ancestor, ancestor_hash)
            scopes.refresh_views(connection)
        self._reload()
        return removed

    def _take_back(self, connection: duckdb.DuckDBPyConnection, ancestor: int, ancestor_hash: bytes) -> dict[str, int]:
        market_claims.forget_lookups(connection, (ancestor + 1) << 16, np.iinfo(np.int64).max)
        removed = intervals.roll_back(connection, ancestor, ancestor_hash)
        if finalized_border(self._database) > ancestor:
            self._database.set_setting(FINALIZED_SETTING, str(ancestor))
        return removed


def _without_known_transactions(
    connection: duckdb.DuckDBPyConnection, decoded: Decoded, first: int, last: int
) -> Decoded:
    """A transaction of which some logs are in the ledger has its row there already."""
    rows = connection.execute("SELECT tx FROM chain.transactions WHERE tx BETWEEN ? AND ?", [first, last]).fetchnumpy()
    table = decoded.tables["transactions"]
    known = np.isin(table.column("tx").to_numpy(), rows["tx"])
    if not known.any():
        return decoded
    return replace(decoded, tables=decoded.tables | {"transactions": table.filter(pa.array(~known))})


def _blocks(decoded: Decoded, scanned: ScannedRange) -> pa.Table:
    """Rows of chain.blocks: every block with logs, and both borders of the range."""
    blocks = decoded.tables["blocks"]
    numbers = blocks.column("number").to_pylist()
    hashes = blocks.column("hash").to_pylist()
    stamps = blocks.column("timestamp").to_pylist()
    rows: dict[int, tuple[bytes, bytes | None, int]] = {}
    for number, block_hash, stamp in zip(numbers, hashes, stamps, strict=True):
        when = stamp if stamp is not None else scanned.timestamps[number]
        rows[number] = (block_hash, None, when)
    for header in (scanned.first, scanned.last):
        rows[header.number] = (header.hash, header.parent_hash or None, header.timestamp)  # of a file it may lack
    ordered = sorted(rows)
    return pa.table(
        {
            "number": pa.array(ordered, pa.int64()),
            "hash": pa.array([rows[number][0] for number in ordered], pa.binary()),
            "parent_hash": pa.array([rows[number][1] for number in ordered], pa.binary()),
            "timestamp": pa.array([rows[number][2] for number in ordered], pa.int64()),
        }
    )


def _digest(logs: LogColumns) -> bytes:
    """A hash of everything the logs of a range say, independent of how an endpoint wrote them down."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (logs.block, logs.log_index, logs.transaction_hash, logs.address, logs.topics, logs.data):
        digest.update(np.ascontiguousarray(column).data)
    return digest.digest()
