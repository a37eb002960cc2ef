"""What a contract says of its server becomes a certificate and a firewall; no server is reached here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.moment import instant
from crm.catalogue import find
from crm.errors import Refused
from crmhost.fleet import Fleet
from crmhost.lan import setup_of
from crmhost.lancertificate import AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY, authority, issue
from crmhost.order import read_order
from crmhost.target import Wish
from playbooks.lan.firewall import Asked
from tests.crmhost.conftest import Crmhost

NOW = datetime.now(UTC)
HOST = "crm.acme.lan"


@pytest.fixture
def fleet(crmhost: Crmhost, folder: Path) -> Fleet:
    made = crmhost(
        *("init", "acme", "--target", "lan", "--host", "192.0.2.10", "--user", "deploy"),
        *("--url", f"https://{HOST}/", "--set", "term.signed=2026-01-10"),
    )
    assert made.code == 0, made.err
    return Fleet(folder, dict(os.environ))


def wish(fleet: Fleet, edits: Mapping[str, str] | None = None, *, make: bool = True) -> Wish:
    """Return what a deploy of acme asks for, once its contract is edited."""
    path = fleet.contract_file("acme")
    for old, new in (edits or {}).items():
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    order, access = read_order(fleet, "acme", instant("2026-06-01T00:00:00Z"))
    return Wish(fleet, order, access, find("creme"), lambda _: None, make, False)


def test_a_plan_makes_a_certificate_for_the_moment_and_stores_nothing(fleet: Fleet) -> None:
    setup = setup_of(wish(fleet, make=False), NOW)
    assert setup.certificate is not None
    assert setup.certificate.authority is not None
    assert setup.asked == Asked(22, (80, 443))
    assert fleet.vault.get("acme", CERTIFICATE) is None


def test_a_deploy_keeps_what_it_made_until_it_ends_soon(fleet: Fleet) -> None:
    first = setup_of(wish(fleet), NOW)
    assert setup_of(wish(fleet), NOW) == first
    assert {name for owner, name in fleet.vault.names() if owner == "acme"} == {
        AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY,
    }  # fmt: skip
    later = setup_of(wish(fleet), NOW + timedelta(days=380))
    assert first.certificate is not None
    assert later.certificate is not None
    assert later.certificate.chain != first.certificate.chain
    assert later.certificate.authority == first.certificate.authority, "devices trust it already"
    assert setup_of(wish(fleet), NOW + timedelta(days=380)) == later


def test_another_host_gets_another_authority_since_the_old_one_may_not_sign_for_it(fleet: Fleet) -> None:
    first = setup_of(wish(fleet), NOW).certificate
    second = setup_of(wish(fleet, {HOST: "neu.acme.lan"}), NOW).certificate
    assert first is not None
    assert second is not None
    assert second.authority != first.authority


def test_a_certificate_of_the_customer_s_own_comes_from_the_fleet_s_secrets(fleet: Fleet) -> None:
    asked = wish(fleet, {"user: deploy": "user: deploy\n  tls: own"})
    with pytest.raises(Refused, match="tls: own, and the fleet has no secret tls-certificate of acme"):
        setup_of(asked, NOW)
    pair = issue(authority(HOST, NOW), HOST, NOW)
    fleet.vault.set("acme", CERTIFICATE, pair.certificate)
    with pytest.raises(Refused, match="has no secret tls-key of acme"):
        setup_of(asked, NOW)
    fleet.vault.set("acme", KEY, pair.key)
    setup = setup_of(asked, NOW)
    assert setup.certificate is not None
    assert (setup.certificate.chain, setup.certificate.authority, setup.key) == (pair.certificate, None, pair.key)
    assert pair.key not in repr(setup)


def test_a_firewall_and_a_url_without_tls_are_what_the_contract_says(fleet: Fleet) -> None:
    wall = "user: deploy\n  firewall: {ssh-from: [192.0.2.0/24], web-from: [10.0.0.0/8]}\n  port: 2222"
    setup = setup_of(wish(fleet, {"user: deploy": wall, "https://": "http://"}), NOW)
    assert setup.certificate is None
    assert setup.asked == Asked(2222, (80,), ("192.0.2.0/24",), ("10.0.0.0/8",), asks=True)
