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

from contract.model import Micros
from monitor.evidence.strict import MAX_LINE, NotEvidence, record_of
from monitor.span import Span, State

_INSTANT = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z)"', re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FROM, _TO = "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000002Z"
_REMEMBERED = 10_000


class Shapes:
    """Reads blocks of spans, and remembers the shapes that it has judged."""

    def __init__(self) -> None:
        self._judged: dict[tuple[str, str, str], tuple[str, State, str] | None] = {}

    def spans_of(self, lines: str) -> list[Span] | None:
        """Read whole lines, each of them a span; None where any line is not one of the usual form."""
        parts = _INSTANT.split(lines.removesuffix("\n"))
        if len(parts) == 1 or len(parts) % 4 != 1:
            return None if lines.strip() else []
        seams = {seam: seam.split("\n") for seam in set(parts[4:-1:4])}
        if any(len(seam) != 2 for seam in seams.values()):
            return None
        heads = [parts[0], *(seams[seam][1] for seam in parts[4:-1:4])]
        tails = [*(seams[seam][0] for seam in parts[4:-1:4]), parts[-1]]
        said = [self._said(shape) for shape in zip(heads, parts[2::4], tails, strict=True)]
        try:
            starts, ends = _instants(parts[1::4]), _instants(parts[3::4])
        except ValueError:
            return None
        if not all(map(lt, starts, ends)):
            return None
        spans = [
            Span(one[0], start, end, one[1], one[2]) for one, start, end in zip(said, starts, ends, strict=True) if one
        ]
        return spans if len(spans) == len(said) else None

    def _said(self, shape: tuple[str, str, str]) -> tuple[str, State, str] | None:
        """Return what every line of a shape says: vantage, state and reason."""
        if shape not in self._judged:
            if len(self._judged) >= _REMEMBERED:
                self._judged.clear()
            self._judged[shape] = _judge(*shape)
        return self._judged[shape]


def _judge(head: str, middle: str, tail: str) -> tuple[str, State, str] | None:
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
    """Read a column of instants in UTC; raises ValueError where a field is out of its range."""
    parse = datetime.fromisoformat
    since = [parse(text) - _EPOCH for text in texts]
    return [one.days * 86_400_000_000 + one.seconds * 1_000_000 + one.microseconds for one in since]
