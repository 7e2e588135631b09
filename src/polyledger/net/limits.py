"""How fast an upstream is asked: one budget shared by all workers, which yields to throttling and recovers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import anyio

WINDOW_SECONDS: Final = 10.0
_SMALLEST_SHARE: Final = 1 / 50  # the rate never falls below this share of the configured one
_RECOVERY_SHARE: Final = 1 / 50  # what each good answer gives back
_DECREASE: Final = 0.5
_DECREASE_WHEN_SLOW: Final = 0.85
_CONGESTION_SECONDS: Final = 1.0  # refusals within this time are one congestion, not several
_SLOW_FACTOR: Final = 4.0


class AdaptiveLimiter:
    """A token bucket whose rate halves when the upstream throttles and grows back, step by step, with good answers.

    Args:
        requests_per_10s: the most requests in 10 seconds; None means no limit of our own (a wait that the server asks
            for is kept all the same).
        slow_after: answers that take longer than this many seconds, and four times as long as usual, count as
            throttling, because some services delay instead of refusing. None: time says nothing, as answers differ in
            size.
    """

    def __init__(
        self,
        requests_per_10s: float | None = None,
        *,
        slow_after: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._most = None if requests_per_10s is None else requests_per_10s / WINDOW_SECONDS
        self._rate = self._most or 0.0
        self._slow_after = slow_after
        self._clock = clock
        self._sleep = sleep
        self._tokens = self._burst
        self._filled_at = clock()
        self._paused_until = 0.0
        self._decreased_at = float("-inf")
        self._usual_seconds: float | None = None
        self._turn = anyio.Lock()
        self.throttled_count = 0

    @property
    def rate(self) -> float | None:
        """Requests per second allowed at present; None without a limit."""
        return None if self._most is None else self._rate

    @property
    def _burst(self) -> float:
        return max(1.0, self._rate)

    async def acquire(self, weight: float = 1.0) -> None:
        """Wait for the turn of a request that costs `weight`. Requests get their turn in the order of their calls."""
        async with self._turn:
            while (wait := self._wait()) > 0:
                await self._sleep(wait)
            # A heavy request may overdraw: those after it wait until the debt is paid.
            self._tokens -= weight

    def succeeded(self, seconds: float) -> None:
        """Note a good answer that took `seconds`."""
        usual = self._usual_seconds
        self._usual_seconds = seconds if usual is None else 0.9 * usual + 0.1 * seconds
        is_slow = (
            self._slow_after is not None
            and usual is not None
            and seconds > self._slow_after
            and seconds > _SLOW_FACTOR * usual
        )
        if is_slow:
            self._decrease(_DECREASE_WHEN_SLOW)
        elif self._most is not None:
            self._refill()
            self._rate = min(self._most, self._rate + self._most * _RECOVERY_SHARE)

    def throttled(self, retry_after: float | None = None) -> None:
        """Note a refusal; nobody asks again before `retry_after` seconds have passed, if the upstream named a wait."""
        self.throttled_count += 1
        if retry_after is not None:
            self._paused_until = max(self._paused_until, self._clock() + retry_after)
        self._decrease(_DECREASE)

    def _decrease(self, factor: float) -> None:
        now = self._clock()
        if self._most is None or now - self._decreased_at < _CONGESTION_SECONDS:
            return
        self._refill()
        self._decreased_at = now
        self._rate = max(self._most * _SMALLEST_SHARE, self._rate * factor)
        self._tokens = min(self._tokens, 1.0)

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now

    def _wait(self) -> float:
        """Seconds until the next request may go; 0 when it may go now."""
        pause = self._paused_until - self._clock()
        if self._most is None:
            return max(0.0, pause)
        self._refill()
        # Never a wait so small that the clock does not move on.
        shortage = 0.0 if self._tokens > 0 else max(-self._tokens / self._rate, 0.001)
        return max(0.0, pause, shortage)


def retry_after_seconds(header: str | None, *, now: datetime | None = None) -> float | None:
    """The wait that a ``Retry-After`` header asks for: seconds or an HTTP date. None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
