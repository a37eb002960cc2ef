"""`crmhost deploy`: plan, confirm, converge, gate, switch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.output import Reporter, reporter

if TYPE_CHECKING:
    from crm.plan import Plan, Want
    from crmhost.deploy import Confirm, Outcome
    from crmhost.fleet import Fleet


@click.command(epilog=examples("crmhost deploy acme", "crmhost deploy acme --yes --json"))
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--yes", is_flag=True, help="Do not ask; the plan is shown all the same.")
@click.option("--accept-host-key", is_flag=True, help="Trust a host that was never seen, whatever its key is.")
@as_json
def command(names: tuple[str, ...], as_json: bool, *, yes: bool, accept_host_key: bool) -> int:
    """Bring the customer's CRM to what the contract says.

    The new release is staged beside the one that serves, must reach its database, and only then takes over. Stopped
    at any moment, the same command again finishes it.
    """
    fleet = open_fleet()
    report = reporter(as_json=as_json)
    declined = False
    try:
        for name in names:
            outcome = _deploy(fleet, name, report, _confirm(report, yes=yes), accept=accept_host_key)
            report.result(
                "outcome",
                {
                    "contract": name,
                    "did": outcome.did,
                    "release": outcome.release,
                    "seconds": round(outcome.seconds, 3),
                },
                _sentence(name, outcome),
            )
            declined = declined or outcome.did == "declined"
    finally:
        report.close()
    return 1 if declined else 0


def _deploy(fleet: Fleet, name: str, report: Reporter, confirm: Confirm, *, accept: bool) -> Outcome:
    from crmhost import deploy
    from crmhost.target import accept_on_terminal, open_target

    with open_target(fleet, name, accept_on_terminal(accept=accept), report.event, make_secrets=True) as (driver, want):
        return deploy.deploy(driver, want, confirm=confirm, progress=report.event, public=_public)


def _public(want: Want) -> None:
    from crmhost.public import check

    check(want)


def _confirm(report: Reporter, *, yes: bool) -> Confirm:
    def ask(plan: Plan) -> bool:
        report.plan(plan)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise Refused("nobody is here to confirm the plan; nothing was done", "Look at it, then add --yes.")
        return click.confirm("do this?", err=True)

    return ask


def _sentence(name: str, outcome: Outcome) -> str:
    match outcome.did:
        case "nothing":
            asked = outcome.plan.resources if outcome.plan else 0
            return f"{name}: nothing to do; all {asked} resources are as they should be ({outcome.seconds:.1f} s)."
        case "declined":
            return f"{name}: nothing was done."
        case _:
            return f"{name}: {outcome.release} serves ({outcome.seconds:.1f} s)."
