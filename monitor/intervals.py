"""Sets of time as sorted tuples of half-open stretches, and the arithmetic on them in linear time.

A stretch is `(start, end)` in integer microseconds with start < end. A `Stretches` value is *canonical*: sorted,
disjoint and never touching, so equal sets of time are equal tuples. Every function here takes canonical values (only
`joined` takes any) and returns canonical values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import pairwise
from typing import TypeAlias

Stretch: TypeAlias = tuple[int, int]
Stretches: TypeAlias = tuple[Stretch, ...]

BEGINNING = -(1 << 62)
"""Before every instant that a contract or its evidence can name (about 146,000 years before 1970)."""

END_OF_TIME = 1 << 62
"""After every instant that a contract or its evidence can name."""


def joined(stretches: Iterable[Stretch]) -> Stretches:
    """Unite any stretches, overlapping or touching, in any order; empty ones (start ≥ end) vanish."""
    result: list[Stretch] = []
    begun, until = BEGINNING, BEGINNING
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if start > until:
            if until > begun:
                result.append((begun, until))
            begun, until = start, end
        elif end > until:
            until = end
    if until > begun:
        result.append((begun, until))
    return tuple(result)


def union(first: Stretches, second: Stretches) -> Stretches:
    """Return the time in either."""
    if not first or not second:
        return first or second
    return joined(merge(first, second))


def intersect(first: Stretches, second: Stretches) -> Stretches:
    """Return the time in both."""
    result: list[Stretch] = []
    i = j = 0
    while i < len(first) and j < len(second):
        start, end = first[i]
        other_start, other_end = second[j]
        if start < other_end and other_start < end:
            result.append((max(start, other_start), min(end, other_end)))
        if end < other_end:
            i += 1
        else:
            j += 1
    return tuple(result)


def complement(stretches: Stretches) -> Stretches:
    """Return all time, from `BEGINNING` to `END_OF_TIME`, that is not in `stretches`."""
    edges = ((BEGINNING, BEGINNING), *stretches, (END_OF_TIME, END_OF_TIME))
    return tuple((left[1], right[0]) for left, right in pairwise(edges) if left[1] < right[0])


def subtract(first: Stretches, second: Stretches) -> Stretches:
    """Return the time in the first that is not in the second."""
    return intersect(first, complement(second)) if second else first


def clip(stretches: Stretches, start: int, end: int) -> Stretches:
    """Return the time from `start` to `end`."""
    return intersect(stretches, ((start, end),)) if start < end else ()


def total(stretches: Stretches) -> int:
    """Tell how long all stretches are together, in microseconds."""
    return sum(end - start for start, end in stretches)


def earliest(stretches: Stretches, length: int) -> Stretches:
    """Return the first `length` microseconds of the set; the stretch that crosses that length is cut."""
    result: list[Stretch] = []
    left = length
    for start, end in stretches:
        if left <= 0:
            break
        result.append((start, min(end, start + left)))
        left -= end - start
    return tuple(result)


def at_least(count: int, sets: Sequence[Stretches]) -> Stretches:
    """Return the time that is in at least `count` of the sets (count ≥ 1)."""
    if len(sets) == 1 and count == 1:
        return sets[0]
    steps = sorted([(start, 1) for one in sets for start, _ in one] + [(end, -1) for one in sets for _, end in one])
    result: list[Stretch] = []
    depth = begun = 0
    for instant, step in steps:
        depth += step
        if step == 1 and depth == count:
            begun = instant
        elif step == -1 and depth == count - 1 and begun < instant:
            result.append((begun, instant))
    return joined(result)


def hulls(inner: Stretches, outer: Stretches) -> tuple[Stretch, ...]:
    """Return, for each stretch of `inner`, the stretch of `outer` that holds it; `inner` must lie within `outer`."""
    result: list[Stretch] = []
    j = 0
    for start, _ in inner:
        while outer[j][1] <= start:
            j += 1
        result.append(outer[j])
    return tuple(result)
