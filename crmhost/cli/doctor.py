"""`crmhost doctor`: what is missing on this machine or on a contract's host, and what mends it."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from crm.errors import CrmhostError
from crmhost.cli.options import as_json, examples, local, open_fleet
from crmhost.doctor import here
from crmhost.doctor.finding import Finding
from crmhost.output import json_line, table


@click.command(
    epilog=examples("crmhost doctor", "crmhost doctor acme", "crmhost doctor acme --json", "crmhost doctor --install")
)
@click.argument("name", required=False)
@click.option("--install", is_flag=True, help="First bring Pulumi, where it is missing: what cloud targets need.")
@click.option("--accept-host-key", is_flag=True, help="Trust the host's key on first contact, without asking.")
@local
@as_json
def command(name: str | None, as_json: bool, *, install: bool, accept_host_key: bool) -> int:
    """Look at this machine and its fleet; with NAME, at a contract's host before the first deploy.

    Without NAME: Python, SSH keys, the age identity, the fleet and Pulumi. With it, on a web host: programs, Python,
    disk, quotas, memory, clock, ports and cron, in one question; on a server with sudo: sudo, system, systemd, disk,
    memory, clock, ports and apt; on a Docker host: engine, disk, memory, clock, ports, and Pulumi; everywhere the URL's
    name in DNS and what answers there. It changes nothing on the host. Exit code 1 where something is to be mended.
    """
    if install:
        _install()
    findings = _findings(name, accept_host_key=accept_host_key)
    if as_json:
        for one in findings:
            json_line("finding", **one._asdict(), ok=not one.remedy)
    else:
        rows = [("ok" if not one.remedy else "MEND", one.what, one.found) for one in findings]
        click.echo(table(("", "WHAT", "FOUND"), rows))
        for one in findings:
            if one.remedy:
                click.echo(f"{one.what}: {one.remedy}")
    return 1 if any(one.remedy for one in findings) else 0


def _findings(name: str | None, *, accept_host_key: bool) -> list[Finding]:
    if name is None:
        return [*here.machine(open_fleet), *here.fleet_of(open_fleet), *here.cloud(open_fleet)]
    from crmhost.doctor.contract import examine
    from crmhost.target import accept_on_terminal

    return _shown(examine(open_fleet(), name, accept_on_terminal(accept=accept_host_key)))


def _shown(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings as they may be printed: what a host answers is data, never commands to a screen."""
    from playbooks.terminal import safe, safe_line

    return [Finding(one.what, safe_line(one.found, 600), safe(one.remedy)) for one in findings]


def _install() -> None:
    from infra import toolchain

    cache = toolchain.default_cache(os.environ)
    try:
        toolchain.find(os.environ, cache)
    except CrmhostError:
        toolchain.install(cache, lambda line: click.echo(line, err=True))
