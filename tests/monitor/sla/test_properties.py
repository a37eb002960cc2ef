"""What must hold of every settlement, and how it must move when its world is changed a little."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contract.model import Contract, Credit, CyclePeriod, Moment, Multiplier, Term
from contract.moment import short_text
from monitor.evidence import Evidence, Window, canonical, parse
from monitor.intervals import total
from monitor.sla.output import as_json, rows
from monitor.sla.recompute import recompute
from monitor.sla.settle import Settlement
from monitor.span import Span
from tests.monitor.sla.worlds import SECOND, contract_of, evidence_of, worlds

ORIGIN = 1_790_000_000 * SECOND
SLOTS = 80
START, END = ORIGIN + 20 * SECOND, ORIGIN + 60 * SECOND
LABEL = short_text(START)
quick = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Contract, Evidence]:
    """One cycle of 40 seconds in a timeline of 80."""
    world, currency = draw(worlds(SLOTS, 1))
    spec = CyclePeriod(every=40 * SECOND, start=START, timezone="UTC")
    contract = contract_of(world, currency, spec, Term(accepted=Moment(instant=ORIGIN)))
    return contract, evidence_of(world, ORIGIN)


@st.composite
def more_down(draw: st.DrawFn, contract: Contract, evidence: Evidence) -> Evidence:
    """The same evidence, with a stretch in which every vantage is down as well."""
    start = draw(st.integers(0, SLOTS - 2))
    end = draw(st.integers(start + 1, SLOTS - 1))
    spans = tuple(
        Span(name, ORIGIN + start * SECOND, ORIGIN + end * SECOND, "down") for name in contract.monitor.vantages
    )
    return replace(evidence, spans=evidence.spans + spans)


def settled(contract: Contract, evidence: Evidence) -> Settlement:
    return recompute(contract, evidence, LABEL)


def with_sla(contract: Contract, **changes: object) -> Contract:
    assert contract.sla is not None
    return contract.model_copy(update={"sla": contract.sla.model_copy(update=changes)})


@quick
@given(scenes())
def test_figures_are_within_their_bounds(scene: tuple[Contract, Evidence]) -> None:
    found = settled(*scene)
    figures = found.figures
    assert 0 <= figures.down <= figures.base <= total(found.terms.base)
    assert figures.unknown + figures.down <= total(found.terms.base)
    assert sum(outage.counted for outage in figures.outages) == figures.down
    assert figures.availability is None or 0 <= figures.availability <= 1
    assert figures.excess <= figures.down
    if found.owed.due is not None:
        assert figures.breached
        assert found.owed.due.unrounded > 0


@quick
@given(st.data())
def test_more_downtime_never_raises_availability(data: st.DataObject) -> None:
    """With unknown time as up the base does not move, so only downtime can; no short outage is ignored here."""
    contract, evidence = data.draw(scenes())
    contract = with_sla(contract, unknown="up", ignore_shorter_than=0, bridge_unknown=0)
    before = settled(contract, evidence).figures.availability
    after = settled(contract, data.draw(more_down(contract, evidence))).figures.availability
    assume(before is not None)
    assert after is not None
    assert before is not None
    assert after <= before


@pytest.mark.slow
@quick
@given(st.data())
def test_more_downtime_never_lowers_a_multiplied_credit(data: st.DataObject) -> None:
    contract, evidence = data.draw(scenes())
    credit = Credit(unit="service-time", formula=Multiplier(multiplier=Fraction(3)))
    contract = with_sla(contract, unknown="up", ignore_shorter_than=0, bridge_unknown=0, credit=credit)
    before, after = settled(contract, evidence), settled(contract, data.draw(more_down(contract, evidence)))
    seconds = [one.owed.due.seconds or 0 if one.owed.due else 0 for one in (before, after)]
    assert seconds[0] <= seconds[1]


@quick
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_evidence_changes_nothing(scene: tuple[Contract, Evidence], random: object) -> None:
    contract, evidence = scene
    spans = sorted(evidence.spans, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis's Random
    assert settled(contract, replace(evidence, spans=tuple(spans))) == settled(contract, evidence)


@quick
@given(scenes())
def test_saying_it_twice_or_in_pieces_changes_nothing(scene: tuple[Contract, Evidence]) -> None:
    contract, evidence = scene
    halves = [
        piece
        for span in evidence.spans
        for piece in (
            span._replace(end=(span.start + span.end) // 2),
            span._replace(start=(span.start + span.end) // 2),
        )
    ]
    again = Evidence(evidence.spans + tuple(halves), evidence.maintenance * 2, evidence.customer * 2)
    assert settled(contract, again) == settled(contract, evidence)


@quick
@given(scenes())
def test_written_and_read_again_it_settles_the_same(scene: tuple[Contract, Evidence]) -> None:
    contract, evidence = scene
    raw = canonical(evidence)
    assert canonical(parse(raw, "evidence")) == raw
    assert settled(contract, parse(raw, "evidence")) == settled(contract, evidence)


@quick
@given(st.data())
def test_a_late_window_changes_no_figure(data: st.DataObject) -> None:
    contract, evidence = data.draw(scenes())
    start = START + data.draw(st.integers(0, 39)) * SECOND
    late = Window(start, start + 10 * SECOND, start + 1)
    found = settled(contract, replace(evidence, maintenance=(*evidence.maintenance, late)))
    before = settled(contract, evidence)
    assert (found.figures, found.owed) == (before.figures, before.owed)
    assert late in [one.window for one in found.rejected]


@quick
@given(scenes())
def test_what_is_printed_is_said_to_people_too(scene: tuple[Contract, Evidence]) -> None:
    found = settled(*scene)
    said, shown = as_json(found), dict(rows(found))
    assert shown["breached"] == {None: "not measured", True: "yes", False: "no"}[found.figures.breached]
    assert (said["credit"] is None) == (shown["credit"] == "none")
    assert (said["needs_approval"] == []) == ("needs approval" not in shown) == (not found.needs_approval)


@quick
@given(scenes())
def test_decimals_never_flatter(scene: tuple[Contract, Evidence]) -> None:
    found = settled(*scene)
    if found.figures.availability is not None:
        shown = Fraction(str(as_json(found)["availability_decimal"]))
        assert shown <= found.figures.availability < shown + Fraction(1, 1_000_000)
