"""The parts of a plan: what is asked of whom, what it costs and what it should bring. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from polyledger.domain.errors import UsageError
from polyledger.domain.records import Kind
from polyledger.sources.lookups import (
    CATEGORY,
    CONDITION,
    EVENT,
    FILLS,
    MARKET,
    RESOLUTION,
    Capability,
    Walk,
)
from polyledger.sync.ranking import Integers, Tier, order

SCAN: Final = "scan"
ACCOUNT_TRADES: Final = "account-trades"
WALLET_TRADES: Final = "wallet-trades"
WALLET_ACTIVITY: Final = "wallet-activity"
LISTINGS: Final = (ACCOUNT_TRADES, WALLET_TRADES, WALLET_ACTIVITY)
"""Actions that read what a service lists of an account or a wallet (sync/listings.py)."""
ACTIONS: Final[dict[Kind, str]] = {
    Kind.TOKEN: "tokens",
    Kind.MARKET: "markets",
    Kind.EVENT: "events",
    Kind.RESOLUTION: "resolutions",
    Kind.TRANSACTION: "transactions",
    Kind.MARKET_ID: "market-ids",
    Kind.SLUG: "slugs",
}
"""The action of a stage that looks up keys of a kind; walking a list for them is ``walk-`` and the same word."""
WANTED: Final[dict[Kind, frozenset[str]]] = {
    Kind.TOKEN: frozenset({CONDITION}),
    Kind.MARKET: frozenset({MARKET, EVENT}),  # the number of a market comes with its event
    Kind.EVENT: frozenset({CATEGORY}),
    Kind.RESOLUTION: frozenset({RESOLUTION}),
    Kind.TRANSACTION: frozenset({FILLS}),
    Kind.MARKET_ID: frozenset({CONDITION}),
    Kind.SLUG: frozenset({CONDITION}),
}
"""The facts for which keys of a kind are asked: an answer that cannot hold them leaves the key open for others."""
SECOND_BEST: Final = {Kind.MARKET: frozenset({MARKET})}
"""What an answer must at least hold to be worth asking for where the wanted facts cannot be had: here a name."""
SOURCES: Final = ("chain", "gamma", "clob", "data_api", "subgraph")


@dataclass(frozen=True)
class Offer:
    """One look-up that a source offers at present, and how many requests a second it may be asked.

    Attributes:
        workers: requests that may be under way at the same time.
    """

    capability: Capability
    per_second: float
    workers: int = 4

    @property
    def source(self) -> str:
        """Whose it is."""
        return self.capability.source

    @property
    def gives_wanted(self) -> bool:
        """Whether an answer can hold what keys of this kind are asked for."""
        return WANTED[self.capability.kind] <= self.capability.gives

    @property
    def is_useful(self) -> bool:
        """Whether an answer can hold anything that keys of this kind are asked for."""
        second = SECOND_BEST.get(self.capability.kind)
        return self.gives_wanted or (second is not None and second <= self.capability.gives)

    def requests(self, keys: float) -> int:
        """Requests that so many keys take: full batches and a part of one."""
        if keys <= 0:
            return 0
        batches = -(-keys // self.capability.batch)
        return max(int(batches), int(np.ceil(keys / self.capability.batch * self.capability.requests_per_batch)))


@dataclass(frozen=True)
class WalkOffer:
    """A list that can be walked, how long it is expected to be, and where an earlier walk stopped."""

    walk: Walk
    rows: int
    per_second: float

    @property
    def pages(self) -> int:
        """Requests from one end to the other."""
        return max(1, -(-self.rows // self.walk.page))


WALKED_FOR: Final[Mapping[Kind, Kind]] = {Kind.RESOLUTION: Kind.MARKET, Kind.TOKEN: Kind.MARKET}
"""Lists of markets tell resolutions and tokens as well."""
_WALK_WORTH: Final = 0.8  # a walk, which brings no order, must cost clearly less than asking by key


def worth_walking(walks: Sequence[WalkOffer], source: str, kind: Kind, requests: int) -> tuple[WalkOffer, ...]:
    """The lists of a source to walk for keys of a kind, when that costs clearly less than `requests`; else none."""
    wanted = {kind, WALKED_FOR.get(kind)}
    lists = tuple(offer for offer in walks if offer.walk.source == source and offer.walk.kind in wanted)
    return lists if lists and sum(offer.pages for offer in lists) < _WALK_WORTH * requests else ()


@dataclass(frozen=True)
class ScanEstimate:
    """What the chain stage has to do: blocks that are missing, and what they cost.

    Attributes:
        trades, volume: expected from the blocks that are in; None while there are none.
    """

    blocks: int
    requests: int
    seconds: float
    trades: float | None = None
    volume: float | None = None
    blocks_per_request: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One step of a plan.

    Attributes:
        source, action: who is asked, and what for (see `ACTIONS`, `SCAN`).
        keys: how many (blocks, for the scan); of a stage that depends on others, how many are expected.
        positions: which of the kind's keys, in the order in which they are asked; empty where `depends`.
        tier: of keys that are planned by the time since their last trade.
        walks: lists to walk instead of looking keys up one batch at a time.
        depends: its keys come from other stages: those that another source did not know, or that answers name.
        found, trades, volume: expected; None where nothing is known to expect it from.
    """

    source: str
    action: str
    kind: Kind | None
    keys: int
    requests: int
    seconds: float
    found: float | None
    trades: float | None
    volume: float | None
    positions: Integers = field(default_factory=lambda: np.zeros(0, np.int64), repr=False, compare=False)
    tier: Tier | None = None
    walks: tuple[str, ...] = ()
    depends: bool = False
    gain: float = 0.0

    @property
    def gain_per_request(self) -> float:
        """What a request of this stage adds to coverage."""
        return self.gain / max(1, self.requests)


