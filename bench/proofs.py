"""Proofs: position ids recomputed from condition ids, against the contract's algorithm in plain Python."""

from __future__ import annotations

import hashlib

import numpy as np

from bench.figures import Figure, progress, timed
from polyledger.ctf.contracts import ContractSet, Role
from polyledger.ctf.identity import position_ids
from polyledger.ctf.keccak import keccak256

_PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_ODD = 1 << 254


def measure(conditions: int = 50_000) -> list[Figure]:
    """Tokens proven a second, both outcomes of each condition, one core."""
    progress("proofs")
    collateral = ContractSet.mainnet().with_role(Role.COLLATERAL)[0].address_bytes
    ids = [hashlib.sha256(number.to_bytes(8)).digest() for number in range(conditions)]
    columns = np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 32)
    derived, seconds = timed(lambda: position_ids(columns, 2, [collateral]))
    few = ids[: max(1, conditions // 50)]
    literal, literal_seconds = timed(lambda: [_token(one, outcome, collateral) for one in few for outcome in (0, 1)])
    assert derived[: len(few)].tobytes() == b"".join(literal), "both derive the same tokens"
    own, plain = 2 * conditions / seconds, len(literal) / literal_seconds
    note = f"200,000 conditions with two collaterals: {_two_collaterals(columns[:10_000], collateral) * 20:.0f} s"
    return [Figure("proofs", own, "tokens/s", "plain Python", plain, "200 k conditions < 60 s", note)]


def _two_collaterals(columns: np.ndarray, collateral: bytes) -> float:
    return timed(lambda: position_ids(columns, 2, [collateral, bytes(20)]))[1]


def _token(condition: bytes, outcome: int, collateral: bytes) -> bytes:
    """CTHelpers.getCollectionId without a parent, then getPositionId, as written there."""
    hashed = int.from_bytes(keccak256(condition + (1 << outcome).to_bytes(32)))
    x, odd = hashed % _PRIME, bool(hashed >> 255)
    while True:
        x = (x + 1) % _PRIME
        square = (pow(x, 3, _PRIME) + 3) % _PRIME
        y = pow(square, (_PRIME + 1) // 4, _PRIME)
        if y * y % _PRIME == square:
            break
    if odd != bool(y & 1):
        y = _PRIME - y
    collection = (x ^ _ODD if y & 1 else x).to_bytes(32)
    return keccak256(collateral + collection)
