"""The public Python API: a workspace folder, what can be asked of it, and the one call that fills it.

>>> import polyledger
>>> with polyledger.open("my-ledger") as workspace:
...     workspace.sync()
...     workspace.wallets(limit=10).df()
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import anyio
import pyarrow as pa

from polyledger.config import Settings, load_settings
from polyledger.config_file import toml_template
from polyledger.domain.amounts import parse_amount
from polyledger.domain.categories import CategoryTable, default_categories, parse_categories
from polyledger.domain.errors import UsageError, WorkspaceError, WorkspaceLockedError
from polyledger.domain.scope import Scope
from polyledger.door.client import Door
from polyledger.door.holding import Holding, holding
from polyledger.door.questions import Asked, answer
from polyledger.door.wire import DoorClosedError
from polyledger.insight.skill import refresh_priors
from polyledger.store.database import Database, plain_errors
from polyledger.store.export import export
from polyledger.store.pending import note_keys
from polyledger.store.probed import save_probe
from polyledger.store.user_sql import user_query
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.enriched_file import write_enriched
from polyledger.sync.file_imports import TRADES, TradeImport, import_document
from polyledger.sync.gaps import DEFAULT_LIMIT
from polyledger.sync.lock import held_by, holder
from polyledger.sync.log_imports import after_logs, log_import, logs_document
from polyledger.sync.mapping_imports import MAPPING, MappingImport
from polyledger.sync.pending import ask_sources, retry_due
from polyledger.sync.planning import make_plan, plan_document
from polyledger.sync.probe import probe
from polyledger.sync.resolver import CACHED, Resolver
from polyledger.sync.run import Run, report_document
from polyledger.sync.scope import claim_scope, contracts_of
from polyledger.sync.status import resume_command, status_document
from polyledger.sync.work import EVIDENCE_FOLDER
from polyledger.value.against import compare
from polyledger.value.coverage import coverage
from polyledger.value.tables import conflicts_table, positions_table, wallets_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Result", "Workspace", "open"]

LEDGER_FILE: Final = "ledger.duckdb"
CATEGORIES_FILE: Final = "categories.toml"
_COUNTED: Final = (
    "fills", "matches", "share_transfers", "collateral_transfers", "position_changes", "redemptions", "conversions",
    "preparations", "resolutions", "transactions", "minor_logs", "unknown_logs",
)  # fmt: skip
_SECONDS_FOR_STATUS: Final = 5.0
_SECONDS_FOR_A_CHANGE: Final = 1.0
# How long a ledger may take to change hands: to be opened by a run that begins, or closed by one that ends.
_SECONDS_OF_PATIENCE: Final = 5.0
_SECONDS_BETWEEN_TRIES: Final = 0.05

Progress = Callable[[dict[str, Any]], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Result:
    """An answer in three forms: the JSON document, an Arrow table, and data frames made from that."""

    document: dict[str, Any]
    _table: Callable[[], pa.Table]

    def arrow(self) -> pa.Table:
        """The answer as an Arrow table; amounts are integers in millionths."""
        return self._table()

    def df(self) -> Any:
        """The answer as a pandas data frame (pandas must be installed)."""
        return self.arrow().to_pandas()

    def pl(self) -> pl.DataFrame:
        """The answer as a polars data frame (polars must be installed)."""
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame, never a series
        return frame


class Workspace:
    """One workspace folder. Use it as a context manager, or call `close`. Make it with `open`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self._database: Database | None = None

    @staticmethod
    def init(path: str | Path) -> Path:
        """Make the folder with a commented polyledger.toml; what is there already stays as it is."""
        folder = Path(path)
        file = folder / "polyledger.toml"
        partial = folder / f".polyledger.toml.{os.getpid()}.part"
        try:
            with plain_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    try:
                        partial.write_text(toml_template(), encoding="utf-8")
                        partial.replace(file)
                    finally:
                        partial.unlink(missing_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{folder} cannot be made a workspace ({error.strerror})", "Choose a folder you may write in"
            ) from error
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger file."""
        if self._database is not None:
            self._database.close()
            self._database = None

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
            report = run.execute()
            if not report.is_late:
                evidence = self.path / EVIDENCE_FOLDER
                retry_due(held.database, self.settings, self.path, report.run_id, evidence_folder=evidence)
            refresh_priors(held.database)
            brought = {name: count - before[name] for name, count in _counts(held.database).items()}
            covered = coverage(held.database)
            held.state.covered(covered)
            held.state.finish(report.state)
            return report_document(report, brought, covered)

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
        began = time.monotonic()
        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("import", progress) as held:
            work = TradeImport(held.database, self.path, mapping=columns or {}, progress=held.progress)
            reports = work.run([Path(file) for file in files])
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
        on: the files must hold every log of the protocol's contracts in them.

        Raises:
            UnreadableFileError: a file cannot be read or is not sorted by block; whole ranges before that place stay.
            UsageError: the blocks or `columns` make no sense.
            ConfigurationError: the ledger was begun with other contracts.
        """
        began = time.monotonic()
        self.close()
        self.init(self.path)
        with plain_errors(self.path / LEDGER_FILE), self._holding("import", progress) as held:
            work = log_import(held.database, self.settings, self.path, mapping=columns or {}, progress=held.progress)
            reports = work.run([Path(file) for file in files], from_block, to_block)
            after_logs(held.database)
            return logs_document(work, reports, time.monotonic() - began)

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
            return import_document(reports, MAPPING, time.monotonic() - began)

    def probe(self) -> dict[str, Any]:
        """Measure what each source can do now: ``{"probe": …, "stored": …}``, see `polyledger.sync.probe`.

        Where a ledger is there and nobody else writes it, the result is kept in it, and plans reckon with it.
        """
        document = probe(self.settings)
        self.close()
        file = self.path / LEDGER_FILE
        stored = file.exists() and holder(self.path) is None
        if stored:
            with plain_errors(file), self._holding("probe", None) as held:
                save_probe(held.database, document)
        return {"probe": document, "stored": stored}

    def status(self) -> dict[str, Any]:
        """What runs, what is done, and how to go on: the polyledger.status/1 document."""
        patience = time.monotonic() + _SECONDS_FOR_A_CHANGE
        while (held := holder(self.path)) is not None:
            try:
                document = Door(self.path).ask("status", patience=_SECONDS_FOR_STATUS)
                return {**document, "resume": resume_command(self.path)}
            except DoorClosedError:  # it is just beginning or ending
                if time.monotonic() > patience:
                    return status_document(self.path, held, None)  # its lock says the least
            time.sleep(_SECONDS_BETWEEN_TRIES)
        if not (self.path / LEDGER_FILE).exists():
            return status_document(self.path, None, None)
        return self._answered(
            lambda door: {**door.ask("status"), "resume": resume_command(self.path)},
            lambda: status_document(self.path, None, self._reader()),
        )

    def gaps(self, by: str | None = None, *, limit: int = DEFAULT_LIMIT, scope: Scope | None = None) -> Result:
        """What is missing, of what, and the keys on which most hangs; `by` is month, source or category."""
        document = self._ask("gaps", by=by, limit=limit, **_in_scope(scope))
        return Result(document, lambda: pa.Table.from_pylist(document["keys"]))

    def plan(self, *, only: Sequence[str] = (), budget: float | None = None, scope: Scope | None = None) -> Result:
        """What `sync` would do, at what cost and for what gain: the polyledger.plan/1 document.

        Args:
            only: names of sources and actions to keep to.
            budget: seconds; says how much of the plan fits in.
            scope: only what this part needs.
        """
        if (self.path / LEDGER_FILE).exists():
            document = self._ask("plan", only=list(only), budget=budget, **_in_scope(scope))
        else:
            document = plan_document(make_plan(None, self.settings, only=only, budget=budget, scope=scope), scope)
        return Result(document, lambda: pa.Table.from_pylist(document["stages"]))

    def coverage(self, by: str | None = None, *, scope: Scope | None = None) -> Result:
        """How much is attributed and resolved; `by` is month, source, category or wallet."""
        return Result(
            self._ask("coverage", by=by, **_in_scope(scope)), lambda: self.sql("SELECT * FROM coverage").arrow()
        )

    def wallets(
        self,
        *,
        method: str = "settlement",
        era: str | None = None,
        order_by: str = "realized_pnl",
        limit: int | None = None,
        category: str | None = None,
        min_coverage: float | None = None,
        min_resolved: int | None = None,
        skill: bool = False,
    ) -> Result:
        """Wallets ranked; see `polyledger.insight.ranking` and, for ``average-cost``, the docs on methods."""
        document = self._ask(
            "wallets",
            method=method,
            era=era,
            order_by=order_by,
            limit=limit,
            category=category,
            min_coverage=min_coverage,
            min_resolved=min_resolved,
            skill=skill,
        )
        return Result(document, lambda: wallets_table(document))

    def wallet(self, address: str) -> Result:
        """One wallet with its categories, how it trades in each (`polyledger.insight.breakdown`), and positions."""
        document = self._ask("wallet", address=address)
        return Result(document, lambda: positions_table(document))

    def exposure(self, wallets: Sequence[str] = ()) -> Result:
        """What is still open of some wallets (of all without any): see `polyledger.insight.exposure.exposure`."""
        document = self._ask("exposure", wallets=list(wallets))
        return Result(document, lambda: pa.Table.from_pylist(document["by_event"]))

    def verify(self, *, progress: Progress | None = None) -> Result:
        """Every check of the books over everything stored; without progress while another process holds the ledger."""
        document = self._ask("verify", progress)
        columns = ("name", "status", "reason", "checked", "failed")
        rows = [{column: check[column] for column in columns} for check in document["checks"]]
        return Result(document, lambda: pa.Table.from_pylist(rows))

    def verify_against(self, file: str | Path, *, tolerance: str = "0.000001") -> Result:
        """Compare with figures of wallets, or a mapping, that somebody already has; the cause of each difference.

        Args:
            file: Parquet, CSV or JSONL, read-only.
            tolerance: USDC; amounts that differ by no more agree.

        Returns:
            The polyledger.verify-against/1 document; as a table, one row per difference.

        Raises:
            UsageError: the file cannot be read, or has no columns that can be compared.
        """
        with plain_errors(self.path / LEDGER_FILE):
            document = compare(
                self._reader(), Path(file), contracts_of(self.settings), tolerance=parse_amount(tolerance)
            )
        columns = ("row", "figure", "theirs", "ours", "cause", "why")
        rows = [
            {column: None if entry[column] is None else str(entry[column]) for column in columns}
            for entry in document["differences"]
        ]
        schema = pa.schema([(column, pa.string()) for column in columns])
        return Result(document, lambda: pa.Table.from_pylist(rows, schema=schema))

    def resolver(self, *, online: bool = False, cache_size: int = CACHED) -> Resolver:
        """What tokens, conditions, markets, slugs and transactions are, for rows of your own as they come in.

        Works beside a run that holds the ledger. What stays unknown is queued when the resolver is closed or flushed,
        and tried again by `sync`.

        Args:
            online: ask the sources about what the ledger does not know, and keep their answers in it, proven. While
                another process holds the ledger such keys stay pending.
            cache_size: attributions kept in memory at most.
        """
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

    def _rows(self, query: str) -> pa.Table:
        return self._answered(lambda door: door.sql(query), lambda: self._reader().arrow(query))

    def _fetch(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Ask the sources about keys and commit what they say; nothing is kept while another process has the ledger."""
        with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop of its own
            asked = thread.submit(anyio.run, lambda: ask_sources(self.settings, keys)).result()
        self.close()
        with suppress(WorkspaceLockedError), self._holding("resolve", None) as held:
            run_id = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-resolve"
            asked.commit(ClaimWriter(held.database, self.path / EVIDENCE_FOLDER, run_id, contracts_of(self.settings)))

    def explain(self, identifier: str) -> Result:
        """Why a token, condition, market, transaction or fill is what it is."""
        document = self._ask("explain", identifier=identifier)
        return Result(document, lambda: pa.Table.from_pylist(document["claims"]))

    def conflicts(self, limit: int | None = None) -> Result:
        """What sources contradict each other on, or a proof refutes, and the batches that were set aside."""
        document = self._ask("conflicts", limit=limit)
        return Result(document, lambda: conflicts_table(document))

    def export(
        self,
        what: str,
        out: str | Path,
        *,
        format: str | None = None,  # noqa: A002
        force: bool = False,
        file: str | Path | None = None,
    ) -> dict[str, Any]:
        """Write a view, or a table that projects work with, to a Parquet, CSV, JSONL or JSON file.

        Args:
            what: a key of `polyledger.store.export.EXPORTS`.
            out: the file. It appears only when it is complete.
            format: parquet, csv, jsonl or json; unless told, by the ending of the file.
            force: replace a file that exists.
            file: with ``enriched-trades``, an imported file: its own columns come first, in its order.

        Returns:
            {"path", "rows"}, and where things of the ledger have no row {"left_out": how many, "lacking": what}.
        """
        path = Path(out)
        if file is not None:
            if what != "enriched-trades":
                raise UsageError(f"A file says nothing about the export {what!r}", "It belongs to enriched-trades")
            rows = write_enriched(self._reader(), Path(file), path, format=format, force=force)
            return {"path": path, "rows": rows}
        written = export(self._reader(), what, path, format=format, force=force)
        document: dict[str, Any] = {"path": path, "rows": written.rows}
        return document | ({"left_out": written.left_out, "lacking": written.lacking} if written.left_out else {})

    def sql(self, query: str) -> Result:
        """One read-only query over the views, without access to files, the network or settings."""
        table = self._answered(lambda door: door.sql(query), lambda: self._sql(query))
        return Result(_query_document(table), lambda: table)

    def _sql(self, query: str) -> pa.Table:
        self.close()  # the engine opens a file in one way at a time
        return user_query(self.path / LEDGER_FILE, query)

    def _ask(self, name: str, progress: Progress | None = None, /, **arguments: Any) -> dict[str, Any]:
        """The document that answers a question of `polyledger.door.questions`, from whoever has the ledger."""
        return self._answered(
            lambda door: door.ask(name, arguments),
            lambda: answer(
                Asked(self._reader(), self.settings, self.path, progress or (lambda _event: None)), name, arguments
            ),
        )

    def _answered(self, there: Callable[[Door], Answer], here: Callable[[], Answer]) -> Answer:
        """`there` while another process holds the ledger, else `here`; tries again while it changes hands.

        Raises:
            WorkspaceLockedError: a process holds the ledger and does not answer.
        """
        patience = time.monotonic() + _SECONDS_OF_PATIENCE
        strangers = False
        while True:
            if self._database is None and holder(self.path) is not None:
                try:
                    return there(Door(self.path))
                except DoorClosedError:
                    if time.monotonic() > patience:
                        raise held_by(self.path) from None
            else:
                try:
                    return here()
                except WorkspaceLockedError:
                    # A run that began or ended in this moment is worth another try; another program is not.
                    if strangers or time.monotonic() > patience:
                        raise
                    strangers = holder(self.path) is None
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def _categories(self) -> CategoryTable:
        file = self.path / CATEGORIES_FILE
        if not file.exists():
            return default_categories()
        return parse_categories(file.read_text(encoding="utf-8"), str(file))

    def _reader(self) -> Database:
        if self._database is None:
            if not (self.path / LEDGER_FILE).exists():
                raise WorkspaceError(
                    f"There is no ledger in {self.path}", f"Run 'polyledger -w {self.path} sync' first"
                )
            try:
                self._database = self._open(read_only=True)
            except WorkspaceLockedError as error:
                if holder(self.path) is not None:
                    raise held_by(self.path) from error
                raise
        return self._database

    def _holding(self, doing: str, progress: Progress | None) -> AbstractContextManager[Holding]:
        return holding(self.path, self.settings, doing, lambda: self._open(read_only=False), progress)

    def _open(self, *, read_only: bool) -> Database:
        storage = self.settings.storage
        return Database(
            self.path / LEDGER_FILE,
            read_only=read_only,
            memory_limit=f"{storage.memory_limit_bytes}B",
            threads=storage.thread_count,
        )


def _in_scope(scope: Scope | None) -> dict[str, Any]:
    return {} if scope is None else {"scope": scope.plain()}


def open(path: str | Path | None = None, *, settings: Settings | None = None) -> Workspace:  # noqa: A001
    """The workspace at `path`, else at POLYLEDGER_WORKSPACE, else in the current folder.

    Raises:
        ConfigurationError: polyledger.toml or the environment holds something that is not a setting.
    """
    folder = Path(path if path is not None else os.environ.get("POLYLEDGER_WORKSPACE") or ".")
    return Workspace(folder, settings if settings is not None else load_settings(folder))


def _counts(database: Database) -> dict[str, int]:
    return {name: int(database.query(f"SELECT count(*) FROM chain.{name}")[0][0]) for name in _COUNTED}


def _query_document(table: pa.Table) -> dict[str, Any]:
    rows = [[_json_value(value) for value in row.values()] for row in table.to_pylist()]
    return {"schema": "polyledger.sql/1", "columns": table.column_names, "rows": rows}


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, dt.datetime):
        return f"{value.isoformat()}Z"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [_json_value(entry) for entry in value]
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return str(value)
    return value
