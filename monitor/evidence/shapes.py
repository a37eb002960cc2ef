"""The quick way to read spans: many lines at once, each judged by its shape.

The shape of a line is its text without its two instants. A month has 100,000 spans but few shapes (a vantage, a state,
a reason), so each shape is judged strictly once, and only the instants are read for every line. Whatever does not fit
gives None and is read strictly, line by line; so this module never has to explain what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import lt
from typing import TypeAlias

from contract.model import Micros
from monitor.evidence.strict import MAX_LINE, NotEvidence, parse_instant, record_of
from monitor.span import Span, State

_INSTANT = re.compile(r'"([0-9][0-9.:TZ-]{19,26})"')
_PLACES = ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FROM, _TO = "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000002Z"
_REMEMBERED = 10_000
_END = "\n"

Said: TypeAlias = tuple[str, State, str] | None
"""Vantage, state and reason; None where a line is not of the usual form."""


class Shapes:
    """Reads blocks of spans, and remembers the shapes that it has judged."""

    def __init__(self) -> None:
        self._judged = _Judged()

    def spans_of(self, lines: str) -> list[Span] | None:
        """Read whole lines, each of them a span; None where any line is not one of the usual form."""
        parts = _INSTANT.split(f"\n{lines.removesuffix(_END)}\n")
        if len(parts) == 1 or len(parts) % 4 != 1:
            return None if lines.strip() else []
        said = list(map(self._judged.__getitem__, zip(parts[0:-1:4], parts[2::4], parts[4::4], strict=True)))
        try:
            starts, ends = _instants(parts[1::4]), _instants(parts[3::4])
        except ValueError:
            return None
        if not all(map(lt, starts, ends)):
            return None
        rows = zip(said, starts, ends, strict=True)
        spans = [Span._make((one[0], start, end, one[1], one[2])) for one, start, end in rows if one]
        return spans if len(spans) == len(said) else None


class _Judged(dict[tuple[str, str, str], Said]):
    """What lines say, by what stands before, between and after their instants, neighbouring lines' ends included."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, str, str], Said] = {}

    def __missing__(self, around: tuple[str, str, str]) -> Said:
        """Judge what was not met before; a line's instants must stand in one line."""
        before, middle, after = around[0].split(_END), around[1], around[2].split(_END)
        said = None
        if len(before) == len(after) == 2:
            shape = (before[1], middle, after[0])
            if shape not in self._shapes:
                _forget(self._shapes)
                self._shapes[shape] = _judge(*shape)
            said = self._shapes[shape]
        _forget(self)
        self[around] = said
        return said


def _forget(remembered: dict[tuple[str, str, str], Said]) -> None:
    if len(remembered) >= _REMEMBERED:
        remembered.clear()


def _judge(head: str, middle: str, tail: str) -> Said:
    """Read a line of this shape strictly, and make sure that its two instants are its `from` and its `to`."""
    line = f'{head}"{_FROM}"{middle}"{_TO}"{tail}'
    if len(line.encode()) > MAX_LINE:
        return None
    try:
        span = record_of(line)
    except NotEvidence:
        return None
    if not isinstance(span, Span) or (span.start, span.end) != (1, 2) or {span.vantage, span.reason} & {_FROM, _TO}:
        return None
    return span.vantage, span.state, span.reason


def _instants(texts: Sequence[str]) -> list[Micros]:
    """Read a column of instants in UTC; raises ValueError where any is none.

    The punctuation of a whole column is checked at once, so that `fromisoformat` has nothing to accept that strict
    reading would not; a column of several spellings is checked text by text.
    """
    together, length = "".join(texts), len(texts[0])
    usual = (*_PLACES, (length - 1, "Z"), *(((19, "."),) if length > 20 else ()))
    if set(map(len, texts)) not in ({20}, {27}) or any(together[i::length].count(c) != len(texts) for i, c in usual):
        return [parse_instant(text) for text in texts]
    parse = datetime.fromisoformat
    since = [parse(text) - _EPOCH for text in texts]
    return [one.days * 86_400_000_000 + one.seconds * 1_000_000 + one.microseconds for one in since]
