"""Event layouts: what each log of the contracts looks like, in Solidity's own words.

An `Event` is parsed from its declaration, so the table below *is* the layout: the first topic is the Keccak-256 of the
canonical signature, indexed arguments are the other topics, and the rest stands in the data, one 32-byte word each,
arrays through an offset and a length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from polyledger.ctf.keccak import keccak256
from polyledger.domain.errors import InvariantError

_DECLARATION: Final = re.compile(r"(\w+)\((.*)\)")
_ARGUMENT: Final = re.compile(r"([a-z]+[0-9]*(?:\[\])?)( indexed)? (\w+)")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an event; `slot` counts topics from 1 for indexed ones, head words from 0 for the others."""

    name: str
    type: str
    indexed: bool
    slot: int

    @property
    def dynamic(self) -> bool:
        """Whether it stands behind an offset in the data."""
        return self.type == "bytes" or self.type.endswith("[]")


@dataclass(frozen=True, slots=True)
class Event:
    """An event layout, made from a declaration like ``Transfer(address indexed sender, uint256 amount)``."""

    declaration: str
    name: str = field(init=False)
    arguments: tuple[Argument, ...] = field(init=False)

    def __post_init__(self) -> None:
        match = _DECLARATION.fullmatch(self.declaration)
        if match is None:
            raise InvariantError(f"The event declaration {self.declaration!r} cannot be read")
        name, inside = match.groups()
        arguments: list[Argument] = []
        for text in filter(None, (part.strip() for part in inside.split(","))):
            parts = _ARGUMENT.fullmatch(text)
            if parts is None:
                raise InvariantError(f"The argument {text!r} of the event {name} cannot be read")
            indexed = parts[2] is not None
            slot = sum(argument.indexed == indexed for argument in arguments) + (1 if indexed else 0)
            arguments.append(Argument(parts[3], parts[1], indexed, slot))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", tuple(arguments))

    @property
    def signature(self) -> str:
        """The canonical signature, which is hashed: ``Transfer(address,uint256)``."""
        return f"{self.name}({','.join(argument.type for argument in self.arguments)})"

    @property
    def topic(self) -> bytes:
        """The first topic (32 bytes) of its logs."""
        return keccak256(self.signature.encode())

    @property
    def topic_count(self) -> int:
        """How many topics its logs have, the first included."""
        return 1 + sum(argument.indexed for argument in self.arguments)

    @property
    def head_words(self) -> int:
        """How many words of data stand before any array."""
        return sum(not argument.indexed for argument in self.arguments)

    @property
    def dynamic(self) -> tuple[Argument, ...]:
        """The arguments behind offsets, in order."""
        return tuple(argument for argument in self.arguments if argument.dynamic and not argument.indexed)

    def argument(self, name: str) -> Argument:
        """The argument called `name`. Raises InvariantError when there is none."""
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise InvariantError(f"The event {self.name} has no argument {name}")


# --- ERC-20 and ERC-1155 tokens
ERC20_TRANSFER: Final = Event("Transfer(address indexed sender, address indexed recipient, uint256 amount)")
ERC20_APPROVAL: Final = Event("Approval(address indexed owner, address indexed spender, uint256 amount)")
TRANSFER_SINGLE: Final = Event(
    "TransferSingle(address indexed operator, address indexed sender, address indexed recipient, "
    "uint256 token, uint256 amount)"
)
TRANSFER_BATCH: Final = Event(
    "TransferBatch(address indexed operator, address indexed sender, address indexed recipient, "
    "uint256[] tokens, uint256[] amounts)"
)
APPROVAL_FOR_ALL: Final = Event("ApprovalForAll(address indexed owner, address indexed operator, bool approved)")

# --- ConditionalTokens
CONDITION_PREPARATION: Final = Event(
    "ConditionPreparation(bytes32 indexed condition, address indexed oracle, bytes32 indexed question_id, "
    "uint256 outcome_slots)"
)
CONDITION_RESOLUTION: Final = Event(
    "ConditionResolution(bytes32 indexed condition, address indexed oracle, bytes32 indexed question_id, "
    "uint256 outcome_slots, uint256[] numerators)"
)
POSITION_SPLIT: Final = Event(
    "PositionSplit(address indexed stakeholder, address collateral, bytes32 indexed parent, bytes32 indexed condition, "
    "uint256[] partition, uint256 amount)"
)
POSITIONS_MERGE: Final = Event(
    "PositionsMerge(address indexed stakeholder, address collateral, bytes32 indexed parent, "
    "bytes32 indexed condition, uint256[] partition, uint256 amount)"
)
PAYOUT_REDEMPTION: Final = Event(
    "PayoutRedemption(address indexed redeemer, address indexed collateral, bytes32 indexed parent, bytes32 condition, "
    "uint256[] index_sets, uint256 payout)"
)

