"""Opening the target of a contract: the connection, the driver, and what the contract wants of it."""

from __future__ import annotations

import getpass
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from contract.amend import at
from contract.model import WebHost
from crm.catalogue import find
from crm.driver import Driver, Progress
from crm.errors import Refused
from crm.plan import Want
from crm.recipe import Recipe
from crmhost.fleet import Fleet
from crmhost.vault import generate_password
from crmhost.want import make_want, refuse_recipe, refuse_stage

Accept = Callable[[str], bool]
"""Decides whether a host that was never seen is trusted; is given its key's fingerprint."""


@contextmanager
def open_target(
    fleet: Fleet, name: str, accept: Accept, progress: Progress, *, make_secrets: bool = False
) -> Iterator[tuple[Driver, Want]]:
    """Give the driver of a contract's target, connected, and what the contract wants.

    make_secrets: store the secrets that the recipe needs and the fleet lacks; otherwise they are made up for the
    moment, so that a plan writes nothing. Raises Refused where the contract's stage or target forbids it.
    """
    from playbooks.connect import Address, connect
    from playbooks.webhost.driver import WebHostDriver

    contract = at(fleet.contract(name), time.time_ns() // 1000)
    file = fleet.shown(fleet.contract_file(name))
    refuse_stage(contract, file)
    recipe = find(contract.crm.recipe)
    refuse_recipe(contract, recipe, file)
    want = make_want(contract, recipe, _secrets(fleet, name, recipe, make_secrets=make_secrets), file)
    target = contract.target
    if not isinstance(target, WebHost):
        raise Refused(f"{file}: target.kind: {target.kind} has no driver in this version")
    address = Address(target.user, target.host, target.port)
    with connect(address, fleet.known_hosts, key_file=_key_file(fleet), accept_new=accept) as host:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        yield WebHostDriver(host, name, document_root=target.document_root, who=who, progress=progress), want


def accept_on_terminal(*, accept: bool) -> Accept:
    """Return what asks the person at the terminal, or refuses where there is none; `accept`: says yes to any."""

    def ask(fingerprint: str) -> bool:
        if accept:
            click.echo(f"a new host: its key {fingerprint} is trusted from now on (known_hosts)", err=True)
            return True
        if not sys.stdin.isatty():
            return False
        return click.confirm(f"a new host, with the key {fingerprint}: trust it from now on?", err=True)

    return ask


def _secrets(fleet: Fleet, name: str, recipe: Recipe, *, make_secrets: bool) -> dict[str, str]:
    if make_secrets:
        return {secret: fleet.vault.ensure(name, secret) for secret in recipe.secrets}
    return {secret: fleet.vault.get(name, secret) or generate_password() for secret in recipe.secrets}


def _key_file(fleet: Fleet) -> Path | None:
    key = fleet.settings.ssh.key
    return None if key is None else (fleet.folder / Path(key).expanduser())
