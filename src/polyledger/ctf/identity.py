"""Identity: the ids of ConditionalTokens are hashes, so whoever claims a link between them can be checked.

A condition id is the hash of oracle, question id and slot count; a collection id is a point of alt_bn128 found from
condition and index set; a position id (the ERC-1155 token) is the hash of collateral and collection. Nothing here asks
a source: a token either derives from a condition or it does not. Ids are bytes, 32 wide, unless they say number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from polyledger.ctf import curve
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.keccak import keccak256
from polyledger.domain.errors import MalformedIdError
from polyledger.domain.ids import ADDRESS_BYTES, WORD_BYTES, ZERO_WORD, address_text

MOST_SLOTS: Final = 256
_ODD_BIT: Final = 1 << 254
_HASH_ODD_BIT: Final = 1 << 255
_MOST_QUESTIONS: Final = 255

Kind = Literal["binary", "neg_risk", "protocol_v2"]
_KINDS: Final[tuple[tuple[Role, Kind], ...]] = ((Role.COLLATERAL, "binary"), (Role.WRAPPED_COLLATERAL, "neg_risk"))


def condition_id(oracle: bytes, question_id: bytes, slots: int) -> bytes:
    """The condition that `oracle` (20 bytes) resolves for `question_id` (32 bytes) with `slots` outcomes."""
    _check(oracle, ADDRESS_BYTES, "oracle")
    _check(question_id, WORD_BYTES, "question id")
    return keccak256(oracle + question_id + _slots(slots).to_bytes(WORD_BYTES, "big"))


def collection_id(condition: bytes, index_set: int, parent: bytes = ZERO_WORD) -> bytes:
    """The collection of the outcomes in `index_set` (bit i is outcome i), within `parent` unless that is zero.

    Raises:
        MalformedIdError: a wrong width, an index set outside 1 … 2^256 - 1, or a parent that is no point of the curve.
    """
    _check(condition, WORD_BYTES, "condition id")
    if not 0 < index_set < 1 << 256:
        raise MalformedIdError(f"{index_set} is not an index set", "An index set is a positive number below 2^256")
    digest = int.from_bytes(keccak256(condition + index_set.to_bytes(WORD_BYTES, "big")), "big")
    odd = bool(digest & _HASH_ODD_BIT)
    x = curve.first_x(digest)
    if parent == ZERO_WORD:
        # The contract turns y to the parity of the hash, so without a parent y itself is never needed.
        return (x ^ _ODD_BIT if odd else x).to_bytes(WORD_BYTES, "big")
    own = curve.point(x, odd=odd)
    around = _parent_point(parent)
    if own is None or around is None:
        raise MalformedIdError(f"0x{parent.hex()} is not a collection id", "A parent must be a collection id itself")
    x, y = curve.add(own, around)
    return (x ^ _ODD_BIT if y & 1 else x).to_bytes(WORD_BYTES, "big")


def position_id(collateral: bytes, collection: bytes) -> int:
    """The token number of a collection held in `collateral` (20 bytes)."""
    _check(collateral, ADDRESS_BYTES, "collateral address")
    _check(collection, WORD_BYTES, "collection id")
    return int.from_bytes(keccak256(collateral + collection), "big")


def token_ids(condition: bytes, slots: int, collateral: bytes) -> list[int]:
    """The token numbers of the single outcomes of a condition, outcome 0 first."""
    return [position_id(collateral, collection_id(condition, 1 << outcome)) for outcome in range(_slots(slots))]


def position_ids(conditions: NDArray[np.uint8], slots: int, collaterals: Sequence[bytes]) -> NDArray[np.uint8]:
    """Token ids of many conditions at once: (n, 32) bytes give (n, collaterals, slots, 32) bytes.

    Collections do not depend on the collateral and are found once. About 50,000 conditions a second on one core for two
    outcomes and two collaterals.
    """
    if conditions.ndim != 2 or conditions.shape[1] != WORD_BYTES:
        raise MalformedIdError(f"Condition ids must be (n, 32) bytes, not {conditions.shape}")
    for collateral in collaterals:
        _check(collateral, ADDRESS_BYTES, "collateral address")
    index_sets = [(1 << outcome).to_bytes(WORD_BYTES, "big") for outcome in range(_slots(slots))]
    flat = np.ascontiguousarray(conditions).tobytes()
    tokens: list[bytes] = []
    for start in range(0, len(flat), WORD_BYTES):
        condition = flat[start : start + WORD_BYTES]
        collections = [_top_collection(condition + index_set) for index_set in index_sets]
        tokens.extend(keccak256(collateral + collection) for collateral in collaterals for collection in collections)
    joined = np.frombuffer(b"".join(tokens), dtype=np.uint8)
    return joined.reshape(len(conditions), len(collaterals), slots, WORD_BYTES)


def neg_risk_market_id(operator: bytes, fee_bips: int, metadata: bytes) -> bytes:
    """The market that the adapter prepares for `operator`: a hash of the ABI encoding, its last byte zeroed."""
    _check(operator, ADDRESS_BYTES, "operator address")
    head = operator.rjust(WORD_BYTES, b"\0") + fee_bips.to_bytes(WORD_BYTES, "big") + (96).to_bytes(WORD_BYTES, "big")
    padding = bytes(-len(metadata) % WORD_BYTES)
    return keccak256(head + len(metadata).to_bytes(WORD_BYTES, "big") + metadata + padding)[:-1] + b"\0"


def neg_risk_question_id(market: bytes, index: int) -> bytes:
    """The question number `index` of a neg-risk market: the index stands in the last byte."""
    _check(market, WORD_BYTES, "neg-risk market id")
    if market[-1] != 0 or not 0 <= index < _MOST_QUESTIONS:
        raise MalformedIdError(
            f"0x{market.hex()} has no question {index}",
            "A neg-risk market id ends in a zero byte; questions are 0 to 254",
        )
    return market[:-1] + bytes([index])


def neg_risk_market_of(question_id: bytes) -> tuple[bytes, int]:
    """The neg-risk market of a question of the adapter, and the question's index."""
    _check(question_id, WORD_BYTES, "question id")
    return question_id[:-1] + b"\0", question_id[-1]


