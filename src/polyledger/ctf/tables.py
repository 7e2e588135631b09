"""The shapes of the decoded tables: one row per event, in the units of the chain (millionths), ids as bytes.

Every table but ``blocks`` starts with ``tx`` (block << 16 | transaction index), and every event table goes on with
``log_index``. All tables are always present, empty ones too.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

ADDRESS: Final = pa.binary(20)
WORD: Final = pa.binary(32)
AMOUNT: Final = pa.int64()
INDEX: Final = pa.int32()
KIND: Final = pa.uint8()
AMOUNTS: Final = pa.list_(pa.int64())

BUY: Final = 0
SELL: Final = 1
SPLIT: Final = 0
MERGE: Final = 1
OPERATOR: Final = 0
ADMIN: Final = 1
FUNDING_ADDED: Final = 0
FUNDING_REMOVED: Final = 1
PROTOCOL_KINDS: Final = ("split", "merge", "redemption", "conversion", "horizontal split", "horizontal merge")


def _events(*columns: tuple[str, pa.DataType]) -> pa.Schema:
    nullable = {"builder", "index_sets", "amounts", "second_recipient", "condition_index", "payout"}
    common: list[tuple[str, pa.DataType]] = [("tx", pa.int64()), ("log_index", pa.int32())]
    return pa.schema([pa.field(name, kind, nullable=name in nullable) for name, kind in [*common, *columns]])


SCHEMAS: Final[dict[str, pa.Schema]] = {
    "fills": _events(
        ("contract", ADDRESS),
        ("order_hash", WORD),
        ("wallet", ADDRESS),
        ("counterparty", ADDRESS),
        ("side", KIND),
        ("token", WORD),
        ("shares", AMOUNT),
        ("collateral", AMOUNT),
        ("fee", AMOUNT),
        ("layout", KIND),
        ("builder", WORD),
    ),
    "matches": _events(
        ("contract", ADDRESS),
        ("order_hash", WORD),
        ("wallet", ADDRESS),
        ("side", KIND),
        ("token", WORD),
        ("shares", AMOUNT),
        ("collateral", AMOUNT),
        ("layout", KIND),
    ),
    "fees_charged": _events(("contract", ADDRESS), ("receiver", ADDRESS), ("token", WORD), ("amount", AMOUNT)),
    "fee_refunds": _events(
        ("contract", ADDRESS),
        ("order_hash", WORD),
        ("recipient", ADDRESS),
        ("token", WORD),
        ("refund", AMOUNT),
        ("fee_charged", AMOUNT),
    ),
    "share_transfers": _events(
        ("item", INDEX),
        ("contract", ADDRESS),
        ("operator", ADDRESS),
        ("sender", ADDRESS),
        ("recipient", ADDRESS),
        ("token", WORD),
        ("amount", AMOUNT),
    ),
    "collateral_transfers": _events(
        ("contract", ADDRESS), ("sender", ADDRESS), ("recipient", ADDRESS), ("amount", AMOUNT)
    ),
    "position_changes": _events(
        ("contract", ADDRESS),
        ("kind", KIND),
        ("stakeholder", ADDRESS),
        ("collateral", ADDRESS),
        ("condition", WORD),
        ("amount", AMOUNT),
        ("partition_size", INDEX),
    ),
    "redemptions": _events(
        ("contract", ADDRESS),
        ("redeemer", ADDRESS),
        ("collateral", ADDRESS),
        ("condition", WORD),
        ("payout", AMOUNT),
        ("index_sets", AMOUNTS),
        ("amounts", AMOUNTS),
    ),
    "conversions": _events(
        ("stakeholder", ADDRESS), ("neg_risk_market", WORD), ("index_set", WORD), ("amount", AMOUNT)
    ),
    "preparations": _events(("condition", WORD), ("oracle", ADDRESS), ("question_id", WORD), ("outcome_slots", INDEX)),
    "resolutions": _events(
        ("condition", WORD),
        ("oracle", ADDRESS),
        ("question_id", WORD),
        ("outcome_slots", INDEX),
        ("numerators", AMOUNTS),
    ),
    "registrations": _events(("contract", ADDRESS), ("token0", WORD), ("token1", WORD), ("condition", WORD)),
    "neg_risk_markets": _events(("neg_risk_market", WORD), ("oracle", ADDRESS), ("fee_bips", AMOUNT)),
    "neg_risk_questions": _events(("neg_risk_market", WORD), ("question_id", WORD), ("question_index", INDEX)),
    "outcomes_reported": _events(("neg_risk_market", WORD), ("question_id", WORD), ("outcome", pa.bool_())),
    "roles": _events(
        ("contract", ADDRESS), ("account", ADDRESS), ("by", ADDRESS), ("kind", KIND), ("granted", pa.bool_())
    ),
    "amm_pools": _events(
        ("contract", ADDRESS),
        ("creator", ADDRESS),
        ("pool", ADDRESS),
        ("conditional_tokens", ADDRESS),
        ("collateral", ADDRESS),
        ("conditions", pa.list_(WORD)),
        ("fee", WORD),
    ),
    "amm_trades": _events(
        ("contract", ADDRESS),
        ("trader", ADDRESS),
        ("side", KIND),
        ("outcome_index", INDEX),
        ("collateral", AMOUNT),
        ("fee", AMOUNT),
        ("shares", AMOUNT),
    ),
    "amm_funding": _events(
        ("contract", ADDRESS),
        ("funder", ADDRESS),
        ("kind", KIND),
        ("amounts", AMOUNTS),
        ("collateral_from_fees", AMOUNT),
        ("pool_shares", AMOUNT),
    ),
    "protocol_resolutions": _events(("contract", ADDRESS), ("condition", WORD), ("payouts", AMOUNTS)),
    # `subject` is a condition (bytes31), an event (bytes29), both zero-padded right, or for redemptions a token.
    "protocol_changes": _events(
        ("contract", ADDRESS),
        ("kind", KIND),
        ("initiator", ADDRESS),
        ("recipient", ADDRESS),
        ("second_recipient", ADDRESS),
        ("subject", WORD),
        ("condition_index", INDEX),
        ("amount", AMOUNT),
        ("payout", AMOUNT),
    ),
    "minor_logs": _events(("contract", ADDRESS), ("topic", WORD)),
    "unknown_logs": _events(
        ("contract", ADDRESS), ("topics", pa.list_(WORD)), ("data", pa.binary()), ("reason", pa.string())
    ),
    "transactions": pa.schema([pa.field("tx", pa.int64(), nullable=False), pa.field("hash", WORD, nullable=False)]),
    "blocks": pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("hash", WORD, nullable=False),
            pa.field("timestamp", pa.int64()),
        ]
    ),
}
EVENT_TABLES: Final = tuple(name for name in SCHEMAS if name not in {"transactions", "blocks"})
