"""`crmhost login`: proof, over HTTP, that the customer's administrator can log in."""

from __future__ import annotations

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, contract_name, examples, open_fleet
from crmhost.output import json_line


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
    proof = prove(find(contract.crm.recipe), contract.crm.url, ADMIN, password)
    if as_json:
        defaults = dict(proof.defaults)
        json_line("login", contract=name, url=contract.crm.url, administrator=proof.administrator, defaults=defaults)
    else:
        click.echo(f"{contract.crm.url}: {proof.text}")
    return 0 if proof.holds else 1
