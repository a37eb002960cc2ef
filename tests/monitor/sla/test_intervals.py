"""Interval arithmetic against sets of integers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor import intervals
from monitor.intervals import Stretch, Stretches

SIZE = 40
pairs = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=8)
sets = pairs.map(intervals.joined)


def points(stretches: Stretches | list[Stretch]) -> set[int]:
    return {point for start, end in stretches for point in range(start, end)}


def is_canonical(stretches: Stretches) -> bool:
    edges = [edge for stretch in stretches for edge in stretch]
    return all(left < right for left, right in pairwise(edges))


@given(pairs)
def test_joined_is_the_canonical_form_of_the_same_points(some: list[Stretch]) -> None:
    assert points(intervals.joined(some)) == points(some)
    assert is_canonical(intervals.joined(some))


@given(sets, sets)
def test_operations_are_those_of_sets(one: Stretches, other: Stretches) -> None:
    for found, expected in (
        (intervals.union(one, other), points(one) | points(other)),
        (intervals.intersect(one, other), points(one) & points(other)),
        (intervals.subtract(one, other), points(one) - points(other)),
        (intervals.clip(intervals.complement(one), 0, SIZE), set(range(SIZE)) - points(one)),
        (intervals.clip(one, 7, 21), points(one) & set(range(7, 21))),
    ):
        assert points(found) == expected
        assert is_canonical(found)


@given(st.lists(sets, min_size=1, max_size=4), st.integers(1, 4))
def test_at_least_counts_the_sets(some: list[Stretches], count: int) -> None:
    found = intervals.at_least(count, some)
    assert points(found) == {at for at in range(SIZE) if sum(at in points(one) for one in some) >= count}
    assert is_canonical(found)


@given(sets, st.integers(0, SIZE))
def test_earliest_takes_the_first_points(some: Stretches, length: int) -> None:
    found = intervals.earliest(some, length)
    assert points(found) == set(sorted(points(some))[:length])
    assert intervals.total(found) == min(length, intervals.total(some))


@given(sets, sets)
def test_hulls_hold_what_is_within_them(one: Stretches, other: Stretches) -> None:
    inner = intervals.intersect(one, other)
    for (start, end), hull in zip(inner, intervals.hulls(inner, other), strict=True):
        assert hull in other
        assert hull[0] <= start
        assert end <= hull[1]
