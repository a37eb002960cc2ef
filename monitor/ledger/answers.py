"""What a billing system can answer. An answer is data: only what nobody foresaw is an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from contract.model import Micros


@dataclass(frozen=True, slots=True)
class Receipt:
    """The system has the credit. `reference` is its own name for it, empty where it gave none."""

    reference: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The credit cannot have arrived: no connection came about. It may be sent again without looking first."""

    reason: str
    retry_after: Micros | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether it arrived: a time-out, a cut connection, a 5xx. Look for its key before sending again.

    `gone`: the system wants to be asked nothing more (410), so nothing more is sent or asked there until a person acts.
    """

    reason: str
    retry_after: Micros | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The system will not have it. `gone`: it wants nothing more at all (410), so nothing more is sent there."""

    reason: str
    gone: bool = False


Answer: TypeAlias = Receipt | NotSent | Unknown | Rejected
"""The answer to `send` and `reverse`."""

Found: TypeAlias = Receipt | Unknown | None
"""The answer to `find`: there, not there, or no telling."""
