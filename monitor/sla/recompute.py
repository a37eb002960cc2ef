"""From a contract to a settlement: the terms of a period, and its figures from evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction

from contract.amend import for_period
from contract.holidays import holidays_of
from contract.hours import intervals
from contract.model import Contract, Micros, MonthPeriod, PeriodSpec, Sla
from contract.moment import zone
from contract.period import NoSuchPeriod, Period, containing, day_in, following, named
from contract.term import bounds, contract_year, sla_begins
from crm.errors import Refused
from monitor.evidence import Evidence
from monitor.intervals import Stretches, clip
from monitor.sla.earlier import crossing, earlier_charges
from monitor.sla.settle import Settlement, settle, timeline_of
from monitor.sla.terms import Price, Terms


def terms_for(contract: Contract, label: str, holidays: frozenset[date] | None = None) -> Terms:
    """Return the terms of the period that `label` names, as the contract stood at the period's first instant.

    `holidays` are the days on which `hours` do not hold, for all the time that is asked for; None: those that the
    contract means, by the holidays library that is installed. Raises Refused where the contract has no such period or
    no SLA clock.
    """
    return _terms(contract, _period(contract, label), holidays)


def recompute(
    contract: Contract,
    evidence: Evidence,
    label: str,
    holidays: frozenset[date] | None = None,
    earlier: dict[Micros, Fraction] | None = None,
) -> Settlement:
    """Settle the period that `label` names.

    `earlier` is what earlier periods charged for an outage that began in them, by its start (see `settle`); None: it
    is computed from the same evidence. Raises Refused as `terms_for` does.
    """
    terms = terms_for(contract, label, holidays)
    timeline = timeline_of(terms, evidence)
    if earlier is None:
        earlier = earlier_charges(
            terms, evidence, timeline, lambda since: _before(contract, since, terms.start, holidays)
        )
    return settle(terms, evidence, earlier, timeline)


def needed_since(contract: Contract, evidence: Evidence, label: str) -> Micros:
    """Return the first instant of the earliest period that bears on the one that `label` names.

    It is the period's own first instant, but where an outage with a cap began in an earlier period: what that period
    charged for it follows only from all of that period's evidence. Whoever hands evidence on collects it from there.
    """
    terms = terms_for(contract, label, frozenset())
    outage = crossing(terms, timeline_of(terms, evidence))
    if outage is None:
        return terms.start
    since = max(outage[0], terms.term_start)
    return min((one.start for one in _before(contract, since, terms.start, frozenset())), default=terms.start)


def _specs(contract: Contract) -> list[PeriodSpec]:
    """Return every way in which the contract has ever counted periods, the first first."""
    slas = [contract.sla, *(amendment.sla for amendment in contract.amendments)]
    return list(dict.fromkeys(sla.period for sla in slas if sla is not None))


def _period(contract: Contract, label: str) -> Period:
    """Find a label's period among the contract's ways of counting; it must be the one agreed when it begins."""
    specs = _specs(contract)
    if not specs:
        raise Refused(f"{contract.id}: sla is missing, so there is nothing to settle", "Write what is promised: sla.")
    reasons: list[str] = []
    for spec in specs:
        try:
            period = named(spec, label)
        except NoSuchPeriod as error:
            reasons.append(str(error))
            continue
        sla = for_period(contract, period).sla
        if sla is not None and sla.period == spec:
            return period
        reasons.insert(0, f"when '{label}' begins, the contract counts its periods otherwise")
    raise Refused(f"{contract.id}: {reasons[0]}")


def _before(contract: Contract, since: Micros, until: Micros, holidays: frozenset[date] | None) -> Iterator[Terms]:
    """Give the terms of the periods from the one that holds `since` to the last that begins before `until`."""
    for spec in _specs(contract):
        period = containing(spec, since if isinstance(spec, MonthPeriod) else max(since, spec.start))
        while period.start < until:
            sla = for_period(contract, period).sla
            if sla is not None and sla.period == spec:
                yield _terms(contract, period, holidays)
            period = following(spec, period)


def _terms(contract: Contract, period: Period, holidays: frozenset[date] | None) -> Terms:
    agreed = for_period(contract, period)
    if agreed.sla is None:
        raise Refused(f"{contract.id}: sla is missing in {period.label}, so there is nothing to settle")
    limits = bounds(agreed.term, agreed.sla.period)
    begins = sla_begins(agreed.term, agreed.sla.period)
    if limits is None or begins is None:
        raise Refused(
            f"{contract.id}: term.accepted is missing, and the SLA's clock does not run before",
            "Write the date of acceptance: term: {accepted: 2026-02-01}.",
        )
    start = max(period.start, limits[0], begins)
    end = period.end if limits[1] is None else min(period.end, limits[1])
    return Terms(
        label=period.label,
        start=period.start,
        end=period.end,
        term_start=limits[0],
        term_end=limits[1],
        base=_base(agreed, agreed.sla, start, end, holidays),
        sla=agreed.sla,
        vantages=agreed.monitor.vantages,
        quorum=agreed.monitor.quorum,
        price=_price(agreed, agreed.sla, period),
    )


def _base(contract: Contract, sla: Sla, start: Micros, end: Micros, holidays: frozenset[date] | None) -> Stretches:
    if start >= end:
        return ()
    if sla.hours is None:
        return clip(((start, end),), start, end)
    if holidays is None:
        holidays = holidays_of(contract.sla_holidays, day_in(sla.period, start), day_in(sla.period, end))
    return intervals(sla.hours, zone(sla.period.timezone), start, end, holidays)


def _price(contract: Contract, sla: Sla, period: Period) -> Price | None:
    """Return what the whole period costs.

    `every: month` is the price of a period that is a month. `every: year` is × W ÷ the contract year that the period's
    part inside the term begins in (the first one, where that lies before the term); of a cycle `every: month` is a
    twelfth of that year.
    """
    fee = contract.billing.fee if contract.billing is not None else None
    if fee is None:
        return None
    amount = Fraction(fee.amount.amount)
    if fee.every == "year" or (fee.every == "month" and not isinstance(sla.period, MonthPeriod)):
        limits = bounds(contract.term, sla.period)
        since = period.start if limits is None else max(period.start, limits[0])
        year = contract_year(contract.term, sla.period, since)
        if year is not None:
            amount *= Fraction((period.end - period.start) * (12 if fee.every == "month" else 1), year[1] - year[0])
    return Price(amount, fee.amount.currency)
