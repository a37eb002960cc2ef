"""`crmhost plan`: what a deploy would change. Changes nothing."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, examples, open_fleet, refresh
from crmhost.output import reporter


@click.command(epilog=examples("crmhost plan acme", "crmhost plan acme globex --json", "crmhost plan acme --refresh"))
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@refresh
@as_json
def command(names: tuple[str, ...], as_json: bool, *, refresh: bool) -> int:
    """Ask the host about every resource and show what differs.

    Exit code 0: nothing to do. 2: changes. 1: anything else.
    """
    from crmhost import deploy
    from crmhost.target import accept_on_terminal, open_target

    fleet = open_fleet()
    report = reporter(as_json=as_json)
    differs = False
    for name in names:
        accept = accept_on_terminal(accept=False)
        with open_target(fleet, name, accept, report.event, refresh=refresh) as target:
            plan = deploy.plan(target.driver, target.want)
        report.plan(plan)
        differs = differs or bool(plan.changes)
    return 2 if differs else 0
