"""JSON in exactly one spelling (RFC 8785), so that a signature over its bytes is a signature over its meaning."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import rfc8785

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
"""What a statement may hold: no floats, because a promise is never kept by 0.1 + 0.2."""

MAX_BYTES = 32 * 1024 * 1024
"""The largest document that is read: a statement with a hundred thousand outages has half of it."""


_LARGEST = 2**53 - 1


class NotCanonical(ValueError):
    """The bytes are not JSON, or not its one canonical spelling; the text names which."""


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of `value`.

    Raises NotCanonical for what has no exact spelling there: a float, an integer beyond 53 bits, a lone surrogate.
    """
    plain = _is_plain(value)
    try:
        if plain:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        return rfc8785.dumps(cast(dict[str, str], value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical(f"it has no canonical form: {error}") from error


def parse_canonical(raw: bytes) -> Mapping[str, Json]:
    """Return the object that `raw` spells, where `raw` is byte for byte its canonical form; else raise NotCanonical."""
    if len(raw) > MAX_BYTES:
        raise NotCanonical(f"it is larger than {MAX_BYTES} bytes")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotCanonical("it is not a JSON object")
    if canonical(value) != raw:
        raise NotCanonical("its bytes are not the canonical form (RFC 8785) of what they say")
    return value


def digest(raw: bytes) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of `raw`: how statements name files and one another."""
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("an object has one key twice")
    return found


def _no_float(text: str) -> Json:
    raise NotCanonical(f"it holds {text[:20]}, and exact documents hold integers and texts only")


def _is_plain(value: object) -> bool:
    """Tell whether the standard library spells `value` as RFC 8785 does, ten times as fast; refuse floats.

    It does for ASCII keys (whose order by code points is that by UTF-16 units) and integers of at most 53 bits; texts
    are escaped alike. Large statements, with tens of thousands of outages, need the speed.
    """
    stack, plain = [value], True
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            raise NotCanonical(f"it holds the float {item!r}, and exact documents hold integers and texts only")
        if isinstance(item, dict):
            plain = plain and all(isinstance(key, str) and key.isascii() for key in item)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, int):
            plain = plain and -_LARGEST <= item <= _LARGEST
        elif item is not None and not isinstance(item, str):
            plain = False
    return plain
