"""Two clocks in one reading: what time it is, and how much of it has passed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from contract.model import Micros

STEP: Micros = 500_000
"""A wall clock that moved so much more, or less, than the monotonic one between two readings was set by somebody."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One instant on both clocks: `wall` since the epoch in UTC, `steady` since some unknown instant."""

    wall: Micros
    steady: Micros

    def after(self, steady: Micros) -> Micros:
        """Return the wall time at a later `steady` instant, were the wall clock not touched since this reading."""
        return self.wall + steady - self.steady


class Clock(Protocol):
    """Where time comes from."""

    def read(self) -> Reading:
        """Read both clocks at the same instant."""
        ...

    def steady(self) -> Micros:
        """Read the steady one alone, which costs a tenth."""
        ...


class SystemClock:
    """The machine's clocks. The steady one stands still while the machine sleeps, so a sleep looks like a step."""

    def read(self) -> Reading:
        """Read the wall clock between two readings of the steady one; again where the process was held up between."""
        for _ in range(10):
            before = time.monotonic_ns()
            wall = time.time_ns()
            after = time.monotonic_ns()
            if after - before < 1_000_000:
                break
        return Reading(wall // 1000, (before + after) // 2000)

    def steady(self) -> Micros:
        """Read the steady clock."""
        return time.monotonic_ns() // 1000


def step_between(earlier: Reading, later: Reading) -> Micros:
    """How far the wall clock was set between two readings: positive is forward; 0 below `STEP`."""
    moved = later.wall - earlier.after(later.steady)
    return moved if abs(moved) >= STEP else 0
