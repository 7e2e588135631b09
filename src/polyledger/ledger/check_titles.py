"""What each check of ``polyledger.verify/1`` says in a few words, for people; programs use the names."""

from __future__ import annotations

__all__ = ["title"]

_TITLES = {
    "intervals_whole": "scanned blocks have no hole and no overlap",
    "headers_once": "each block is known once and follows its parent",
    "logs_once": "each log is counted once",
    "layouts_known": "every log of the contracts was understood",
    "transactions_balance": "every transaction sums to zero",
    "matches_agree": "each taker leg is the sum of its maker legs",
    "operators_fill": "legs outside a match come from an operator",
    "refunds_belong": "each fee refund belongs to a fill",
    "prices_are_shares_of_one": "no share costs more than one dollar",
    "conditions_prepared": "conditions were prepared before their use",
    "neg_risk_agrees": "neg-risk questions match their conditions",
    "registrations_paired": "registered tokens derive from their condition",
    "tokens_proven": "every token is proven by its hash",
    "redemptions_pay": "redemptions pay what the resolution says",
    "redemptions_take_all": "redemptions take the whole balance",
    "pools_cover_shares": "what is pooled covers what is owed",
    "balances_never_negative": "nobody sends shares that never came",
    "share_balances": "wallets' shares equal the ERC-1155 transfers",
    "cash_balances": "wallets' USDC equals the ERC-20 transfers",
    "protocol_v2_books": "books of Protocol V2",
}


def title(name: str) -> str:
    """The words for a check; a name without words of its own is spelt out."""
    return _TITLES.get(name, name.replace("_", " "))
