"""`crmhost settle`: periods that have ended become settlements."""

from __future__ import annotations

from collections.abc import Mapping

import click

from crm.errors import Refused
from crmhost.cli.options import as_json, examples, open_fleet
from crmhost.output import json_line


@click.command(
    epilog=examples(
        "crmhost settle",
        'crmhost settle --contract acme --period 2026-11 --accept "A. Nguyen: the probe host was down"',
        "crmhost settle --contract acme --period 2026-11 --again",
    )
)
@click.option("--contract", "name", help="Only this contract.")
@click.option("--period", help="Only this period: 2026-11, 1405-08, or a cycle's first instant.")
@click.option("--accept", metavar="WHO", help="Who accepts figures that need a person, and why. Needs --period.")
@click.option("--again", is_flag=True, help="Settle anew a period whose credit was reversed. Needs both of the above.")
@as_json
def command(as_json: bool, name: str | None, period: str | None, accept: str | None, *, again: bool) -> int:
    """Settle what is due: figures, credit, delivery and statement, once and for ever.

    `crmhost serve` does this by itself. Exit code 1 where a period waits for a person or a mistake is to be mended.
    """
    from crmhost.ledger import agreed, open_store, settling
    from monitor.settling import Left, settle_again, settle_due

    if accept is not None and period is None:
        raise Refused("--accept goes with --period: a person accepts one period at a time")
    if again and (name is None or period is None):
        raise Refused("--again goes with --contract and --period")
    fleet = open_fleet()
    left = 0
    with open_store(fleet) as engine:
        contracts = agreed(fleet, (name,) if name else ())
        work = settling(fleet, engine, contracts)
        if again and name is not None and period is not None:
            outcomes = [settle_again(work, contracts[0], period, accept or _me())]
        else:
            outcomes = list(settle_due(work, contracts, accept, period))
    for outcome in outcomes:
        if isinstance(outcome, Left):
            left += 1
            fields = {"contract": outcome.contract, "period": outcome.period, "reason": outcome.reason}
            _say(as_json, "left", fields, f"{outcome.contract} {outcome.period}: not settled: {outcome.reason}")
        else:
            settled = {"contract": outcome.contract, "period": outcome.period, "credit": outcome.credit}
            owed = outcome.credit or "nothing is owed"
            _say(as_json, "settled", settled, f"{outcome.contract} {outcome.period}: settled; {owed}")
    if not outcomes and not as_json:
        click.echo("nothing is due.")
    return 1 if left else 0


def _say(as_json: bool, kind: str, fields: Mapping[str, str | None], text: str) -> None:
    if as_json:
        json_line(kind, **fields)
    else:
        click.echo(text)


def _me() -> str:
    import getpass

    return getpass.getuser()
