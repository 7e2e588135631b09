"""What nodes say when they refuse a query of logs. Every provider has its own words; this room knows them. No I/O.

Sources of the texts: the providers' documentation and reports of other indexers; each stands in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RefusalKind(StrEnum):
    """What a node found too large."""

    BLOCKS = "blocks"  # the range, whatever is in it
    RESULTS = "results"  # the answer: its logs, its bytes or the time it took
    LISTS = "lists"  # the alternatives asked for: addresses or topics


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node's refusal of a range.

    `blocks` is the number of blocks that would work, as the node says or implies by suggesting a range; `results` the
    number of logs. Both are None when it does not say. `message` is what it said.
    """

    kind: RefusalKind
    blocks: int | None = None
    results: int | None = None
    message: str = ""


LIMIT_EXCEEDED: Final = -32005
_DRPC_RANGE: Final = 35
_UNITS: Final = {"k": 1_000, "m": 1_000_000}
_N: Final = r"(\d[\d,_']*)\s?([km])?\b"  # 1000 · 10,000 · 2K
_RANGE_SEPARATOR: Final = r"\s*(?:,|-|to|\.\.)\s*"
_HEX_RANGE: Final = re.compile(rf"(0x[0-9a-f]+){_RANGE_SEPARATOR}(0x[0-9a-f]+)", re.IGNORECASE)
_DECIMAL_RANGE: Final = re.compile(rf"\b(\d{{1,12}}){_RANGE_SEPARATOR}(\d{{1,12}})\b(?!,\d)")


def _patterns(*texts: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text, re.IGNORECASE) for text in texts)


# Statements of how many logs an answer may hold. First, because they may mention ranges too.
_RESULT_LIMITS: Final = _patterns(
    rf"(?:more than|cap of|up to|over|exceeds?|limit of) {_N} (?:results|logs|events)",
    rf"max(?:imum)? (?:results|logs) {_N}",
    rf"number of (?:results|logs)\D{{0,12}}{_N}",
    rf"logs matched\D{{0,40}}{_N}",
)
# Statements of how many blocks a range may span.
_BLOCK_LIMITS: Final = _patterns(
    rf"up to an? {_N} block",
    rf"ranges? over {_N} blocks",
    rf"limited to (?:an? )?(?:0\s?-\s?)?{_N} (?:blocks? )?range",
    rf"limited to (?:an? )?{_N} blocks?",
    rf"max(?:imum)? (?:allowed )?(?:block range|number of (?:requested )?blocks)(?: is|:)? ?{_N}",
    rf"max(?:imum)? (?:is|is set to|of) {_N}",
    rf"(?:at most|more than|less than|exceeds?) {_N} blocks",
    rf"block range\D{{0,20}}(?:limit|maximum) of {_N}",
)
_ABOUT_RESULTS: Final = _patterns(
    r"response size",
    r"(?:result|response|query|body|answer)s? (?:set )?(?:is )?too (?:large|big|long)",
    r"too many (?:results|logs|events)",
    r"more than \d[\d,]* (?:results|logs)",
    r"max(?:imum)? (?:results|logs)",
    r"number of logs",
    r"time.?out|timed out|took too long|deadline exceeded",
)
_ABOUT_BLOCKS: Final = _patterns(
    r"block range",
    r"range (?:is )?too (?:large|wide|big)",
    r"ranges? over",
    r"limited to .* range",
    r"too many blocks|number of requested blocks|more than \d[\d,]* blocks",
)
# Said of too many alternatives in a filter: a smaller range does not help, a shorter list does.
_ABOUT_LISTS: Final = _patterns(
    r"(?:exceeds? max(?:imum)?|too many|max(?:imum)? (?:number|count) of|limit of) (?:\d+ )?(?:addresses|topics)",
    r"number of (?:addresses|topics)",
)
# Said of blocks a node does not have yet: another try or another node helps, a smaller range does not.
_BEHIND: Final = _patterns(
    r"(?:header|block) not found|unknown block|future block|missing trie node",
    r"(?:beyond|past|greater than|after) (?:the )?(?:current |latest |last )?(?:head|block|accepted block)\b",
    r"invalid block range params",
)


def is_behind(message: str) -> bool:
    """Whether a node says that it does not have the blocks (yet)."""
    return _matches(_BEHIND, message)


def parse_refusal(code: int, message: str, from_block: int, to_block: int) -> Refusal | None:
    """What a node's error to a query of [from_block, to_block] says about the range; None: it is about something else.

    A suggested range counts only when it lies within the one asked for and is smaller, a stated limit only when the
    range was larger: some nodes state limits that they do not keep.
    """
    if is_behind(message):
        return None
    if _matches(_ABOUT_LISTS, message):
        return Refusal(RefusalKind.LISTS, message=message)
    suggested = _suggested_blocks(message, from_block, to_block)
    results = _stated(_RESULT_LIMITS, message)
    if results is not None or _matches(_ABOUT_RESULTS, message):
        return Refusal(RefusalKind.RESULTS, suggested, results, message)
    limit = _stated(_BLOCK_LIMITS, message)
    if limit is not None and not 0 < limit <= to_block - from_block:
        limit = None
    if suggested is not None or limit is not None or code == _DRPC_RANGE or _matches(_ABOUT_BLOCKS, message):
        return Refusal(RefusalKind.BLOCKS, limit if suggested is None else suggested, message=message)
    if code == LIMIT_EXCEEDED:
        return Refusal(RefusalKind.RESULTS, message=message)
    return None


def _suggested_blocks(message: str, from_block: int, to_block: int) -> int | None:
    for pattern, base in ((_HEX_RANGE, 16), (_DECIMAL_RANGE, 10)):
        for match in pattern.finditer(message):
            first, last = int(match[1], base), int(match[2], base)
            if from_block <= first <= last <= to_block and (first, last) != (from_block, to_block):
                return last - first + 1
    return None


def _stated(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    for pattern in patterns:
        if match := pattern.search(message):
            digits, unit = match[1], match[2] or ""
            return int(re.sub(r"\D", "", digits)) * _UNITS.get(unit.lower(), 1)
    return None


def _matches(patterns: tuple[re.Pattern[str], ...], message: str) -> bool:
    return any(pattern.search(message) for pattern in patterns)
