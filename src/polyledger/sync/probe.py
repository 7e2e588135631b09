"""Measures what each source can do at present: batches, pages, seconds, freshness. Some twenty requests per source.

Keys to ask for come from the sources' own lists. The document is the table ``probe`` of ``polyledger.doctor/1``::

    {"at": seconds since 1970,
     "sources": [{"source", "requests", "error",
                  "lookups":   [{"kind", "batch", "asked", "found", "seconds", "ok", "error"}],
                  "walks":     [{"name", "page", "seconds", "more", "ok", "error"}],
                  "freshness": {"block", "timestamp", "lag_seconds"} | null}]}

``batch`` is the largest number of keys that worked in one request, ``seconds`` the time of one request.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import anyio
import msgspec

from polyledger.config import ChainSettings, Settings, SourceSettings
from polyledger.domain.errors import PolyledgerError
from polyledger.domain.records import EventRecord, Kind, MarketRecord
from polyledger.net import AdaptiveLimiter, EndpointPool, HttpClient, RetryPolicy
from polyledger.sources.chain_lookups import ChainLookups
from polyledger.sources.clob import ClobSource
from polyledger.sources.data_api import DataApiSource
from polyledger.sources.gamma import GammaSource
from polyledger.sources.lookups import LookupSource, capability_of
from polyledger.sources.subgraph import SubgraphSource
from polyledger.sync.scope import contracts_of

_POLICY: Final = RetryPolicy(attempts=3, wait_max=2.0, give_up_after=15.0)
_TIMEOUT: Final = 15.0
_SINGLE_KEYS: Final = 3  # of a source that takes one key per request
_MAKERS: Final[dict[str, Callable[[HttpClient, str], LookupSource]]] = {
    "gamma": GammaSource,
    "clob": ClobSource,
    "data_api": DataApiSource,
    "subgraph": SubgraphSource,
}

Found = dict[str, Any]
Samples = dict[Kind, list[str]]


def probe(settings: Settings) -> Found:
    """Ask every source that is switched on; takes seconds. A source that fails is a result, not an error."""
    return anyio.run(_probe, settings)


async def _probe(settings: Settings) -> Found:
    samples: Samples = {kind: [] for kind in Kind}
    sources: list[Found] = []
    # Gamma and CLOB list markets, whose ids the others are then asked for.
    for name, make in _MAKERS.items():
        section: SourceSettings = getattr(settings, name)
        if section.enabled:
            async with _client(name, section) as client:
                sources.append(await _source(make(client, section.url), client, samples))
    if settings.chain.enabled:
        async with _client("chain", settings.chain) as client:
            sources.append(await _chain(settings, client, samples))
    return {"at": time.time(), "sources": sources}


def _client(name: str, section: SourceSettings | ChainSettings) -> HttpClient:
    return HttpClient(name, limiter=AdaptiveLimiter(section.requests_per_10s), policy=_POLICY, timeout=_TIMEOUT)


async def _source(source: LookupSource, client: HttpClient, samples: Samples) -> Found:
    result: Found = {"source": source.name, "error": None, "lookups": [], "walks": [], "freshness": None}
    for walk in getattr(source, "walks", ()):
        result["walks"].append(await _walk(source, client, walk.name, samples))
    for capability in source.capabilities:
        if keys := samples[capability.kind]:
            result["lookups"].append(await _look_up(source, client, capability.kind, keys))
    if isinstance(source, SubgraphSource):
        with contextlib.suppress(PolyledgerError):
            block, timestamp = await source.head()
            result["freshness"] = _freshness(block, timestamp)
    return _summed(result, client)


async def _chain(settings: Settings, client: HttpClient, samples: Samples) -> Found:
    pool = EndpointPool.from_urls(settings.chain.rpc_urls, client, policy=_POLICY)
    source = ChainLookups(pool, contracts_of(settings), chain_id=settings.chain.chain_id)
    result: Found = {"source": source.name, "error": None, "lookups": [], "walks": [], "freshness": None}
    try:
        raw = await pool.run(lambda endpoint: endpoint.call("eth_getBlockByNumber", ["latest", False]))
        block = msgspec.json.decode(raw)
        result["freshness"] = _freshness(int(block["number"], 16), int(block["timestamp"], 16))
        samples[Kind.TRANSACTION] = list(block.get("transactions") or ())
    except (PolyledgerError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        result["error"] = str(error)
        return _summed(result, client)
    for capability in source.capabilities:
        if keys := samples[capability.kind]:
            result["lookups"].append(await _look_up(source, client, capability.kind, keys))
    return _summed(result, client)


def _summed(result: Found, client: HttpClient) -> Found:
    steps = [*result["lookups"], *result["walks"]]
    if result["error"] is None and steps and not any(step["ok"] for step in steps):
        result["error"] = steps[0]["error"]
    return result | {"requests": client.requests}


def _freshness(block: int, timestamp: int) -> Found:
    return {"block": block, "timestamp": timestamp, "lag_seconds": max(0, int(time.time()) - timestamp)}


async def _walk(source: Any, client: HttpClient, name: str, samples: Samples) -> Found:
    """The first page of a list; its rows become samples."""
    found: Found = {"name": name, "page": 0, "seconds": None, "more": False, "ok": False, "error": None}
    began, requests = time.monotonic(), client.requests
    try:
        async with contextlib.aclosing(source.walk(name)) as pages:
            async for page in pages:
                found |= {"page": len(page.answers), "more": page.next_cursor is not None, "ok": True}
                _sample(samples, (answer.record for answer in page.answers))
                break
    except PolyledgerError as error:
        return found | {"error": str(error)}
    return found | {"seconds": _seconds(began, client.requests - requests)}


async def _look_up(source: LookupSource, client: HttpClient, kind: Kind, keys: list[str]) -> Found:
    """One full batch, or as many keys as there are; the source halves it by itself until it works."""
    batch = capability_of(source, kind).batch
    asked = list(dict.fromkeys(keys))[: batch if batch > 1 else _SINGLE_KEYS]
    found: Found = {"kind": kind.value, "batch": batch, "asked": len(asked), "found": 0, "seconds": None}
    began, requests, hits = time.monotonic(), client.requests, set()
    try:
        async with contextlib.aclosing(source.look_up(kind, asked, concurrency=1)) as lists:  # type: ignore[type-var]
            async for answers in lists:
                hits |= {answer.key for answer in answers if answer.asked and answer.record is not None}
    except PolyledgerError as error:
        return found | {"ok": False, "error": str(error)}
    seconds = _seconds(began, client.requests - requests)
    now = capability_of(source, kind).batch
    return found | {"batch": now, "found": len(hits), "seconds": seconds, "ok": True, "error": None}


def _seconds(began: float, requests: int) -> float:
    return round((time.monotonic() - began) / max(1, requests), 4)


def _sample(samples: Samples, records: Iterable[Any]) -> None:
    """Keys of every kind that the records name."""
    for record in records:
        if isinstance(record, EventRecord):
            samples[Kind.EVENT].append(record.event_id)
        if not isinstance(record, MarketRecord) or record.condition_id is None:
            continue
        samples[Kind.MARKET].append(record.condition_id)
        samples[Kind.RESOLUTION].append(record.condition_id)
        samples[Kind.TOKEN] += record.token_ids or ()
        if record.market_id is not None:
            samples[Kind.MARKET_ID].append(record.market_id)
            samples[Kind.SLUG].append(record.slug)
