"""`crmhost login`: proof, over HTTP, that the customer's administrator can log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, contract_name, examples, open_fleet, quiet
from crmhost.output import json_line

if TYPE_CHECKING:
    from contract.model import Contract
    from crmhost.door import Door
    from crmhost.fleet import Fleet


@click.command(epilog=examples("crmhost login acme", "crmhost login acme --json"))
@contract_name
@as_json
def command(name: str, as_json: bool) -> int:
    """Log in at the customer's URL as the administrator, and try the CRM's default accounts.

    Exit code 0: the administrator came in, and no default account did. 1: anything else.
    """
    from crm.catalogue import find
    from crmhost.login import prove
    from crmhost.want import ADMIN

    fleet = open_fleet()
    contract = fleet.contract(name)
    password = fleet.vault.get(name, "admin-password")
    if password is None:
        raise CrmhostError(f"{name}: no admin-password is stored, so it was not deployed", f"crmhost deploy {name}")
    proof = prove(find(contract.crm.recipe), contract.crm.url, ADMIN, password, door=_door(fleet, contract))
    if as_json:
        defaults = dict(proof.defaults)
        json_line("login", contract=name, url=contract.crm.url, administrator=proof.administrator, defaults=defaults)
    else:
        click.echo(f"{contract.crm.url}: {proof.text}")
    return 0 if proof.holds else 1


def _door(fleet: Fleet, contract: Contract) -> Door:
    """Return how the site is reached from here: as its Docker host or its server says, else as everybody reaches it."""
    from crmhost.door import STREET
    from crmhost.lan import door_of
    from crmhost.target import accept_on_terminal, open_target

    if contract.target.kind == "lan":
        return door_of(fleet, contract)
    if contract.target.kind != "cloud":
        return STREET
    with open_target(fleet, contract.id, accept_on_terminal(accept=False), quiet) as target:
        return STREET if target.door is None else target.door()
