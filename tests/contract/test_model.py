"""The types themselves: frozen, exact, by Python's names in Python and by kebab-case keys in files."""

import subprocess
import sys
from fractions import Fraction

import pytest
from pydantic import ValidationError

from contract.amend import canonical
from contract.model import Contract, CyclePeriod, Maintenance, Monitor, MonthPeriod, Multiplier, Sla
from contract.parse import parse
from tests.support.contracts import HEAD, contract_of


def test_python_gives_exact_values_by_name() -> None:
    period = MonthPeriod(calendar="jalali", timezone="Asia/Tehran")
    made = Sla(availability=Fraction(98, 100), period=period, ignore_shorter_than=0)
    assert made.availability == Fraction(49, 50)
    assert made.period is period
    assert made.minimum_coverage == Fraction(9, 10)
    assert CyclePeriod(every=1, start=0).timezone == "UTC"


def test_python_cannot_make_what_a_file_could_not_say() -> None:
    with pytest.raises(ValidationError):
        Sla(availability=Fraction(101, 100), period=MonthPeriod(timezone="UTC"))
    with pytest.raises(ValidationError):
        Maintenance(notice=-1)
    with pytest.raises(ValidationError):
        Multiplier(multiplier=0.5)


def test_values_are_frozen_and_can_be_compared_and_hashed() -> None:
    one, other = MonthPeriod(timezone="UTC"), MonthPeriod(timezone="UTC")
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(ValidationError):
        one.timezone = "Asia/Tehran"  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_the_quorum_is_more_than_half_where_nothing_is_said(count: int, quorum: int) -> None:
    assert Monitor(vantages=tuple(f"v{number}" for number in range(count))).quorum == quorum


def test_an_answer_is_waited_for_no_longer_than_the_interval_where_nothing_is_said() -> None:
    assert Monitor().timeout == 10_000_000
    assert Monitor(interval=1_000_000).timeout == 1_000_000
    assert contract_of(HEAD + "monitor: {interval: 2 s}\n").monitor.timeout == 2_000_000


def test_the_whole_grammar_of_the_sla() -> None:
    text = HEAD + (
        "sla:\n"
        "  availability: 99.9 %\n"
        "  period: {every: 30 days, from: 2026-02-01T00:00:00+07:00}\n"
        '  hours: "Mon-Fri 08:00-18:00"\n'
        "  ignore-shorter-than: 3 min\n"
        "  unknown: leave-out\n"
        "  bridge-unknown: 5 min\n"
        "  minimum-coverage: 90 %\n"
        "  maintenance: {notice: 48 h, at-most: 4 h}\n"
        "  exclude-from: both\n"
        "  credit:\n"
        "    unit: service-time\n"
        "    formula: {multiplier: 3, of: excess}\n"
        "    prorate: second\n"
        "    cap: {per-outage: 24 h, per-period: 100 %}\n"
        "    round: half-up\n"
        "    minimum: 60 s\n"
    )
    sla = contract_of(text).sla
    assert sla is not None
    assert sla.credit is not None
    assert sla.period == CyclePeriod(every=2_592_000_000_000, start=1_769_878_800_000_000, timezone="UTC+07:00")
    assert (sla.ignore_shorter_than, sla.bridge_unknown) == (180_000_000, 300_000_000)
    assert sla.maintenance == Maintenance(notice=172_800_000_000, at_most=14_400_000_000)
    assert sla.exclude_from == "both"
    assert sla.credit.formula == Multiplier(multiplier=Fraction(3), of="excess")
    assert (sla.credit.cap.per_outage, sla.credit.cap.per_period) == (86_400_000_000, Fraction(1))
    assert sla.credit.minimum == 60_000_000


@pytest.mark.parametrize(
    ("formula", "kind"),
    [
        ("{multiplier: 3}", "Multiplier"),
        ("{tiers: [{below: 99 %, percent: 10}, {below: 95 %, percent: 30 %}]}", "Tiers"),
        ("{percent: 5, per: started-hour, of: excess}", "PerHour"),
        ("{percent: 2, per-point-short: started}", "PerPoint"),
    ],
)
def test_a_formula_is_known_by_its_keys(formula: str, kind: str) -> None:
    credit = f"{{unit: service-time, formula: {formula}}}"
    text = f"{HEAD}sla: {{availability: 99 %, period: {{every: month, timezone: UTC}}, credit: {credit}}}\n"
    found = contract_of(text).sla
    assert found is not None
    assert found.credit is not None
    assert type(found.credit.formula).__name__ == kind


def test_scalars_mean_what_they_look_like() -> None:
    text = (
        HEAD.replace("ACME Co.", "1e3").replace("language: vi", "language: no") + "monitor: {expect: {body: 08:00}}\n"
    )
    contract = contract_of(text)
    assert (contract.customer.name, contract.customer.language, contract.monitor.expect.body) == ("1e3", "no", "08:00")


def test_the_sla_s_holidays_are_its_own_or_else_the_support_s() -> None:
    sla = 'sla: {availability: 99 %, period: {every: month, timezone: UTC}, hours: "Mon-Fri 08:00-18:00"EXTRA}\n'
    shared = contract_of(HEAD + sla.replace("EXTRA", "") + "support: {holidays: VN}\n").sla_holidays
    own = contract_of(HEAD + sla.replace("EXTRA", ", holidays: IR") + "support: {holidays: VN}\n").sla_holidays
    none = contract_of(HEAD + sla.replace("EXTRA", ", holidays: none") + "support: {holidays: VN}\n").sla_holidays
    assert shared is not None
    assert own is not None
    assert none is not None
    assert (shared.country, own.country, none.country) == ("VN", "IR", None)


def test_the_canonical_form_is_a_contract_file_that_says_the_same() -> None:
    text = HEAD + "sla: {availability: 99.9 %, period: {every: 30 days, from: 2026-02-01T00:00:00+07:00}}\n"
    text += "support: {complaint: 72 h, ticket-answer: 5 working-hours, holidays: {country: VN, add: [2026-12-24]}}\n"
    contract = contract_of(text)
    again = parse(canonical(contract), "acme.yaml")
    assert again.contract == contract
    assert isinstance(again.contract, Contract)


def test_a_check_loads_nothing_that_it_does_not_need() -> None:
    code = "import sys, contract.parse; print({'holidays', 'jdatetime', 'babel', 'click'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"
