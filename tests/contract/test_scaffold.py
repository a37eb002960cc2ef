"""A first contract file: without mistakes, with comments, and whatever key it is told."""

import pytest

from contract.model import CyclePeriod, MonthPeriod
from contract.parse import parse
from contract.scaffold import BadOption, Options, scaffold
from tests.support.contracts import contract_of


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(target="lan", host="192.0.2.10", user="deploy", port=2222),
        Options(target="cloud", host="docker.example"),
        Options(target="saas", version=""),
        Options(period="jalali", timezone="Asia/Tehran", language="fa", customer="شرکت سپهر"),
        Options(customer='A "quoted": #name', recipe="creme"),
        Options(listen="127.0.0.1:8000", document_root="public_html", url="http://127.0.0.1:8000/"),
    ],
)
def test_it_has_no_mistake(options: Options) -> None:
    contract = contract_of(scaffold("acme", options))
    assert contract.id == "acme"
    assert contract.target.kind == options.target
    assert contract.customer.name == (options.customer or "acme")


def test_a_first_file_has_no_warning_either_and_names_its_schema() -> None:
    text = scaffold("acme")
    assert parse(text.encode(), "acme.yaml").problems == ()
    assert text.startswith("# yaml-language-server: $schema=contract.schema.json\n")
    assert "# The share of a period's base that the service is up" in text


def test_it_is_the_same_for_the_same_options() -> None:
    assert scaffold("acme", Options(user="x")) == scaffold("acme", Options(user="x"))


def test_any_key_can_be_set() -> None:
    sets = (
        ("sla.period.every", "40 s"),
        ("sla.period.from", "2026-11-01T00:00:00Z"),
        ("monitor.interval", "1 s"),
        ("monitor.timeout", "1 s"),
        ("monitor.vantages", "[a, b, c]"),
        ("monitor.expect.body", "Sign in: now"),
        ("term.signed", "2026-01-01"),
        ("customer.contacts.0.role", "operations"),
        ("customer.contacts.0.email", "it@acme.example"),
        ("sla.credit.formula.percent", "5"),
        ("sla.credit.formula.per", "started-hour"),
        ("billing.fee", "{amount: 10.00 USD, every: period}"),
    )
    contract = contract_of(scaffold("acme", Options(sets=sets)))
    assert contract.sla is not None
    assert isinstance(contract.sla.period, CyclePeriod)
    assert contract.sla.period.every == 40_000_000
    assert contract.monitor.vantages == ("a", "b", "c")
    assert contract.monitor.expect.body == "Sign in: now"
    assert contract.customer.contacts[0].email == "it@acme.example"
    assert contract.billing is not None
    assert contract.billing.fee is not None
    assert contract.billing.fee.every == "period"


def test_a_calendar_can_be_set_without_losing_the_month() -> None:
    sets = (("sla.period.calendar", "jalali"), ("sla.period.timezone", "Asia/Tehran"))
    contract = contract_of(scaffold("acme", Options(sets=sets)))
    assert contract.sla is not None
    assert contract.sla.period == MonthPeriod(calendar="jalali", timezone="Asia/Tehran")


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (
            "sla.availabilty",
            "1 %",
            "sla.availabilty: found the unknown key 'availabilty'; did you mean 'availability'?",
        ),
        (
            "sla.availability",
            "101 %",
            "sla.availability: found '101 %'; write a percentage of more than 0 % and at most 100 %",
        ),
        ("contract.x", "1", "contract.x: nothing lies below a text: write the path of a key, as in sla.availability"),
        (
            "sla.availability.x",
            "1",
            "sla.availability.x: nothing lies below a text: write the path of a key, as in sla.availability",
        ),
        ("", "1", "(nothing): write the path of a key, as in sla.availability"),
        ("monitor.vantages.0", "a", None),
        (
            "customer.contacts.3.role",
            "x",
            "customer.contacts.3.role: there is no place '3': count a list's items from 0, without gaps",
        ),
    ],
)
def test_a_bad_setting_is_named(path: str, value: str, says: str | None) -> None:
    options = Options(sets=((path, value),))
    if says is None:
        assert contract_of(scaffold("acme", options)).monitor.vantages == ("a",)
        return
    with pytest.raises(BadOption) as refused:
        scaffold("acme", options)
    assert str(refused.value) == says


def test_a_value_that_is_no_yaml_is_named() -> None:
    with pytest.raises(BadOption, match=r"^monitor\.vantages=\[a: found YAML that cannot be read"):
        scaffold("acme", Options(sets=(("monitor.vantages", "[a"),)))


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadOption, match="contract: found 'templates'; choose another name"):
        scaffold("templates")
