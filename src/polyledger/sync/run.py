"""One run of `sync`: the chain, then the names of what was seen, then the sums; with its record in meta.runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from polyledger.config import ChainSettings, Settings, SourceSettings
from polyledger.domain.categories import CategoryTable
from polyledger.domain.errors import ConfigurationError, PolyledgerError
from polyledger.domain.scope import Scope
from polyledger.ledger.import_matches import match_imports
from polyledger.net import AdaptiveLimiter, EndpointPool, HttpClient, JsonRpcClient, RetryPolicy, is_loopback
from polyledger.sources.chain import ChainSource
from polyledger.sources.clob import ClobSource
from polyledger.sources.data_wallets import DataApiWallets
from polyledger.sources.gamma import GammaSource
from polyledger.store.attribution import attribute
from polyledger.store.database import Database
from polyledger.store.market_claims import use_categories
from polyledger.sync.chain_batches import finalized_border
from polyledger.sync.chain_stage import ChainOutcome, ChainStage
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.compaction import fold_holdings
from polyledger.sync.market_stage import MarketStage, SourceOutcome
from polyledger.sync.scope import claim_scope, contracts_of
from polyledger.sync.wallet_trades import WalletTrades, WalletTradesOutcome
from polyledger.sync.window import check_scope, wallets_of, window

Progress = Callable[[dict[str, Any]], None]

_NAMES_POLICY: Final = RetryPolicy(attempts=9, wait_max=5.0, give_up_after=60.0)
EVIDENCE_FOLDER: Final = "evidence"


@dataclass
class RunReport:
    """What a run did; complete also when it was stopped."""

    run_id: str
    state: str = "running"
    started: float = field(default_factory=time.time)
    chain: ChainOutcome = field(default_factory=ChainOutcome)
    sources: list[SourceOutcome] = field(default_factory=list)
    wallet_trades: WalletTradesOutcome = field(default_factory=WalletTradesOutcome)
    requests: dict[str, int] = field(default_factory=dict)
    message: str | None = None


class Run:
    """Everything one call of sync needs. `execute` returns the report; it is also kept in meta.runs."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace: Path,
        *,
        categories: CategoryTable,
        progress: Progress,
        budget: float | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.report = RunReport(run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}")
        self._database = database
        self._settings = settings
        self._scope = scope or Scope()
        self._workspace = workspace
        self._categories = categories
        self._progress = progress
        self._deadline = None if budget is None else time.monotonic() + budget
        self._clients: dict[str, HttpClient] = {}

    def execute(self) -> RunReport:
        """Do the work.

        Raises:
            PolyledgerError: the chain stage failed; what was committed before stays, and the run is recorded.
            KeyboardInterrupt: the same.
        """
        self._close_stale_runs()
        self._record_start()
        try:
            anyio.run(self._work)
            late = not self.report.chain.finished and self._settings.chain.enabled
            errors = [*(outcome.error for outcome in self.report.sources), self.report.wallet_trades.error]
            said = [error.what for error in errors if error is not None]
            self.report.state = "partial" if late or said or self.report.wallet_trades.late else "done"
            self.report.message = "; ".join(said) or None
        except KeyboardInterrupt:
            self.report.state = "interrupted"
            raise
        except PolyledgerError as error:
            self.report.state = "partial"
            self.report.message = error.what
            raise
        except BaseException:
            self.report.state = "partial"
            raise
        finally:
            self.report.requests = {source: client.requests for source, client in self._clients.items()}
            with contextlib.suppress(PolyledgerError):  # a full disk must not hide the error that is on its way
                self._record_end()
        return self.report

    async def _work(self) -> None:
        settings = self._settings
        with self._database.transaction() as connection:
            use_categories(connection, self._categories)
        check_scope(settings, self._scope)
        async with contextlib.AsyncExitStack() as stack:
            if settings.chain.enabled:
                await self._chain(await self._client(stack, "chain", None))
            elif self._scope.wallets:
                await self._wallet_trades(stack)
            stage = MarketStage(
                self._database,
                ClaimWriter(
                    self._database, self._workspace / EVIDENCE_FOLDER, self.report.run_id, contracts_of(settings)
                ),
                self._progress,
                gamma=await self._gamma(stack, settings.gamma),
                clob=await self._clob(stack, settings.clob),
                deadline=self._deadline,
            )
            self.report.sources = stage.outcomes
            await stage.run()
        match_imports(self._database)
        fold_holdings(self._database, finalized_border(self._database))
        with self._database.transaction() as connection:
            attribute(connection)

    async def _chain(self, client: HttpClient) -> None:
        settings, contracts = self._settings, contracts_of(self._settings)
        scope = claim_scope(self._database, settings, contracts)
        urls = settings.chain.rpc_urls
        if not urls:
            raise ConfigurationError("No JSON-RPC endpoint is configured", "Set chain.rpc_url or POLYGON_RPC_URL")
        pool = EndpointPool(
            [JsonRpcClient(url, client, limiter=AdaptiveLimiter(_rate(settings.chain, url))) for url in urls]
        )
        source = ChainSource(
            pool,
            contracts,
            chain_id=settings.chain.chain_id,
            collateral_transfers=settings.chain.collateral_transfers,
            max_concurrency=settings.chain.max_workers,
            keep_bodies=settings.evidence.keep == "all",
        )
        first = settings.chain.from_block
        from_block, to_block = await window(
            source,
            self._database,
            self._scope,
            contracts.first_block if first is None else first,
            settings.chain.to_block,
        )
        stage = ChainStage(
            source,
            self._database,
            contracts,
            scope=scope,
            run_id=self.report.run_id,
            from_block=from_block,
            to_block=to_block,
            progress=self._progress,
            deadline=self._deadline,
            evidence_folder=self._workspace / EVIDENCE_FOLDER,
            wallets=wallets_of(self._database, self._scope),
        )
        self.report.chain = stage.outcome
        await stage.run()

    async def _wallet_trades(self, stack: contextlib.AsyncExitStack) -> None:
        section = self._settings.data_api
        client = await self._client(stack, "data_api", _rate(section, section.url))
        work = WalletTrades(
            self._database,
            DataApiWallets(client, section.url),
            self._workspace / EVIDENCE_FOLDER,
            self.report.run_id,
            self._progress,
            since=self._scope.since,
            until=self._scope.until,
            deadline=self._deadline,
            outcome=self.report.wallet_trades,
        )
        await work.run(self._scope.wallets)

    async def _gamma(self, stack: contextlib.AsyncExitStack, section: SourceSettings) -> GammaSource | None:
        if not section.enabled:
            return None
        return GammaSource(await self._client(stack, "gamma", _rate(section, section.url)), section.url)

    async def _clob(self, stack: contextlib.AsyncExitStack, section: SourceSettings) -> ClobSource | None:
        if not section.enabled:
            return None
        return ClobSource(await self._client(stack, "clob", _rate(section, section.url)), section.url)

    async def _client(self, stack: contextlib.AsyncExitStack, source: str, rate: float | None) -> HttpClient:
        limiter = None if rate is None else AdaptiveLimiter(rate)
        # Names can wait for the next run; the chain is worth more patience.
        policy = None if source == "chain" else _NAMES_POLICY
        client = HttpClient(source, limiter=limiter, policy=policy)
        self._clients[source] = await stack.enter_async_context(client)
        return self._clients[source]

    def _close_stale_runs(self) -> None:
        """A run that is still marked running cannot be: this process holds the lock. It was killed."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE meta.runs SET state = 'interrupted' WHERE state = 'running'")

    def _record_start(self) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO meta.runs VALUES (?, ?, NULL, 'running', ?, NULL, NULL, '{}', NULL)",
                [self.report.run_id, _moment(self.report.started), os.getpid()],
            )

    def _record_end(self) -> None:
        report = self.report
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE meta.runs SET finished_at = ?, state = ?, from_block = ?, to_block = ?, requests = ?, "
                "message = ? WHERE run_id = ?",
                [
                    _moment(time.time()), report.state, report.chain.from_block, report.chain.to_block,
                    json.dumps(report.requests), report.message, report.run_id,
                ],
            )  # fmt: skip


def _rate(section: SourceSettings | ChainSettings, url: str) -> float | None:
    """Requests per 10 s for an endpoint: the setting; without one, a node on this machine is not held back."""
    if "requests_per_10s" not in section.model_fields_set and is_loopback(url):
        return None
    return section.requests_per_10s


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def report_document(report: RunReport, rows: Mapping[str, int], coverage: Mapping[str, Any]) -> dict[str, Any]:
    """The polyledger.sync/1 document."""
    return {
        "schema": "polyledger.sync/1",
        "run_id": report.run_id,
        "state": report.state,
        "from_block": report.chain.from_block,
        "to_block": report.chain.to_block,
        "requests": dict(report.requests),
        "rows": dict(rows),
        "coverage": dict(coverage),
        "seconds": round(time.time() - report.started, 3),
        "logs": report.chain.logs,
        "unbalanced": report.chain.unbalanced,
        "rolled_back": report.chain.rolled_back,
        "message": report.message,
    }
