"""What fills a workspace: `sync`, the imports, `probe` and the resolver. Each holds the ledger while it works."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from polyledger.domain.errors import WorkspaceLockedError
from polyledger.domain.scope import Scope
from polyledger.store.database import Database, plain_errors
from polyledger.store.evidence import EVIDENCE_FOLDER
from polyledger.store.market_claims import use_categories
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.store.pending import note_keys
from polyledger.sync.lock import holder
from polyledger.sync.scope import contracts_of
from polyledger.value.coverage import coverage
from polyledger.value.coverage_history import remember
from polyledger.workspace.access import Progress
from polyledger.workspace.following import LedgerFollowing

if TYPE_CHECKING:
    from polyledger.door.holding import Holding
    from polyledger.sync.file_imports import FileReport
    from polyledger.sync.resolver import Resolver

_COUNTED: Final = (
    "fills", "matches", "share_transfers", "collateral_transfers", "position_changes", "redemptions", "conversions",
    "preparations", "resolutions", "transactions", "minor_logs", "unknown_logs",
)  # fmt: skip
_LISTED: Final = {"imported_trades": "imported.trades", "imported_movements": "imported.movements"}


class LedgerWriting(LedgerFollowing):
    """The commands that write."""

    def sync(
        self,
        *,
        progress: Progress | None = None,
        budget: float | None = None,
        only: Sequence[str] = (),
        scope: Scope | None = None,
    ) -> dict[str, Any]:
        """Fetch what is missing, check it and commit it; the polyledger.sync/1 document.

        Args:
            progress: called with an event (stage, done, total, unit, rate, eta_seconds, message) as the work goes on.
            budget: seconds after which to stop, save and report `partial`.
            only: names of sources and actions to keep to, as in `plan`.
            scope: fetch no more than this part; None fetches everything, and so widens a ledger of a part.

        Raises:
            WorkspaceLockedError: another process writes this ledger.
            UpstreamUnavailableError, SourceError: the chain cannot be read; what was committed stays.
        """
        from polyledger.insight.skill import refresh_priors
        from polyledger.sync.pending import retry_due
        from polyledger.sync.run import Run, report_document

        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("sync", progress) as held:
            run = Run(
                held.database,
                self.settings,
                self.path,
                categories=self._categories(),
                progress=held.progress,
                budget=budget,
                only=only,
                scope=scope,
            )
            held.state.run_id = run.report.run_id
            before = _counts(held.database)
            self._before(held)
            report = run.execute()
            if not report.is_late:
                evidence = self.path / EVIDENCE_FOLDER
                retry_due(held.database, self.settings, self.path, report.run_id, evidence_folder=evidence)
            refresh_priors(held.database)
            brought = {name: count - before[name] for name, count in _counts(held.database).items()}
            covered = coverage(held.database)
            remember(held.database, report.run_id, "sync", covered)
            held.state.covered(covered)
            followed = self._follow(held, report.run_id, "sync")
            held.state.finish(report.state)
            return report_document(report, brought, covered) | followed

    def import_trades(
        self,
        files: Sequence[str | Path],
        *,
        columns: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Import files of trades (Parquet, CSV, JSON lines); the polyledger.import/1 document.

        A file is imported whole or not at all, and one that fails does not stop the others: its state is ``failed``
        and its message says why.

        Args:
            files: the files; they are never changed.
            columns: theirs → ours for columns whose names are not recognised; ``-`` leaves a column out.
            progress: called with an event as the work goes on.

        Raises:
            UsageError: `columns` maps to something that does not exist.
            WorkspaceLockedError: another process writes this ledger.
        """
        from polyledger.sync.file_imports import TRADES, TradeImport, import_document
        from polyledger.sync.scope import claim_scope

        began = time.monotonic()
        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("import", progress) as held:
            contracts = contracts_of(self.settings)
            claim_scope(held.database, self.settings, contracts)
            work = TradeImport(
                held.database, self.path, mapping=columns or {}, progress=held.progress, contracts=contracts
            )
            reports = work.run([Path(file) for file in files])
            self._after_import(held, work.run_id, reports)
            return import_document(reports, TRADES, time.monotonic() - began)

    def import_logs(
        self,
        files: Sequence[str | Path],
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        columns: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Import raw logs and block headers as chain data, with the checks of a scan; the polyledger.import/1 document.

        The blocks `from_block` … `to_block` (else from the first to the last with a log) count as scanned from then
        on: the files must hold every log of the protocol's contracts in them. With rules in the workspace they are
        evaluated on the new fills, as at the end of a sync, and the document has ``signals``.

        Raises:
            UnreadableFileError: a file cannot be read or is not sorted by block; whole ranges before that place stay.
            UsageError: the blocks or `columns` make no sense.
            ConfigurationError: the ledger was begun with other contracts.
        """
        from polyledger.insight.skill import refresh_priors
        from polyledger.sync.log_imports import after_logs, log_import, logs_document

        began = time.monotonic()
        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("import", progress) as held:
            work = log_import(held.database, self.settings, self.path, mapping=columns or {}, progress=held.progress)
            self._before(held)
            reports = work.run([Path(file) for file in files], from_block, to_block)
            after_logs(held.database)
            refresh_priors(held.database)
            self._after_import(held, work.run_id, reports)
            return logs_document(work, reports, time.monotonic() - began) | self._follow(held, work.run_id, "import")

    def import_mapping(
        self,
        files: Sequence[str | Path],
        *,
        columns: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Import files that say what tokens, conditions and markets are, as claims of source ``file:NAME``.

        Arguments, errors and document as for `import_trades`; each file also counts its claims by verdict, and says
        why rows were quarantined.
        """
        from polyledger.sync.file_imports import import_document
        from polyledger.sync.mapping_imports import MAPPING, MappingImport
        from polyledger.sync.scope import claim_scope

        began = time.monotonic()
        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("import", progress) as held:
            contracts = contracts_of(self.settings)
            claim_scope(held.database, self.settings, contracts)
            work = MappingImport(
                held.database, self.path, mapping=columns or {}, progress=held.progress, contracts=contracts
            )
            reports = work.run([Path(file) for file in files])
            self._after_import(held, work.run_id, reports)
            return import_document(reports, MAPPING, time.monotonic() - began) | self._follow(
                held, work.run_id, "import"
            )

    def _after_import(self, held: Holding, run_id: str, reports: Sequence[FileReport]) -> None:
        """The table of categories is in force from the first import on; what coverage came to is kept."""
        with held.database.transaction() as connection:
            use_categories(connection, self._categories())
        if any(report.state == "imported" for report in reports):
            remember(held.database, run_id, "import", coverage(held.database))

    def probe(self) -> dict[str, Any]:
        """Measure what each source can do now: ``{"probe": …, "stored": …}``, see `polyledger.sync.probe`.

        Where a ledger is there and nobody else writes it, the result is kept in it, and plans reckon with it.
        """
        from polyledger.store.probed import save_probe
        from polyledger.sync.probe import probe

        document = probe(self.settings)
        self.close()
        file = self.path / LEDGER_FILE
        stored = file.exists() and holder(self.path) is None
        if stored:
            with plain_errors(file), self._holding("probe", None) as held:
                save_probe(held.database, document)
        return {"probe": document, "stored": stored}

    def resolver(self, *, online: bool = False, cache_size: int = 200_000) -> Resolver:
        """What tokens, conditions, markets, slugs and transactions are, for rows of your own as they come in.

        Works beside a run that holds the ledger. What stays unknown is queued when the resolver is closed or flushed,
        and tried again by `sync`.

        Args:
            online: ask the sources about what the ledger does not know, and keep their answers in it, proven. While
                another process holds the ledger such keys stay pending.
            cache_size: attributions kept in memory at most.
        """
        from polyledger.sync.resolver import Resolver

        if online and not (self.path / LEDGER_FILE).exists():
            self.init(self.path)
            with self._holding("resolve", None):
                pass
        return Resolver(
            self._rows,
            contracts_of(self.settings),
            online=self._fetch if online else None,
            remember=lambda keys: note_keys(self.path, keys),
            cache_size=cache_size,
        )

    def _fetch(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Ask the sources about keys and commit what they say; nothing is kept while another process has the ledger."""
        from concurrent.futures import ThreadPoolExecutor

        import anyio

        from polyledger.sync.claim_writer import ClaimWriter
        from polyledger.sync.pending import ask_sources

        with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
            asked = thread.submit(anyio.run, lambda: ask_sources(self.settings, keys)).result()
        self.close()
        with suppress(WorkspaceLockedError), self._holding("resolve", None) as held:
            run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-resolve"
            asked.commit(ClaimWriter(held.database, self.path / EVIDENCE_FOLDER, run_id, contracts_of(self.settings)))


def _counts(database: Database) -> dict[str, int]:
    tables = {name: f"chain.{name}" for name in _COUNTED} | _LISTED
    return {name: int(database.query(f"SELECT count(*) FROM {table}")[0][0]) for name, table in tables.items()}