@dataclass(frozen=True, slots=True)
class Proof:
    """What derivation says about a claim *token is outcome i of condition*.

    Attributes:
        verdict: ``proven``, or ``refuted``: the token derives from the condition with no collateral of the contract
            set, or derives as another outcome.
        collateral: the address with which it derives, whatever the outcome; None when it does not (or for Protocol V2,
            whose ids name no collateral).
        kind: which family of ids it derives in, None when it does not.
        outcome_index: the outcome that the token really is, None when it is not of this condition.
    """

    verdict: Literal["proven", "refuted"]
    collateral: str | None = None
    kind: Kind | None = None
    outcome_index: int | None = None


def prove(token: int, condition: bytes, outcome_index: int, contracts: ContractSet, slots: int = 2) -> Proof:
    """Check the claim that `token` is outcome `outcome_index` of `condition`, which has `slots` outcomes."""
    _check(condition, WORD_BYTES, "condition id")
    position = ProtocolPosition.of(token)
    if position is not None and position.condition == condition:
        return _verdict(outcome_index, position.outcome_index, None, "protocol_v2")
    collections = [collection_id(condition, 1 << outcome) for outcome in range(_slots(slots))]
    for role, kind in _KINDS:
        for collateral in contracts.addresses_of([role]):
            for outcome, collection in enumerate(collections):
                if position_id(collateral, collection) == token:
                    return _verdict(outcome_index, outcome, address_text(collateral), kind)
    return Proof("refuted")


def _verdict(claimed: int, derived: int, collateral: str | None, kind: Kind) -> Proof:
    return Proof("proven" if claimed == derived else "refuted", collateral, kind, derived)


@dataclass(frozen=True, slots=True)
class ProtocolPosition:
    """A Protocol V2 token taken apart: its condition stands in its bits.

    From the highest bit: module 8, base hash 128, arity 16, reserved 64, resolution chain 16, condition index 16,
    outcome index 8.
    """

    number: int

    @staticmethod
    def of(token: int) -> ProtocolPosition | None:
        """The token as a Protocol V2 position, or None when its bits are not those of one.

        CTF tokens are hashes: one passes for a Protocol V2 position once in 2^76.
        """
        position = ProtocolPosition(token)
        fits = position.module in {1, 2, 3} and position.reserved == 0 and position.outcome_index <= 1
        return position if fits and token < 1 << 256 else None

    @property
    def module(self) -> int:
        """1 binary, 2 neg risk, 3 combination."""
        return self.number >> 248

    @property
    def base_hash(self) -> int:
        """128 bits of the hash of what the event is about."""
        return self.number >> 120 & ((1 << 128) - 1)

    @property
    def arity(self) -> int:
        """How many conditions the event has."""
        return self.number >> 104 & 0xFFFF

    @property
    def reserved(self) -> int:
        """64 bits that are zero."""
        return self.number >> 40 & ((1 << 64) - 1)

    @property
    def resolution_chain(self) -> int:
        """Which chain resolves it."""
        return self.number >> 24 & 0xFFFF

    @property
    def condition_index(self) -> int:
        """Which condition of the event; in a neg-risk event the index equal to the arity is "Other"."""
        return self.number >> 8 & 0xFFFF

    @property
    def outcome_index(self) -> int:
        """0 YES, 1 NO."""
        return self.number & 0xFF

    @property
    def condition(self) -> bytes:
        """The condition (bytes31), zero-padded on the right as on the wire."""
        return (self.number & ~0xFF).to_bytes(WORD_BYTES, "big")

    @property
    def event(self) -> bytes:
        """The event (bytes29), zero-padded on the right as on the wire."""
        return (self.number & ~0xFFFFFF).to_bytes(WORD_BYTES, "big")


def protocol_token(condition: bytes, outcome_index: int) -> int:
    """The token number of an outcome of a Protocol V2 condition (32 bytes, the last one zero)."""
    _check(condition, WORD_BYTES, "condition id")
    if condition[-1] != 0 or outcome_index not in {0, 1}:
        raise MalformedIdError(f"0x{condition.hex()} has no Protocol V2 outcome {outcome_index}")
    return int.from_bytes(condition, "big") | outcome_index


def _top_collection(preimage: bytes) -> bytes:
    digest = int.from_bytes(keccak256(preimage), "big")
    x = curve.first_x(digest)
    return (x ^ _ODD_BIT if digest & _HASH_ODD_BIT else x).to_bytes(WORD_BYTES, "big")


def _parent_point(parent: bytes) -> curve.Point | None:
    _check(parent, WORD_BYTES, "collection id")
    number = int.from_bytes(parent, "big")
    return curve.point(number & (_ODD_BIT - 1), odd=bool(number >> 254))


def _slots(slots: int) -> int:
    if not 2 <= slots <= MOST_SLOTS:
        raise MalformedIdError(f"A condition cannot have {slots} outcomes", "It has 2 to 256")
    return slots


def _check(value: bytes, width: int, kind: str) -> None:
    if len(value) != width:
        raise MalformedIdError(f"0x{value.hex()} is not a {kind}: it has {len(value)} bytes", f"Expected {width} bytes")
