"""`crmhost rollback`: an earlier release of the same schema serves again."""

from __future__ import annotations

import click

from crmhost.cli.options import as_json, contract_name, examples, open_fleet
from crmhost.output import reporter


@click.command(epilog=examples("crmhost rollback acme", "crmhost rollback acme --to 2.8.5"))
@contract_name
@click.option("--to", help="A release's id or version. Default: the one that served before.")
@as_json
def command(name: str, as_json: bool, to: str | None) -> None:
    """Let a release that is kept on the host serve again, through the same gate as a deploy.

    A release that needs another database schema is refused: old code never runs on a schema that it did not make.
    """
    from crmhost import deploy, public
    from crmhost.target import accept_on_terminal, open_target

    report = reporter(as_json=as_json)
    try:
        with open_target(open_fleet(), name, accept_on_terminal(accept=False), report.event) as (driver, want):
            outcome = deploy.rollback(driver, want, to, progress=report.event, public=public.check)
    finally:
        report.close()
    fields = {"contract": name, "did": outcome.did, "release": outcome.release, "seconds": round(outcome.seconds, 3)}
    report.result("outcome", fields, f"{name}: {outcome.release} serves again ({outcome.seconds:.1f} s).")
