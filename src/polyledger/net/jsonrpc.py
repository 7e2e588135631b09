"""JSON-RPC 2.0 over HTTP: single calls and batches, answers matched by id, refusals told apart.

Results stay raw JSON (`msgspec.Raw`, a view into the body), so that large ones are decoded once, by whoever knows their
shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from polyledger.domain.errors import NotJsonRpcError, RateLimitedError, SourceError, UpstreamUnavailableError
from polyledger.net.http import BrokenAnswerError, HttpAnswer, HttpClient, raise_for_passing_state
from polyledger.net.limits import AdaptiveLimiter, retry_after_seconds
from polyledger.net.masking import mask_url, scrub

NULL: Final = b"null"
METHOD_NOT_FOUND: Final = -32601
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_LARGEST_BATCH: Final = 100
_RATE_LIMIT_CODES: Final = frozenset({429, -32029})
_RATE_LIMIT_TEXT: Final = re.compile(
    r"rate.?limit|too many requests|compute units per second|request (?:count|limit)|requests per second"
    r"|throughput|credits? (?:limit|quota)|(?:capacity|quota) (?:limit )?exceeded|exceeded (?:the|your) quota|throttl",
    re.IGNORECASE,
)
_BATCH_SIZE_TEXT: Final = re.compile(
    r"batch[^.]*(?:too (?:large|big|many|long)|limit|exceed|max|size|more than)"
    r"|(?:too (?:large|many)|exceed|max)[^.]*batch",
    re.IGNORECASE,
)
_NOT_FOUND_TEXT: Final = re.compile(
    r"method not found|does not exist/is not available|unsupported method"
    r"|method .*not (?:supported|available|whitelisted|allowed)",
    re.IGNORECASE,
)


class RpcError(msgspec.Struct, frozen=True):
    """The error of one call, as the node worded it."""

    code: int = 0
    message: str = ""
    data: Any = None

    @property
    def text(self) -> str:
        """The message with whatever the node added as data."""
        if self.data is None:
            return self.message
        extra = self.data if isinstance(self.data, str) else msgspec.json.encode(self.data).decode()
        return f"{self.message} {extra}".strip()

    @property
    def is_rate_limit(self) -> bool:
        """Whether it refuses for the moment only."""
        return self.code in _RATE_LIMIT_CODES or _RATE_LIMIT_TEXT.search(self.text) is not None

    @property
    def is_unknown_method(self) -> bool:
        """Whether the node does not have the method at all."""
        return self.code == METHOD_NOT_FOUND or _NOT_FOUND_TEXT.search(self.message) is not None


@dataclass(frozen=True, slots=True)
class Call:
    """One call: a method and its positional parameters (anything msgspec can write as JSON)."""

    method: str
    params: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one call: a result, or an error, or neither when the node left the call out of its answer."""

    result: msgspec.Raw | None = None
    error: RpcError | None = None
    body: bytes = b""

    @property
    def is_null(self) -> bool:
        """Whether the result is missing or ``null``."""
        # Only a view: results may be large.
        return self.result is None or bytes(memoryview(self.result)[: len(NULL) + 1]) == NULL


