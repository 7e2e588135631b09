"""One range of blocks, asked for until the answer is whole and consistent, or refused as too large."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from polyledger.ctf.logs import LogColumns, columns_from_results
from polyledger.domain.errors import SourceError, UpstreamUnavailableError
from polyledger.net import EndpointPool, JsonRpcClient
from polyledger.sources.chain_gather import Admission, Gathered, Gathering, Piece
from polyledger.sources.chain_integrity import (
    InconsistentAnswerError,
    blocks_without_timestamp,
    merged,
    verify_answer,
    verify_hashes,
    with_timestamps,
)
from polyledger.sources.chain_refusals import Refusal, RefusalKind
from polyledger.sources.chain_wire import Header, Query, RawAnswer, ScannedRange, header_call, read_header, required

_HEADERS_PER_REQUEST: Final = 100
_TRIES_OF_A_MISSING_BLOCK: Final = 3
_TRIES_OF_A_RANGE: Final = 4  # when the chain reorganises between the logs and the headers of a range


@dataclass(frozen=True, slots=True)
class Fetched:
    """A range as it came in: `largest` is the number of logs in its largest single answer, `endpoint` who gave it."""

    scanned: ScannedRange
    largest: int
    endpoint: JsonRpcClient | None


class RangeFetcher:
    """Asks a pool of endpoints for ranges of logs and for headers."""

    def __init__(self, pool: EndpointPool, admission: Admission, *, keep_bodies: bool = False) -> None:
        self.pool = pool
        self.admission = admission
        self.keep_bodies = keep_bodies

    async def fetch(
        self, from_block: int, to_block: int, queries: Sequence[Query], *, expects_logs: bool = False
    ) -> Fetched | Refusal:
        """All logs of `queries` in a range, with the headers of its borders; or the refusal of blocks or of the lists.

        Args:
            expects_logs: an answer without any log is not believed, because there have been logs in an earlier one.

        Raises:
            UpstreamUnavailableError: no endpoint gave a whole and consistent answer.
            SourceError: refused for good, a single block that cannot be divided further included.
        """
        for tries_left in reversed(range(_TRIES_OF_A_RANGE)):
            try:
                fetched = await self._fetch(from_block, to_block, queries, expects_logs=expects_logs)
                if isinstance(fetched, Refusal):
                    return fetched
                return replace(fetched, scanned=await self.with_timestamps(fetched.scanned))
            except InconsistentAnswerError:
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    async def logs(
        self,
        spans: Sequence[tuple[int, int]],
        queries: Sequence[Query],
        *,
        avoid: JsonRpcClient | None = None,
        kept: list[RawAnswer] | None = None,
    ) -> list[LogColumns | Refusal]:
        """The logs of several ranges in one request, without headers: second looks and additions; one entry each.

        The bodies of the answers are added to `kept`, if this fetcher keeps bodies.
        """
        pieces = [Piece(first, last, tuple(query.call(first, last) for query in queries)) for first, last in spans]
        gathering = Gathering(pieces, self.admission)

        async def attempt(endpoint: JsonRpcClient) -> list[LogColumns | Refusal]:
            gathered = await gathering.attempt(endpoint)
            try:
                answers = [
                    gathered.refusals.get(number) or _checked_logs(gathered, number, piece, queries)
                    for number, piece in enumerate(pieces)
                ]
            except InconsistentAnswerError:
                gathering.reset()
                raise
            if kept is not None:
                kept.extend(self._bodies(gathered, spans[0][0], spans[-1][1]))
            return answers

        return await self.pool.run(attempt, avoid=avoid)

    async def divided(
        self, block: int, queries: Sequence[Query], refusal: Refusal, kept: list[RawAnswer]
    ) -> tuple[list[LogColumns], int]:
        """The logs of one block that do not fit in one answer: divided by address, then by topic.

        Args:
            refusal: of the undivided question.
            kept: see `logs`.

        Returns:
            The parts, not merged, and how many requests they took.

        Raises:
            SourceError: not even the logs of one event of one contract fit.
        """
        parts: list[LogColumns] = []
        waiting = list(queries)
        requests = 0
        while waiting:
            query = waiting.pop()
            requests += 1
            answer = (await self.logs([(block, block)], [query], kept=kept))[0]
            if isinstance(answer, LogColumns):
                parts.append(answer)
                continue
            halves = query.halves()
            if halves is None:
                raise SourceError(
                    f"No endpoint gives the logs of block {block}, not even of one event of one contract"
                    f" ({answer.message or refusal.message})",
                    "Use an endpoint that allows more logs in one answer",
                )
            waiting += halves
        return parts, requests

    async def headers(self, numbers: Sequence[int]) -> dict[int, Header]:
        """Headers by number. Blocks that no node knows, after several tries, are left out."""
        found: dict[int, Header] = {}
        for start in range(0, len(numbers), _HEADERS_PER_REQUEST):
            wanted = list(dict.fromkeys(numbers[start : start + _HEADERS_PER_REQUEST]))
            found |= await self._headers(wanted)
        return found

    async def _headers(self, wanted: Sequence[int]) -> dict[int, Header]:
        found: dict[int, Header] = {}
        unknown = dict.fromkeys(wanted, 0)

        async def attempt(endpoint: JsonRpcClient) -> None:
            await self.admission.admit(endpoint)
            missing = [n for n in wanted if n not in found and unknown[n] < _TRIES_OF_A_MISSING_BLOCK]
            calls = [header_call(number) for number in missing]
            failure: UpstreamUnavailableError | None = None
            for number, call, reply in zip(missing, calls, await endpoint.batch(calls), strict=True):
                unknown[number] += reply.error is None and reply.is_null
                try:
                    found[number] = read_header(required(endpoint, call, reply), number)
                except UpstreamUnavailableError as error:
                    if unknown[number] < _TRIES_OF_A_MISSING_BLOCK:
                        failure = error
            if failure is not None:
                raise failure

        await self.pool.run(attempt)
        return found

    async def _fetch(
        self, from_block: int, to_block: int, queries: Sequence[Query], *, expects_logs: bool
    ) -> Fetched | Refusal:
        borders = sorted({from_block, to_block})
        calls = (*map(header_call, borders), *(query.call(from_block, to_block) for query in queries))
        piece = Piece(from_block, to_block, calls)
        gathering = Gathering([piece], self.admission)

        async def attempt(endpoint: JsonRpcClient) -> Fetched | Refusal:
            gathered = await gathering.attempt(endpoint)
            if gathered.refusals:
                return gathered.refusals[0]
            try:
                fetched = _assembled(gathered, piece, queries, expects_logs=expects_logs)
            except InconsistentAnswerError:
                gathering.reset()
                raise
            bodies = self._bodies(gathered, from_block, to_block)
            return replace(fetched, scanned=replace(fetched.scanned, bodies=bodies))

        fetched = await self.pool.run(attempt)
        if isinstance(fetched, Refusal) and from_block == to_block and fetched.kind is not RefusalKind.LISTS:
            return await self._fetch_divided(from_block, queries, fetched)
        return fetched

    def _bodies(self, gathered: Gathered, from_block: int, to_block: int) -> list[RawAnswer]:
        if not self.keep_bodies:
            return []
        now = time.time()
        return [RawAnswer(gathered.endpoint.name, from_block, to_block, now, body) for body in gathered.bodies]

    async def _fetch_divided(self, block: int, queries: Sequence[Query], refusal: Refusal) -> Fetched:
        """One block whose logs do not fit in one answer, with its header."""
        kept: list[RawAnswer] = []
        parts, requests = await self.divided(block, queries, refusal, kept)
        header = (await self.headers([block])).get(block)
        if header is None:
            raise InconsistentAnswerError(f"Block {block} has gone while its logs were read")
        logs = merged(parts)
        verify_hashes(logs, [header])
        scanned = ScannedRange(block, block, logs, header, header, requests=1 + requests, bodies=kept)
        return Fetched(scanned, max(map(len, parts), default=0), None)

    async def with_timestamps(self, scanned: ScannedRange) -> ScannedRange:
        """The range with a timestamp for every log, from headers where the node did not give it with the log."""
        blocks = blocks_without_timestamp(scanned.logs)
        if not blocks:
            return scanned
        known = {header.number: header for header in (scanned.first, scanned.last)}
        wanted = [number for number in blocks if number not in known]
        known |= await self.headers(wanted)
        gone = next((number for number in blocks if number not in known), None)
        if gone is not None:
            raise InconsistentAnswerError(f"Block {gone} has gone while its logs were read")
        verify_hashes(scanned.logs, [known[number] for number in blocks])
        timestamps = {number: known[number].timestamp for number in blocks}
        return replace(
            scanned,
            logs=with_timestamps(scanned.logs, timestamps),
            timestamps=timestamps,
            requests=scanned.requests + -(-len(wanted) // _HEADERS_PER_REQUEST),
        )


def _assembled(gathered: Gathered, piece: Piece, queries: Sequence[Query], *, expects_logs: bool) -> Fetched:
    borders = sorted({piece.from_block, piece.to_block})
    results = gathered.results[0]
    headers = [read_header(raw, number) for raw, number in zip(results[: len(borders)], borders, strict=True)]
    answers = [columns_from_results([raw]) for raw in results[len(borders) :]]
    for query, answer in zip(queries, answers, strict=True):
        verify_answer(query, answer, piece.from_block, piece.to_block)
    logs = merged(answers)
    verify_hashes(logs, headers)
    if piece.to_block - piece.from_block == 1 and headers[1].parent_hash != headers[0].hash:
        raise InconsistentAnswerError(f"{gathered.endpoint.name} answered with blocks of two branches")
    if expects_logs and not len(logs):
        raise InconsistentAnswerError(
            f"{gathered.endpoint.name} shows no logs in blocks {piece.from_block} to {piece.to_block}, where some are"
        )
    scanned = ScannedRange(
        piece.from_block,
        piece.to_block,
        logs,
        headers[0],
        headers[-1],
        requests=gathered.requests,
    )
    return Fetched(scanned, max(map(len, answers), default=0), gathered.endpoint)


def _checked_logs(gathered: Gathered, number: int, piece: Piece, queries: Sequence[Query]) -> LogColumns:
    answers = [columns_from_results([raw]) for raw in gathered.results[number]]
    for query, answer in zip(queries, answers, strict=True):
        verify_answer(query, answer, piece.from_block, piece.to_block)
    return merged(answers)
