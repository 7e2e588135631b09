"""Single questions to the chain: the fills of a transaction, and what was prepared, registered and resolved.

These are for ledgers without a full scan. Receipts are found by hash on any node that has the block. Conditions and
tokens are found through indexed topics of ``ConditionPreparation``, ``ConditionResolution`` and ``TokenRegistered``
over the whole chain, on nodes that allow wide ranges. Transfers cannot be found by token: ``TransferSingle`` and
``TransferBatch`` carry the id in their data, not in a topic.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from polyledger.ctf import events
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.decode import decode
from polyledger.ctf.identity import token_ids
from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.domain.errors import SourceError, UpstreamUnavailableError
from polyledger.domain.ids import condition_bytes, hash_bytes, hash_text, token_bytes, token_text
from polyledger.domain.records import (
    PAYOUT_SCALE,
    Kind,
    Lookup,
    MarketState,
    ResolutionRecord,
    Settlement,
    TokenRecord,
)
from polyledger.net import Call, EndpointPool, JsonRpcClient
from polyledger.sources.answers import Answer, Evidence
from polyledger.sources.chain import POLYGON, ChainSource
from polyledger.sources.chain_fetch import RangeFetcher
from polyledger.sources.chain_gather import Admission
from polyledger.sources.chain_receipts import by_transaction, fills_of
from polyledger.sources.chain_refusals import Refusal
from polyledger.sources.chain_wire import Query, read_receipt_logs, required
from polyledger.sources.lookups import (
    CONDITION,
    FILLS,
    RESOLUTION,
    Answers,
    Capability,
    Record,
    as_finished,
    capability_of,
    jobs_of,
    normal_keys,
)

SOURCE: Final = "chain"
RECEIPTS_PER_REQUEST: Final = 50
TOPICS_PER_REQUEST: Final = 100
_TRIES_OF_A_MISSING_RECEIPT: Final = 3
_MOST_RANGES: Final = 20
_RECEIPT: Final = "eth_getTransactionReceipt"
_NOT_BY_TOKEN: Final = "tokens of V1 exchanges only: share transfers cannot be found by token"  # noqa: S105
_WHOLE_CHAIN: Final = "needs a node that allows ranges over the whole chain"


class ChainLookups:
    """Look-ups on a pool of JSON-RPC endpoints.

    Args:
        pool: the endpoints.
        contracts: whose events count.
        chain_id: the chain that every endpoint must serve.
        keep_bodies: keep whole answers as evidence; otherwise their digest, and the blocks they are about.
    """

    name: Final = SOURCE
    capabilities: Final = (
        Capability(
            SOURCE, Kind.TRANSACTION, RECEIPTS_PER_REQUEST, frozenset({FILLS, CONDITION}), weight=RECEIPTS_PER_REQUEST
        ),
        Capability(SOURCE, Kind.TOKEN, TOPICS_PER_REQUEST, frozenset({CONDITION}), note=_NOT_BY_TOKEN, weight=2),
        Capability(SOURCE, Kind.MARKET, TOPICS_PER_REQUEST, frozenset({CONDITION}), note=_WHOLE_CHAIN, weight=2),
        Capability(SOURCE, Kind.RESOLUTION, TOPICS_PER_REQUEST, frozenset({RESOLUTION}), note=_WHOLE_CHAIN, weight=2),
    )

    def __init__(
        self, pool: EndpointPool, contracts: ContractSet, *, chain_id: int = POLYGON, keep_bodies: bool = False
    ) -> None:
        self._pool = pool
        self._contracts = contracts
        self._admission = Admission(chain_id)
        self._fetcher = RangeFetcher(pool, self._admission)
        self._chain = ChainSource(pool, contracts, chain_id=chain_id)
        self._keep_bodies = keep_bodies
        self._until: int | None = None
        self._range: int | None = None

    async def look_up(
        self, kind: Kind, keys: Sequence[str], *, concurrency: int = 4, closed: Mapping[str, bool] | None = None
    ) -> AsyncIterator[Answers]:
        """Fills of transactions, tokens of conditions, conditions of tokens, resolutions; see `LookupSource.look_up`.

        A transaction gives an answer for each of its fills, a condition one for each of its tokens. Only final blocks
        count for what is found by topic.

        Raises:
            SourceError: besides what the protocol says, when no node allows ranges wide enough.
        """
        del closed
        size = capability_of(self, kind).batch
        wanted = normal_keys(kind, keys)
        if kind is not Kind.TRANSACTION and wanted and self._until is None:
            self._until = (await self._chain.head()).finalized

        async def ask(part: list[str]) -> Answers:
            return await (self._receipts(part) if kind is Kind.TRANSACTION else self._by_topic(kind, part))

        async for answers in as_finished(jobs_of(ask, wanted, size), concurrency):
            yield answers

    async def _receipts(self, keys: list[str]) -> Answers:
        search = _ReceiptSearch(keys)

        async def attempt(endpoint: JsonRpcClient) -> str:
            await self._admission.admit(endpoint)
            await search.attempt(endpoint)
            return endpoint.name

        endpoint = await self._pool.run(attempt)
        results = list(search.found.values())
        bodies = b"\n".join(dict.fromkeys(search.bodies))
        logs = LogColumns.concat([columns_from_results([raw]) for raw in results]).sort()
        evidence = self._evidence(endpoint, _RECEIPT, keys, bodies, logs)
        fills = by_transaction(fills_of(logs, self._contracts))
        answers: list[Answer[Record]] = []
        for key in keys:
            legs = fills.get(key, [])
            answers += [Answer(key, Lookup.FOUND, (evidence,), leg) for leg in legs]
            if not legs:
                # Nodes forget receipts, and some never had them: only a receipt without fills says that there are none.
                seen = key in search.found
                state = Lookup.NOT_FOUND if seen else Lookup.UNSEEN
                reason = "the transaction made no fills" if seen else "no endpoint has its receipt"
                answers.append(Answer(key, state, (evidence,), reason=reason))
        return answers

    async def _by_topic(self, kind: Kind, keys: list[str]) -> Answers:
        logs = await self._logs(self._queries(kind, keys))
        evidence = self._evidence("", "eth_getLogs", keys, logs.data.tobytes() + logs.topics.tobytes(), logs)
        tables = decode(logs, self._contracts).tables
        rows = {name: tables[name].to_pylist() for name in ("preparations", "registrations", "resolutions")}
        found = {
            Kind.TOKEN: self._tokens,
            Kind.MARKET: self._conditions,
            Kind.RESOLUTION: _resolutions,
        }[kind](rows, frozenset(keys))
        answers: list[Answer[Record]] = []
        for key in keys:
            records = found.get(key, [])
            answers += [Answer(key, Lookup.FOUND, (evidence,), record) for record in records]
            if not records:
                reason = f"{_ABSENT[kind]} up to block {self._until}"
                answers.append(Answer(key, Lookup.NOT_FOUND, (evidence,), reason=reason))
        return answers

    def _queries(self, kind: Kind, keys: Sequence[str]) -> list[Query]:
        tokens_contract = self._contracts.addresses_of([Role.CONDITIONAL_TOKENS])
        exchanges = self._contracts.addresses_of([Role.EXCHANGE_V1, Role.NEG_RISK_EXCHANGE_V1])
        registered = (events.TOKEN_REGISTERED.topic,)
        if kind is Kind.TOKEN:
            # Each pair is registered in both orders, so every token is the first one once.
            return [Query(exchanges, (registered, tuple(map(token_bytes, keys))))] if exchanges else []
        conditions = tuple(map(condition_bytes, keys))
        if kind is Kind.RESOLUTION:
            return [Query(tokens_contract, ((events.CONDITION_RESOLUTION.topic,), conditions))]
        queries = [Query(tokens_contract, ((events.CONDITION_PREPARATION.topic,), conditions))]
        return [*queries, Query(exchanges, (registered, None, None, conditions))] if exchanges else queries

    async def _logs(self, queries: Sequence[Query]) -> LogColumns:
        """All logs of the queries from the first block of the contracts to the last final one."""
        assert self._until is not None  # noqa: S101 - look_up has asked for it
        first, last = self._contracts.first_block, self._until
        while queries and first <= last:
            size = self._range or last - first + 1
            requests = -(-(last - first + 1) // size)
            if requests > _MOST_RANGES:
                raise SourceError(
                    f"The endpoints allow {size} blocks at once: a look-up by topic would take {requests} requests",
                    "Add an endpoint that allows wide ranges of blocks to chain.rpc_url, or sync the blocks",
                )
            spans = [(start, min(last, start + size - 1)) for start in range(first, last + 1, size)]
            answers = await self._fetcher.logs(spans, queries)
            parts = [answer for answer in answers if isinstance(answer, LogColumns)]
            if len(parts) == len(answers):
                return LogColumns.concat(parts).sort()
            refusals = [answer for answer in answers if isinstance(answer, Refusal)]
            self._range = max(1, min(refusals[0].blocks or size // 2, size // 2))
        return LogColumns.empty()

    def _tokens(self, rows: Mapping[str, list[dict[str, Any]]], keys: frozenset[str]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for row in rows["registrations"]:
            token, condition = token_text(row["token0"]), row["condition"]
            if token in keys and token not in found:
                at = self._outcome_index(int(token), condition)
                found[token] = [TokenRecord(SOURCE, token, hash_text(condition), at)]
        return found

    def _conditions(self, rows: Mapping[str, list[dict[str, Any]]], keys: frozenset[str]) -> dict[str, list[Record]]:
        """The tokens of prepared conditions, derived in the collateral that registrations, or the oracle, tell."""
        registered = {row["condition"]: int.from_bytes(row["token0"], "big") for row in rows["registrations"]}
        adapters = self._contracts.addresses_of([Role.NEG_RISK_ADAPTER])
        found: dict[str, list[Record]] = {}
        for row in rows["preparations"]:
            condition, slots = row["condition"], row["outcome_slots"]
            derived = [token_ids(condition, slots, collateral) for collateral in self._collaterals()]
            # Plain conditions are held in the collateral itself, those of the adapter in the wrapped one.
            chosen = derived[-1] if row["oracle"] in adapters else derived[0]
            token = registered.get(condition)
            chosen = next((tokens for tokens in derived if token in tokens), chosen)
            key = hash_text(condition)
            if key in keys:
                found[key] = [TokenRecord(SOURCE, str(token), key, at) for at, token in enumerate(chosen)]
        return found

    def _outcome_index(self, token: int, condition: bytes) -> int | None:
        for collateral in self._collaterals():
            tokens = token_ids(condition, 2, collateral)
            if token in tokens:
                return tokens.index(token)
        return None

    def _collaterals(self) -> list[bytes]:
        return [
            *self._contracts.addresses_of([Role.COLLATERAL]),
            *self._contracts.addresses_of([Role.WRAPPED_COLLATERAL]),
        ]

    def _evidence(self, endpoint: str, method: str, keys: Sequence[str], body: bytes, logs: LogColumns) -> Evidence:
        """What was asked, of whom, and the digest of what came; with the blocks and log indexes it rests on."""
        if not self._keep_bodies:
            places = [
                {"block": int(block), "block_hash": "0x" + blob.tobytes().hex(), "log_index": int(index)}
                for block, blob, index in zip(logs.block, logs.block_hash, logs.log_index, strict=True)
            ]
            body = msgspec.json.encode({"sha256": hashlib.sha256(body).hexdigest(), "logs": places})
        params = (("method", method), *(("key", key) for key in keys))
        return Evidence(SOURCE, endpoint or self._pool.endpoints[0].name, params, 200, body, time.time())


_ABSENT: Final[Mapping[Kind, str]] = {
    Kind.TOKEN: "no V1 exchange has registered the token",
    Kind.MARKET: "the condition has not been prepared",
    Kind.RESOLUTION: "the condition has not been resolved",
}


def _resolutions(rows: Mapping[str, list[dict[str, Any]]], keys: frozenset[str]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in rows["resolutions"]:
        key, numerators = hash_text(row["condition"]), row["numerators"]
        if key not in keys or not sum(numerators):
            continue
        payouts = tuple(numerator * PAYOUT_SCALE // sum(numerators) for numerator in numerators)
        alike = len(set(numerators)) == 1 and len(numerators) > 1
        state = MarketState.VOID if alike else MarketState.RESOLVED
        found[key] = [ResolutionRecord(SOURCE, key, Settlement(state, payouts, stated=True))]
    return found


@dataclass
class _ReceiptSearch:
    """The course of asking for receipts; `attempt` is given to the pool until every transaction is known or unknown."""

    keys: Sequence[str]
    found: dict[str, msgspec.Raw] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)

    async def attempt(self, endpoint: JsonRpcClient) -> None:
        """Ask for what is missing. A node may lag or have forgotten: "no such receipt" needs further looks."""
        missing = [
            key for key in self.keys if key not in self.found and self.unknown.get(key, 0) < _TRIES_OF_A_MISSING_RECEIPT
        ]
        calls = [Call(_RECEIPT, (key,)) for key in missing]
        failure: UpstreamUnavailableError | None = None
        for key, call, reply in zip(missing, calls, await endpoint.batch(calls), strict=True):
            if reply.error is None and reply.is_null:
                self.unknown[key] = self.unknown.get(key, 0) + 1
                if self.unknown[key] < _TRIES_OF_A_MISSING_RECEIPT:
                    failure = UpstreamUnavailableError(f"{endpoint.name} has no receipt of {key}")
                continue
            try:
                self.found[key] = read_receipt_logs(required(endpoint, call, reply), hash_bytes(key))
            except UpstreamUnavailableError as error:
                failure = error
            else:
                self.bodies.append(reply.body)
        if failure is not None:
            raise failure
