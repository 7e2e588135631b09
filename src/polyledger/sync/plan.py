"""From what is missing to a plan: who is asked about which keys, in which order, at what cost. Pure, no I/O.

Keys of a kind go to the source that finds most of them per request. Where that would take long, others that are nearly
as fast take a share; all others are asked for what is left over. Work is cut into pieces by gain, so that the requests
that bring most stand first whatever they ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from polyledger.domain.records import Kind
from polyledger.sources.lookups import RESOLUTION
from polyledger.sync.missing import CHAIN, Bools, Missing, MissingKeys
from polyledger.sync.ranking import Floats, Integers, Tier, bands, order, scores, tiers
from polyledger.sync.rates import Rates, prior
from polyledger.sync.stages import (
    ACTIONS,
    LISTINGS,
    SCAN,
    Offer,
    Only,
    Plan,
    Route,
    ScanEstimate,
    Stage,
    WalkOffer,
    worth_walking,
)

SHARED_AFTER: Final = 10.0
"""Seconds of work for one source from which on others take a share of it."""
_NEARLY_AS_FAST: Final = 0.25
_LEAST_EXPECTED: Final = 0.5  # keys: below this a stage for what others leave over is not planned
CHAIN_FIRST_WITHIN: Final = 60.0
"""A scan that takes no longer is done before others are asked, because it tells much of what they would be asked."""
_MANY_REQUESTS: Final = 100_000
_ALL_TIERS: Final = tuple(Tier)


@dataclass(frozen=True)
class _Candidate:
    """A source for the keys of one kind: how likely it is to know each (0 where it may not be asked)."""

    offer: Offer
    hits: Floats

    @property
    def found_per_request(self) -> float:
        capability = self.offer.capability
        asked = self.hits > 0
        mean = float(self.hits[asked].mean()) if asked.any() else 0.0
        return mean * capability.batch / max(1.0, capability.requests_per_batch)

    @property
    def found_per_second(self) -> float:
        return self.found_per_request * self.offer.per_second


def build_plan(
    missing: Missing,
    offers: Sequence[Offer],
    *,
    rates: Rates,
    walks: Sequence[WalkOffer] = (),
    lists: Sequence[Stage] = (),
    scan: ScanEstimate | None = None,
    chain_enabled: bool = True,
    only: Only | None = None,
    budget: float | None = None,
) -> Plan:
    """The plan for what is missing.

    Args:
        missing: what is missing.
        offers: what the sources that are in use can look up.
        rates: how often they know, measured or expected.
        walks: lists that can be walked.
        lists: stages that read what a service lists of a wallet or an account.
        scan: what the chain stage has to do; None when nothing or when the chain is not asked.
        chain_enabled: whether keys that the scan will tell are left to it.
        only: sources and actions to keep to.
        budget: seconds.
    """
    only = only or Only()
    stages = list(lists)
    routes: dict[Kind, Route] = {}
    if scan is not None and scan.blocks and only.allows(CHAIN, SCAN):
        stages.append(_scan_stage(scan, missing))
    settled_elsewhere = _resolved_by_market_stages(missing, offers, only)
    for kind, keys in missing.kinds.items():
        wanted = ~keys.later & ~keys.of_chain if chain_enabled else ~keys.later
        if kind is Kind.RESOLUTION:
            wanted &= ~np.isin(keys.keys.astype(str), settled_elsewhere)
        usable = [
            o for o in offers if o.capability.kind is kind and o.is_useful and only.allows(o.source, ACTIONS[kind])
        ]
        planner = _KindPlanner(missing, keys, wanted, usable, rates=rates, walks=walks)
        stages += planner.stages()
        if planner.route is not None:
            routes[kind] = planner.route
    first = {SCAN, *LISTINGS}
    ordered = sorted(stages, key=lambda s: (s.action not in first, s.depends, -s.gain_per_request, s.source, s.action))
    return Plan(
        stages=tuple(ordered),
        routes=routes,
        seconds=_seconds(ordered),
        budget=budget,
        shares=tuple(_shares(ordered, budget)),
        trades=missing.trades,
        volume=missing.volume,
        suggestions=tuple(_suggestions(scan, ordered)),
        walks=tuple(walks),
    )


class _KindPlanner:
    """Plans the keys of one kind."""

    def __init__(
        self,
        missing: Missing,
        keys: MissingKeys,
        wanted: Bools,
        offers: Sequence[Offer],
        *,
        rates: Rates,
        walks: Sequence[WalkOffer],
    ) -> None:
        self._keys = keys
        self._tiers = tiers(keys.last_trade, missing.measured_at)
        self._scores = scores(keys.trades, keys.volume, (missing.trades, missing.volume))
        self._walks = walks
        candidates = [_Candidate(self._reckoned(offer), self._hits(offer, wanted, rates)) for offer in offers]
        self._candidates = sorted(
            (candidate for candidate in candidates if candidate.hits.any()),
            key=lambda c: (not c.offer.gives_wanted, -c.found_per_request, c.offer.source),
        )
        self._first = self._shared_out()
        self.route = self._route() if self._candidates else None

    def stages(self) -> Iterator[Stage]:
        """Stages for the keys that each source is asked first, then for what is left over."""
        left = np.where(self._first >= 0, 1.0, 0.0)
        for place, candidate in enumerate(self._candidates):
            mine = np.flatnonzero(self._first == place)
            if len(mine):
                yield from self._first_stages(candidate, mine)
                if candidate.offer.gives_wanted:
                    left[mine] *= 1.0 - candidate.hits[mine]
        for place, candidate in enumerate(self._candidates):
            others = (self._first >= 0) & (self._first != place) & (candidate.hits > 0)
            expected = np.where(others, left, 0.0)
            if expected.sum() >= _LEAST_EXPECTED:
                yield self._later_stage(candidate, expected)
                if candidate.offer.gives_wanted:
                    left[others] *= 1.0 - candidate.hits[others]

    def _reckoned(self, offer: Offer) -> Offer:
        """The offer with the requests that these keys take where open and closed markets are asked for apart."""
        if not offer.capability.two_states:
            return offer
        closed = float(np.array([prior("", Kind.RESOLUTION, tier) for tier in _ALL_TIERS])[self._tiers].mean())
        capability = replace(offer.capability, requests_per_batch=1.0 + min(closed, 1.0 - closed))
        return replace(offer, capability=capability)

    def _hits(self, offer: Offer, wanted: Bools, rates: Rates) -> Floats:
        kind = self._keys.kind
        by_tier = np.array([rates.hit(offer.source, kind, tier) for tier in _ALL_TIERS])
        usable = wanted & ~self._keys.barred_for(offer.source)
        if not offer.gives_wanted:
            usable &= ~self._keys.named
        return np.where(usable, by_tier[self._tiers], 0.0)

    def _shared_out(self) -> npt.NDArray[np.int8]:
        """Which candidate is asked first about each key; -1 where nobody is."""
        first = np.full(len(self._keys), -1, np.int8)
        for place in reversed(range(len(self._candidates))):
            first[self._candidates[place].hits > 0] = place
        best = [c for c in self._candidates if c.offer.gives_wanted]
        if not best:
            return first
        fastest = max(candidate.found_per_second for candidate in best)
        team = [c for c in best if c.found_per_second >= _NEARLY_AS_FAST * fastest]
        alone = best[0].offer.requests(int((first >= 0).sum())) / best[0].offer.per_second
        if len(team) < 2 or alone <= SHARED_AFTER:
            return first
        self._share(first, team)
        return first

    def _share(self, first: npt.NDArray[np.int8], team: Sequence[_Candidate]) -> None:
        """Give batches, the weightiest keys first, to whoever of the team would have them done soonest."""
        ranked = order(np.where(first >= 0, self._scores, -1.0), self._keys.keys)
        ranked = ranked[first[ranked] >= 0]
        busy = [0.0] * len(team)
        begin = 0
        while begin < len(ranked):
            costs = [c.offer.capability.requests_per_batch / c.offer.per_second for c in team]
            chosen = min(range(len(team)), key=lambda place: (busy[place] + costs[place], place))
            part = ranked[begin : begin + team[chosen].offer.capability.batch]
            begin += len(part)
            busy[chosen] += costs[chosen]
            able = team[chosen].hits[part] > 0
            first[part[able]] = self._candidates.index(team[chosen])

    def _route(self) -> Route:
        return Route(
            kind=self._keys.kind,
            keys=self._keys.keys,
            sources=tuple(candidate.offer.source for candidate in self._candidates),
            first=self._first,
            allowed=np.array([candidate.hits > 0 for candidate in self._candidates]),
            complete=tuple(candidate.offer.gives_wanted for candidate in self._candidates),
            over=self._keys.over,
            gains=np.array([candidate.hits * self._scores for candidate in self._candidates]),
        )

    def _first_stages(self, candidate: _Candidate, mine: Integers) -> Iterator[Stage]:
        walk = self._walk_instead(candidate, len(mine))
        groups = [mine]
        if self._keys.kind is Kind.RESOLUTION:
            groups = [mine[self._tiers[mine] == place] for place in range(len(_ALL_TIERS))]
        if walk:
            groups = [mine]
        for group in groups:
            gains = candidate.hits[group] * self._scores[group]
            ranked = group[order(gains, self._keys.keys[group])]
            gains = candidate.hits[ranked] * self._scores[ranked]
            cuts = [(0, len(ranked))] if walk else bands(gains, batch=candidate.offer.capability.batch)
            for begin, end in cuts:
                yield self._stage(candidate, ranked[begin:end], walk)

    def _walk_instead(self, candidate: _Candidate, keys: int) -> tuple[WalkOffer, ...]:
        offer = candidate.offer
        return worth_walking(self._walks, offer.source, self._keys.kind, offer.requests(keys))

    def _stage(self, candidate: _Candidate, positions: Integers, walk: tuple[WalkOffer, ...]) -> Stage:
        offer, kind = candidate.offer, self._keys.kind
        hits = candidate.hits[positions]
        tier = _ALL_TIERS[self._tiers[positions[0]]] if kind is Kind.RESOLUTION and not walk else None
        requests = sum(part.pages for part in walk) if walk else offer.requests(len(positions))
        per_second = min(part.per_second for part in walk) if walk else offer.per_second
        return Stage(
            source=offer.source,
            action=f"walk-{ACTIONS[kind]}" if walk else ACTIONS[kind],
            kind=kind,
            keys=len(positions),
            requests=requests,
            seconds=requests / per_second,
            found=float(hits.sum()),
            trades=float(hits @ self._keys.trades[positions]),
            volume=float(hits @ self._keys.volume[positions]),
            positions=positions,
            tier=tier,
            walks=tuple(part.walk.name for part in walk),
            gain=float(hits @ self._scores[positions]),
        )

    def _later_stage(self, candidate: _Candidate, expected: Floats) -> Stage:
        offer, kind = candidate.offer, self._keys.kind
        keys = float(expected.sum())
        hits = expected * candidate.hits
        requests = offer.requests(keys)
        return Stage(
            source=offer.source,
            action=ACTIONS[kind],
            kind=kind,
            keys=round(keys),
            requests=requests,
            seconds=requests / offer.per_second,
            found=float(hits.sum()),
            trades=float(hits @ self._keys.trades),
            volume=float(hits @ self._keys.volume),
            depends=True,
            gain=float(hits @ self._scores),
        )


def _scan_stage(scan: ScanEstimate, missing: Missing) -> Stage:
    gain = 0.0
    if scan.trades is not None and missing.trades:
        gain = scan.trades / missing.trades
    return Stage(
        source=CHAIN, action=SCAN, kind=None, keys=scan.blocks, requests=scan.requests, seconds=scan.seconds,
        found=scan.trades, trades=scan.trades, volume=scan.volume, gain=gain,
    )  # fmt: skip


def _resolved_by_market_stages(missing: Missing, offers: Sequence[Offer], only: Only) -> npt.NDArray[np.str_]:
    """Conditions whose market is about to be asked of a source that tells the resolution in the same answer."""
    keys = missing.kinds.get(Kind.MARKET)
    telling = [
        offer for offer in offers
        if offer.capability.kind is Kind.MARKET and RESOLUTION in offer.capability.gives and offer.gives_wanted
        and only.allows(offer.source, ACTIONS[Kind.MARKET])
    ]  # fmt: skip
    if keys is None or not telling:
        return np.zeros(0, np.str_)
    free = np.zeros(len(keys), np.bool_)
    for offer in telling:
        free |= ~keys.barred_for(offer.source)
    return keys.keys[free].astype(str)


def chain_goes_first(stages: Sequence[Stage]) -> bool:
    """Whether others wait for the scan of the chain."""
    return any(stage.action == SCAN and stage.seconds <= CHAIN_FIRST_WITHIN for stage in stages)


def _seconds(stages: Sequence[Stage]) -> float:
    """From beginning to end: sources work side by side, after the scan when that goes first."""
    scan = sum(stage.seconds for stage in stages if stage.action == SCAN)
    busy: dict[str, float] = {}
    for stage in stages:
        if stage.action != SCAN:
            busy[stage.source] = busy.get(stage.source, 0.0) + stage.seconds
    longest = max(busy.values(), default=0.0)
    return scan + longest if chain_goes_first(stages) else max(scan, longest)


def _shares(stages: Sequence[Stage], budget: float | None) -> Iterator[float]:
    """The share of each stage that is done when the time is up."""
    scan = sum(stage.seconds for stage in stages if stage.action == SCAN)
    delay = scan if chain_goes_first(stages) else 0.0
    used: dict[tuple[str, bool], float] = {}
    for stage in stages:
        if budget is None:
            yield 1.0
            continue
        place = (stage.source, stage.action == SCAN)
        begin = used.get(place, 0.0 if stage.action == SCAN else delay)
        used[place] = begin + stage.seconds
        left = budget - begin
        yield 1.0 if stage.seconds <= left else max(0.0, left / stage.seconds) if stage.seconds > 0 else 0.0


def _suggestions(scan: ScanEstimate | None, stages: Sequence[Stage]) -> Iterator[str]:
    if scan is not None and scan.requests > _MANY_REQUESTS and any(stage.action == SCAN for stage in stages):
        yield (
            f"Scanning {scan.blocks:,} blocks takes about {scan.requests:,} requests at "
            f"{scan.blocks_per_request:,.0f} blocks each. An endpoint that allows wider ranges, a scope "
            "(chain.from_block, --wallet, --market) or logs from a bulk provider (import --as logs) cost far less."
        )
