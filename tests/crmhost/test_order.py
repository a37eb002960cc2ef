"""A kept order is used only while it is still what the contract says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from contract.model import Micros
from contract.moment import instant
from crm.errors import CrmhostError, Refused
from crmhost.fleet import Fleet
from crmhost.order import read_order
from tests.crmhost.conftest import Crmhost

NOW: Micros = instant("2026-06-01T00:00:00Z")


@pytest.fixture
def fleet(crmhost: Crmhost, folder: Path) -> Fleet:
    made = crmhost(
        *("init", "acme", "--host", "web1.example", "--user", "acme", "--listen", "127.0.0.1:8100"),
        *("--url", "https://crm.acme.example/", "--set", "term.signed=2026-01-10"),
    )
    assert made.code == 0, made.err
    return Fleet(folder, dict(os.environ))


def edit(fleet: Fleet, old: str, new: str) -> None:
    path = fleet.contract_file("acme")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def again(fleet: Fleet) -> Fleet:
    """The same fleet as the next command sees it."""
    return Fleet(fleet.folder, fleet.environment)


def test_the_second_reading_is_the_first_and_reads_no_contract(fleet: Fleet) -> None:
    first = read_order(fleet, "acme", NOW)
    kept = fleet.state / "orders" / "acme.json"
    body = json.loads(kept.read_text())
    body["order"]["slots"]["email"] = "marked@acme.example"
    kept.write_text(json.dumps(body))
    order, access = read_order(again(fleet), "acme", NOW)
    assert order.slots["email"] == "marked@acme.example", "it came from what was kept"
    assert (order.host, access) == (first[0].host, first[1])
    assert kept.stat().st_mode & 0o777 == 0o600


def test_an_edit_of_the_contract_or_the_settings_is_seen_at_once(fleet: Fleet) -> None:
    read_order(fleet, "acme", NOW)
    edit(fleet, "host: web1.example", "host: web2.example")
    assert read_order(again(fleet), "acme", NOW)[0].host == "web2.example"
    with fleet.settings_file.open("a") as file:
        file.write("ssh: {key: /keys/deploy}\n")
    assert read_order(again(fleet), "acme", NOW)[1].key_file == "/keys/deploy"


def test_a_mistake_is_named_though_an_order_is_kept(fleet: Fleet) -> None:
    read_order(fleet, "acme", NOW)
    edit(fleet, "99.9 %", "101 %")
    with pytest.raises(CrmhostError, match=r"contracts/acme\.yaml:\d+: sla\.availability"):
        read_order(again(fleet), "acme", NOW)


def test_an_amendment_takes_effect_on_its_day(fleet: Fleet) -> None:
    with fleet.contract_file("acme").open("a") as file:
        file.write("amendments: [{from: 2026-07-01, target: {host: web9.example}}]\n")
    assert read_order(fleet, "acme", NOW)[0].host == "web1.example"
    assert read_order(again(fleet), "acme", instant("2026-06-30T23:59:59Z"))[0].host == "web1.example"
    assert read_order(again(fleet), "acme", instant("2026-07-01T00:00:00Z"))[0].host == "web9.example"


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"digest": 1}', "null"])
def test_rubbish_in_its_place_is_passed_over(fleet: Fleet, rubbish: str) -> None:
    first = read_order(fleet, "acme", NOW)
    (fleet.state / "orders" / "acme.json").write_text(rubbish)
    assert read_order(again(fleet), "acme", NOW) == first


def test_nothing_is_ordered_before_the_day_of_signature(fleet: Fleet) -> None:
    with pytest.raises(Refused, match=r"term\.signed: 2026-01-10T00:00:00.*lies in the future"):
        read_order(fleet, "acme", instant("2026-01-09T23:59:59Z"))
    assert not (fleet.state / "orders" / "acme.json").exists()
    assert read_order(fleet, "acme", instant("2026-01-10T00:00:00Z"))[0].contract == "acme"
