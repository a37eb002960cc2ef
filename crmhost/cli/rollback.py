"""`crmhost rollback`: an earlier release serves again."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, contract_name, examples, local, open_fleet, sure
from crmhost.output import reporter


@click.command(epilog=examples("crmhost rollback acme", "crmhost rollback acme --to 2.8.5"))
@contract_name
@click.option("--to", help="A release's id or version. Default: the one that served before.")
@click.option("--yes", is_flag=True, help="Do not ask whether what was written since may be lost.")
@local
@as_json
def command(name: str, as_json: bool, to: str | None, *, yes: bool) -> int:
    """Let a release that is kept serve again, through the same gate as a deploy.

    Old code never runs on a schema that it did not make: a release of another schema comes back with the backup that
    its upgrade made, once you have said that what was written since then may be lost.
    """
    from crmhost import deploy
    from crmhost.target import accept_on_terminal, open_target

    report = reporter(as_json=as_json)
    try:
        with open_target(open_fleet(), name, accept_on_terminal(accept=False), report.event) as target:
            outcome = deploy.rollback(target.driver, target.want, to, target.means(sure(yes=yes)))
    finally:
        report.close()
    if outcome.did == "declined":
        report.result("outcome", outcome.fields(), f"{name}: nothing was done.")
        return 1
    put_back = f"; backup {outcome.backup} was put back" if outcome.backup is not None else ""
    report.result(
        "outcome", outcome.fields(), f"{name}: {outcome.release} serves again{put_back} ({outcome.seconds:.1f} s)."
    )
    return 0
