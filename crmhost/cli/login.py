"""`crmhost login`: proof, over HTTP, that the customer's administrator can log in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
        raise CrmhostError(
            f"{fleet.vault.folder}/{name}: no secret 'admin-password', so nobody knows whom to log in as",
            f"If {name} was deployed, bring its secrets back from where they were committed, or store the password that"
            f" the administrator has: crmhost secrets set {name} admin-password. If not: crmhost deploy {name}",
        )
    with _door(fleet, contract) as door:
        proof = prove(find(contract.crm.recipe), contract.crm.url, ADMIN, password, door=door)
    if as_json:
        defaults = dict(proof.defaults)
        json_line("login", contract=name, url=contract.crm.url, administrator=proof.administrator, defaults=defaults)
    else:
        click.echo(f"{contract.crm.url}: {proof.text}")
    return 0 if proof.holds else 1


@contextmanager
def _door(fleet: Fleet, contract: Contract) -> Iterator[Door]:
    """Give how the site is reached from here: as its Docker host or its server says, else as everybody reaches it.

    A server behind jump hosts is in a network that is not ours: its site is asked through the connection to it.
    """
    from crmhost.door import STREET
    from crmhost.target import accept_on_terminal, open_target

    if contract.target.kind not in ("cloud", "lan"):
        yield STREET
    elif contract.target.kind == "lan" and not _behind(fleet, contract):
        from crmhost.lan import door_of

        yield door_of(fleet, contract)
    else:
        with open_target(fleet, contract.id, accept_on_terminal(accept=False), quiet) as target, ExitStack() as held:
            if target.entrance is not None:
                yield held.enter_context(target.entrance())
            else:
                yield STREET if target.door is None else target.door()


def _behind(fleet: Fleet, contract: Contract) -> bool:
    """Tell whether others lie on the way to a server, by its contract or by the SSH configuration."""
    from crmhost.order import read_order
    from crmhost.reach import way

    order, access = read_order(fleet, contract.id, time.time_ns() // 1000)
    return not fleet.local and len(way(fleet, order, access)) > 1
