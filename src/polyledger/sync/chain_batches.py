"""Committing scanned ranges: decode, store, balance, and note the range as done, in one transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet
from polyledger.ctf.decode import Decoded, decode
from polyledger.ctf.logs import LogColumns
from polyledger.ledger import books, ingest
from polyledger.sources.chain import RawAnswer, ScannedRange
from polyledger.store import evidence, intervals, market_claims
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
        self._run_id = run_id
        self._evidence_folder = evidence_folder
        self._pools: list[bytes] = []
        self._operators: list[tuple[int, bytes]] = []
        self._reload()

    def operators(self, before: int) -> tuple[bytes, ...]:
        """Addresses (20 bytes) that the exchanges have named operator or admin below block `before`."""
        return tuple(account for tx, account in self._operators if tx >> 16 < before)

    def _reload(self) -> None:
        pools = "SELECT DISTINCT a.address FROM chain.amm_pools AS p JOIN dim.accounts AS a ON a.account = p.pool"
        roles = (
            "SELECT min(r.tx), a.address FROM chain.roles AS r JOIN dim.accounts AS a ON a.account = r.account "
            "WHERE r.granted GROUP BY a.address ORDER BY a.address"
        )
        self._pools = [bytes(row[0]) for row in self._database.query(pools)]
        self._operators = [(int(tx), bytes(address)) for tx, address in self._database.query(roles)]

    def commit(self, scanned: ScannedRange, *, finalized: int, final: bool) -> Committed:
        """Store one range.

        Args:
            scanned: the logs of whole blocks, sorted, with the headers of the range's first and last block.
            finalized: the newest block that was final when the range was read; blocks above it are looked at again.
            final: store what does not balance as such, instead of asking for more logs.

        Raises:
            UnbalancedError: only when not `final`; nothing has been stored then.
        """
        decoded = decode(scanned.logs, self._contracts, frozenset(self._pools))
        kept = [(evidence.keep_body(self._evidence_folder, answer.body), answer) for answer in scanned.bodies]
        with self._database.transaction() as connection:
            # What an event means depends on those before it (operators, pools, conditions and their tokens). So a
            # ledger whose first block was lowered later must equal one that was scanned in one go.
            later = intervals.end_of_neighbour(connection, self._scope, scanned.to_block)
            if later is not None:
                self._take_back(connection, scanned.to_block, scanned.last.hash)
            ingest.store(connection, decoded, self._contracts, self._pools)
            first, last = ingest.block_range(decoded.tables)
            left = books.explain_plain(connection, books.differences(connection, first, last))
            if left and not final:
                hashes = dict(
                    connection.execute(
                        "SELECT tx, hash FROM chain.transactions WHERE tx BETWEEN ? AND ?", [first, last]
                    ).fetchall()
                )
                raise UnbalancedError([bytes(hashes[tx]) for tx in sorted({difference.tx for difference in left})])
            books.store_unbalanced(connection, left)
            market_claims.forget_lookups(connection, first, last)
            intervals.append_blocks(connection, _blocks(decoded, scanned))
            intervals.forget_sums(connection, scanned.from_block)
            self._note_evidence(connection, kept)
            intervals.record(
                connection,
                self._scope,
                intervals.Scanned(
                    scanned.from_block, scanned.to_block, scanned.last.hash, len(scanned.logs), _digest(scanned.logs)
                ),
                self._run_id,
            )
            border = min(scanned.to_block, finalized)
            if border > finalized_border(self._database):
                self._database.set_setting(FINALIZED_SETTING, str(border))
        if decoded.counts["amm_pools"] or decoded.counts["roles"] or later is not None:
            self._reload()
        return Committed(
            scanned.from_block,
            scanned.to_block,
            len(scanned.logs),
            decoded.counts["fills"] + decoded.counts["amm_trades"],
            len({difference.tx for difference in left}),
            later,
        )

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
                run_id=self._run_id,
            )

    def roll_back(self, ancestor: int, ancestor_hash: bytes) -> dict[str, int]:
        """Take back all blocks above `ancestor`; returns the rows removed per table."""
        with self._database.transaction() as connection:
            removed = self._take_back(connection, ancestor, ancestor_hash)
        self._reload()
        return removed

    def _take_back(self, connection: duckdb.DuckDBPyConnection, ancestor: int, ancestor_hash: bytes) -> dict[str, int]:
        market_claims.forget_lookups(connection, (ancestor + 1) << 16, np.iinfo(np.int64).max)
        removed = intervals.roll_back(connection, ancestor, ancestor_hash)
        if finalized_border(self._database) > ancestor:
            self._database.set_setting(FINALIZED_SETTING, str(ancestor))
        return removed


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
        rows[header.number] = (header.hash, header.parent_hash, header.timestamp)
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
