"""What can be asked of a workspace, and how one is opened."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from polyledger.config import Settings, load_settings
from polyledger.domain.amounts import parse_amount
from polyledger.domain.errors import UsageError
from polyledger.domain.periods import Period
from polyledger.domain.scope import Scope
from polyledger.door.client import Door
from polyledger.door.wire import DoorClosedError
from polyledger.store.database import plain_errors
from polyledger.store.export import export
from polyledger.store.new_ledger import LEDGER_FILE
from polyledger.sync.gaps import DEFAULT_LIMIT
from polyledger.sync.lock import holder
from polyledger.sync.scope import contracts_of
from polyledger.sync.status import resume_command, status_document
from polyledger.value.categories import DEFAULT_TAGS
from polyledger.value.tables import (
    categories_table,
    conflicts_table,
    coverage_table,
    distribution_table,
    positions_table,
    series_table,
    wallets_table,
)
from polyledger.workspace.access import SECONDS_BETWEEN_TRIES, Progress
from polyledger.workspace.finalizing import LedgerFinalizing
from polyledger.workspace.results import Result, query_document

__all__ = ["Result", "Workspace", "open"]

_SECONDS_FOR_STATUS: Final = 5.0
_SECONDS_FOR_A_CHANGE: Final = 1.0


class Workspace(LedgerFinalizing):
    """One workspace folder. Use it as a context manager, or call `close`. Make it with `open`."""

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
            time.sleep(SECONDS_BETWEEN_TRIES)
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
            from polyledger.sync.planning import make_plan, plan_document

            document = plan_document(make_plan(None, self.settings, only=only, budget=budget, scope=scope), scope)
        return Result(document, lambda: pa.Table.from_pylist(document["stages"]))

    def coverage(self, by: str | None = None, *, scope: Scope | None = None, as_of: str | None = None) -> Result:
        """How much is attributed and resolved; `by` is month, source, category or wallet."""
        document = self._ask("coverage", by=by, **_in_scope(scope), **_in_period(as_of=as_of))
        return Result(document, lambda: coverage_table(document))

    def categories(
        self, *, tags: int = DEFAULT_TAGS, since: str | None = None, until: str | None = None, as_of: str | None = None
    ) -> Result:
        """What every category holds, what has none, and the unknown tags: see `polyledger.value.categories`."""
        document = self._ask("categories", tags=tags, **_in_period(since=since, until=until, as_of=as_of))
        return Result(document, lambda: categories_table(document))

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
        without_transferred: bool = False,
        ascending: bool = False,
        since: str | None = None,
        until: str | None = None,
        as_of: str | None = None,
    ) -> Result:
        """Wallets ranked; see `polyledger.insight.ranking` and, for ``average-cost``, the docs on methods.

        `since`, `until` and `as_of` are dates or times as on the command line: see `polyledger.domain.periods`.
        """
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
            without_transferred=without_transferred,
            ascending=ascending,
            **_in_period(since=since, until=until, as_of=as_of),
        )
        return Result(document, lambda: wallets_table(document))

    def wallet(
        self,
        address: str,
        *,
        series: str | None = None,
        since: str | None = None,
        until: str | None = None,
        as_of: str | None = None,
    ) -> Result:
        """One wallet with its categories, how it trades in each (`polyledger.insight.breakdown`), and positions.

        `series` is day or week, for its figures over time (`polyledger.value.series`), which are the table then.
        """
        asked = {} if series is None else {"series": series}
        document = self._ask("wallet", address=address, **asked, **_in_period(since=since, until=until, as_of=as_of))
        return Result(document, lambda: positions_table(document) if series is None else series_table(document))

    def coverage_distribution(
        self,
        *,
        category: str | None = None,
        since: str | None = None,
        until: str | None = None,
        as_of: str | None = None,
    ) -> Result:
        """How many wallets have which share of what they traded settled; as a table, the bins by conditions."""
        document = self._ask("distribution", category=category, **_in_period(since=since, until=until, as_of=as_of))
        return Result(document, lambda: distribution_table(document))

    def exposure(self, wallets: Sequence[str] = (), *, as_of: str | None = None) -> Result:
        """What is still open of some wallets (of all without any): see `polyledger.insight.exposure.exposure`."""
        document = self._ask("exposure", wallets=list(wallets), **_in_period(as_of=as_of))
        return Result(document, lambda: pa.Table.from_pylist(document["by_event"]))

    def report(self, *, progress: Progress | None = None) -> Result:
        """Everything a report shows, of one state of the ledger; `polyledger.report` makes a page of it."""
        document = self._ask("report", progress)
        return Result(document, lambda: pa.Table.from_pylist(document["wallets"]["categories"]))

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
        from polyledger.value.against import compare

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
            from polyledger.sync.enriched_file import write_enriched

            rows = write_enriched(self._reader(), Path(file), path, format=format, force=force)
            return {"path": path, "rows": rows}
        written = export(self._reader(), what, path, format=format, force=force)
        document: dict[str, Any] = {"path": path, "rows": written.rows}
        return document | ({"left_out": written.left_out, "lacking": written.lacking} if written.left_out else {})

    def sql(self, query: str) -> Result:
        """One read-only query over the views, without access to files, the network or settings."""
        table = self._answered(lambda door: door.sql(query), lambda: self._sql(query))
        return Result(query_document(table), lambda: table)


def _in_scope(scope: Scope | None) -> dict[str, Any]:
    return {} if scope is None else {"scope": scope.plain()}


def _in_period(**limits: str | None) -> dict[str, Any]:
    period = Period.of(**limits)
    return {} if period.is_everything else {"period": period.plain()}


def open(path: str | Path | None = None, *, settings: Settings | None = None) -> Workspace:  # noqa: A001
    """The workspace at `path`, else at POLYLEDGER_WORKSPACE, else in the current folder.

    Raises:
        ConfigurationError: polyledger.toml or the environment holds something that is not a setting.
    """
    folder = Path(path if path is not None else os.environ.get("POLYLEDGER_WORKSPACE") or ".")
    return Workspace(folder, settings if settings is not None else load_settings(folder))
