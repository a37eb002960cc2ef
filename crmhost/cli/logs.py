"""`crmhost logs`: what a CRM's process wrote."""

from __future__ import annotations

import click

from crmhost.cli.options import contract_name, examples, local, open_fleet, quiet


@click.command(epilog=examples("crmhost logs acme", "crmhost logs acme worker --lines 200"))
@contract_name
@click.argument("process", default="web")
@click.option(
    "--lines", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many of the last lines."
)
@local
def command(name: str, process: str, lines: int) -> None:
    """Show the last lines of a process's log. Control characters are shown, not obeyed."""
    from crmhost.target import accept_on_terminal, open_target

    with open_target(open_fleet(), name, accept_on_terminal(accept=False), quiet) as target:
        for line in target.driver.logs(process, lines):
            click.echo(line)
