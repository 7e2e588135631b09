"""Rows that a service lists for a wallet or an account, stored as imported rows of one name each (``data_api:0x…``).

Such rows have no ids (no log index, no order hash), so equal rows are several trades. What is stored is what the ledger
has not got yet, row for row, and so asking again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from polyledger.ctf.contracts import ContractSet
from polyledger.domain.amounts import amount_text
from polyledger.domain.ids import address_bytes
from polyledger.domain.records import ActivityRecord, TradeRecord
from polyledger.domain.scope import Scope
from polyledger.ledger.imports import FileFacts, TradeWriter
from polyledger.sources.answers import Evidence
from polyledger.sources.files.opening import RowBatch
from polyledger.sources.files.trades import read_trades
from polyledger.store import evidence as evidence_store
from polyledger.store.claims import TRANSACTIONS
from polyledger.store.database import Database
from polyledger.store.keys import ACCOUNTS, CONDITIONS, Dimension, append, binary_array, intern
from polyledger.store.sql import script
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.stated_tokens import prove_stated_tokens

CONVERSION: Final = "CONVERSION"
"""A conversion of neg-risk shares: about a whole neg-risk market, not about one condition."""
_COLUMNS: Final = (
    "transaction", "wallet", "token", "condition", "outcome_index", "outcome", "side", "shares", "collateral",
    "timestamp",
)  # fmt: skip
# The services give prices as quotients in decimal; a product is right to about this share of it.
_RELATIVE_ERROR: Final = 1e-6
_FRESH: Final = 60.0  # seconds for which a list is not read again
_LOOK_BACK: Final = 86_400  # seconds before the end of what was listed that are asked for again: rows may come in late
RecordT = TypeVar("RecordT", TradeRecord, ActivityRecord)
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListedRows:
    """Stores what is new of a list, and remembers what span of time was listed.

    Args:
        database: the ledger.
        evidence_folder: where bodies are kept.
        run_id: of the run.
        name: under which the rows are stored, ``source:0x…``.
        listing: which list of the service: its window is remembered under this word.
        contracts: in whose collaterals tokens derive.
    """

    database: Database
    evidence_folder: Path
    run_id: str
    name: str
    listing: str
    contracts: ContractSet

    def start(self, since: int | None) -> int | None:
        """From when on to ask: a day before the end of what was asked for, if it was asked for from as early on."""
        known = self.database.setting(self._window)
        if known is None:
            return since
        earliest, end = json.loads(known)
        return max(since or 0, end - _LOOK_BACK) if earliest <= (since or 0) else since

    def is_due(self, scope: Scope) -> bool:
        """Whether there is something to ask: what a scope wants was not listed, or not in the last minute."""
        known = self.database.setting(self._window)
        if known is None:
            return True
        earliest, end = json.loads(known)
        if earliest > (scope.since or 0):
            return True
        now = time.time()
        if scope.until is not None and scope.until < now:
            return bool(end < scope.until)
        return bool(now - end > _FRESH)

    def keep(
        self,
        records: Sequence[TradeRecord | ActivityRecord],
        pages: Iterable[Evidence],
        *,
        asked: tuple[int | None, int | None, int],
    ) -> int:
        """Store what is new, in one transaction with its evidence and the window; returns how many rows.

        Args:
            records: all that the service lists from `start` on.
            pages: what it answered.
            asked: (since, start, end): the scope's beginning, and from and until when was asked.
        """
        since, start, end = asked
        trades = [record for record in records if isinstance(record, TradeRecord)]
        movements = [record for record in records if isinstance(record, ActivityRecord)]
        with self.database.transaction():
            fresh_trades = self._new(trades, "listed_trades_stored", _trade_values, start)
            fresh_movements = self._new(movements, "listed_movements_stored", _movement_values, start)
            evidence_id = self._keep_evidence(pages)
            self._store_trades(fresh_trades, evidence_id)
            self._store_movements(fresh_movements)
            self.database.set_setting(self._window, json.dumps([since or 0, end]))
        return len(fresh_trades) + len(fresh_movements)

    @property
    def _window(self) -> str:
        return f"{self.name}:{self.listing}"

    def _new(
        self, records: Sequence[RecordT], stored: str, values: Callable[[RecordT], Values], start: int | None
    ) -> list[RecordT]:
        """The records that the ledger does not have yet, oldest first: as many of equal ones as are missing."""
        known: Counter[Values] = Counter()
        rows = self.database.connection.execute(
            script("polyledger.sync", stored), {"name": self.name, "start": start or 0}
        ).fetchall()
        for row in rows:
            known[row[:-1]] += row[-1]
        fresh = []
        for record in sorted(records, key=lambda one: one.timestamp):
            own = values(record)
            if known[own]:
                known[own] -= 1
            else:
                fresh.append(record)
        return fresh

    def _store_trades(self, records: Sequence[TradeRecord], evidence_id: int) -> None:
        if not records:
            return
        table = pa.table(
            {
                "transaction": [record.transaction_hash for record in records],
                "wallet": [record.wallet for record in records],
                "token": [record.token_id for record in records],
                "condition": [record.condition_id for record in records],
                "outcome_index": [record.outcome_index for record in records],
                "outcome": [record.outcome for record in records],
                "side": [record.side for record in records],
                "shares": [amount_text(record.shares) for record in records],
                "collateral": [amount_text(record.collateral) for record in records],
                "timestamp": [record.timestamp for record in records],
            },
            schema=_SCHEMA,
        )
        columns = {name: name for name in _COLUMNS}
        digest = hashlib.sha256(repr([self.name, *map(_trade_values, records)]).encode()).digest()
        facts = FileFacts(self.name, digest, columns, _RELATIVE_ERROR, self.run_id)
        writer = TradeWriter(self.database.connection, facts)
        writer.write(read_trades(RowBatch(table, np.arange(1, len(records) + 1), 0), columns))
        writer.finish()
        claims = ClaimWriter(self.database, self.evidence_folder, self.run_id, self.contracts)
        source = self.name.partition(":")[0]
        prove_stated_tokens(self.database.connection, claims, source, lambda: evidence_id, writer.file)

    def _store_movements(self, records: Sequence[ActivityRecord]) -> None:
        if not records:
            return
        conditions = [None if r.kind == CONVERSION or r.condition_id is None else r.condition_id for r in records]
        rows = pa.table(
            {
                "source": pa.array([self.name] * len(records)),
                "wallet": self._keys(ACCOUNTS, [record.wallet for record in records]),
                "kind": pa.array([record.kind for record in records]),
                "condition": self._keys(CONDITIONS, conditions),
                "transaction": self._keys(TRANSACTIONS, [record.transaction_hash for record in records]),
                "shares": pa.array([record.amount for record in records], pa.int64()),
                "collateral": pa.array([record.collateral for record in records], pa.int64()),
                "timestamp": pa.array([record.timestamp for record in records], pa.int64()),
            }
        )
        append(self.database.connection, "imported.movements", rows)

    def _keys(self, dimension: Dimension, ids: Sequence[str | None]) -> pa.Array:
        """The keys of ids in hex; null stays null."""
        words = sorted({bytes.fromhex(one[2:]) for one in ids if one is not None})
        if not words:
            return pa.nulls(len(ids), pa.int32())
        keys = dict(
            zip(
                words, intern(self.database.connection, dimension, binary_array(words, len(words[0]))).keys, strict=True
            )
        )
        return pa.array([None if one is None else int(keys[bytes.fromhex(one[2:])]) for one in ids], pa.int32())

    def _keep_evidence(self, pages: Iterable[Evidence]) -> int:
        """Keep the pages; the id of the last one, on which the list as a whole rests."""
        number = 0
        for page in pages:
            number = evidence_store.record(
                self.database.connection,
                source=page.source,
                url=page.url,
                params=page.params,
                status=page.status,
                digest=evidence_store.keep_body(self.evidence_folder, page.body),
                received_at=page.received_at,
                run_id=self.run_id,
            )
        return number


_SCHEMA: Final = pa.schema(
    [
        ("transaction", pa.string()), ("wallet", pa.string()), ("token", pa.string()), ("condition", pa.string()),
        ("outcome_index", pa.int64()), ("outcome", pa.string()), ("side", pa.string()), ("shares", pa.string()),
        ("collateral", pa.string()), ("timestamp", pa.int64()),
    ]
)  # fmt: skip


def _trade_values(record: TradeRecord) -> Values:
    """What makes two trades equal, as listed_trades_stored.sql gives it."""
    return (
        bytes.fromhex(record.transaction_hash[2:]),
        address_bytes(record.wallet),
        int(record.token_id).to_bytes(32, "big"),
        0 if record.side == "BUY" else 1,
        record.shares,
        record.collateral,
        record.timestamp,
    )


def _movement_values(record: ActivityRecord) -> Values:
    """What makes two movements equal, as listed_movements_stored.sql gives it."""
    has_condition = record.condition_id is not None and record.kind != CONVERSION
    return (
        bytes.fromhex(record.transaction_hash[2:]),
        record.kind,
        bytes.fromhex(str(record.condition_id)[2:]) if has_condition else None,
        record.amount,
        record.collateral,
        record.timestamp,
    )
