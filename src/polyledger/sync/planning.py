"""Making the plan of a workspace: what is missing, what the sources offer, what the chain has that the ledger lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import anyio

from polyledger.config import Settings
from polyledger.domain.amounts import amount_text
from polyledger.domain.errors import PolyledgerError
from polyledger.domain.intervals import difference
from polyledger.sources.chain import ChainSource, Head
from polyledger.sources.chain_ranges import START_BLOCKS
from polyledger.store import intervals
from polyledger.store.database import Database
from polyledger.sync.measured import Measured
from polyledger.sync.missing import Missing, measured, read_missing
from polyledger.sync.plan import EVENTS_PER_MARKET, build_plan
from polyledger.sync.rates import Rates, read_rates
from polyledger.sync.scope import contracts_of, scope_of
from polyledger.sync.stages import SCAN, Only, Plan, ScanEstimate, Stage
from polyledger.sync.upstreams import HASTY, Upstreams

Document = dict[str, Any]

_PATIENCE_SECONDS: Final = 8.0
NOTHING: Final = Missing({}, 0, 0, 0, 0)
PROBED_RANGE: Final = "probe:chain:log_range"
"""Setting that `doctor --probe` leaves: how many blocks an endpoint gives at a time."""


def make_plan(
    database: Database | None, settings: Settings, *, only: Sequence[str] = (), budget: float | None = None
) -> Plan:
    """The plan for a workspace; asks the chain for its head and nothing else.

    Args:
        database: the ledger; None where there is none yet.
        settings: of the workspace.
        only: names of sources and actions to keep to.
        budget: seconds.

    Raises:
        UsageError: a name in `only` that is neither a source nor an action.
    """
    chosen = Only.of(only)
    return anyio.run(_plan, database, settings, chosen, budget)


async def _plan(database: Database | None, settings: Settings, only: Only, budget: float | None) -> Plan:
    missing, rates, ratio = look(database)
    async with Upstreams(settings, policy=HASTY, chain_policy=HASTY) as upstreams:
        notes: list[str] = []
        scan = None
        if upstreams.chain is not None and only.allows("chain", SCAN):
            head = await _head(upstreams.chain, notes)
            if head is not None:
                scan = estimate_scan(database, settings, rates, missing, _target(settings, head))
        plan = plan_of(upstreams, database, missing, rates, scan=scan, only=only, budget=budget, events=ratio)
    return replace(plan, suggestions=(*plan.suggestions, *notes))


def look(database: Database | None, *, now: int | None = None) -> tuple[Missing, Rates, float]:
    """What is missing, what was measured in earlier runs, and how many events there are to a market."""
    if database is None:
        return NOTHING, Rates(), EVENTS_PER_MARKET
    with measured(database, now=now) as cursor:
        missing, rates = read_missing(cursor, now), read_rates(cursor)
        ((markets, events),) = cursor.execute(
            "SELECT count(DISTINCT condition), count(DISTINCT event_id) FROM claim.markets WHERE event_id IS NOT NULL"
        ).fetchall()
    return missing, rates, events / markets if markets else EVENTS_PER_MARKET


def plan_of(
    upstreams: Upstreams,
    database: Database | None,
    missing: Missing,
    rates: Rates,
    *,
    scan: ScanEstimate | None,
    only: Only,
    budget: float | None,
    events: float,
) -> Plan:
    """The plan, given what was measured."""
    return build_plan(
        missing,
        upstreams.offers(rates, Measured.of(database)),
        rates=rates,
        walks=upstreams.walks(database, rates),
        scan=scan,
        chain_enabled=upstreams.chain is not None,
        only=only,
        budget=budget,
        events_per_market=events,
    )


async def _head(chain: ChainSource, notes: list[str]) -> Head | None:
    """Where the chain is; None, with a note that says why, when it cannot be asked."""
    try:
        with anyio.fail_after(_PATIENCE_SECONDS):
            await chain.check()
            return await chain.head()
    except (PolyledgerError, TimeoutError) as error:
        said = error.what if isinstance(error, PolyledgerError) else "it did not answer in time"
        notes.append(f"What a scan of the chain would take is not known, because the chain could not be asked: {said}.")
        return None


def estimate_scan(
    database: Database | None, settings: Settings, rates: Rates, missing: Missing, target: int
) -> ScanEstimate:
    """What it takes to scan what is missing up to block `target`."""
    contracts = contracts_of(settings)
    first = contracts.first_block if settings.chain.from_block is None else settings.chain.from_block
    done = []
    if database is not None:
        cursor = database.cursor()
        try:
            done = intervals.done(cursor, scope_of(settings, contracts))
        finally:
            cursor.close()
    blocks = sum(part.length for part in difference([(first, target)], done)) if target >= first else 0
    covered = sum(last - begin + 1 for begin, last in done)
    each = rates.blocks_per_request or _probed_range(database) or float(START_BLOCKS)
    requests = math.ceil(blocks / each)
    per_second = rates.speeds.get("chain") or settings.chain.requests_per_10s / 10
    density = blocks / covered if covered and missing.trades else None
    return ScanEstimate(
        blocks=blocks,
        requests=requests,
        seconds=requests / per_second,
        trades=None if density is None else missing.trades * density,
        volume=None if density is None else missing.volume * density,
        blocks_per_request=each,
    )


def _probed_range(database: Database | None) -> float | None:
    known = None if database is None else database.setting(PROBED_RANGE)
    return float(known) if known else None


def _target(settings: Settings, head: Head) -> int:
    to_block = settings.chain.to_block
    if to_block == "finalized":
        return head.finalized
    return head.latest if to_block == "latest" else min(int(to_block), head.latest)


def plan_document(plan: Plan) -> Document:
    """The polyledger.plan/1 document."""
    return {
        "schema": "polyledger.plan/1",
        "stages": [_stage(stage, share) for stage, share in zip(plan.stages, plan.shares, strict=True)],
        "requests": plan.requests,
        "seconds": round(plan.seconds, 1),
        "fits_budget": plan.fits_budget,
        "budget": plan.budget,
        "buys": _buys(plan),
        "suggestions": list(plan.suggestions),
        "scope": None,
    }


def _stage(stage: Stage, share: float) -> Document:
    return {
        "source": stage.source,
        "action": stage.action,
        "keys": stage.keys,
        "requests": stage.requests,
        "seconds": round(stage.seconds, 1),
        "expected": {
            "found": None if stage.found is None else round(stage.found),
            "trades": None if stage.trades is None else round(stage.trades),
            "volume": None if stage.volume is None else amount_text(round(stage.volume)),
        },
        "tier": None if stage.tier is None else str(stage.tier),
        "depends": stage.depends,
        "within_budget": round(share, 4),
    }


def _buys(plan: Plan) -> Document:
    """What is done when the time is up."""
    pairs = list(zip(plan.stages, plan.shares, strict=True))
    return {
        "requests": round(sum(stage.requests * share for stage, share in pairs)),
        "seconds": round(plan.seconds if plan.budget is None else min(plan.seconds, plan.budget), 1),
        "trades": round(sum((stage.trades or 0.0) * share for stage, share in pairs)),
        "volume": amount_text(round(sum((stage.volume or 0.0) * share for stage, share in pairs))),
    }
