"""Whether an Ed25519 signature holds (RFC 8032, 5.1.7), in the standard library alone: what a bare server has.

Only public values are handled here, so nothing needs to take the same time for all of them. Everywhere else signatures
are checked by `monitor.statement.signature`, which is a hundred times as fast.
"""

from __future__ import annotations

import hashlib
import re
from typing import TypeAlias

Point: TypeAlias = tuple[int, int, int, int]
"""Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z."""

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_HEX = re.compile(r"[0-9a-f]*")


def holds(raw: bytes, signature: str, public: str) -> bool:
    """Tell whether a signature (128 hexadecimal digits) over `raw` is that of the public key (64 of them)."""
    if len(signature) != 128 or len(public) != 64 or not _HEX.fullmatch(signature + public):
        return False
    sealed, key = bytes.fromhex(signature), bytes.fromhex(public)
    point, commitment = _point(key), _point(sealed[:32])
    scalar = int.from_bytes(sealed[32:], "little")
    if point is None or commitment is None or scalar >= _L:
        return False
    challenge = int.from_bytes(hashlib.sha512(sealed[:32] + key + raw).digest(), "little") % _L
    return _equal(_times(scalar, _BASE), _sum(commitment, _times(challenge, point)))


def _x(y: int, odd: int) -> int | None:
    """Return the x of a point of the curve, by its y and whether x is odd; None where there is none."""
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if square == 0:
        return None if odd else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    return x if x & 1 == odd else _P - x


def _point(encoded: bytes) -> Point | None:
    number = int.from_bytes(encoded, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    x = _x(y, odd)
    return None if x is None else (x, y, 1, x * y % _P)


def _sum(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        scalar >>= 1
    return found


def _equal(one: Point, other: Point) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 and (one[1] * other[2] - other[1] * one[2]) % _P == 0


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE_X = _x(_BASE_Y, 0) or 0
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
