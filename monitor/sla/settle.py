"""One period, settled: terms and evidence in, every figure and the credit out. Pure, and the same every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from contract.model import Micros
from monitor.evidence import Evidence
from monitor.intervals import Stretches, intersect
from monitor.sla.combine import Timeline, bridge, combine, ignore
from monitor.sla.credit import Owed, owe
from monitor.sla.exclusions import Rejected, grant
from monitor.sla.figures import Figures, measure
from monitor.sla.terms import Terms


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of one period.

    `unbridged` are the unknown stretches that touch the base, have down on both sides and were too long to bridge;
    they and `figures.doubtful` are what a person must accept first. `ignored` names the vantages whose spans counted
    for nothing, because the contract does not name them.
    """

    terms: Terms
    figures: Figures
    owed: Owed
    rejected: tuple[Rejected, ...]
    unbridged: Stretches
    ignored: tuple[str, ...]

    @property
    def needs_approval(self) -> bool:
        """Whether a person must accept the figures before anything follows from them."""
        return self.figures.doubtful or bool(self.unbridged)


def timeline_of(terms: Terms, evidence: Evidence) -> Timeline:
    """Return what the evidence says by the terms' vantages, bridge and threshold, over all time."""
    timeline = combine(evidence.spans, terms.vantages, terms.quorum)
    return ignore(bridge(timeline, terms.sla.bridge_unknown), terms.sla.ignore_shorter_than)


def settle(
    terms: Terms,
    evidence: Evidence,
    earlier: Mapping[Micros, Fraction] | None = None,
    timeline: Timeline | None = None,
) -> Settlement:
    """Settle one period.

    The evidence may reach beyond the period, and should: how long an outage really was decides whether it counts.
    `earlier` gives, by the start of an outage that began before the period, what earlier periods charged for it in
    microseconds (`monitor.sla.recompute.earlier_charges`); only a cap per outage looks at it. `timeline` saves work
    where `timeline_of` is known already.
    """
    timeline = timeline or timeline_of(terms, evidence)
    granted = grant(terms.base, terms.sla.maintenance, evidence.maintenance, evidence.customer)
    figures = measure(terms, timeline, granted.stretches)
    return Settlement(
        terms=terms,
        figures=figures,
        owed=owe(terms, figures, earlier or {}),
        rejected=granted.rejected,
        unbridged=tuple(one for one in timeline.unbridged if intersect((one,), terms.base)),
        ignored=timeline.foreign,
    )
