"""What may go wrong, on demand: the settings of a fault script and the dice that apply them.

A script is TOML or JSON with the tables below; each field is documented where it is defined. Every rate is the share of
requests (or batch members) that it hits, decided by a seeded generator, so that a run can be repeated.
"""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from polyledger.domain.errors import ConfigurationError
from polyledger.replica.chain import BranchPlan, HeadPlan

Source = Literal["rpc", "gamma", "clob", "data", "subgraph"]
RefusalStyle = Literal[
    "alchemy", "infura", "decimal", "geth", "thousands", "wide", "exceed", "drpc", "limited", "generic"
]


class RpcFaults(msgspec.Struct, forbid_unknown_fields=True):
    """Limits and failures that are particular to JSON-RPC nodes.

    Attributes:
        max_block_range: widest range of ``eth_getLogs`` in blocks; wider ones are refused.
        range_refusal: in whose words a too wide range is refused.
        max_logs: most logs in one answer.
        logs_refusal: in whose words an answer with too many logs is refused.
        cut_logs: silently return only the first ``max_logs`` logs instead of refusing.
        null_results: share of calls answered with HTTP 200 and ``result: null``.
        throttled_members: share of calls answered with HTTP 200 and JSON-RPC error 429.
        unordered_batches: answer the members of a batch in random order.
        lag_rate, lag_blocks: share of requests answered by a node that is so many blocks behind.
        finalized: whether the node knows the ``finalized`` tag.
        finalized_depth: blocks between the head and the finalized block.
        block_timestamps: whether logs carry ``blockTimestamp``.
        logs_bloom: whether headers carry ``logsBloom``.
        past_head: whether a range past the head is clipped silently or is an error.
        missing_methods: methods that the node does not offer.
        max_batch: most members in a batch.
    """

    max_block_range: int | None = None
    range_refusal: RefusalStyle = "alchemy"
    max_logs: int | None = None
    logs_refusal: RefusalStyle = "infura"
    cut_logs: bool = False
    null_results: float = 0.0
    throttled_members: float = 0.0
    unordered_batches: bool = False
    lag_rate: float = 0.0
    lag_blocks: int = 0
    finalized: bool = True
    finalized_depth: int = 0
    block_timestamps: bool = True
    logs_bloom: bool = True
    past_head: Literal["clip", "error"] = "clip"
    missing_methods: list[str] = []
    max_batch: int = 1000


class HttpFaults(msgspec.Struct, forbid_unknown_fields=True):
    """Failures below the answer itself.

    Attributes:
        sources: which sources fail so; all by default.
        too_many_requests, server_errors, resets, truncated, html: shares of requests answered with 429, with 502
            or 503, by closing the connection, with half of the body, and with 200 and a page of HTML.
        retry_after: what a 429 says about waiting: seconds, an HTTP date or nothing.
        retry_after_seconds: the wait it asks for.
        latency_seconds: wait before each answer.
        down: pairs of first and last request (counted per source from 1) during which everything is answered with 503.
        limits: most requests in any 10 seconds by the beginning of a path, such as ``gamma/markets``; one more is
            answered with 429 and the seconds to wait. A request counts for every beginning that it has.
    """

    sources: tuple[Source, ...] = ("rpc", "gamma", "clob", "data", "subgraph")
    too_many_requests: float = 0.0
    server_errors: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    html: float = 0.0
    retry_after: Literal["seconds", "date", "none"] = "seconds"
    retry_after_seconds: int = 0
    latency_seconds: float = 0.0
    down: list[tuple[int, int]] = []
    limits: dict[str, int] = {}


DOCUMENTED_LIMITS: dict[str, int] = {
    "gamma": 4_000,
    "gamma/markets": 300,
    "gamma/events": 500,
    "data": 1_000,
    "data/trades": 200,
    "data/v2": 200,
    "clob": 9_000,
    "clob/markets": 900,
    "clob/markets-by-token": 900,
    "subgraph": 50,
}
"""Requests in 10 seconds as the owners document them; routes of which nothing is known stand with their nearest kin."""


