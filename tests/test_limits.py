"""Limits on a clock of the test, and secrets that no message shows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from polyledger.net import (
    AdaptiveLimiter,
    mask_url,
    retry_after_seconds,
    scrub,
)


class Clock:
    """Time that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def requests_in(limiter: AdaptiveLimiter, clock: Clock, seconds: float) -> int:
    end, count = clock.now + seconds, 0
    while True:
        await limiter.acquire()
        if clock.now > end:
            return count
        count += 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://polygon-rpc.com", "https://polygon-rpc.com"),
        ("https://polygon-mainnet.g.alchemy.com/v2/Ab3dEf6hIj", "https://polygon-mainnet.g.alchemy.com/v2/***"),
        ("https://rpc.example/polygon/rpc?apikey=12345678", "https://rpc.example/polygon/rpc?apikey=***"),
        ("https://user:pass1234@rpc.example:8545/", "https://***@rpc.example:8545/"),
        ("http://127.0.0.1:8000/rpc", "http://127.0.0.1:8000/rpc"),
        ("https://rpc.example/0123456789abcdef0123456789abcdef/", "https://rpc.example/***/"),
    ],
)
def test_secrets_in_addresses_are_masked(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_secrets_quoted_by_a_server_are_masked() -> None:
    url = "https://u:hunter22@rpc.example/v2/Ab3dEf6hIj?token=t0ps3cret"
    text = scrub("key Ab3dEf6hIj (hunter22, t0ps3cret) is over its limit", url)
    assert text == "key *** (***, ***) is over its limit"


def test_the_limiter_keeps_the_rate() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    assert 100 <= asyncio.run(requests_in(limiter, clock, 10)) <= 112


def test_heavy_requests_cost_their_weight() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)

    async def twenty() -> None:
        for _ in range(20):
            await limiter.acquire(10)

    asyncio.run(twenty())
    assert 17 <= clock.now <= 20


def test_a_refusal_halves_the_rate_and_good_answers_bring_it_back() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.throttled()  # one congestion, however many workers report it
    assert limiter.rate == pytest.approx(5)
    for _ in range(10):
        limiter.succeeded(0.1)
    assert limiter.rate == pytest.approx(7)
    for _ in range(100):
        limiter.succeeded(0.1)
    assert limiter.rate == pytest.approx(10)


def test_the_rate_has_a_floor() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, clock=clock, sleep=clock.sleep)
    for _ in range(50):
        clock.now += 2
        limiter.throttled()
    assert limiter.rate == pytest.approx(0.2)


def test_a_wait_that_was_asked_for_is_kept_by_all() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(None, clock=clock, sleep=clock.sleep)
    limiter.throttled(7.5)
    asyncio.run(limiter.acquire())
    assert clock.now == pytest.approx(7.5)


def test_slow_answers_count_as_throttling() -> None:
    clock = Clock()
    limiter = AdaptiveLimiter(100, slow_after=1.0, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.succeeded(0.1)
    clock.now += 5
    limiter.succeeded(3.0)
    assert limiter.rate is not None
    assert limiter.rate < 10


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    assert retry_after_seconds("3") == 3
    assert retry_after_seconds(format_datetime(now + timedelta(seconds=40), usegmt=True), now=now) == 40
    assert retry_after_seconds(format_datetime(now - timedelta(seconds=40), usegmt=True), now=now) == 0
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None
