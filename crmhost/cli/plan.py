"""`crmhost plan`: what a deploy would change. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crmhost.cli.many import about_many, contracts
from crmhost.cli.options import as_json, examples, local, open_fleet, refresh
from crmhost.output import reporter

if TYPE_CHECKING:
    from crmhost.fleet import Fleet


@click.command(
    epilog=examples(
        "crmhost plan acme",
        "crmhost plan acme --refresh",
        "crmhost plan --all --json",
        "crmhost plan 'a*' globex --parallel 16",
    )
)
@contracts
@refresh
@local
@as_json
def command(
    names: tuple[str, ...], as_json: bool, *, everything: bool, parallel: int, fail_fast: bool, refresh: bool
) -> int:
    """Ask the host about every resource and show what differs.

    Several names, globs or --all: in parallel, each contract by itself, and a table of all at the end.

    Exit code 0: nothing to do. 2: changes. 1: anything else, even if it was one contract of many.
    """
    fleet = open_fleet()
    if about_many(names, everything=everything):
        from crmhost.fleetwide.command import Asked, plan_many
        from crmhost.fleetwide.schedule import Rules

        return plan_many(fleet, Asked(names, everything, Rules(parallel, fail_fast), refresh, as_json))
    return _plan(fleet, names[0], as_json=as_json, refresh=refresh)


def _plan(fleet: Fleet, name: str, *, as_json: bool, refresh: bool) -> int:
    from crmhost.target import accept_on_terminal, open_target

    report = reporter(as_json=as_json)
    with open_target(fleet, name, accept_on_terminal(accept=False), report.event, refresh=refresh) as target:
        from crmhost import deploy

        plan = deploy.plan(target.driver, target.want)
    report.plan(plan)
    return 2 if plan.changes else 0
