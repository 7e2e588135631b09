"""Why somebody's profit differs: each cause is a way of reckoning that is common, and the rules that reproduce it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from polyledger.value.against.positions import Rules

ROLE_NAMES: Final = {"0": "maker", "1": "taker", "2": "operator", "3": "AMM"}
SENTENCES: Final[Mapping[str, str]] = {
    "fees": "fees are left out",
    "fee_refunds": "refunds of fees are left out",
    "conversions": "neg-risk conversions are left out",
    "transfers": "transfers between wallets are treated otherwise",
    "splits": "splits are left out",
    "merges": "merges are left out",
    "redemptions": "redemptions are left out",
    "splits_merges_redemptions": "splits, merges and redemptions are left out",
    "fills_only": "only fills are counted",
    "settlement": "shares held to settlement are left out",
    "open_positions": "positions that are still open are counted as profit or loss",
    "missing_fills": "fills are missing",
    "double_counting": "fills are counted twice",
    "outcome_index": "outcomes are mixed up",
    "wrong_market": "trades are counted under another market",
    "resolutions": "resolutions are missing",
    "unit": "another unit, or a constant factor",
    "volume": "volume is counted otherwise",
}


@dataclass(frozen=True)
class Cause:
    """One explanation: `name` is a key of `SENTENCES`, `detail` says which form of it."""

    name: str
    rules: Rules
    detail: str | None = None


def single_causes(parts: Sequence[str], masks: Sequence[str], contracts: Mapping[str, str]) -> list[Cause]:
    """The causes that can be at work in positions made of `parts`, in the order in which they are considered.

    Args:
        parts: as `Positions.parts`.
        masks: as the keys of `Positions.masks`.
        contracts: key of a contract (as text) → its name.
    """
    causes = [
        Cause("fees", _without("fee", "refund")),
        Cause("fee_refunds", _without("refund")),
        Cause("conversions", _without("convert")),
        Cause("conversions", Rules((("convert", 1, 0),)), "their cash only"),
        Cause("transfers", _without("transfer"), "shares received or sent by plain transfers are left out"),
        Cause("transfers", Rules(moved=True), "USDC received or sent by plain transfers is counted as profit or loss"),
        Cause("splits", _without("split")),
        Cause("splits", Rules((("split", 1, 0),)), "their cash only"),
        Cause("merges", _without("merge")),
        Cause("merges", Rules((("merge", 1, 0),)), "their cash only"),
        Cause("redemptions", Rules((("redeem", 1, 0),)), "their cash only"),
        Cause("splits_merges_redemptions", _without("split", "merge", "redeem")),
        Cause("splits_merges_redemptions", Rules((("split", 1, 0), ("merge", 1, 0), ("redeem", 1, 0))), "cash only"),
        Cause("fills_only", _without("split", "merge", "redeem", "convert", "transfer", "pool")),
        Cause("settlement", Rules(held=False)),
        Cause("open_positions", Rules(open_at="zero"), "what was paid for them is a loss, what was sold a gain"),
        Cause("open_positions", Rules(open_at="last price"), "they are valued at the price of the last fill"),
        *_missing(parts, contracts),
        Cause("double_counting", Rules((("counter", 1, 1),)), "maker legs count for the taker as well"),
        Cause("double_counting", Rules((("fill", 2, 2),)), "every fill"),
        Cause("double_counting", Rules((("fill", 2, 2), ("fee", 2, 2), ("refund", 2, 2))), "every fill and its fee"),
        Cause("outcome_index", Rules(swapped=True), "of every binary condition"),
        *(
            Cause("resolutions" if mask.startswith("resolved") else "wrong_market", Rules(only=mask), f"only {mask}")
            for mask in masks
        ),
        *(
            Cause("unit", Rules(factor=(times, by)), f"multiplied by {times}" if by == 1 else f"divided by {by}")
            for times, by in ((2, 1), (128, 1), (1_000_000, 1), (1, 2), (1, 128), (1, 1_000_000))
        ),
    ]  # fmt: skip
    return [cause for cause in causes if _matters(cause.rules, parts)]


def pairs_of(causes: Sequence[Cause]) -> list[tuple[Cause, Cause, Rules]]:
    """Two causes at once, of different names; a change of unit stands alone."""
    able = [cause for cause in causes if cause.rules.factor == (1, 1)]
    return [
        (one, other, one.rules.and_also(other.rules)) for one, other in combinations(able, 2) if one.name != other.name
    ]


def forms(rules: Rules) -> list[Rules]:
    """The two ways to take shares that were given without having come in: as nothing, or as owed."""
    return [rules, replace(rules, below_zero=True)]


def _without(*parts: str) -> Rules:
    return Rules(tuple((part, 0, 0) for part in parts))


def _missing(parts: Sequence[str], contracts: Mapping[str, str]) -> list[Cause]:
    fills = [part.rstrip(";").split(" ") for part in parts if part.startswith("fill ")]
    found = []
    for role in sorted({role for _, role, _ in fills}):
        dropped = tuple((f"{kind} {role} ", 0, 0) for kind in ("fill", "fee", "refund"))
        found.append(Cause("missing_fills", Rules(dropped), f"all {ROLE_NAMES[role]} legs"))
    for contract in sorted({contract for _, _, contract in fills}):
        dropped = tuple(
            (f"{kind} {role} {contract};", 0, 0) for kind in ("fill", "fee", "refund") for role in ROLE_NAMES
        )
        found.append(Cause("missing_fills", Rules(dropped), f"all of {contracts.get(contract, 'a contract')}"))
    return found


def _matters(rules: Rules, parts: Sequence[str]) -> bool:
    """False when all that the rules change is parts that are not there."""
    if not rules.weights:
        return True
    return any(part.startswith(beginning) for beginning, _, _ in rules.weights for part in parts)