# --- Exchange v1, its fee module, and the access control that both share
ORDER_FILLED_V1: Final = Event(
    "OrderFilled(bytes32 indexed order_hash, address indexed maker, address indexed taker, uint256 maker_asset, "
    "uint256 taker_asset, uint256 maker_amount, uint256 taker_amount, uint256 fee)"
)
ORDERS_MATCHED_V1: Final = Event(
    "OrdersMatched(bytes32 indexed order_hash, address indexed maker, uint256 maker_asset, uint256 taker_asset, "
    "uint256 maker_amount, uint256 taker_amount)"
)
ORDER_CANCELLED: Final = Event("OrderCancelled(bytes32 indexed order_hash)")
TOKEN_REGISTERED: Final = Event(
    "TokenRegistered(uint256 indexed token0, uint256 indexed token1, bytes32 indexed condition)"
)
FEE_CHARGED_V1: Final = Event("FeeCharged(address indexed receiver, uint256 token, uint256 amount)")
FEE_REFUNDED: Final = Event(
    "FeeRefunded(bytes32 indexed order_hash, address indexed recipient, uint256 token, uint256 refund, "
    "uint256 indexed fee_charged)"
)
# In the exchanges the new account comes first; in the adapter and the fee modules the acting admin does.
NEW_OPERATOR: Final = Event("NewOperator(address indexed first, address indexed second)")
NEW_ADMIN: Final = Event("NewAdmin(address indexed first, address indexed second)")
REMOVED_OPERATOR: Final = Event("RemovedOperator(address indexed first, address indexed second)")
REMOVED_ADMIN: Final = Event("RemovedAdmin(address indexed first, address indexed second)")

# --- Exchange V2 and V3
ORDER_FILLED_V2: Final = Event(
    "OrderFilled(bytes32 indexed order_hash, address indexed maker, address indexed taker, uint8 side, uint256 token, "
    "uint256 maker_amount, uint256 taker_amount, uint256 fee, bytes32 builder, bytes32 metadata)"
)
ORDERS_MATCHED_V2: Final = Event(
    "OrdersMatched(bytes32 indexed order_hash, address indexed maker, uint8 side, uint256 token, uint256 maker_amount, "
    "uint256 taker_amount)"
)
FEE_CHARGED_V2: Final = Event("FeeCharged(address indexed receiver, uint256 amount)")
ORDER_PREAPPROVED: Final = Event("OrderPreapproved(bytes32 indexed order_hash)")
ORDER_PREAPPROVAL_INVALIDATED: Final = Event("OrderPreapprovalInvalidated(bytes32 indexed order_hash)")

# --- NegRiskAdapter
MARKET_PREPARED: Final = Event(
    "MarketPrepared(bytes32 indexed neg_risk_market, address indexed oracle, uint256 fee_bips, bytes data)"
)
QUESTION_PREPARED: Final = Event(
    "QuestionPrepared(bytes32 indexed neg_risk_market, bytes32 indexed question_id, uint256 question_index, bytes data)"
)
OUTCOME_REPORTED: Final = Event(
    "OutcomeReported(bytes32 indexed neg_risk_market, bytes32 indexed question_id, bool outcome)"
)
ADAPTER_SPLIT: Final = Event("PositionSplit(address indexed stakeholder, bytes32 indexed condition, uint256 amount)")
ADAPTER_MERGE: Final = Event("PositionsMerge(address indexed stakeholder, bytes32 indexed condition, uint256 amount)")
ADAPTER_CONVERSION: Final = Event(
    "PositionsConverted(address indexed stakeholder, bytes32 indexed neg_risk_market, uint256 indexed index_set, "
    "uint256 amount)"
)
ADAPTER_REDEMPTION: Final = Event(
    "PayoutRedemption(address indexed redeemer, bytes32 indexed condition, uint256[] amounts, uint256 payout)"
)

