"""The interval arithmetic against a slot-by-slot count, over random cycles, terms, exclusions, bridges and credits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.model import CyclePeriod, Moment, Term
from contract.moment import short_text
from monitor.sla.recompute import recompute
from tests.monitor.sla.naive import Stretch, figures
from tests.monitor.sla.worlds import SECOND, as_naive, contract_of, evidence_of, worlds

ORIGIN = 1_790_000_000 * SECOND
quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
thorough = settings(max_examples=2_500, deadline=None, suppress_health_check=list(HealthCheck))


def agree(data: st.DataObject) -> None:
    """Settle every cycle of a world both ways, in order, so that one cap holds for an outage over several cycles."""
    slots = data.draw(st.sampled_from([60, 20, 33, 120, 160]), "slots")
    seconds = data.draw(st.sampled_from([1, 60, 900, 3600]), "seconds a slot")
    world, currency = data.draw(worlds(slots, seconds), "world")
    every = data.draw(st.integers(5, slots // 3) | st.integers(5, slots), "slots a cycle")
    first = data.draw(st.sampled_from([0, 0, 3, slots // 3]), "first cycle")
    accepted = data.draw(st.just(0) | st.integers(0, slots // 2), "accepted")
    starts = data.draw(st.none() | st.just(0) | st.integers(0, slots // 2), "starts")
    lasts = data.draw(st.none() | st.integers(slots // 2, slots), "lasts")

    def at(slot: int) -> int:
        return ORIGIN + slot * seconds * SECOND

    term = Term(
        accepted=Moment(instant=at(accepted)),
        starts=None if starts is None else Moment(instant=at(starts)),
        lasts=None if lasts is None else lasts * seconds * SECOND,
    )
    spec = CyclePeriod(every=every * seconds * SECOND, start=at(first), timezone="UTC")
    contract, evidence = contract_of(world, currency, spec, term), evidence_of(world, ORIGIN)
    begins = accepted if starts is None else starts
    in_term = [begins <= slot and (lasts is None or slot < begins + lasts) for slot in range(slots)]
    charged: dict[int, Fraction] = {}
    for start in range(first, slots - every + 1, every):
        period = [start <= slot < start + every for slot in range(slots)]
        inside = [period[slot] and in_term[slot] for slot in range(slots)]
        base = [inside[slot] and slot >= accepted for slot in range(slots)]
        expected = figures(world, Stretch(period, inside, base), charged)
        found = as_naive(recompute(contract, evidence, short_text(at(start))), ORIGIN, world)
        assert found == expected


@pytest.mark.slow
@quick
@given(st.data())
def test_figures_and_credit_equal_a_count_of_every_slot(data: st.DataObject) -> None:
    agree(data)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@thorough
@given(st.data())
def test_figures_and_credit_equal_a_count_of_every_slot_thousands_of_times(data: st.DataObject) -> None:
    agree(data)
