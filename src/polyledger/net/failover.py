"""Several endpoints for one purpose: the first healthy one is asked, a failing one is left alone for a while."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar

import stamina

from polyledger.domain.errors import (
    ConfigurationError,
    NotJsonRpcError,
    RateLimitedError,
    SourceError,
    UpstreamUnavailableError,
)
from polyledger.net.http import HttpClient, NoConnectionError, RetryPolicy, wait_after
from polyledger.net.jsonrpc import EndpointRefusedError, JsonRpcClient, MethodUnavailableError
from polyledger.net.limits import AdaptiveLimiter

Answer = TypeVar("Answer")
_FAILURES_TO_OPEN: Final = 3
_FIRST_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 60.0
# Attempts (per endpoint) as long as no endpoint has ever spoken: the address is probably wrong or the node down.
_ATTEMPTS_WITHOUT_CONNECTION: Final = 6
_ATTEMPTS_BEFORE_FIRST_CONTACT: Final = 10
_SHOWN_OF_A_MESSAGE: Final = 240


@dataclass(slots=True)
class _State:
    """What is known of an endpoint's health. It rests (its circuit is open) until `rests_until`."""

    failures: int = 0
    rests_until: float = 0.0
    rest_seconds: float = _FIRST_REST_SECONDS
    last_message: str = "not asked yet"


@dataclass(slots=True)
class _Operation:
    """The course of one `run`: what failed so far."""

    failures: int = 0
    connected: bool = False
    last_failed: JsonRpcClient | None = None
    refused: set[str] = field(default_factory=set)


class EndpointPool:
    """Fail-over between JSON-RPC endpoints, with a circuit breaker for each and bounded, patient retries.

    The first endpoint is preferred as long as it is healthy: one node's view of the chain is consistent, a mixture of
    two is not.
    """

    def __init__(
        self,
        endpoints: Sequence[JsonRpcClient],
        *,
        policy: RetryPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not endpoints:
            raise ConfigurationError(
                "No JSON-RPC endpoint is configured", "Set chain.rpc_url, or POLYGON_RPC_URL in the environment"
            )
        self.endpoints = tuple(endpoints)
        self.policy = policy or RetryPolicy()
        self._clock = clock
        self._states = {id(endpoint): _State() for endpoint in self.endpoints}

    @classmethod
    def from_urls(
        cls,
        urls: Sequence[str],
        http: HttpClient,
        *,
        requests_per_10s: float | None = None,
        policy: RetryPolicy | None = None,
    ) -> Self:
        """A pool of endpoints that share `http`, each with a budget of its own (None: not limited by us)."""
        endpoints = [JsonRpcClient(url, http, limiter=AdaptiveLimiter(requests_per_10s)) for url in urls]
        return cls(endpoints, policy=policy)

    async def run(
        self, work: Callable[[JsonRpcClient], Awaitable[Answer]], *, avoid: JsonRpcClient | None = None
    ) -> Answer:
        """The answer of `work`, given one endpoint after the other until it succeeds.

        Args:
            work: makes one attempt at the endpoint it is given. A passing fault is an UpstreamUnavailableError.
            avoid: an endpoint that is asked only when no other can be: for second opinions.

        Raises:
            UpstreamUnavailableError: all attempts failed; says which endpoints there are and what each said last.
            SourceError: what `work` raised when trying again would not help.
        """
        operation = _Operation()

        def wait(error: Exception) -> bool | float:
            return self._wait_after(error, operation)

        try:
            async for attempt in stamina.retry_context(
                on=wait, attempts=self.policy.attempts, timeout=self.policy.give_up_after
            ):
                with attempt:
                    return await self._attempt(work, self._choose(operation, avoid), operation)
        except RateLimitedError as error:
            raise RateLimitedError(*self._given_up(operation), retry_after=error.retry_after) from error
        except UpstreamUnavailableError as error:
            raise UpstreamUnavailableError(*self._given_up(operation)) from error
        raise UpstreamUnavailableError(*self._given_up(operation))

    async def _attempt(
        self, work: Callable[[JsonRpcClient], Awaitable[Answer]], endpoint: JsonRpcClient, operation: _Operation
    ) -> Answer:
        state = self._states[id(endpoint)]
        try:
            answer = await work(endpoint)
        except (EndpointRefusedError, NotJsonRpcError) as error:
            # A page in place of the first answer may be a proxy's hiccup; three of them are not.
            self._note_failure(state, error, at_once=not isinstance(error, MethodUnavailableError))
            if isinstance(error, EndpointRefusedError) or state.failures >= _FAILURES_TO_OPEN:
                operation.refused.add(endpoint.url)
            raise
        except UpstreamUnavailableError as error:
            operation.last_failed = endpoint
            # A node that limits us is healthy; its limiter keeps the wait.
            self._note_failure(state, error, at_once=False, counts=not isinstance(error, RateLimitedError))
            raise
        state.failures = 0
        state.rests_until = 0.0
        state.rest_seconds = _FIRST_REST_SECONDS
        return answer

    def _note_failure(
        self, state: _State, error: SourceError | UpstreamUnavailableError, *, at_once: bool, counts: bool = True
    ) -> None:
        state.last_message = error.what
        state.failures += counts
        if at_once or state.failures >= _FAILURES_TO_OPEN:
            state.rests_until = self._clock() + state.rest_seconds
            state.rest_seconds = min(_LONGEST_REST_SECONDS, 2 * state.rest_seconds)

    def _choose(self, operation: _Operation, avoid: JsonRpcClient | None) -> JsonRpcClient:
        usable = [endpoint for endpoint in self.endpoints if endpoint.url not in operation.refused] or self.endpoints
        now = self._clock()

        def order(endpoint: JsonRpcClient) -> tuple[bool, bool, bool, float]:
            rests_until = self._states[id(endpoint)].rests_until
            is_resting = rests_until > now
            has_just_failed = endpoint is operation.last_failed
            return is_resting, endpoint is avoid, has_just_failed, rests_until if is_resting else 0.0

        return min(usable, key=order)

    def _wait_after(self, error: Exception, operation: _Operation) -> bool | float:
        operation.failures += 1
        others = len(self.endpoints) - len(operation.refused)
        if isinstance(error, EndpointRefusedError | NotJsonRpcError):
            return self.policy.wait(operation.failures) if others > 0 else False
        operation.connected |= not isinstance(error, NoConnectionError)
        if not any(endpoint.has_spoken for endpoint in self.endpoints):
            most = _ATTEMPTS_BEFORE_FIRST_CONTACT if operation.connected else _ATTEMPTS_WITHOUT_CONNECTION
            if operation.failures >= most * len(self.endpoints):
                return False
        wait = wait_after(error, operation.failures, self.policy)
        if isinstance(error, RateLimitedError) and others > 1 and wait is not False:
            # Another endpoint need not wait for what this one asked.
            return self.policy.wait(operation.failures)
        return wait

    def _given_up(self, operation: _Operation) -> tuple[str, str]:
        said = "; ".join(
            f"{endpoint.name}: {_shortened(self._states[id(endpoint)].last_message)}" for endpoint in self.endpoints
        )
        return (
            f"No JSON-RPC endpoint gave a usable answer in {operation.failures} attempts. {said}",
            "Try again later, or add another endpoint to chain.rpc_url; what was done so far is saved",
        )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_OF_A_MESSAGE else text[:_SHOWN_OF_A_MESSAGE] + "…"
