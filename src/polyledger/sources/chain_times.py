"""Which block stands at which time: a search over headers, whose timestamps never decrease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from polyledger.domain.errors import UpstreamUnavailableError
from polyledger.sources.chain_wire import Header

_HEADERS_AT_ONCE: Final = 64

Headers = Callable[[Sequence[int]], Awaitable[dict[int, Header]]]


async def first_block_at(headers: Headers, seconds: int, first: int, last: int) -> int:
    """The first of the blocks `first` … `last` that is not older than `seconds` (Unix time); last + 1 if all are.

    Asks for 64 headers at a time, so that a whole chain takes five requests.

    Raises:
        UpstreamUnavailableError: the node does not have these blocks.
    """
    low, high = first, last + 1  # the answer is in low … high
    while low < high:
        step = max(1, (high - low) // (_HEADERS_AT_ONCE + 1))
        numbers = list(range(low + step - 1, high, step))[:_HEADERS_AT_ONCE]
        found = await headers(numbers)
        if len(found) < len(numbers):
            missing = next(number for number in numbers if number not in found)
            raise UpstreamUnavailableError(
                f"No endpoint has block {missing:,}, which is needed to find a date", "Use an archive endpoint"
            )
        later = next((number for number in numbers if found[number].timestamp >= seconds), None)
        if later is None:
            low = numbers[-1] + 1
        else:
            before = [number for number in numbers if number < later]
            low, high = (before[-1] + 1 if before else low), later
    return low