class _Envelope(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    jsonrpc: Any = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_ENVELOPES: Final = msgspec.json.Decoder(list[_Envelope])
_ENCODER: Final = msgspec.json.Encoder()


class JsonRpcClient:
    """One JSON-RPC endpoint. It makes one attempt per request; `EndpointPool` repeats and fails over.

    A batch that the endpoint finds too large is cut in smaller ones; an endpoint that takes no batches gets single
    calls. What it takes is remembered, and so is whether it ever spoke JSON-RPC (`has_spoken`).

    Args:
        url: the endpoint; shown only masked (`name`).
        http: the client that carries the requests.
        limiter: this endpoint's own budget, else the client's; every call of a batch counts, as providers count.
    """

    def __init__(self, url: str, http: HttpClient, *, limiter: AdaptiveLimiter | None = None) -> None:
        self.url = url
        self.name = mask_url(url)
        self.limiter = limiter or http.limiter
        self.takes_batches = True
        self.largest_batch = _LARGEST_BATCH
        self._http = http
        self._next_id = 1
        self.has_spoken = False

    async def call(self, method: str, params: Sequence[Any] = ()) -> msgspec.Raw:
        """The result of one call, ``null`` included.

        Raises:
            SourceError: the node answered with an error. RateLimitedError when it is one of the moment.
            UpstreamUnavailableError, NotJsonRpcError: as in `batch`.
        """
        reply = (await self.batch([Call(method, params)]))[0]
        if reply.error is not None:
            raise self.source_error(method, reply.error)
        if reply.result is None:
            raise UpstreamUnavailableError(f"{self.name} left the call of {method} unanswered")
        return reply.result

    async def batch(self, calls: Sequence[Call]) -> list[Reply]:
        """One reply per call, in the order of `calls`. Members fail singly; look at each reply's error.

        Raises:
            RateLimitedError: the whole request was refused for the moment.
            UpstreamUnavailableError: no usable answer (connection, time-out, 5xx, a body that breaks off).
            NotJsonRpcError: the endpoint never spoke JSON-RPC so far and answers with something else.
            SourceError: the endpoint refuses us (401, 403) or the address is wrong.
        """
        replies: list[Reply] = []
        while len(replies) < len(calls):
            if len(calls) - len(replies) == 1 or not self.takes_batches:
                replies.append(await self._single(calls[len(replies)]))
                continue
            part = calls[len(replies) : len(replies) + self.largest_batch]
            answered = await self._batch(part)
            if answered is not None:
                replies.extend(answered)
        return replies

    def source_error(self, method: str, error: RpcError) -> SourceError | UpstreamUnavailableError:
        """`error` as one of ours, with the endpoint named and its secrets masked."""
        text = scrub(error.text, self.url)
        if error.is_rate_limit:
            return RateLimitedError(f"{self.name} refuses more calls for now: {text}")
        if error.is_unknown_method:
            return MethodUnavailableError(
                f"{self.name} does not offer {method}: {text}", "Add an endpoint that does to chain.rpc_url"
            )
        return SourceError(
            f"{self.name} refuses {method}: {text} (code {error.code})",
            "Try another endpoint in chain.rpc_url, or ask its operator what it allows",
        )

    async def _single(self, call: Call) -> Reply:
        number = self._take_ids(1)
        answer = await self._post(_ENCODER.encode(_request(call, number)), weight=1)
        envelopes = self._envelopes(answer)
        if envelopes is None and answer.status == 413:
            # The call was small, so it is the answer that is too large; batches had no part in it.
            self.takes_batches, self.largest_batch = True, _LARGEST_BATCH
            return Reply(error=RpcError(413, "the answer is too large (413)"))
        if envelopes is None:
            raise self._not_understood(answer)
        self._note(answer)
        reply = _reply(envelopes[0], answer.body) if len(envelopes) == 1 else Reply()
        self._heed(reply, answer)
        return reply

    async def _batch(self, calls: Sequence[Call]) -> list[Reply] | None:
        """Replies to a batch, or None when the endpoint does not take it: then what is known of it has changed."""
        first = self._take_ids(len(calls))
        requests = [_request(call, first + place) for place, call in enumerate(calls)]
        answer = await self._post(_ENCODER.encode(requests), weight=len(calls))
        envelopes = self._envelopes(answer)
        if envelopes is None:
            if answer.status in {400, 404, 405, 413, 415, 422, 501} and self._has_spoken_or_may(answer):
                self._cut_batches(answer.status == 413, len(calls))
                return None
            raise self._not_understood(answer)
        if not answer.body.lstrip().startswith(b"["):
            return self._whole_batch_refused(_reply(envelopes[0], answer.body), answer, len(calls))
        self._note(answer)
        replies = [Reply()] * len(calls)
        for envelope in envelopes:
            place = _as_number(envelope.id) - first
            if 0 <= place < len(calls) and replies[place] == Reply():
                replies[place] = _reply(envelope, answer.body)
        limited = [reply for reply in replies if reply.error is not None and reply.error.is_rate_limit]
        if limited:
            self._heed(limited[0], answer)
        return replies

    def _whole_batch_refused(self, reply: Reply, answer: HttpAnswer, size: int) -> list[Reply] | None:
        if reply.error is None:
            raise UpstreamUnavailableError(f"{self.name} answered a batch with a single result: {answer.excerpt()}")
        if reply.error.is_rate_limit:
            self._heed(reply, answer)
            raise RateLimitedError(
                f"{self.name} refuses more calls for now: {scrub(reply.error.text, self.url)}",
                retry_after=retry_after_seconds(answer.headers.get("retry-after")),
            )
        raise_for_passing_state(answer, self.limiter, self.url)
        self.has_spoken = True
        self._cut_batches(_BATCH_SIZE_TEXT.search(reply.error.text) is not None, size)
        return None

    def _cut_batches(self, is_about_size: bool, size: int) -> None:
        if is_about_size and size > 2:
            self.largest_batch = max(2, size // 2)
        else:
            self.takes_batches = False

    def _has_spoken_or_may(self, answer: HttpAnswer) -> bool:
        """Whether a refused batch may be the fault of batching: single calls will tell."""
        return self.has_spoken or answer.status != 404

    async def _post(self, content: bytes, weight: int) -> HttpAnswer:
        answer = await self._http.send(
            "POST", self.url, content=content, headers=_HEADERS, weight=weight, limiter=self.limiter, judge=False
        )
        if answer.status == 429:
            raise_for_passing_state(answer, self.limiter, self.url)
        if answer.status in {401, 403}:
            raise EndpointRefusedError(
                f"{self.name} does not let us in ({answer.status}: {scrub(answer.excerpt(), self.url)})",
                "Check the key in chain.rpc_url, or use another endpoint",
            )
        return answer

    def _envelopes(self, answer: HttpAnswer) -> list[_Envelope] | None:
        """The members of an answer, or None when it is no JSON-RPC."""
        body = answer.body.lstrip()
        try:
            if body.startswith(b"["):
                return _ENVELOPES.decode(body)
            if body.startswith(b"{"):
                envelope = _ENVELOPE.decode(body)
                # Other services answer with JSON objects too.
                return [envelope] if _is_rpc(envelope) else None
        except msgspec.DecodeError as error:
            raise_for_passing_state(answer, self.limiter, self.url)
            if isinstance(error, msgspec.ValidationError):
                return None
            raise BrokenAnswerError(
                f"{self.name} sent a body that breaks off or is no JSON, after {len(answer.body)} bytes ({error})"
            ) from None
        return None

    def _not_understood(self, answer: HttpAnswer) -> Exception:
        raise_for_passing_state(answer, self.limiter, self.url)
        shown = scrub(answer.excerpt(), self.url)
        if self.has_spoken:
            # A proxy's page in place of the node's answer: it passes.
            return UpstreamUnavailableError(f"{self.name} answered {answer.status} without JSON-RPC: {shown}")
        return NotJsonRpcError(
            f"{self.name} does not speak JSON-RPC: it answered {answer.status}: {shown or 'nothing'}",
            "Set chain.rpc_url (or POLYGON_RPC_URL) to the JSON-RPC address of a Polygon node",
        )

    def _note(self, answer: HttpAnswer) -> None:
        self.has_spoken = True
        if answer.status < 400:
            self.limiter.succeeded(answer.seconds)

    def _heed(self, reply: Reply, answer: HttpAnswer) -> None:
        if reply.error is not None and reply.error.is_rate_limit:
            self.limiter.throttled(retry_after_seconds(answer.headers.get("retry-after")))

    def _take_ids(self, count: int) -> int:
        first = self._next_id
        self._next_id += count
        return first


class EndpointRefusedError(SourceError):
    """This endpoint refuses us for good; another one may not."""


class MethodUnavailableError(EndpointRefusedError):
    """This endpoint does not have a method; it may still be good for others."""


def _request(call: Call, number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": call.method, "params": list(call.params)}


def _is_rpc(envelope: _Envelope) -> bool:
    return envelope.result is not msgspec.UNSET or (
        envelope.error is not msgspec.UNSET and (envelope.jsonrpc is not None or envelope.error[:1] == b"{")
    )


def _reply(envelope: _Envelope, body: bytes) -> Reply:
    if isinstance(envelope.error, msgspec.Raw) and bytes(envelope.error) != NULL:
        return Reply(error=_error(envelope.error), body=body)
    if isinstance(envelope.result, msgspec.Raw):
        return Reply(result=envelope.result, body=body)
    return Reply(body=body)


def _error(raw: msgspec.Raw) -> RpcError:
    try:
        return msgspec.json.decode(raw, type=RpcError, strict=False)
    except msgspec.ValidationError:
        # Not the standard's shape; what it says still counts.
        return RpcError(0, bytes(raw).decode("utf-8", "replace"))


def _as_number(identifier: int | str | None) -> int:
    """The id of a member as we gave it (some nodes turn numbers into text); -1 for one that is not ours."""
    if isinstance(identifier, int):
        return identifier
    return int(identifier) if identifier is not None and identifier.isdecimal() else -1
