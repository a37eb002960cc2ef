"""Opening the target of a contract on a server with sudo: its certificate, its driver, and how its URL is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crm.errors import Refused
from crmhost import lanacme
from crmhost.lancertificate import (
    AUTHORITY,
    AUTHORITY_KEY,
    CERTIFICATE,
    KEY,
    Pair,
    authority,
    checked,
    issue,
    renewed,
)
from crmhost.target import Accept, Target, Wish, backups_of, who

if TYPE_CHECKING:
    from contract.model import Contact, Contract
    from contract.target import Lan
    from crmhost.bundle.opening import Opened
    from crmhost.door import Door
    from crmhost.fleet import Fleet
    from crmhost.fresh import Fresh
    from playbooks.lan.driver import LanDriver
    from playbooks.lan.firewall import Asked
    from playbooks.lan.server import Setup
    from playbooks.lan.sites import Address


def said(target: Lan, contacts: tuple[Contact, ...] = ()) -> str:
    """Return what a contract says of its server besides how it is reached, as an order keeps it."""
    wall = target.firewall
    firewall = None if wall is None else {"ssh": wall.ssh_from, "web": wall.web_from}
    acme = lanacme.said(target, contacts)
    more = {} if acme is None else {"acme": acme}
    return json.dumps({"tls": target.tls, "firewall": firewall, **more}, sort_keys=True)


@contextmanager
def open_lan(wish: Wish, accept: Accept, bundle: Opened | None = None) -> Iterator[Target]:
    """Give the target, connected as root. bundle: everything is installed from it, and from nothing else."""
    order = wish.order
    opening = wish.opening(accept, root=True)
    try:
        # The server does its half of the handshake while this half of the work is done.
        from crmhost.question import question
        from playbooks.course import Patience
        from playbooks.lan.driver import LanDriver
        from playbooks.lan.sites import Address

        fresh = wish.fresh()
        want = wish.want(fresh)
        setup = setup_of(wish, datetime.fromtimestamp(time.time(), UTC), fresh)
        patience = None if wish.patience is None else Patience(wish.patience)
        host = opening.host()
        if bundle is not None:
            bundle.refuse_want(want)
            bundle.refuse_host(host, want)
            setup = replace(setup, offline=bundle.offline())
        driver = LanDriver(host, order.contract, setup, who=who(), progress=wish.progress, patience=patience)
        yield Target(
            driver,
            want,
            wish.progress,
            entrance=lambda: _entrance(driver, Address.of(want.slots["url"]).port, _trusted(setup)),
            backups=lambda: backups_of(wish, want),
            public=lambda asked: driver.ask_site(asked, question(asked)),
            fresh=fresh if wish.make_secrets else None,
        )
    finally:
        opening.close()


def door_of(fleet: Fleet, contract: Contract) -> Door:
    """Return how a site on a server is reached from here: at the server's own address.

    Where crmhost made an authority for the site, or the contract names one by its certificate, that alone is believed.
    """
    from contract.model import Lan
    from crmhost.door import STREET, Door
    from playbooks.lan.sites import Address

    target = contract.target
    if not isinstance(target, Lan):
        return STREET
    address = Address.of(contract.crm.url)
    return Door((target.host, address.port), _believed(fleet, contract.id, target) if address.secure else None)


def _believed(fleet: Fleet, contract: str, target: Lan) -> str | None:
    if target.tls == "internal":
        return fleet.vault.get(contract, AUTHORITY)
    if target.tls == "acme" and target.acme is not None and target.acme.root is not None:
        return lanacme.root_of(fleet.folder, contract, target.acme.root)
    return None


@contextmanager
def _entrance(driver: LanDriver, port: int, authority: str | None) -> Iterator[Door]:
    from crmhost.door import Door

    with driver.entrance(port) as here:
        yield Door(here, authority)


def setup_of(wish: Wish, now: datetime, fresh: Fresh) -> Setup:
    """Return what the contract says of its server; its certificate is made, or made anew, where that is due.

    A copy that nobody outside the server reaches has no certificate, and asks for no port (`opens`). Raises Refused for
    a certificate of the customer's own that browsers would not believe.
    """
    from playbooks.lan.firewall import Asked
    from playbooks.lan.server import Setup
    from playbooks.lan.sites import Address, Certificate

    raw = json.loads(wish.order.lan)
    address = Address.of(wish.order.slots["url"])
    port = wish.order.port or 22
    if not raw.get("opens", True):
        return Setup(Asked(port, ()))
    asked = _asked(raw["firewall"], port, address, acme=raw["tls"] == "acme")
    if not address.secure:
        return Setup(asked)
    if raw["tls"] == "acme":
        chosen = lanacme.acme_of(wish.fleet.folder, wish.order.file, address.host, raw["acme"])
        return Setup(asked, acme=chosen)
    if raw["tls"] == "own":
        pair = own(wish, address.host, now)
        return Setup(asked, Certificate(pair.certificate), pair.key)
    made, root = internal(wish, address.host, now, fresh)
    return Setup(asked, Certificate(made.certificate, root), made.key)


def own(wish: Wish, host: str, now: datetime) -> Pair:
    """Return the certificate that the customer has; raises Refused where it is missing or would not be believed."""
    vault, contract = wish.vault(), wish.order.contract
    found = [vault.get(contract, name) for name in (CERTIFICATE, KEY)]
    if found[0] is None or found[1] is None:
        missing = CERTIFICATE if found[0] is None else KEY
        raise Refused(
            f"{wish.order.file}: target.tls: own, and the fleet has no secret {missing} of {contract}",
            f"Store it as PEM, a certificate with all between it and its authority: crmhost secrets set {contract}"
            f" {missing} < FILE",
        )
    return checked(Pair(found[0], found[1]), host, now, f"{contract}: its certificate")


def internal(wish: Wish, host: str, now: datetime, fresh: Fresh) -> tuple[Pair, str]:
    """Return the site's certificate and that of the authority which signed it; both are made where they are missing.

    The authority is this customer's alone, and may sign for nothing but the host of the URL: a device that trusts it
    trusts it with no other site.
    """
    vault, contract = wish.vault(), wish.order.contract
    names = (AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY)
    before = {name: vault.get(contract, name) for name in names}
    kept = dict(before)
    root = Pair.of(kept[AUTHORITY], kept[AUTHORITY_KEY])
    if root is None or renewed(root, host, now):
        root, kept[CERTIFICATE] = authority(host, now), None
    site = Pair.of(kept[CERTIFICATE], kept[KEY])
    if site is None or renewed(site, host, now):
        site = issue(root, host, now)
    texts = (root.certificate, root.key, site.certificate, site.key)
    for name, text in zip(names, texts, strict=True):
        if before[name] != text:
            fresh.add(name, text, lacking=name in (AUTHORITY, AUTHORITY_KEY) and before[name] is None)
    return site, root.certificate


def _trusted(setup: Setup) -> str | None:
    """Return the authority that signed the site's certificate, where it is not one that everybody believes."""
    return None if setup.secured is None else setup.secured.authority


def _asked(firewall: dict[str, list[str]] | None, ssh: int, address: Address, *, acme: bool) -> Asked:
    from playbooks.lan.firewall import Asked

    web = (80, address.port) if address.secure and (acme or address.port == 443) else (address.port,)
    if firewall is None:
        return Asked(ssh, web)
    return Asked(ssh, web, tuple(firewall["ssh"]), tuple(firewall["web"]), asks=True)
