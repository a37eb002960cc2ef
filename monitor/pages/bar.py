"""The period as one bar: what was up, down, unknown or excluded, drawn to scale. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from contract.model import Micros
from monitor.intervals import Stretches, clip

WIDTH = 1000
"""The bar's width in its own units."""

LEAST = 3
"""The narrowest mark: an outage of a minute is seen in a bar of a month."""

Shade: TypeAlias = Literal["outside", "unknown", "up", "excluded", "down"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One rectangle of the bar, in its units."""

    shade: Shade
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Painted:
    """What is painted: each shade's time, later ones over earlier ones."""

    shade: Shade
    stretches: Stretches


def marks(layers: tuple[Painted, ...], start: Micros, end: Micros, *, mirrored: bool) -> tuple[Mark, ...]:
    """Return the rectangles of a period from `start` to `end`; `mirrored`: time runs from right to left.

    There are never more than a few hundred, however many stretches there are: what would touch is one.
    """
    return tuple(
        Mark(layer.shade, WIDTH - right if mirrored else left, right - left)
        for layer in layers
        for left, right in _columns(clip(layer.stretches, start, end), start, end - start, layer.shade)
    )


def ticks(start: Micros, end: Micros, count: int = 5) -> tuple[Micros, ...]:
    """Return evenly spaced instants from the first to the last of a period."""
    return tuple(start + (end - start) * step // (count - 1) for step in range(count))


def _columns(stretches: Stretches, start: Micros, length: Micros, shade: Shade) -> list[tuple[int, int]]:
    columns: list[tuple[int, int]] = []
    for begin, until in stretches:
        left = (begin - start) * WIDTH // length
        right = -((start - until) * WIDTH // length)
        if shade in {"down", "excluded"} and right - left < LEAST:
            left = max(0, min(left, WIDTH - LEAST))
            right = left + LEAST
        if columns and left <= columns[-1][1]:
            columns[-1] = (columns[-1][0], max(columns[-1][1], right))
        else:
            columns.append((left, right))
    return columns