# --- automated market makers (FPMM)
FPMM_CREATION: Final = Event(
    "FixedProductMarketMakerCreation(address indexed creator, address pool, address indexed conditional_tokens, "
    "address indexed collateral, bytes32[] conditions, uint256 fee)"
)
FPMM_BUY: Final = Event(
    "FPMMBuy(address indexed trader, uint256 collateral, uint256 fee, uint256 indexed outcome_index, uint256 shares)"
)
FPMM_SELL: Final = Event(
    "FPMMSell(address indexed trader, uint256 collateral, uint256 fee, uint256 indexed outcome_index, uint256 shares)"
)
FPMM_FUNDING_ADDED: Final = Event("FPMMFundingAdded(address indexed funder, uint256[] amounts, uint256 pool_shares)")
FPMM_FUNDING_REMOVED: Final = Event(
    "FPMMFundingRemoved(address indexed funder, uint256[] amounts, uint256 collateral_from_fees, uint256 pool_shares)"
)

# --- Protocol V2 modules
PROTOCOL_CONDITION_RESOLVED: Final = Event("ConditionResolved(bytes31 indexed condition, uint256[] payouts)")
PROTOCOL_SPLIT: Final = Event(
    "PositionsSplit(address indexed initiator, bytes31 indexed condition, address indexed recipient, "
    "address second_recipient, uint256 amount)"
)
PROTOCOL_MERGE: Final = Event(
    "PositionsMerged(address indexed initiator, bytes31 indexed condition, address indexed recipient, uint256 amount)"
)
PROTOCOL_REDEMPTION: Final = Event(
    "PositionRedeemed(address indexed initiator, uint256 indexed token, address indexed recipient, uint256 amount, "
    "uint256 payout)"
)
PROTOCOL_CONVERSION: Final = Event(
    "PositionConverted(address indexed initiator, bytes29 indexed event_id, address indexed recipient, "
    "uint256 condition_index, uint256 amount)"
)
PROTOCOL_HORIZONTAL_SPLIT: Final = Event(
    "HorizontalSplit(address indexed initiator, bytes29 indexed event_id, address indexed recipient, uint256 amount)"
)
PROTOCOL_HORIZONTAL_MERGE: Final = Event(
    "HorizontalMerge(address indexed initiator, bytes29 indexed event_id, address indexed recipient, uint256 amount)"
)

# --- known, without effect on the books: only the signature matters
MINOR_SIGNATURES: Final = (
    # NegRiskOperator
    "MarketPrepared(bytes32,uint256,bytes)",
    "QuestionPrepared(bytes32,bytes32,bytes32,uint256,bytes)",
    "QuestionReported(bytes32,bytes32,bool)",
    "QuestionResolved(bytes32,bool)",
    "QuestionEmergencyResolved(bytes32,bool)",
    "QuestionFlagged(bytes32)",
    "QuestionUnflagged(bytes32)",
    # exchanges: switches that admins turn
    "TradingPaused(address)",
    "TradingUnpaused(address)",
    "ProxyFactoryUpdated(address,address)",
    "SafeFactoryUpdated(address,address)",
    # ownership, roles and upgrades of the contracts of 2026
    "OwnershipTransferred(address,address)",
    "OwnershipHandoverRequested(address)",
    "OwnershipHandoverCanceled(address)",
    "RolesUpdated(address,uint256)",
    "Initialized(uint64)",
    "Upgraded(address)",
    "URI(string,uint256)",
    # Protocol V2: what makes a condition derivable is not itself a payout
    "EventPrepared(bytes29,uint256,bytes32)",
    "ResultReported(address,bytes31,uint256[])",
    "RemainingConditionsDerivableAsNo(bytes29)",
    "SyntheticConditionDerivableAsYes(bytes29,bytes31)",
    "MigrationConditionRegistered(bytes31,bytes32)",
    "CombinatorialConditionPrepared(bytes31,uint256[])",
    # UMA adapters and oracles
    "QuestionInitialized(bytes32,uint256,address,bytes,address,uint256,uint256)",
    "QuestionPaused(bytes32)",
    "QuestionUnpaused(bytes32)",
    "QuestionReset(bytes32)",
    "QuestionResolved(bytes32,int256,uint256[])",
    "QuestionManuallyResolved(bytes32,uint256[])",
    "QuestionEmergencyResolved(bytes32,uint256[])",
    "RequestPrice(address,bytes32,uint256,bytes,address,uint256,uint256)",
    "ProposePrice(address,address,bytes32,uint256,bytes,int256,uint256,address)",
    "DisputePrice(address,address,address,bytes32,uint256,bytes,int256)",
    "Settle(address,address,address,bytes32,uint256,bytes,int256,uint256)",
)
