"""What evidence consists of. Instants are microseconds since 1970-01-01T00:00Z; stretches are half-open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from contract.model import Micros
from monitor.span import Span


class Window(NamedTuple):
    """Maintenance from `start` to `end`, announced to the customer at `announced`."""

    start: Micros
    end: Micros
    announced: Micros


class CustomerCause(NamedTuple):
    """From `start` to `end` the customer itself was the cause, and what shows it."""

    start: Micros
    end: Micros
    reason: str


Record: TypeAlias = Span | Window | CustomerCause


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one contract is settled from, in any order, for any length of time."""

    spans: tuple[Span, ...] = ()
    maintenance: tuple[Window, ...] = ()
    customer: tuple[CustomerCause, ...] = ()
