"""What a contract says of its server becomes a certificate and a firewall; no server is reached here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.authority import LETS_ENCRYPT
from contract.moment import instant
from crm.catalogue import find
from crm.errors import CrmhostError, Refused
from crmhost.backup.scratch import copy_of
from crmhost.fleet import Fleet
from crmhost.lan import door_of
from crmhost.lan import setup_of as made_up
from crmhost.lancertificate import AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY, authority, issue
from crmhost.order import read_order
from crmhost.target import Wish
from playbooks.lan.acme import Acme
from playbooks.lan.firewall import Asked, together
from playbooks.lan.server import Setup
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


def setup_of(asked: Wish, now: datetime) -> Setup:
    """Return what the contract says of its server, as a deploy has it that goes on to store what it made."""
    fresh = asked.fresh()
    setup = made_up(asked, now, fresh)
    if asked.make_secrets:
        fresh.store()
    return setup


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


def test_an_acme_authority_is_asked_as_the_contract_says(fleet: Fleet) -> None:
    setup = setup_of(wish(fleet, {"user: deploy": "user: deploy\n  tls: acme"}), NOW)
    assert setup == Setup(Asked(22, (80, 443)), acme=Acme(LETS_ENCRYPT, HOST))
    contact = (
        "name: ACME Co.\n  contacts: [{role: billing, email: a@b.example}, {role: operations, email: it@acme.lan}]"
    )
    text = re.sub("name: .*", contact, fleet.contract_file("acme").read_text(), count=1)
    fleet.contract_file("acme").write_text(text)
    chosen = "tls: acme\n  acme: {directory: https://ca.acme.lan/dir, root: authorities/acme.pem}"
    asked = wish(fleet, {"tls: acme": chosen, f"https://{HOST}/": f"https://{HOST}:8443/"})
    with pytest.raises(CrmhostError, match=r"authorities/acme\.pem: cannot be read"):
        setup_of(asked, NOW)
    root = fleet.folder / "authorities" / "acme.pem"
    root.parent.mkdir()
    root.write_text("none")
    with pytest.raises(Refused, match=r"target\.acme\.root: authorities/acme\.pem holds no certificate as PEM"):
        setup_of(asked, NOW)
    authorities = authority(HOST, NOW).certificate + authority(HOST, NOW).certificate
    root.write_text(f"comment\n{authorities}")
    setup = setup_of(asked, NOW)
    assert setup == Setup(Asked(22, (80, 8443)), acme=Acme("https://ca.acme.lan/dir", HOST, "it@acme.lan", authorities))
    assert door_of(fleet, fleet.contract("acme")).authority == authorities


def test_a_firewall_and_a_url_without_tls_are_what_the_contract_says(fleet: Fleet) -> None:
    wall = "user: deploy\n  firewall: {ssh-from: [192.0.2.0/24], web-from: [10.0.0.0/8]}\n  port: 2222"
    setup = setup_of(wish(fleet, {"user: deploy": wall, "https://": "http://"}), NOW)
    assert setup.certificate is None
    assert setup.asked == Asked(2222, (80,), ("192.0.2.0/24",), ("10.0.0.0/8",), asks=True)


def test_a_copy_leaves_the_firewall_as_it_is(fleet: Fleet) -> None:
    wall = "user: deploy\n  firewall: {ssh-from: [192.0.2.0/24], web-from: [10.0.0.0/8]}"
    asked = wish(fleet, {"user: deploy": wall})
    copy = setup_of(replace(asked, order=copy_of(asked.order, "2.8.6")), NOW)
    assert copy.asked == Asked(22, ())
    assert copy.certificate is None
    contract = setup_of(asked, NOW).asked
    assert together((contract, copy.asked)) == together((contract,))
    assert together((copy.asked,)) is None
