"""The sources that are in use: one client with one budget each, and what they offer to a plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from polyledger.config import ChainSettings, Settings, SourceSettings
from polyledger.domain.errors import ConfigurationError
from polyledger.domain.records import Kind
from polyledger.net import AdaptiveLimiter, EndpointPool, HttpClient, JsonRpcClient, RetryPolicy, is_loopback
from polyledger.sources.chain import ChainSource
from polyledger.sources.chain_lookups import ChainLookups
from polyledger.sources.clob import ClobSource
from polyledger.sources.data_api import DataApiSource
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import LookupSource
from polyledger.sources.subgraph import SubgraphSource
from polyledger.store.database import Database
from polyledger.sync.measured import Measured
from polyledger.sync.rates import Rates
from polyledger.sync.scope import contracts_of
from polyledger.sync.stages import Offer, WalkOffer

CHAIN: Final = "chain"
PATIENT: Final = RetryPolicy(attempts=9, wait_max=5.0, give_up_after=60.0)
"""For look-ups, which can wait for the next run; the chain is worth more patience."""
HASTY: Final = RetryPolicy(attempts=2, wait_max=1.0, give_up_after=5.0)
"""For a question asked while somebody waits for the answer."""
_SECONDS_PER_ANSWER: Final = 0.25
_SECONDS_PER_ANSWER_HERE: Final = 0.01
_ROWS_OF_A_LIST: Final = 500_000
"""How many rows a list of markets has, before it has been walked once."""

_LOOKUPS: Final[dict[str, Callable[[HttpClient, str], LookupSource]]] = {
    "gamma": GammaSource,
    "clob": ClobSource,
    "data_api": DataApiSource,
    "subgraph": SubgraphSource,
}


class Upstreams:
    """Clients, limits and sources of one run. An async context manager; nothing is connected before it is asked."""

    def __init__(self, settings: Settings, *, policy: RetryPolicy = PATIENT, chain_policy: RetryPolicy | None = None):
        self.settings = settings
        self.clients: dict[str, HttpClient] = {}
        self.lookups: dict[str, LookupSource] = {}
        self.chain: ChainSource | None = None
        self._policy = policy
        self._chain_policy = chain_policy
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self.settings.chain.enabled:
            self.chain = await self._open_chain()
        for name, make in _LOOKUPS.items():
            section: SourceSettings = getattr(self.settings, name)
            if section.enabled:
                limit = _limit(section, section.url)
                client = HttpClient(name, limiter=AdaptiveLimiter(limit) if limit else None, policy=self._policy)
                self.clients[name] = await self._stack.enter_async_context(client)
                self.lookups[name] = make(client, section.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def requests(self) -> dict[str, int]:
        """Requests made so far, by source."""
        return {source: client.requests for source, client in self.clients.items()}

    def workers(self, source: str) -> int:
        """How many requests to a source may be under way at the same time."""
        section: SourceSettings | ChainSettings = getattr(self.settings, source)
        return section.max_workers

    def is_limited(self, source: str) -> bool:
        """Whether a source holds us back at present."""
        client = self.clients[source]
        rate, most = client.limiter.rate, self._configured(source)
        return rate is not None and most is not None and rate < 0.9 * most

    def answerers(self) -> dict[str, set[str]]:
        """Which sources can be asked about which kind of key."""
        found: dict[str, set[str]] = {}
        for name, source in self.lookups.items():
            for capability in source.capabilities:
                if name != CHAIN or capability.kind is Kind.TRANSACTION:
                    found.setdefault(str(capability.kind), set()).add(name)
        return found

    def offers(self, rates: Rates, measured: Measured | None = None) -> list[Offer]:
        """What can be looked up, at the speed that settings, a probe and earlier runs allow."""
        measured = measured or Measured()
        return [
            Offer(
                measured.capability(capability),
                self.per_second(name, rates, measured) / capability.weight,
                self.workers(name),
            )
            for name, source in self.lookups.items()
            for capability in source.capabilities
            if name != CHAIN or capability.kind is Kind.TRANSACTION or measured.works(CHAIN, capability.kind)
        ]

    def walks(self, database: Database | None, rates: Rates) -> list[WalkOffer]:
        """Lists that can be walked, as long as they were found to be or are believed to be."""
        offers = []
        measured = Measured.of(database)
        for name, source in self.lookups.items():
            for walk in getattr(source, "walks", ()):
                known = None if database is None else database.setting(f"walk_rows:{walk.source}:{walk.name}")
                rows = _ROWS_OF_A_LIST if known is None else int(known)
                one_by_one = self.per_second(name, rates, measured, workers=1)
                offers.append(WalkOffer(measured.walk(walk), rows, one_by_one))
        return offers

    def _address(self, source: str) -> str:
        return self.settings.chain.rpc_urls[0] if source == "chain" else str(getattr(self.settings, source).url)

    def _configured(self, source: str) -> float | None:
        """Requests per second of the settings; None where nothing holds us back."""
        limit = _limit(getattr(self.settings, source), self._address(source))
        return None if limit is None else limit / 10

    def per_second(self, source: str, rates: Rates, measured: Measured, *, workers: int | None = None) -> float:
        """Requests per second that a source is expected to take, from settings, a probe and earlier runs."""
        usual = _SECONDS_PER_ANSWER_HERE if is_loopback(self._address(source)) else _SECONDS_PER_ANSWER
        seconds = measured.seconds(source) or usual
        possible = (workers or self.workers(source)) / seconds
        if workers is None and source in rates.speeds:
            possible = rates.speeds[source]
        most = self._configured(source)
        return possible if most is None else min(most, possible)

    async def _open_chain(self) -> ChainSource:
        settings, contracts = self.settings.chain, contracts_of(self.settings)
        if not settings.rpc_urls:
            raise ConfigurationError("No JSON-RPC endpoint is configured", "Set chain.rpc_url or POLYGON_RPC_URL")
        client = await self._stack.enter_async_context(HttpClient("chain", policy=self._chain_policy))
        self.clients["chain"] = client
        limiters: list[Any] = [AdaptiveLimiter(_limit(settings, url)) for url in settings.rpc_urls]
        pool = EndpointPool(
            [JsonRpcClient(url, client, limiter=own) for url, own in zip(settings.rpc_urls, limiters, strict=True)]
        )
        keep = self.settings.evidence.keep == "all"
        self.lookups[CHAIN] = ChainLookups(pool, contracts, chain_id=settings.chain_id, keep_bodies=keep)
        return ChainSource(
            pool,
            contracts,
            chain_id=settings.chain_id,
            collateral_transfers=settings.collateral_transfers,
            max_concurrency=settings.max_workers,
            keep_bodies=keep,
        )


def _limit(section: SourceSettings | ChainSettings, url: str) -> float | None:
    """Requests per 10 s for an endpoint: the setting; without one, a node on this machine is not held back."""
    if "requests_per_10s" not in section.model_fields_set and is_loopback(url):
        return None
    return section.requests_per_10s
