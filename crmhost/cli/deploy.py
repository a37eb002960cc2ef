"""`crmhost deploy`: plan, confirm, converge, gate, switch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm.errors import Refused
from crmhost.cli.many import about_many, contracts
from crmhost.cli.options import as_json, examples, local, open_fleet, refresh, sure
from crmhost.output import Reporter, reporter

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from crm.driver import Progress
    from crm.plan import Event, Plan
    from crmhost.deploy import Confirm, Outcome
    from crmhost.target import Accept, Target

    Opening: TypeAlias = Callable[[Accept, Progress], AbstractContextManager[Target]]
    """Connects to a target."""


@click.command(
    epilog=examples(
        "crmhost deploy acme",
        "crmhost deploy acme --yes --json",
        "crmhost deploy --all --yes --canary 2",
        "crmhost deploy 'a*' globex --parallel 4 --fail-fast",
        "crmhost deploy acme --bundle bundles/acme.bundle",
    )
)
@contracts
@click.option("--canary", type=click.IntRange(0), default=0, metavar="N", help="N first; the rest once all N serve.")
@click.option("--yes", is_flag=True, help="Do not ask; the plan is shown all the same.")
@click.option("--accept-host-key", is_flag=True, help="Trust a host that was never seen, whatever its key is.")
@refresh
@click.option(
    "--bundle", type=click.Path(path_type=Path, dir_okay=False), help="Install from this file alone: crmhost bundle."
)
@local
@as_json
def command(  # noqa: PLR0913 -- one for each option
    names: tuple[str, ...],
    as_json: bool,
    *,
    everything: bool,
    parallel: int,
    fail_fast: bool,
    canary: int,
    yes: bool,
    accept_host_key: bool,
    refresh: bool,
    bundle: Path | None,
) -> int:
    """Bring the customer's CRM to what the contract says.

    The new release is staged beside the one that serves, must reach its database, and only then takes over. Stopped
    at any moment, the same command again finishes it.

    Several names, globs or --all: in parallel. A failure of one stops no other without --fail-fast or --canary; all
    are told at the end, and the exit code is 1. Without --yes all are planned, shown, and asked about once.
    """
    fleet = open_fleet()
    if about_many(names, everything=everything):
        if bundle is not None:
            raise Refused("--bundle is for one contract, and several were named", "Deploy them one by one.")
        from crmhost.fleetwide.command import Agreed, Asked, deploy_many
        from crmhost.fleetwide.schedule import Rules

        asked = Asked(names, everything, Rules(parallel, fail_fast, canary), refresh, as_json)
        return deploy_many(fleet, asked, Agreed(yes, accept_host_key))
    said, name = Switches(as_json, yes, accept_host_key), names[0]
    if bundle is not None:
        from crmhost.bundle.using import from_here

        return carry_out(name, said, partial(from_here, fleet, name, bundle))
    from crmhost.target import open_target

    return carry_out(name, said, partial(open_target, fleet, name, make_secrets=True, refresh=refresh))


@dataclass(frozen=True, slots=True)
class Switches:
    """What was said on the command line about how a deploy speaks and asks."""

    as_json: bool
    yes: bool
    accept_host_key: bool


def carry_out(name: str, said: Switches, opening: Opening) -> int:
    """Deploy to a target, speaking of it as `deploy` does; returns the exit code."""
    from crmhost.target import accept_on_terminal

    report = reporter(as_json=said.as_json)
    page = Page(report.event)
    try:
        accept = accept_on_terminal(accept=said.accept_host_key)
        with opening(accept, page.tell) as target:
            from crmhost import deploy

            means = target.means(sure(yes=said.yes))
            outcome = deploy.deploy(target.driver, target.want, means, confirm=_confirm(report, page, yes=said.yes))
        report.result("outcome", outcome.fields(), sentence(name, outcome))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(stopped(name, shut=page.shown)) from None
    finally:
        report.close()
    return exit_code(outcome)


def exit_code(outcome: Outcome) -> int:
    """Return 0 only where what serves is what the contract asks for. Pure."""
    return 0 if outcome.did in {"nothing", "deployed"} else 1


def stopped(name: str, *, shut: bool) -> str:
    """Return what a deploy that was interrupted leaves. shut: customers may see the maintenance page. Pure."""
    until = (
        f" Until then customers may see the maintenance page; crmhost rollback {name} takes the upgrade back."
        if shut
        else ""
    )
    return f"the same command again goes on.{until}"


@dataclass(slots=True)
class Page:
    """Whether customers may see the maintenance page, from what the sequence tells, without asking the host."""

    progress: Progress
    shown: bool = False

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        match event.subject, event.state:
            case "maintenance page on", "begin":
                self.shown = True
            case "maintenance page off", "done":
                self.shown = False
        self.progress(event)

    def planned(self, plan: Plan) -> None:
        """Take note of an upgrade that was begun before, and has let nobody in yet."""
        self.shown = plan.unfinished is not None and plan.unfinished.phase != "open"


def _confirm(report: Reporter, page: Page, *, yes: bool) -> Confirm:
    def ask(plan: Plan) -> bool:
        page.planned(plan)
        report.plan(plan)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise Refused("nobody is here to confirm the plan; nothing was done", "Look at it, then add --yes.")
        return click.confirm("do this?", err=True)

    return ask


def sentence(name: str, outcome: Outcome) -> str:
    """Return how a deploy ended, for people. Pure."""
    match outcome.did:
        case "nothing":
            asked = outcome.plan.resources if outcome.plan else 0
            return f"{name}: nothing to do; all {asked} resources are as they should be ({outcome.seconds:.1f} s)."
        case "declined":
            return f"{name}: nothing was done."
        case "restored":
            back = f" with backup {outcome.backup}" if outcome.backup is not None else ""
            return (
                f"{name}: {outcome.release} serves again{back}, as was begun before ({outcome.seconds:.1f} s)."
                " Deploy again for what the contract asks for."
            )
        case _:
            saved = f"; backup {outcome.backup} was made first" if outcome.backup is not None else ""
            return f"{name}: {outcome.release} serves{saved} ({outcome.seconds:.1f} s)."
