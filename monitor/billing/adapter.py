"""What every billing system must be able to do, and how it says what it cannot express."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol, TypeAlias

from contract.model import Micros
from monitor.ledger.answers import Answer, Found
from monitor.ledger.credit import Note, Owed

Now: TypeAlias = Callable[[], Micros]
"""The clock: the present instant, in microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a system can express. `largest` is the greatest amount that its columns hold, None for any.

    `currencies` is None where every currency will do.
    """

    units: frozenset[str] = field(default_factory=lambda: frozenset({"service-time", "money"}))
    currencies: frozenset[str] | None = None
    largest: Decimal | None = None

    def refuses(self, owed: Owed) -> str | None:
        """Return why the system could not take this credit; None where it could."""
        if owed.unit not in self.units:
            return f"it knows no credit of {owed.unit}"
        if owed.amount is None:
            return None
        if self.currencies is not None and owed.currency not in self.currencies:
            return f"it knows no {owed.currency}"
        if self.largest is not None and Decimal(owed.amount) > self.largest:
            return f"it holds no amount above {self.largest}"
        return None


class Adapter(Protocol):
    """A billing system. Answers are data; no method raises for what the other side does."""

    @property
    def longest_call(self) -> Micros:
        """The longest time, in microseconds, that one call may take: a call ends by itself, whatever happens."""

    def capabilities(self) -> Capabilities:
        """Return what the system can express; asks nobody."""

    def find(self, key: str) -> Found:
        """Look for a credit or a reversal by its key; changes nothing."""

    def send(self, note: Note) -> Answer:
        """Give the credit. The same note again must not give it twice, where the system can prevent that."""

    def reverse(self, note: Note) -> Answer:
        """Take a credit back; `note.reverses` is its key, `note.key` that of the reversal."""
