"""Random worlds for hypothesis, and the contract and evidence that say the same to the product."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from contract.model import (
    Billing,
    Cap,
    Contract,
    Credit,
    CrmChoice,
    Customer,
    Fee,
    Maintenance,
    Money,
    Monitor,
    Multiplier,
    PerHour,
    PeriodSpec,
    PerPoint,
    Saas,
    Sla,
    Term,
    Tier,
    Tiers,
    WeeklyHours,
)
from contract.money import exponent
from monitor.evidence import CustomerCause, Evidence, Window
from monitor.sla.settle import Settlement
from monitor.span import Span
from tests.monitor.sla.naive import World

SECOND = 1_000_000
CURRENCIES = ("VND", "USD", "KWD")
ratios = st.sampled_from([Fraction(n, 1000) for n in (1000, 999, 990, 980, 950, 900, 800, 500, 5)])


@st.composite
def stretches(draw: st.DrawFn, slots: int) -> tuple[int, int]:
    """From – to in slots 1 … slots - 1: nothing is ever known at the timeline's very edges."""
    start = draw(st.integers(1, slots - 2))
    return start, draw(st.integers(start + 1, min(slots - 1, start + draw(st.sampled_from([2, 9, slots])))))


@st.composite
def vantage_spans(draw: st.DrawFn, name: str, slots: int) -> list[tuple[str, int, int, str]]:
    """A vantage's spans: one after the other with gaps, mostly over one long up, sometimes overlapping ones on top."""
    spans, at = [], draw(st.integers(1, max(1, slots // 3)))
    for _ in range(draw(st.sampled_from([6, 3, 12, 1, 0]))):
        end = min(slots - 1, at + draw(st.integers(1, max(1, slots // 4))))
        if at < end:
            spans.append((name, at, end, draw(st.sampled_from(["down", "up", "up"]))))
        at = end + draw(st.sampled_from([0, 0, 0, 1, 2, 5]))
    if draw(st.integers(0, 2)):
        spans.append((name, 1, slots - 1, "up"))
    overlapping = range(draw(st.sampled_from([1, 2, 0])))
    spans += [(name, *draw(stretches(slots)), draw(st.sampled_from(["down", "down", "up"]))) for _ in overlapping]
    return draw(st.permutations(spans))


@st.composite
def credits_(draw: st.DrawFn, slot_seconds: int) -> dict[str, Any]:
    unit = draw(st.sampled_from(["service-time", "money"]))
    kind = draw(
        st.sampled_from(
            [
                "multiplier",
                "multiplier",
                "multiplier",
                "multiplier",
                "tiers",
                "started-hour",
                "full-hour",
                "full",
                "started",
            ]
        )
    )
    value: object = draw(st.sampled_from([Fraction(1, 3), Fraction(1), Fraction(3), Fraction(5, 2)]))
    if kind == "tiers":
        units = ["percent", "days"] if unit == "service-time" else ["percent"]
        value = draw(
            st.lists(
                st.tuples(
                    ratios, st.sampled_from(units), st.sampled_from([Fraction(1, 10), Fraction(2), Fraction(1, 3)])
                ),
                min_size=1,
                max_size=4,
                unique_by=lambda tier: tier[0],
            )
        )
    elif kind != "multiplier":
        value = draw(st.sampled_from([Fraction(1, 100), Fraction(1, 20), Fraction(1, 7)]))
    said: dict[str, Any] = {
        "unit": unit,
        "formula": kind,
        "value": value,
        "of": draw(st.sampled_from(["downtime", "excess"])),
        "prorate": draw(st.sampled_from(["second", "second", "30-days"])),
        "per_outage": draw(st.sampled_from([None, 5, 10, 20, 40])),
        "per_period": draw(st.sampled_from([None, None, Fraction(1), Fraction(1, 10), Fraction(1, 3)])),
        "round": draw(st.sampled_from(["half-up", "half-even", "up", "down"])),
        "minimum": draw(st.sampled_from([None, None, None, 5, 3600])),
    }
    if said["per_outage"] is not None:
        said["per_outage"] *= slot_seconds
    return said


@st.composite
def worlds(draw: st.DrawFn, slots: int, slot_seconds: int) -> tuple[World, str]:
    """A world and its currency."""
    vantages = draw(st.sampled_from([["a"], ["a"], ["a"], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]))
    spans = [span for name in (*vantages, "foreign") for span in draw(vantage_spans(name, slots))]
    windows = draw(st.lists(stretches(slots), max_size=4))
    currency = draw(st.sampled_from(CURRENCIES))
    lengths = st.sampled_from([0, 0, 1, 2, 4, 10])
    world = World(
        slots=slots,
        slot_seconds=slot_seconds,
        spans=spans,
        windows=[(start, end, start - draw(st.sampled_from([0, 1, 5, 20, 50]))) for start, end in windows],
        causes=draw(st.lists(stretches(slots), max_size=2)),
        vantages=vantages,
        quorum=draw(st.integers(len(vantages) // 2 + 1, len(vantages))),
        target=draw(ratios),
        bridge=draw(lengths),
        ignore=draw(lengths),
        unknown_is_up=draw(st.booleans()),
        exclude_both=draw(st.booleans()),
        maintenance=draw(st.booleans()),
        notice=draw(st.sampled_from([0, 5, 20])),
        at_most=draw(st.sampled_from([None, 3, 15, 0])),
        credit=draw(credits_(slot_seconds)) if draw(st.integers(0, 7)) else None,
        fee=Fraction(draw(st.sampled_from([1_200_000, 9_999, 1]))),
        places=exponent(currency),
    )
    return world, currency


def contract_of(
    world: World, currency: str, period: PeriodSpec, term: Term, hours: WeeklyHours | None = None
) -> Contract:
    """The contract that promises what a world is settled by."""
    slot = world.slot_seconds * SECOND
    agreed = None if world.at_most is None else world.at_most * slot
    sla = Sla(
        availability=world.target,
        period=period,
        hours=hours,
        ignore_shorter_than=world.ignore * slot,
        unknown="up" if world.unknown_is_up else "leave-out",
        bridge_unknown=world.bridge * slot,
        maintenance=Maintenance(notice=world.notice * slot, at_most=agreed) if world.maintenance else None,
        exclude_from="both" if world.exclude_both else "downtime",
        credit=None if world.credit is None else credit_of(world.credit, currency),
    )
    return Contract(
        contract="acme",
        customer=Customer(name="ACME"),
        crm=CrmChoice(recipe="creme", version="2.8.6", url="https://crm.acme.example/"),
        target=Saas(),
        term=term,
        sla=sla,
        monitor=Monitor(vantages=tuple(world.vantages), quorum=world.quorum),
        billing=Billing(
            system="file", account="1", fee=Fee(amount=Money(_decimal(world.fee), currency), every="period")
        ),
    )


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def credit_of(said: dict[str, Any], currency: str) -> Credit:
    least = said["minimum"]
    if least is not None:
        least = least * SECOND if said["unit"] == "service-time" else Money(_decimal(Fraction(least)), currency)
    outage = said["per_outage"]
    return Credit(
        unit=said["unit"],
        formula=formula_of(said),
        prorate=said["prorate"],
        cap=Cap(per_outage=None if outage is None else outage * SECOND, per_period=said["per_period"]),
        round=said["round"],
        minimum=least,
    )


def formula_of(said: dict[str, Any]) -> Multiplier | Tiers | PerHour | PerPoint:
    kind, value = said["formula"], said["value"]
    if kind == "multiplier":
        return Multiplier(multiplier=value, of=said["of"])
    if kind == "tiers":
        return Tiers(tiers=tuple(Tier(below=below, **{unit: number}) for below, unit, number in value))
    if kind in ("started-hour", "full-hour"):
        return PerHour(percent=value, per=kind, of=said["of"])
    return PerPoint(percent=value, per_point_short=kind)


def evidence_of(world: World, origin: int) -> Evidence:
    """The world's records as evidence; slot 0 begins at `origin`."""

    def at(slot: int) -> int:
        return origin + slot * world.slot_seconds * SECOND

    return Evidence(
        tuple(Span(name, at(start), at(end), state) for name, start, end, state in world.spans),  # type: ignore[arg-type]  # up or down
        tuple(Window(at(start), at(end), at(announced)) for start, end, announced in world.windows),
        tuple(CustomerCause(at(start), at(end), "their switch") for start, end in world.causes),
    )


def as_naive(settlement: Settlement, origin: int, world: World) -> dict[str, Any]:
    """What the product found, in the reference's words."""
    figures, due = settlement.figures, settlement.owed.due
    slot = world.slot_seconds * SECOND
    credit = None
    if due is not None:
        credit = (Fraction(due.seconds or 0) if due.money is None else Fraction(due.money.amount), due.unrounded)
    return {
        "base": Fraction(figures.base, SECOND),
        "down": Fraction(figures.down, SECOND),
        "unknown": Fraction(figures.unknown, SECOND),
        "excluded": Fraction(figures.excluded, SECOND),
        "coverage": figures.coverage,
        "availability": figures.availability,
        "breached": figures.breached,
        "outages": {
            (outage.start - origin) // SECOND: outage.counted // SECOND for outage in figures.outages if outage.counted
        },
        "rejected": [
            (
                (one.window.start - origin) // slot,
                (one.window.end - origin) // slot,
                (one.window.announced - origin) // slot,
            )
            for one in settlement.rejected
        ],
        "unbridged": bool(settlement.unbridged),
        "credit": credit,
    }
