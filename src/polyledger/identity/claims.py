"""Checking what sources claim about a market: its tokens must derive from its condition."""

from __future__ import annotations

from collections.abc import Mapping

from polyledger.domain.records import MarketRecord

PROVEN, REFUTED, CLAIMED = "proven", "refuted", "claimed"


def market_verdict(record: MarketRecord, proven_tokens: Mapping[int, set[str]]) -> str:
    """What derivation says of a market record.

    Args:
        record: the claim.
        proven_tokens: outcome index → token ids that derive from the record's condition, in any collateral.

    Returns:
        ``proven`` when every token the record names is the token of its outcome index; ``refuted`` when one is not;
        ``claimed`` when the record names no tokens, or nothing is known to check them against.
    """
    if not record.token_ids or not proven_tokens:
        return CLAIMED
    named = [(index, token) for index, token in enumerate(record.token_ids) if token]
    if not named:
        return CLAIMED
    if all(token in proven_tokens.get(index, set()) for index, token in named):
        return PROVEN
    return REFUTED
