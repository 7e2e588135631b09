"""Keccak-256 as Ethereum uses it (not the later SHA3-256 standard, which pads differently)."""

from __future__ import annotations

from sha3 import keccak_256


def keccak256(data: bytes | bytearray | memoryview) -> bytes:
    """The 32-byte Keccak-256 digest of `data`."""
    return bytes(keccak_256(data).digest())
