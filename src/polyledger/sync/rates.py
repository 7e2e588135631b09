"""How often a source knows what it is asked and how fast it answers: measured where there is something to measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb

from polyledger.domain.records import Kind
from polyledger.store.sql import script
from polyledger.sync.ranking import Tier

PRIOR_WEIGHT: Final = 20.0
"""A prior counts as much as this many look-ups: after a few hundred, what was measured decides."""

# Shares of keys that a source is expected to know before anything has been measured, by kind. Estimates, from what the
# sources are: Gamma lists every market that was published; the CLOB is asked only what Gamma does not know, little of
# which it has; the subgraph ends with the contracts of April 2026.
_PRIORS: Final[Mapping[tuple[str, Kind], float]] = {
    ("gamma", Kind.MARKET): 0.998,
    ("gamma", Kind.EVENT): 0.99,
    ("gamma", Kind.TOKEN): 0.97,
    ("gamma", Kind.MARKET_ID): 0.99,
    ("gamma", Kind.SLUG): 0.95,
    ("clob", Kind.MARKET): 0.3,
    ("clob", Kind.TOKEN): 0.9,
    ("data_api", Kind.TOKEN): 0.98,
    ("data_api", Kind.MARKET): 0.5,
    ("subgraph", Kind.TOKEN): 0.6,
    ("subgraph", Kind.MARKET): 0.3,
    ("chain", Kind.TRANSACTION): 0.98,
    ("chain", Kind.TOKEN): 0.9,
}
_OTHERWISE: Final = 0.5
# A condition that was traded long ago has ended, one that was traded last week probably has not.
_RESOLVED: Final[Mapping[Tier, float]] = {Tier.OLD: 0.97, Tier.MIDDLE: 0.9, Tier.YOUNG: 0.4}
_TRUSTED_REQUESTS: Final = 10  # below this many, speed says little


@dataclass(frozen=True)
class Rates:
    """Hit rates and speeds.

    Attributes:
        asked, found: look-ups by (source, kind, tier).
        speeds: requests per second that a source came to in earlier runs.
        blocks_per_request: of the scan in earlier runs; None before the first.
    """

    asked: Mapping[tuple[str, Kind, Tier], int] = field(default_factory=dict)
    found: Mapping[tuple[str, Kind, Tier], int] = field(default_factory=dict)
    speeds: Mapping[str, float] = field(default_factory=dict)
    blocks_per_request: float | None = None

    def hit(self, source: str, kind: Kind, tier: Tier) -> float:
        """The share of keys of this kind and age that `source` is expected to know, between 0 and 1."""
        place = (source, kind, tier)
        guess = prior(source, kind, tier)
        return (self.found.get(place, 0) + PRIOR_WEIGHT * guess) / (self.asked.get(place, 0) + PRIOR_WEIGHT)


def prior(source: str, kind: Kind, tier: Tier) -> float:
    """What is expected before anything has been measured."""
    if kind is Kind.RESOLUTION:
        return _RESOLVED[tier]
    return _PRIORS.get((source, kind), _OTHERWISE)


def read_rates(cursor: duckdb.DuckDBPyConnection) -> Rates:
    """What earlier runs tell; `cursor` is one that `missing.measured` gives."""
    asked: dict[tuple[str, Kind, Tier], int] = {}
    found: dict[tuple[str, Kind, Tier], int] = {}
    for source, kind, tier, tried, hits in cursor.execute(script("polyledger.sync", "measured_rates")).fetchall():
        if kind in set(Kind):
            asked[source, Kind(kind), Tier(tier)] = int(tried)
            found[source, Kind(kind), Tier(tier)] = int(hits)
    speeds, blocks = read_speeds(cursor)
    return Rates(asked, found, speeds, blocks)


def read_speeds(cursor: duckdb.DuckDBPyConnection) -> tuple[dict[str, float], float | None]:
    """Requests per second of each source and blocks per request of the scan in earlier runs, as in `Rates`."""
    requests: dict[str, float] = {}
    seconds: dict[str, float] = {}
    blocks: float | None = None
    for source, action, made, took, keys in cursor.execute(script("polyledger.sync", "measured_speeds")).fetchall():
        requests[source] = requests.get(source, 0.0) + float(made)
        seconds[source] = seconds.get(source, 0.0) + float(took)
        if action == "scan" and keys:
            blocks = float(keys) / float(made)
    speeds = {
        source: requests[source] / seconds[source]
        for source in requests
        if requests[source] >= _TRUSTED_REQUESTS and seconds[source] > 0
    }
    return speeds, blocks
