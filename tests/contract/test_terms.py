"""When a contract binds, and from when its SLA does."""

from pathlib import Path

import pytest

from contract.model import CyclePeriod, MonthPeriod, Term
from contract.moment import instant, moment
from contract.term import bounds, contract_year, signed_at, sla_begins
from tests.support.contracts import golden

CASES = golden(Path(__file__).parent / "cases" / "terms.yaml")["terms"]


def _or_none(text: str) -> int | None:
    return None if text == "-" else instant(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_term_has_its_instants(case: dict[str, str]) -> None:
    spec = MonthPeriod(timezone=case["timezone"])
    term = Term.model_validate({key: case[key] for key in ("accepted", "starts", "lasts") if key in case})
    assert bounds(term, spec) == (instant(case["from"]), _or_none(case["to"]))
    assert sla_begins(term, spec) == _or_none(case["sla"])


def test_a_term_without_dates_has_no_bounds() -> None:
    assert bounds(Term(), MonthPeriod(timezone="UTC")) is None
    assert signed_at(Term(), None) is None


def test_a_date_of_a_contract_with_cycles_is_read_where_its_first_cycle_begins() -> None:
    spec = CyclePeriod.model_validate({"every": "30 days", "from": "2026-02-01T00:00:00+07:00"})
    assert sla_begins(Term(accepted=moment("2026-02-01")), spec) == instant("2026-01-31T17:00:00Z")


def test_signed_is_the_first_instant_of_its_day() -> None:
    term = Term(signed=moment("2026-01-10"))
    assert signed_at(term, MonthPeriod(timezone="Asia/Tehran")) == instant("2026-01-09T20:30:00Z")
    assert signed_at(term, None) == instant("2026-01-10T00:00:00Z")


@pytest.mark.parametrize(
    ("when", "low", "high"),
    [
        ("2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("2027-01-31T23:59:59Z", "2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("2027-02-01T00:00:00Z", "2027-02-01T00:00:00Z", "2028-02-01T00:00:00Z"),
        ("2028-06-01T00:00:00Z", "2028-02-01T00:00:00Z", "2029-02-01T00:00:00Z"),
    ],
)
def test_a_contract_year_is_counted_from_the_term(when: str, low: str, high: str) -> None:
    term = Term.model_validate({"accepted": "2026-02-01", "lasts": "3 years"})
    assert contract_year(term, MonthPeriod(timezone="UTC"), instant(when)) == (instant(low), instant(high))


def test_a_jalali_contract_year_is_a_jalali_year() -> None:
    term = Term.model_validate({"accepted": "2026-03-21", "lasts": "1 jalali-year"})
    spec = MonthPeriod(calendar="jalali", timezone="Asia/Tehran")
    year = contract_year(term, spec, instant("2026-10-01T00:00:00Z"))
    assert year == (instant("2026-03-20T20:30:00Z"), instant("2027-03-20T20:30:00Z"))


@pytest.mark.parametrize("lasts", ["100 years", "1200 months", "100 jalali-years", "1200 jalali-months", "36525 days"])
@pytest.mark.parametrize("name", ["Pacific/Apia", "Asia/Tehran", "America/Havana"])
def test_the_latest_and_longest_term_still_ends(lasts: str, name: str) -> None:
    limits = bounds(Term.model_validate({"accepted": "2099-12-31", "lasts": lasts}), MonthPeriod(timezone=name))
    assert limits is not None
    assert limits[1] is not None
    assert 99.9 < (limits[1] - limits[0]) / (365.2425 * 86_400_000_000) < 100.1


def test_before_the_term_there_is_no_contract_year() -> None:
    term = Term.model_validate({"accepted": "2026-02-01"})
    assert contract_year(term, MonthPeriod(timezone="UTC"), instant("2026-01-31T00:00:00Z")) is None
