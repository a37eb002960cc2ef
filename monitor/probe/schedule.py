"""When each probe is due: spread over the interval, without drift, and never in a burst. Pure.

A probe's rounds lie at `phase + k × interval` of the steady clock; the phase comes from the name alone, so starts are
spread evenly, and stay where they are from one run to the next. A round that cannot begin within `tolerance` of its
instant is skipped and counted, not made up for: after a stop of the whole loop the next rounds begin at their own
instants.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from contract.model import Micros

MOST_LATE: Micros = 250_000


@dataclass(frozen=True, slots=True)
class Due:
    """A round to begin now, how late it is, and how many rounds before it were lost since the last one."""

    name: str
    late: Micros
    skipped: int


def phase_of(name: str, interval: Micros) -> Micros:
    """Where in its interval a probe begins: 0 ≤ phase < interval, spread evenly over the names."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % interval


def tolerance(interval: Micros) -> Micros:
    """How late a round may begin."""
    return min(interval // 2, MOST_LATE)


class Schedule:
    """The rounds of all probes, by the instant of the next one. Instants are of the steady clock."""

    def __init__(self, intervals: Iterable[tuple[str, Micros]], now: Micros) -> None:
        self._interval = dict(intervals)
        self._heap: list[tuple[Micros, str]] = []
        self._lost = dict.fromkeys(self._interval, 0)
        for name, interval in self._interval.items():
            phase = phase_of(name, interval)
            first = phase + -(-(now - phase) // interval) * interval
            self._heap.append((first, name))
        heapq.heapify(self._heap)

    def next_due(self) -> Micros | None:
        """Tell the instant of the next round; None when there is nothing to probe."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: Micros) -> list[Due]:
        """Take the rounds to begin now. A name comes at most once; rounds that came too late count as skipped."""
        begin = []
        while self._heap and self._heap[0][0] <= now:
            due, name = self._heap[0]
            interval = self._interval[name]
            passed = (now - due) // interval
            late = now - due - passed * interval
            heapq.heapreplace(self._heap, (due + (passed + 1) * interval, name))
            self._lost[name] += passed
            if late > tolerance(interval):
                self._lost[name] += 1
                continue
            begin.append(Due(name, late, self._lost[name]))
            self._lost[name] = 0
        return begin

    def lost(self, name: str) -> int:
        """Count the rounds of this name that were skipped and not yet told by a `Due`."""
        return self._lost[name]
