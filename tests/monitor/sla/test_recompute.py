"""From a contract to terms: what is refused, which terms a period has, and from where its evidence is needed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from contract.model import (
    Amendment,
    Billing,
    Cap,
    Contract,
    Credit,
    CrmChoice,
    Customer,
    CyclePeriod,
    Fee,
    Moment,
    Money,
    MonthPeriod,
    Multiplier,
    Saas,
    Sla,
    Term,
    Tier,
    Tiers,
)
from crm.errors import Refused
from monitor.evidence import Evidence
from monitor.sla.recompute import needed_since, recompute, terms_for
from monitor.span import Span

DAY = 86_400_000_000
ACCEPTED = Term(accepted=Moment(day=date(2026, 1, 1)))
SAIGON = MonthPeriod(timezone="Asia/Ho_Chi_Minh")
MULTIPLIED = Multiplier(multiplier=Fraction(3))
CAPPED = Credit(unit="service-time", formula=MULTIPLIED, cap=Cap(per_outage=100 * DAY))


def at(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def sla(**changes: Any) -> Sla:  # noqa: ANN401 - any field
    return Sla(**{"availability": Fraction(98, 100), "period": SAIGON, **changes})


def contract(**changes: Any) -> Contract:  # noqa: ANN401 - any section
    sections = {
        "contract": "acme",
        "customer": Customer(name="ACME"),
        "crm": CrmChoice(recipe="creme", version="2.8.6", url="https://crm.acme.example/"),
        "target": Saas(),
        "term": ACCEPTED,
        "sla": sla(),
    }
    return Contract(**{**sections, **changes})


def down(start: str, end: str) -> Evidence:
    """Up from August 2026 to the end of the year, but for one outage."""
    spans = (
        Span("local", at("2026-08-01T00:00+07:00"), at("2027-01-01T00:00+07:00"), "up"),
        Span("local", at(start), at(end), "down"),
    )
    return Evidence(spans)


@pytest.mark.parametrize(
    ("refused", "label", "reason"),
    [
        (contract(sla=None), "2026-10", "sla is missing"),
        (contract(term=Term()), "2026-10", "term.accepted is missing"),
        (contract(term=Term(starts=Moment(day=date(2026, 1, 1)))), "2026-10", "term.accepted is missing"),
        (contract(), "1405-07", "'1405-07' is a Jalali month"),
        (contract(), "October", "no period is called 'October'"),
    ],
)
def test_a_period_without_terms_is_refused_with_the_reason(refused: Contract, label: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        terms_for(refused, label)


def test_money_without_a_fee_is_refused() -> None:
    unpaid = contract(sla=sla(credit=Credit(unit="money", formula=MULTIPLIED)))
    with pytest.raises(Refused, match=r"billing\.fee is missing"):
        recompute(unpaid, down("2026-10-03T00:00+07:00", "2026-10-04T00:00+07:00"), "2026-10")


def test_days_of_money_are_refused() -> None:
    days = Tiers(tiers=(Tier(below=Fraction(98, 100), days=Fraction(3)),))
    odd = contract(sla=sla(credit=Credit(unit="money", formula=days)))
    with pytest.raises(Refused, match="a tier gives days"):
        recompute(odd, down("2026-10-03T00:00+07:00", "2026-10-04T00:00+07:00"), "2026-10")


def test_an_amended_calendar_names_periods_from_its_first_on() -> None:
    jalali = MonthPeriod(calendar="jalali", timezone="Asia/Tehran")
    amended = contract(amendments=(Amendment(start=Moment(day=date(2026, 9, 23)), sla=sla(period=jalali)),))
    assert terms_for(amended, "2026-08").sla.period == SAIGON
    assert terms_for(amended, "1405-07").sla.period == jalali
    for label in ("2026-10", "1405-05"):
        with pytest.raises(Refused, match="the contract counts its periods otherwise"):
            terms_for(amended, label)


@pytest.mark.parametrize(
    ("every", "amount", "price"),
    [("period", "10", Fraction(10)), ("month", "365", Fraction(360)), ("year", "365", Fraction(30))],
)
def test_the_fee_of_a_cycle_of_30_days(every: Any, amount: str, price: Fraction) -> None:  # noqa: ANN401 - a literal
    cycle = CyclePeriod(every=30 * DAY, start=at("2026-01-01T00:00+00:00"), timezone="UTC")
    fee = Fee(amount=Money(Decimal(amount), "USD"), every=every)
    paid = contract(sla=sla(period=cycle), billing=Billing(system="file", account="1", fee=fee))
    found = terms_for(paid, "2026-01-31T00:00:00Z").price
    assert found is not None
    assert found.amount == price


def test_holidays_that_are_given_are_the_ones_that_count() -> None:
    weekly = contract(
        sla=Sla.model_validate({"availability": "98 %", "period": SAIGON, "hours": "Mon-Fri 08:00-18:00"})
    )
    without = terms_for(weekly, "2026-10", frozenset({date(2026, 10, 5)}))
    assert len(terms_for(weekly, "2026-10", frozenset()).base) - len(without.base) == 1


def test_evidence_is_needed_from_the_period_in_which_a_capped_outage_began() -> None:
    evidence = down("2026-08-20T00:00+07:00", "2026-10-02T00:00+07:00")
    assert needed_since(contract(sla=sla(credit=CAPPED)), evidence, "2026-10") == at("2026-08-01T00:00+07:00")
    uncapped = Credit(unit="service-time", formula=MULTIPLIED)
    assert needed_since(contract(sla=sla(credit=uncapped)), evidence, "2026-10") == at("2026-10-01T00:00+07:00")
    assert needed_since(contract(sla=sla(credit=CAPPED)), evidence, "2026-11") == at("2026-11-01T00:00+07:00")


def test_evidence_is_not_needed_from_before_the_term() -> None:
    evidence = down("2026-08-20T00:00+07:00", "2026-10-02T00:00+07:00")
    late = contract(sla=sla(credit=CAPPED), term=Term(accepted=Moment(day=date(2026, 9, 15))))
    assert needed_since(late, evidence, "2026-10") == at("2026-09-01T00:00+07:00")


def test_charges_of_earlier_periods_may_be_given() -> None:
    evidence = down("2026-09-20T00:00+07:00", "2026-10-11T00:00+07:00")
    capped = contract(sla=sla(credit=CAPPED))
    computed = recompute(capped, evidence, "2026-10")
    assert [charge.before for charge in computed.owed.charges] == [33 * DAY]
    given = recompute(capped, evidence, "2026-10", earlier={at("2026-09-20T00:00+07:00"): Fraction(90 * DAY)})
    assert [charge.charged for charge in given.owed.charges] == [10 * DAY]


def test_a_cap_holds_over_three_periods_in_order() -> None:
    evidence = down("2026-09-20T00:00+07:00", "2026-11-11T00:00+07:00")
    capped = contract(sla=sla(credit=CAPPED))
    days = [
        recompute(capped, evidence, label).owed.charges[0].charged / DAY for label in ("2026-09", "2026-10", "2026-11")
    ]
    assert days == [33, 67, 0]