class MarketFaults(msgspec.Struct, forbid_unknown_fields=True):
    """Gaps and oddities of the market services.

    Attributes:
        missing_gamma, missing_clob, missing_data, missing_subgraph: condition ids that the service does not know.
        repeat_pages: Data API v1 repeats the last page past the offset cap instead of answering 400.
        subgraph_head: last block that the subgraph has indexed; None for the cutover of 2026-04-28.
        one_market: condition id of the market that every look-up is answered with, as by an API that does not know a
            filter and gives the first row of everything.
        one_market_of: which services answer so.
        one_market_echoes: answers carry the condition or token that was asked for; only the rest is that market's.
    """

    missing_gamma: frozenset[str] = frozenset()
    missing_clob: frozenset[str] = frozenset()
    missing_data: frozenset[str] = frozenset()
    missing_subgraph: frozenset[str] = frozenset()
    repeat_pages: bool = False
    subgraph_head: int | None = None
    one_market: str | None = None
    one_market_of: tuple[Literal["gamma", "clob", "data"], ...] = ("gamma", "clob", "data")
    one_market_echoes: bool = False


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """A whole fault script; without any table everything works."""

    seed: int = 0
    rpc: RpcFaults = msgspec.field(default_factory=RpcFaults)
    http: HttpFaults = msgspec.field(default_factory=HttpFaults)
    markets: MarketFaults = msgspec.field(default_factory=MarketFaults)
    head: HeadPlan = msgspec.field(default_factory=HeadPlan)
    reorg: BranchPlan | None = None


class Dice:
    """Seeded chance. One instance for one server."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose; nothing secret hangs on it

    def hits(self, rate: float) -> bool:
        """True in that share of the calls."""
        return rate > 0 and self._random.random() < rate

    def shuffle(self, items: list[Any]) -> None:
        """Put the items in random order, in place."""
        self._random.shuffle(items)


def load_faults(path: Path | str) -> Faults:
    """Read a fault script (``.toml``, else JSON).

    Raises:
        ConfigurationError: the file is missing, or names something that is no fault.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text) if path.suffix == ".toml" else msgspec.json.decode(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The fault script {path} cannot be read: {error}", "Check the file") from error
    return parse_faults(document)


def parse_faults(document: Any) -> Faults:
    """A fault script from plain values.

    Raises:
        ConfigurationError: it names something that is no fault, or gives a value of the wrong type.
    """
    try:
        return msgspec.convert(document, Faults)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The fault script is wrong: {error}", "See the replica's documentation") from error


def range_refusal(style: RefusalStyle, first: int, last: int, limit: int) -> tuple[int, str]:
    """JSON-RPC code and message with which a provider refuses the range, suggesting one of ``limit`` blocks."""
    until = min(last, first + limit - 1)
    texts: dict[RefusalStyle, tuple[int, str]] = {
        "alchemy": (
            -32602,
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on "
            "the response size, or you can request any block range with a cap of 10K logs in the response. Based on "
            f"your parameters and the response size limit, this block range should work: [{first:#x}, {until:#x}]",
        ),
        "infura": (
            -32005,
            f"query returned more than 10000 results. Try with this block range [{first:#x}, {until:#x}].",
        ),
        "decimal": (-32602, f"query exceeds max results 20000, retry with the range {first}-{until}"),
        "geth": (-32000, f"query exceeds max block range {limit}"),
        "thousands": (-32600, "eth_getLogs range is too large, max is 1k blocks"),
        "wide": (-32000, "block range is too wide"),
        "exceed": (-32600, f"exceed maximum block range: {limit}"),
        "drpc": (35, "ranges over 10000 blocks are not supported on freetier"),
        "limited": (-32602, f"eth_getLogs is limited to {limit} block range"),
        "generic": (-32000, "query timeout exceeded"),
    }
    return texts[style]
