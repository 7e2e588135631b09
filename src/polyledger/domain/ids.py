"""Ids and their normal forms.

One normal form at every boundary: addresses, hashes and condition ids are ``0x`` and lower-case hex of full width,
token ids are decimal strings. Everything else is refused with the value in the message, because a quietly "repaired" id
is how trades end up in the wrong market. Inside, ids are bytes (20 or 32, big-endian).
"""

from __future__ import annotations

import re
from typing import Final

from polyledger.domain.errors import MalformedIdError

ADDRESS_BYTES: Final = 20
WORD_BYTES: Final = 32
ZERO_ADDRESS: Final = "0x" + "00" * ADDRESS_BYTES
ZERO_WORD: Final = bytes(WORD_BYTES)

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_WORD: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_STRUCTURAL_CONDITION: Final = re.compile(r"0x[0-9a-fA-F]{62}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}")
_LONGEST_QUOTE: Final = 90


def normal_address(value: str) -> str:
    """``0x`` and 40 lower-case hex digits. Raises MalformedIdError for anything that is not an address."""
    if _ADDRESS.fullmatch(value) is None:
        raise MalformedIdError(f"{_quote(value)} is not an address", "An address is 0x and 40 hex digits")
    return value.lower()


def normal_hash(value: str, kind: str = "hash") -> str:
    """``0x`` and 64 lower-case hex digits: transaction and block hashes, question ids, neg-risk market ids.

    Args:
        value: the text to normalise.
        kind: what the value was meant to be, for the message.

    Raises:
        MalformedIdError: the value is not a 32-byte hash.
    """
    if _WORD.fullmatch(value) is None:
        raise MalformedIdError(f"{_quote(value)} is not a {kind}", f"A {kind} is 0x and 64 hex digits")
    return value.lower()


def normal_condition(value: str) -> str:
    """``0x`` and 64 lower-case hex digits.

    The 31-byte form that some interfaces use for Protocol V2 conditions is padded with a zero byte on the right, as it
    stands on the chain. Raises MalformedIdError for anything else.
    """
    if _STRUCTURAL_CONDITION.fullmatch(value) is not None:
        return value.lower() + "00"
    return normal_hash(value, "condition id")


def normal_token(value: str | int) -> str:
    """The decimal string of a token id (an unsigned 256-bit number). Raises MalformedIdError for anything else."""
    return str(token_number(value))


def token_number(value: str | int) -> int:
    """The token id as a number below 2^256. MalformedIdError for signs, blanks, leading zeros, hex or overflow."""
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value) is None:
            raise MalformedIdError(f"{_quote(value)} is not a token id", "A token id is a decimal number below 2^256")
        value = int(value)
    if isinstance(value, bool) or not 0 <= value < 1 << 256:
        raise MalformedIdError(f"{_quote(str(value))} is not a token id", "A token id is a decimal number below 2^256")
    return value


def token_bytes(value: str | int) -> bytes:
    """The token id as 32 bytes, big-endian. Raises MalformedIdError as token_number does."""
    return token_number(value).to_bytes(WORD_BYTES, "big")


def token_text(value: bytes) -> str:
    """The decimal string of 32 token id bytes. Raises MalformedIdError when the width is wrong."""
    return str(int.from_bytes(_of_width(value, WORD_BYTES, "token id"), "big"))


def address_bytes(value: str) -> bytes:
    """The 20 bytes of an address. Raises MalformedIdError."""
    return bytes.fromhex(normal_address(value)[2:])


def hash_bytes(value: str, kind: str = "hash") -> bytes:
    """The 32 bytes of a hash. Raises MalformedIdError."""
    return bytes.fromhex(normal_hash(value, kind)[2:])


def condition_bytes(value: str) -> bytes:
    """The 32 bytes of a condition id. Raises MalformedIdError."""
    return bytes.fromhex(normal_condition(value)[2:])


def address_text(value: bytes) -> str:
    """The normal form of 20 address bytes. Raises MalformedIdError when the width is wrong."""
    return "0x" + _of_width(value, ADDRESS_BYTES, "address").hex()


def hash_text(value: bytes) -> str:
    """The normal form of 32 bytes. Raises MalformedIdError when the width is wrong."""
    return "0x" + _of_width(value, WORD_BYTES, "hash").hex()


def _of_width(value: bytes, width: int, kind: str) -> bytes:
    if len(value) != width:
        raise MalformedIdError(f"0x{value.hex()} is not a {kind}: it has {len(value)} bytes", f"Expected {width} bytes")
    return value


def _quote(value: str) -> str:
    shown = value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "…"
    return repr(shown)
