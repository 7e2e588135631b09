"""One HTTP client for all upstreams: limits, size cap, faults told apart, requests counted.

`HttpClient.send` makes one attempt; `HttpClient.fetch` repeats it while the fault is one that passes.
"""

from __future__ import annotations

import functools
import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import stamina

from polyledger.domain.errors import RateLimitedError, SourceError, UpstreamUnavailableError
from polyledger.domain.version import __version__
from polyledger.net.limits import AdaptiveLimiter, retry_after_seconds
from polyledger.net.masking import MASK, mask_url, scrub

USER_AGENT: Final = f"polyledger/{__version__}"
DEFAULT_LARGEST_ANSWER: Final = 256 * 1024 * 1024  # the largest documented answer of a node is 150 MB
# A transient state of the server, by its status; 425 is the matching engine restarting.
PASSING_STATUSES: Final = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530})
_TOOK_TOO_LONG: Final = frozenset({408, 504, 524})
_SHOWN_OF_A_BODY: Final = 160
_ROUNDS_TO_OPEN: Final = 2
"""So many times the attempts of one request, failed in a row by all users of a client, open its circuit."""

QueryParameters = Mapping[str, str | int | bool | Sequence[str | int]] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a passing fault is retried.

    `attempts` bounds the tries of one request; waits start at `wait_initial` seconds and double up to `wait_max`, each
    shortened by chance by up to half; after `give_up_after` seconds no further try is made.
    """

    attempts: int = 20
    wait_initial: float = 0.05
    wait_max: float = 15.0
    give_up_after: float = 600.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after the given number of failures (1 or more)."""
        longest = min(self.wait_max, self.wait_initial * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the load, keeps no secret


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer with its whole body (decompressed). `url` is masked."""

    status: int
    headers: httpx2.Headers
    body: bytes
    url: str
    seconds: float

    def excerpt(self) -> str:
        """The beginning of the body on one line, for messages."""
        text = " ".join(self.body[: 4 * _SHOWN_OF_A_BODY].decode("utf-8", "replace").split())
        return text if len(text) <= _SHOWN_OF_A_BODY else text[:_SHOWN_OF_A_BODY] + "…"


@functools.cache
def _trusted(scheme: str) -> ssl.SSLContext:
    """The certificates that are trusted, read once for all clients; none for ``http``, which has no use for them.

    Reading them takes a tenth of a second, longer than many a question to a node on the same machine.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if scheme == "http" else httpx2.create_ssl_context()


class HttpClient:
    """An HTTP client for one source. Use it as an async context manager, or call `aclose`.

    Args:
        source: the name under which requests are counted and faults reported (``chain``, ``gamma`` …).
        limiter: the budget that all users of this client share.
        transport: replaces the network, for tests.
        timeout: seconds to wait for a connection, and for each next piece of an answer.
        largest_answer: bytes of body beyond which an answer is refused.
    """

    def __init__(
        self,
        source: str,
        *,
        limiter: AdaptiveLimiter | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout: float = 30.0,
        largest_answer: int = DEFAULT_LARGEST_ANSWER,
        policy: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self.limiter = limiter or AdaptiveLimiter()
        self.policy = policy or RetryPolicy()
        self.requests = 0
        self.bytes_received = 0
        self._failures_in_a_row = 0  # of all users together; refusals of a healthy service do not count
        self._largest_answer = largest_answer
        self._clients: dict[str, httpx2.AsyncClient] = {}  # by scheme
        self._options: dict[str, Any] = {
            "transport": transport,
            "timeout": httpx2.Timeout(timeout, connect=min(10.0, timeout)),
            "limits": httpx2.Limits(max_connections=64, max_keepalive_connections=32),
            "headers": {"User-Agent": USER_AGENT, **(headers or {})},
            "follow_redirects": False,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    async def send(
        self,
        method: str,
        url: str,
        *,
        params: QueryParameters | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        weight: float = 1.0,
        limiter: AdaptiveLimiter | None = None,
        judge: bool = True,
        secrets: Sequence[str] = (),
    ) -> HttpAnswer:
        """One attempt. `limiter` replaces the client's own; `weight` is what the request costs in it.

        `secrets` are texts that the server may repeat; they are struck out of the body before anybody sees it.

        With `judge` false, answers of any status are returned, and the caller applies `raise_for_passing_state` itself:
        for protocols that put their own errors into the bodies of error answers.

        Returns the answer with any status that says something about the request itself (2xx, 3xx, most 4xx).

        Raises:
            RateLimitedError: status 429, with the wait the server asked for.
            UpstreamUnavailableError: no connection, time-out, an answer that breaks off, or a 5xx status; without a
                connection it is a NoConnectionError.
            SourceError: an address that cannot be asked, or an answer beyond the size cap.
        """
        limiter = limiter or self.limiter
        await limiter.acquire(weight)
        self.requests += 1
        began = time.monotonic()
        asked = list(params) if isinstance(params, Sequence) else params
        response, body = await self._exchange(method, url, params=asked, content=content, headers=headers)
        self.bytes_received += len(body)
        for secret in secrets:
            body = body.replace(secret.encode(), MASK.encode())
        answer = HttpAnswer(response.status_code, response.headers, body, mask_url(url), time.monotonic() - began)
        if judge:
            raise_for_passing_state(answer, limiter, url)
            limiter.succeeded(answer.seconds)
        return answer

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        params: QueryParameters | None = None,
        content: bytes | None = None,
        headers: Callable[[], Mapping[str, str]] | None = None,
        secrets: Sequence[str] = (),
        check: Callable[[HttpAnswer], None] | None = None,
    ) -> HttpAnswer:
        """`send`, repeated by the client's `RetryPolicy` while the fault is a passing one.

        All users of a client share a circuit breaker: while nobody gets an answer, nobody tries twice.

        `headers` is called for each attempt, since a signature may hold the time it was made at.
        `check` may look at an answer and raise `UpstreamUnavailableError` to have it asked for again.

        Raises:
            UpstreamUnavailableError: every attempt failed; names how many and what the last one said.
            RateLimitedError: the same, when the last one was a refusal for the moment.
            SourceError: see `send`.
        """
        failures = 0

        def wait(error: Exception) -> bool | float:
            nonlocal failures
            failures += 1
            if not isinstance(error, RateLimitedError):
                self._failures_in_a_row += 1
            if self._failures_in_a_row >= _ROUNDS_TO_OPEN * self.policy.attempts:
                return False
            return wait_after(error, failures, self.policy)

        try:
            async for attempt in stamina.retry_context(
                on=wait, attempts=self.policy.attempts, timeout=self.policy.give_up_after
            ):
                with attempt:
                    made = None if headers is None else headers()
                    answer = await self.send(method, url, params=params, content=content, headers=made, secrets=secrets)
                    if check is not None:
                        check(answer)
                    self._failures_in_a_row = 0
        except UpstreamUnavailableError as error:
            raise _given_up(error, self.source, failures) from error
        return answer

    async def _exchange(self, method: str, url: str, **content: Any) -> tuple[httpx2.Response, bytes]:
        """A request and its answer, with the faults of the network in our own words; see `send`."""
        shown = mask_url(url)
        try:
            async with self._client(url).stream(method, url, **content) as response:
                return response, await self._read(response, shown)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise SourceError(
                f"{shown} is not an address that can be asked: {scrub(str(error), url)}", "Correct it in the settings"
            ) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            reason = scrub(str(error), url) or type(error).__name__
            raise NoConnectionError(f"{shown} cannot be reached ({reason})") from None
        except httpx2.HTTPError as error:
            is_broken = isinstance(error, httpx2.ReadTimeout | httpx2.RemoteProtocolError)
            kind = BrokenAnswerError if is_broken else UpstreamUnavailableError
            reason = scrub(str(error), url) or type(error).__name__
            raise kind(f"{shown} did not answer ({type(error).__name__}: {reason})") from None

    def _client(self, url: str) -> httpx2.AsyncClient:
        """The connections for addresses of this scheme."""
        scheme = url.partition(":")[0].lower()
        if scheme not in self._clients:
            self._clients[scheme] = httpx2.AsyncClient(verify=_trusted(scheme), **self._options)
        return self._clients[scheme]

    async def _read(self, response: httpx2.Response, shown: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self._largest_answer:
                raise AnswerTooLargeError(
                    f"{shown} sent more than {self._largest_answer} bytes in one answer", "Ask for less at once"
                )
            parts.append(part)
        return b"".join(parts)


class NoConnectionError(UpstreamUnavailableError):
    """Nobody listens at the address, or it has no such name."""


class BrokenAnswerError(UpstreamUnavailableError):
    """An answer that broke off or took too long. It may pass; when it does not, the answer may be too large."""


class AnswerTooLargeError(SourceError):
    """An answer is larger than we are ready to hold; asking for less may help."""


def wait_after(error: Exception, failures: int, policy: RetryPolicy) -> bool | float:
    """What a retry loop does after `error`: False gives up, a number is the wait in seconds."""
    if not isinstance(error, UpstreamUnavailableError):
        return False
    wait = policy.wait(failures)
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        if error.retry_after > policy.give_up_after:
            return False
        # The limiter keeps the wait already; it must not be cut short here either.
        return max(wait, error.retry_after)
    return wait


def _given_up(error: UpstreamUnavailableError, source: str, attempts: int) -> UpstreamUnavailableError:
    what = f"The {source} source failed {attempts} times in a row; the last time: {error.what}"
    next_step = "Try again later; what was done so far is saved"
    if isinstance(error, RateLimitedError):
        return RateLimitedError(what, next_step, retry_after=error.retry_after)
    return UpstreamUnavailableError(what, next_step)


def raise_for_passing_state(answer: HttpAnswer, limiter: AdaptiveLimiter, url: str) -> None:
    """Raise RateLimitedError or UpstreamUnavailableError when the status says so; `limiter` learns of refusals."""
    if answer.status == 429:
        wait = retry_after_seconds(answer.headers.get("retry-after"))
        limiter.throttled(wait)
        raise RateLimitedError(
            f"{answer.url} refuses more requests for now (429: {scrub(answer.excerpt(), url)})", retry_after=wait
        )
    if answer.status in PASSING_STATUSES:
        if answer.status == 503 and (wait := retry_after_seconds(answer.headers.get("retry-after"))) is not None:
            limiter.throttled(wait)
        kind = BrokenAnswerError if answer.status in _TOOK_TOO_LONG else UpstreamUnavailableError
        raise kind(f"{answer.url} answered {answer.status}: {scrub(answer.excerpt(), url)}")
