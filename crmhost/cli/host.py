"""`crmhost host`: what a Docker host has once for all its customers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.output import json_line, reporter, table

if TYPE_CHECKING:
    from crm.plan import Change

named = click.argument("named", metavar="HOST")
accept_host_key = click.option(
    "--accept-host-key", is_flag=True, help="Trust a host that was never seen, whatever its key is."
)


@click.group(epilog=examples("crmhost host up ssh://deploy@docker.example", "crmhost host status acme"))
def command() -> None:
    """Bring up, show and remove the ingress of a Docker host.

    HOST is an engine's address (ssh://, tcp://, unix://), or a contract whose target is one. The first deploy to a host
    does `up` by itself, and no customer's destroy removes anything of it.
    """


@command.command(
    epilog=examples("crmhost host up ssh://deploy@docker.example --accept-host-key", "crmhost host up acme")
)
@named
@accept_host_key
@as_json
def up(named: str, as_json: bool, *, accept_host_key: bool) -> None:
    """Make the ingress, its network and its volumes, or what of them is missing or differs."""
    from crmhost.hosts import open_host
    from crmhost.target import accept_on_terminal, who
    from infra import hoststack

    report = reporter(as_json=as_json)
    accept = accept_on_terminal(accept=accept_host_key)
    try:
        with open_host(open_fleet(), named, accept, make_secrets=True) as host:
            changes = hoststack.ensure(host.engine, host.settings, host.access(), report.event, who())
            url = host.settings.reach.url
    finally:
        report.close()
    done = f"made right: {', '.join(change.resource for change in changes)}" if changes else "nothing to do"
    fields = {"host": url, "did": "changed" if changes else "nothing", "changes": _told(changes)}
    report.result("host", fields, f"{url}: {done}; the ingress is up.")


@command.command(epilog=examples("crmhost host status ssh://deploy@docker.example", "crmhost host status acme --json"))
@named
@accept_host_key
@as_json
def status(named: str, as_json: bool, *, accept_host_key: bool) -> int:
    """Show the ingress, and which slot each site is sent to. Exit code 1 where the ingress is not as it should be."""
    from crmhost.hosts import open_host
    from crmhost.target import accept_on_terminal
    from infra import hoststack

    with open_host(open_fleet(), named, accept_on_terminal(accept=accept_host_key)) as host:
        found = hoststack.status(host.engine, host.settings)
        url = host.settings.reach.url
    if as_json:
        served = {name: asdict(site) for name, site in found.sites.items()}
        stands = {"docker": found.docker, "ingress": found.ingress, "changes": _told(found.changes), "sites": served}
        json_line("host-status", host=url, **stands)
    else:
        click.echo(f"{url}: Docker {found.docker}; ingress: {found.ingress}")
        for change in found.changes:
            click.echo(f"  {change.resource}: {change.why}")
        if found.sites:
            rows = [
                (name, site.slot or "-", "maintenance" if site.closed else "") for name, site in found.sites.items()
            ]
            click.echo(table(("SITE", "SLOT", ""), rows))
    return 1 if found.changes else 0


@command.command(epilog=examples("crmhost host destroy ssh://deploy@docker.example --yes"))
@named
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def destroy(named: str, as_json: bool, *, yes: bool) -> None:
    """Remove the ingress with its certificates; refused while a customer is on the host."""
    from crmhost.hosts import open_host
    from crmhost.target import accept_on_terminal, who
    from infra import hoststack

    _confirm(named, yes=yes)
    report = reporter(as_json=as_json)
    try:
        with open_host(open_fleet(), named, accept_on_terminal(accept=False)) as host:
            hoststack.destroy(host.engine, host.settings, host.access(), report.event, who())
            url = host.settings.reach.url
    finally:
        report.close()
    fields = {"host": url, "did": "removed", "changes": []}
    report.result("host", fields, f"{url}: nothing of crmhost's own is left there.")


@command.command(epilog=examples("crmhost host authority ssh://deploy@docker.example > authority.pem"))
@named
def authority(named: str) -> None:
    """Print the certificate of the ingress's own authority (PEM), for those who are to trust it."""
    from crmhost.hosts import open_host
    from crmhost.target import accept_on_terminal
    from infra import sites

    with open_host(open_fleet(), named, accept_on_terminal(accept=False)) as host:
        click.echo(sites.authority(host.engine).rstrip())


def _told(changes: Sequence[Change]) -> list[dict[str, str]]:
    return [{"resource": change.resource, "action": change.action, "why": change.why} for change in changes]


def _confirm(named: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nobody is here to confirm it; nothing was done", "Add --yes.")
    if not click.confirm(f"remove the ingress of {named}, with its certificates?", err=True):
        raise Refused("nothing was done")
