"""The figures of a period: base, downtime, coverage, availability, breach and excess; all exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from contract.model import Micros
from monitor.intervals import Stretch, Stretches, hulls, intersect, subtract, total
from monitor.sla.combine import Timeline
from monitor.sla.terms import Terms


@dataclass(frozen=True, slots=True)
class Outage:
    """A maximal stretch of down, whole, even where it leaves the period; `counted` is its downtime in this period."""

    start: Micros
    end: Micros
    counted: Micros


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; lengths in microseconds.

    `base` is what the division is by. `unknown` and `coverage` (known ÷ base) are over the base of point 4, before
    exclusions and unknown time are taken out. Where `base` is 0 nothing was measured: the ratios and the verdict are
    None. `doubtful` says that too little is known to settle without a person, also where nothing is known at all.
    """

    base: Micros
    down: Micros
    unknown: Micros
    excluded: Micros
    coverage: Fraction | None
    availability: Fraction | None
    breached: bool | None
    excess: Fraction
    doubtful: bool
    outages: tuple[Outage, ...]


def measure(terms: Terms, timeline: Timeline, excluded: Stretches) -> Figures:
    """Compute a period's figures from its timeline (bridged, short outages ignored) and its granted exclusions."""
    unknown = intersect(timeline.unknown, terms.base)
    base = subtract(terms.base, excluded) if terms.sla.exclude_from == "both" else terms.base
    if terms.sla.unknown == "leave-out":
        base = subtract(base, unknown)
    down = subtract(intersect(timeline.down, terms.base), excluded)
    base_us, down_us, agreed_us = total(base), total(down), total(terms.base)
    known = Fraction(agreed_us - total(unknown), agreed_us) if agreed_us else None
    availability = 1 - Fraction(down_us, base_us) if base_us else None
    return Figures(
        base=base_us,
        down=down_us,
        unknown=total(unknown),
        excluded=total(excluded),
        coverage=known if base_us else None,
        availability=availability,
        breached=None if availability is None else availability < terms.sla.availability,
        excess=max(Fraction(0), down_us - (1 - terms.sla.availability) * base_us),
        doubtful=known is not None and known < terms.sla.minimum_coverage,
        outages=_outages(timeline.down, down),
    )


def _outages(whole: Stretches, counted: Stretches) -> tuple[Outage, ...]:
    """Charge each counted stretch to the outage that it is a part of."""
    shares: dict[Stretch, Micros] = {}
    for (start, end), outage in zip(counted, hulls(counted, whole), strict=True):
        shares[outage] = shares.get(outage, 0) + end - start
    return tuple(Outage(start, end, share) for (start, end), share in shares.items())
