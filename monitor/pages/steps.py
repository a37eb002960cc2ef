"""How a credit was computed, line by line: what a customer checks with a pocket calculator."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from contract.model import Credit, Multiplier, PerHour, PerPoint, Tiers
from monitor.intervals import total
from monitor.pages.speech import Speech
from monitor.sla.settle import Settlement

SECOND = 1_000_000
MOST_TERMS = 4
"""More outages than this are not written out as a sum."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what is computed, the sum in numbers (seconds, left to right in every language), and its result."""

    title: str
    sum: str
    result: str
    note: str = ""


def steps(settlement: Settlement, say: Speech) -> tuple[Step, ...]:
    """Return the lines of a settlement, in the order of the arithmetic."""
    figures = settlement.figures
    found = [_base(settlement, say), _down(settlement, say)]
    if figures.availability is not None:
        found += [_availability(settlement, say), _promise(settlement, say), *_credit(settlement, say)]
    return tuple(found)


def _base(settlement: Settlement, say: Speech) -> Step:
    agreed, base = total(settlement.terms.base), settlement.figures.base
    numbers = say.seconds(agreed)
    if base != agreed:
        numbers += f" − {say.seconds(agreed - base)} = {say.seconds(base)}"
    return Step(say("step_base"), numbers, say.length(base), say("step_base_note"))


def _down(settlement: Settlement, say: Speech) -> Step:
    counted = [outage.counted for outage in settlement.figures.outages]
    numbers = say.seconds(settlement.figures.down)
    if 1 < len(counted) <= MOST_TERMS:
        numbers = f"{' + '.join(say.seconds(one) for one in counted)} = {numbers}"
    return Step(say("step_down"), numbers, say.length(settlement.figures.down), say("step_down_note"))


def _availability(settlement: Settlement, say: Speech) -> Step:
    figures = settlement.figures
    availability = figures.availability or Fraction(0)
    exact = f"{say.number(availability.numerator)}/{say.number(availability.denominator)}"
    numbers = f"{say.number(1)} − {say.seconds(figures.down)} ÷ {say.seconds(figures.base)}"
    whole = availability * 10**6
    key = "step_availability_exact" if whole == int(whole) else "step_availability_note"
    note = say(key, exact=f"\u2066{exact}\u2069")
    return Step(say("step_availability"), numbers, say.percent(availability), note)


def _promise(settlement: Settlement, say: Speech) -> Step:
    target, base = settlement.terms.sla.availability, settlement.figures.base
    allowed = (1 - target) * base
    numbers = f"({say.percent(Fraction(1))} − {say.percent(target)}) × {say.seconds(base)} = {say.seconds(allowed)}"
    note = say("step_promise_note", target=say.percent(target))
    return Step(say("step_promise"), numbers, say.length(int(allowed)), note)


def _credit(settlement: Settlement, say: Speech) -> list[Step]:
    credit, due = settlement.terms.sla.credit, settlement.owed.due
    if credit is None:
        return [Step(say("step_credit"), "", say("nothing_owed"), say("formula_none"))]
    if not settlement.figures.breached:
        return [Step(say("step_credit"), "", say("nothing_owed"), say("no_breach"))]
    note = "; ".join([_rule(credit, settlement, say), *_limits(credit, settlement, say)])
    if due is None:
        return [Step(say("step_credit"), _numbers(credit, settlement, say), say("nothing_owed"), note)]
    found = [Step(say("step_credit"), _numbers(credit, settlement, say), owed_text(settlement, say), note)]
    exact = Fraction(due.seconds) if due.seconds is not None else Fraction(due.money.amount if due.money else 0)
    if exact != due.unrounded:
        numbers = f"{say.number(due.unrounded)} → {say.number(exact)}"
        found.append(Step(say("step_round"), numbers, owed_text(settlement, say)))
    return found


def owed_text(settlement: Settlement, say: Speech) -> str:
    """Write what is owed: a length of service, or an amount."""
    due = settlement.owed.due
    if due is None:
        return say("nothing_owed")
    if due.money is not None:
        return say.money(str(due.money.amount), due.money.currency)
    return say.length((due.seconds or 0) * SECOND)


def _numbers(credit: Credit, settlement: Settlement, say: Speech) -> str:
    formula, due = credit.formula, settlement.owed.due
    if not isinstance(formula, Multiplier) or due is None:
        return ""
    of = Fraction(settlement.figures.down) if formula.of == "downtime" else settlement.figures.excess
    numbers = f"{say.number(formula.multiplier)} × {say.seconds(of)} = {say.seconds(formula.multiplier * of)}"
    if due.money is None or settlement.terms.price is None:
        return numbers
    whole = settlement.terms.whole if credit.prorate == "second" else 30 * 86_400 * SECOND
    fee = say.number(settlement.terms.price.amount)
    return f"{fee} × {say.seconds(formula.multiplier * of)} ÷ {say.seconds(whole)}"


def _rule(credit: Credit, settlement: Settlement, say: Speech) -> str:
    formula = credit.formula
    match formula:
        case Multiplier():
            return say(f"formula_multiplier_{formula.of}", multiplier=say.number(formula.multiplier))
        case PerHour():
            return say("formula_hour", percent=say.percent(formula.percent))
        case PerPoint():
            return say("formula_point", percent=say.percent(formula.percent))
        case Tiers():
            return _tier(formula, settlement, say)


def _tier(formula: Tiers, settlement: Settlement, say: Speech) -> str:
    availability = settlement.figures.availability or Fraction(0)
    matching = [tier for tier in formula.tiers if availability < tier.below]
    if not matching:
        return say("formula_none")
    tier = min(matching, key=lambda one: one.below)
    below = say.percent(tier.below)
    if tier.percent is not None:
        return say("formula_tier_percent", below=below, percent=say.percent(tier.percent))
    return say("formula_tier_days", below=below, days=say.number(tier.days or 0))


def _limits(credit: Credit, settlement: Settlement, say: Speech) -> list[str]:
    found = []
    if credit.unit == "money" and settlement.terms.price is not None:
        price = settlement.terms.price
        found.append(say("fee", fee=f"{say.number(price.amount)} {price.currency}"))
    if credit.cap.per_outage is not None:
        found.append(say("cap_outage", most=say.length(credit.cap.per_outage)))
    if credit.cap.per_period is not None:
        found.append(say("cap_period", most=say.percent(credit.cap.per_period)))
    return found
