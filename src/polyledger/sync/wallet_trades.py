"""The trades of some wallets from the Data API, for people without an archive node: imported rows of one file a wallet.

The service lists trades without log indexes, so equal rows are several trades. A run adds what the ledger has not got
yet, row for row, and so asking again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import PolyledgerError, WorkspaceError
from polyledger.domain.records import Lookup, TradeRecord
from polyledger.domain.scope import moment_text
from polyledger.ledger.imports import FileFacts, TradeWriter
from polyledger.sources.answers import Evidence
from polyledger.sources.data_wallets import DataApiWallets
from polyledger.sources.files.opening import RowBatch
from polyledger.sources.files.trades import read_trades
from polyledger.store import evidence as evidence_store
from polyledger.store.database import Database
from polyledger.store.sql import script

SOURCE: Final = "data_api"
_COLUMNS: Final = (
    "transaction", "wallet", "token", "condition", "outcome_index", "outcome", "side", "shares", "collateral",
    "timestamp",
)  # fmt: skip
# The service gives prices as quotients in decimal; a product is right to about this share of it.
_RELATIVE_ERROR: Final = 1e-6
_LOOK_BACK: Final = 86_400  # seconds before the newest trade known that are asked for again: rows may come in late
Progress = Callable[[dict[str, Any]], None]
Row = tuple[bytes, bytes, int, int, int, int]


@dataclass
class WalletTradesOutcome:
    """What came: wallets asked for, new rows, rows that could not be read, and the error that ended it."""

    wallets: int = 0
    rows: int = 0
    rejected: int = 0
    late: bool = False  # the deadline came before the last wallet
    error: PolyledgerError | None = None


@dataclass
class WalletTrades:
    """Asks for each wallet's trades and stores what is new, one transaction a wallet."""

    database: Database
    source: DataApiWallets
    evidence_folder: Path
    run_id: str
    progress: Progress
    since: int | None = None
    until: int | None = None
    deadline: float | None = None
    outcome: WalletTradesOutcome = field(default_factory=WalletTradesOutcome)

    async def run(self, wallets: Sequence[str]) -> WalletTradesOutcome:
        """Every wallet in turn; stops at the deadline, or at the first error of the service, which is kept."""
        for number, wallet in enumerate(wallets):
            self._report(number, len(wallets), wallet)
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.outcome.late = True
                return self.outcome
            try:
                await self._wallet(wallet)
            except WorkspaceError:
                raise  # the ledger's trouble, a full disk say, not the service's
            except PolyledgerError as error:
                self.outcome.error = error
                return self.outcome
            self.outcome.wallets += 1
        self._report(len(wallets), len(wallets), None)
        return self.outcome

    async def _wallet(self, wallet: str) -> None:
        start, end = self._start(wallet), self.until if self.until is not None else int(time.time())
        records: list[TradeRecord] = []
        pages: list[Evidence] = []
        rejected = 0
        async for page in self.source.trades(wallet, start=start, end=end):
            pages.append(page.evidence)
            for answer in page.answers:
                if isinstance(answer.record, TradeRecord):
                    records.append(answer.record)
                else:
                    rejected += answer.state is not Lookup.FOUND
        with self.database.transaction():
            fresh = self._new(wallet, records, start)
            self._keep(pages)
            self._store(wallet, fresh)
            self.database.set_setting(_window_setting(wallet), json.dumps([self.since or 0, end]))
        self.outcome.rows += len(fresh)
        self.outcome.rejected += rejected

    def _start(self, wallet: str) -> int | None:
        """From when on to ask: a day before the end of what was asked for, if it was asked for from as early on."""
        known = self.database.setting(_window_setting(wallet))
        if known is None:
            return self.since
        since, end = json.loads(known)
        return max(self.since or 0, end - _LOOK_BACK) if since <= (self.since or 0) else self.since

    def _new(self, wallet: str, records: Sequence[TradeRecord], start: int | None) -> list[TradeRecord]:
        """The records that the ledger does not have yet, oldest first: as many of equal ones as are missing."""
        stored = self.database.connection.execute(
            script("polyledger.sync", "wallet_trades_stored"),
            {"name": _file_name(wallet), "start": start or 0},
        ).fetchall()
        known: Counter[Row] = Counter()
        for transaction, token, side, shares, collateral, timestamp, count in stored:
            known[bytes(transaction), bytes(token), side, shares, collateral, timestamp] += count
        fresh = []
        for record in sorted(records, key=lambda one: one.timestamp):
            row = _row(record)
            if known[row]:
                known[row] -= 1
            else:
                fresh.append(record)
        return fresh

    def _store(self, wallet: str, records: Sequence[TradeRecord]) -> None:
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
        digest = hashlib.sha256(repr([wallet, *map(_row, records)]).encode()).digest()
        facts = FileFacts(_file_name(wallet), digest, columns, _RELATIVE_ERROR, self.run_id)
        writer = TradeWriter(self.database.connection, facts)
        writer.write(read_trades(RowBatch(table, np.arange(1, len(records) + 1), 0), columns))
        writer.finish()

    def _keep(self, pages: Sequence[Evidence]) -> None:
        for page in pages:
            evidence_store.record(
                self.database.connection,
                source=page.source,
                url=page.url,
                params=page.params,
                status=page.status,
                digest=evidence_store.keep_body(self.evidence_folder, page.body),
                received_at=page.received_at,
                run_id=self.run_id,
            )

    def _report(self, done: int, total: int, wallet: str | None) -> None:
        span = "" if self.since is None else f" since {moment_text(self.since)}"
        self.progress(
            {
                "stage": SOURCE,
                "done": done,
                "total": total,
                "unit": "wallets",
                "message": f"{self.outcome.rows:,} trades" if wallet is None else f"trades of {wallet}{span}",
            }
        )


_SCHEMA: Final = pa.schema(
    [
        ("transaction", pa.string()), ("wallet", pa.string()), ("token", pa.string()), ("condition", pa.string()),
        ("outcome_index", pa.int64()), ("outcome", pa.string()), ("side", pa.string()), ("shares", pa.string()),
        ("collateral", pa.string()), ("timestamp", pa.int64()),
    ]
)  # fmt: skip


def _file_name(wallet: str) -> str:
    return f"{SOURCE}:{wallet}"


def _window_setting(wallet: str) -> str:
    return f"{SOURCE}:{wallet}:window"


def _row(record: TradeRecord) -> Row:
    """What makes two rows equal."""
    return (
        bytes.fromhex(record.transaction_hash[2:]),
        int(record.token_id).to_bytes(32, "big"),
        0 if record.side == "BUY" else 1,
        record.shares,
        record.collateral,
        record.timestamp,
    )
