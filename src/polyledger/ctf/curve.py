"""The curve alt_bn128 (y² = x³ + 3 over a prime field) as ConditionalTokens uses it to name collections.

A point is named by its x and the parity of its y; the field prime is 3 modulo 4, so a square root is one power.
"""

from __future__ import annotations

from typing import Final

import gmpy2

FIELD: Final = 21888242871839275222246405745257275088696311157297823662689037894645226208583
_FIELD: Final = gmpy2.mpz(FIELD)
_ROOT: Final = (FIELD + 1) // 4

Point = tuple[int, int]
INFINITY: Final[Point] = (0, 0)


def first_x(start: int) -> int:
    """The x of the first point found by counting up from `start`, the start itself excluded.

    Whether x³ + 3 is a square is decided by its Legendre symbol, several times cheaper than taking the root.
    """
    x = gmpy2.mpz(start) % _FIELD
    while True:
        x += 1
        if x == _FIELD:
            x = gmpy2.mpz(0)
        if gmpy2.legendre(x * x * x + 3, _FIELD) >= 0:
            return int(x)


def point(x: int, *, odd: bool) -> Point | None:
    """The point with this x whose y is odd or even as asked, or None when x is not on the curve."""
    if not 0 <= x < FIELD:
        return None
    square = (x * x * x + 3) % FIELD
    y = int(gmpy2.powmod(square, _ROOT, _FIELD))
    if y * y % FIELD != square:
        return None
    return (x, y if bool(y & 1) == odd else FIELD - y)


def add(left: Point, right: Point) -> Point:
    """The sum of two points, (0, 0) being the neutral one, as the chain's precompiled contract 6 gives it."""
    if left == INFINITY:
        return right
    if right == INFINITY:
        return left
    (x1, y1), (x2, y2) = left, right
    if x1 == x2:
        if (y1 + y2) % FIELD == 0:
            return INFINITY
        slope = 3 * x1 * x1 * int(gmpy2.invert(2 * y1, _FIELD))
    else:
        slope = (y2 - y1) * int(gmpy2.invert(x2 - x1, _FIELD))
    x = (slope * slope - x1 - x2) % FIELD
    return (x, (slope * (x1 - x) - y1) % FIELD)
