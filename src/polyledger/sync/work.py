"""The work of one run: the scan of the chain, and the look-ups of everything else, side by side and within the time.

The scan gets a head start, because it tells much of what others would be asked. Then rounds follow: measure what is
missing, plan, ask; until the scan is through and nobody is left who could tell more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from polyledger.config import Settings
from polyledger.domain.errors import ConfigurationError, PolyledgerError, SourceError, UpstreamUnavailableError
from polyledger.domain.records import Kind
from polyledger.domain.scope import Scope
from polyledger.ledger.import_matches import match_imports
from polyledger.sources.chain_ranges import START_BLOCKS
from polyledger.store.attribution import KINDS, attribute, use_answerers
from polyledger.store.database import Database
from polyledger.store.evidence import EVIDENCE_FOLDER
from polyledger.sync.chain_stage import ChainOutcome, ChainStage
from polyledger.sync.claim_writer import ClaimWriter
from polyledger.sync.listings import Listings
from polyledger.sync.lookup_round import LookupRound
from polyledger.sync.planning import look, plan_of, projected
from polyledger.sync.rates import read_speeds
from polyledger.sync.scope import claim_scope, contracts_of
from polyledger.sync.stage_records import StageRecord, StageRecords
from polyledger.sync.stages import SCAN, Offer, Only, Plan, Stage
from polyledger.sync.tally import Tally
from polyledger.sync.upstreams import Upstreams
from polyledger.sync.window import check_scope, wallets_of, window
from polyledger.value.coverage import coverage

Progress = Callable[[dict[str, Any]], None]

HEAD_START: Final = 20.0
"""Seconds that the scan of the chain is waited for before others are asked."""
_BETWEEN_ROUNDS: Final = 300.0  # of a scan that takes long: what it brought meanwhile is asked about
_GRACE: Final = 0.5  # the scan stops by itself between two batches; after this it is stopped
_SHOWN_FROM: Final = 5.0  # seconds: plans that take less need no projection
# Answers about these kinds name nothing new that would have to be asked about.
_FINAL_KINDS: Final = frozenset({Kind.EVENT, Kind.RESOLUTION})
_MOST_ROUNDS: Final = 20  # answers name new things, and those others; it never takes so many


class Work:
    """Everything that a run fetches. What it knows stays readable when it is stopped.

    Args:
        database: the ledger.
        settings: of the workspace.
        workspace: its folder.
        run_id: of the run.
        progress: is told of everything.
        only: sources and actions to keep to.
        scope: the part of the chain to scan.
        deadline: on the monotonic clock; None: no limit.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        workspace: Path,
        run_id: str,
        *,
        progress: Progress,
        only: Only,
        scope: Scope,
        deadline: float | None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._contracts = contracts_of(settings)
        self._evidence = workspace / EVIDENCE_FOLDER
        self._run_id = run_id
        self._progress = progress
        self._only = only
        self._scope = scope
        self._deadline = deadline
        self._is_settled = True
        self._writer = ClaimWriter(database, self._evidence, run_id, self._contracts)
        self._scanned = anyio.Event()
        self._scan_seconds = 0.0
        self._told = False
        self.chain = ChainOutcome()
        self.chain_error: PolyledgerError | None = None
        self.lists = Listings(
            database,
            settings,
            self._evidence,
            run_id,
            progress=progress,
            scope=scope,
            only=only,
            deadline=deadline,
        )
        self.tallies: dict[str, Tally] = {}
        self.records = StageRecords(run_id)
        self.requests: dict[str, int] = {}
        self.is_late = False

    def unsettle(self) -> None:
        """What imported rows mean has to be worked out anew: some came in, or a run was killed before it was."""
        self._is_settled = False

    async def run(self) -> None:
        """Do all of it.

        Raises:
            ConfigurationError, WorkspaceError: nothing can go on. Trouble of sources is in `tallies`, `chain_error`
                and `lists.outcome`.
            UsageError: the scope is not one that can be fetched.
        """
        check_scope(self._settings, self._scope)
        async with Upstreams(self._settings) as upstreams:
            self._note_answerers(upstreams)
            try:
                with anyio.CancelScope(deadline=self._end()) as scope:
                    await self._both(upstreams)
                self.is_late = scope.cancelled_caught
            finally:
                self.requests = upstreams.requests

    async def _both(self, upstreams: Upstreams) -> None:
        await self._together(upstreams, self._facts, self._rounds)

    async def _facts(self, upstreams: Upstreams) -> None:
        """What the chain and lists tell by themselves; look-ups go on until both are through."""
        try:
            await self._together(upstreams, self._scan, self._list)
        finally:
            self._scanned.set()

    async def _together(self, upstreams: Upstreams, *parts: Callable[[Upstreams], Any]) -> None:
        """Parts of the work side by side. The first error stops them all, and is raised as itself."""
        troubles: list[BaseException] = []

        async def guarded(part: Callable[[Upstreams], Any], scope: anyio.CancelScope) -> None:
            try:
                await part(upstreams)
            except Exception as error:  # raised again below as itself, not as a group
                troubles.append(error)
                scope.cancel()

        async with anyio.create_task_group() as group:
            for part in parts:
                group.start_soon(guarded, part, group.cancel_scope)
        if troubles:
            raise troubles[0]

    async def _list(self, upstreams: Upstreams) -> None:
        if self.lists.due:
            claim_scope(self._database, self._settings, self._contracts)
        await self.lists.run(upstreams)
        if self.lists.outcome.rows:
            self.unsettle()
        self.records.rows[:0] = self.lists.records.values()

    async def _scan(self, upstreams: Upstreams) -> None:
        if upstreams.chain is None or not self._only.allows("chain", SCAN):
            self.chain.finished = True
            return
        chain, began = self._settings.chain, time.monotonic()
        interval_scope = claim_scope(self._database, self._settings, self._contracts)
        first = self._contracts.first_block if chain.from_block is None else chain.from_block
        from_block, to_block = await window(upstreams.chain, self._database, self._scope, first, chain.to_block)
        stage = ChainStage(
            upstreams.chain,
            self._database,
            self._contracts,
            scope=interval_scope,
            run_id=self._run_id,
            from_block=from_block,
            to_block=to_block,
            progress=self._progress,
            deadline=self._deadline,
            evidence_folder=self._evidence,
            wallets=wallets_of(self._database, self._scope),
        )
        self.chain = stage.outcome
        try:
            await stage.run()
        except ConfigurationError:
            raise
        except (UpstreamUnavailableError, SourceError) as error:
            self.chain_error = error
            if any(tally.done for tally in self.tallies.values()):
                self._tell_of_the_chain()
        finally:
            self._scan_seconds = time.monotonic() - began
            self._record_scan(upstreams)

    async def _rounds(self, upstreams: Upstreams) -> None:
        with anyio.move_on_after(HEAD_START):
            await self._scanned.wait()
        rounds = 0
        while rounds < _MOST_ROUNDS:
            was_scanned = self._scanned.is_set()
            found = await self._round(upstreams)
            if was_scanned:
                if found is None or found <= _FINAL_KINDS:
                    return
                rounds += 1
            else:
                with anyio.move_on_after(_BETWEEN_ROUNDS):
                    await self._scanned.wait()

    async def _round(self, upstreams: Upstreams) -> set[Kind] | None:
        """One plan, carried out; the kinds of which something was found, None when there was nothing to ask."""
        if not self._is_settled:
            # What was told of imported rows before need not be asked about now, and names what else is to be asked.
            await anyio.to_thread.run_sync(self._attribute)
            self._is_settled = True
        missing, rates = await anyio.to_thread.run_sync(look, self._database)
        if not missing.kinds:
            return None
        plan = plan_of(
            upstreams,
            self._database,
            missing,
            rates,
            scan=None,
            only=self._only,
            budget=self._left(),
            closed=self._is_closed,
        )
        if not any(not stage.depends for stage in plan.stages):
            return None
        self._tell_of_the_chain()
        self.records.add(plan)
        if plan.seconds > _SHOWN_FROM:
            await self._project(plan)
        step = LookupRound(
            plan,
            missing,
            upstreams,
            self._writer,
            self._contracts,
            tallies=self.tallies,
            records=self.records,
            progress=self._progress,
        )
        self._is_settled = False
        await step.run()
        await anyio.to_thread.run_sync(self.records.save, self._database)
        return step.found

    async def _project(self, plan: Plan) -> None:
        now = await anyio.to_thread.run_sync(coverage, self._database)
        self._progress({"stage": "plan", "projected": projected(now, plan)})

    def _tell_of_the_chain(self) -> None:
        """Say why the scan ended while others go on; where nothing else is to be done it is the error of the run."""
        if self.chain_error is not None and not self._told:
            self._progress({"stage": "chain", "message": self.chain_error.what})
            self._told = True

    def _attribute(self) -> None:
        if self._database.query("SELECT 1 FROM imported.files UNION ALL SELECT 1 FROM imported.movements LIMIT 1"):
            match_imports(self._database)
            with self._database.transaction() as connection:
                attribute(connection)

    def _is_closed(self, offer: Offer) -> bool:
        tally = self.tallies.get(offer.source)
        return tally is not None and bool(tally.closed & {None, offer.capability.kind})

    def _note_answerers(self, upstreams: Upstreams) -> None:
        wanted = {kind: sources for kind, sources in upstreams.answerers().items() if kind in KINDS}
        rows = sorted((kind, source) for kind, sources in wanted.items() for source in sources)
        if rows == sorted(self._database.query("SELECT kind, source FROM meta.answerers")):
            return
        with self._database.transaction() as connection:
            use_answerers(connection, wanted)

    def _record_scan(self, upstreams: Upstreams) -> None:
        blocks = self.chain.blocks
        if not blocks:
            return
        cursor = self._database.cursor()
        try:
            speeds, each = read_speeds(cursor)
        finally:
            cursor.close()
        requests = math.ceil(blocks / (each or START_BLOCKS))
        seconds = requests / (speeds.get("chain") or self._settings.chain.requests_per_10s / 10)
        stage = Stage("chain", SCAN, None, blocks, requests, seconds, found=None, trades=None, volume=None)
        record = StageRecord(stage, keys=blocks, found=self.chain.fills, trades=self.chain.fills)
        record.spent(upstreams.requests["chain"], self._scan_seconds)
        self.records.rows.insert(0, record)

    def _left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _end(self) -> float:
        """When everything is stopped, on the clock of the event loop."""
        left = self._left()
        return float("inf") if left is None else anyio.current_time() + left + _GRACE
