"""`crmhost secrets`: the fleet's secrets, encrypted with age."""

from __future__ import annotations

import os
import sys

import click

from crm.errors import CrmhostError, Refused
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.output import json_line, table


@click.group(epilog=examples("crmhost secrets list", "crmhost secrets show acme admin-password"))
def command() -> None:
    """List, show, set and re-encrypt the fleet's secrets.

    OWNER is a contract's name, or _fleet for what belongs to the whole fleet.
    """


@command.command("list", epilog=examples("crmhost secrets list", "crmhost secrets list --json"))
@as_json
def list_(as_json: bool) -> None:
    """List which secrets there are; never what they are."""
    names = open_fleet().vault.names()
    if as_json:
        json_line("secrets", secrets=[{"owner": owner, "name": name} for owner, name in names])
        return
    click.echo(table(("OWNER", "NAME"), names) if names else "no secrets yet; a deploy makes those that it needs.")


@command.command(epilog=examples("crmhost secrets show acme admin-password"))
@click.argument("owner")
@click.argument("name")
def show(owner: str, name: str) -> None:
    """Decrypt one secret and print it."""
    fleet = open_fleet()
    value = fleet.vault.get(owner, name)
    if value is None:
        raise CrmhostError(
            f"{fleet.vault.folder}/{owner}: no secret {name!r}", "See what there is: crmhost secrets list"
        )
    click.echo(value)


@command.command("set", epilog=examples("crmhost secrets set _fleet billing-webhook < secret.txt"))
@click.argument("owner")
@click.argument("name")
@click.option("--replace", is_flag=True, help="Write over a secret that is there already.")
def set_(owner: str, name: str, *, replace: bool) -> None:
    """Store a secret, read from standard input (or asked for on a terminal, unseen).

    A CRM that is deployed already keeps the password that it was given: a new one here does not change it there.
    """
    fleet = open_fleet()
    if fleet.vault.get(owner, name) is not None and not replace:
        raise Refused(
            f"{fleet.vault.folder}/{owner}/{name}.age: is there already",
            "Add --replace to write over it; what uses the old one must then be told the new one.",
        )
    value = click.prompt("secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
    if not value:
        raise CrmhostError("standard input held no secret", f"crmhost secrets set {owner} {name} < FILE")
    fleet.vault.set(owner, name, value)
    click.echo(f"{owner}/{name}: stored for {len(fleet.vault.recipients)} recipients.", err=True)


@command.command(epilog=examples("crmhost secrets rekey"))
def rekey() -> None:
    """Encrypt every secret anew for the recipients that crmhost.yaml names now."""
    fleet = open_fleet()
    count = fleet.vault.rekey()
    click.echo(f"{count} secrets encrypted for {len(fleet.vault.recipients)} recipients.")


@command.command(epilog=examples("crmhost secrets identity"))
def identity() -> None:
    """Make your age identity if you have none, and print its public half for `recipients:` in crmhost.yaml."""
    from crmhost.vault import identity_file, make_identity

    path = identity_file(os.environ)
    click.echo(f"your identity: {path} (keep a copy somewhere safe; without it no secret can be read)", err=True)
    click.echo(make_identity(path))
