"""`crmhost exec`: a command in the environment of the release that serves."""

from __future__ import annotations

import click

from crmhost.cli.options import contract_name, examples, local, open_fleet, quiet


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples("crmhost exec acme -- python --version", "crmhost exec acme -- creme check"),
)
@contract_name
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@local
def command(name: str, argv: tuple[str, ...]) -> int:
    """Run a command on the host as the CRM's own processes run, and end with its exit code.

    What stands in the command shows in the host's process list: give secrets by standard input.
    """
    from crmhost.target import accept_on_terminal, open_target

    with open_target(open_fleet(), name, accept_on_terminal(accept=False), quiet) as target:
        return target.driver.exec(target.want, argv)
