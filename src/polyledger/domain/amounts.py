"""Amounts: integers in millionths of a USDC or of a share. No floats before display."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from polyledger.domain.errors import UsageError

MICRO: Final = 1_000_000
LARGEST_AMOUNT: Final = (1 << 63) - 1

_DECIMAL: Final = re.compile(r"(-?)(\d+)(?:\.(\d{1,6}))?", re.ASCII)


def amount_text(micro: int) -> str:
    """A decimal string with six decimals, exact for any size: ``-1500000`` gives ``"-1.500000"``."""
    whole, fraction = divmod(abs(micro), MICRO)
    return f"{'-' if micro < 0 else ''}{whole}.{fraction:06d}"


def parse_amount(text: str) -> int:
    """Millionths from a decimal string with at most six decimals; the inverse of amount_text.

    Raises:
        UsageError: the text is not such a number; nothing is rounded.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not an amount", "Write a plain decimal number with at most six decimals")
    sign, whole, fraction = match.groups()
    micro = int(whole) * MICRO + int((fraction or "").ljust(6, "0"))
    return -micro if sign else micro


def settled_value(shares: int, numerators: Sequence[int], outcome_index: int) -> int:
    """What `shares` (millionths) of one outcome pay, floored to a millionth as redemption on the chain does.

    Args:
        shares: how many shares of the outcome are held, millionths, not negative.
        numerators: the payout vector of the resolution; its sum is the denominator.
        outcome_index: which outcome, from zero.

    Raises:
        UsageError: negative shares, an outcome the vector does not have, or a vector that sums to zero.
    """
    denominator = sum(numerators)
    if shares < 0 or not 0 <= outcome_index < len(numerators) or denominator <= 0:
        raise UsageError(
            f"{shares} shares of outcome {outcome_index} cannot be settled with payouts {list(numerators)}"
        )
    return shares * numerators[outcome_index] // denominator
