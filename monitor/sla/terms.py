"""What one period is settled by: the promise as it stood, as plain values.

`monitor.sla.recompute` derives them from a contract; the arithmetic of this package needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from contract.model import Micros, Sla
from monitor.intervals import Stretches, clip, total


@dataclass(frozen=True, slots=True)
class Price:
    """What a whole period costs, exactly: an amount of a currency's unit (ISO 4217 code), not rounded."""

    amount: Fraction
    currency: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one period. Instants are microseconds since 1970-01-01T00:00Z.

    `start` and `end` bound the whole period, `term_start` and `term_end` (None: without end) the contract's term.
    `base` is point 4 of the measuring rules: period ∩ term, not before `accepted`, ∩ the agreed hours. `price` is the
    fee of a whole period; only a credit in money needs it.
    """

    label: str
    start: Micros
    end: Micros
    term_start: Micros
    term_end: Micros | None
    base: Stretches
    sla: Sla
    vantages: tuple[str, ...]
    quorum: int
    price: Price | None = None

    @property
    def whole(self) -> Micros:
        """W: how long the whole period is."""
        return self.end - self.start

    @property
    def inside(self) -> Micros:
        """P: how long the period's part inside the term is."""
        until = self.end if self.term_end is None else min(self.end, self.term_end)
        return total(clip(((self.start, self.end),), max(self.start, self.term_start), until))
