"""The scalars of a contract file: golden cases, and that what is written is read again exactly."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from babel.core import get_global
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from contract.duration import (
    LONGEST,
    CalendarDuration,
    WorkingDuration,
    answer_time,
    duration,
    duration_text,
    length,
    length_text,
)
from contract.moment import FIRST_DAY, LAST_DAY, instant, instant_text, moment, moment_text, short_text, zone
from contract.money import CURRENCIES, Money, exponent, money, money_text, rounded
from contract.ratio import decimal_text, factor, percent, percent_text, share
from contract.scalar import docker_url, hop, http_path, url
from tests.support.contracts import golden

CASES = Path(__file__).parent / "cases"
LENGTHS, RATIOS, MONEY = (golden(CASES / f"{name}.yaml") for name in ("lengths", "ratios", "money"))
MODES = ("half-up", "half-even", "up", "down")
INSTANTS = st.integers(-631_152_000_000_000, 4_102_444_799_999_999)
unhurried = settings(deadline=None)  # a loaded machine is slow, not wrong


@pytest.mark.parametrize("case", LENGTHS["exact"], ids=lambda case: case["text"])
def test_an_exact_length(case: dict[str, str]) -> None:
    assert duration(case["text"]) == int(case["micros"])
    assert duration_text(int(case["micros"])) == case["canonical"]


@pytest.mark.parametrize("case", LENGTHS["calendar"], ids=lambda case: case["text"])
def test_a_length_of_a_calendar(case: dict[str, str]) -> None:
    found = length(case["text"])
    assert isinstance(found, CalendarDuration)
    assert (found.count, found.unit) == (int(case["count"]), case["unit"])
    assert length(length_text(found)) == found


@pytest.mark.parametrize("case", LENGTHS["working"], ids=lambda case: case["text"])
def test_a_length_of_working_hours(case: dict[str, str]) -> None:
    assert answer_time(case["text"]) == WorkingDuration(int(case["micros"]))
    assert length_text(WorkingDuration(int(case["micros"]))) == case["canonical"]


@pytest.mark.parametrize("case", RATIOS["shares"], ids=lambda case: case["text"])
def test_a_share(case: dict[str, str]) -> None:
    assert share(case["text"]) == Fraction(case["ratio"])
    assert percent_text(Fraction(case["ratio"])) == case["canonical"]


@pytest.mark.parametrize("case", RATIOS["percents"], ids=lambda case: case["text"])
def test_a_percentage(case: dict[str, str]) -> None:
    assert percent(case["text"]) == Fraction(case["ratio"])


@pytest.mark.parametrize("case", RATIOS["factors"], ids=lambda case: case["text"])
def test_a_factor(case: dict[str, str]) -> None:
    assert factor(case["text"]) == Fraction(case["ratio"])


@pytest.mark.parametrize("case", MONEY["amounts"], ids=lambda case: case["text"])
def test_an_amount(case: dict[str, str]) -> None:
    found = Money(Decimal(case["amount"]), case["currency"])
    assert money(case["text"]) == found
    assert money_text(found) == case["canonical"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", MONEY["roundings"], ids=lambda case: f"{case['exact']} {case['currency']}")
def test_money_is_rounded_once_in_the_mode_of_the_contract(case: dict[str, str], mode: str) -> None:
    assert money_text(rounded(Fraction(case["exact"]), case["currency"], mode)) == case[mode]  # type: ignore[arg-type]  # one of MODES


def test_money_below_zero_is_rounded_away_from_zero_or_towards_it() -> None:
    assert rounded(Fraction(-5, 2), "VND", "up") == Money(Decimal(-3), "VND")
    assert rounded(Fraction(-5, 2), "VND", "down") == Money(Decimal(-2), "VND")


@unhurried
@given(st.integers(0, LONGEST))
def test_any_length_can_be_written_and_read_again(micros: int) -> None:
    assert duration(duration_text(micros)) == micros


@unhurried
@given(st.fractions(min_value=0, max_value=1, max_denominator=10**6).filter(bool))
def test_a_ratio_as_decimal_is_exact_or_a_fraction(ratio: Fraction) -> None:
    assert Fraction(decimal_text(ratio)) == ratio


@unhurried
@given(st.integers(1, 10**9))
def test_any_share_of_seven_decimals_can_be_written_and_read_again(millionths: int) -> None:
    ratio = Fraction(millionths, 10**9)
    assert share(percent_text(ratio)) == ratio


@unhurried
@given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, 10**15))
def test_any_amount_can_be_written_and_read_again(currency: str, minor: int) -> None:
    found = Money(Decimal(minor).scaleb(-exponent(currency)), currency)
    assert money(money_text(found)) == found


@unhurried
@given(st.fractions(min_value=0, max_value=10**9), st.sampled_from(sorted(CURRENCIES)))
def test_roundings_enclose_the_exact_amount(amount: Fraction, currency: str) -> None:
    low, high = (Fraction(rounded(amount, currency, mode).amount) for mode in ("down", "up"))
    assert low <= amount <= high
    assert high - low in {0, Fraction(1, 10 ** exponent(currency))}
    assert Fraction(rounded(amount, currency, "half-even").amount) in {low, high}


@unhurried
@given(INSTANTS)
def test_any_instant_can_be_written_and_read_again(when: int) -> None:
    assert instant(instant_text(when)) == when
    assert instant(short_text(when)) == when


@unhurried
@given(st.dates(FIRST_DAY, LAST_DAY))
def test_any_date_can_be_written_and_read_again(day: date) -> None:
    assert moment_text(moment(str(day))) == str(day)


def test_an_offset_is_taken_away() -> None:
    assert instant("2026-02-01T00:00:00+07:00") == instant("2026-01-31T17:00:00Z")
    assert instant("2026-02-01 00:00-03:30") == instant("2026-02-01T03:30:00.000000Z")


def test_the_currencies_are_those_in_use_and_their_decimals_those_of_cldr_or_iso() -> None:
    """CLDR shows some currencies without the decimals that ISO 4217 gives them; nowhere does it show more."""
    digits = {code: entry[0] for code, entry in get_global("currency_fractions").items()}
    used = {
        code
        for entries in get_global("territory_currencies").values()
        for code, _, end, tender in entries
        if tender and not end
    }
    assert used <= CURRENCIES | {"BYR"}
    for code in used:
        assert digits.get(code, digits["DEFAULT"]) <= exponent(code)
    assert {code: exponent(code) for code in ("VND", "IRR", "CNY", "USD", "KWD")} == {
        "VND": 0,
        "IRR": 0,
        "CNY": 2,
        "USD": 2,
        "KWD": 3,
    }


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("https://CRM.acme.example", "https://crm.acme.example/"),
        ("HTTP://127.0.0.1:8000/crm", "http://127.0.0.1:8000/crm/"),
        ("http://[::1]:8000", "http://[::1]:8000/"),
    ],
)
def test_a_url_has_one_form(written: str, canonical: str) -> None:
    assert url(written) == canonical
    assert url(canonical) == canonical


@pytest.mark.parametrize(
    "written", ["https://", "https:///x", "javascript:alert(1)", "https://a b/", "https://x\\@y/", ""]
)
def test_what_is_no_url_is_refused(written: str) -> None:
    with pytest.raises(PydanticCustomError):
        url(written)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("ssh://deploy@docker.acme.example", "ssh://deploy@docker.acme.example"),
        ("ssh://192.0.2.10:2222/", "ssh://192.0.2.10:2222"),
        ("tcp://docker.acme.example:2376", "tcp://docker.acme.example:2376"),
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
    ],
)
def test_an_engine_has_one_address(written: str, canonical: str) -> None:
    assert docker_url(written) == canonical
    assert docker_url(canonical) == canonical


@pytest.mark.parametrize(
    "written",
    [
        *("unix://docker.sock", "unix://host/run/docker.sock", "/run/docker.sock", "http://docker.example", "ssh://"),
        *(
            "ssh://deploy:x@docker.example",
            "ssh://-oProxyCommand=x",
            "ssh://-x@docker.example",
            "ssh://docker.example/x",
        ),
    ],
)
def test_what_is_no_engine_is_refused(written: str) -> None:
    with pytest.raises(PydanticCustomError):
        docker_url(written)


@pytest.mark.parametrize("written", ["login", "//evil.example/", "/a b", "/#top"])
def test_what_is_no_path_is_refused(written: str) -> None:
    with pytest.raises(PydanticCustomError):
        http_path(written)


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "../UTC", "/etc/localtime", "UTC+7", "localtime", "right/UTC", "Asia", ""]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        zone(name)


@pytest.mark.parametrize(
    "written",
    ["bastion", "ops@bastion.acme.example", "ops@192.0.2.1:22", "ops@2001:db8::1", "ops@[2001:db8::1]:2222", "[::1]"],
)
def test_a_jump_host_is_kept_as_it_is_written(written: str) -> None:
    assert hop(f" {written} ") == written


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ops@",
        "@bastion",
        "ops@bastion:",
        "ops@bastion:0",
        "ops@[::1",
        "a b@bastion",
        "-x@bastion",
        "ops@-x",
        "a@b@c",
    ],
)
def test_what_is_no_jump_host_is_refused(written: str) -> None:
    with pytest.raises(PydanticCustomError, match="write a jump host as user@host or user@host:port"):
        hop(written)
