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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from polyledger.config import Settings, load_settings
from polyledger.config_file import toml_template
from polyledger.domain.categories import CategoryTable, default_categories, parse_categories
from polyledger.domain.errors import UsageError, WorkspaceError
from polyledger.domain.scope import Scope
from polyledger.identity.explain import explain
from polyledger.ledger.verify import verify
from polyledger.store.database import Database, plain_errors, user_query
from polyledger.store.export import export
from polyledger.sync.lock import WorkspaceLock, holder
from polyledger.sync.run import Run, report_document
from polyledger.sync.scope import contracts_of
from polyledger.sync.status import status_document
from polyledger.value.coverage import coverage
from polyledger.value.methods import wallets_by_average_cost
from polyledger.value.tables import positions_table, wallets_table
from polyledger.value.wallets import wallet, wallets

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Result", "Workspace", "open"]

LEDGER_FILE: Final = "ledger.duckdb"
CATEGORIES_FILE: Final = "categories.toml"
_COUNTED: Final = (
    "fills", "matches", "share_transfers", "collateral_transfers", "position_changes", "redemptions", "conversions",
    "preparations", "resolutions", "transactions", "minor_logs", "unknown_logs",
)  # fmt: skip
_SECONDS_BETWEEN_NOTES: Final = 0.5

Progress = Callable[[dict[str, Any]], None]


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
        self, *, progress: Progress | None = None, budget: float | None = None, scope: Scope | None = None
    ) -> dict[str, Any]:
        """Fetch what is missing, check it and commit it; the polyledger.sync/1 document.

        Args:
            progress: called with an event (stage, done, total, unit, rate, eta_seconds, message) as the work goes on.
            budget: seconds after which to stop, save and report `partial`.
            scope: fetch no more than this part; None fetches everything, and so widens a ledger of a part.

        Raises:
            WorkspaceLockedError: another process writes this ledger.
            UpstreamUnavailableError, SourceError: the chain cannot be read; what was committed stays.
        """
        self.close()
        self.init(self.path)
        with WorkspaceLock(self.path, "sync") as lock, plain_errors(self.path / LEDGER_FILE):
            database = self._open(read_only=False)
            try:
                run = Run(
                    database,
                    self.settings,
                    self.path,
                    categories=self._categories(),
                    progress=_noting(lock, progress),
                    budget=budget,
                    scope=scope,
                )
                before = _counts(database)
                report = run.execute()
                brought = {name: count - before[name] for name, count in _counts(database).items()}
                return report_document(report, brought, coverage(database))
            finally:
                database.close()

    def status(self) -> dict[str, Any]:
        """What runs, what is done, and how to go on: the polyledger.status/1 document."""
        held = holder(self.path)
        if held is not None:
            return status_document(self.path, held, None)
        database = self._reader() if (self.path / LEDGER_FILE).exists() else None
        return status_document(self.path, None, database)

    def coverage(self, by: str | None = None) -> Result:
        """How much is attributed and resolved; `by` is month, source, category or wallet."""
        database = self._reader()
        return Result(coverage(database, by), lambda: database.arrow("SELECT * FROM coverage"))

    def wallets(
        self,
        *,
        method: str = "settlement",
        era: str | None = None,
        order_by: str = "realized_pnl",
        limit: int | None = None,
        category: str | None = None,
        min_coverage: float | None = None,
    ) -> Result:
        """Wallets ranked; see `polyledger.value.wallets.wallets` and, for ``average-cost``, the docs on methods."""
        database = self._reader()
        if method == "average-cost":
            with plain_errors(self.path / LEDGER_FILE):
                document = wallets_by_average_cost(
                    database, era=era, order_by=order_by, limit=limit, category=category, min_coverage=min_coverage
                )
        elif method == "settlement":
            document = wallets(database, order_by=order_by, limit=limit, category=category, min_coverage=min_coverage)
        else:
            raise UsageError(f"There is no method {method!r}", "Choose settlement or average-cost")
        return Result(document, lambda: wallets_table(document))

    def wallet(self, address: str) -> Result:
        """One wallet with its categories and positions."""
        document = wallet(self._reader(), address)
        return Result(document, lambda: positions_table(document))

    def verify(self, *, progress: Progress | None = None) -> Result:
        """Every check of the books over everything stored."""
        with plain_errors(self.path / LEDGER_FILE):
            document = verify(self._reader(), progress or _ignore)
        columns = ("name", "status", "reason", "checked", "failed")
        rows = [{column: check[column] for column in columns} for check in document["checks"]]
        return Result(document, lambda: pa.Table.from_pylist(rows))

    def explain(self, identifier: str) -> Result:
        """Why a token, condition, market, transaction or fill is what it is."""
        document = explain(self._reader(), identifier, contracts_of(self.settings))
        return Result(document, lambda: pa.Table.from_pylist(document["claims"]))

    def export(
        self,
        what: str,
        out: str | Path,
        *,
        format: str | None = None,  # noqa: A002
        force: bool = False,
    ) -> dict[str, Any]:
        """Write a view to a Parquet, CSV or JSONL file; returns {"path", "rows"}."""
        path = Path(out)
        return {"path": path, "rows": export(self._reader(), what, path, format=format, force=force)}

    def sql(self, query: str) -> Result:
        """One read-only query over the views, without access to files, the network or settings."""
        self.close()
        self._refuse_while_held()
        table = user_query(self.path / LEDGER_FILE, query)
        return Result(_query_document(table), lambda: table)

    def _categories(self) -> CategoryTable:
        file = self.path / CATEGORIES_FILE
        if not file.exists():
            return default_categories()
        return parse_categories(file.read_text(encoding="utf-8"), str(file))

    def _reader(self) -> Database:
        if self._database is None:
            self._refuse_while_held()
            if not (self.path / LEDGER_FILE).exists():
                raise WorkspaceError(
                    f"There is no ledger in {self.path}", f"Run 'polyledger -w {self.path} sync' first"
                )
            self._database = self._open(read_only=True)
        return self._database

    def _refuse_while_held(self) -> None:
        if holder(self.path) is not None:
            # Taking the lock says who holds it; when that process has just ended, all is well.
            with WorkspaceLock(self.path, "look"):
                return

    def _open(self, *, read_only: bool) -> Database:
        storage = self.settings.storage
        return Database(
            self.path / LEDGER_FILE,
            read_only=read_only,
            memory_limit=f"{storage.memory_limit_bytes}B",
            threads=storage.thread_count,
        )


def open(path: str | Path | None = None, *, settings: Settings | None = None) -> Workspace:  # noqa: A001
    """The workspace at `path`, else at POLYLEDGER_WORKSPACE, else in the current folder.

    Raises:
        ConfigurationError: polyledger.toml or the environment holds something that is not a setting.
    """
    folder = Path(path if path is not None else os.environ.get("POLYLEDGER_WORKSPACE") or ".")
    return Workspace(folder, settings if settings is not None else load_settings(folder))


def _counts(database: Database) -> dict[str, int]:
    return {name: int(database.query(f"SELECT count(*) FROM chain.{name}")[0][0]) for name in _COUNTED}


def _noting(lock: WorkspaceLock, progress: Progress | None) -> Progress:
    """Passes progress on, and writes it into the lock now and then for whoever finds the ledger held."""
    last = 0.0

    def report(event: dict[str, Any]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_NOTES:
            lock.note(event)
            last = now
        if progress is not None:
            progress(event)

    return report


def _ignore(_event: Mapping[str, Any]) -> None:
    return None


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
