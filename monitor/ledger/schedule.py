"""When a delivery is tried again: ten times over three days, as Standard Webhooks has it, then once a day for ever.

A credit is owed until it is delivered, so nothing is ever given up; a row that is late is shown to a person instead.
"""

from __future__ import annotations

from typing import Protocol

from contract.model import Micros

SECOND: Micros = 1_000_000
HOUR = 3_600 * SECOND

DELAYS: tuple[Micros, ...] = (
    5 * SECOND,
    60 * SECOND,
    300 * SECOND,
    1_800 * SECOND,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""The pause after each attempt; the last one repeats."""

LONGEST = 7 * 24 * HOUR
"""The longest pause that a `Retry-After` may ask for."""

LATE_AFTER = 6
"""From so many attempts on (about eight hours) a row that is not confirmed is reported as late."""


class Tried(Protocol):
    """What the schedule looks at."""

    @property
    def credit(self) -> int:
        """The row's identity, from which its jitter comes."""

    @property
    def attempts(self) -> int:
        """How often it was tried."""


def delay(row: Tried, retry_after: Micros | None = None) -> Micros:
    """Return the pause before the next attempt, in microseconds.

    Up to a tenth is added, by the row's identity and not by chance, so that rows which failed together do not return
    together. A `retry_after` is honoured where it is longer, up to LONGEST.
    """
    step = DELAYS[min(max(row.attempts, 1), len(DELAYS)) - 1]
    jitter = step * ((row.credit * 7919 + row.attempts * 104_729) % 100) // 1000
    return max(step + jitter, min(retry_after or 0, LONGEST))
