"""Refusals in every provider's words, and how the range of blocks grows and shrinks."""

from __future__ import annotations

import pytest

from polyledger.sources.chain_ranges import RangeSizer
from polyledger.sources.chain_refusals import Refusal, RefusalKind, is_behind, parse_refusal

FIRST, LAST = 81_000_000, 81_001_999
ALCHEMY = (
    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the "
    "response size, or you can request any block range with a cap of 10K logs in the response. Based on your "
    f"parameters and the response size limit, this block range should work: [{hex(FIRST)}, {hex(FIRST + 99)}]"
)
ALCHEMY_FREE = (
    "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your "
    f"parameters, this block range should work: [{hex(FIRST)}, {hex(FIRST + 9)}]. Upgrade to PAYG."
)
BLOCKS, RESULTS = RefusalKind.BLOCKS, RefusalKind.RESULTS


@pytest.mark.parametrize(
    ("code", "message", "kind", "blocks", "results"),
    [
        (-32602, ALCHEMY, RESULTS, 100, 10_000),
        (-32600, ALCHEMY_FREE, BLOCKS, 10, None),
        (
            -32005,
            f"query returned more than 10000 results. Try with this block range [{hex(FIRST)}, {hex(FIRST + 4)}].",
            RESULTS,
            5,
            10_000,
        ),
        (-32005, "query returned more than 10000 results", RESULTS, None, 10_000),
        (-32000, "query exceeds max block range 1000", BLOCKS, 1000, None),
        (-32000, "eth_getLogs range is too large, max is 1k blocks", BLOCKS, 1000, None),
        (-32000, "block range is too wide", BLOCKS, None, None),
        (-32000, "exceed maximum block range: 50", BLOCKS, 50, None),
        (35, "ranges over 10000 blocks are not supported on freetier", BLOCKS, None, None),
        (35, "ranges over 100 blocks are not supported on freetier", BLOCKS, 100, None),
        (-32000, "eth_getLogs is limited to 1024 block range", BLOCKS, 1024, None),
        (-32614, "eth_getLogs is limited to a 5 range", BLOCKS, 5, None),
        (-32614, "eth_getLogs is limited to a 1,000 range", BLOCKS, 1000, None),
        (-32000, "eth_getLogs is limited to 0 - 50 blocks range", BLOCKS, 50, None),
        (
            -32602,
            f"query exceeds max results 20000, retry with the range {FIRST}-{FIRST + 499}",
            RESULTS,
            500,
            20_000,
        ),
        (-32000, "Maximum allowed number of requested blocks is 1000", BLOCKS, 1000, None),
        (-32000, "requested too many blocks from 1 to 9999, maximum is set to 1000", BLOCKS, 1000, None),
        (-32000, "query timeout exceeded", RESULTS, None, None),
        (-32000, "logs matched by query exceeds limit of 10000", RESULTS, None, 10_000),
        (-32005, "limit exceeded", RESULTS, None, None),
        (413, "the answer is too large (413)", RESULTS, None, None),
    ],
)
def test_a_refusal_is_understood(
    code: int, message: str, kind: RefusalKind, blocks: int | None, results: int | None
) -> None:
    assert parse_refusal(code, message, FIRST, LAST) == Refusal(kind, blocks, results, message)


@pytest.mark.parametrize("message", ["execution reverted", "internal error", "invalid argument 0: bad address"])
def test_other_errors_are_no_refusals_of_a_range(message: str) -> None:
    assert parse_refusal(-32000, message, FIRST, LAST) is None


@pytest.mark.parametrize("message", ["header not found", "unknown block", "One of the blocks is past head block"])
def test_a_node_that_is_behind_is_not_asked_for_less(message: str) -> None:
    assert is_behind(message)
    assert parse_refusal(-32000, message, FIRST, LAST) is None


@pytest.mark.parametrize(
    "suggestion",
    [(FIRST - 1, FIRST + 9), (FIRST, LAST + 1), (FIRST, LAST), (FIRST + 9, FIRST)],
    ids=["before", "after", "the same", "reversed"],
)
def test_a_suggestion_outside_of_the_question_is_not_taken(suggestion: tuple[int, int]) -> None:
    message = (
        f"query returned more than 10000 results. Try with this block range [{suggestion[0]:#x}, {suggestion[1]:#x}]."
    )
    refusal = parse_refusal(-32005, message, FIRST, LAST)
    assert refusal is not None
    assert refusal.blocks is None


def test_empty_blocks_take_few_requests() -> None:
    sizer, block, requests = RangeSizer(), 0, 0
    while block < 48_000_000:
        size = sizer.size
        sizer.accepted(size, 0)
        block += size
        requests += 1
    assert requests < 10


def test_a_stated_limit_is_kept_and_rarely_probed() -> None:
    sizer = RangeSizer()
    refused = 0
    for _ in range(2_000):
        size = sizer.size
        if size > 10:
            refused += 1
            sizer.refused(size, Refusal(BLOCKS, 10))
        else:
            sizer.accepted(size, 3)
    assert sizer.size == 10
    assert refused <= 4


def test_an_unstated_limit_is_closed_in_on() -> None:
    sizer = RangeSizer()
    asked = refused = covered = 0
    while covered < 200_000:
        size = sizer.size
        asked += 1
        if size > 700:
            refused += 1
            sizer.refused(size, Refusal(BLOCKS))
        else:
            sizer.accepted(size, 5)
            covered += size
    assert sizer.limit is not None
    assert 700 <= sizer.limit <= 900
    assert sizer.size >= 560
    assert refused <= 8


def test_a_limit_that_falls_away_is_noticed() -> None:
    sizer = RangeSizer()
    sizer.refused(sizer.size, Refusal(BLOCKS, 10))
    for _ in range(3_000):
        sizer.accepted(sizer.size, 1)
    assert sizer.size > 1_000


def test_answers_settle_near_the_target() -> None:
    sizer = RangeSizer(start=2_000, target=30_000)
    logs = 0
    for _ in range(50):
        logs = sizer.size * 300
        sizer.accepted(sizer.size, logs)
    assert 20_000 <= logs <= 50_000


def test_a_stated_limit_of_logs_lowers_the_target() -> None:
    sizer, refused = RangeSizer(), 0
    for _ in range(300):
        logs = sizer.size * 7
        if logs > 1_000:
            refused += 1
            sizer.refused(sizer.size, Refusal(RESULTS, None, 1_000))
        else:
            sizer.accepted(sizer.size, logs)
    assert refused <= 5
    assert 80 <= sizer.size <= 143


def test_a_node_that_mislabels_its_block_limit_is_seen_through() -> None:
    sizer, refused = RangeSizer(), 0
    for _ in range(300):
        if sizer.size > 10:
            refused += 1
            sizer.refused(sizer.size, Refusal(RESULTS, 10, 10_000))
        else:
            sizer.accepted(sizer.size, 2)
    assert refused <= 4


def test_a_refusal_always_shrinks() -> None:
    for blocks in (2, 3, 10, 2_000):
        for refusal in (Refusal(BLOCKS), Refusal(BLOCKS, 10_000), Refusal(RESULTS), Refusal(RESULTS, 1, 1)):
            assert 1 <= RangeSizer().refused(blocks, refusal) < blocks
