"""What a breach pays: formula → cap per outage → cap per period → rounding → minimum; zero is no credit.

Service time is computed in microseconds, money in the currency's unit, both as Fractions until the one rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from contract.model import Credit, Micros, Money, Multiplier, PerHour, PerPoint, Tiers
from contract.money import rounded
from crm.errors import Refused
from monitor.sla.figures import Figures, Outage
from monitor.sla.terms import Price, Terms

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
THIRTY_DAYS = 30 * DAY


@dataclass(frozen=True, slots=True)
class Charge:
    """What one outage is charged in this period, in exact microseconds of service time.

    `before` is what earlier periods charged for the same outage: one cap holds for all of them, the earlier first.
    Charges are what the cap per outage leaves, before the cap per period.
    """

    outage: Outage
    charged: Fraction
    before: Fraction


@dataclass(frozen=True, slots=True)
class Due:
    """What is owed: whole `seconds` of service time, or `money`; never zero.

    `unrounded` is the exact amount after the caps, in seconds or in the currency's unit.
    """

    unrounded: Fraction
    seconds: int | None = None
    money: Money | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """The credit of a period (None: none is owed), and the charges of its outages where the formula has charges."""

    due: Due | None
    charges: tuple[Charge, ...] = ()


def owe(terms: Terms, figures: Figures, earlier: Mapping[Micros, Fraction]) -> Owed:
    """Compute what a period's figures pay.

    `earlier` gives, by the start of an outage, what earlier periods charged for it. No breach pays nothing, whatever a
    tier says. Raises Refused for terms that cannot be computed (`crmhost check` refuses them before).
    """
    credit = terms.sla.credit
    if credit is None or not figures.breached:
        return Owed(None)
    charges: tuple[Charge, ...] = ()
    if isinstance(credit.formula, Multiplier):
        charges = _charges(credit.formula, credit.cap.per_outage, figures, earlier)
        time = sum((charge.charged for charge in charges), Fraction(0))
        amount = time if credit.unit == "service-time" else _prorated(time, credit, terms)
    else:
        amount = _flat(credit.formula, figures, terms, money=credit.unit == "money")
    if credit.cap.per_period is not None:
        amount = min(amount, credit.cap.per_period * _whole(terms, money=credit.unit == "money"))
    return Owed(_time(amount, credit) if credit.unit == "service-time" else _money(amount, credit, terms), charges)


def _of(formula: Multiplier | PerHour, figures: Figures) -> Fraction:
    """Return the time that the formula is of, in microseconds: the period's total."""
    return Fraction(figures.down) if formula.of == "downtime" else figures.excess


def _charges(
    formula: Multiplier, cap: Micros | None, figures: Figures, earlier: Mapping[Micros, Fraction]
) -> tuple[Charge, ...]:
    """Share the formula's time among the outages by their counted downtime, each within what is left of its cap."""
    charges: list[Charge] = []
    each = formula.multiplier * _of(formula, figures) / figures.down
    for outage in figures.outages:
        before = earlier.get(outage.start, Fraction(0))
        charged = each * outage.counted
        if cap is not None:
            charged = min(charged, max(Fraction(0), cap - before))
        charges.append(Charge(outage, charged, before))
    return tuple(charges)


def _flat(formula: Tiers | PerHour | PerPoint, figures: Figures, terms: Terms, *, money: bool) -> Fraction:
    """Return what a formula pays that is a share of the period (or of its fee), or a number of days."""
    if isinstance(formula, Tiers):
        return _tier(formula, figures, terms, money=money)
    if isinstance(formula, PerHour):
        hours = _of(formula, figures) / HOUR
        count = ceil(hours) if formula.per == "started-hour" else floor(hours)
    else:
        points = 100 * (terms.sla.availability - (figures.availability or Fraction(0)))
        count = ceil(points) if formula.per_point_short == "started" else floor(points)
    return formula.percent * count * _whole(terms, money=money)


def _tier(formula: Tiers, figures: Figures, terms: Terms, *, money: bool) -> Fraction:
    """Return what the lowest tier pays that the availability is below; nothing where it is below none."""
    matching = [
        tier for tier in formula.tiers if figures.availability is not None and figures.availability < tier.below
    ]
    if not matching:
        return Fraction(0)
    tier = min(matching, key=lambda tier: tier.below)
    if tier.percent is not None:
        return tier.percent * _whole(terms, money=money)
    if money:
        raise Refused("sla.credit.formula: a tier gives days, and the credit's unit is money", "Write percent instead.")
    return (tier.days or Fraction(0)) * DAY


def _whole(terms: Terms, *, money: bool) -> Fraction:
    """Return what percentages are of: P, or the period's fee (fee × P ÷ W)."""
    if not money:
        return Fraction(terms.inside)
    return _price(terms).amount * terms.inside / terms.whole


def _prorated(time: Fraction, credit: Credit, terms: Terms) -> Fraction:
    """Return what an amount of time is worth: fee × time ÷ W, or ÷ 30 days; the fee is that of a whole period."""
    return _price(terms).amount * time / (terms.whole if credit.prorate == "second" else THIRTY_DAYS)


def _price(terms: Terms) -> Price:
    if terms.price is None:
        raise Refused(
            "billing.fee is missing, and sla.credit.unit is money", "Write what a period costs: fee: {amount, every}."
        )
    return terms.price


def _time(amount: Fraction, credit: Credit) -> Due | None:
    """Round service time up to a whole second, and drop what is under the minimum or nothing."""
    seconds = ceil(amount / SECOND)
    least = credit.minimum if isinstance(credit.minimum, int) else 0
    return Due(amount / SECOND, seconds=seconds) if seconds > 0 and seconds * SECOND >= least else None


def _money(amount: Fraction, credit: Credit, terms: Terms) -> Due | None:
    """Round money to its currency's exponent, and drop what is under the minimum or nothing."""
    money = rounded(amount, _price(terms).currency, credit.round)
    least = credit.minimum.amount if isinstance(credit.minimum, Money) else 0
    return Due(amount, money=money) if money.amount > 0 and money.amount >= least else None
