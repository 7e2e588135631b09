"""How many blocks to ask for at once: the range grows with good answers and shrinks with refusals. No I/O."""

from __future__ import annotations

from typing import Final

from polyledger.sources.chain_refusals import Refusal, RefusalKind

START_BLOCKS: Final = 500
TARGET_LOGS: Final = 30_000
_SMALLEST_TARGET: Final = 100
_GROWTH: Final = 2
_GROWTH_WHEN_EMPTY: Final = 8
_SHARE_OF_LOG_LIMIT: Final = 0.7  # how near to a stated limit of logs we go
_TOO_MANY: Final = 1.7  # answers beyond this share of the target shrink the range
_PROBE_AFTER: Final = 400  # answers at a learned limit before a larger range is tried once
_SETTLED: Final = 1.25  # a known-good range within this share of a refused one is good enough


class RangeSizer:
    """Chooses the number of blocks of the next range, aiming at `target` logs per answer.

    A limit of blocks that a node enforces is remembered and not probed again but once in several hundred answers, and
    ever more rarely when the probe fails. Limits of results depend on what is in the blocks, so they lower the target.
    """

    def __init__(self, *, start: int = START_BLOCKS, target: int = TARGET_LOGS) -> None:
        self.size = start
        self._target = float(target)
        self._most_logs = float(target)  # the highest target: falls when a node states a limit of logs
        self._good = 0  # the largest range taken since the last refusal for its blocks
        self._refused: int | None = None  # the smallest range refused for its number of blocks
        self._density: float | None = None  # logs per block in the newest answer
        self._doubts = 0  # refusals for their results of ranges that should have held few
        self._stated = False  # whether the node has said what it takes, so that nothing between need be tried
        self._answers_at_limit = 0
        self._probe_after = _PROBE_AFTER
        self._probing = False

    @property
    def limit(self) -> int | None:
        """The number of blocks beyond which nothing is asked, as far as it is known."""
        return None if self._refused is None else self._refused - 1

    def accepted(self, blocks: int, logs: int) -> None:
        """Note that a range of `blocks` was answered with `logs` logs (in the largest single answer)."""
        self._good = max(self._good, blocks)
        self._density = logs / blocks
        if self._refused is not None and blocks >= self._refused:
            # A probe came through: the limit is higher than was thought, or gone.
            self._refused, self._stated, self._probe_after = None, False, _PROBE_AFTER
        self._target = min(self._most_logs, self._target * 1.02)
        if logs > _TOO_MANY * self._target:
            self.size = max(1, min(self.size, int(blocks * self._target / logs)))
        elif 2 * blocks >= self.size:
            growth = _GROWTH_WHEN_EMPTY if logs == 0 else _GROWTH
            wanted = blocks * min(growth, self._target / max(logs, 1))
            self.size = self._within_limit(max(self.size, int(wanted)), blocks)

    def refused(self, blocks: int, refusal: Refusal) -> int:
        """Note a refusal of `blocks` (at least 2); returns how many to ask for instead, fewer than before."""
        fewer = blocks // 2 if refusal.blocks is None else max(1, min(refusal.blocks, blocks - 1))
        if refusal.kind is RefusalKind.BLOCKS or self._is_about_blocks_after_all(blocks, refusal):
            self._learn_block_limit(blocks, fewer, stated=refusal.blocks is not None)
        else:
            self._learn_result_limit(refusal)
        self.size = max(1, min(self.size, fewer))
        return fewer

    def _is_about_blocks_after_all(self, blocks: int, refusal: Refusal) -> bool:
        """Whether a node that speaks of too many results, more than once, refused a range that can hold few only."""
        most = self._most_logs if refusal.results is None else refusal.results
        if self._density is None or self._density * blocks > most / 2:
            self._doubts = 0
            return False
        self._doubts += 1
        return self._doubts > 1

    def _learn_block_limit(self, blocks: int, fewer: int, *, stated: bool) -> None:
        if self._probing:
            self._probe_after *= 2
            self._probing = False
        if stated:
            self._refused, self._stated = fewer + 1, True
        elif self._refused is None or blocks < self._refused:
            self._refused, self._stated = blocks, False
        self._good = min(self._good, fewer)
        self._answers_at_limit = 0

    def _learn_result_limit(self, refusal: Refusal) -> None:
        if refusal.results is not None and refusal.results > 0:
            self._most_logs = min(self._most_logs, max(1.0, refusal.results * _SHARE_OF_LOG_LIMIT))
            self._target = min(self._target, self._most_logs)
        else:
            self._target = max(_SMALLEST_TARGET, self._target / 2)

    def _within_limit(self, wanted: int, accepted: int) -> int:
        refused = self._refused
        if refused is None or wanted < refused:
            return wanted
        self._answers_at_limit += 1
        if self._answers_at_limit >= self._probe_after:
            self._answers_at_limit = 0
            self._probing = True
            return 2 * (refused - 1)
        good = max(self._good, accepted)
        if self._stated or refused <= good * _SETTLED or refused - good <= 1:
            return min(refused - 1, max(self.size, good)) if not self._stated else refused - 1
        # Between the largest range taken and the smallest refused lies the limit.
        return good + (refused - good) // 2
