"""One cap for an outage over several periods: what the periods before have charged for it already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from contract.model import Micros, Multiplier
from monitor.evidence import Evidence
from monitor.intervals import Stretch
from monitor.sla.combine import Timeline
from monitor.sla.credit import Charge
from monitor.sla.settle import settle, timeline_of
from monitor.sla.terms import Terms


def crossing(terms: Terms, timeline: Timeline) -> Stretch | None:
    """Return the outage that began before the period and reaches into it, where a cap per outage makes it matter."""
    credit = terms.sla.credit
    if credit is None or not isinstance(credit.formula, Multiplier) or credit.cap.per_outage is None:
        return None
    return next((outage for outage in timeline.down if outage[0] < terms.start < outage[1]), None)


def earlier_charges(
    terms: Terms, evidence: Evidence, timeline: Timeline, before: Callable[[Micros], Iterable[Terms]]
) -> dict[Micros, Fraction]:
    """Return, by the start of the outage that crosses into the period, what earlier periods charged for it.

    `timeline` is that of the terms and the evidence.
    `before` gives the terms of the periods from the one that holds an instant to the one before this, in order. They
    are settled from the same evidence, which must therefore reach back over all of them. What a period charges is what
    the cap per outage leaves; a period without a breach charges nothing.
    """
    outage = crossing(terms, timeline)
    if outage is None:
        return {}
    made: list[Charge] = []
    for period in before(max(outage[0], terms.term_start)):
        then = timeline_of(period, evidence)
        made += settle(period, evidence, _charged(crossing(period, then), made), then).owed.charges
    return _charged(outage, made)


def _charged(outage: Stretch | None, made: Sequence[Charge]) -> dict[Micros, Fraction]:
    """Add up what was charged for an outage; an amended bridge may have given it other ends then."""
    if outage is None:
        return {}
    start, end = outage
    same = (charge.charged for charge in made if charge.outage.start < end and start < charge.outage.end)
    return {start: sum(same, Fraction(0))}