@dataclass(frozen=True)
class Route:
    """For the keys of one kind: who is asked first, and who next when that one does not know.

    Attributes:
        sources: in the order in which they take over.
        first: position in `sources` of the one asked first, -1 for keys that are not asked for.
        allowed: one row per source: whether it may be asked about the key.
        complete: per source: whether its answers can hold what is wanted.
        gains: one row per source: what an answer of it about the key is expected to add to coverage.
    """

    kind: Kind
    keys: npt.NDArray[np.object_]
    sources: tuple[str, ...]
    first: npt.NDArray[np.int8]
    allowed: npt.NDArray[np.bool_]
    complete: tuple[bool, ...]
    over: npt.NDArray[np.bool_]
    gains: npt.NDArray[np.float64]

    def ranks_for(self, place: int) -> Integers:
        """The place of each key in the order in which a source should be asked: 0 for the one that promises most."""
        ranked = order(self.gains[place], self.keys)
        ranks = np.empty(len(ranked), np.int64)
        ranks[ranked] = np.arange(len(ranked))
        return ranks


@dataclass(frozen=True)
class Plan:
    """Everything a run is to do, in the order of what it is worth.

    Attributes:
        seconds: from beginning to end, sources working side by side.
        buys: what fits into the budget: shares of the expected gain per stage, aligned with `stages`.
        suggestions: one sentence each.
        walks: lists that can be walked, for keys that others leave over.
    """

    stages: tuple[Stage, ...]
    routes: Mapping[Kind, Route]
    seconds: float
    budget: float | None
    shares: tuple[float, ...]
    trades: int
    volume: int
    suggestions: tuple[str, ...] = ()
    walks: tuple[WalkOffer, ...] = ()

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(stage.requests for stage in self.stages)

    @property
    def fits_budget(self) -> bool:
        """Whether everything is done within the budget."""
        return self.budget is None or self.seconds <= self.budget

    def of(self, source: str) -> tuple[Stage, ...]:
        """The stages of one source, in order."""
        return tuple(stage for stage in self.stages if stage.source == source)


@dataclass(frozen=True)
class Only:
    """Which sources and which actions a plan may use; empty: all."""

    sources: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Sequence[str]) -> Only:
        """From names of sources and actions as a person writes them.

        Raises:
            UsageError: a name that is neither.
        """
        actions = {SCAN, *LISTINGS, *ACTIONS.values()}
        for name in names:
            if name not in SOURCES and name not in actions:
                known = ", ".join([*SOURCES, *sorted(actions)])
                raise UsageError(f"{name!r} is neither a source nor an action", f"Choose among {known}")
        return cls(frozenset(names) & frozenset(SOURCES), frozenset(names) & frozenset(actions))

    def allows(self, source: str, action: str) -> bool:
        """Whether a stage may be planned."""
        return (not self.sources or source in self.sources) and (not self.actions or action in self.actions)
