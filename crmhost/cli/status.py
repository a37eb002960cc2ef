"""`crmhost status`: what runs now."""

from __future__ import annotations

from dataclasses import asdict

import click

from crmhost.cli.options import as_json, examples, local, open_fleet
from crmhost.output import json_line, reporter, table


@click.command(epilog=examples("crmhost status acme", "crmhost status acme --json"))
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@local
@as_json
def command(names: tuple[str, ...], as_json: bool) -> int:
    """Show the release that serves, its processes, and who is at work on the host.

    Exit code 1 when a process that should be up is not.
    """
    from crmhost.target import accept_on_terminal, open_target

    fleet = open_fleet()
    report = reporter(as_json=as_json)
    down = False
    for name in names:
        with open_target(fleet, name, accept_on_terminal(accept=False), report.event) as target:
            status = target.driver.status(target.want)
        report.close()
        down = down or any(state != "up" for _, state, _ in status.processes)
        if as_json:
            json_line("status", **asdict(status))
            continue
        click.echo(f"{name}: {status.serving or 'nothing'} serves; kept: {', '.join(status.releases) or 'no release'}")
        if status.processes:
            click.echo(table(("PROCESS", "STATE", "DETAIL"), status.processes))
        if status.users is not None:
            click.echo(f"active users: {status.users}")
        if status.holder:
            click.echo(f"at work there: {status.holder}")
    return 1 if down else 0
