"""Making the plan of a workspace: what is missing, what the sources offer, what the chain has that the ledger lacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import anyio

from polyledger.config import Settings
from polyledger.domain.amounts import amount_text, parse_amount
from polyledger.domain.errors import PolyledgerError
from polyledger.domain.ids import address_bytes
from polyledger.domain.intervals import total
from polyledger.domain.records import Kind
from polyledger.domain.scope import Scope
from polyledger.sources.chain import ChainSource, Head
from polyledger.sources.chain_ranges import START_BLOCKS
from polyledger.store import scopes
from polyledger.store.database import Database
from polyledger.sync.listings import listing_stages
from polyledger.sync.measured import Measured
from polyledger.sync.missing import Missing, measured, read_missing
from polyledger.sync.plan import build_plan
from polyledger.sync.rates import Rates, read_rates
from polyledger.sync.scope import contracts_of
from polyledger.sync.stages import SCAN, Offer, Only, Plan, ScanEstimate, Stage
from polyledger.sync.upstreams import HASTY, Upstreams
from polyledger.sync.window import blocks_between, missing_portions

Document = dict[str, Any]

_PATIENCE_SECONDS: Final = 8.0
NOTHING: Final = Missing({}, 0, 0, 0, 0)
PROBED_RANGE: Final = "probe:chain:log_range"
"""Setting that `doctor --probe` leaves: how many blocks an endpoint gives at a time."""


def make_plan(
    database: Database | None,
    settings: Settings,
    *,
    only: Sequence[str] = (),
    budget: float | None = None,
    scope: Scope | None = None,
) -> Plan:
    """The plan for a workspace; asks the chain for its head, for the blocks of dates, and for nothing else.

    Args:
        database: the ledger; None where there is none yet.
        settings: of the workspace.
        only: names of sources and actions to keep to.
        budget: seconds.
        scope: only what this part needs.

    Raises:
        UsageError: a name in `only` that is neither a source nor an action.
        UnknownSubjectError: the scope names something that the ledger does not know.
    """
    chosen = Only.of(only)
    return anyio.run(_plan, database, settings, chosen, budget, scope or Scope())


async def _plan(database: Database | None, settings: Settings, only: Only, budget: float | None, scope: Scope) -> Plan:
    missing, rates = look(database, scope=scope)
    async with Upstreams(settings, policy=HASTY, chain_policy=HASTY) as upstreams:
        notes: list[str] = []
        scan = None
        if upstreams.chain is not None and only.allows("chain", SCAN):
            head = await _head(upstreams.chain, notes)
            if head is not None:
                span = await _span(upstreams.chain, settings, scope, head)
                scan = estimate_scan(database, settings, rates, missing, span, scope=scope)
        kept = Measured.of(database)
        lists = listing_stages(database, settings, scope, only, lambda name: upstreams.per_second(name, rates, kept))
        plan = plan_of(upstreams, database, missing, rates, scan=scan, lists=tuple(lists), only=only, budget=budget)
    return replace(plan, suggestions=(*plan.suggestions, *notes))


def look(database: Database | None, *, now: int | None = None, scope: Scope | None = None) -> tuple[Missing, Rates]:
    """What is missing, and what was measured in earlier runs."""
    if database is None:
        return NOTHING, Rates()
    with measured(database, now=now, scope=scope) as cursor:
        missing, rates = read_missing(cursor, now), read_rates(cursor)
    return missing, rates


def plan_of(
    upstreams: Upstreams,
    database: Database | None,
    missing: Missing,
    rates: Rates,
    *,
    scan: ScanEstimate | None,
    lists: Sequence[Stage] = (),
    only: Only,
    budget: float | None,
    closed: Callable[[Offer], bool] = lambda _offer: False,
) -> Plan:
    """The plan, given what was measured; `closed` says of a look-up that it is out of use at present."""
    return build_plan(
        missing,
        [offer for offer in upstreams.offers(rates, Measured.of(database)) if not closed(offer)],
        rates=rates,
        walks=upstreams.walks(database, rates),
        scan=scan,
        lists=lists,
        chain_enabled=upstreams.chain is not None,
        only=only,
        budget=budget,
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
    database: Database | None,
    settings: Settings,
    rates: Rates,
    missing: Missing,
    span: tuple[int, int],
    *,
    scope: Scope | None = None,
) -> ScanEstimate:
    """What it takes to scan what is missing of the blocks `span`."""
    wallets = [address_bytes(wallet) for wallet in scope.wallets] or None if scope is not None else None
    if database is None:
        blocks, covered = max(0, span[1] - span[0] + 1), 0
    else:
        with database.reading() as cursor:
            blocks = sum(portion.blocks.length for portion in missing_portions(cursor, span, wallets))
            covered = total(scopes.done_at_all(cursor) if wallets else scopes.done_for_all(cursor))
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


async def _span(chain: ChainSource, settings: Settings, scope: Scope, head: Head) -> tuple[int, int]:
    """The first and the last block to scan."""
    contracts = contracts_of(settings)
    first = contracts.first_block if settings.chain.from_block is None else settings.chain.from_block
    newest = _target(settings, head)
    return await blocks_between(chain, scope, first, newest) if newest >= first else (first, newest)


def _target(settings: Settings, head: Head) -> int:
    to_block = settings.chain.to_block
    if to_block == "finalized":
        return head.finalized
    return head.latest if to_block == "latest" else min(int(to_block), head.latest)


def plan_document(plan: Plan, scope: Scope | None = None) -> Document:
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
        "scope": None if scope is None else scope.document(),
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


_RAISED: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.TOKEN: ("condition",),
    Kind.MARKET_ID: ("condition", "market"),
    Kind.SLUG: ("condition", "market"),
    Kind.TRANSACTION: ("condition",),
    Kind.MARKET: ("market", "category"),
    Kind.RESOLUTION: ("resolution",),
}
"""Which figures of coverage rise with an answer about a key of a kind."""


def projected(coverage: Document, plan: Plan) -> Document:
    """The coverage that a plan expects at its end: trades and volume as in polyledger.coverage/1."""
    trades = {key: int(value) for key, value in coverage["trades"].items()}
    volume = {key: parse_amount(value) for key, value in coverage["volume"].items()}
    for stage in plan.stages:
        for key in _RAISED.get(stage.kind, ()) if stage.kind else ():
            trades[key] = min(trades["total"], trades[key] + round(stage.trades or 0))
            volume[key] = min(volume["total"], volume[key] + round(stage.volume or 0))
    return {"trades": trades, "volume": {key: amount_text(value) for key, value in volume.items()}}
