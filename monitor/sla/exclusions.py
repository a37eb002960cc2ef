"""Which time does not count as downtime: maintenance within its notice and its cap, and what the customer caused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contract.model import Maintenance
from monitor.evidence import CustomerCause, Window
from monitor.intervals import Stretches, earliest, intersect, joined, union


@dataclass(frozen=True, slots=True)
class Rejected:
    """A window inside the base that does not count: announced too late, or maintenance that nobody agreed."""

    window: Window
    why: Literal["late", "no-maintenance-agreed"]


@dataclass(frozen=True, slots=True)
class Granted:
    """The time that is excluded, all of it inside the base, and the windows that were rejected."""

    stretches: Stretches
    rejected: tuple[Rejected, ...]


def grant(
    base: Stretches, agreed: Maintenance | None, windows: Iterable[Window], causes: Iterable[CustomerCause]
) -> Granted:
    """Decide which exclusions count, inside the base of point 4.

    A window counts when announced + notice ≤ from. What counts is clipped to the base, joined, and taken earliest
    first until it adds up to `at-most`; the window that crosses that is cut. Without `maintenance:` no window counts.
    """
    within = [window for window in sorted(set(windows)) if intersect(base, ((window.start, window.end),))]
    if agreed is None:
        early, rejected = [], tuple(Rejected(window, "no-maintenance-agreed") for window in within)
    else:
        early = [window for window in within if window.announced + agreed.notice <= window.start]
        late = [window for window in within if window.announced + agreed.notice > window.start]
        rejected = tuple(Rejected(window, "late") for window in late)
    maintenance = intersect(joined((window.start, window.end) for window in early), base)
    if agreed is not None and agreed.at_most is not None:
        maintenance = earliest(maintenance, agreed.at_most)
    customer = intersect(joined((cause.start, cause.end) for cause in causes), base)
    return Granted(union(maintenance, customer), rejected)
