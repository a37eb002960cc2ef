"""Amendments: what holds when, and that what was true before a date stays true."""

from fractions import Fraction

import pytest

from contract.amend import at, canonical, for_period, terms_digest
from contract.model import Amendment, Contract, Moment, Sla
from contract.moment import instant, moment
from contract.period import named
from tests.support.contracts import HEAD, contract_of

SLA = """\
term: {signed: 2026-01-01, accepted: 2026-01-01}
sla:
  availability: 98 %
  period: {every: month, calendar: gregorian, timezone: Asia/Ho_Chi_Minh}
  maintenance: {notice: 48 h, at-most: 4 h}
  credit: {unit: service-time, formula: {multiplier: 3, of: excess}, cap: {per-period: 100 %}}
billing: {system: file, account: acme, fee: {amount: 1200000 VND, every: month}}
"""


def _with(amendments: str) -> Contract:
    return contract_of(f"{HEAD}{SLA}amendments: {amendments}\n")


def _sla(contract: Contract) -> Sla:
    assert contract.sla is not None
    return contract.sla


def test_an_amendment_changes_only_what_it_names() -> None:
    contract = _with("[{from: 2026-07-01, sla: {availability: 99 %}}]")
    before, after = (
        _sla(at(contract, instant("2026-06-30T16:59:59.999999Z"))),
        _sla(at(contract, instant("2026-06-30T17:00:00Z"))),
    )
    assert (before.availability, after.availability) == (Fraction(98, 100), Fraction(99, 100))
    assert after == before.model_copy(update={"availability": Fraction(99, 100)})
    assert at(contract, instant("2026-08-01T00:00:00Z")).amendments == ()


def test_amendments_add_up() -> None:
    contract = _with("[{from: 2026-07-01, sla: {availability: 99 %}}, {from: 2026-08-01, sla: {unknown: up}}]")
    latest = _sla(at(contract, instant("2026-09-01T00:00:00Z")))
    assert (latest.availability, latest.unknown) == (Fraction(99, 100), "up")


@pytest.mark.parametrize(
    ("start", "label", "percent"),
    [
        ("2026-07-01", "2026-06", 98),
        ("2026-07-01", "2026-07", 99),
        ("2026-07-02", "2026-07", 98),
        ("2026-07-02", "2026-08", 99),
        ("2026-07-01T00:00:00Z", "2026-07", 98),
        ("2026-06-30T17:00:00Z", "2026-07", 99),
    ],
)
def test_it_takes_effect_with_the_first_period_that_begins_on_or_after_its_date(
    start: str, label: str, percent: int
) -> None:
    contract = _with(f"[{{from: {start}, sla: {{availability: 99 %}}}}]")
    period = named(_sla(contract).period, label)
    assert _sla(for_period(contract, period)).availability == Fraction(percent, 100)


def test_a_formula_is_replaced_as_a_whole() -> None:
    contract = _with("[{from: 2026-07-01, sla: {credit: {formula: {percent: 5, per: started-hour}}}}]")
    credit = _sla(at(contract, instant("2026-07-02T00:00:00Z"))).credit
    assert credit is not None
    assert type(credit.formula).__name__ == "PerHour"
    assert credit.cap.per_period == 1


def test_none_takes_away_what_was_agreed() -> None:
    contract = _with("[{from: 2026-07-01, sla: {maintenance: none, credit: {cap: none}}}]")
    sla = _sla(at(contract, instant("2026-07-02T00:00:00Z")))
    assert sla.maintenance is None
    assert sla.credit is not None
    assert sla.credit.cap.per_period is None


def test_another_target_replaces_the_old_one_and_the_same_kind_is_merged() -> None:
    moved = at(_with("[{from: 2026-07-01, target: {kind: saas}}]"), instant("2026-07-02T00:00:00Z"))
    port = at(_with("[{from: 2026-07-01, target: {port: 2222}}]"), instant("2026-07-02T00:00:00Z"))
    assert moved.target.kind == "saas"
    assert port.target.kind == "webhost"
    assert (port.target.host, port.target.port) == ("web.example", 2222)


def test_python_amends_with_whole_sections() -> None:
    base = contract_of(HEAD + SLA)
    changed = _sla(base).model_copy(update={"unknown": "up"})
    amendment = Amendment(start=moment("2026-07-01"), sla=changed)
    contract = base.model_copy(update={"amendments": (amendment,)})
    assert amendment.start == Moment(day=moment("2026-07-01").day)
    assert _sla(at(contract, instant("2026-07-02T00:00:00Z"))).unknown == "up"


def test_a_digest_is_of_what_a_settlement_depends_on() -> None:
    base = contract_of(HEAD + SLA)
    period = named(_sla(base).period, "2026-03")
    digest = terms_digest(base, period)
    same = [
        SLA.replace("98 %", "98.0%"),
        SLA.replace("of: excess", "of: excess ").replace("48 h", "2 days"),
        SLA.replace("  availability", "  unknown: leave-out\n  availability"),
        SLA.replace("accepted: 2026-01-01", "accepted: 2026-01-01, lasts: 2 years"),
        SLA.replace("account: acme", "account: other"),
        SLA + "amendments: [{from: 2026-07-01, sla: {availability: 99 %}}]\n",
    ]
    other = [
        SLA.replace("98 %", "98.1 %"),
        SLA.replace("of: excess", "of: downtime"),
        SLA.replace("1200000", "1200001"),
        SLA.replace("accepted: 2026-01-01", "accepted: 2026-03-02"),
        SLA.replace("accepted: 2026-01-01", "accepted: 2026-01-01, lasts: 80 days"),
        SLA.replace("Asia/Ho_Chi_Minh", "Asia/Tehran"),
        SLA + "monitor: {vantages: [a, b, c]}\n",
        SLA + "amendments: [{from: 2026-03-01, sla: {availability: 99 %}}]\n",
    ]
    assert [terms_digest(contract_of(HEAD + text), period) == digest for text in same] == [True] * len(same)
    assert [terms_digest(contract_of(HEAD + text), period) == digest for text in other] == [False] * len(other)
    assert digest.startswith("sha256:")
    assert terms_digest(base, named(_sla(base).period, "2026-04")) != digest


def test_the_canonical_form_with_amendments_says_the_same() -> None:
    contract = _with("[{from: 2026-07-01, sla: {availability: 99 %}, licence: {users: 25}}]")
    again = contract_of(canonical(contract).decode())
    assert again == contract
