"""Many calls about ranges of blocks in one request, repeated until each has its answer or its refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from polyledger.domain.errors import UpstreamUnavailableError, WrongChainError
from polyledger.net import AnswerTooLargeError, BrokenAnswerError, Call, JsonRpcClient, Reply
from polyledger.sources.chain_refusals import Refusal, RefusalKind, is_behind, parse_refusal
from polyledger.sources.chain_wire import BLOCK_NUMBER, CHAIN_ID, read_quantity, required

_TRIES_OF_AN_UNKNOWN_ERROR: Final = 3
_BROKEN_ANSWERS_OF_A_LARGE_ONE: Final = 4
_GET_LOGS: Final = "eth_getLogs"
_NOTHING: Final = msgspec.Raw(b"null")


class Admission:
    """Makes sure, once per endpoint, that it serves the chain we want."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._admitted: set[int] = set()

    async def admit(self, endpoint: JsonRpcClient) -> None:
        """Ask the endpoint for its chain, if that is not known yet. Raises WrongChainError."""
        if not self.knows(endpoint):
            replies = await endpoint.batch([CHAIN_ID])
            self.note(endpoint, required(endpoint, CHAIN_ID, replies[0]))

    def note(self, endpoint: JsonRpcClient, answer: msgspec.Raw) -> None:
        """Take note of an endpoint's answer to ``eth_chainId``. Raises WrongChainError when it is not our chain."""
        chain_id = read_quantity(answer, "eth_chainId")
        if chain_id != self._chain_id:
            raise WrongChainError(
                f"{endpoint.name} serves chain {chain_id}, and this workspace is for chain {self._chain_id}",
                "Correct chain.rpc_url, or chain.chain_id if another chain is meant",
            )
        self._admitted.add(id(endpoint))

    def knows(self, endpoint: JsonRpcClient) -> bool:
        """Whether the endpoint is known to serve our chain."""
        return id(endpoint) in self._admitted


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of blocks and the calls about it."""

    from_block: int
    to_block: int
    calls: tuple[Call, ...]


@dataclass(slots=True)
class Gathered:
    """What came of each piece: its results in the order of its calls, or its refusal."""

    results: list[list[msgspec.Raw]]
    refusals: dict[int, Refusal]
    bodies: list[bytes]
    requests: int
    endpoint: JsonRpcClient


@dataclass(slots=True)
class _Progress:
    replies: dict[tuple[int, int], Reply] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    unknown_errors: dict[tuple[int, int], int] = field(default_factory=dict)
    broken_answers: int = 0
    requests: int = 0


class Gathering:
    """The course of asking for some pieces. `attempt` is given to `EndpointPool.run`, once or (after `reset`) again."""

    def __init__(self, pieces: Sequence[Piece], admission: Admission) -> None:
        self._pieces = pieces
        self._admission = admission
        self._highest = max(piece.to_block for piece in pieces)
        self._progress = _Progress()

    def reset(self) -> None:
        """Forget the answers, not the number of requests: they contradict each other."""
        self._progress = _Progress(requests=self._progress.requests)

    async def attempt(self, endpoint: JsonRpcClient) -> Gathered:
        """Ask for whatever is still missing.

        The node's head is asked for in the same request, so that a node which has not seen the blocks gives itself
        away.

        Raises:
            UpstreamUnavailableError: something is still missing; what came is kept for the next attempt.
        """
        await self._admission.admit(endpoint)
        missing = self._missing()
        self._progress.requests += 1
        try:
            replies = await endpoint.batch([BLOCK_NUMBER, *(self._call(place) for place in missing)])
        except (AnswerTooLargeError, BrokenAnswerError) as error:
            if isinstance(error, BrokenAnswerError) and not self._seems_too_large():
                raise
            for number, _ in missing:
                self._progress.refusals[number] = Refusal(RefusalKind.RESULTS, message=error.what)
            return self._gathered(endpoint)
        head = read_quantity(required(endpoint, BLOCK_NUMBER, replies[0]), "eth_blockNumber")
        if head < self._highest:
            raise UpstreamUnavailableError(f"{endpoint.name} is behind: at block {head}, and {self._highest} is needed")
        for place, reply in zip(missing, replies[1:], strict=True):
            self._take(place, reply)
        for place, reply in zip(missing, replies[1:], strict=True):
            if place not in self._progress.replies and place[0] not in self._progress.refusals:
                required(endpoint, self._call(place), reply)
                raise UpstreamUnavailableError(f"{endpoint.name} left a call unanswered")
        return self._gathered(endpoint)

    def _seems_too_large(self) -> bool:
        """Whether answers have broken off so often that their size must be the reason: it can be made smaller."""
        self._progress.broken_answers += 1
        may_shrink = any(piece.to_block > piece.from_block for piece in self._pieces)
        return may_shrink and self._progress.broken_answers >= _BROKEN_ANSWERS_OF_A_LARGE_ONE

    def _take(self, place: tuple[int, int], reply: Reply) -> None:
        piece = self._pieces[place[0]]
        error = reply.error
        if error is None:
            if not reply.is_null:
                self._progress.replies[place] = reply
            return
        if self._call(place).method != _GET_LOGS or error.is_rate_limit or error.is_unknown_method:
            return
        refusal = parse_refusal(error.code, error.text, piece.from_block, piece.to_block)
        if refusal is None and not is_behind(error.text):
            # None of the words we know. It may pass; when it does not, the range is the likeliest reason.
            times = self._progress.unknown_errors.get(place, 0) + 1
            self._progress.unknown_errors[place] = times
            if times >= _TRIES_OF_AN_UNKNOWN_ERROR:
                refusal = Refusal(RefusalKind.RESULTS, message=error.text)
        if refusal is not None:
            self._progress.refusals[place[0]] = refusal

    def _call(self, place: tuple[int, int]) -> Call:
        return self._pieces[place[0]].calls[place[1]]

    def _missing(self) -> list[tuple[int, int]]:
        return [
            (number, position)
            for number, piece in enumerate(self._pieces)
            for position in range(len(piece.calls))
            if number not in self._progress.refusals and (number, position) not in self._progress.replies
        ]

    def _gathered(self, endpoint: JsonRpcClient) -> Gathered:
        replies = self._progress.replies
        results = [
            [replies[number, position].result or _NOTHING for position in range(len(piece.calls))]
            if number not in self._progress.refusals
            else []
            for number, piece in enumerate(self._pieces)
        ]
        bodies = {id(reply.body): reply.body for reply in replies.values()}
        return Gathered(results, self._progress.refusals, list(bodies.values()), self._progress.requests, endpoint)
